"""Folded code: named, one switch for all, reachable by keyboard and without scripts, and nothing cut on a phone."""

import nbformat
from browser import served
from bs4 import BeautifulSoup
from conftest import SETTLE

WIDE = "a_name_that_is_long = " + " + ".join(f"another_name_{i}" for i in range(3)) + "  # a comment to the eightieth"


def fold(book, **mystnb) -> None:
    """Fold the first code cell of the small notebook."""
    path = book.root / "notebooks" / "small.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[1].metadata |= {"tags": ["hide-input"], "mystnb": mystnb}
    nbformat.write(notebook, path)


def test_a_fold_without_a_name_stops_the_build(book):
    fold(book)
    code, said = book.build()
    assert code != 0
    assert "notebooks/small" in said and "code_prompt_show" in said, said


def test_folds_open_one_by_one_and_all_at_once(book, browser):
    book.notebook("small", SETTLE, "another_name_0 = another_name_1 = another_name_2 = 1\n" + WIDE)
    fold(book, code_prompt_show="The measurement: <one> seed")
    code, said = book.build()
    assert code == 0, said
    page = book.page("notebooks/small")
    assert "<summary>The measurement: &lt;one&gt; seed</summary>" in page
    assert "Toggle hidden content" not in page and "Show code cell" not in page

    with served(book.root / "_build" / "html") as address:
        context = browser.new_context(viewport={"width": 375, "height": 800})
        tab = context.new_page()
        tab.goto(f"{address}notebooks/small.html")
        code, summary = tab.locator("details.hide pre"), tab.locator("details.hide summary")
        assert not code.is_visible()
        summary.press("Enter")
        assert code.is_visible()
        summary.press("Enter")
        switch = tab.locator(".code-switch")
        switch.press("Enter")
        assert code.is_visible() and switch.get_attribute("aria-pressed") == "true"
        tab.reload()
        assert code.is_visible()  # remembered
        switch.click()
        tab.reload()
        assert not code.is_visible()
        cut = "blocks => blocks.filter(b => b.scrollWidth > b.clientWidth + 1).length"
        assert tab.eval_on_selector_all("div.cell_input pre", cut) == 0
        context.close()

        context = browser.new_context(java_script_enabled=False)
        tab = context.new_page()
        tab.goto(f"{address}notebooks/small.html")
        assert tab.locator(".code-switch").count() == 0
        tab.locator("details.hide summary").click()
        assert tab.locator("details.hide pre").is_visible()
        context.close()


def test_three_folds_in_a_row_that_show_nothing_stand_under_one_line(book):
    book.notebook("small", "a = 1", "b = 2", "c = 3", SETTLE)
    path = book.root / "notebooks" / "small.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for number, cell in enumerate(notebook.cells[1:], start=1):
        cell.metadata |= {"tags": ["hide-input"], "mystnb": {"code_prompt_show": f"Step {number}"}}
    nbformat.write(notebook, path)
    code, said = book.build()
    assert code == 0, said
    page = BeautifulSoup(book.page("notebooks/small"), "html.parser")
    summaries = [fold.summary.text for fold in page.select("details.hide") if not fold.find_parent("details")]
    assert summaries == ["3 steps of code", "Step 4"]
    inside = page.select_one("details.hide").select("details.hide > summary")
    assert [summary.text for summary in inside] == ["3 steps of code", "Step 1", "Step 2", "Step 3"]
