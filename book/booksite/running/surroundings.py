"""The surroundings in which chapters run: the book's, whatever the person who builds it has set up for themselves.

Settings for Python, IPython, Jupyter and matplotlib change what a notebook gives, and no fingerprint knows them: with
MPLBACKEND=Agg there was no figure, and results without figures were kept. Kernels get none of them.
"""

import os
from collections.abc import MutableMapping
from pathlib import Path

import matplotlib

PERSONAL = ("IPYTHON", "JUPYTER", "MATPLOTLIB", "MPL", "PYTHON", "TQDM")  # how such variables begin
# These say where things lie, and change no result: packages, what is compiled, matplotlib's list of fonts
KEPT = {
    "JUPYTER_PLATFORM_DIRS",
    "JUPYTER_RUNTIME_DIR",
    "MPLCONFIGDIR",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONNOUSERSITE",
    "PYTHONPATH",
    "PYTHONPYCACHEPREFIX",
    "PYTHONUSERBASE",
}


def isolate(root: Path, environment: MutableMapping[str, str] = os.environ) -> None:
    """Take out of `environment`, which kernels inherit, what is personal, and put in what the book at `root` needs."""
    for name in list(environment):
        if name.startswith(PERSONAL) and name not in KEPT:
            del environment[name]
    environment.setdefault("OMP_NUM_THREADS", "1")  # small models lose more to a second thread than they gain
    environment |= {
        "IPYTHONDIR": str(root / "_build" / ".ipython"),  # profiles, with what they run when a kernel starts
        "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel python3 is the Python that builds
        "MATPLOTLIBRC": str(Path(matplotlib.get_data_path(), "matplotlibrc")),  # in place of one in the home folder
        "PYTHONUTF8": "1",
        "TQDM_DISABLE": "1",  # a bar's stderr would be a warning on the page
    }
