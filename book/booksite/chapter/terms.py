"""Shows a term's definition where its link stands, on pointing, focus or a tap; the link still leads to the glossary.

The definitions of a page's terms are put at its end, out of sight, when it is written; terms.js shows them. They are
no part of the page's text: the search does not find them there.
"""

import html

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx


def terms(app: Sphinx) -> dict[str, tuple[str, str]]:
    """Every term's place: name -> (docname, anchor)."""
    objects = app.env.get_domain("std").objects
    return {name: place for (kind, name), place in objects.items() if kind == "term"}


def definitions(app: Sphinx) -> dict[str, nodes.definition]:
    """Every term's definition, by its anchor."""
    found = {}
    for docname in sorted({docname for docname, _ in terms(app).values()}):
        for item in app.env.get_doctree(docname).findall(nodes.definition_list_item):
            for term in item.findall(nodes.term):
                found |= {anchor: item[-1] for anchor in term["ids"]}
    return found


def add(app: Sphinx, page: str, _template: str, context: dict, doctree: nodes.document | None) -> None:
    """Append the definitions of the terms that a page links to."""
    if doctree is None:
        return
    links = [node.get("refuri", "#" + node.get("refid", "")) for node in doctree.findall(nodes.reference)]
    known = definitions(app)
    for anchor in dict.fromkeys(link.partition("#")[2] for link in links):
        if anchor in known:
            context["body"] += rendered(app, anchor, known[anchor])


def rendered(app: Sphinx, anchor: str, definition: nodes.definition) -> str:
    """A definition as HTML; the terms in it are plain words."""
    definition = definition.deepcopy()
    for reference in list(definition.findall(addnodes.pending_xref)):
        reference.replace_self(nodes.inline("", reference.astext()))
    body = "".join(app.builder.render_partial(child)["fragment"] for child in definition)
    return f'<div class="definition" id="definition-{html.escape(anchor)}" hidden>{body}</div>\n'
