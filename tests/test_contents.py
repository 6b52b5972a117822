"""One table of contents: swap two chapters in it, and all that numbers them or lists them in their order agrees."""

import json
import re

import nbformat
import pytest

from conftest import PLOT, Book, code
from lab import contents
from proof import results, stamps

CHAPTER = """\

from lab import claims, contents, figures

figure = figures.use("{name}")
claims.settle("{claim}", test=lambda x: x > 1, evidence={{"a": 2}}, control={{"a": 0}}, says="x", control_says="no x")"""
SECTION = """\
## {name}

:::{{question}} ../notebooks/{name}.ipynb
The answer of {name}.
:::

### {claim}: {name} says so

{{verdict}}`holds` It does.

:::{{evidence}} {claim}
:::
"""


def write(book: Book, *order: str) -> None:
    chapters = "".join(f"      - file: notebooks/{name}\n" for name in order)
    book.write(
        "_toc.yml",
        "format: jb-book\nroot: book/index\nparts:\n  - caption: The part\n    numbered: 2\n    chapters:\n"
        f"{chapters}  - caption: The evidence\n    chapters:\n      - file: book/verdicts\n      - file: book/how_we_know\n",
    )


def prove(book: Book, claims: dict[str, str]) -> None:
    """A result for each chapter, of its code of today."""
    values = {"evidence": [2], "control": [0], "passes": [[1, None]], "refuted": None}
    line = {"kind": "seeds", "base_seed": 0, "stopped": None, "seconds": 1, "date": "2026-01-01"}
    line |= {"python": "3", "torch": "2"}
    lines = [
        line | {"chapter": name, "stamp": stamps.stamp(book.root, name), "claims": {claim: values}}
        for name, claim in claims.items()
    ]
    book.write(results.FILE, "".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def orders(tmp_path_factory) -> list[Book]:
    """Two books that differ in the order of their two chapters, each with a figure, a claim and a result."""
    books = []
    for order in (("alpha", "beta"), ("beta", "alpha")):
        book = Book(tmp_path_factory.mktemp("contents") / "book")
        book.finish = {"plain"}
        write(book, *order)
        book.write("book/index.md", "# A small book\n\n:::{questions} The part\n:::\n")
        claims = {"alpha": "N1a", "beta": "N2b"}
        sections = [SECTION.format(name=name, claim=claim) for name, claim in claims.items()]
        book.write("book/verdicts.md", "# Verdicts\n\n:::{verdicts}\n:::\n\n" + "\n".join(sections))
        book.write("book/how_we_know.md", "# How we know\n\n:::{proof} seeds\n:::\n")
        for name, claim in claims.items():
            show = f"contents.show_statements('{name}')"
            jupyter = f"print('in JupyterLab', figure.{name})"
            book.notebook(name, CHAPTER.format(name=name, claim=claim), show, code(PLOT % 2, f"fig-{name}"), jupyter)
        prove(book, claims)
        book.built()
        books.append(book)
    return books


@pytest.mark.parametrize("which", [0, 1])
def test_all_numbers_are_those_of_the_table_of_contents(orders, which):
    book = orders[which]
    for number, name in enumerate(("alpha", "beta")[:: -1 if which else 1], start=1):
        page = book.page(f"notebooks/{name}")
        assert re.search(rf'<h1><span class="section-number">{number}\. </span>{name}<', page)
        assert f"Figure {number}.1" in re.search(r"<figcaption>.*?</figcaption>", page, re.S)[0]
        assert f"in JupyterLab Figure {number}.1" in page
        plain = nbformat.read(book.root / "_build" / "html" / "_sources" / "notebooks" / f"{name}.ipynb", 4)
        assert any(cell.source.startswith(f"**Figure {number}.1.**") for cell in plain.cells)
        assert f">{number}. {name}<" in book.page("book/index")
        assert re.search(rf'title="{name}">Chapter {number}<', book.page("book/verdicts"))
        assert re.search(rf'href="[^"]*{name}.html">{number}<', book.page("book/how_we_know"))


def test_all_lists_keep_the_order_of_the_table_of_contents(orders):
    for book, order in zip(orders, (("alpha", "beta"), ("beta", "alpha")), strict=True):
        for name in ("book/index", "book/how_we_know"):
            page = re.search(r"<article.*?</article>", book.page(name), re.S)[0]
            assert page.index(f"{order[0]}.html") < page.index(f"{order[1]}.html"), name


def test_an_unknown_chapter_is_refused():
    with pytest.raises(ValueError, match="chapter must be one of .*'10_none'"):
        contents.number("10_none")
    with pytest.raises(ValueError, match="chapter must have statements in book/verdicts.md, got '10_none'"):
        contents.listing("10_none")


def test_every_chapter_has_statements_and_a_question():
    for name in contents.chapters():
        assert contents.statements(name), name
