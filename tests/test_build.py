"""The strict build: it passes cold, warm and after a change, and every fault stops it and is named."""

import importlib.metadata
import json
import os
import re
import shutil
import sys
from types import SimpleNamespace

import execution
import nbformat
import psutil
import pytest
from conftest import ROOT, SETTLE, Book
from proof import faults

from lab import language_model


def evidence(book) -> str:
    """The text of the evidence on the page of verdicts."""
    return re.sub(r"<[^>]*>", "", re.search(r'<div class="evidence".*</div>', book.page("book/verdicts"))[0])


def test_evidence_is_filled_in_cold_warm_and_after_one_notebook_changed(book):
    book.notebook("other", "print('other ran')")
    book.write("_toc.yml", (book.root / "_toc.yml").read_text() + "- file: notebooks/other\n")
    for options in ((), ("--all",), ()):
        code, said = book.build(*options)
        assert code == 0, said
        assert "without encryption" not in said
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


def test_another_model_and_a_changed_one_run_the_notebooks_again(book, tmp_path, monkeypatch):
    def show(name: str, content: str) -> None:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "config.json").write_text(content)
        monkeypatch.setenv(language_model.OVERRIDE, os.path.relpath(tmp_path / name))
        code, said = book.build()
        assert code == 0, said
        assert f"its model is {content}" in book.page("notebooks/small")

    look = "from pathlib import Path\nfrom lab import language_model as l\n"
    book.notebook("small", SETTLE, look + "print('its model is', Path(l.fetch(), 'config.json').read_text())")
    show("a", "first")
    show("b", "second")
    show("b", "second, changed")


def test_a_model_that_is_not_there_stops_the_build_in_a_line(book, tmp_path, monkeypatch):
    monkeypatch.setenv(language_model.OVERRIDE, str(tmp_path / "missing"))
    code, said = book.build()
    assert code != 0
    assert [line for line in said.splitlines() if "missing" in line and language_model.OVERRIDE in line], said
    assert "Traceback" not in said


def test_the_fingerprint_knows_what_results_depend_on(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv(language_model.OVERRIDE, raising=False)
    seen = [execution.fingerprint(ROOT)]
    monkeypatch.setattr(sys, "version", "3.99")
    seen.append(execution.fingerprint(ROOT))
    for version in ("2.13.0+cpu", "2.13.0+cu130"):
        versions = {"torch": version}
        monkeypatch.setattr(importlib.metadata, "version", lambda name, versions=versions: versions.get(name, "1.0"))
        seen.append(execution.fingerprint(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    seen.append(execution.fingerprint(ROOT))
    model = tmp_path / "model"
    model.mkdir()
    monkeypatch.setenv(language_model.OVERRIDE, str(model))
    seen.append(execution.fingerprint(ROOT))
    (model / "model.safetensors").write_bytes(b"weights")
    seen.append(execution.fingerprint(ROOT))
    (tmp_path / "notebooks" / "lab" / "explorers").mkdir(parents=True)
    (tmp_path / "requirements.txt").touch()
    for script in ("draw()", "draw(2)"):
        (tmp_path / "notebooks" / "lab" / "explorers" / "dial.js").write_text(script)
        seen.append(execution.fingerprint(tmp_path))
    assert len(set(seen)) == len(seen)
    assert execution.fingerprint(tmp_path) == seen[-1]


MEET = """\
import time
from pathlib import Path

Path("{own}.here").touch()
end = time.monotonic() + 60
while not Path("{other}.here").exists():
    assert time.monotonic() < end
    time.sleep(0.05)"""


@pytest.mark.skipif(execution.at_once() < 2, reason="one core, or less than 4 GB of free memory")
def test_two_notebooks_run_at_a_time(book):
    book.write("_toc.yml", (book.root / "_toc.yml").read_text() + "- file: notebooks/a\n- file: notebooks/b\n")
    book.notebook("a", MEET.format(own="a", other="b"))
    book.notebook("b", MEET.format(own="b", other="a"), "print('they met')")
    code, said = book.build()
    assert code == 0, said
    assert "they met" in book.page("notebooks/b")
    assert re.search(r"3 of 3, \w+\.ipynb took \d+ s", said), said
    assert "without encryption" not in said


def test_the_longest_of_the_last_run_starts_first_and_a_new_one_before_all(runner):
    runner.seconds |= {"a": 1, "b": 30, "c": 2}
    assert runner.execute("one") == ["a", "b", "c"]
    assert runner.execute("one") == []  # they were all in the cache
    runner.seconds["d"] = 3
    assert runner.execute("another") == ["d", "b", "c", "a"]
    kept = json.loads((runner.caches / "seconds.json").read_text())
    assert kept == {f"{name}.ipynb": value for name, value in runner.seconds.items()}


@pytest.mark.parametrize(
    ("cores", "free", "cpu_max", "memory_max", "expected"),
    [
        (2, 21e9, None, None, 2),
        (8, 64e9, None, None, 8),
        (8, 9e9, None, None, 4),
        (8, 1e9, None, None, 1),
        (8, 64e9, "max 100000", "max", 8),
        (8, 64e9, "300000 100000", "max", 3),
        (8, 64e9, "max 100000", "4500000000", 2),
    ],
)
def test_cores_and_free_memory_decide_how_many_run_at_once(
    tmp_path, monkeypatch, cores, free, cpu_max, memory_max, expected
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(cores), raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    monkeypatch.setattr(execution, "CGROUP", tmp_path)
    for name, text in (("cpu.max", cpu_max), ("memory.max", memory_max)):
        if text:
            (tmp_path / name).write_text(f"{text}\n")
    assert execution.at_once() == expected


def broken_kernel(book, monkeypatch) -> None:
    """A kernel that ends at once, and a notebook `other` that asks for it."""
    folder = book.root / "jupyter" / "kernels" / "broken"
    folder.mkdir(parents=True)
    command = ["python", "-c", "raise SystemExit(3)", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "broken", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(folder.parents[1]))
    unknown_kernel(book, "broken")


def unknown_kernel(book, name: str = "unknown") -> None:
    path = book.root / "notebooks" / "other.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.kernelspec.name = name
    nbformat.write(notebook, path)


STOPS = {
    "an error, though a later cell is part of its traceback": (
        ["print('so far')", "x = 1\n1 / 0", "x"],
        "cell 3 failed: ZeroDivisionError",
    ),
    "a kernel that dies": (
        ["print('so far')", "import os\nos._exit(9)"],
        "cell 3 failed: DeadKernelError: Kernel died; perhaps memory ran out",
    ),
    "a kernel that is unknown": (["1 + 1"], "its kernel did not start: NoSuchKernel: No such kernel named unknown"),
    "a kernel that cannot start": (["1 + 1"], "its kernel did not start: RuntimeError: Kernel died"),
}


@pytest.mark.parametrize("stop", STOPS)
def test_what_stops_a_notebook_is_named_in_a_line_and_the_other_pages_are_built(book, monkeypatch, stop):
    sources, named = STOPS[stop]
    book.write("_toc.yml", (book.root / "_toc.yml").read_text() + "- file: notebooks/other\n")
    book.notebook("other", *sources)
    if "unknown" in stop:
        unknown_kernel(book)
    if "cannot start" in stop:
        broken_kernel(book, monkeypatch)
    code, said = book.build()
    assert code != 0
    lines = [line for line in said.splitlines() if named in line]
    assert len(lines) == 1 and "notebooks/other.ipynb" in lines[0], said
    assert "x: 2 (1 run)" in evidence(book)
    assert ("so far" in book.page("notebooks/other")) == named.startswith("cell")
    assert "without encryption" not in said


def test_a_notebook_that_failed_runs_once_and_again_in_the_next_build(book):
    count = "from pathlib import Path\nwith Path('runs').open('a') as runs:\n    runs.write('x')"
    book.notebook("small", SETTLE, count, "assert Path('mended').exists()")
    code, said = book.build()
    assert code != 0 and "cell 4 failed: AssertionError" in said, said
    assert (book.root / "notebooks" / "runs").read_text() == "x"
    (book.root / "notebooks" / "mended").touch()
    code, said = book.build()
    assert code == 0, said


def test_the_book_is_built_in_a_folder_of_any_name(tmp_path):
    code, said = Book(tmp_path / "a [b] ü #c %d").build()
    assert code == 0, said


def test_a_bar_is_on_no_page(book):
    loop = "from lab.training import tqdm\nfor _ in tqdm(range(3)):\n    pass"
    loops = [loop.replace("lab.training", module) for module in ("lab.training", "lab.language_model", "tqdm")]
    book.notebook("small", SETTLE, *loops)
    code, said = book.build()
    assert code == 0, said
    assert not re.search("jupyter.widget|it/s|100%\\|", book.page("notebooks/small"))


def test_no_page_of_the_site_carries_a_widget(site):
    pages = {path.name: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    assert [name for name, page in pages.items() if "jupyter.widget" in page] == []


def test_no_bar_is_a_widget():
    """tqdm.notebook, which tqdm.auto picks in a kernel, takes no notice of TQDM_DISABLE."""
    sources = [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "notebooks" / "lab").glob("*.py")]
    assert [path.name for path in sources if re.search(r"tqdm\.(auto|autonotebook|notebook)\b", path.read_text())] == []


FAULTS = {
    "a failing cell": (
        lambda book: book.notebook("small", SETTLE, "1 / 0"),
        ["notebooks/small", "cell 3 failed", "ZeroDivisionError"],
    ),
    "a file that is no notebook": (
        lambda book: book.write("notebooks/small.ipynb", "{"),
        ["notebooks/small.ipynb is no notebook"],
    ),
    "a stray warning": (
        lambda book: book.notebook("small", SETTLE, "import warnings\nwarnings.warn('stray')"),
        ["notebooks/small", "stderr was found"],
    ),
    "on a page a broken link, an unknown term, citation and computed value": (
        lambda book: book.write(
            "book/verdicts.md",
            "# Verdicts\n\n[x](nowhere.md), {term}`nothing`, {cite:p}`nobody` and "
            "{glue:text}`/notebooks/small.ipynb::gone:.2f`\n\n:::{evidence} N1a\n:::\n",
        ),
        ["book/verdicts.md", "'nowhere.md'", "term not in glossary: 'nothing'", '"nobody"', "'gone'"],
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


def test_a_fault_in_a_chapter_stops_the_build_and_names_the_claim(book):
    """One, through a build; the runner of book/proof plants all of them."""
    fault = faults.FAULTS["the draw is an argmax"]
    for path in (ROOT / "notebooks").glob("*.ipynb"):  # chapters take definitions from others
        shutil.copy(path, book.root / "notebooks")
    faults.plant(book.root, fault)
    shutil.copy(book.root / "notebooks" / f"{fault.chapter}.ipynb", book.root / "notebooks" / "small.ipynb")
    code, said = book.build()
    assert code != 0
    assert "ControlPassed: N1a" in said, said


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
