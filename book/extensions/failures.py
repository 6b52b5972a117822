"""Says which cell of which notebook stopped its execution, and why.

myst-nb only warns that a notebook failed, and leaves the traceback in a file.
"""

import re

import nbformat
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.util import logging

log = logging.getLogger(__name__)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def report(app: Sphinx, env) -> None:
    for docname in sorted(env.found_docs):
        result = NbMetadataCollector.get_exec_data(env, docname)
        if result and not result["succeeded"]:
            traceback = ANSI.sub("", result["traceback"] or "")
            cells = nbformat.read(env.doc2path(docname), as_version=4).cells
            # the traceback quotes the source of the cell that failed
            failed = [n for n, cell in enumerate(cells, start=1) if cell.source and cell.source in traceback]
            end = "\n".join(traceback.strip().splitlines()[-20:])
            log.error("cell %s failed: %s", failed[-1] if failed else "?", end, location=docname)


def setup(app: Sphinx) -> dict:
    app.connect("env-updated", report)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
