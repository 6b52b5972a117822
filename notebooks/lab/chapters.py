"""A chapter's functions, for its tests and for the chapters that build on it."""

from pathlib import Path
from types import SimpleNamespace

import nbformat

FOLDER = Path(__file__).parent.parent


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
    cells = nbformat.read(path, as_version=4).cells
    names: dict = {"__name__": chapter}
    for number, cell in enumerate(cells, start=1):
        if cell.cell_type == "code" and "definition" in cell.metadata.get("tags", []):
            exec(compile(cell.source, f"{path.name}, cell {number}", "exec"), names)
    if len(names) <= 2:  # __name__ and what exec adds, __builtins__
        raise ValueError(f"chapter must have a cell tagged 'definition', got {chapter!r}, which has none")
    return SimpleNamespace(**{name: value for name, value in names.items() if not name.startswith("__")})
