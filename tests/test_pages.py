"""The front page's cards, the links of statements' ids, and definitions shown where a term stands."""

import re

import nbformat
import pytest
from bs4 import BeautifulSoup
from conftest import SETTLE

VERDICTS = "# Verdicts\n\n## N1a: x is large\n\n[holds]{.verdict} It is.\n\n:::{evidence} N1a\n:::\n"
FIGURE = "import matplotlib.pyplot as plt\nfrom lab import figures\nfigures.use()\nplt.plot([1, %s])\nplt.show()"
ALT = "A line that rises from one, over nothing at all, to another number."
EXPLORER = f"""\
import matplotlib.pyplot as plt
from lab import explorers
explorers.show("dial", {{}}, still=plt.figure(), alt="{ALT}")"""


def write(book, name: str, *cells: str | tuple[str, str]) -> None:
    """A notebook: Markdown, and (code, name of its figure)."""
    made = []
    for cell in cells:
        if isinstance(cell, str):
            made.append(nbformat.v4.new_markdown_cell(cell))
        else:
            source, figure = cell
            shown = {"mystnb": {"figure": {"caption": "Found.", "name": figure}, "image": {"alt": ALT}}}
            made.append(nbformat.v4.new_code_cell(source, metadata=shown if figure else {}))
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=kernel), book.root / "notebooks" / f"{name}.ipynb")


@pytest.fixture
def front(book):
    """A small book with three chapters, cards for them and a live claim."""
    book.write(
        "_toc.yml",
        "format: jb-book\nroot: book/index\nparts:\n- caption: A\n  numbered: 2\n  chapters:\n"
        "  - file: notebooks/small\n  - file: notebooks/other\n  - file: notebooks/moved\n"
        "- caption: B\n  chapters:\n  - file: book/verdicts\n",
    )
    card = ":::{question} ../notebooks/%s.ipynb\n%s\nThe answer to it.\n:::\n\n"
    cards = card % ("small", "") + card % ("other", ":figure: fig-second\n") + card % ("moved", "")
    book.write("book/index.md", f"# A small book\n\n{cards}:::{{claim}} N1a\n:::\n\n```{{bibliography}}\n```\n")
    book.write("book/verdicts.md", VERDICTS + "\n{cite:p}`holtzman2020curious`\n")
    write(book, "small", "# Is x large?", (SETTLE, ""), (FIGURE % 1, "fig-small"))
    write(book, "other", "# What else?", (FIGURE % 2, "fig-first"), (FIGURE % 3, "fig-second"))
    write(book, "moved", "# Does it move?", (EXPLORER, ""), (FIGURE % 4, "fig-fourth"))
    return book


def pictures(book, page: str, selector: str) -> list[str]:
    """The SVG files that stand on a page; of one inside the page, its address."""
    images = BeautifulSoup(book.page(page), "html.parser").select(f"{selector} img")
    assert all(image["alt"] == ALT for image in images)
    places = [(book.root / "_build" / "html" / "book" / image["src"]) for image in images]
    return [i["src"] if i["src"].startswith("data:") else p.read_text() for i, p in zip(images, places, strict=True)]


def test_cards_show_the_figures_of_this_build_cold_warm_and_after_a_chapter_changed(front):
    for change in (None, None, 7):
        if change:
            write(front, "small", "# Is x very large?", (SETTLE, ""), (FIGURE % change, "fig-small"))
        code, said = front.build()
        assert code == 0, said
        [first, second, third] = pictures(front, "book/index", ".question-picture")
        assert first == pictures(front, "notebooks/small", "figure")[0]
        assert second == pictures(front, "notebooks/other", "figure")[1]
        assert third == pictures(front, "notebooks/moved", ".explorer-still")[0]
        page = BeautifulSoup(front.page("book/index"), "html.parser")
        title = "1. Is x very large?" if change else "1. Is x large?"
        assert page.select_one(".question-title a").text == title
        assert page.select_one(".question-title a")["href"] == "../notebooks/small.html"
        assert "The answer to it." in page.select_one(".question").text
        [claim] = page.select(".evidence")
        assert claim.a["href"] == "../notebooks/small.html#claim-n1a" and claim.select_one("svg[role=img]")
        assert not claim.get("id")


def test_what_a_front_page_or_a_text_names_must_be_there(front):
    index = (front.root / "book" / "index.md").read_text().replace("fig-second", "fig-gone").replace("N1a", "N1b")
    front.write("book/index.md", index + "\nSee N1a.gone.\n")
    code, said = front.build()
    assert code != 0
    assert "index.md" in said and "notebooks/other has no figure fig-gone" in said
    assert "claim N1b is shown here, but no notebook settles it" in said
    assert "claim N1a.gone is named here, but no notebook settles it" in said


GLOSSARY = """\
# Glossary

:::{{glossary}}
softmax
  Turns {{term}}`logits <logit>` into {what}: $\\mathrm{{e}}^z$.

logit
  A number before {{term}}`softmax`.
:::
"""


@pytest.fixture
def terms(book):
    """A small book with a glossary, and a chapter that names a term, a statement and a claim."""
    book.write("_toc.yml", (book.root / "_toc.yml").read_text() + "- file: book/glossary\n")
    book.write("book/glossary.md", GLOSSARY.format(what="probabilities"))
    book.write("book/verdicts.md", VERDICTS.replace("} N1a", "} N1a N1a.more"))
    text = (
        "# N1a in a title\n\nA {term}`softmax`, and N1a, N1a.more. N1a's `N1a`, $N1a$, N10, XN1a "
        "and [N1a](../book/verdicts.md).\n\n" + "Words.\n\n" * 200 + "The {term}`softmax` again."
    )
    write(book, "small", text, (SETTLE + "\n" + SETTLE.splitlines()[-1].replace("N1a", "N1a.more"), ""))
    return book


def test_ids_of_statements_link_and_definitions_are_on_the_page(terms):
    code, said = terms.build()
    assert code == 0, said
    html = terms.page("notebooks/small")
    prose = html.partition("data-record")[0]
    links = re.findall(r'<a class="reference internal" href="([^"]*)">(?:<span[^>]*>)?(N[^<]*)<', prose)
    there = "../book/verdicts.html"
    found = [(f"{there}#n1a", "N1a"), (f"{there}#claim-n1a-more", "N1a.more"), (f"{there}#n1a", "N1a"), (there, "N1a")]
    assert links == found
    settled = BeautifulSoup(html, "html.parser").select(".claim strong a")
    assert [(a["href"], a.text) for a in settled] == [found[0], found[1]]
    verdicts = BeautifulSoup(terms.page("book/verdicts"), "html.parser")
    assert verdicts.find(id="n1a") and verdicts.find(id="claim-n1a-more")

    [box] = BeautifulSoup(html, "html.parser").select(".definition")
    assert box.has_attr("hidden") and box["id"] == "definition-term-softmax"
    assert box.p.text.startswith("Turns logits into probabilities") and not box.find("a")
    assert "mathjax" in html.lower()

    terms.write("book/glossary.md", GLOSSARY.format(what="shares"))
    code, said = terms.build()
    assert code == 0, said
    assert "into shares" in terms.page("notebooks/small")


def test_a_definition_opens_by_keyboard_pointer_and_touch(terms, browser):
    code, said = terms.build()
    assert code == 0, said
    address = (terms.root / "_build" / "html" / "notebooks" / "small.html").as_uri()
    tab = browser.new_context(viewport={"width": 375, "height": 600}, has_touch=True).new_page()
    strangers = []
    tab.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else strangers.append(r.url))
    tab.goto(address)
    box, links = tab.locator(".definition"), tab.locator("a.term")
    assert links.count() == 2 and not box.is_visible()

    for link in links.all():  # the second one is far down: reaching it scrolls
        while not link.evaluate("link => link === document.activeElement"):
            tab.keyboard.press("Tab")
        box.wait_for(state="visible")
        for _ in range(50):  # until the page has come to rest
            tab.wait_for_timeout(100)
            place, at = box.bounding_box(), link.bounding_box()
            beside = max(place["y"] - at["y"] - at["height"], at["y"] - place["y"] - place["height"])
            if 0 <= beside < 20:
                break
        assert 0 <= beside < 20
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
    assert tab.url == address
    links.first.tap()
    tab.wait_for_url("**/glossary.html#term-softmax")
    assert strangers == []
