"""One style sheet for all pages: what themes, extensions and the book bring in twenty, less the rules that nothing uses.

A rule stays if all elements, classes and ids in one of its selectors stand in a page or are words of a script that
a page loads, which may make such an element. What a selector says of attributes, states, and in brackets as of :not(...)
is not looked at. Of what is left, fonts and animations that nothing names go too. A page links to the sheet in
place of those that are in it, which remain in _static for who wants to read them.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from urllib.parse import urljoin

import tinycss2
from sphinx.application import Sphinx

SHEET = "site.css"
LINK = re.compile(r'<link\b(?=[^>]*\brel="stylesheet")[^>]*\bhref="([^"]*?_static/)([^"?]+\.css)[^"]*"[^>]*>\s*')
SCRIPT = re.compile(r'<script\b(?:[^>]*?\bsrc="[^"]*?_static/([^"?]+)[^"]*")?[^>]*>(.*?)</script>', re.S)
ELEMENT = re.compile(r"<([a-zA-Z][\w-]*)")
NAMED = re.compile(r'\b(?:class|id)="([^"]*)"')
WORD = re.compile(r"[a-zA-Z_][\w-]*")
IMPORT = re.compile(r"""@import\s+(?:url\()?["']([^"':]+)["']""")
URL = re.compile(r"""url\((["']?)(?!data:|https?:|[/#])([^)"']+)\1\)""")
LEFT_OUT = {"charset", "import"}  # a joined sheet is UTF-8, and holds what its parts import
NESTED = {"media", "supports", "layer", "container"}  # rules with rules in them


def pages(outdir: Path) -> list[Path]:
    return [file for file in sorted(outdir.rglob("*.html")) if "_static" not in file.relative_to(outdir).parts]


def words(outdir: Path) -> set[str]:
    """What the pages' elements, classes and ids are called, and all words of their scripts."""
    found, scripts = set(), set()
    for page in pages(outdir):
        html = page.read_text(encoding="utf-8")
        found.update(name.lower() for name in ELEMENT.findall(html))
        for names in NAMED.findall(html):
            found.update(names.split())
        for file, text in SCRIPT.findall(html):
            scripts.add(file)
            found.update(WORD.findall(text))
    for file in scripts - {""}:
        found.update(WORD.findall((outdir / "_static" / file).read_text(encoding="utf-8")))
    return found


class Used:
    """Knows whether a page or script may use a name."""

    def __init__(self, words: set[str]):
        self.words = words
        self.begun = tuple(word for word in words if word.endswith("-"))  # of which a script makes names

    def name(self, name: str) -> bool:
        return name in self.words or name.startswith(self.begun)

    def selector(self, selector: list) -> bool:
        before = ""
        for token in selector:
            if token.type == "hash" or (token.type == "ident" and before == "."):
                known = self.name(token.value)
            else:
                known = token.type != "ident" or before == ":" or self.name(token.lower_value)
            if not known:
                return False
            before = token.value if token.type == "literal" else ""
        return True

    def rules(self, rules: Iterable) -> Iterator[str]:
        """The rules that are used, with the selectors that are."""
        for rule in rules:
            if rule.type == "at-rule" and rule.lower_at_keyword in NESTED and rule.content is not None:
                inside = "".join(self.rules(parsed(rule.content)))
                if inside:
                    yield f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}{{{inside}}}\n"
            elif rule.type == "qualified-rule":
                known = selectors(rule.prelude)
                if any(map(self.selector, known)):
                    # a browser that does not know one of them leaves out the rule: only plain ones can go
                    chosen = [selector for selector in known if ":" in selector or self.selector(selector)]
                    text = ",".join(tinycss2.serialize(selector).strip() for selector in chosen)
                    yield f"{text}{{{tinycss2.serialize(rule.content).strip()}}}\n"
            elif not (rule.type == "at-rule" and rule.lower_at_keyword in LEFT_OUT):
                yield rule.serialize() + "\n"


def parsed(css: str | list) -> list:
    read = tinycss2.parse_stylesheet if isinstance(css, str) else tinycss2.parse_rule_list
    return read(css, skip_comments=True, skip_whitespace=True)


def selectors(prelude: list) -> list[list]:
    """A rule's selectors, each a list of tokens."""
    found = [[]]
    for token in prelude:
        if token == ",":
            found.append([])
        elif token.type != "comment":
            found[-1].append(token)
    return found


def joined(sheets: Iterable[tuple[str, str]], words: set[str]) -> str:
    """The rules of the sheets, each with its place below _static, that pages and scripts of these words use."""
    used = Used(words)
    return without_unnamed("".join(rule for place, sheet in sheets for rule in used.rules(parsed(moved(place, sheet)))))


def moved(place: str, sheet: str) -> str:
    """A sheet with the addresses in it right for one that lies in _static."""
    return URL.sub(lambda url: f'url("{urljoin(place, url[2])}")', sheet)


def without_unnamed(css: str) -> str:
    """The same without the fonts and the animations that no rule names."""
    rules = [(rule, rule.serialize()) for rule in parsed(css)]
    others = bare("".join(text for rule, text in rules if not defined(rule)))
    named = lambda name: re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", others)
    return "\n".join(text for rule, text in rules if not defined(rule) or named(defined(rule)))


def defined(rule) -> str | None:
    """The name of the font or of the animation that a rule defines."""
    if rule.type == "at-rule" and rule.lower_at_keyword.endswith("keyframes"):
        return bare(tinycss2.serialize(rule.prelude))
    if rule.type == "at-rule" and rule.lower_at_keyword == "font-face":
        return bare(re.search(r"font-family:([^;}]+)", tinycss2.serialize(rule.content))[1])
    return None


def bare(text: str) -> str:
    """A name, or a text with names, without marks: Font\\ A, "Font A" and Font A are the same font."""
    return re.sub(r"""[\\"']""", "", text).strip()


def order(lists: Iterable[list[str]]) -> list[str]:
    """All entries of the lists, each after those that are before it in any of them."""
    found = TopologicalSorter()
    for entries in lists:
        for before, entry in zip([None, *entries], entries, strict=False):
            found.add(entry, *([before] if before else []))
    return list(found.static_order())


def read(folder: Path, name: str) -> Iterator[tuple[str, str]]:
    """A sheet's place and text, after those that it imports."""
    css = (folder / name).read_text(encoding="utf-8")
    for imported in IMPORT.findall(css):
        yield from read(folder, urljoin(name, imported))
    yield name, css


def join(app: Sphinx, failure: Exception | None) -> None:
    """Write the sheet, and link it in all pages."""
    if failure or app.builder.name != "html":
        return
    outdir = Path(app.outdir)
    folder = outdir / "_static"
    html = {page: page.read_text(encoding="utf-8") for page in pages(outdir)}
    names = order([name for _, name in LINK.findall(text) if name != SHEET] for text in html.values())
    css = joined([sheet for name in names for sheet in read(folder, name)], words(outdir))
    (folder / SHEET).write_text(f"/* {' '.join(names)} */\n{css}", encoding="utf-8")
    mark = hashlib.sha256(css.encode()).hexdigest()[:8]  # else a browser would show its copy of an older one
    for page, text in html.items():
        one = LINK.sub(rf'<link rel="stylesheet" href="\1{SHEET}?v={mark}" />\n', text, count=1)
        first = LINK.search(one)
        page.write_text(one[: first.end()] + LINK.sub("", one[first.end() :]) if first else one, encoding="utf-8")
