"""The strict build: it passes cold, warm and after a change, and every fault stops it and is named."""

import re
import shutil

import nbformat
import pytest
from conftest import ROOT, SETTLE


def evidence(book) -> str:
    """The text of the evidence on the page of verdicts."""
    return re.sub(r"<[^>]*>", "", re.search(r'<div class="evidence".*</div>', book.page("book/verdicts"))[0])


def test_evidence_is_filled_in_cold_warm_and_after_one_notebook_changed(book):
    book.notebook("other", "print('other ran')")
    book.write("_toc.yml", (book.root / "_toc.yml").read_text() + "- file: notebooks/other\n")
    for options in ((), ("--all",), ()):
        code, said = book.build(*options)
        assert code == 0, said
        assert "x: 2 (1 run), all pass" in evidence(book)

    book.notebook("other", "print('other ran again')")
    code, said = book.build()
    assert code == 0, said
    assert "other ran again" in book.page("notebooks/other")
    assert "x: 2 (1 run), all pass" in evidence(book)

    book.notebook("small", SETTLE.replace('3": 2', '3": 5'))
    code, said = book.build()
    assert code == 0, said
    assert "x: 5 (1 run), all pass" in evidence(book)


def test_an_edited_module_runs_the_notebooks_again(book):
    book.write("notebooks/lab/extra.py", "VALUE = 'before the edit'\n")
    book.notebook("small", SETTLE, "from lab import extra\nprint(extra.VALUE)")
    assert book.build()[0] == 0
    assert "before the edit" in book.page("notebooks/small")
    book.write("notebooks/lab/extra.py", "VALUE = 'after the edit'\n")
    code, said = book.build()
    assert code == 0, said
    assert "after the edit" in book.page("notebooks/small")


def test_an_edited_definition_runs_the_notebooks_that_take_it_again(book):
    def define(value: str) -> None:
        book.notebook("other", f"VALUE = {value!r}")
        path = book.root / "notebooks" / "other.ipynb"
        notebook = nbformat.read(path, as_version=4)
        notebook.cells[1].metadata["tags"] = ["definition"]
        nbformat.write(notebook, path)

    define("before the edit")
    book.notebook("small", SETTLE, "from lab import chapters\nprint(chapters.definitions('other').VALUE)")
    assert book.build()[0] == 0
    assert "before the edit" in book.page("notebooks/small")
    define("after the edit")
    code, said = book.build()
    assert code == 0, said
    assert "after the edit" in book.page("notebooks/small")


MEET = """\
import time
from pathlib import Path

Path("{own}.here").touch()
end = time.monotonic() + 60
while not Path("{other}.here").exists():
    assert time.monotonic() < end
    time.sleep(0.05)"""


def test_two_notebooks_run_at_a_time_and_one_that_fails_is_named(book):
    book.write("_toc.yml", (book.root / "_toc.yml").read_text() + "- file: notebooks/a\n- file: notebooks/b\n")
    book.notebook("a", MEET.format(own="a", other="b"))
    book.notebook("b", MEET.format(own="b", other="a"), "print('they met')")
    code, said = book.build()
    assert code == 0, said
    assert "they met" in book.page("notebooks/b")

    book.notebook("a", "print('a ran again')")
    book.notebook("b", "1 / 0")
    code, said = book.build()
    assert code != 0
    failures = [line for line in said.splitlines() if "cell 2 failed" in line]
    assert len(failures) == 1 and "notebooks/b" in failures[0], said


FAULTS = {
    "a failing cell": (
        lambda book: book.notebook("small", SETTLE, "1 / 0"),
        ["notebooks/small", "cell 3 failed", "ZeroDivisionError"],
    ),
    "a stray warning": (
        lambda book: book.notebook("small", SETTLE, "import warnings\nwarnings.warn('stray')"),
        ["notebooks/small", "stderr was found"],
    ),
    "a broken link": (
        lambda book: book.write("book/verdicts.md", "# Verdicts\n\n[x](nowhere.md)\n\n:::{evidence} N1a\n:::\n"),
        ["book/verdicts.md", "nowhere.md"],
    ),
    "an unknown term": (
        lambda book: book.write("book/verdicts.md", "# Verdicts\n\n{term}`nothing`\n\n:::{evidence} N1a\n:::\n"),
        ["book/verdicts.md", "nothing"],
    ),
    "an unknown citation": (
        lambda book: book.write("book/verdicts.md", "# Verdicts\n\n{cite:p}`nobody`\n\n:::{evidence} N1a\n:::\n"),
        ["book/verdicts.md", "nobody"],
    ),
    "an unknown computed value": (
        lambda book: book.write(
            "book/verdicts.md",
            "# Verdicts\n\n{glue:text}`/notebooks/small.ipynb::gone:.2f`\n\n:::{evidence} N1a\n:::\n",
        ),
        ["book/verdicts.md", "gone"],
    ),
    "a refuted claim": (
        lambda book: book.notebook("small", SETTLE.replace('3": 2', '3": 0.5')),
        ["notebooks/small", "cell 2 failed", "ClaimRefuted: N1a", "seed 3 gives 0.5"],
    ),
    "a control that passes": (
        lambda book: book.notebook("small", SETTLE.replace('3": 0', '3": 7')),
        ["notebooks/small", "cell 2 failed", "ControlPassed: N1a", "seed 3 gives 7"],
    ),
    "a statement that nothing settles": (
        lambda book: book.notebook("small", "1 + 1"),
        ["book/verdicts.md", "claim N1a is listed here, but no notebook settles it"],
    ),
    "a statement of the notes that no page lists": (
        lambda book: book.write("_config.yml", (book.root / "_config.yml").read_text().replace("[N1a]", "[N1a, N1b]")),
        ["statement N1b has no evidence on any page"],
    ),
    "a statement that is settled twice": (
        lambda book: book.notebook("small", SETTLE, SETTLE),
        ["notebooks/small", "claim N1a is settled 2 times"],
    ),
    "a statement that is settled but not listed": (
        lambda book: book.notebook("small", SETTLE, SETTLE.replace("N1a", "N1b.weights")),
        ["notebooks/small", "claim N1b.weights is settled here, but no page lists it"],
    ),
    "a statement that is listed twice": (
        lambda book: book.write("book/verdicts.md", "# Verdicts\n\n:::{evidence} N1a N1a\n:::\n"),
        ["book/verdicts.md", "claim N1a is listed 2 times"],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_stops_the_build_and_is_named(book, fault):
    plant, names = FAULTS[fault]
    plant(book)
    code, said = book.build()
    assert code != 0
    assert all(name in said for name in names), said


CHAPTER_FAULTS = {
    "the draw replaced by the argmax": (
        "01_argmax_vs_multinomial",
        "torch.multinomial(\n        logits.softmax(-1), 1, generator=generator\n    ).squeeze(-1)",
        "logits.argmax(-1)",
        "ControlPassed: N1a",
    ),
    "the noise taken out of Gumbel-max": (
        "01_argmax_vs_multinomial",
        "temperature * gumbel",
        "0 * gumbel",
        "ClaimRefuted: N2a",
    ),
    "a beam that forgets its prefixes' probabilities": (
        "04_beam_search_vs_sampling",
        "(log_probs[:, None] + step)",
        "(0 * log_probs[:, None] + step)",
        "ClaimRefuted: N4a.joint",
    ),
    "the 1/√d_k taken out": (
        "05_sqrt_n_scaling",
        '"1/√d_k": lambda d_k: d_k**-0.5',
        '"1/√d_k": lambda d_k: 1.0',
        "ClaimRefuted: N5a.variance",
    ),
    "Post-LN in the place of Pre-LN": (
        "06_pre_ln_vs_post_ln",
        "return x + branch(norm(x))",
        "return norm(x + branch(x))",
        "ClaimRefuted: N6.blocks",
    ),
    "the norms' Jacobians left out of the product": (
        "08_going_deep",
        "        if norms:\n",
        "        if False:\n",
        "ClaimRefuted: N9.product",
    ),
    "a factor by layer in the place of GPT-2's": (
        "09_late_layers",
        '"GPT-2": by_depth',
        '"GPT-2": by_layer',
        "ClaimRefuted: N10.factor",
    ),
}


@pytest.mark.parametrize("fault", CHAPTER_FAULTS)
def test_a_fault_in_a_chapter_stops_the_build_and_names_the_claim(book, fault):
    chapter, right, wrong, claim = CHAPTER_FAULTS[fault]
    for path in (ROOT / "notebooks").glob("*.ipynb"):  # chapters take definitions from others
        shutil.copy(path, book.root / "notebooks")
    notebook = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4)
    hits = [cell for cell in notebook.cells if right in cell.source]
    assert len(hits) == 1
    hits[0].source = hits[0].source.replace(right, wrong)
    nbformat.write(notebook, book.root / "notebooks" / "small.ipynb")
    code, said = book.build()
    assert code != 0
    assert claim in said, said


def test_the_site_links_to_the_repository_that_is_named_and_to_none_otherwise(book, monkeypatch):
    monkeypatch.setenv("BOOK_REPOSITORY_URL", "https://github.com/somebody/book")
    code, said = book.build()
    assert code == 0, said
    assert 'href="https://github.com/somebody/book"' in book.page("notebooks/small")
    assert "https://github.com/somebody/book/issues/new" in book.page("notebooks/small")

    monkeypatch.delenv("BOOK_REPOSITORY_URL")
    code, said = book.build("--all")
    assert code == 0, said
    assert "github.com" not in book.page("notebooks/small")
