"""Binder, Colab and the link to the repository: there where its address is known, absent otherwise."""

import re

import nbformat
import pytest
import yaml
from bs4 import BeautifulSoup
from conftest import ROOT


@pytest.fixture
def page(book, monkeypatch):
    """Builds the small book for a repository; gives the links of its chapter, by their words."""

    def build(url: str) -> dict[str, str]:
        monkeypatch.setenv("BOOK_REPOSITORY_URL", url)
        monkeypatch.setenv("BOOK_REPOSITORY_BRANCH", "trunk")
        index = (book.root / "book" / "index.md").read_text(encoding="utf-8")
        book.write("book/index.md", index + "\nTake {repository}`the whole repository`.\n")
        code, said = book.build()
        assert code == 0, said
        links = BeautifulSoup(book.page("notebooks/small"), "html.parser").select("a[href]")
        return {" ".join(link.text.split()): link["href"] for link in links}

    return build


def test_binder_opens_the_notebook_and_colab_its_plain_edition(page, book):
    links = page("https://github.com/someone/some-book")
    assert (
        links["Binder"] == "https://mybinder.org/v2/gh/someone/some-book/trunk?urlpath=lab/tree/notebooks/small.ipynb"
    )
    assert links["Colab"] == "https://colab.research.google.com/github/someone/some-book/blob/plain/small.ipynb"
    index = BeautifulSoup(book.page("book/index"), "html.parser")
    assert "Binder" not in index.text  # it is no notebook
    assert index.find("a", string="the whole repository")["href"] == "https://github.com/someone/some-book"
    plain = nbformat.read(book.root / "_build/html/_sources/notebooks/small.ipynb", as_version=4)
    assert '"https://github.com/someone/some-book/archive/trunk.zip"' in plain.cells[1].source


def test_elsewhere_than_on_github_there_is_binder_alone(page):
    links = page("https://gitlab.com/someone/some-book")
    assert links["Binder"].startswith("https://mybinder.org/v2/gl/someone%2Fsome-book/trunk?")
    assert "Colab" not in links


def test_without_an_address_there_is_nothing_of_the_kind(page, book):
    links = page("")
    assert not {"Binder", "Colab"} & links.keys()
    index = BeautifulSoup(book.page("book/index"), "html.parser")
    assert "Take the whole repository." in index.text and not index.find("a", string="the whole repository")


@pytest.mark.parametrize("width", [360, 375])
def test_the_buttons_fit_a_phone(page, book, browser, width):
    page("https://github.com/someone/some-book")
    source = book.root / "_build" / "html" / "notebooks" / "small.html"
    folds = '<details class="hide"><summary>Code</summary></details></article>'  # so that there is a switch
    source.write_text(source.read_text(encoding="utf-8").replace("</article>", folds, 1), encoding="utf-8")
    tab = browser.new_page(viewport={"width": width, "height": 800})
    tab.goto(source.as_uri())
    buttons = tab.locator(".bd-header-article :is(button, label, a.btn):visible")
    places = [button.bounding_box() for button in buttons.all()]
    assert len(places) >= 7 and tab.locator(".code-switch").count() == 1
    assert all(0 <= place["x"] and place["x"] + place["width"] <= width for place in places), places


def test_the_table_of_run_times_fits_a_phone(site, browser):
    tab = browser.new_page(viewport={"width": 375, "height": 800})
    tab.goto((site / "book" / "running.html").as_uri())
    box = tab.locator(".run-times .pst-scrollable-table-container")
    assert box.locator("tbody tr").count() == len(list((ROOT / "notebooks").glob("*.ipynb")))
    assert box.evaluate("box => box.scrollWidth - box.clientWidth") <= 0
    assert "Run Time" in box.inner_text()


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
