"""The page of verdicts, and what the chapters' lists say against it."""

import nbformat
import pytest
from bs4 import BeautifulSoup
from conftest import SETTLE

VERDICTS = """\
# Verdicts

:::{verdicts}
:::

## Small things

### N1a: x is large

[holds with a condition]{.verdict} It is, *here*.

:::{evidence} N1a
:::
"""


def says(book, notebook: str, *items: str) -> None:
    """Give a notebook a list of statements below its title."""
    path = book.root / "notebooks" / f"{notebook}.ipynb"
    cells = nbformat.read(path, as_version=4)
    cells.cells.insert(1, nbformat.v4.new_markdown_cell("\n".join(items)))
    nbformat.write(cells, path)


def configure(book, old: str, new: str) -> None:
    text = (book.root / "_config.yml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    book.write("_config.yml", text.replace(old, new))


@pytest.fixture
def verdicts(book):
    """A small book whose chapter lists what its page of verdicts says."""
    book.write("book/verdicts.md", VERDICTS)
    configure(book, "first_screens: []", "first_screens: [notebooks/small]")
    says(
        book,
        "small",
        "- **holds with a condition** [N1a](../book/verdicts.md): x is large.",
        "- **bold**: no statement.",
    )
    return book


def test_a_list_that_agrees_is_shown_with_badges_and_the_table_counts(verdicts):
    for _ in ("cold", "warm"):
        code, said = verdicts.build()
        assert code == 0, said
        chapter = BeautifulSoup(verdicts.page("notebooks/small"), "html.parser")
        [badge] = chapter.select("li strong.verdict")
        assert badge.text == "holds with a condition" and "verdict-holds-with-a-condition" in badge["class"]

        page = BeautifulSoup(verdicts.page("book/verdicts"), "html.parser")
        assert page.select_one(".verdict-counts").get_text(" ", strip=True) == "holds with a condition 1"
        [row] = page.select("table.verdicts tbody tr")
        statement, verdict, chapter, picture = row.find_all("td")
        assert statement.text.strip() == "N1a: x is large" and verdict.text.strip() == "holds with a condition"
        assert page.select_one(statement.a["href"]).find_parent("section").h3.text.startswith("N1a")
        assert chapter.a["href"] == "../notebooks/small.html" and chapter.text.strip()
        for drawing in (picture.svg, page.select_one(".evidence svg[role=img]")):
            assert "all of the evidence, 2 (1 run)" in drawing["aria-label"]


def without_list(book):
    book.notebook("small", SETTLE)


def listed_twice(book):
    book.notebook("other", "1 + 1")
    says(book, "other", "- **holds with a condition** [N1a](../book/verdicts.md): x is large.")
    book.write("_toc.yml", (book.root / "_toc.yml").read_text() + "- file: notebooks/other\n")


def other_verdict(book):
    book.write("book/verdicts.md", VERDICTS.replace("holds with a condition", "corrected"))


def unknown(book):
    says(book, "small", "- **holds** [N1c](../book/verdicts.md): nothing.")


def other_statement_settled(book):
    book.notebook("small", SETTLE, SETTLE.replace("N1a", "N1b"))
    says(book, "small", "- **holds with a condition** [N1a](../book/verdicts.md): x is large.")
    more = VERDICTS + "\n### N1b: x is larger\n\n[holds]{.verdict} It is.\n\n:::{evidence} N1b\n:::\n"
    book.write("book/verdicts.md", more)


def no_verdict(book):
    book.write("book/verdicts.md", VERDICTS.replace("{.verdict}", "{.word}"))


@pytest.mark.parametrize(
    ("fault", "names"),
    [
        (
            other_verdict,
            ["small.ipynb", "N1a is called 'holds with a condition' here, but 'corrected' in book/verdicts"],
        ),
        (listed_twice, ["other.ipynb", "statement N1a is listed here, and also in notebooks/small"]),
        (unknown, ["small.ipynb", "statement N1c is listed here, and no page gives a verdict on it"]),
        (other_statement_settled, ["small.ipynb", "claim N1b is settled here, but N1b is not in this chapter's list"]),
        (without_list, ["small.ipynb", "notebooks/small has no list of statements"]),
        (no_verdict, ["statement N1a has no verdict on any page"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_list_that_does_not_agree_stops_the_build_and_is_named(verdicts, fault, names):
    fault(verdicts)
    code, said = verdicts.build()
    assert code != 0
    assert all(name in said for name in names), said


def test_a_chapter_without_a_list_is_let_be_until_it_is_named_in_the_settings(book):
    book.write("book/verdicts.md", VERDICTS)
    code, said = book.build()
    assert code == 0, said
