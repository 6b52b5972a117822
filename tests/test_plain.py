"""The plain edition of every notebook: no MyST is left, and it runs where nothing but itself is."""

import copy
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbclient import NotebookClient

from conftest import KNOWN, LIMIT, ROOT

CHAPTERS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
MYST = re.compile(r"\{[\w:-]+\}`|^\s*(?::::+|```+)\{|^\([\w-]+\)=|run\.\w+`|\]\{\.", re.M)


def edition(html: Path, name: str) -> nbformat.NotebookNode:
    """The notebook that the download button of a page gives."""
    page = BeautifulSoup((html / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    [link] = page.select("a.btn-download-source-button")
    notebook = nbformat.read((html / name).parent / link["href"], as_version=4)
    nbformat.validate(notebook)
    return notebook


def texts(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def outputs(notebook) -> list:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def shown(notebook) -> list[set[str]]:
    """The kinds of each output."""
    return [set(output.get("data", [output.get("name")])) for output in outputs(notebook)]


@pytest.fixture(scope="module")
def plain(sample) -> nbformat.NotebookNode:
    return edition(sample.root / "_build" / "html", "notebooks/small")


@pytest.fixture(scope="module")
def known_plain(known_sample) -> nbformat.NotebookNode:
    return edition(known_sample.root / "_build" / "html", "notebooks/small")


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_has_no_myst_left(site, chapter):
    source = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4)
    assert MYST.search(texts(source))
    plain = edition(site, f"notebooks/{chapter}")
    assert [found[0] for found in MYST.finditer(texts(plain))] == []
    captions = sum("figure" in cell.metadata.get("mystnb", {}) for cell in source.cells)
    assert len(re.findall(rf"^\*\*Figure {int(chapter[:2])}\.\d+\.\*\* ", texts(plain), re.M)) == captions
    assert len(plain.cells) == len(source.cells) + captions + 1
    kinds = shown(plain)
    code = "".join(cell.source for cell in source.cells if cell.cell_type == "code")
    claims, explorers = code.count("claims.settle("), code.count("explorers.show(")
    assert sum("text/html" in kind for kind in kinds) == claims
    assert sum("image/png" in kind for kind in kinds) == captions + claims + explorers
    unsafe = re.compile("<svg|<script|data-record|svg\\+xml")  # what Jupyter leaves out where it trusts nobody
    assert not [output for output in outputs(plain) if unsafe.search(str(output))]
    assert not [kind for kind in kinds for mime in kind if mime.startswith("application/")]


WORDS = [
    "# Is x large?",
    "Take softmaxes ([Vaswani et al., 2017](https://arxiv.org/abs/1706.03762); "
    "[Bengio et al., 2013](https://arxiv.org/abs/1308.3432)), as Radford et al. (2019) do.",
    "The gain is 2.00, see Figure 1.1, [below](#A-section%2C-of-its-own) and\n[there](../book/verdicts.md). "
    "Math stays: $a_{i}$.",
    "> **Predict**\n>\n> What is *one*?\n>\n> > **Note**\n> >\n> > Inner.",
    "> **Warning**\n>\n> Hot\n>\n> Very.",
    "```python\nx = {1: 2}\n```",
    "| −1.00 | softmax |",
    "> **Exercise: Two**\n>\n> What is $1 + 1$?\n",
    "<details><summary>Solution</summary>\n\nIt is 2.00.\n\n</details>",
    "**Figure 1.1.** Two dots, 2.00.",
]


@pytest.mark.parametrize("words", WORDS)
def test_what_becomes_of_everything_that_a_chapter_has(plain, words):
    assert words in texts(plain)


def test_outputs_are_pictures_and_words(plain):
    picture = {"image/png", "text/plain"}
    claim = [{"text/html", "text/plain"}, picture]
    assert shown(plain) == [{"text/markdown", "text/plain"}, *claim, *claim, *[picture] * 3, {"stdout"}]
    assert "- **holds with a condition** N1a: x is *large*." in str(outputs(plain)[0])


def test_links_lead_to_the_site_where_its_address_is_known(known_plain):
    assert f"[there]({KNOWN}book/verdicts.html)" in texts(known_plain)
    assert f"as [Radford et al. (2019)]({KNOWN}book/bibliography.html) do" in texts(known_plain)
    assert '"https://github.com/someone/some-book/archive/trunk.zip"' in known_plain.cells[1].source


def runs_in_an_empty_folder(notebook, book: Path, folder: Path) -> None:
    """The repository comes from disk, as a zip file like those of GitHub, with one folder around everything."""
    packed, empty = folder / "packed" / "repository-1234567", folder / "empty"
    shutil.copytree(book / "notebooks", packed / "notebooks", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    (packed / "book").mkdir()
    for name in ("_toc.yml", "book/verdicts.md"):
        shutil.copy(book / name, packed / name)
    archive = shutil.make_archive(str(folder / "repository"), "zip", folder / "packed")
    empty.mkdir()
    cards = sum("text/html" in kind for kind in shown(notebook))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOOK_ARCHIVE", Path(archive).as_uri())
        patch.setenv("TQDM_DISABLE", "1")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("PYTHONPATH", raising=False)
        NotebookClient(notebook, timeout=3 * LIMIT, resources={"metadata": {"path": str(empty)}}).execute()
    assert [path.name for path in empty.iterdir()] == [first(notebook)["FOLDER"]]
    settled = re.findall(r'id="claim-\S+"', str(notebook))
    assert len(settled) == cards > 0


def test_a_notebook_runs_in_an_empty_folder(plain, sample, tmp_path):
    runs_in_an_empty_folder(copy.deepcopy(plain), sample.root, tmp_path)


@pytest.mark.weekly
def test_a_chapter_runs_in_an_empty_folder(site, tmp_path):
    runs_in_an_empty_folder(edition(site, "notebooks/05_sqrt_n_scaling"), ROOT, tmp_path)


def first(notebook) -> dict:
    """What the first cell of code names, run in the repository, where it has nothing to do."""
    names = {}
    folder = os.getcwd()
    os.chdir(ROOT / "notebooks")
    try:
        exec(next(cell.source for cell in notebook.cells if cell.cell_type == "code"), names)
    finally:
        os.chdir(folder)
    return names


@pytest.fixture
def elsewhere(plain, tmp_path, monkeypatch):
    """Run the first cell in a folder without the repository; what it would install, and an archive to fetch."""
    (tmp_path / "packed" / "r" / "notebooks" / "lab").mkdir(parents=True)
    (tmp_path / "packed" / "r" / "notebooks" / "lab" / "claims.py").touch()
    shutil.make_archive(str(tmp_path / "r"), "zip", tmp_path / "packed")
    monkeypatch.setenv("BOOK_ARCHIVE", (tmp_path / "r.zip").as_uri())
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    installs, version = [], importlib.metadata.version

    def without(*names):
        def found(name):
            if name in names:
                raise importlib.metadata.PackageNotFoundError(name)
            return version(name)

        return found

    def run(*names):
        monkeypatch.setattr(importlib.metadata, "version", without(*names))
        monkeypatch.setattr(subprocess, "run", lambda command, check: installs.append(command))
        exec(plain.cells[1].source, {})
        return installs

    return run


def pinned(name: str) -> str:
    return re.search(rf"^{name}==\S+", (ROOT / "requirements.txt").read_text(), re.M)[0]


def test_only_what_is_missing_is_installed(elsewhere):
    assert elsewhere("gguf", "platformdirs") == [
        [sys.executable, "-m", "pip", "install", "--quiet", pinned("gguf"), pinned("platformdirs")]
    ]


def test_where_there_is_no_torch_the_cpu_build_is_taken(elsewhere):
    uv, torch = elsewhere("torch")
    assert uv[2:] == ["pip", "install", "--quiet", "uv"]
    assert torch[2:4] == ["uv", "pip"] and torch[-2:] == ["--torch-backend=cpu", pinned("torch")]


def test_nothing_is_installed_where_nothing_is_missing(elsewhere, capsys):
    assert elsewhere() == []
    assert capsys.readouterr().out == ""


def test_without_an_address_the_first_cell_says_what_it_needs(plain, tmp_path, monkeypatch):
    monkeypatch.delenv("BOOK_ARCHIVE", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="run it in the folder `notebooks`"):
        exec(plain.cells[1].source, {})
