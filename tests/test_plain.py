"""The plain edition of every notebook: no MyST is left, and it runs where nothing but itself is."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from bs4 import BeautifulSoup
from conftest import ROOT, SETTLE
from nbclient import NotebookClient

CHAPTERS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
MYST = re.compile(r"\{[\w:-]+\}`|^\s*(?::::+|```+)\{|^\([\w-]+\)=|run\.\w+`|\]\{\.", re.M)

TEXT = """\
# Small

(answer)=
Take {term}`softmaxes <softmax>` {cite:p}`vaswani2017attention,bengio2013straight`, as {cite:t}`radford2019language` do.
The gain is {eval}`run.gain`, see {eval}`figure.dots`, [below](#a-section-of-its-own) and
[there](../book/verdicts.md). Math stays: $a_{i}$.

::::{admonition} Predict
:class: tip
What is *one*?

:::{note}
Inner.
:::
::::

```{warning} Hot
Very.
```

```python
x = {1: 2}
```

| a | b |
|---|---|
| {eval}`run.slope["Pre-LN, 1/√N"][6]` | {term}`softmax` |

## A section, of its own

:::{exercise} Two
:label: ex-two
What is $1 + 1$?
:::

:::{solution} ex-two
:class: dropdown
It is {eval}`run.gain`.
:::
"""
CODE = """\
import matplotlib.pyplot as plt
from lab import explorers, figures
from lab.values import Values
run = Values()
figures.use()
run.keep(".2f", gain=2, slope={"Pre-LN, 1/√N": {6: -1}})
explorers.show("dial", {"contexts": []}, plt.figure(), alt="A still figure of nothing at all.")
"""
GLOSSARY = "# Glossary\n\n:::{glossary}\nsoftmax\n    Turns numbers into probabilities.\n:::\n"


def small(book) -> None:
    """Give the book's notebook all that a chapter has."""
    toc = (book.root / "_toc.yml").read_text().replace("chapters:", "options:\n  numbered: true\nchapters:")
    book.write("_toc.yml", toc + "- file: book/glossary\n")
    book.write("book/glossary.md", GLOSSARY)
    cells = [nbformat.v4.new_markdown_cell(TEXT)]
    cells += [nbformat.v4.new_code_cell(source) for source in (SETTLE, CODE, "plt.plot([1, 2]);")]
    figure = {"caption": "Two dots, {eval}`run.gain`.", "name": "fig-dots"}
    cells[-1].metadata = {"mystnb": {"figure": figure, "image": {"alt": "A line."}}}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), book.root / "notebooks" / "small.ipynb")


def edition(root, name: str) -> nbformat.NotebookNode:
    """The notebook that the download button of a page gives."""
    page = BeautifulSoup((root / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
    [link] = page.select("a.btn-download-source-button")
    notebook = nbformat.read((root / name).parent / link["href"], as_version=4)
    nbformat.validate(notebook)
    return notebook


def texts(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def shown(notebook) -> list[set[str]]:
    """The kinds of each output."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [set(output.get("data", [output.get("name")])) for output in outputs]


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
    outputs = [output for cell in plain.cells if cell.cell_type == "code" for output in cell.outputs]
    unsafe = re.compile("<svg|<script|data-record|svg\\+xml")  # what Jupyter leaves out where it trusts nobody
    assert not [output for output in outputs if unsafe.search(str(output))]
    assert not [kind for kind in kinds for mime in kind if mime.startswith("application/")]


def test_what_becomes_of_everything_that_a_chapter_has(book):
    small(book)
    code, said = book.build()
    assert code == 0, said
    plain = edition(book.root / "_build" / "html", "notebooks/small")
    text = texts(plain)
    for words in (
        "# Small\n\nTake softmaxes ([Vaswani et al., 2017](https://arxiv.org/abs/1706.03762); "
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
    ):
        assert words in text
    assert shown(plain) == [
        {"text/html", "text/plain"},  # the claim, its picture, the explorer, the figure
        {"image/png", "text/plain"},
        {"image/png", "text/plain"},
        {"image/png", "text/plain"},
    ]


def test_links_lead_to_the_site_where_its_address_is_known(book, monkeypatch):
    small(book)
    monkeypatch.setenv("BOOK_SITE_URL", "https://example.org/book/")
    config = (book.root / "_config.yml").read_text()
    book.write(
        "_config.yml", config.replace("  config:\n", "  config:\n    html_baseurl: https://example.org/book/\n", 1)
    )
    code, said = book.build()
    assert code == 0, said
    text = texts(edition(book.root / "_build" / "html", "notebooks/small"))
    assert "[there](https://example.org/book/book/verdicts.html)" in text
    assert "as [Radford et al. (2019)](https://example.org/book/book/bibliography.html) do" in text


@pytest.mark.parametrize("words", [":::{topic} Unknown\nText.\n:::", "See {doc}`/book/verdicts`."])
def test_what_the_plain_edition_does_not_know_stops_the_build(book, words):
    small(book)
    path = book.root / "notebooks" / "small.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source += f"\n{words}\n"
    nbformat.write(notebook, path)
    code, said = book.build()
    assert code != 0
    assert f"the plain edition does not know {words.splitlines()[0].removeprefix('See ')[:10]}" in said


def test_a_chapter_runs_in_an_empty_folder(site, tmp_path):
    """The repository comes from disk, as a zip file like those of GitHub, with one folder around everything."""
    packed = tmp_path / "packed" / "repository-1234567"
    shutil.copytree(ROOT / "notebooks", packed / "notebooks", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    archive = shutil.make_archive(str(tmp_path / "repository"), "zip", tmp_path / "packed")
    empty = tmp_path / "empty"
    empty.mkdir()
    notebook = edition(site, "notebooks/05_sqrt_n_scaling")  # the shortest
    claims = sum("text/html" in kind for kind in shown(notebook))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOOK_ARCHIVE", (tmp_path / archive).as_uri())
        patch.setenv("TQDM_DISABLE", "1")
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("PYTHONPATH", raising=False)
        NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(empty)}}).execute()
    assert [path.name for path in empty.iterdir()] == [first(notebook)["FOLDER"]]
    settled = re.findall(r"(N\w+\.[\w-]+) settled\.</strong>", str(notebook))
    assert len(settled) == claims > 0


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
def elsewhere(site, tmp_path, monkeypatch):
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
        source = edition(site, "notebooks/05_sqrt_n_scaling").cells[1].source
        exec(source, {})
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


def test_without_an_address_the_first_cell_says_what_it_needs(site, tmp_path, monkeypatch):
    monkeypatch.delenv("BOOK_ARCHIVE", raising=False)
    monkeypatch.chdir(tmp_path)
    source = edition(site, "notebooks/05_sqrt_n_scaling").cells[1].source
    source = re.sub(r'(?<="BOOK_ARCHIVE", )".*"', '""', source)  # where the site was built with one
    with pytest.raises(FileNotFoundError, match="run it in the folder `notebooks`"):
        exec(source, {})
