"""What the runner found: a line of results.jsonl for each run. A line counts while what it belongs to is there."""

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path

from lab import contents
from proof import faults, stamps

FILE = "book/proof/results.jsonl"
OF = ("kind", "chapter", "fault", "machine", "settings", "base_seed")  # what tells one run from another


def read(root: Path) -> list[dict]:
    """All results in the book at `root`; none where the file is missing.

    Raises:
        ValueError: a line is no JSON.
    """
    path, found = root / FILE, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else [], start=1):
        try:
            found.append(json.loads(line))
        except ValueError:
            raise ValueError(f"{path}, line {number}: no JSON: {line[:80]!r}") from None
    return found


def write(root: Path, lines: list[dict]) -> None:
    """Replace all results, or, if this is interrupted, none."""
    beside = root / f"{FILE}.new"
    beside.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    os.replace(beside, root / FILE)


def add(root: Path, line: dict) -> None:
    with (root / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def key(line: dict) -> tuple[str, ...]:
    """What a result is of."""
    return tuple(str(line[name]) for name in OF if name in line)


def stamps_of(root: Path, lines: list[dict]) -> list[str]:
    """The stamp that each line would have today; empty for a chapter or a fault that is no longer there."""
    known = {line["chapter"] for line in lines}.intersection(contents.chapters())
    chapters = {chapter: stamps.stamp(root, chapter) for chapter in known}

    def of(line: dict) -> str:
        chapter, fault = chapters.get(line["chapter"], ""), faults.FAULTS.get(line.get("fault"))
        if "fault" not in line or not chapter:
            return chapter
        return stamps.digest([chapter, fault.file, fault.right, fault.wrong]) if fault else ""

    return [of(line) for line in lines]


def sorted_out(root: Path) -> tuple[list[dict], list[dict]]:
    """The results that count, and those that do not: of other code than today's, or noticed by a test that is gone."""
    lines, tests, found = read(root), set(tests_of(root)), ([], [])
    for line, stamp in zip(lines, stamps_of(root, lines), strict=True):
        noticed_by = line["by"].split("::")[-1].split("[")[0] if line.get("caught") == "test" else None
        counts = stamp and line["stamp"] == stamp and (noticed_by is None or noticed_by in tests)
        found[not counts].append(line)
    return found


def tests_of(root: Path) -> Iterator[str]:
    """The names of all tests that can fail: that assert, expect an error, or call a function of their file that does."""
    for path in (root / "tests").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        bodies = {each.name: ast.unparse(each.body) for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}
        failing = {"assert", "raises"}
        for _ in range(2):
            failing |= {name for name, body in bodies.items() if any(word in body for word in failing)}
        yield from (name for name in failing if name.startswith("test_"))


def outcome(line: dict) -> str:
    """A result in a few words."""
    if line["kind"] == "faults":
        return f"{line['caught']} {line['by']}"
    fallen = [name for name, found in line["claims"].items() if found["refuted"]]
    return line["stopped"] or (f"{', '.join(fallen)} fell" if fallen else f"{len(line['claims'])} claims hold")
