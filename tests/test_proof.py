"""How we know: which results count, what the page computes, and the runner behind it."""

import functools
import json
import math
import shutil
from pathlib import Path

import nbformat
import pytest

from conftest import ROOT
from lab import contents
from proof import page, results, runner, stamps

CHAPTER, BEAM = "05_sqrt_n_scaling", "04_beam_search_vs_sampling"


@pytest.fixture
def tree(tmp_path):
    """A copy of what results belong to, without results."""
    for name in ("notebooks", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / results.FILE).parent.mkdir(parents=True)
    return tmp_path


def edit(tree: Path, old: str, new: str, chapter: str = CHAPTER) -> None:
    """Replace `old`, which is in one cell of a chapter."""
    path = tree / "notebooks" / f"{chapter}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    (cell,) = (cell for cell in notebook.cells if old in cell.source)
    cell.source = cell.source.replace(old, new)
    nbformat.write(notebook, path)


@functools.cache
def today() -> dict[str, str]:
    return {chapter: stamps.stamp(ROOT, chapter) for chapter in contents.chapters()}


def changed(tree: Path) -> set[str]:
    """The chapters whose stamps are not those of the book."""
    return {chapter for chapter, stamp in today().items() if stamps.stamp(tree, chapter) != stamp}


def test_no_stamp_changes_with_comments_text_the_base_seed_and_what_only_shows(tree):
    edit(tree, "BASE_SEED = 0", "BASE_SEED = 7  # a remark\n\n# another")
    notebook = tree / "notebooks" / f"{BEAM}.ipynb"
    notebook.write_text(notebook.read_text().replace("# ", "# More on "))  # headings, and comments
    for module in stamps.SHOWS_ONLY - {"explorers"}:
        (tree / "notebooks" / "lab" / f"{module}.py").write_text("")
    assert changed(tree) == set()


def test_a_stamp_changes_with_the_chapters_code(tree):
    edit(tree, "BASE_SEED = 0", "BASE_SEED = 0\nmore = '# 1'")
    assert changed(tree) == {CHAPTER}
    before = stamps.stamp(tree, CHAPTER)
    edit(tree, "more = '# 1'", "more = '# 2'")  # no comment
    assert stamps.stamp(tree, CHAPTER) != before


def test_a_stamp_changes_with_modules_and_definitions_that_the_chapter_takes_also_through_others(tree):
    module = tree / "notebooks" / "lab" / "human_text.py"  # lab.training imports it for chapter 7
    module.write_text(module.read_text() + "MORE = 1\n")
    assert "07_warmup_and_radam" in changed(tree)
    assert "02_other_samplers" in changed(tree) and "03_pointer_networks" not in changed(tree)
    edit(tree, "def seeded(", "MORE = 1\n\n\ndef seeded(", "01_argmax_vs_multinomial")  # a definition
    assert {"03_pointer_networks", "06_pre_ln_vs_post_ln"} <= changed(tree)


def test_an_unknown_chapter_is_refused():
    with pytest.raises(ValueError, match="'10_none'"):
        stamps.stamp(ROOT, "10_none")
    with pytest.raises(ValueError, match="'10_none'"):
        contents.number("10_none")
    assert contents.number(BEAM) == 4


def line(kind: str, **what) -> dict:
    return {"kind": kind, "chapter": CHAPTER, "seconds": 60, "python": "3", "torch": "2", "date": "2026-01-01"} | what


def run(seed: int, evidence: list[float], refuted: str | None = None, **what) -> dict:
    found = {"evidence": evidence, "control": [0.0], "refuted": refuted, "passes": [[1.0, None]]}
    return line("seeds", base_seed=seed, claims={"N5a": found}, stopped=None, **what)


def keep(tree: Path, *lines: dict) -> None:
    """Results of the code of today."""
    made = zip(lines, results.stamps_of(tree, list(lines)), strict=True)
    results.write(tree, [each | {"stamp": stamp} for each, stamp in made])


def test_results_of_other_code_are_left_out_and_the_page_says_so(tree):
    keep(tree, run(0, [2.0]), run(1, [2.0]), run(0, [2.0], chapter=BEAM), line("seeds", chapter="10_none", claims={}))
    counting, others = results.sorted_out(tree)
    assert len(counting) == 3 and page.left_out([]) == []
    edit(tree, "BASE_SEED = 0", "BASE_SEED = 0\nmore = 1")
    counting, others = results.sorted_out(tree)
    assert [each["chapter"] for each in counting] == [BEAM]
    (sentence,) = page.left_out(others)
    assert sentence.astext() == (
        "Left out, since the code or a test has changed since: 2 results of chapter 5, 1 result of chapter 10_none."
    )


def test_a_test_that_goes_or_can_no_longer_fail_takes_what_it_noticed_with_it(tree):
    noticed = "test_transformer.py::test_with_its_weights_it_is_hugging_faces_gpt2"
    keep(
        tree,
        line("faults", fault="1/√d_k is dropped", caught="test", by=f"{noticed}[1]"),
        line("faults", fault="1/√d_k is inverted", caught="claim", by="N5a"),
        line("faults", fault="no longer planted", caught="claim", by="N5a"),
    )
    assert [each["by"] for each in results.sorted_out(tree)[0]] == [f"{noticed}[1]", "N5a"]
    (tree / "tests" / "test_transformer.py").rename(tree / "tests" / "test_others.py")  # found wherever it is
    assert len(results.sorted_out(tree)[0]) == 2
    whole = (tree / "tests" / "test_others.py").read_text(encoding="utf-8")
    emptied = whole.replace("torch.testing.assert_close", "print").replace("assert ", "_ = ")
    (tree / "tests" / "test_others.py").write_text(emptied.replace("pytest.raises", "print"), encoding="utf-8")
    assert [each["by"] for each in results.sorted_out(tree)[0]] == ["N5a"]  # it can no longer fail
    shutil.rmtree(tree / "tests")
    assert [each["by"] for each in results.sorted_out(tree)[0]] == ["N5a"]


def test_no_result_is_there_twice():
    lines = results.read(ROOT)
    assert lines and len({results.key(each) for each in lines}) == len(lines)


def test_a_damaged_line_is_named(tree):
    (tree / results.FILE).write_text('{"kind": "seeds"}\n{"kind"')
    with pytest.raises(ValueError, match="line 2"):
        results.read(tree)


def test_the_pages_numbers():
    found = page.numbers(
        [
            run(0, [2.0]),
            run(1, [0.0], "N5a fell", date="2026-01-02"),
            line("faults", fault="1/√d_k is dropped", caught="claim", by="N5a"),
            line("faults", fault="N is the number of layers", caught="nobody", by=""),
            line("faults", fault="RAdam's correction forgets its root", caught="test", by="test_radam"),
            line("machines", machine="two threads", claims={}, stopped=None),
        ]
    )
    assert found.pop("all-faults") == str(len(page.faults.FAULTS))
    assert found == {
        "versions": "Python 3, PyTorch 2",
        "faults": "3",
        "noticed": "2 of 3 (67 %)",
        "feeding": "1 of 2 (50 %)",  # the third feeds no claim
        "bases": "0",  # of the chapter that has the fewest
        "held": "0 of 1 (0 %)",
        "machine-runs": "1",
        "hours": "0.1",
        "from": "2026-01-01",
        "to": "2026-01-02",
    }
    assert page.numbers([])["noticed"] == "0 of 0"


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
    assert page.margin(runs, edges) == pytest.approx(expected)


SMALL = """\
from lab import claims
BASE_SEED = 0
SIZES = {  # two lines, and a letter of two bytes: é
    "a": 2,
}; RATE, OTHER = 1, 2
RATE = 1

claims.settle("N1a", test=lambda x: x > 1, evidence=SIZES, control={"a": BASE_SEED}, says="x", control_says="none")
claims.settle("N1b", test=lambda x: x > 1, evidence={"a": 2}, control={"a": 0}, says="x", control_says="none")"""


def test_the_runner_records_every_claim_also_after_one_that_fell(book):
    book.notebook("small", SMALL)
    found = runner.one(book.root, "small", {"BASE_SEED": "7", "SIZES": '{"é": 3}'})
    assert found["stopped"] is None
    assert found["claims"]["N1a"]["evidence"] == [3.0]
    assert found["claims"]["N1a"]["refuted"].startswith("N1a: none: a gives 7")
    assert found["claims"]["N1b"] == {
        "evidence": [2.0],
        "control": [0.0],
        "refuted": None,
        "passes": [[pytest.approx(1), None]],
    }
    assert "ControlPassed: N1a" in runner.one(book.root, "small", {"BASE_SEED": "7"}, stop=True)["stopped"]
    json.dumps(found)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"BATCH": "8"}, "small must set BATCH once, by an assignment of its own; it does so 0 times"),
        ({"OTHER": "8"}, "OTHER once.* 0 times"),
        ({"RATE": "8", "BASE_SEED": "1"}, None),
        ({"SIZES": "dict(a=2)"}, "SIZES must be set to a Python literal, got 'dict"),
        ({"SIZES": "{"}, "SIZES must be set to a Python literal, got '{'"),
    ],
)
def test_a_setting_is_one_assignment_and_a_literal(book, settings, said):
    book.notebook("small", SMALL)
    if said:
        with pytest.raises(ValueError, match=said):
            runner.prepared(book.root, "small", settings)
        return
    lines = runner.prepared(book.root, "small", settings).cells[1].source.splitlines()
    old = SMALL.splitlines()
    assert [(a, b) for a, b in zip(old, lines, strict=True) if a != b] == [
        ("BASE_SEED = 0", "BASE_SEED = 1"),
        ("RATE = 1", "RATE = 8"),
    ]


def test_what_is_missing_is_run_once_and_results_that_do_not_count_go(tree, monkeypatch, capsys):
    done, found = [], {"seconds": 1, "stopped": None, "python": "3", "torch": "2"}

    def pretend(root, case):
        done.append(results.key(case)[1:])
        return found | {
            "claims": run(0, [0.0 if case["base_seed"] else 2.0], case["base_seed"] and "N5a: fell")["claims"]
        }

    monkeypatch.setattr(runner, "run", pretend)
    keep(tree, run(0, [2.0]), run(0, [2.0], chapter=BEAM))
    lines = results.read(tree)
    results.write(tree, [*lines, run(2000, [2.0], stamp="old"), run(2000, [2.0], chapter=BEAM, stamp="old")])
    assert runner.prove(tree, ["seeds"], CHAPTER, 2, {})
    assert done == [(CHAPTER, "1023")]
    assert [results.key(each)[1:] for each in results.read(tree)] == [
        (CHAPTER, "0"),
        (BEAM, "0"),
        (BEAM, "2000"),  # nothing was written for this chapter
        (CHAPTER, "1023"),
    ]

    for _ in range(2):
        assert runner.prove(tree, ["conditions"], CHAPTER, None, {"WIDTHS": "[4]"})
    assert done[1:] == [(CHAPTER, "{'WIDTHS': '[4]'}", str(base)) for base in (0, 1, 2)]
    assert (
        sum(each["kind"] == "conditions" and each["settings"] == {"WIDTHS": "[4]"} for each in results.read(tree)) == 3
    )
    said = capsys.readouterr().out
    assert "N5a held: 2 (1 run); control 0 (1 run)" in said and "N5a fell: 0 (1 run)" in said
    with pytest.raises(ValueError, match="must set NONE once"):
        runner.prove(tree, ["conditions"], CHAPTER, None, {"NONE": "1"})
