"""Links the ids of statements, wherever prose names one, to the page of verdicts.

`N8a` leads to the statement, `N8b.decoder` to that claim's evidence, and so does the line that settles it. Left
alone are code, formulas, headings and what is a link already. A claim that no notebook settles is a warning, so
that a strict build stops.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

log = logging.getLogger(__name__)
MENTION = re.compile(r"(?<![\w.])(N\d+[a-z]?)(\.[a-z][a-z-]*)?(?![\w-])")
SETTLED = re.compile(r"<strong>(N[\w.-]+) settled\.")  # as `lab.claims.settle` shows it
LEFT_ALONE = (nodes.title, nodes.reference, nodes.literal, nodes.FixedTextElement, nodes.math, nodes.Invisible)


def link(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for text in list(doctree.findall(nodes.Text)):
        if MENTION.search(text) and not inside(text, LEFT_ALONE):
            text.parent.replace(text, linked(app, docname, text))
    for raw in doctree.findall(nodes.raw):
        found = SETTLED.search(raw.astext())
        if found and found[1].partition(".")[0] in app.statements:
            address = f'<a class="reference internal" href="{target(app, docname, found[1])}">{found[1]}</a>'
            raw.children = [nodes.Text(raw.astext().replace(found[0], f"<strong>{address} settled."))]


def inside(node: nodes.Node, kinds: tuple) -> bool:
    while (node := node.parent) is not None:
        if isinstance(node, kinds):
            return True
    return False


def linked(app: Sphinx, docname: str, text: nodes.Text) -> list[nodes.Node]:
    """The text, with links in it."""
    parts, end = [], 0
    for found in MENTION.finditer(text):
        name, claim = found[1], found[0] if found[2] else None
        if name not in app.statements:
            continue
        if claim and claim not in app.settled:
            log.warning("claim %s is named here, but no notebook settles it", claim, location=text.parent)
            continue
        parts += [nodes.Text(text[end : found.start()])]
        parts += [nodes.reference("", found[0], refuri=target(app, docname, found[0]), internal=True)]
        end = found.end()
    return [*parts, nodes.Text(text[end:])]


def target(app: Sphinx, docname: str, name: str) -> str:
    """Where a statement, or a claim that is settled, stands on the page of verdicts."""
    statement, _, part = name.partition(".")
    anchor = app.settled[name][0][1]["anchor"] if part else name.lower()
    return f"{app.builder.get_relative_uri(docname, app.statements[statement].docname)}#{anchor}"


def setup(app: Sphinx) -> dict:
    app.connect("doctree-resolved", link, priority=600)  # what `verdicts` fills in is there by then
    return {"parallel_read_safe": True, "parallel_write_safe": True}
