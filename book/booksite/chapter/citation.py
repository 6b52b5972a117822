"""Which build a page is of, and how to cite it: in the foot of every page, and at the end of each chapter.

Title and authors are those of CITATION.cff. And the papers that chapters cite: two of the same authors and year are told
apart, as 2020a and 2020b, wherever they are named.
"""

import codecs
import re
from collections import defaultdict
from pathlib import Path
from string import ascii_lowercase

import latexcodec  # noqa: F401  (the codec ulatex)
import yaml
from docutils import nodes
from pybtex.plugin import find_plugin
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.i18n import format_date

from booksite.editions import version
from booksite.editions.languages import say
from booksite.reader.formulas import in_words
from lab.cards import as_html

# What means something to LaTeX, and what latexcodec takes for LaTeX already; a lone brace would end a field
MARKUP = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\textbraceleft{}",
        "}": r"\textbraceright{}",
        "^": r"\textasciicircum{}",
        "$": r"\$",
    }
)

CAPITALS = ("author", "title", "booktitle")  # fields that BibTeX would put into lower case, or take to pieces


def cite(app: Sphinx, page: str, _template, context: dict, doctree) -> None:
    name, date = version.build(Path(app.srcdir))
    day = format_date(say("%-d %B %Y"), date=date, language=app.config.language)
    build = say("Version {name}, {day}") if name else say("Built on {day}")
    context["build"] = build.format(name=name, day=day)
    if doctree is not None and page.startswith("notebooks/"):
        book = yaml.safe_load(Path(app.srcdir, "CITATION.cff").read_text(encoding="utf-8"))
        fields = {
            "author": " and ".join(author["name"] for author in book["authors"]),
            "title": in_words(app.env.titles[page]),
            "booktitle": book["title"],
            "year": str(date.year),
            "note": context["build"],
        }
        url = context["pageurl"] if app.config.html_baseurl else None
        key = f"{nodes.make_id(page.rpartition('/')[2])}-{date.year}"  # without the number that a name begins with
        entry = bibtex(key, fields, url)
        context["citation"] = {**fields, "url": url, "title_html": as_html(fields["title"]), "bibtex": entry}


def bibtex(key: str, fields: dict[str, str], url: str | None) -> str:
    """An entry for BibTeX, in ASCII where LaTeX has a command for every letter."""
    fields = {name: f"{{{tex(text)}}}" if name in CAPITALS else tex(text) for name, text in fields.items()}
    if url:
        fields["url"] = url  # which styles set as it stands
    lines = [f"  {name:9} = {{{text}}}," for name, text in fields.items()]
    return "\n".join([f"@incollection{{{key},", *lines, "}"])


def tex(text: str) -> str:
    """Text as LaTeX; what that has no command for, as for Korean letters, stays."""
    return codecs.encode(text.translate(MARKUP), "ulatex+ascii", "keep")


def letter_years(_app: Sphinx, env: BuildEnvironment) -> None:
    """Give works that are cited by the same words a letter behind their year, in the order of the bibliography."""
    domain = env.get_domain("cite")
    works, style = domain.bibdata.data.entries, domain.reference_style
    for work in works.values():  # as the last build has left them
        work.fields["year"] = re.sub("[a-z]$", "", work.fields.get("year", ""))
    keys = {target.key for reference in domain.citation_refs for target in reference.targets}
    authors, alike = style.person.author_or_editor_or_title(full=False), defaultdict(list)
    for work in find_plugin("pybtex.style.formatting", env.config.bibtex_default_style)().sort(
        work for key, work in works.items() if key in keys
    ):
        alike[str(authors.format_data({"entry": work, "style": style})), work.fields["year"]].append(work)
    for same in alike.values():
        for letter, work in zip(ascii_lowercase, same if len(same) > 1 else (), strict=False):
            work.fields["year"] += letter
