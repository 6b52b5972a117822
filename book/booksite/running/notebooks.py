"""How the build runs notebooks: with which cache, how many threads and at a time, and the model in place.

The execution cache of myst-nb knows a notebook's own cells, not what they depend on. Here it lives in a folder named by a
hash of all that (see `fingerprint`), so that a change of any of it runs the notebooks again. These folders stand in
_build/.jupyter_cache, one place for all builders, or where BOOK_RESULTS says.
"""

import hashlib
import importlib.metadata
import math
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from pathlib import Path

import myst_nb.core.execute.cache
import nbformat
import psutil
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from nbclient.exceptions import CellExecutionError, DeadKernelError
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from traitlets.config import Config as Traits

from booksite.running import surroundings
from lab import chapters, language_model

log = logging.getLogger(__name__)
ANSI = re.compile(r"\x1b\[[0-9;]*m")
DRAWS_ONLY = {"cards.py"}  # of lab; cards and the explorers' scripts are put on pages when these are written
ENCRYPTED = Traits({"KernelManager": {"transport_encryption": "auto"}})  # a kernel that talks in the clear warns
NEEDS = 2e9  # bytes that a chapter may take
CGROUP = Path("/sys/fs/cgroup")  # of a container, as it sees its own
failed: dict[tuple, ExecutionResult] = {}  # by folder and sources, until its page is made


def fingerprint(root: Path) -> str:
    """A hash of everything besides its own cells that a notebook's results depend on.

    The modules of `lab`, the definitions that chapters take from each other, the
    requirements as written and as installed, Python itself (its documentation is a text that chapters read),
    the number of threads, and the language model.
    """
    digest = hashlib.sha256()
    parts = [path for path in (root / "notebooks" / "lab").rglob("*.py") if path.name not in DRAWS_ONLY]
    for path in sorted([*parts, root / "requirements.txt"]):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        try:
            digest.update(f"{path.name}\n{chapters.definition_cells(path)}\n".encode())
        except (AttributeError, ValueError) as error:
            raise SystemExit(f"ERROR: {path} is no notebook: {error}") from None
    installed = {}
    for name in pinned(root):
        with suppress(importlib.metadata.PackageNotFoundError):
            installed[name] = importlib.metadata.version(name)
    machine = [sys.version, os.environ["OMP_NUM_THREADS"], sorted(installed.items()), language_model.identity()]
    digest.update(repr(machine).encode())
    return digest.hexdigest()[:16]


def pinned(root: Path) -> dict[str, str]:
    """The versions that requirements.txt asks for, by the distributions' names."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (root / "requirements.txt").read_text(encoding="utf-8"), re.M))


def prepare(app: Sphinx, config: Config) -> None:
    """Choose the cache, and fetch the language model; nothing of it, where no notebook is to be run."""
    if config.nb_execution_mode != "cache":
        return
    # here rather than inside a notebook: the progress shows, and a failure is one clear error
    try:
        model = language_model.fetch()
        surroundings.isolate(Path(app.srcdir))
        name = fingerprint(Path(app.srcdir))
    except language_model.ModelUnavailable as error:
        raise SystemExit(f"ERROR: {error}") from None  # of another kind, jupyter-book makes a page of traceback
    if os.environ.get(language_model.OVERRIDE):
        os.environ[language_model.OVERRIDE] = model  # a relative path would be another one in a notebook's folder
    results = Path(os.environ.get("BOOK_RESULTS") or Path(app.srcdir, "_build", ".jupyter_cache"))
    config.nb_execution_cache_path = str(results.absolute() / name)
    config.nb_execution_show_tb = True
    myst_nb.core.execute.cache.single_nb_execution = run_late


def at_once() -> int:
    """How many notebooks the machine bears: a core and 2 GB of free memory for each, and always one."""

    def limits(name: str) -> list[float]:
        text = (CGROUP / name).read_text(encoding="utf-8") if (CGROUP / name).exists() else "max"
        return [math.inf if word == "max" else float(word) for word in text.split()]

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, period = (*limits("cpu.max"), 1)[:2]
    memory = min(psutil.virtual_memory().available, *limits("memory.max"))
    return max(1, int(min(cores, quota / period, memory / NEEDS)))


def key(notebook: nbformat.NotebookNode, folder: str) -> tuple:
    return folder, *(cell.source for cell in notebook.cells)


def run(notebook: nbformat.NotebookNode, cwd: str, timeout: int, allow_errors: bool, **_) -> ExecutionResult:
    """Run `notebook` in place; whatever stops it is a result, and the first line of its text says where and why.

    It stands in for the function of jupyter-cache of which it makes use.
    """
    if before := failed.pop(key(notebook, cwd), None):
        notebook.update(before.nb)
        return before
    where, start = "its kernel did not start", time.perf_counter()

    def follow(cell, cell_index: int) -> None:
        nonlocal where
        where = f"cell {cell_index + 1} failed"

    try:
        result = single_nb_execution(notebook, cwd, timeout, allow_errors, config=ENCRYPTED, on_cell_execute=follow)
    except Exception as error:  # there is no such kernel, or it died
        result = ExecutionResult(notebook, cwd, time.perf_counter() - start, error, "")
    if error := result.err:
        known = isinstance(error, CellExecutionError)
        cause = f"{error.ename}: {error.evalue}" if known else f"{type(error).__name__}: {error}"
        if isinstance(error, DeadKernelError):
            cause += "; perhaps memory ran out"
        trace = ANSI.sub("", result.exc_string).strip().splitlines()
        result.exc_string = "\n".join([f"{where}: {' '.join(cause.split())[:500]}", *trace[-20:]])
    return result


@contextmanager
def workers(number: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that run notebooks; whatever interrupts them ends their kernels.

    In the main thread nbclient would take SIGINT and SIGTERM as the end of the kernel alone.
    """
    pool, others = ThreadPoolExecutor(number), psutil.Process().children()
    try:
        yield pool
    except BaseException:  # an interruption, or no room for the cache
        pool.shutdown(wait=False, cancel_futures=True)
        for child in psutil.Process().children():  # the kernels, else the build would end only when they do
            if child not in others:
                child.kill()
        raise
    pool.shutdown()


def run_late(*arguments, **options) -> ExecutionResult:
    """What myst-nb calls for a notebook that is not in the cache when its page is made."""
    with workers(1) as pool:
        return pool.submit(run, *arguments, **options).result()


def opened(path: str) -> JupyterCacheAbstract:
    """The cache in the folder `path`; an empty one, if what lies there cannot be read."""
    try:
        cache = get_cache(path)
        cache.list_cache_records()
        with cache.db.connect() as connection:  # a table may be whole and an index not
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    except Exception as error:
        log.info(f"the cache {path} is damaged ({str(error).partition(chr(10))[0]}): every notebook runs again")
        shutil.rmtree(path)
        cache = get_cache(path)
        cache.list_cache_records()  # what is wrong now is so with the disk
    return cache


def kept(cache: JupyterCacheAbstract, notebook: nbformat.NotebookNode) -> bool:
    """Whether `cache` holds what `notebook` gave, whole: half a file is no JSON."""
    with suppress(Exception):
        cache.merge_match_into_notebook(notebook)
        return True
    return False


def executed(config: Config, path: Path) -> nbformat.NotebookNode | None:
    """A notebook with what it gave; None where it has not been run. Where the build runs none, with what is stored in it."""
    notebook = nbformat.read(path, as_version=4)
    if config.nb_execution_mode != "cache":
        return notebook
    with suppress(KeyError):
        return get_cache(config.nb_execution_cache_path).merge_match_into_notebook(notebook)[1]
    return None


def keep(cache: JupyterCacheAbstract, path: Path, result: ExecutionResult) -> None:
    folder = cache.path / "executed" / cache.create_hashed_notebook(result.nb)[1]
    shutil.rmtree(folder, ignore_errors=True)  # of what was damaged, jupyter-cache trips over a rest
    bundle = CacheBundleIn(result.nb, str(path), data={"execution_seconds": result.time})
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def execute(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Run the notebooks that the cache does not hold, as many at a time as the machine bears.

    A builder of other things than pages (catalogues of messages) runs none.
    """
    if app.config.nb_execution_mode != "cache":
        return
    folder = Path(app.config.nb_execution_cache_path)
    cache, stale, there = opened(str(folder)), {}, 0
    for path in (Path(env.doc2path(docname)) for docname in docnames):
        if path.suffix == ".ipynb":
            notebook = nbformat.read(path, as_version=4)
            if kept(cache, notebook):
                there += 1
            else:
                stale[path] = notebook
    if there and "BOOK_RESULTS" in os.environ:
        log.info(f"running notebooks: the results of {there} are taken from {folder}")
    if stale and app.builder.format != "html":
        names = ", ".join(sorted(path.name for path in stale))
        raise SystemExit(f"ERROR: the builder {app.builder.name} runs no notebook; build the site first, for {names}")
    with workers(at_once()) as pool:
        timeout = app.config.nb_execution_timeout
        runs = {pool.submit(run, stale[path], str(path.parent), timeout, False): path for path in stale}
        for number, done in enumerate(as_completed(runs), start=1):
            path, result = runs[done], done.result()
            ended = "failed after" if result.err else "took"
            log.info(f"running notebooks: {number} of {len(runs)}, {path.name} {ended} {result.time:.0f} s")
            if fingerprint(Path(app.srcdir)) != folder.name:  # of which sources are these the results?
                raise SystemExit("ERROR: what the notebooks depend on was changed while they ran; build again")
            if result.err:
                failed[key(result.nb, result.cwd)] = result
                continue
            keep(cache, path, result)
