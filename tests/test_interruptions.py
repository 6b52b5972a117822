"""A build that is killed, doubled, short of room or given damaged files ends right or in a clear line, and so the next."""

import os
import re
import signal
import sqlite3
import time
from pathlib import Path

import psutil
import pytest
from conftest import SETTLE

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


def add(book, name: str, *sources: str) -> None:
    book.notebook(name, *sources)
    book.write("_toc.yml", (book.root / "_toc.yml").read_text() + f"- file: notebooks/{name}\n")


def until(condition, build=None) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        assert build is None or build.poll() is None, build.stdout.read()
        time.sleep(0.05)


@pytest.mark.skipif(os.name != "posix", reason="signals as a terminal and a service send them")
@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda kill: kill.name)
def test_a_build_killed_in_the_middle_of_a_chapter_goes_on_where_it_was(book, kill):
    book.notebook("small", SETTLE, RUN.format(name="small"))
    add(book, "other", RUN.format(name="other"), WAIT)
    listen = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # what a shell starts with & is deaf to it
    build = book.start(preexec_fn=listen)
    pid, cache = book.root / "notebooks" / "pid", book.root / "_build" / ".jupyter_cache"
    until(lambda: pid.exists() and list(cache.glob("*/executed/*/sha256")), build)
    build.send_signal(kill)
    build.communicate(timeout=60)
    assert build.returncode != 0
    until(lambda: not psutil.pid_exists(int(pid.read_text())))

    (book.root / "notebooks" / "go").touch()
    code, said = book.build()
    assert code == 0, said
    assert "gone through" in book.page("notebooks/other")
    assert (runs(book, "small"), runs(book, "other")) == (1, 2)


KILLER = """\
import os, signal
from pathlib import Path


def setup(app):
    if Path(app.srcdir, "kill").exists():
        app.connect("html-page-context", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_build_killed_while_it_writes_the_pages_leaves_no_old_one(book):
    book.write("book/extensions/killer.py", KILLER)
    config = (book.root / "_config.yml").read_text()
    book.write("_config.yml", config.replace("    values:", "    killer: book/extensions\n    values:"))
    book.write("notebooks/lab/extra.py", "VALUE = 'before the edit'\n")
    book.notebook("small", SETTLE, "from lab import extra\nprint(extra.VALUE)")
    code, said = book.build()
    assert code == 0, said
    book.write("notebooks/lab/extra.py", "VALUE = 'after the edit'\n")
    book.write("kill", "")
    assert book.build()[0] == -signal.SIGKILL
    (book.root / "kill").unlink()
    code, said = book.build()
    assert code == 0, said
    assert "after the edit" in book.page("notebooks/small")


def test_what_was_wrong_in_a_build_is_wrong_in_the_next(book):
    book.write("book/index.md", "# A small book\n\n[x](nowhere.md)\n\n```{bibliography}\n```\n")
    for _ in range(2):
        code, said = book.build()
        assert code != 0
        assert "nowhere.md" in said


def test_two_builds_at_once_run_each_notebook_once(book):
    book.notebook("small", SETTLE, RUN.format(name="small"), WAIT)
    first = book.start()
    until((book.root / "notebooks" / "pid").exists, first)
    second = book.start()
    for line in second.stdout:
        if "waiting for another build" in line:
            break
    (book.root / "notebooks" / "go").touch()
    for build in (first, second):
        said, _ = build.communicate()
        assert build.returncode == 0, said
    assert "gone through" in book.page("notebooks/small")
    assert runs(book, "small") == 1


def database(cache: Path) -> Path:
    return cache / "global.db"


def results(cache: Path) -> Path:
    return next(path for path in cache.glob("executed/*/base.ipynb") if "of b" in path.read_text())


def zeros(path: Path) -> None:
    """Zeros over all but the first page of a database."""
    path.write_bytes(path.read_bytes()[:4096] + bytes(path.stat().st_size - 4096))


def without_table(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE settings")


DAMAGES = {
    "a database that is none": (lambda cache: database(cache).write_text("no database"), "abc"),
    "an empty database": (lambda cache: database(cache).write_bytes(b""), "abc"),
    "no database": (lambda cache: database(cache).unlink(), "abc"),
    "a database with zeros in it": (lambda cache: zeros(database(cache)), "abc"),
    "a database that lacks a table": (lambda cache: without_table(database(cache)), ""),
    "no results": (lambda cache: results(cache).unlink(), "b"),
    "results cut off": (lambda cache: os.truncate(results(cache), 100), "b"),
    "results with another digit": (
        lambda cache: results(cache).write_text(results(cache).read_text().replace("1.2345", "1.2346")),
        "b",
    ),
    "a build killed before the checksum": (lambda cache: results(cache).with_name("sha256").unlink(), "b"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_in_the_cache_runs_again(runner, damage):
    do, again = DAMAGES[damage]
    runner.seconds |= {"a": 3, "b": 2, "c": 1}
    assert runner.execute() == ["a", "b", "c"]
    do(runner.caches / "one")
    assert sorted(runner.execute()) == list(again)
    assert runner.execute() == []


@pytest.mark.parametrize("times", ['{"a.ipynb": null}', "[1]", "{", None])
def test_without_the_times_of_the_last_run_the_notebooks_run_as_they_come(runner, times):
    runner.seconds |= {"a": 1, "b": 2}
    runner.execute("one")
    path = runner.caches / "seconds.json"
    path.unlink() if times is None else path.write_text(times)
    assert runner.execute("two") == ["a", "b"]


def test_results_of_sources_that_changed_while_they_ran_are_not_kept(runner, monkeypatch):
    runner.seconds |= {"a": 1}
    run = runner.run

    def edit(*arguments):
        runner.fingerprint = "two"
        return run(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr("execution.run", edit)
        with pytest.raises(SystemExit, match="was changed while they ran; build again"):
            runner.execute()
    assert runner.execute() == ["a"]


def test_damaged_files_of_the_last_build_are_made_anew(book):
    """The database of the cache and what Sphinx keeps of all pages; of one page that it needs, in the build after."""
    assert book.build()[0] == 0
    kept = book.root / "_build" / ".doctrees"
    for damaged in (kept / "environment.pickle", *book.root.glob("_build/.jupyter_cache/*/global.db")):
        damaged.write_text("damaged")
    code, said = book.build()
    assert code == 0, said
    assert re.search(r"the cache \S+ is damaged \(file is not a database\): every notebook runs again", said), said
    assert "x: 2 (1 run), all pass" in re.sub("<[^>]*>", "", book.page("book/verdicts"))

    os.truncate(kept / "notebooks" / "small.doctree", 500)
    code, said = book.build()
    assert code == 1
    assert "Traceback" not in said and re.search(r"^ERROR: \S+ cannot be read or written \(pickle", said, re.M), said
    code, said = book.build()
    assert code == 0, said


@pytest.mark.skipif(os.name != "posix", reason="a limit on the size of files")
def test_a_full_disk_is_named_and_the_build_after_it_is_right(book):
    """A limit on the size of a file stands in for the disk."""
    import resource

    build = book.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)))
    said, _ = build.communicate()
    assert build.returncode == 1
    assert "Traceback" not in said and re.search(r"^ERROR: \S+ cannot be read or written \(disk", said, re.M), said
    code, said = book.build()
    assert code == 0, said
