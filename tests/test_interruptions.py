"""A build that is killed, doubled, short of room or given damaged files ends right or in a clear line, and so the next."""

import gc
import os
import re
import resource
import signal
import sqlite3
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from filelock import FileLock, Timeout

from booksite.running import interruptions
from conftest import LIMIT, SETTLE

RUN = "from pathlib import Path\nwith Path('{name}.runs').open('a') as runs:\n    runs.write('x')"
WAIT = """\
import os
import time

Path("pid.part").write_text(str(os.getpid()))
Path("pid.part").rename("pid")
while not Path("go").exists():
    time.sleep(0.05)
print("gone through")"""


def runs(book, name: str) -> int:
    return len((book.root / "notebooks" / f"{name}.runs").read_text())


def until(condition, build=None) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        assert build is None or build.poll() is None, build.stdout.read()
        time.sleep(0.05)


@pytest.mark.parametrize(
    "kill",
    [signal.SIGTERM, *(pytest.param(kill, marks=pytest.mark.weekly) for kill in (signal.SIGINT, signal.SIGKILL))],
    ids=["SIGTERM", "SIGINT", "SIGKILL"],
)
def test_a_build_killed_in_the_middle_of_a_chapter_goes_on_where_it_was(book, kill):
    book.kernels = True
    book.notebook("small", SETTLE, RUN.format(name="small"))
    book.notebook("other", RUN.format(name="other"), WAIT)
    book.contents("notebooks/small", "book/verdicts", "notebooks/other")
    listen = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # what a shell starts with & is deaf to it
    build = book.start(preexec_fn=listen)
    pid, cache = book.root / "notebooks" / "pid", book.root / "_build" / ".jupyter_cache"
    until(lambda: pid.exists() and list(cache.glob("*/executed/*/base.ipynb")), build)
    until(lambda: "small" in entries(cache), build)
    build.send_signal(kill)
    build.communicate(timeout=LIMIT)
    assert build.returncode != 0
    until(lambda: not psutil.pid_exists(int(pid.read_text())))

    (book.root / "notebooks" / "go").touch()
    book.built()
    assert "gone through" in book.page("notebooks/other")
    assert (runs(book, "small"), runs(book, "other")) == (1, 2)


def entries(cache: Path) -> str:
    """The notebooks that the cache says it holds."""
    with sqlite3.connect(next(cache.glob("*/global.db"))) as connection:
        return str(connection.execute("SELECT uri FROM nbcache").fetchall())


def test_a_build_killed_while_it_writes_the_pages_leaves_no_old_one(book):
    kill = "import os, signal\n\n\ndef setup(app):\n    app.connect('html-page-context', lambda *_: %s)\n"
    config = (book.root / "_config.yml").read_text()
    book.write("_config.yml", config.replace("{booksite: book}", "{booksite: book, killer: book}"))
    for value, killed in (("before", ""), ("after", "os.kill(os.getpid(), signal.SIGKILL)"), ("after", "")):
        book.write("book/killer.py", kill % (killed or None))
        book.write("notebooks/lab/extra.py", f"VALUE = '{value} the edit'\n")
        book.notebook("small", SETTLE, "from lab import extra\nprint(extra.VALUE)")
        code, said = book.build()
        assert code == (-signal.SIGKILL if killed else 0), said
    assert "after the edit" in book.page("notebooks/small")


def test_what_was_wrong_in_a_build_is_wrong_in_the_next(book):
    book.write("book/index.md", "# A small book\n\n[x](nowhere.md)\n\n```{bibliography}\n```\n")
    for _ in range(2):
        code, said = book.build()
        assert code != 0
        assert "nowhere.md" in said


def test_a_build_holds_its_folder_until_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    app = SimpleNamespace(outdir=tmp_path / "html", doctreedir=tmp_path / "doctrees", _warncount=0)
    interruptions.begin(app, None)
    gc.collect()
    with pytest.raises(Timeout):
        FileLock(tmp_path / ".lock").acquire(blocking=False)
    interruptions.end(app, None)
    FileLock(tmp_path / ".lock").acquire(blocking=False)


@pytest.mark.weekly
def test_two_builds_at_once_run_each_notebook_once(book):
    book.kernels = True
    book.notebook("small", SETTLE, RUN.format(name="small"), WAIT)
    first = book.start()
    until((book.root / "notebooks" / "pid").exists, first)
    second = book.start()
    for line in second.stdout:
        if "waiting for another build" in line:
            break
    (book.root / "notebooks" / "go").touch()
    for build in (first, second):
        said, _ = build.communicate(timeout=LIMIT)
        assert build.returncode == 0, said
    assert "gone through" in book.page("notebooks/small")
    assert runs(book, "small") == 1


def database(cache: Path) -> Path:
    return cache / "global.db"


def results(cache: Path) -> Path:
    return next(path for path in cache.glob("executed/*/base.ipynb") if "of b" in path.read_text())


def without_table(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE nbcache")


DAMAGES = {
    "a database that is none": (lambda cache: database(cache).write_text("no database"), "abc"),
    "no database": (lambda cache: database(cache).unlink(), "abc"),
    "a database that lacks a table": (lambda cache: without_table(database(cache)), "abc"),
    "no results": (lambda cache: results(cache).unlink(), "b"),
    "results cut off": (lambda cache: os.truncate(results(cache), 100), "b"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_in_the_cache_runs_again(runner, damage):
    do, again = DAMAGES[damage]
    runner.names += "abc"
    assert runner.execute() == ["a", "b", "c"]
    do(runner.caches / "one")
    assert sorted(runner.execute()) == list(again)
    assert runner.execute() == []


def test_results_of_sources_that_changed_while_they_ran_are_not_kept(runner, monkeypatch):
    runner.names += "a"
    run = runner.run

    def edit(*arguments):
        runner.fingerprint = "two"
        return run(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("booksite.running.notebooks.run", edit)
        with pytest.raises(SystemExit, match="was changed while they ran; build again"):
            runner.execute()
    assert runner.execute() == ["a"]


def test_a_builder_of_other_things_than_pages_runs_nothing(runner):
    runner.names += "a"
    with pytest.raises(SystemExit, match="the builder gettext runs no notebook; build the site first, for a.ipynb"):
        runner.execute(builder="gettext")
    runner.execute()
    assert runner.execute(builder="gettext") == []


def test_results_are_taken_from_where_the_reader_says_and_that_is_said(book, tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_RESULTS", str(tmp_path / "results"))
    book.notebook("small", SETTLE, RUN.format(name=tmp_path / "small"))
    for times in range(2):
        code, said = book.build("--all")
        assert code == 0, said
        assert ("the results of 1 are taken from" in said) == bool(times)
    assert len((tmp_path / "small.runs").read_text()) == 1
    assert not (book.root / "_build" / ".jupyter_cache").exists()


def test_damaged_files_of_the_last_build_are_made_anew(book):
    """The database of the cache and what Sphinx keeps of all pages; of one page that it needs, in the build after."""
    book.built()
    kept = book.root / "_build" / ".doctrees"
    for damaged in (kept / "environment.pickle", *book.root.glob("_build/.jupyter_cache/*/global.db")):
        damaged.write_text("damaged")
    code, said = book.build()
    assert code == 0, said
    assert re.search(r"the cache \S+ is damaged \(.*file is not a database.*\): every notebook runs again", said), said
    assert "x: evidence, 2 (1 run); control" in re.sub("<[^>]*>", "", book.page("book/verdicts"))

    os.truncate(kept / "notebooks" / "small.doctree", 500)
    code, said = book.build()
    assert code == 1
    assert "Traceback" not in said and re.search(r"ERROR: \S+ cannot be read or written \(pickle", said), said
    book.built()


@pytest.mark.weekly
def test_a_full_disk_is_named_and_the_build_after_it_is_right(book):
    """A limit on the size of a file stands in for the disk."""
    build = book.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)))
    said, _ = build.communicate(timeout=LIMIT)
    assert build.returncode == 1
    assert "Traceback" not in said and re.search(r"^ERROR: \S+ cannot be read or written \(disk", said, re.M), said
    book.built()
