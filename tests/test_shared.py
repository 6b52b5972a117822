"""Pages describe themselves to those who link to them; the root page, the lost page, the citation, the print."""

import re
import subprocess
from xml.etree import ElementTree

import pytest
import yaml
from browser import served
from bs4 import BeautifulSoup
from conftest import ROOT, SETTLE
from PIL import Image
from test_pages import ALT, FIGURE, write

ADDRESS = "https://book.example/notes/"


def head(html: str) -> dict[str, list[str]]:
    """What the meta tags of a page say, by name."""
    tags = {}
    for tag in BeautifulSoup(html, "html.parser").select("head meta[content]"):
        tags.setdefault(tag.get("name") or tag.get("property"), []).append(tag["content"])
    return tags


def canonical(html: str) -> list[str]:
    return [link["href"] for link in BeautifulSoup(html, "html.parser").select("link[rel=canonical]")]


@pytest.fixture
def small(book):
    """A small book whose chapter has a short answer with a formula, and a figure."""
    answer = "**The short answer.** Divide by $\\sqrt{d_k}$, *always*."
    write(book, "small", f"# Is x large?\n\nNo answer.\n\n{answer}", (SETTLE, ""), (FIGURE % 3, "fig-small"))
    return book


def test_pages_of_a_known_address_have_pictures_and_canonical_links(small, monkeypatch):
    monkeypatch.setenv("BOOK_SITE_URL", ADDRESS.rstrip("/"))
    for _ in range(2):  # cold and warm
        code, said = small.build()
        assert code == 0, said
        html = small.page("notebooks/small")
        tags = head(html)
        assert tags["description"] == tags["og:description"] == ["Divide by √d_k, always."]
        assert canonical(html) == tags["og:url"] == [f"{ADDRESS}notebooks/small.html"]
        assert tags["og:image"] == [f"{ADDRESS}shared/notebooks/small.png"] and tags["og:image:alt"] == [ALT]
        assert tags["twitter:card"] == ["summary_large_image"]
        assert len(tags["viewport"]) == 1
        folder = small.root / "_build" / "html"
        picture = Image.open(folder / "shared" / "notebooks" / "small.png")
        assert picture.size == (1200, 630) and len(picture.convert("L").getcolors()) > 1
        assert canonical(small.page("index")) == canonical(small.page("book/index")) == [ADDRESS]
        places = [place.text for place in ElementTree.parse(folder / "sitemap.xml").iter() if place.tag.endswith("loc")]
        assert places == [ADDRESS, f"{ADDRESS}book/verdicts.html", f"{ADDRESS}notebooks/small.html"]
        assert f"Sitemap: {ADDRESS}sitemap.xml" in (folder / "robots.txt").read_text()
        lost = BeautifulSoup(small.page("404"), "html.parser")
        styles = [link["href"] for link in lost.select("link[rel=stylesheet]")]
        assert styles and all(style.startswith("/notes/_static/") for style in styles)


def test_pages_of_an_unknown_address_name_none(small, monkeypatch):
    monkeypatch.delenv("BOOK_SITE_URL", raising=False)
    code, said = small.build()
    assert code == 0, said
    html = small.page("notebooks/small")
    tags = head(html)
    assert tags["description"] == ["Divide by √d_k, always."] and tags["og:title"] == ["Is x large?"]
    assert canonical(html) == [] and "og:url" not in tags and "og:image" not in tags
    folder = small.root / "_build" / "html"
    assert not any((folder / name).exists() for name in ("sitemap.xml", "robots.txt", "shared"))
    # nor does a folder that is no repository know a version
    built = BeautifulSoup(html, "html.parser").select_one(".build").text
    assert re.fullmatch(r"Built on \d+ \w+ \d{4}", built.strip())


def test_the_version_and_its_date_are_those_of_the_commit(small):
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x", "--date=2001-02-03T04:05:06Z"]):
        subprocess.run(
            [*git, *command],
            cwd=small.root,
            check=True,
            env={"GIT_COMMITTER_DATE": "2001-02-03T04:05:06Z", "PATH": "/usr/bin:/bin"},
        )
    code, said = small.build()
    assert code == 0, said
    name = subprocess.run(
        ["git", "describe", "--always"], cwd=small.root, capture_output=True, text=True
    ).stdout.strip()
    page = BeautifulSoup(small.page("notebooks/small"), "html.parser")
    assert page.select_one(".build").text.startswith(f"Version {name}")
    assert "3 February 2001" in page.select_one(".build").text
    cited = page.select_one(".cite").text
    book = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert book["title"] in cited and "Is x large?" in cited and "@incollection{small," in cited
    assert not BeautifulSoup(small.page("book/index"), "html.parser").select(".cite")


def test_the_citation_is_that_of_the_book():
    book, config = (yaml.safe_load((ROOT / name).read_text()) for name in ("CITATION.cff", "_config.yml"))
    assert book["cff-version"] == "1.2.0" and book["message"] and book["type"] == "software"
    assert book["title"] == config["title"] and book["authors"] == [{"name": config["author"]}]


def test_every_page_describes_itself_once(site):
    said = {}
    for page in [*site.glob("book/*.html"), *site.glob("notebooks/*.html")]:
        tags = head(page.read_text(encoding="utf-8"))
        assert len(tags["viewport"]) == len(tags["description"]) == len(tags["og:title"]) == 1, page
        said[page] = tags["description"][0]
        assert len(said[page]) > 20 and not re.search(r"[\\$]", said[page]), page
    assert len(set(said.values())) == len(said)


def test_the_root_page_is_the_front_page(site, browser):
    html = (site / "index.html").read_text(encoding="utf-8")
    assert 'http-equiv="refresh"' not in html
    with served(site) as address:
        tab = browser.new_page()
        lost = []
        tab.on("response", lambda response: lost.append(response.url) if response.status >= 400 else None)
        tab.goto(address, wait_until="networkidle")
        links = tab.eval_on_selector_all(
            "a[href]", "links => [...new Set(links.map((link) => link.href.split('#')[0]))]"
        )
        assert len(links) > 10
        for link in links:
            if link.startswith(address):
                assert tab.request.get(link).ok, link
        assert lost == []
        tab.close()


def test_a_chapter_prints_light_with_its_title_and_without_sidebars(site, browser):
    tab = browser.new_context(color_scheme="dark", viewport={"width": 700, "height": 900}).new_page()
    tab.goto((site / "notebooks" / "02_other_samplers.html").as_uri(), wait_until="networkidle")
    tab.evaluate("addEventListener('beforeprint', () => (window.printed = document.documentElement.dataset.theme))")
    tab.pdf()
    assert tab.evaluate("printed") == "light"
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    tab.emulate_media(media="print")
    shown = tab.evaluate(
        """() => ({
            title: document.querySelector("article h1").checkVisibility(),
            open: document.querySelectorAll("article details[open]").length,
            wide: document.documentElement.scrollWidth > innerWidth,
            beside: [...document.querySelectorAll(".bd-sidebar-primary, .bd-sidebar-secondary, .bd-header-article")]
                .filter((e) => e.checkVisibility()).length,
        })"""
    )
    assert shown == {"title": True, "open": 0, "wide": False, "beside": 0}
    tab.context.close()
