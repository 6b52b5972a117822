"""The built site, each page seen once at each width: no error, no request to anybody else, all of it readable.

Axe-core runs on every page. Chapters keep their anatomy: an answer at once, a picture within two
screens, a path of ten minutes; and each page loads 220 kilobytes in 25 requests at most.
"""

from collections import Counter

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from bs4 import BeautifulSoup

import visits
from browser import served
from conftest import ROOT, opened
from measure.weight import LINE, SLOWDOWN, weigh
from visits import FOLDER, WIDTHS

CHAPTERS = sorted(f"notebooks/{path.stem}.html" for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def seen(site, browser) -> list[visits.Visit]:
    with served(site, visits.Pages) as host:
        return list(visits.visits(site, browser, host))


@pytest.fixture(scope="module")
def chapters(seen) -> list[visits.Visit]:
    return [visit for visit in seen if visit.page.startswith("notebooks/")]


def wrong(seen, what) -> dict:
    """What is wrong on which page at which width."""
    return {(visit.page, visit.width): found for visit in seen if (found := what(visit))}


def test_every_page_was_seen(site, seen):
    assert {visit.page for visit in seen} >= {"404.html", "index.html", "book/index.html", *CHAPTERS}


def test_no_page_complains_or_asks_anybody_else_for_anything(seen):
    assert wrong(seen, lambda visit: visit.complaints) == {}


def test_no_page_scrolls_sideways(seen):
    assert wrong(seen, lambda visit: max(visit.wider, 0)) == {}


def test_every_formula_is_set_and_can_be_read_aloud(seen):
    assert wrong(seen, lambda visit: visit.unset) == {}
    assert all(visit.formulas for visit in seen if visit.page in ("book/glossary.html", *CHAPTERS))


def test_axe_finds_nothing_on_any_page(seen):
    assert wrong(seen, lambda visit: [(*where, html[:200], why) for *where, html, why in visit.violations]) == {}


def test_axe_notices_each_fault_that_is_mended(browser):
    faults = """<html lang="en"><head><title>x</title></head><body><main><h1>x</h1><div role="list">
    <div role="doc-biblioentry">a</div></div><table><tr><th></th><th>b</th></tr><tr><td>c</td><td>d</td></tr></table>
    <p style="background:#f3f4f5;color:#176de8">a link in a table</p></main><a href="#">outside</a></body></html>"""
    with opened(browser) as tab:
        tab.set_content(faults)
        tab.evaluate(AXE_SCRIPT)
        rules = {rule for rule, *_ in visits.violations(tab)}
    assert rules >= {"aria-deprecated-role", "empty-table-header", "color-contrast", "region"}


def test_what_scrolls_is_a_stop_and_nothing_else_of_the_text(seen):
    assert wrong(seen, lambda visit: visit.stops) == {}


def test_text_in_figures_is_large_and_dark_enough(seen):
    assert not [visit.page for visit in seen if visit.page in CHAPTERS and visit.width == 375 and not visit.texts]
    small = lambda theme, where, size, contrast: size < 10 or contrast < 4.5
    assert wrong(seen, lambda visit: sorted({each for each in visit.texts if small(*each)})) == {}


def test_images_keep_their_proportions(seen):
    assert wrong(seen, lambda visit: [each for each in visit.ratios if not 0.97 < each[1] < 1.03]) == {}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_keeps_its_shape(chapters, chapter, width):
    page = next(visit.anatomy for visit in chapters if (visit.page, visit.width) == (chapter, width))
    assert page["short_answer"] <= 60
    assert page["screens_to_figure"] < 2
    assert page["path"] <= 1500
    assert page["words"] <= 3500
    assert page["cut"] == 0
    if width == 1280:
        assert page["open_code"] <= 0.2


def test_a_page_loads_at_most_220_kilobytes_in_25_requests(seen):
    """Its first load on a phone, without scrolling, compressed as GitHub Pages does."""
    heavy = lambda visit: visit.files if sum(visit.files.values()) > 220_000 or len(visit.files) > 25 else None
    assert wrong([visit for visit in seen if visit.width == 375], heavy) == {}


def test_no_script_holds_up_the_first_paint(chapters):
    assert wrong(chapters, lambda visit: [file for file in visit.paint["blocking"] if ".js" in file]) == {}


def test_nothing_is_loaded_that_no_page_uses(seen):
    unwanted = (
        "thebe",
        "fontawesome",
        "sphinx-design",
        "design-tabs",
        "doctools",
        "sphinx_highlight",
        "startup",
        "tex-",
    )
    assert wrong(seen, lambda visit: [file for file in visit.files if any(part in file for part in unwanted)]) == {}


@pytest.mark.weekly
def test_the_heaviest_chapter_is_painted_within_1_7_seconds_and_blocks_for_at_most_1_5(browser, site):
    """On the slow line, and a slow processor. The least of three, since other programs of a busy machine only add to it."""
    chapter = max(CHAPTERS, key=lambda page: (site / page).stat().st_size)
    with served(site, visits.Pages) as host:
        address = host + FOLDER.lstrip("/") + chapter
        paints = [weigh(browser, address, LINE)["paint"] for _ in range(3)]
        blocked = [weigh(browser, address, LINE, SLOWDOWN)["blocked"] for _ in range(3)]
    assert min(paints) <= 1.7 and min(blocked) <= 1.5


def undescribed(html: str) -> list[str]:
    """The images of a page whose alternative text is missing, a file's name or too short to describe anything."""
    images = BeautifulSoup(html, "html.parser").select("article img")
    short = [image for image in images if len(image.get("alt", "").split()) < 10]
    return [image.get("src", "") for image in short]


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ('<img src="a.svg">', ["a.svg"]),
        ('<img src="a.svg" alt="">', ["a.svg"]),
        ('<img src="a.svg" alt="../_images/a.svg">', ["a.svg"]),
        ('<img src="a.svg" alt="Line chart of one thing over another; it rises from nought to one.">', []),
    ],
)
def test_undescribed_figures_are_found(image, found):
    assert undescribed(f"<article>{image}</article>") == found


def test_every_figure_is_described_and_every_id_used_once(site):
    for page in visits.pages(site):
        html = (site / page).read_text(encoding="utf-8")
        assert undescribed(html) == [], page
        if page in CHAPTERS:
            ids = Counter(element["id"] for element in BeautifulSoup(html, "html.parser").select("[id]"))
            assert [name for name, times in ids.items() if times > 1] == [], page


def test_the_links_of_the_root_page_lead_somewhere(site, browser):
    assert 'http-equiv="refresh"' not in (site / "index.html").read_text(encoding="utf-8")
    with served(site, visits.Pages) as host, opened(browser, host + FOLDER.lstrip("/")) as tab:
        links = tab.eval_on_selector_all("a[href]", "links => links.map((link) => link.href.split('#')[0])")
        own = {link for link in links if link.startswith(host)}
        assert len(own) > 10
        for link in own:
            assert link.startswith(host + FOLDER.lstrip("/")) and tab.request.get(link).ok, link


def test_a_page_that_is_not_there_leads_to_the_others(known_sample, browser):
    """Where the site's address is known, also from deep below."""
    notes = "/notes/"
    handler = type("Notes", (visits.Pages,), {"translate_path": lambda self, path: moved(self, path, notes)})
    with served(known_sample.root / "_build" / "html", handler) as host:
        with opened(browser, f"{host}notes/no/such/page.html") as tab:
            assert tab.evaluate("getComputedStyle(document.body).fontFamily") != ""
            links = tab.eval_on_selector_all("a[href]", "links => links.map((link) => link.href.split('#')[0])")
            there = {link for link in links if link.startswith(f"{host}notes/") and "no/such" not in link}
            assert f"{host}notes/notebooks/small.html" in there
            assert all(tab.request.get(link).ok for link in there)


def moved(handler, path: str, folder: str) -> str:
    return super(visits.Pages, handler).translate_path("/" + path.removeprefix(folder).lstrip("/"))
