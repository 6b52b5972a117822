"""A page loads what it uses, and its scripts do not hold up its first paint.

Formulas are the business of `formulas`, style sheets that of `styles`, scripts on all pages that of `scripts`,
FontAwesome that of `icons`, pictures that of `pictures`, and what the theme's own templates ask for that of the template
`webpack-macros.html`.
"""

from docutils import nodes
from sphinx.application import Sphinx

# What extensions put on every page, by a part of its name or text, and what stands on a page that uses it: thebe, the
# theme's switch between versions and what serves Sphinx's own search are used on none.
USED_WITH = {
    "thebe": None,
    "DOCUMENTATION_OPTIONS.pagename": None,
    "doctools": None,
    "sphinx_highlight": None,
    "sphinx-design": 'class="sd-',
    "design-tabs": 'class="sd-',
}


def used(file, body: str) -> bool:
    """Whether a page of this body has a use for a style sheet or script."""
    what = f"{file.filename} {file.attributes.get('body')}"
    return all(mark is not None and mark in body for part, mark in USED_WITH.items() if part in what)


def without_thebe(app: Sphinx, doctree: nodes.document, _docname: str) -> None:
    """Take out the settings that sphinx-thebe writes into every page."""
    for node in list(doctree.findall(nodes.raw)):
        if "x-thebe-config" in node.astext():
            node.parent.remove(node)


def load(_app: Sphinx, _page: str, _template, context: dict, _doctree) -> None:
    body = context.get("body", "")
    for kind in ("css_files", "script_files"):
        context[kind] = [file for file in context[kind] if used(file, body)]
    context["script_files"] = [
        type(file)(file.filename, priority=file.priority, **({"defer": "defer"} | file.attributes))
        if file.filename
        else file
        for file in context["script_files"]
    ]
