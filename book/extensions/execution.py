"""How the build runs notebooks: with which cache, how many threads, and the model in place.

The execution cache of myst-nb knows a notebook's own cells, not what they import. Here it lives in a
folder named by a hash of the modules of `lab`, of the definitions that chapters take from each other
and of the requirements, so that editing any of these runs the notebooks again.
"""

import hashlib
import os
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

sys.path.append(str(Path(__file__).parents[2] / "notebooks"))
from lab import chapters, language_model  # noqa: E402


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


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", prepare)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
