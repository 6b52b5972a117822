"""Values and captions: one name and one format, on the site and in JupyterLab."""

from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch

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
    "figure": {"caption": "It *rises* by {eval}`run.gain[1]`, {eval}`figure.the_line`.", "name": "fig-the-line"},
    "image": {"alt": "A line that rises from one to two, drawn for a test of captions."},
}


def test_captions_with_their_values_are_shown_to_who_runs_a_cell_by_hand(tmp_path, monkeypatch, glued):
    cells = [nbformat.v4.new_code_cell("1", metadata={"mystnb": CAPTION}), nbformat.v4.new_code_cell("2")]
    (tmp_path / "lab").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "07_warmup_and_radam.ipynb")
    monkeypatch.setattr(figures, "__file__", str(tmp_path / "lab" / "figures.py"))
    shown = []
    monkeypatch.setattr(figures, "display", lambda markdown: shown.append(markdown.data))
    figure = figures.Numbers("07_warmup_and_radam")
    assert repr(figure.the_line) == "Figure 7.1"
    run = Values()
    run.keep(".2f", gain={1: -2})
    monkeypatch.setattr(figures, "get_ipython", lambda: SimpleNamespace(user_ns={"run": run, "figure": figure}))
    ran = lambda cell, success=True: SimpleNamespace(info=SimpleNamespace(cell_id=cell), success=success)
    figure.show_caption(ran(cells[1].id))
    figure.show_caption(ran(None))  # the build says no cell
    figure.show_caption(ran(cells[0].id, success=False))
    assert shown == []
    figure.show_caption(ran(cells[0].id))
    assert shown == ["**Figure 7.1.** It *rises* by −2.00, Figure 7.1."]


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
