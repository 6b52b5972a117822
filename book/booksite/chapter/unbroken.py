"""A formula and what touches it stay on one line: the comma behind it, the bracket before it; so does "1/√N" in words.

Browsers break a line before and behind every formula, whatever stands there, and behind a stroke.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx

TOGETHER = "together"  # the class of what chapter.css keeps on one line
FORMULA, OTHER = "\ue000", "\ue001"  # stand for nodes among the letters of a line
LETTER = r"[^\s\u2e80-\uffff]"  # East Asian text has no spaces: it would be one long line
TOUCHING = re.compile(f"{LETTER}*{FORMULA}({LETTER}|{FORMULA})*|{LETTER}*/√{LETTER}*")
LEFT_ALONE = (nodes.literal, nodes.FixedTextElement, nodes.Invisible, nodes.math, nodes.raw)


def keep_together(_app: Sphinx, doctree: nodes.document, *_docname) -> None:
    for line in list(dict.fromkeys(node.parent for node in doctree.findall(may_break))):
        if TOGETHER not in line.get("classes", ()):
            line[:] = kept_together(line.children)


def may_break(node: nodes.Node) -> bool:
    text = isinstance(node, nodes.Text) and "/√" in node and not isinstance(node.parent, LEFT_ALONE)
    return text or isinstance(node, nodes.math)


def kept_together(line: list[nodes.Node]) -> list[nodes.Node]:
    """The line, with each formula and what touches it in one node."""
    marks = ((nodes.Text, str), (nodes.math, lambda _: FORMULA), (nodes.Node, lambda _: OTHER))
    text = "".join(next(mark(node) for kind, mark in marks if isinstance(node, kind)) for node in line)
    others = iter([node for node in line if not isinstance(node, nodes.Text)])

    def again(text: str) -> list[nodes.Node]:
        parts = filter(None, re.split(f"([{FORMULA}{OTHER}])", text))
        return [next(others) if part in (FORMULA, OTHER) else nodes.Text(part) for part in parts]

    found, end = [], 0
    for touching in TOUCHING.finditer(text):
        if touching[0] != FORMULA:
            found += again(text[end : touching.start()])
            found += [nodes.inline("", "", *again(touching[0]), classes=[TOGETHER])]
            end = touching.end()
    return found + again(text[end:])
