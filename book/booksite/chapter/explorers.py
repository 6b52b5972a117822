"""Explorers, the figures that a reader moves: a record from the cell's output until the page is written."""

from docutils import nodes
from lab import explorers
from myst_nb.core.render import MimeData
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

from booksite.reader.pictures import written


class explorer(nodes.General, nodes.Element):
    """An explorer; attributes: record, and still_only where its still figure alone is to be shown."""


def record(data: MimeData) -> list[nodes.Node]:
    """What the output of `explorers.show` becomes on a page."""
    return [explorer(record=data.content)]


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for node in list(doctree.findall(explorer)):
        name = written(app, node["record"]["still"])
        still = relative_uri(app.builder.get_target_uri(docname), f"{app.builder.imagedir}/{name}")
        shown = explorers.picture if node.get("still_only") else explorers.page
        node.replace_self(nodes.raw("", shown(node["record"], still), format="html"))


def setup(app: Sphinx) -> None:
    app.add_node(explorer)
