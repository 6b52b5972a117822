"""Says which cell of which notebook stopped its execution, and why.

myst-nb only warns that a notebook failed, and leaves the traceback in a file.
"""

import re

from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.application import Sphinx
from sphinx.util import logging

log = logging.getLogger(__name__)
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def tracebacks(env) -> dict[str, str]:
    """Of each notebook that failed, by its document's name; the first line says where and why."""
    results = {name: NbMetadataCollector.get_exec_data(env, name) or {} for name in sorted(env.found_docs)}
    return {name: ANSI.sub("", result["traceback"]) for name, result in results.items() if result.get("traceback")}


def report(app: Sphinx, env) -> None:
    for docname, traceback in tracebacks(env).items():
        why, *trace = traceback.strip().splitlines()
        log.error("%s", "\n".join([why, *trace[-20:]]), location=docname)


def setup(app: Sphinx) -> dict:
    app.connect("env-updated", report)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
