"""Folded code: each fold says in a line what it does, and has no wrong label for screen readers.

Where scripts run, a fold that is closed takes no room: see folds.js. A cell tagged `hide-input` says in its metadata what
stands behind the fold:
"mystnb": {"code_prompt_show": "The measurement: ten seeds, four depths"}. One that does not is a warning.
"""

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.util import logging

log = logging.getLogger(__name__)


def name(app: Sphinx, doctree: nodes.document) -> None:
    for cell in doctree.findall(nodes.container):
        if cell.get("hide_mode"):
            if cell["prompt_show"] == app.config.nb_code_prompt_show:
                log.warning("a folded cell must say in code_prompt_show what it does", location=cell)
            cell["prompt_hide"] = cell["prompt_show"]  # the line stays when the fold is open


def open_fold(self, node: HideCodeCellNode) -> None:
    self.body.append(self.starttag(node, "details", CLASS="hide"))
    self.body.append(f"<summary>{self.encode(node['prompt_show'])}</summary>\n")


def close_fold(self, _node: HideCodeCellNode) -> None:
    self.body.append("</details>\n")


def setup(app: Sphinx) -> None:
    app.add_node(HideCodeCellNode, override=True, html=(open_fold, close_fold))
