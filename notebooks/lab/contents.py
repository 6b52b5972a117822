"""The chapters in the order of the table of contents, and their numbers."""

from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


def chapters() -> list[str]:
    """The names of the chapters, as "01_argmax_vs_multinomial", in the order of the table of contents."""
    table = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [file.removeprefix("notebooks/") for file in _files(table) if file.startswith("notebooks/")]


def number(chapter: str) -> int:
    """The number of a chapter, counted from 1.

    Raises:
        ValueError: the table of contents has no such chapter.
    """
    names = chapters()
    if chapter not in names:
        raise ValueError(f"chapter must be in the table of contents, got {chapter!r}")
    return names.index(chapter) + 1


def _files(entry) -> Iterator[str]:
    """The files that a part of the table of contents names, in its order."""
    if isinstance(entry, dict):
        if "file" in entry:
            yield entry["file"]
        entry = list(entry.values())
    if isinstance(entry, list):
        for each in entry:
            yield from _files(each)
