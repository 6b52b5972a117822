"""Faults of the kind a careless edit makes, planted one at a time by tests/prove.py."""

from pathlib import Path
from typing import NamedTuple

import nbformat


class Fault(NamedTuple):
    """One edit of one file."""

    chapter: str  # the notebook that is run
    file: str  # the file that is edited, under notebooks/
    right: str  # source that occurs once in it
    wrong: str
    feeds: bool = True  # whether a claim of the chapter is computed with it
    survives: str = ""  # why nobody notices


FAULTS: dict[str, Fault] = {}


def tests_of(fault: Fault) -> list[str]:
    """The files of tests that are about the faulty code."""
    files = [f"test_chapter_{fault.chapter[:2]}.py"]
    if fault.file.startswith("lab/"):
        files.append(f"test_{Path(fault.file).stem}.py")
    return files


def plant(root: Path, fault: Fault) -> None:
    """Make the edit in the book at `root`.

    Raises:
        ValueError: `right` does not occur exactly once.
    """
    path = root / "notebooks" / fault.file
    if path.suffix == ".ipynb":
        notebook = nbformat.read(path, as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        hits = [cell for cell in code for _ in range(cell.source.count(fault.right))]
        if len(hits) != 1:
            raise ValueError(f"right must occur once in {fault.file}, got {fault.right!r}, {len(hits)} times")
        hits[0].source = hits[0].source.replace(fault.right, fault.wrong)
        nbformat.write(notebook, path)
        return
    text = path.read_text(encoding="utf-8")
    if text.count(fault.right) != 1:
        raise ValueError(f"right must occur once in {fault.file}, got {fault.right!r}, {text.count(fault.right)} times")
    path.write_text(text.replace(fault.right, fault.wrong), encoding="utf-8")
