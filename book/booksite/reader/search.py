"""The search: Pagefind's index of the prose of every page, in place of Sphinx's own search.

What is found leads to a section. Titles weigh more than text, as Pagefind has it, and code weighs next to nothing: a
function's name is found, and no common word is found for its code. A page whose metadata says `nosearch` is left out.

Readers ask questions, with words of their own and misspelled. questions.js makes of a question what Pagefind is asked,
with the names of terms that stand in the glossary's source, each in its entry, and the words of these and of all titles.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bs4 import BeautifulSoup, Tag
from sphinx.application import Sphinx

from booksite.chapter import terms
from booksite.reader.formulas import plain

UNWANTED = "script, style, .headerlink, .definition, details.hide > summary, details.hide div.cell_input, div.math"
CODE, WEIGHT = "div.highlight", "0.1"
SECTIONS = "section > h2, section > h3, section > h4"
TITLES = "h1, h2, h3, h4"
GLOSSARY = re.compile(r"^:::+\{glossary\}\n(.*?)^:::", re.S | re.M)
ALSO = re.compile(r"^ +% also: (.*)$", re.M)


def prose(html: str) -> Tag:
    """The article of a built page as it is searched: its prose, and the ids of its sections on their headings.

    The page's own heading has none, or the page would be found once more as its first section.
    """
    article = BeautifulSoup(html, "html.parser").select_one("article.bd-article")
    for element in article.select(UNWANTED):
        element.decompose()
    for code in article.select(CODE):
        code["data-pagefind-weight"] = WEIGHT
    for formula in article.select("span.math"):
        formula.string = plain(formula["data-tex"])
    for heading in article.select(SECTIONS):
        heading["id"] = heading.parent.attrs.pop("id")
    return article


def names(source: str) -> list[list[str]]:
    """The names of each term of a glossary in a page's source: its own, and those after `% also:` in its entry."""
    entries = (entry for glossary in GLOSSARY.findall(source) for entry in re.split(r"\n(?=\S)", glossary.strip()))
    also = lambda entry: [name for line in ALSO.findall(entry) for name in line.split(", ")]
    return [[entry.split("\n")[0], *also(entry)] for entry in entries]


def letters(text: str) -> str:
    return re.sub(r"[\s–-]+", "", text.lower())


def table(glossaries: list[str], titles: list[str], texts: list[str]) -> dict:
    """What questions.js knows: terms by all their names, and words as they are spelled.

    Args:
        glossaries: sources of pages with a glossary.
        titles: of pages and sections.
        texts: all that is searched.
    """
    known, everything = [term for source in glossaries for term in names(source)], letters(" ".join(texts))
    used = lambda term: [name for name in term if letters(name) in everything] or term[:1]
    words = re.findall(r"[a-z]{4,}", " ".join([*titles, *(name for term in known for name in term)]).lower())
    return {"terms": [{"names": term, "used": used(term)} for term in known], "words": sorted(set(words))}


def index(app: Sphinx, error: Exception | None) -> None:
    """Index all pages as they stand, also those that were not written again."""
    if error is not None or app.builder.name != "html":
        return
    folder = Path(app.outdir, "pagefind")
    shutil.rmtree(folder, ignore_errors=True)
    articles = []
    with tempfile.TemporaryDirectory() as site:
        for docname in app.env.found_docs:
            if "nosearch" not in app.env.metadata[docname]:
                uri = app.builder.get_target_uri(docname)
                page = Path(site, uri)
                page.parent.mkdir(parents=True, exist_ok=True)
                articles.append(prose(Path(app.outdir, uri).read_text(encoding="utf-8")))
                page.write_text(f"<html><body>{articles[-1]}</body></html>", encoding="utf-8")
        # a process that is waited for: Pagefind's Python interface may return before the last of the files is whole
        options = ["--site", site, "--output-path", folder, "--force-language", app.config.language, "--keep-index-url"]
        subprocess.run([sys.executable, "-m", "pagefind", *options, "--quiet"], check=True)
    glossaries = sorted({app.env.doc2path(docname) for docname, _ in terms.terms(app).values()})
    known = table(
        [Path(path).read_text(encoding="utf-8") for path in glossaries],
        [title.text for article in articles for title in article.select(TITLES)],
        [article.text for article in articles],
    )
    Path(folder, "names.json").write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8")


def no_other(app: Sphinx) -> None:
    """Sphinx writes neither its index nor its page for searching."""
    app.builder.search = False
