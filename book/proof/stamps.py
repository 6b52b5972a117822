"""A hash of the code that a chapter's results depend on, so that figures can be held against the code of today."""

import ast
import hashlib
import re
import symtable
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import nbformat

SHOWS_ONLY = {"figures", "explorers", "values"}  # modules of lab that measure nothing


def stamp(root: Path, chapter: str) -> str:
    """A hash of `chapter` (a notebook's name without its ending) and of what it builds on, in the book at `root`.

    In it: the chapter's code but for cells that only draw, and what it names: definitions of other chapters, and
    modules of `lab` but for those that only show. Not in it: comments, the base seed, and all text.

    Raises:
        ValueError: there is no such chapter.
    """
    if not (root / "notebooks" / f"{chapter}.ipynb").is_file():
        raise ValueError(f"chapter must be the name of a notebook in {root / 'notebooks'}, got {chapter!r}")
    sources = measuring(root, chapter)
    parts = {}  # what may be built on -> the names under which it is known
    for path in sorted((root / "notebooks" / "lab").glob("*.py")):
        if path.stem not in SHOWS_ONLY:
            parts[path.read_text(encoding="utf-8")] = {f"lab.{path.stem}"}
    for other in sorted(named(root, chapter)):
        for cell in cells(root, other):
            if "definition" in cell.metadata.get("tags", []):
                parts[cell.source] = bound(cell.source)
    words = set().union(*map(mentioned, sources))
    while found := [source for source, names in parts.items() if names & words]:
        for source in found:
            del parts[source]
            words |= mentioned(source)
        sources += found
    return digest(bare(source) for source in sources)


def digest(texts: Iterable[str]) -> str:
    """Twelve hexadecimal digits that stand for `texts`."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def named(root: Path, chapter: str) -> set[str]:
    """The other chapters whose definitions `chapter` takes, and those that they take."""
    found, todo = set(), [chapter]
    while todo:
        text = "\n".join(cell.source for cell in cells(root, todo.pop()))
        new = set(re.findall(r'definitions\(\s*"([^"]+)"', text)) - found - {chapter}
        found |= new
        todo += new
    return found


def cells(root: Path, chapter: str) -> list:
    return code_cells((root / "notebooks" / f"{chapter}.ipynb").read_text(encoding="utf-8"))


@cache
def code_cells(notebook: str) -> list:
    """The code cells of a notebook, given as JSON. All callers share them, so none may change them."""
    return [cell for cell in nbformat.reads(notebook, as_version=4).cells if cell.cell_type == "code"]


def measuring(root: Path, chapter: str) -> list[str]:
    """The sources of a chapter's code cells, without those that draw a figure and bind no name that another uses."""
    found = cells(root, chapter)
    drawing = [cell for cell in found if "figure" in cell.metadata.get("mystnb", {})]
    others = [cell for cell in found if cell not in drawing]
    used = set().union(*(free(cell.source) for cell in others)) if others else set()
    kept = [cell for cell in drawing if "claims.settle(" in cell.source or bound(cell.source) & used]
    return [cell.source for cell in found if cell in others or cell in kept]


def tables(source: str) -> Iterator[symtable.SymbolTable]:
    """The symbol tables of a cell: its own first, then those of all that is nested in it."""
    todo = [symtable.symtable(source, "cell", "exec")]
    while todo:
        table = todo.pop(0)
        yield table
        todo += table.get_children()


@cache
def bound(source: str) -> set[str]:
    """The names that a cell binds."""
    symbols = next(tables(source)).get_symbols()
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}


@cache
def free(source: str) -> set[str]:
    """The names that a cell uses and does not bind itself."""
    used = {symbol.get_name() for table in tables(source) for symbol in table.get_symbols() if symbol.is_global()}
    return used - bound(source)


@cache
def mentioned(source: str) -> set[str]:
    """All words in a source, and the modules of `lab` that it imports, as "lab.training"."""
    found = set(re.findall(r"\w+", source))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{each.name}" for each in node.names}
    return found


def bare(source: str) -> str:
    """`source` without blank lines, lines of comment and the base seed's number."""
    lines = [line.rstrip() for line in source.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return re.sub(r"\bBASE_SEED = \d+", "BASE_SEED = 0", "\n".join(lines))


def settling(code: list) -> list:
    """Of code cells those that a claim or an assert may depend on, in their order.

    A cell is left out if it settles and asserts nothing, binds no name that one of these uses, and changes nothing
    that it did not make.
    """
    asks = re.compile(r"claims\.settle\(|^\s*assert ", re.M)
    kept = [cell for cell in code if asks.search(cell.source) or changes(cell.source)]
    while True:
        needed = set().union(*(free(cell.source) for cell in kept))
        more = [cell for cell in code if cell in kept or bound(cell.source) & needed]
        if len(more) == len(kept):
            return more
        kept = more


def changes(source: str) -> bool:
    """Whether a cell may change what it did not make: it assigns to a part of it, or calls a function for its effect.

    A call is taken to change what it is a method of, or else its first argument; without any, what it likes. What is
    kept for the text (`run.keep`) and what is printed do not count.
    """
    tree = ast.parse(source)
    made = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    loops = [node.target for node in ast.walk(tree) if isinstance(node, ast.For)]
    made -= {node.id for target in loops for node in ast.walk(target) if isinstance(node, ast.Name)}  # may be others'
    made |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)} | {"run", "print"}

    def own(node: ast.AST) -> bool:
        if isinstance(node, ast.Call):
            return own(node.func) or bool(node.args) and own(node.args[0])
        if isinstance(node, ast.Attribute | ast.Subscript):
            return own(node.value)
        return isinstance(node, ast.Name) and node.id in made

    def effect(node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            return node
        return node.value if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None

    return not all(own(each) for each in map(effect, ast.walk(tree)) if each)
