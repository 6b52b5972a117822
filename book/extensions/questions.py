"""The front page's cards: a chapter's number and question, its answer in one line, and a picture out of it.

    :::{question} ../notebooks/08_going_deep.ipynb
    :figure: fig-depth

    At 24 layers one of the two designs learns.
    :::

The question is the chapter's title. The picture is the figure of that name, or the still of the explorer of that
name; without one, the first figure or explorer of the chapter. It is taken from the chapter as it stands in this
build, also where it was not run again. A picture that is not there is a warning, so that a strict build stops.
"""

import re

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

log = logging.getLogger(__name__)
STILL = re.compile(r'data-explorer="([^"]*)".*?<div class="explorer-still">(<img [^>]*>)', re.S)


class question(nodes.General, nodes.Element):
    """Stands where a card will be and holds its answer; attributes: chapter (docname), figure (name or None)."""


class QuestionDirective(SphinxDirective):
    """A card: the chapter, and the answer as content."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec = {"figure": directives.unchanged}
    has_content = True

    def run(self) -> list[nodes.Node]:
        _, path = self.env.relfn2path(self.arguments[0])
        chapter = self.env.path2doc(path)
        if chapter not in self.env.found_docs:
            log.warning("no such chapter: %s", self.arguments[0], location=self.get_location())
            return []
        node = question(chapter=chapter, figure=self.options.get("figure"))
        self.set_source_info(node)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


def picture(doctree: nodes.document, name: str | None) -> nodes.Node | None:
    """A copy of a chapter's figure of this name, or of its first."""
    for node in doctree.findall(lambda node: isinstance(node, nodes.image | nodes.raw)):
        if isinstance(node, nodes.raw):
            explorer = STILL.search(node.astext())
            if explorer and name in (None, explorer[1]):
                return nodes.raw("", explorer[2], format="html")
        else:
            figure = node.parent
            while figure is not None and not isinstance(figure, nodes.figure):
                figure = figure.parent
            if name is None or figure is not None and name in figure["ids"] + figure["names"]:
                image = node.deepcopy()
                image["ids"], image["names"] = [], []
                return image
    return None


def pages(app: Sphinx, env) -> list[str]:
    """The pages with cards are written at every build, since a chapter may have changed."""
    return [name for name in sorted(env.found_docs) if any(env.get_doctree(name).findall(question))]


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for node in list(doctree.findall(question)):
        chapter = node["chapter"]
        number = app.env.toc_secnumbers.get(chapter, {}).get("")
        title = f"{number[0]}. " if number else ""
        uri = app.builder.get_relative_uri(docname, chapter)
        link = nodes.reference("", title + app.env.titles[chapter].astext(), refuri=uri, internal=True)
        words = nodes.container("", nodes.paragraph("", "", link, classes=["question-title"]), *node.children)
        card = nodes.container("", words, classes=["question"])
        image = picture(app.env.get_doctree(chapter), node["figure"])
        if image is None:
            log.warning("%s has no figure %s", chapter, node["figure"] or "at all", location=node)
        else:
            card += nodes.container("", image, classes=["question-picture"])
        node.replace_self(card)


def setup(app: Sphinx) -> dict:
    app.add_node(question)
    app.add_directive("question", QuestionDirective)
    app.connect("env-updated", pages)
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
