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


@pytest.mark.parametrize("bad", [None, [1], torch.zeros(2)])
def test_refuses_what_is_neither_number_nor_word(glued, bad):
    with pytest.raises((ValueError, RuntimeError)):
        Values().keep(".2f", gain=bad)
    assert glued == {}


def test_refuses_a_format_that_does_not_fit(glued):
    with pytest.raises(ValueError, match=r"format must fit gain = 1.0, got '.2q'"):
        Values().keep(".2q", gain=1.0)


CAPTION = {
    "figure": {"caption": "It *rises*.", "name": "fig-the-line"},
    "image": {"alt": "A line that rises from one to two, drawn for a test of captions."},
}


def test_the_site_fills_in_values_and_numbers_of_figures(book):
    text = "# small\n\nA gain of {eval}`run.gain` in {eval}`figure.the_line`.\n\n| a |\n|---|\n| {eval}`run.gain` |"
    source = "import matplotlib.pyplot as plt\nfrom lab import figures\nfrom lab.values import Values\n"
    source += "figures.use()\nrun = Values()\nplt.plot([1, 2])\nrun.keep('.2f', gain=0.2);"
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
        assert 'href="#fig-the-line"' in page


def test_an_unknown_value_or_figure_stops_the_build(book):
    book.notebook("small", SETTLE)
    path = book.root / "notebooks" / "small.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source = "# small\n\n{eval}`gain + 1`, {eval}`run.gone`, {eval}`figure.lost`"
    nbformat.write(notebook, path)
    code, said = book.build()
    assert code != 0
    assert all(says in said for says in ("not 'gain + 1'", "gone", "fig-lost")), said


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
