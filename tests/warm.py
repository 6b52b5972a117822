"""Small books built in processes that are forked from one in which all that a build imports is in place."""

import multiprocessing
import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    "a11y_pygments fontTools.subset fontTools.ttLib jsonschema jupyter_book.cli.main jupyter_book.config "
    "jupyter_book.sphinx matplotlib.cm myst_nb.sphinx_ext notfound.extension psutil pybtex_docutils resvg_py safetensors "
    "scour.scour sphinx.builders.html sphinx.domains.cpp sphinx.domains.javascript sphinx.domains.rst sphinx_book_theme "
    "sphinx_design sphinx_exercise sphinx_external_toc.collectors sphinx_jupyterbook_latex.transforms sphinxcontrib.bibtex "
    "sqlite3 tinycss2 torch".split()
)


def build(arguments: list[str], log: Path) -> int:
    """Run jupyter-book with `arguments`, and all that it prints in the file `log`; its exit code."""
    process = FORKS.Process(target=_build, args=(arguments, log, os.environ | {"NO_COLOR": "1"}))
    process.start()
    process.join()
    return process.exitcode


def _build(arguments: list[str], log: Path, environment: dict[str, str]) -> None:
    from jupyter_book.cli.main import main

    with log.open("wb") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    own = [str(ROOT / name) for name in ("", "notebooks", "tests", "book", "book/extensions")]
    sys.path[:] = [path for path in sys.path if path not in own]  # a copy of the book has its own
    main(arguments, prog_name="jupyter-book")
