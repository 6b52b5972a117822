"""Which build a page is of, and how to cite it: in the foot of every page, and at the end of each chapter.

Title and authors are those of CITATION.cff.
"""

from pathlib import Path

import yaml
from sphinx.application import Sphinx
from sphinx.util.i18n import format_date

from booksite.editions import version
from booksite.editions.languages import say
from booksite.reader.formulas import in_words


def cite(app: Sphinx, page: str, _template, context: dict, doctree) -> None:
    name, date = version.build(Path(app.srcdir))
    day = format_date(say("%-d %B %Y"), date=date, language=app.config.language)
    build = say("Version {name}, {day}") if name else say("Built on {day}")
    context["build"] = build.format(name=name, day=day)
    if doctree is not None and page.startswith("notebooks/"):
        book = yaml.safe_load(Path(app.srcdir, "CITATION.cff").read_text(encoding="utf-8"))
        context["citation"] = {
            "key": page.rpartition("/")[2],
            "authors": " and ".join(author["name"] for author in book["authors"]),
            "chapter": in_words(app.env.titles[page]),
            "book": book["title"],
            "year": date.year,
            "build": context["build"],
            "url": context["pageurl"] if app.config.html_baseurl else None,
        }
