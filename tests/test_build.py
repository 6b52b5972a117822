"""The strict build: it passes cold, warm and after a change, and every fault stops it and is named."""

import importlib.metadata
import os
import re
import shutil
import sys
from types import SimpleNamespace

import nbformat
import psutil
import pytest

from booksite.running import notebooks
from conftest import ROOT, SETTLE, Book, code, text
from lab import language_model


def evidence(book) -> str:
    """The text of the evidence on the page of verdicts."""
    return re.sub(r"<[^>]*>", "", re.search(r'<div class="evidence".*</div>', book.page("book/verdicts"))[0])


def test_evidence_is_filled_in_cold_warm_and_after_one_notebook_changed(book):
    book.notebook("other", "print('other ran')")
    book.contents("notebooks/small", "book/verdicts", "notebooks/other")
    for options in ((), ("--all",), ()):
        book.built(*options)
        assert "x: evidence, 2 (1 run); control" in evidence(book)

    book.notebook("other", "print('other ran again')")
    book.built()
    assert "other ran again" in book.page("notebooks/other")
    assert "x: evidence, 2 (1 run); control" in evidence(book)

    book.notebook("small", SETTLE.replace('3": 2', '3": 5'))
    book.built()
    assert "x: evidence, 5 (1 run); control" in evidence(book)


def test_an_edited_module_and_definition_run_the_notebooks_again(book):
    def define(value: str) -> None:
        book.write("notebooks/lab/extra.py", f"VALUE = {value!r}\n")
        definition = code(f"VALUE = {value!r}")
        definition.metadata["tags"] = ["definition"]
        book.notebook("other", definition)

    module = "from lab import extra\nprint('the module', extra.VALUE)"
    definition = "from lab import chapters\nprint('the definition', chapters.definitions('other').VALUE)"
    book.notebook("small", SETTLE, module, definition)
    for value in ("before", "after"):
        define(value)
        book.built()
        assert f"the module {value}" in book.page("notebooks/small")
        assert f"the definition {value}" in book.page("notebooks/small")


MEET = """\
import time
from pathlib import Path

Path("{own}.here").touch()
end = time.monotonic() + 600
while not Path("{other}.here").exists():
    assert time.monotonic() < end
    time.sleep(0.05)
print("they met")"""


@pytest.mark.skipif(notebooks.at_once() < 2, reason="one core, or less than 4 GB of free memory")
def test_two_notebooks_run_at_a_time_with_a_relative_model_and_leave_no_bar(book, tmp_path, monkeypatch):
    """In kernels, with the settings that these get from the build."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("its first")
    monkeypatch.setenv(language_model.OVERRIDE, os.path.relpath(tmp_path / "model"))
    look = "from pathlib import Path\nfrom lab import language_model as l\nprint(Path(l.fetch(), 'config.json').read_text())"
    loop = "from %s import tqdm\nfor _ in tqdm(range(3)):\n    pass"
    book.kernels = True
    book.contents("notebooks/small", "book/verdicts", "notebooks/a", "notebooks/b")
    book.notebook("small", SETTLE, look, *(loop % name for name in ("lab.training", "lab.language_model", "tqdm")))
    book.notebook("a", MEET.format(own="a", other="b"))
    book.notebook("b", MEET.format(own="b", other="a"))
    code, said = book.build()
    assert code == 0, said
    assert "they met" in book.page("notebooks/b") and "its first" in book.page("notebooks/small")
    assert not re.search("jupyter.widget|it/s|100%\\|", book.page("notebooks/small"))
    assert re.search(r"3 of 3, \w+\.ipynb took \d+ s", said), said
    assert "without encryption" not in said


def test_a_model_that_is_not_there_stops_the_build_in_a_line(book, tmp_path, monkeypatch):
    monkeypatch.setenv(language_model.OVERRIDE, str(tmp_path / "missing"))
    book.kernels = True  # but none is started
    code, said = book.build()
    assert code != 0
    assert [line for line in said.splitlines() if "missing" in line and language_model.OVERRIDE in line], said
    assert "Traceback" not in said


def test_the_fingerprint_knows_what_results_depend_on(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv(language_model.OVERRIDE, raising=False)
    lab, model = tmp_path / "notebooks" / "lab", tmp_path / "model"
    lab.mkdir(parents=True)
    model.mkdir()
    (tmp_path / "requirements.txt").write_text("torch==2.13.0\n")
    seen = []

    def changed() -> None:
        seen.append(notebooks.fingerprint(tmp_path))

    changed()
    monkeypatch.setattr(sys, "version", "3.99")
    changed()
    for version in ("2.13.0+one", "2.13.0+another"):
        monkeypatch.setattr(importlib.metadata, "version", lambda _, version=version: version)
        changed()
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    changed()
    monkeypatch.setenv(language_model.OVERRIDE, str(model))
    changed()
    (model / "model.safetensors").write_bytes(b"weights")
    changed()
    for source in ("A = 1", "A = 2"):
        (lab / "module.py").write_text(source)
        changed()
    assert len(set(seen)) == len(seen)
    (lab / "cards.py").write_text("drawn when pages are written")
    assert notebooks.fingerprint(tmp_path) == seen[-1]


GIGABYTE = 10**9


@pytest.mark.parametrize(
    ("cores", "quota", "free", "limit", "expected"),
    [
        (4, "max 100000", 32 * GIGABYTE, "max", 4),
        (4, "200000 100000", 32 * GIGABYTE, "max", 2),
        (4, "150000 100000", 32 * GIGABYTE, "max", 1),
        (4, "max 100000", 5 * GIGABYTE, "max", 2),
        (4, "max 100000", 32 * GIGABYTE, str(6 * GIGABYTE), 3),
        (1, "10000 100000", GIGABYTE, "max", 1),
    ],
)
def test_as_many_notebooks_run_at_a_time_as_the_machine_bears(
    tmp_path, monkeypatch, cores, quota, free, limit, expected
):
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    monkeypatch.setattr(notebooks, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    assert notebooks.at_once() == expected


STOPS = {
    "an error, though a later cell is part of its traceback": (
        ["print('so far')", "x = 1\n1 / 0", "x"],
        "cell 3 failed: ZeroDivisionError",
    ),
    "a refuted claim": ([SETTLE.replace('3": 2', '3": 0.5')], "cell 2 failed: ClaimRefuted: N1a: x: seed 3 gives 0.5"),
    "a control that passes": ([SETTLE.replace('3": 0', '3": 7')], "cell 2 failed: ControlPassed: N1a: no x: seed 3"),
    "a kernel that dies": (
        ["print('so far')", "import os\nos._exit(9)"],
        "cell 3 failed: DeadKernelError: Kernel died; perhaps memory ran out",
    ),
    "a kernel that is unknown": (["1 + 1"], "its kernel did not start: NoSuchKernel: No such kernel named unknown"),
    "a kernel that cannot start": (["1 + 1"], "its kernel did not start: RuntimeError: Kernel died"),
    "a stray warning": (["import warnings\nwarnings.warn('stray')"], "stderr was found in the cell outputs of cell 2"),
}


@pytest.fixture(scope="module")
def stopped(shared_book):
    """What is said of a book in which all that stops a notebook stops one."""
    book, names = shared_book, [f"stop{number}" for number in range(len(STOPS))]
    book.kernels = True
    book.contents("notebooks/small", "book/verdicts", *(f"notebooks/{name}" for name in names))
    for name, (stop, (sources, _)) in zip(names, STOPS.items(), strict=True):
        book.notebook(name, *sources)
        for kernel in ("unknown", "broken"):
            if stop == f"a kernel that {'is unknown' if kernel == 'unknown' else 'cannot start'}":
                path = book.root / "notebooks" / f"{name}.ipynb"
                notebook = nbformat.read(path, as_version=4)
                notebook.metadata.kernelspec.name = kernel
                nbformat.write(notebook, path)
    kernel = book.root / "jupyter" / "kernels" / "broken"
    kernel.mkdir(parents=True)
    command = f'["{sys.executable}", "-c", "raise SystemExit(3)", "{{connection_file}}"]'
    (kernel / "kernel.json").write_text(f'{{"argv": {command}, "display_name": "Broken", "language": "python"}}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(book.root))
        code, said = book.build()
    assert code != 0
    return book, said


@pytest.mark.parametrize("number", range(len(STOPS)), ids=STOPS)
def test_what_stops_a_notebook_is_named_once_and_the_other_pages_are_built(stopped, number):
    book, said = stopped
    sources, named = [*STOPS.values()][number]
    there = rf"stop{number}\.ipynb\S* WARNING: (Executing notebook failed: \w+\n)?{re.escape(named)}"
    assert len(re.findall(there, said)) == said.count(named) == 1, said
    assert "x: evidence, 2 (1 run)" in evidence(book)
    assert "so far" not in sources[0] or "so far" in book.page(f"notebooks/stop{number}")
    assert "without encryption" not in said


def test_a_notebook_that_failed_runs_once_and_again_in_the_next_build(book):
    count = "from pathlib import Path\nwith Path('runs').open('a') as runs:\n    runs.write('x')"
    book.kernels = True
    book.notebook("small", SETTLE, count, "assert Path('mended').exists()")
    code, said = book.build()
    assert code != 0 and "cell 4 failed: AssertionError" in said, said
    assert (book.root / "notebooks" / "runs").read_text() == "x"
    (book.root / "notebooks" / "mended").touch()
    book.built()


def test_the_book_is_built_in_a_folder_of_any_name(tmp_path):
    Book(tmp_path / "a [b] ü #c %d").built()


def test_no_page_of_the_site_carries_a_widget(site):
    pages = {path.name: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    assert [name for name, page in pages.items() if "jupyter.widget" in page] == []


def test_no_bar_is_a_widget():
    """tqdm.notebook, which tqdm.auto picks in a kernel, takes no notice of TQDM_DISABLE."""
    sources = [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "notebooks" / "lab").glob("*.py")]
    assert [path.name for path in sources if re.search(r"tqdm\.(auto|autonotebook|notebook)\b", path.read_text())] == []


def test_a_file_that_is_no_notebook_is_named(book):
    book.write("notebooks/small.ipynb", "{")
    code, said = book.build()
    assert code != 0 and "notebooks/small.ipynb is no notebook" in said


VERDICTS = """\
# Verdicts

[x](nowhere.md), {term}`nothing`, {cite:p}`nobody` and {glue:text}`/notebooks/small.ipynb::gone:.2f`

{verdict}`perhaps` {proof}`nothing`

:::{evidence} N1a N2a N2a N3a
:::

## N4a: nothing settles it

{verdict}`holds` It does.

## Questions

:::{question} ../notebooks/small.ipynb
:figure: fig-gone

No.
:::

:::{question} ../notebooks/none.ipynb
No.
:::

## More

:::{question} ../notebooks/other.ipynb
No.
:::

### N1b: it stands under another chapter

{verdict}`holds` It does.

:::{evidence} N1b.weights
:::
"""
FAULTS = {  # what is wrong on the pages of one book -> where, and how that is named
    "a broken link": ("book/verdicts.md", "'nowhere.md'"),
    "an unknown term": ("book/verdicts.md", "term not in glossary: 'nothing'"),
    "an unknown citation": ("book/verdicts.md", '"nobody"'),
    "an unknown computed value": ("book/verdicts.md", "'gone'"),
    "an unknown verdict": ("book/verdicts.md", "got 'perhaps'"),
    "a claim that nothing settles": ("book/verdicts.md", "claim N3a is listed here, but no notebook settles it"),
    "a statement without evidence": ("book/verdicts.md", "statement N4a has no evidence"),
    "a claim that is listed twice": ("book/verdicts.md", "claim N2a is listed 2 times"),
    "a claim that is settled twice": ("notebooks/small", "claim N1a is settled 2 times"),
    "a claim that is settled but not listed": ("notebooks/small", "claim N5a is settled here, but no page lists it"),
    "a claim of another chapter": (
        "notebooks/small",
        "claim N1b.weights is settled here, but N1b stands under the question of notebooks/other",
    ),
    "a chapter that does not show its statements": ("notebooks/other", "the chapter does not show its statements"),
    "a chapter without a question": ("notebooks/third", "no page has a question with the answer of this chapter"),
    "a value that is none": ("notebooks/small", "not 'gain + 1'"),
    "a key of another kind": ("notebooks/small", """not "run.keys['64']\""""),
    "a value that is not kept": ("notebooks/small", "'lost'"),
    "an entry that is not kept": ("notebooks/small", "'keys[16]'"),
    "a whole table": ("notebooks/small", "'keys'"),
    "a figure that is not there": ("notebooks/small", "fig-lost"),
    "a fold without a name": ("notebooks/small", "code_prompt_show"),
    "a claim that is named and not settled": (
        "notebooks/small",
        "claim N4a.gone is named here, but no notebook settles it",
    ),
    "a picture that is not there": ("book/verdicts.md", "notebooks/small has no figure fig-gone"),
    "no picture at all": ("book/verdicts.md", "notebooks/other has no figure at all"),
    "a question of no chapter": ("book/verdicts.md", "no such chapter: ../notebooks/none.ipynb"),
    "a part that is not there": ("book/index.md", "the table of contents has no part 'Nothing'"),
    "a claim that is shown and not settled": (
        "book/index.md",
        "claim N1c is shown here, but no notebook settles it",
    ),
    "what the plain edition does not know": (
        "notebooks/small",
        "the plain edition does not know {doc}`/book/verdicts`",
    ),
    "a directive that it does not know": ("notebooks/small", "the plain edition does not know :::{topic} Unknown"),
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """What is said of a book with every fault of a page."""
    book = Book(tmp_path_factory.mktemp("faulty") / "book")
    book.finish = ("plain",)
    book.write("book/verdicts.md", VERDICTS)
    names = "".join(f"  - file: notebooks/{name}\n" for name in ("small", "other", "third"))
    parts = f"- caption: A\n  chapters:\n{names}- caption: B\n  chapters:\n  - file: book/verdicts\n"
    book.write("_toc.yml", f"format: jb-book\nroot: book/index\nparts:\n{parts}")
    book.notebook("other", "1 + 1")
    book.notebook("third", "1 + 1")
    asked = ":::{questions} A\n:::\n\n:::{questions} Nothing\n:::\n\n:::{claim} N1c\n:::\n"
    book.write("book/index.md", f"# A small book\n\n{asked}\n```{{bibliography}}\n```\n")
    shown = ("gain + 1", "run.keys['64']", "run.lost", "run.keys[16]", "run.keys", "figure.lost")
    shown = ", ".join(f"{{eval}}`{each}`" for each in shown)
    unknown = "N4a.gone, see {doc}`/book/verdicts`.\n\n:::{topic} Unknown\nText.\n:::"
    keep = "from lab.values import Values\nrun = Values()\nrun.keep('d', keys={64: 1})"
    claims = (SETTLE.replace("N1a", name) for name in ("N1a", "N1a", "N1b.weights", "N2a", "N5a"))
    book.notebook("small", text(f"# small\n\n{shown}\n\n{unknown}"), *claims, code(keep, fold=""))
    code_, said = book.build()
    assert code_ != 0
    return said


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_page_stops_the_build_and_is_named(faulty, fault):
    where, says = FAULTS[fault]
    lines = [line for line in faulty.splitlines() if says in line and where in line]
    assert lines, faulty
    assert all("WARNING" in line or "ERROR" in line for line in lines)


@pytest.mark.weekly
def test_a_fault_in_a_chapter_stops_the_build_and_names_the_claim(book):
    """One, through a build; the proof plants all of them."""
    from proof import faults

    fault = faults.FAULTS["the draw is an argmax"]
    for path in (ROOT / "notebooks").glob("*.ipynb"):  # chapters take definitions from others
        shutil.copy(path, book.root / "notebooks")
    faults.plant(book.root, fault)
    book.contents(f"notebooks/{fault.chapter}", "book/verdicts")
    shutil.copy(ROOT / "book" / "verdicts.md", book.root / "book")
    book.kernels = True
    code, said = book.build()
    assert code != 0
    assert "ControlPassed: N1a" in said, said
