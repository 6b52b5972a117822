"""How we know: what makes a result stale, what the page computes, and the runner behind it."""

import json
import math
import shutil
from pathlib import Path

import nbformat
import proof
import prove
import pytest
import stamps

ROOT = Path(__file__).parent.parent
CHAPTER = "05_sqrt_n_scaling"
CHAPTERS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture
def tree(tmp_path):
    """A copy of what a stamp is made of."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def edit(tree: Path, change, chapter: str = CHAPTER) -> None:
    """Let `change` edit the code cells of a chapter."""
    path = tree / "notebooks" / f"{chapter}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    before = [cell.source for cell in notebook.cells]
    change([cell for cell in notebook.cells if cell.cell_type == "code"])
    assert before != [cell.source for cell in notebook.cells]
    nbformat.write(notebook, path)


def append(text: str, of=lambda cell: "BASE_SEED =" in cell.source):
    def change(cells):
        next(cell for cell in cells if of(cell)).source += text

    return change


def other_seed(cells) -> None:
    for cell in cells:
        cell.source = cell.source.replace("BASE_SEED = 0", "BASE_SEED = 7")


def draws_only(cell) -> bool:
    return "figure" in cell.metadata.get("mystnb", {}) and cell.source not in stamps.measuring(ROOT, CHAPTER)


@pytest.mark.parametrize(
    "change",
    [other_seed, append("\n\n# a remark\n"), append("\nplt.title('another')", draws_only)],
    ids=["base seed", "comment", "figure"],
)
def test_what_changes_no_result_leaves_the_stamp(tree, change):
    edit(tree, change)
    assert stamps.stamp(tree, CHAPTER) == stamps.stamp(ROOT, CHAPTER)


def test_a_change_of_the_code_changes_the_stamp(tree):
    edit(tree, append("\nmore = 1"))
    assert stamps.stamp(tree, CHAPTER) != stamps.stamp(ROOT, CHAPTER)


def test_a_figures_cell_counts_if_another_cell_takes_a_name_from_it(tree):
    edit(tree, append("\nfound = 1", draws_only))
    assert stamps.stamp(tree, CHAPTER) == stamps.stamp(ROOT, CHAPTER)
    edit(tree, append("\nfound + 1"))
    with_it = stamps.stamp(tree, CHAPTER)
    edit(tree, append("\nfound = 2", lambda cell: "found = 1" in cell.source))
    assert stamps.stamp(tree, CHAPTER) != with_it


def test_what_a_chapter_builds_on_changes_its_stamp_and_not_that_of_the_others(tree):
    module = tree / "notebooks" / "lab" / "transformer.py"
    module.write_text(module.read_text() + "MORE = 1\n")
    edit(tree, append("\nmore = 1", lambda cell: "def beam_search(" in cell.source), "04_beam_search_vs_sampling")
    changed = [chapter for chapter in CHAPTERS if stamps.stamp(tree, chapter) != stamps.stamp(ROOT, chapter)]
    assert {CHAPTER, "04_beam_search_vs_sampling"} <= set(changed)
    assert not {"01_argmax_vs_multinomial", "02_other_samplers"} & set(changed)


CODE = [
    "import torch\nfrom lab import claims",
    "found, seen = {}, []",
    "def measure(seed):\n    return seed + offset",
    "offset = 1",
    "aside = measure(7)\nrun.keep('d', aside=aside)",  # feeds no claim
    "found['a'] = measure(3)",
    "def note(x):\n    seen.append(x)",
    "note(4)",
    "other = torch.zeros(3)\nother[0] = 1\nother.add_(2)",  # changes its own only
    "seen_twice = seen * 2",
    "for each in found.values():\n    each.more = 1",
    "assert seen",
    "claims.settle('N1a', test=lambda x: x > 1, evidence=found, control={'a': 0}, says='x', control_says='y')",
]


def test_a_cell_is_left_out_if_no_claim_and_no_assert_depends_on_it():
    code = [nbformat.v4.new_code_cell(source) for source in CODE]
    kept = [cell.source for cell in stamps.settling(code)]
    assert kept == [source for source in CODE if not source.startswith(("aside", "other", "seen_twice"))]


def test_every_chapter_keeps_its_claims_and_leaves_something_out():
    for chapter in CHAPTERS:
        code = stamps.cells(ROOT, chapter)
        kept = stamps.settling(code)
        assert len(kept) < len(code)
        assert all(cell in kept for cell in code if "claims.settle(" in cell.source), chapter


def test_cells_that_are_left_out_and_matter_after_all_are_noticed(monkeypatch):
    runs = {"--whole": {"claims": {"N1a": 1}}, "": {"claims": {"N1a": 2}}}
    monkeypatch.setattr(prove, "run_chapter", lambda tree, chapter, *flags, base_seed: runs["".join(flags)])
    assert prove.seed_run({"chapter": CHAPTER, "base_seed": proof.BASES[1]}) == runs[""]
    with pytest.raises(RuntimeError, match="left out"):
        prove.seed_run({"chapter": CHAPTER, "base_seed": proof.BASES[0]})


def test_what_only_shows_changes_no_stamp(tree):
    (tree / "notebooks" / "lab" / "figures.py").write_text("")
    assert stamps.stamp(tree, CHAPTER) == stamps.stamp(ROOT, CHAPTER)


def test_an_unknown_chapter_is_refused():
    with pytest.raises(ValueError, match="'10_none'"):
        stamps.stamp(ROOT, "10_none")


def test_the_results_are_of_the_code_of_today_and_none_is_there_twice():
    lines = proof.read(ROOT)
    assert lines
    assert all(proof.is_current(ROOT, line) for line in lines)
    assert len({proof.key(line) for line in lines}) == len(lines)


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / proof.DATA).write_text('{"kind": "seeds"}\n{"kind"')
    with pytest.raises(ValueError, match="line 2"):
        proof.read(tmp_path)


@pytest.mark.parametrize(
    ("runs", "edges", "expected"),
    [
        ([[2, 5], [3, 9]], [1], 1 / math.sqrt(0.5)),  # distances 1 and 2
        ([[2, 5]], [1], math.inf),  # one run has no spread
        ([[2, 5], [3, 9]], [], math.inf),
        ([[1e2], [1e4]], [1], math.log(1e2) / (math.log(1e2) / math.sqrt(2))),  # logarithms: 2 and 4 decades
    ],
)
def test_margin(runs, edges, expected):
    assert proof.margin(runs, edges) == pytest.approx(expected)


SMALL = """\
from lab import claims
BASE_SEED = 0

claims.settle("N1a", test=lambda x: x > 1, evidence={"a": 2}, control={"a": BASE_SEED}, says="x", control_says="none")
claims.settle("N1b", test=lambda x: x > 1, evidence={"a": 2}, control={"a": 0}, says="x", control_says="none")"""


def test_the_runner_records_every_claim_also_after_one_that_fell(book, monkeypatch):
    book.notebook("small", SMALL)
    monkeypatch.setattr(prove, "ROOT", book.root)
    found = prove.one("small", 7, stop=False)
    assert found["stopped"] is None
    assert found["claims"]["N1a"]["refuted"].startswith("N1a: none: a gives 7")
    assert found["claims"]["N1b"] == {
        "evidence": [2.0],
        "control": [0.0],
        "refuted": None,
        "passes": [[pytest.approx(1), None]],
    }
    assert "ControlPassed: N1a" in prove.one("small", 7, stop=True)["stopped"]
    json.dumps(found)


def test_a_notebook_without_its_base_seed_is_refused(book, monkeypatch):
    book.notebook("small", "1 + 1")
    monkeypatch.setattr(prove, "ROOT", book.root)
    with pytest.raises(ValueError, match="it does so 0 times"):
        prove.one("small", 7, stop=False)
