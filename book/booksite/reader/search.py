"""The search: Pagefind's index of the prose of every page, in place of Sphinx's own search.

What is found leads to a section. Titles weigh more than text, as Pagefind has it, and code weighs next to nothing: a
function's name is found, and no common word is found for its code. A page whose metadata says `nosearch` is left out.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bs4 import BeautifulSoup
from sphinx.application import Sphinx

from booksite.reader.formulas import plain

UNWANTED = "script, style, .headerlink, .definition, details.hide > summary, details.hide div.cell_input, div.math"
CODE, WEIGHT = "div.highlight", "0.1"


def prose(html: str) -> str:
    """The article of a built page as it is searched: its prose, and the ids of its sections on their headings."""
    article = BeautifulSoup(html, "html.parser").select_one("article.bd-article")
    for element in article.select(UNWANTED):
        element.decompose()
    for code in article.select(CODE):
        code["data-pagefind-weight"] = WEIGHT
    for formula in article.select("span.math"):
        formula.string = plain(formula["data-tex"])
    for heading in article.select("section > h1, section > h2, section > h3, section > h4"):
        heading["id"] = heading.parent.attrs.pop("id")
    return f"<html><body>{article}</body></html>"


def index(app: Sphinx, error: Exception | None) -> None:
    """Index all pages as they stand, also those that were not written again."""
    if error is not None or app.builder.name != "html":
        return
    folder = Path(app.outdir, "pagefind")
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as site:
        for docname in app.env.found_docs:
            if "nosearch" not in app.env.metadata[docname]:
                uri = app.builder.get_target_uri(docname)
                page = Path(site, uri)
                page.parent.mkdir(parents=True, exist_ok=True)
                page.write_text(prose(Path(app.outdir, uri).read_text(encoding="utf-8")), encoding="utf-8")
        # a process that is waited for: Pagefind's Python interface may return before the last of the files is whole
        options = ["--site", site, "--output-path", folder, "--force-language", app.config.language, "--keep-index-url"]
        subprocess.run([sys.executable, "-m", "pagefind", *options, "--quiet"], check=True)


def no_other(app: Sphinx) -> None:
    """Sphinx writes neither its index nor its page for searching."""
    app.builder.search = False
