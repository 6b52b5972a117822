"""The book in another language, from the same run of the notebooks: which words are messages, and where they are put.

A page's own words are in the catalogue of the page, book/locale/LANGUAGE/LC_MESSAGES/notebooks/NAME.po. Most of them are
Sphinx's business; the rest is what this module makes of a page before Sphinx looks for its messages: claims' and
explorers' words, labels in figures, the lines of folded code, titles of exercises. Such a node is `Worded`.

The site's own words, in its Python, templates and scripts, in cards and explorers, stay in the code as say("English") and
are in the catalogue booksite.po. What is not in a catalogue stays English. `translate` makes the catalogues and the site.
"""

import html
import json
import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.locale import get_translation, init
from sphinx.transforms import SphinxTransform
from sphinx.util.i18n import CatalogRepository, docname_to_domain
from sphinx_exercise.nodes import exercise_subtitle

LOCALE, CATALOGUE = "book/locale", "booksite"
NAMED = ("html_title", "author")  # in the configuration
SAID = re.compile(r'\bsay\(\s*("(?:[^"\\]|\\.)*")')  # in Python, scripts and templates
LABEL = re.compile(r"(<text\b[^>]*>)([^<]+)(?=</text>)")  # in a figure; a formula is of several parts


def say(words: str) -> str:
    """Words of the site, in the language of the pages."""
    return str(get_translation(CATALOGUE)(words))


def said(source: str) -> list[str]:
    """The words that a source says, in English."""
    return [json.loads(found) for found in SAID.findall(source)]


def table(*scripts: str) -> dict[str, str]:
    """What scripts say, in the language of the pages; empty where that is English."""
    return {words: say(words) for script in scripts for words in said(script) if say(words) != words}


def labels(svg: str) -> list[str]:
    """The words in a figure: its texts that are more than a number."""
    texts = (html.unescape(text) for _, text in LABEL.findall(svg))
    return list(dict.fromkeys(text for text in texts if re.search(r"[^\W\d_]", text)))


def relabelled(svg: str, words: dict[str, str]) -> str:
    """The figure with other words in it."""

    def relabel(found: re.Match) -> str:
        text = html.unescape(found[2])
        return found[1] + html.escape(words.get(text, text), quote=False)

    return LABEL.sub(relabel, svg)


class Worded(addnodes.translatable):
    """A node some of whose words are messages of its page."""

    def messages(self) -> list[str]:
        """These words, in English."""
        raise NotImplementedError

    def translate(self, words: dict[str, str], srcdir: Path) -> None:
        """Put other words, by the English ones, in their place."""
        raise NotImplementedError

    def preserve_original_messages(self) -> None:
        self["messages"], self["words"] = self.messages(), {}

    def apply_translated_message(self, original_message: str, translated_message: str) -> None:
        self["words"][original_message] = translated_message

    def extract_original_messages(self) -> list[str]:
        return self["messages"]


class folded(nodes.container, Worded):
    """A cell with folded code."""

    def messages(self) -> list[str]:
        return [self["prompt_show"]]

    def translate(self, words: dict[str, str], srcdir: Path) -> None:
        self["prompt_show"] = words.get(self["prompt_show"], self["prompt_show"])


class drawing(nodes.image, Worded):
    """A figure that a notebook drew; attribute: labels."""

    def messages(self) -> list[str]:
        return [*filter(None, [self.get("alt")]), *self["labels"]]

    def translate(self, words: dict[str, str], srcdir: Path) -> None:
        if self.get("alt"):
            self["alt"] = words.get(self["alt"], self["alt"])
        if not words.keys().isdisjoint(self["labels"]):
            uri = Path(self["uri"]).with_suffix(".words.svg")
            svg = (srcdir / self["uri"].lstrip("/")).read_text(encoding="utf-8")
            (srcdir / str(uri).lstrip("/")).write_text(relabelled(svg, words), encoding="utf-8")
            self["uri"] = uri.as_posix()


class title_words(nodes.inline, Worded):
    """The title of an exercise, which sphinx-exercise takes to another place later."""

    def messages(self) -> list[str]:
        return [self.astext()]

    def translate(self, words: dict[str, str], srcdir: Path) -> None:
        text = self.astext()
        if text in words:
            self.children = []
            self += nodes.Text(words[text])


def replace(node: nodes.Element, other: nodes.Element) -> None:
    other.source, other.line = node.source, node.line
    node.replace_self(other)


class Find(SphinxTransform):
    """Make `Worded` nodes of what has words that Sphinx does not see."""

    default_priority = 5  # before Sphinx notes what messages there are

    def apply(self, **kwargs) -> None:
        for node in list(self.document.findall(nodes.container)):
            if node.get("hide_mode"):
                replace(node, folded("", *node.children, **node.attributes))
        for node in list(self.document.findall(nodes.image)):
            if node["uri"].startswith("/") and node["uri"].endswith(".svg"):
                svg = Path(self.app.srcdir, node["uri"].lstrip("/")).read_text(encoding="utf-8")
                replace(node, drawing("", labels=labels(svg), **node.attributes))
        for node in list(self.document.findall(exercise_subtitle)):
            words, node.children = title_words("", "", *node.children), []
            node += words
        for node in self.document.findall(Worded):
            if node.source is None:
                place = node
                while place.source is None and place.parent is not None:
                    place = place.parent
                node.source, node.line = place.source or self.document["source"], place.line


class Translate(SphinxTransform):
    """Put the words that Sphinx found for `Worded` nodes in their place."""

    default_priority = 110  # after the table of contents stands on its page, before the site notes what a page has

    def apply(self, **kwargs) -> None:
        place = Path(self.app.srcdir, LOCALE)
        messages, _ = init([place], self.config.language, docname_to_domain(self.env.docname, False))
        for toctree in self.document.findall(addnodes.toctree):
            if toctree["caption"]:
                toctree["caption"] = messages.gettext(toctree["caption"])
        for node in self.document.findall(Worded):
            if node["words"]:
                node.translate(node["words"], Path(self.app.srcdir))


def configure(app: Sphinx, config: Config) -> None:
    config.locale_dirs = [LOCALE]
    config.gettext_compact = False  # a catalogue for each page
    for name in NAMED:
        config[name] = say(config[name])
    config.numfig_format |= {"figure": say("Figure %s")}


def give(_app: Sphinx, _page: str, _template, context: dict, _doctree) -> None:
    """Templates say words too."""
    context["say"] = say


def setup(app: Sphinx) -> None:
    for found in CatalogRepository(app.srcdir, [LOCALE], app.config.language, "utf-8").catalogs:
        if found.domain == CATALOGUE and found.is_outdated():  # Sphinx makes those of pages, but later
            found.write_mo(app.config.language)
    app.add_message_catalog(CATALOGUE, str(Path(app.srcdir, LOCALE)))
    app.add_transform(Find)
    app.add_transform(Translate)
    for node in (folded, drawing, title_words):
        app.add_node(node)
    scripts = [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parents[1].glob("*/*.js"))]
    words = json.dumps(table(*scripts), ensure_ascii=False).replace("<", "\\u003c")
    app.add_js_file(None, body=f"const WORDS = {words}, say = (words) => WORDS[words] ?? words;", priority=1)
