"""A chapter's functions, for its tests and for the chapters that build on it."""

from pathlib import Path
from types import SimpleNamespace

import nbformat

FOLDER = Path(__file__).parent.parent


def definition_cells(path: Path) -> list[tuple[int, str]]:
    """The cells of a notebook that are tagged `definition`: their numbers, from 1, and sources."""
    cells = enumerate(nbformat.read(path, as_version=4).cells, start=1)
    return [(number, cell.source) for number, cell in cells if "definition" in cell.metadata.get("tags", [])]


def definitions(chapter: str) -> SimpleNamespace:
    """Run only the cells of `chapter` that are tagged `definition`, and give the names they bind.

    Args:
        chapter: the notebook's name without its ending, "01_argmax_vs_multinomial".

    Raises:
        ValueError: there is no such chapter, or it defines nothing.
    """
    path = FOLDER / f"{chapter}.ipynb"
    if not path.is_file():
        raise ValueError(f"chapter must be the name of a notebook in {FOLDER}, got {chapter!r}")
    cells = definition_cells(path)
    if not cells:
        raise ValueError(f"chapter must have a cell tagged 'definition', got {chapter!r}, which has none")
    names: dict = {"__name__": chapter}
    for number, source in cells:
        exec(compile(source, f"{path.name}, cell {number}", "exec"), names)
    return SimpleNamespace(**{name: value for name, value in names.items() if not name.startswith("__")})
