"""The site: one Sphinx extension, in rooms. Each answers one question of who maintains the book.

    running/    notebooks run, cached, named when they fail    what a build runs again, and why
    claims/     verdicts, links to claims, the cards' style     how a claim looks and is checked
    chapter/    numbers, explorers, folds, terms, citation      what a page of a chapter has
    front/      the front page's cards, sharing                 how the book is found
    editions/   the plain notebooks, the version                in which forms the book comes, and in which not
    reader/     search, formulas, weight, print, buttons        what readers and their machines need

A feature's Python, script, style and template lie together. Below stands what acts when, and nowhere else.
"""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import myst_nb.core.render
from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer
from sphinx.application import Sphinx
from sphinx.config import Config

FOLDER = Path(__file__).parent
sys.path += [str(FOLDER.parent), str(FOLDER.parents[1] / "notebooks")]

from booksite.chapter import citation, explorers, folds, terms, unbroken, values  # noqa: E402
from booksite.claims import mentions, verdicts  # noqa: E402
from booksite.editions import forms, languages, plain  # noqa: E402
from booksite.front import cards, sharing  # noqa: E402
from booksite.reader import accessible, formulas, icons, lean, pictures, repository, scripts, search, styles  # noqa: E402
from booksite.running import interruptions, notebooks  # noqa: E402
from lab import claims as lab_claims  # noqa: E402
from lab import contents  # noqa: E402
from lab import explorers as lab_explorers  # noqa: E402
from proof import page as proof  # noqa: E402

# The parts that have directives, roles or nodes
PARTS = [languages, values, folds, explorers, verdicts, cards, proof, repository, formulas]

# What acts at each event, in order; before and after what the theme and other extensions do at the same event
BEFORE = {
    "config-inited": [
        interruptions.begin,
        notebooks.prepare,
        languages.configure,
        sharing.address,
        repository.configure,
    ],
    "builder-inited": [verdicts.colours, formulas.begin],
    "env-before-read-docs": [notebooks.execute],
    "doctree-read": [folds.name, unbroken.keep_together],
    "env-updated": [verdicts.check, citation.letter_years, formulas.prepare],
    "doctree-resolved": [
        cards.fill,
        verdicts.fill,
        proof.fill,
        explorers.fill,
        mentions.link,
        unbroken.keep_together,  # in what has come since
    ],
    "html-page-context": [languages.give, citation.cite, terms.add, sharing.tags, accessible.repair],
}
AFTER = {
    "config-inited": [formulas.configure],
    "builder-inited": [search.no_other],
    "doctree-resolved": [lean.without_thebe],
    "html-page-context": [formulas.name, lean.load, repository.lead_to_plain, pictures.place],
    "build-finished": [
        pictures.shrink,
        sharing.finish,
        icons.cut,
        scripts.join,
        styles.join,
        formulas.cut,
        plain.write,
        search.index,
        interruptions.end,
    ],
}

STYLES = [
    "verdicts.css",  # written by the build
    formulas.STYLE,  # the same
    "formulas.css",
    "chapter.css",
    "claims.css",
    "search.css",
    "print.css",
    "scriptless.css",
    "accessible.css",
    "terms.css",
]
SCRIPTS = ["folds.js", "search.js", "accessible.js", "terms.js", "formulas.js"]

# The outputs of notebooks that are the book's own, and what makes nodes of them
OUTPUTS = {
    lab_claims.MIME: verdicts.record,
    contents.MIME: verdicts.own_statements,
    lab_explorers.MIME: explorers.record,
}


class Outputs:
    """Makes nodes of the book's own outputs, for myst-nb, which wants such a class."""

    # catalogues have the words in figures too
    mime_priority_overrides = [*(("*", mime, 1) for mime in OUTPUTS), ("gettext", "image/svg+xml", 2)]

    @staticmethod
    def handle_mime(_renderer: NbElementRenderer, data: MimeData, _inline: bool) -> list[nodes.Node] | None:
        return OUTPUTS[data.mime_type](data) if data.mime_type in OUTPUTS else None


def files(_app: Sphinx, config: Config) -> None:
    """Styles, scripts and templates lie in the rooms, beside their Python."""
    rooms = [str(file.parent) for file in sorted(FOLDER.glob("*/__init__.py"))]
    config.html_static_path += rooms
    config.templates_path[:0] = rooms  # before those that the theme has put there
    config.exclude_patterns += ["**.py", "**.html", "**.pyc", "**.cjs", "components", "static"]  # among the former


def everywhere(_app: Sphinx, env) -> list[str]:
    """Every page is written at every build, since any may show what stands on another."""
    return sorted(env.found_docs)


def unless_catalogues(handler: Callable) -> Callable:
    """What turns nodes into what pages show; catalogues of messages are made of the nodes."""

    @wraps(handler)
    def handle(app: Sphinx, *arguments) -> None:
        if app.builder.name != "gettext":
            handler(app, *arguments)

    return handle


def setup(app: Sphinx) -> dict:
    forms.refuse_others()
    myst_nb.core.render.load_mime_renders = lambda: [Outputs]
    for part in PARTS:
        part.setup(app)
    for name in STYLES:
        app.add_css_file(name)
    for name in SCRIPTS:
        app.add_js_file(name)
    app.connect("config-inited", files)
    app.connect("env-updated", everywhere)
    for when, events in ((1, BEFORE), (999, AFTER)):
        for event, handlers in events.items():
            for handler in handlers:
                resolves = event == "doctree-resolved"
                app.connect(event, unless_catalogues(handler) if resolves else handler, priority=when)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
