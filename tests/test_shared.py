"""Pages describe themselves to those who link to them; the root page, the lost page, the citation, the buttons."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from bs4 import BeautifulSoup
from PIL import Image

from conftest import ALT, KNOWN, ROOT, Book, opened


def head(html: str) -> dict[str, list[str]]:
    """What the meta tags of a page say, by name."""
    tags = {}
    for tag in BeautifulSoup(html, "html.parser").select("head meta[content]"):
        tags.setdefault(tag.get("name") or tag.get("property"), []).append(tag["content"])
    return tags


def canonical(html: str) -> list[str]:
    return [link["href"] for link in BeautifulSoup(html, "html.parser").select("link[rel=canonical]")]


def links(book: Book, page: str) -> dict[str, str]:
    """The links of a page, by their words."""
    found = BeautifulSoup(book.page(page), "html.parser").select("a[href]")
    return {" ".join(link.text.split()): link["href"] for link in found}


def test_pages_of_a_known_address_have_pictures_and_canonical_links(known_sample):
    html, folder = known_sample.page("notebooks/small"), known_sample.root / "_build" / "html"
    tags = head(html)
    assert tags["description"] == tags["og:description"] == ["Divide by √d_k, always."]
    assert canonical(html) == tags["og:url"] == [f"{KNOWN}notebooks/small.html"]
    assert tags["og:image"] == [f"{KNOWN}shared/notebooks/small.png"] and tags["og:image:alt"] == [ALT]
    assert tags["twitter:card"] == ["summary_large_image"]
    assert len(tags["viewport"]) == 1
    picture = Image.open(folder / "shared" / "notebooks" / "small.png")
    assert picture.size == (1200, 630) and len(picture.convert("L").getcolors()) > 1
    assert canonical(known_sample.page("index")) == canonical(known_sample.page("book/index")) == [KNOWN]
    places = [place.text for place in ElementTree.parse(folder / "sitemap.xml").iter() if place.tag.endswith("loc")]
    pages = ("book/glossary.html", "book/verdicts.html", "notebooks/small.html")
    assert places == [KNOWN, *(KNOWN + page for page in pages)]
    assert f"Sitemap: {KNOWN}sitemap.xml" in (folder / "robots.txt").read_text()


def test_pages_of_an_unknown_address_name_none(sample):
    html, folder = sample.page("notebooks/small"), sample.root / "_build" / "html"
    tags = head(html)
    assert tags["description"] == ["Divide by √d_k, always."] and tags["og:title"] == ["Is x large?"]
    assert canonical(html) == [] and "og:url" not in tags and "og:image" not in tags
    assert not any((folder / name).exists() for name in ("sitemap.xml", "robots.txt", "shared"))
    assert not {"Binder", "Colab"} & links(sample, "notebooks/small").keys() and "github.com" not in html
    assert "Take the whole repository." in BeautifulSoup(sample.page("book/index"), "html.parser").text
    # nor does a folder that is no repository know a version
    built = BeautifulSoup(html, "html.parser").select_one(".build").text
    assert re.fullmatch(r"Built on \d+ \w+ \d{4}", built.strip())


def test_binder_opens_the_notebook_and_colab_its_plain_edition(known_sample):
    found, there = links(known_sample, "notebooks/small"), "github.com/someone/some-book"
    assert found["Binder"] == (
        "https://mybinder.org/v2/gh/someone/some-book/trunk?urlpath=lab/tree/notebooks/small.ipynb"
    )
    assert found["Colab"] == "https://colab.research.google.com/github/someone/some-book/blob/plain/small.ipynb"
    assert f'href="https://{there}"' in known_sample.page("notebooks/small")
    assert f"https://{there}/issues/new" in known_sample.page("notebooks/small")
    index = links(known_sample, "book/index")
    assert "Binder" not in index  # it is no notebook
    assert index["the whole repository"] == f"https://{there}"


def test_elsewhere_than_on_github_there_is_binder_alone(book, monkeypatch):
    monkeypatch.setenv("BOOK_REPOSITORY_URL", "https://gitlab.com/someone/some-book")
    monkeypatch.setenv("BOOK_REPOSITORY_BRANCH", "trunk")
    book.built()
    found = links(book, "notebooks/small")
    assert found["Binder"].startswith("https://mybinder.org/v2/gl/someone%2Fsome-book/trunk?")
    assert "Colab" not in found


@pytest.mark.parametrize("width", [360, 375])
def test_the_buttons_fit_a_phone(known_sample, browser, width):
    page = known_sample.root / "_build" / "html" / "notebooks" / "small.html"
    with opened(browser, page.as_uri(), width) as tab:
        buttons = tab.locator(".bd-header-article :is(button, label, a.btn):visible")
        places = [button.bounding_box() for button in buttons.all()]
        assert len(places) >= 7 and tab.locator(".code-switch").count() == 1
        assert all(0 <= place["x"] and place["x"] + place["width"] <= width for place in places), places


def test_the_version_and_its_date_are_those_of_the_commit(book):
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x", "--date=2001-02-03T04:05:06Z"]):
        environment = {"GIT_COMMITTER_DATE": "2001-02-03T04:05:06Z", "PATH": "/usr/bin:/bin"}
        subprocess.run([*git, *command], cwd=book.root, check=True, env=environment)
    book.built()
    describe = ["git", "describe", "--always"]
    name = subprocess.run(describe, cwd=book.root, capture_output=True, text=True).stdout.strip()
    page = BeautifulSoup(book.page("notebooks/small"), "html.parser")
    assert page.select_one(".build").text.startswith(f"Version {name}")
    assert "3 February 2001" in page.select_one(".build").text


def version_in(folder: Path, **environment: str) -> str:
    """The version of the book in a folder, as a build finds it in an environment."""
    script = "import pathlib, sys; from booksite.editions import version; print(ascii(version.build(pathlib.Path(sys.argv[1]))[0]))"
    paths = os.pathsep.join(str(ROOT / name) for name in ("book", "notebooks"))
    command = [sys.executable, "-c", script, folder]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths} | environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_repository_around_the_book_is_not_the_books_and_its_name_may_have_any_letters(tmp_path):
    outer, inner = tmp_path / "é", tmp_path / "é" / "ü"
    inner.mkdir(parents=True)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "ö"], ["tag", "ß"]):
        subprocess.run([*git, *command], cwd=outer, check=True)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for environment in ({}, plain):
        assert version_in(outer, **environment) not in ("None", "")
        assert version_in(inner, **environment) == "None"


def test_the_citation_is_that_of_the_book(sample):
    book, config = (yaml.safe_load((ROOT / name).read_text()) for name in ("CITATION.cff", "_config.yml"))
    assert book["cff-version"] == "1.2.0" and book["message"] and book["type"] == "software"
    assert book["title"] == config["title"] and book["authors"] == [{"name": config["author"]}]
    cited = BeautifulSoup(sample.page("notebooks/small"), "html.parser").select_one(".cite").text
    assert book["title"] in cited and "Is x large?" in cited and "@incollection{small-2" in cited
    assert not BeautifulSoup(sample.page("book/index"), "html.parser").select(".cite")


def test_every_page_describes_itself_once(site):
    said = {}
    for page in [*site.glob("book/*.html"), *site.glob("notebooks/*.html")]:
        tags = head(page.read_text(encoding="utf-8"))
        assert len(tags["viewport"]) == len(tags["description"]) == len(tags["og:title"]) == 1, page
        said[page] = tags["description"][0]
        assert len(said[page]) > 20 and not re.search(r"[\\$]", said[page]), page
    assert len(set(said.values())) == len(said)


def test_one_version_of_torch_is_named():
    version = re.search(r"^torch==(\S+)", (ROOT / "requirements.txt").read_text(), re.M)[0]
    for name in ("README.md", "book/running.md"):
        assert re.findall(r"torch==[\d.]+", (ROOT / name).read_text(encoding="utf-8")) == [version]


def test_one_job_may_write_and_it_writes_the_branch_that_colab_opens():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    writing = [name for name, job in workflow["jobs"].items() if job.get("permissions", {}).get("contents") == "write"]
    assert writing == ["plain"]
    [push] = [step["run"] for step in workflow["jobs"]["plain"]["steps"] if "run" in step]
    assert re.search(r"git push .* plain$", push, re.M)
