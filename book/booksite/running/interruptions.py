"""One build at a time in a folder; and what a build did not bring to a good end, the next one makes anew.

Sphinx keeps what it has read before it writes the pages, and then goes by their dates. So after a kill, a full disk or
a warning, pages that are old, cut off or wrong would pass in the next build.
"""

import errno
import pickle
import signal
import sqlite3
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout
from sphinx.application import ENV_PICKLE_FILENAME, Sphinx
from sphinx.config import Config
from sphinx.util import logging

log = logging.getLogger(__name__)
DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
DAMAGED = (sqlite3.Error, pickle.UnpicklingError, EOFError)


def mark(app: Sphinx) -> Path:
    """There is such a file from the start of a build to its good end."""
    return Path(app.doctreedir) / f"unfinished {Path(app.outdir).name}"


@cache
def lock(folder: Path) -> FileLock:
    """The one lock of this process on the builds in a folder; kept, since one that nothing refers to is let go."""
    return FileLock(folder / ".lock")


def begin(app: Sphinx, config: Config) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl+C does, the kernels too
    folder = Path(app.outdir).parent
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock(folder).acquire(blocking=False)
    except Timeout:
        log.info(f"waiting for another build in {folder} to end")
        lock(folder).acquire()
    if mark(app).exists():
        log.info("the last build did not end well: making every page anew")
        Path(app.doctreedir, ENV_PICKLE_FILENAME).unlink(missing_ok=True)
    mark(app).parent.mkdir(parents=True, exist_ok=True)
    mark(app).touch()


def end(app: Sphinx, exception: Exception | None) -> None:
    """Say in a line what was the matter with the disk or with a file; a fault of a program keeps its traceback."""
    if exception is None and not app._warncount:
        mark(app).unlink()
    lock(Path(app.outdir).parent).release()
    while cause := getattr(exception, "__cause__", None):
        exception = cause
    if isinstance(exception, DAMAGED) or getattr(exception, "errno", None) in DISK:
        folder = Path(app.outdir).parent
        raise SystemExit(f"ERROR: {folder} cannot be read or written ({exception}); the next build makes it anew")
