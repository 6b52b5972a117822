"""A hash of the code that a chapter's results depend on, so that results can be held against the code of today."""

import ast
import hashlib
import io
import json
import re
import tokenize
from collections.abc import Iterable
from functools import cache
from pathlib import Path

# Modules of lab that measure nothing
SHOWS_ONLY = {"cards", "contents", "explorers", "figures", "palette", "statements", "values"}


def stamp(root: Path, chapter: str) -> str:
    """A hash of `chapter` (a notebook's name without its ending) and of what it builds on, in the book at `root`.

    In it: the code of the chapter, of the modules of `lab` that it imports but for those that only show, and of the
    definitions that it takes from other chapters; and what these build on in turn. Not in it: comments, blank lines,
    the base seed's number, and all text.

    Raises:
        ValueError: there is no such chapter.
    """
    notebooks = root / "notebooks"
    if not (notebooks / f"{chapter}.ipynb").is_file():
        raise ValueError(f"chapter must be the name of a notebook in {notebooks}, got {chapter!r}")
    sources, todo = {chapter: code(notebooks / f"{chapter}.ipynb")}, [chapter]
    while todo:
        modules, chapters = builds_on(sources[todo.pop()])
        paths = {name: notebooks / "lab" / f"{name}.py" for name in modules - SHOWS_ONLY}
        paths |= {name: notebooks / f"{name}.ipynb" for name in chapters}
        for name, path in paths.items():
            if name not in sources and path.exists():
                sources[name] = path.read_text(encoding="utf-8") if path.suffix == ".py" else code(path, "definition")
                todo.append(name)
    return digest(bare(sources[name]) for name in sorted(sources))


def digest(texts: Iterable[str]) -> str:
    """Twelve hexadecimal digits that stand for `texts`."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def code(notebook: Path, tag: str | None = None) -> str:
    """The code cells of a notebook, or those of them that have a tag."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    cells = [cell for cell in cells if cell["cell_type"] == "code"]
    return "\n".join("".join(cell["source"]) for cell in cells if not tag or tag in cell["metadata"].get("tags", []))


@cache
def builds_on(source: str) -> tuple[set[str], set[str]]:
    """The modules of `lab` that a source imports, and the chapters whose definitions it takes."""
    imported, chapters = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {f"{node.module}.{each.name}" for each in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("definitions"):
            chapters |= {each.value for each in node.args if isinstance(each, ast.Constant)}
    return {name.split(".")[1] for name in imported if name.startswith("lab.")}, chapters


@cache
def bare(source: str) -> str:
    """`source` without comments, blank lines and the base seed's number."""
    lines = source.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    text = "\n".join(line.rstrip() for line in lines if line.strip())
    return re.sub(r"^BASE_SEED = \d+$", "BASE_SEED =", text, flags=re.M)
