"""Links the ids of statements, wherever prose names one, to the page of verdicts.

`N8a` leads to the statement, `N8b.decoder` to that claim's evidence. Left alone are code, formulas, headings and what is
a link already. A claim that no notebook settles is a warning, so that a strict build stops.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from booksite.claims.verdicts import book, target
from lab import claims

log = logging.getLogger(__name__)
MENTION = re.compile(rf"(?<![\w.])({claims.STATEMENT})({claims.PART})?(?![\w-])", re.ASCII)
LEFT_ALONE = (nodes.title, nodes.reference, nodes.literal, nodes.FixedTextElement, nodes.math, nodes.Invisible)


def link(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for text in list(doctree.findall(nodes.Text)):
        if MENTION.search(text) and not inside(text, LEFT_ALONE):
            text.parent.replace(text, linked(app, docname, text))


def inside(node: nodes.Node, kinds: tuple) -> bool:
    while (node := node.parent) is not None:
        if isinstance(node, kinds):
            return True
    return False


def linked(app: Sphinx, docname: str, text: nodes.Text) -> list[nodes.Node]:
    """The text, with links in it."""
    parts, end = [], 0
    for found in MENTION.finditer(text):
        if found[1] not in book(app.env).statements():
            continue
        if found[2] and found[0] not in book(app.env).settled():
            log.warning("claim %s is named here, but no notebook settles it", found[0], location=text.parent)
            continue
        parts += [nodes.Text(text[end : found.start()])]
        parts += [nodes.reference("", found[0], refuri=target(app, docname, found[0]), internal=True)]
        end = found.end()
    return [*parts, nodes.Text(text[end:])]
