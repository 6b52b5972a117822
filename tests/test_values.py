"""Values and captions: one name and one format, on the site and in JupyterLab."""

from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from conftest import SETTLE

from lab import figures, values
from lab.values import Values


@pytest.fixture
def glued(monkeypatch):
    found = {}
    monkeypatch.setattr(values, "glue", lambda name, shown, display: found.update({name: shown}))
    return found


def test_a_value_is_a_number_that_shows_in_its_format(glued):
    run = Values()
    run.keep(".2f", gain=0.2, loss=torch.tensor(-1.234), share=np.float64(3))
    assert (repr(run.gain), repr(run.loss), repr(run.share)) == ("0.20", "−1.23", "3.00")
    assert run.gain + 1 == 1.2
    assert glued == {"gain": "0.20", "loss": "−1.23", "share": "3.00"}


def test_a_word_shows_without_quotes(glued):
    run = Values()
    run.keep("", word="well-known")
    assert repr(run.word) == "well-known" and run.word == "well-known"


def test_a_table_grows_and_its_entries_show_in_their_formats(glued):
    run = Values()
    for depth in (6, 48):
        run.keep(".1f", slope={"Pre-LN, 1/√N: a": {depth: torch.tensor(-depth / 10)}})
    run.keep(".0f", slope={"Post-LN": 3})
    assert repr(run.slope) == "{'Pre-LN, 1/√N: a': {6: −0.6, 48: −4.8}, 'Post-LN': 3}"
    assert glued == {
        'slope["Pre-LN, 1/√N: a"][6]': "−0.6",
        'slope["Pre-LN, 1/√N: a"][48]': "−4.8",
        'slope["Post-LN"]': "3",
    }


@pytest.mark.parametrize(
    "format, values, says",
    [
        (".2f", {"gain": None}, "gain must be a number, a string or a table of such, got None"),
        (".2f", {"gain": torch.zeros(2)}, "gain must be a number.*got tensor"),
        (".2f", {"gain": {"a": {1: [2]}}}, r'gain\["a"\]\[1\] must be a number.*got \[2\]'),
        (".2q", {"gain": 1.0}, "format must fit gain = 1.0, got '.2q'"),
        (".2f", {"gain": {0.5: 1}}, "gain must have strings and ints as keys, got 0.5"),
        (".2f", {"gain": {True: 1}}, "gain must have strings and ints as keys, got True"),
        (".2f", {"table": 1}, "table is a table already and must not be a value, got 1"),
        (".2f", {"value": {"a": 1}}, "value is a value already and must not be a table, got {'a': 1}"),
    ],
)
def test_refuses_what_cannot_be_shown(glued, format, values, says):
    run = Values()
    run.keep(".2f", table={"a": 1}, value=1)
    before = dict(glued)
    with pytest.raises(ValueError, match=says):
        run.keep(format, **values)
    assert glued == before


CAPTION = {
    "figure": {"caption": "It *rises*.", "name": "fig-the-line"},
    "image": {"alt": "A line that rises from one to two, drawn for a test of captions."},
}


def test_the_site_fills_in_values_and_numbers_of_figures(book):
    text = "# small\n\nA gain of {eval}`run.gain` in {eval}`figure.the_line`.\n\n| a | b |\n|---|---|\n"
    text += '| {eval}`run.gain` | {eval}`run.slope["1/√N, a::b: c"][64]` |'
    source = "import matplotlib.pyplot as plt\nfrom lab import figures\nfrom lab.values import Values\n"
    source += "figures.use()\nrun = Values()\nplt.plot([1, 2])\n"
    source += "run.keep('.2f', gain=0.2, slope={'1/√N, a::b: c': {64: -3}});"
    book.notebook("small", SETTLE, source)
    path = book.root / "notebooks" / "small.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = text
    notebook.cells[2].metadata["mystnb"] = CAPTION
    nbformat.write(notebook, path)
    for options in ((), ("--all",)):
        code, said = book.build(*options)
        assert code == 0, said
        page = book.page("notebooks/small")
        assert page.count('<span class="pasted-text">0.20</span>') == 2
        assert page.count('<span class="pasted-text">−3.00</span>') == 1
        assert 'href="#fig-the-line"' in page


def test_an_unknown_value_or_figure_stops_the_build(book):
    book.notebook("small", SETTLE, "from lab.values import Values\nrun = Values()\nrun.keep('d', keys={64: 1})")
    path = book.root / "notebooks" / "small.ipynb"
    notebook = nbformat.read(path, as_version=4)
    shown = ("gain + 1", "run.keys['64']", "run.gone", "run.keys[16]", "run.keys", "figure.lost")
    notebook.cells[0].source = "# small\n\n" + ", ".join(f"{{eval}}`{each}`" for each in shown)
    nbformat.write(notebook, path)
    code, said = book.build()
    assert code != 0
    for says in ("not 'gain + 1'", """not "run.keys['64']\"""", "'gone'", "'keys[16]'", "'keys'", "fig-lost"):
        assert says in said, said
    assert "not found in doc 'notebooks/small'" in said


def test_captions_are_shown_to_who_runs_a_cell_by_hand(tmp_path, monkeypatch):
    cells = [nbformat.v4.new_code_cell("1", metadata={"mystnb": CAPTION}), nbformat.v4.new_code_cell("2")]
    (tmp_path / "lab").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "07_small.ipynb")
    monkeypatch.setattr(figures, "__file__", str(tmp_path / "lab" / "figures.py"))
    shown = []
    monkeypatch.setattr(figures, "display", lambda markdown: shown.append(markdown.data))
    figure = figures.Numbers("07_small")
    assert repr(figure.the_line) == "Figure 7.1"
    ran = lambda cell, success=True: SimpleNamespace(info=SimpleNamespace(cell_id=cell), success=success)
    figure.show_caption(ran(cells[1].id))
    figure.show_caption(ran(None))  # the build says no cell
    figure.show_caption(ran(cells[0].id, success=False))
    assert shown == []
    figure.show_caption(ran(cells[0].id))
    assert shown == ["**Figure 7.1.** It *rises*."]


def test_unknown_chapters_have_no_captions():
    with pytest.raises(ValueError, match="chapter.*'99_none'"):
        figures.Numbers("99_none")


def test_an_explorer_refuses_what_a_page_cannot_hold():
    import matplotlib.pyplot as plt

    from lab import explorers

    still = plt.figure()
    with pytest.raises(ValueError, match="name.*'none'"):
        explorers.show("none", {}, still, "a figure")
    with pytest.raises(ValueError, match="alt"):
        explorers.show("dial", {}, still, " ")
    with pytest.raises(ValueError, match="data"):
        explorers.show("dial", {"x": float("nan")}, still, "a figure")
    plt.close(still)
