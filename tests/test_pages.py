"""What a chapter has on the site: cards, links of ids, verdicts, values, folds, definitions where a term stands."""

import re

import pytest
from bs4 import BeautifulSoup

import sample as written
from conftest import ALT, PLOT, SETTLE, Book, code, opened, text
from test_interruptions import until


def soup(book: Book, page: str) -> BeautifulSoup:
    return BeautifulSoup(book.page(page), "html.parser")


def pictures(book: Book, page: str, selector: str) -> list[str]:
    """The SVG files that stand on a page."""
    images = soup(book, page).select(f"{selector} img")
    assert all(image["alt"] == ALT for image in images)
    return [(book.root / "_build" / "html" / "book" / image["src"]).read_text() for image in images]


def test_a_card_shows_the_question_the_answer_and_the_figure_that_is_named(sample):
    figures = pictures(sample, "notebooks/small", "figure")
    assert pictures(sample, "book/index", ".question-picture") == [figures[1]]
    page = soup(sample, "book/index")
    assert page.select_one(".question-title a").text == "1. Is x large?"
    assert page.select_one(".question-title a")["href"] == "../notebooks/small.html"
    assert "The answer to it." in page.select_one(".question").text
    [claim] = page.select(".evidence")
    assert claim.a["href"] == "../notebooks/small.html#claim-n1a" and claim.select_one("svg[role=img]")
    assert not claim.get("id")


def test_cards_show_the_figures_of_this_build_also_warm_and_after_a_chapter_changed(book):
    """Of a chapter without a named figure the first, or the still of its explorer."""
    written.fill(book)
    toc = (book.root / "_toc.yml").read_text()
    book.write("_toc.yml", toc.replace("notebooks/small\n", "notebooks/small\n  - file: notebooks/moved\n"))
    book.write(
        "book/verdicts.md",
        written.VERDICTS.replace(":figure: fig-second\n\n", "")
        + "\n## More\n\n:::{question} ../notebooks/moved.ipynb\nIt moves.\n:::\n",
    )
    book.notebook("moved", text("# Does it move?"), written.SETUP.replace("small", "moved"), written.EXPLORER)
    for value in (1, 1, 7):
        listed = "from lab import contents\ncontents.show_statements('small')"
        more = SETTLE.replace("N1a", "N1a.more")
        book.notebook("small", text(f"# Is x {value}?"), listed, SETTLE, more, code(PLOT % value, "fig-small"))
        book.built()
        first, second = pictures(book, "book/index", ".question-picture")
        assert first == pictures(book, "notebooks/small", "figure")[0]
        assert second == pictures(book, "notebooks/moved", ".explorer-still")[0]
        assert soup(book, "book/index").select_one(".question-title a").text == f"1. Is x {value}?"


def test_ids_of_statements_link(sample):
    html = sample.page("notebooks/small")
    links = re.findall(r'<a class="reference internal" href="([^"]*)">(?:<span[^>]*>)?(N[^<]*)<', html)
    there = "../book/verdicts.html"
    found = [(f"{there}#n1a", "N1a"), (f"{there}#claim-n1a-more", "N1a.more"), (f"{there}#n1a", "N1a"), (there, "N1a")]
    assert [link for link in links if link in found][:4] == found
    settled = soup(sample, "notebooks/small").select(".claim a")
    assert [(a["href"], a.text) for a in settled] == found[:2]
    verdicts = soup(sample, "book/verdicts")
    assert verdicts.find(id="n1a") and verdicts.find(id="claim-n1a-more")


def test_a_chapter_lists_its_statements_with_badges_and_the_table_counts(sample):
    chapter = soup(sample, "notebooks/small")
    [badge] = chapter.select("li .verdict")
    assert badge.text == "holds with a condition" and "verdict-holds-with-a-condition" in badge["class"]

    page = soup(sample, "book/verdicts")
    assert page.select_one(".verdict-counts").get_text(" ", strip=True) == "holds with a condition 1"
    [row] = page.select("table.verdicts tbody tr")
    statement, verdict, chapter, picture = row.find_all("td")
    assert statement.text.strip().startswith("N1a: x is ") and verdict.text.strip() == "holds with a condition"
    assert page.select_one(statement.a["href"]).find_parent("section").h3.text.startswith("N1a")
    assert chapter.a["href"] == "../notebooks/small.html" and chapter.text.strip() == "Chapter 1"
    for drawing in (picture.svg, page.select_one(".evidence svg[role=img]")):
        assert "with x, 2 (1 run)" in drawing["aria-label"]


def test_values_and_numbers_of_figures_are_filled_in(sample):
    page = sample.page("notebooks/small")
    assert page.count('<span class="pasted-text">2.00</span>') == 3  # in the text, the caption and the solution
    assert page.count('<span class="pasted-text">−1.00</span>') == 1
    link = soup(sample, "notebooks/small").select_one('section > p a[href="#fig-dots"]')
    assert link.text == "Figure 1.1"


def test_a_bar_is_on_no_page_and_a_widget_neither(sample):
    assert not re.search("jupyter.widget|it/s|100%\\|", sample.page("notebooks/small"))


def test_folds_are_named(sample):
    html = sample.page("notebooks/small")
    assert "Toggle hidden content" not in html and "Show code cell" not in html
    summaries = [fold.summary.text for fold in soup(sample, "notebooks/small").select("details.hide")]
    assert summaries == [*(f"{written.FOLDED} {letter}" for letter in "abc"), "The end"]


def test_definitions_are_on_the_page_and_follow_the_glossary(book):
    written.fill(book)
    for what in ("probabilities", "shares"):
        book.write("book/glossary.md", written.GLOSSARY.replace("probabilities", what))
        book.built()
        [box] = soup(book, "notebooks/small").select(".definition")
        assert box.has_attr("hidden") and box["id"] == "definition-term-softmax"
        assert box.p.text.startswith(f"Turns logits into {what}") and not box.find("a")


@pytest.fixture(scope="module")
def chapter(sample) -> str:
    return (sample.root / "_build" / "html" / "notebooks" / "small.html").as_uri()


def test_folded_code_takes_no_room_until_its_mark_or_the_switch_opens_it(chapter, browser):
    with opened(browser, chapter, width=375, has_touch=True) as tab:
        folds, marks, switch = (tab.locator(select) for select in ("details.hide", ".code-mark", ".code-switch"))
        shown = lambda: [fold.is_visible() and fold.get_attribute("open") is not None for fold in folds.all()]
        room = lambda: sum(box["height"] for fold in folds.all() if (box := fold.bounding_box()))
        assert shown() == [False] * 4 and room() == 0
        names = "; ".join([*(f"{written.FOLDED} {letter}" for letter in "abc"), "The end"])
        assert [mark.get_attribute("aria-label") for mark in marks.all()] == [f"code: {names}"]
        marks.last.press("Enter")
        assert shown() == [True] * 4 and marks.last.get_attribute("aria-expanded") == "true"
        folds.last.locator("summary").click()  # one of them is closed again
        until(lambda: marks.last.get_attribute("aria-expanded") == "false")
        marks.last.tap()
        marks.last.tap()
        assert shown() == [False] * 4
        switch.press("Enter")
        assert shown() == [True] * 4 and switch.get_attribute("aria-pressed") == "true"
        tab.reload()
        assert shown() == [True] * 4  # remembered
        cut = "blocks => blocks.filter(b => b.scrollWidth > b.clientWidth + 1).length"
        assert tab.eval_on_selector_all("div.cell_input pre", cut) == 0
        switch.click()
        tab.reload()
        assert shown() == [False] * 4
    with opened(browser, chapter, width=375, java_script_enabled=False) as tab:
        assert tab.locator(".code-switch, .code-mark").count() == 0
        tab.locator("details.hide summary").last.click()
        assert tab.locator("details.hide pre").last.is_visible()


def test_a_definition_opens_by_keyboard_pointer_and_touch(chapter, browser):
    with opened(browser, chapter, width=375, height=600, has_touch=True) as tab:
        box, links = tab.locator(".definition"), tab.locator("a.term")
        assert links.count() == 3 and not box.is_visible()
        for link in (links.first, links.last):  # the last one is far down: reaching it scrolls
            link.focus()
            tab.keyboard.press("Shift+Tab")
            tab.keyboard.press("Tab")  # by keyboard
            box.wait_for(state="visible")
            tab.wait_for_function(BESIDE)
            place = box.bounding_box()
            assert 0 <= place["x"] and place["x"] + place["width"] <= 375
            assert box.locator("mjx-container").is_visible()
            tab.keyboard.press("Escape")
            assert not box.is_visible()

        links.first.hover()
        box.wait_for(state="visible")
        tab.mouse.move(5, 500)
        box.wait_for(state="hidden")

        links.first.tap()
        box.wait_for(state="visible")
        assert tab.url == chapter
        links.first.tap()
        tab.wait_for_url("**/glossary.html#term-softmax")


BESIDE = """() => {
  const box = document.querySelector(".definition:not([hidden])").getBoundingClientRect();
  const link = document.activeElement.getBoundingClientRect();
  const between = Math.max(box.top - link.bottom, link.top - box.bottom);
  return 0 <= between && between < 20;
}"""
