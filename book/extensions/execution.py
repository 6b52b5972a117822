"""How the build runs notebooks: with which cache, how many threads, two at a time, and the model in place.

The execution cache of myst-nb knows a notebook's own cells, not what they import. Here it lives in a
folder named by a hash of the modules of `lab`, of the definitions that chapters take from each other
and of the requirements, so that editing any of these runs the notebooks again.
"""

import hashlib
import logging
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.executors.basic import ExecutionWorkerLocalSerial, ProcessData
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.display import status_iterator

sys.path.append(str(Path(__file__).parents[2] / "notebooks"))
from lab import chapters, language_model  # noqa: E402

quiet = logging.getLogger("notebooks")
quiet.setLevel(logging.ERROR)  # a notebook that fails is reported when the build runs it again


def fingerprint(root: Path) -> str:
    """A hash of everything besides its own cells that a notebook's results depend on."""
    digest = hashlib.sha256()
    for path in sorted([*(root / "notebooks" / "lab").rglob("*.py"), root / "requirements.txt"]):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        digest.update(f"{path.name}\n{chapters.definition_cells(path)}\n".encode())
    return digest.hexdigest()[:16]


def prepare(app: Sphinx, config: Config) -> None:
    caches = Path(app.outdir).parent / ".jupyter_cache"
    config.nb_execution_cache_path = str(caches / fingerprint(Path(app.srcdir)))
    # the kernels inherit this: small models lose more to a second thread than they gain
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # here rather than inside a notebook: the progress shows, and a failure is one clear error
    language_model.fetch()
    os.environ["TQDM_DISABLE"] = "1"  # a bar's stderr would be a warning on the page


def execute(app: Sphinx, env, docnames: list[str]) -> None:
    """Run the notebooks that the cache does not hold, two at a time: a chapter uses one core and up to 2 GB.

    One that fails is left out of the cache, so that the build runs it again and reports it.
    """
    cache, stale = get_cache(app.config.nb_execution_cache_path), []
    for path in (Path(env.doc2path(docname)) for docname in docnames):
        if path.suffix == ".ipynb":
            try:
                cache.match_cache_notebook(nbformat.read(path, as_version=4))
            except KeyError:
                record = cache.add_nb_to_project(str(path))
                stale.append(ProcessData(record.pk, record.uri, cache, app.config.nb_execution_timeout, False))
    if len(stale) < 2:
        return
    with ProcessPoolExecutor(max_workers=2) as pool:
        done = pool.map(ExecutionWorkerLocalSerial(quiet), stale)
        for _ in status_iterator(
            done, "running notebooks... ", "teal", len(stale), stringify_func=lambda r: Path(r[1]).name
        ):
            pass


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", prepare)
    app.connect("env-before-read-docs", execute)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
