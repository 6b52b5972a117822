"""Makes the catalogues of another language, and the site in it. The site in English is built before; no notebook runs.

    python book/booksite/editions/translate.py catalogues ko    # new messages go into book/locale/ko, to be translated
    python book/booksite/editions/translate.py site ko          # into _build/ko/html; what is untranslated is English
    python book/booksite/editions/translate.py check ko         # says which messages lack a translation, or a good one

A message whose English changes is kept as fuzzy, which means English on the page, until somebody has looked at it. The
templates of the catalogues are in _build/catalogues/gettext. The site of a language has the same pages, ids and results
as the English one, and is served beside it, as /ko/; BOOK_SITE_URL is its own address then.
"""

import re
import sys
from pathlib import Path

import yaml
from babel.messages import Catalog
from babel.messages.pofile import read_po, write_po
from jupyter_book.sphinx import build_sphinx

ROOT = Path(__file__).parents[3]
# What a translation must have as the English has it, in any order
MARKS = re.compile(r"\{(?:eval|verdict|cite:[pt])\}`[^`]*`|\{[^}]*\}|\$[^$]+\$")
LOCALE, TEMPLATES = Path("book/locale"), Path("_build/catalogues/gettext")


def build(root: Path, folder: Path, builder: str, language: str) -> None:
    """Make one form of the book at `root` in a folder of its own, strictly.

    Raises:
        SystemExit: it cannot be made.
    """
    options = dict(builder=builder, noconfig=True, warningiserror=True, keep_going=True)
    options["confoverrides"] = {"language": language, "nitpicky": True, "latex_individualpages": False}
    result = build_sphinx(str(root), str(root / folder), path_config=str(root / "_config.yml"), **options)
    if result:
        raise SystemExit(f"ERROR: {folder} was not made: {result}")


def own(root: Path) -> Catalog:
    """The messages of the site's own words, and where each is said; the title and the author of the book."""
    sys.path[:0] = [str(root / "book"), str(root / "notebooks")]
    from booksite.editions.languages import said
    from lab import palette

    found = Catalog(project="booksite")
    files = [root / "notebooks" / "lab" / "cards.py", *(root / "notebooks" / "lab" / "explorers").glob("*.js")]
    for kind in ("py", "js", "html"):
        files += (root / "book" / "booksite").rglob(f"*.{kind}")
    for file in sorted(files):
        for words in said(file.read_text(encoding="utf-8")):
            found.add(words, locations=[(file.relative_to(root).as_posix(), None)])
    for verdict in palette.VERDICTS:
        found.add(verdict, locations=[("notebooks/lab/palette.py", None)])
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    for name in ("title", "author"):
        found.add(config[name], locations=[("_config.yml", None)])
    return found


def templates(root: Path) -> dict[Path, Catalog]:
    """The messages of the book, by the path of their catalogue."""
    build(root, TEMPLATES, "gettext", "en")
    found = {Path("booksite.po"): own(root)}
    for file in sorted((root / TEMPLATES).rglob("*.pot")):
        found[file.relative_to(root / TEMPLATES).with_suffix(".po")] = read_po(file.open("rb"))
    return found


def folder(root: Path, language: str) -> Path:
    return root / LOCALE / language / "LC_MESSAGES"


def catalogues(root: Path, language: str) -> None:
    """Bring the catalogues of a language up to date; translations that there are stay."""
    for name, template in templates(root).items():
        file = folder(root, language) / name
        catalogue = Catalog(locale=language, fuzzy=False, header_comment="")
        if file.exists():
            with file.open("rb") as known:
                catalogue = read_po(known, locale=language)
        catalogue.update(template)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as written:
            write_po(written, catalogue, width=0, ignore_obsolete=True, include_lineno=False)


def site(root: Path, language: str) -> None:
    build(root, Path("_build", language, "html"), "html", language)


def check(root: Path, language: str) -> None:
    """Print the messages without a translation, with one that nobody has looked at since the English changed, or with
    one that has other values, roles or formulas.

    Raises:
        SystemExit: there are any.
    """
    found = []
    for file in sorted(folder(root, language).rglob("*.po")):
        with file.open("rb") as known:
            messages = [message for message in read_po(known) if message.id]
        for each in messages:
            wrong = "untranslated" if not each.string else "fuzzy" if each.fuzzy else "other marks"
            if wrong != "other marks" or sorted(MARKS.findall(each.id)) != sorted(MARKS.findall(each.string)):
                found.append(f"{file.relative_to(root)}: {wrong}: {each.id}")
    print(*found, sep="\n")
    if found:
        raise SystemExit(f"{len(found)} messages are to be seen to")


if __name__ == "__main__":
    known = {each.__name__: each for each in (catalogues, site, check)}
    if len(sys.argv) != 3 or sys.argv[1] not in known:
        raise SystemExit(__doc__)
    known[sys.argv[1]](ROOT, sys.argv[2])
