"""Folded code: one line that says what it does, several such lines under one, no wrong label for screen readers.

A cell tagged `hide-input` says in its metadata what stands behind the fold:
"mystnb": {"code_prompt_show": "The measurement: ten seeds, four depths"}. One that does not is a warning.
"""

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.util import logging

from booksite.editions.languages import say

log = logging.getLogger(__name__)


def name(app: Sphinx, doctree: nodes.document) -> None:
    for cell in doctree.findall(nodes.container):
        if cell.get("hide_mode"):
            if cell["prompt_show"] == app.config.nb_code_prompt_show:
                log.warning("a folded cell must say in code_prompt_show what it does", location=cell)
            cell["prompt_hide"] = cell["prompt_show"]  # the line stays when the fold is open


def group(app: Sphinx, doctree: nodes.document) -> None:
    """Put three and more folded cells in a row that show nothing under one line, which stands for them all."""
    for parent in list(doctree.findall(nodes.section)):
        row = []
        for child in [*parent.children, None]:
            if child is not None and silent(child):
                row.append(child)
                continue
            if len(row) >= 3:
                steps = HideCodeCellNode(prompt_show=say("{n} steps of code").format(n=len(row)))
                parent.replace(row[0], steps)
                for cell in row[1:]:
                    parent.remove(cell)
                steps += row
            row = []


def silent(node: nodes.Node) -> bool:
    """Whether `node` is a folded cell without an output that a reader would see."""
    folded = isinstance(node, nodes.container) and node.get("hide_mode") == "input"
    return folded and not any(part.children for part in node.children if part.get("nb_element") == "cell_code_output")


def open_fold(self, node: HideCodeCellNode) -> None:
    self.body.append(self.starttag(node, "details", CLASS="hide"))
    self.body.append(f"<summary>{self.encode(node['prompt_show'])}</summary>\n")


def close_fold(self, _node: HideCodeCellNode) -> None:
    self.body.append("</details>\n")


def setup(app: Sphinx) -> None:
    app.add_node(HideCodeCellNode, override=True, html=(open_fold, close_fold))
