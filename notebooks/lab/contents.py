"""Which chapters the book has, in which order, and which statements of the notes each of them settles.

The order is that of _toc.yml, the statements are those of book/verdicts.md; nothing else says either.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from IPython.display import display

from lab import claims

ROOT = Path(__file__).parents[2]
MIME = "application/vnd.statements+json"  # where a chapter's output shows its statements
CHAPTER = re.compile(r"^:::\{question\} \.\./notebooks/(\w+)\.ipynb *$", re.M)
STATEMENT = re.compile(rf"^### ({claims.STATEMENT}): (.*)\n\n\{{verdict\}}`([^`]*)`", re.M | re.A)


def chapters() -> list[str]:
    """The chapters' notebooks, without their ending, in the order of the table of contents."""
    table = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [file.removeprefix("notebooks/") for file in _files(table) if file.startswith("notebooks/")]


def number(chapter: str) -> int:
    """The number of a chapter, from 1.

    Raises:
        ValueError: the table of contents has no such chapter.
    """
    known = chapters()
    if chapter not in known:
        raise ValueError(f"chapter must be one of {', '.join(known)}, got {chapter!r}")
    return known.index(chapter) + 1


def statements(chapter: str) -> list[tuple[str, str, str]]:
    """The statements of the notes that a chapter settles: the id, what it says (Markdown), the verdict on it.

    As the site finds them on the page of verdicts: in the section of the chapter's question.
    """
    text = (ROOT / "book" / "verdicts.md").read_text(encoding="utf-8")
    parts = CHAPTER.split(text)[1:]  # name, text, name, text ...
    return STATEMENT.findall(dict(zip(parts[::2], parts[1::2], strict=True)).get(chapter, ""))


def show_statements(chapter: str) -> None:
    """Show the statements that a chapter settles, each with the verdict on it. On the site, the site lists them.

    Raises:
        ValueError: the page of verdicts has none of this chapter.
    """
    listed = listing(chapter)
    display({MIME: {"chapter": chapter}, "text/markdown": listed, "text/plain": listed}, raw=True)


def listing(chapter: str) -> str:
    """The statements that a chapter settles as a list in Markdown."""
    found = statements(chapter)
    if not found:
        raise ValueError(f"chapter must have statements in book/verdicts.md, got {chapter!r}")
    return "\n".join(f"- **{verdict}** {name}: {sentence(text)}" for name, text, verdict in found)


def sentence(text: str) -> str:
    """A statement with the full stop that it lacks as a heading."""
    return text if text.endswith("?") else f"{text}."


def _files(entry) -> Iterator[str]:
    """The files that a part of the table of contents names, in its order."""
    if isinstance(entry, dict):
        if "file" in entry:
            yield entry["file"]
        entry = list(entry.values())
    if isinstance(entry, list):
        for each in entry:
            yield from _files(each)
