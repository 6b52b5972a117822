"""The built site in a browser: no error, no request to anybody else, every figure described, no page too wide."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from conftest import SETTLE


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


def test_a_figure_without_alternative_text_is_found_on_a_built_page(book):
    source = "import matplotlib.pyplot as plt\nfrom lab import figures\nfigures.use()\nplt.plot([1, 2]);"
    book.notebook("small", SETTLE, source)
    code, said = book.build()
    assert code == 0, said
    assert len(undescribed(book.page("notebooks/small"))) == 1


def pages(site: Path) -> list[str]:
    return sorted(
        path.relative_to(site).as_posix() for folder in ("book", "notebooks") for path in (site / folder).glob("*.html")
    )


def test_every_figure_is_described(site):
    assert {page: undescribed((site / page).read_text(encoding="utf-8")) for page in pages(site)} == dict.fromkeys(
        pages(site), []
    )


@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_open_without_errors_strangers_or_sideways_scrolling(browser, address, site, width, scheme):
    complaints = []
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    tab = context.new_page()
    tab.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("response", lambda response: complaints.append(response.url) if response.status >= 400 else None)
    tab.on("request", lambda r: None if r.url.startswith((address, "data:")) else complaints.append(r.url))
    for page in pages(site):
        tab.goto(address + page, wait_until="networkidle")
        assert complaints == [], page
        too_wide = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, page
    context.close()


def test_mathematics_is_set(browser, address):
    tab = browser.new_page()
    tab.goto(address + "book/glossary.html", wait_until="networkidle")
    assert tab.locator("mjx-container").count() > 0
