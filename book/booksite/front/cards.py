"""The front page's cards: a chapter's number and question, its answer in one line, and a picture out of it.

On the page of verdicts, above the statements of a chapter:

    :::{question} ../notebooks/08_going_deep.ipynb
    :figure: fig-depth

    At 24 layers one of the two designs learns.
    :::

says there from which chapter they are. On the front page, `{questions} NAME OF A PART` makes a card of each chapter in
that part of the table of contents. The question is the chapter's title. The picture is the figure or explorer of that
name; without one, the first of the chapter. It is taken from the chapter as it stands in this build, also where it was
not run again. A chapter without a question, and a picture that is not there, are warnings, so that a strict build stops.
"""

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from booksite.chapter.explorers import explorer
from booksite.editions.languages import say
from booksite.reader.formulas import in_words

log = logging.getLogger(__name__)


class question(nodes.General, nodes.Element):
    """A chapter's answer; attributes: chapter (docname), figure (name or None)."""


class cards_of_part(nodes.General, nodes.Element):
    """Stands where the cards of a part will be; attribute: caption."""


class QuestionDirective(SphinxDirective):
    """The chapter, and the answer as content."""

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
        self.env.metadata[self.env.docname]["questions"] = True
        node = question(chapter=chapter, figure=self.options.get("figure"))
        self.set_source_info(node)
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


class QuestionsDirective(SphinxDirective):
    """The cards of a part of the book."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        node = cards_of_part(caption=self.arguments[0])
        self.set_source_info(node)
        return [node]


def questions(env: BuildEnvironment) -> dict[str, question]:
    """The chapters' questions, by docname."""
    pages = [docname for docname in sorted(env.found_docs) if "questions" in env.metadata[docname]]
    found = [node for docname in pages for node in env.get_doctree(docname).findall(question)]
    return {node["chapter"]: node for node in found}


def chapters(env: BuildEnvironment, caption: str) -> list[str]:
    """The docnames in the part of the table of contents with this caption; none, where there is no such part."""
    parts = {subtree.caption: subtree for subtree in env.external_site_map.root.subtrees}
    return [str(item) for item in parts[caption].items] if caption in parts else []


def picture(doctree: nodes.document, name: str | None) -> nodes.Node | None:
    """A copy of a chapter's figure or explorer of this name, or of its first."""
    for node in doctree.findall(lambda node: isinstance(node, nodes.image | explorer)):
        figure = node
        while figure is not None and not isinstance(figure, nodes.figure):
            figure = figure.parent
        names = figure["ids"] + figure["names"] if figure is not None else []
        if isinstance(node, explorer):
            names = [node["record"]["name"]]
        if name is None or name in names:
            found = node.deepcopy()
            found["ids"], found["names"], found["still_only"] = [], [], True
            return found
    return None


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for node in list(doctree.findall(cards_of_part)):
        known, found = questions(app.env), chapters(app.env, node["caption"])
        if not found:
            log.warning("the table of contents has no part %r", node["caption"], location=node)
        for chapter in found:
            if chapter not in known:
                log.warning("no page has a question with the answer of this chapter", location=chapter)
        node.replace_self([card(app, docname, known[chapter]) for chapter in found if chapter in known])
    for node in list(doctree.findall(question)):
        link = reference(app, docname, node["chapter"], in_words(app.env.titles[node["chapter"]]))
        before, _, after = say("From the chapter {title}").partition("{title}")
        node.replace_self(nodes.paragraph("", "", nodes.Text(before), link, nodes.Text(after)))


def reference(app: Sphinx, docname: str, chapter: str, text: str) -> nodes.reference:
    return nodes.reference("", text, refuri=app.builder.get_relative_uri(docname, chapter), internal=True)


def card(app: Sphinx, docname: str, found: question) -> nodes.container:
    chapter = found["chapter"]
    number = app.env.toc_secnumbers.get(chapter, {}).get("")
    title = (f"{number[0]}. " if number else "") + in_words(app.env.titles[chapter])
    link = nodes.paragraph("", "", reference(app, docname, chapter, title), classes=["question-title"])
    words = nodes.container("", link, *(child.deepcopy() for child in found.children))
    whole = nodes.container("", words, classes=["question"])
    image = picture(app.env.get_doctree(chapter), found["figure"])
    if image is None:
        log.warning("%s has no figure %s", chapter, found["figure"] or "at all", location=found)
    else:
        whole += nodes.container("", image, classes=["question-picture"])
    return whole


def setup(app: Sphinx) -> None:
    app.add_node(question)
    app.add_node(cards_of_part)
    app.add_directive("question", QuestionDirective)
    app.add_directive("questions", QuestionsDirective)
