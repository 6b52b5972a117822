"""Small books built in processes that are forked from one in which all that a build imports is in place.

There the cells of a small book run in the process itself, which takes a tenth of a second where a kernel takes four,
and what is done when all pages are written is left out unless a test asks for it.
"""

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIMIT = 900  # seconds after which a build is ended; a busy machine takes a tenth of them
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    "IPython.utils.capture a11y_pygments fontTools.subset fontTools.ttLib jsonschema jupyter_book.cli.main "
    "jupyter_book.config jupyter_book.sphinx jupyter_cache matplotlib.pyplot matplotlib_inline.backend_inline "
    "myst_nb.sphinx_ext notfound.extension psutil pybtex_docutils resvg_py safetensors scour.scour sphinx.builders.html "
    "sphinx.domains.cpp sphinx.domains.javascript sphinx.domains.rst sphinx_book_theme sphinx_design sphinx_exercise "
    "sphinx_external_toc.collectors sphinx_jupyterbook_latex.transforms sphinxcontrib.bibtex sqlite3 tinycss2 torch "
    "transformers tqdm".split()
)
INLINE = "module://matplotlib_inline.backend_inline"
RUNNING = threading.Lock()


def build(root: Path, options: list[str], log: Path, finish: Iterable[str] | None, kernels: bool) -> int:
    """Build the book at `root` strictly, and put all that is printed in the file `log`; the exit code.

    Args:
        finish: the modules of booksite that act when all pages are written; None: all of them.
        kernels: whether notebooks run in kernels, as they do for readers.
    """
    arguments = ["build", str(root), "-W", "-n", "--keep-going", *options]
    process = FORKS.Process(target=_build, args=(root, arguments, log, finish, kernels, os.environ | {"NO_COLOR": "1"}))
    process.start()
    for end in (None, process.terminate, process.kill):
        if end is not None:
            end()
        process.join(LIMIT if end is None else 60)
        if not process.is_alive():
            break
    assert end is None, f"no end after {LIMIT} s: {log.read_text(encoding='utf-8')}"
    return process.exitcode


def _build(root, arguments, log, finish, kernels, environment) -> None:
    from jupyter_book.cli.main import main

    with log.open("wb") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    own = [str(ROOT / name) for name in ("", "notebooks", "tests", "book")]
    sys.path[:] = [path for path in sys.path if path not in own]  # a copy of the book has its own
    sys.path.append(str(root / "book"))
    import booksite

    done = booksite.AFTER["build-finished"]
    done[:] = [act for act in done if finish is None or act.__module__.split(".")[-1] in {*finish, "interruptions"}]
    if not kernels:
        booksite.notebooks.run = _run
        booksite.notebooks.language_model.fetch = str  # takes half a second, and none is used
    main(arguments, prog_name="jupyter-book")


def _run(notebook, cwd: str, *_, **__):
    """Run a notebook in this process; stands in for booksite.running.notebooks.run."""
    import matplotlib
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from jupyter_cache.executors.utils import ExecutionResult
    from matplotlib_inline.backend_inline import configure_inline_support
    from nbformat.v4 import new_output
    from traitlets.config import Config

    with RUNNING:  # one at a time, since there is one shell
        shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
        shell.reset()
        matplotlib.use(INLINE)
        matplotlib.interactive(True)
        configure_inline_support(shell, INLINE)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                with capture_output() as shown:
                    result = shell.run_cell(cell.source, store_history=True)  # else a semicolon hides nothing
                result.raise_error()
                cell.outputs = [new_output("display_data", each.data, metadata=each.metadata) for each in shown.outputs]
                if shown.stdout:
                    cell.outputs.insert(0, new_output("stream", text=shown.stdout))
    return ExecutionResult(notebook, cwd, 0.1)
