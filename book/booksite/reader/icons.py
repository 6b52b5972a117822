"""The icons that pages show, and no others: cut out of FontAwesome's style sheet and fonts when all pages are written.

The theme brings FontAwesome whole, 180 kB for a dozen icons. The template `webpack-macros.html` links in its place what is
written here: _static/icons/icons.css, and the fonts beside it.
"""

import re
from pathlib import Path

import pydata_sphinx_theme
import tinycss2
from sphinx.application import Sphinx

from booksite.reader import fonts

THEME = Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/vendor/fontawesome"
CLASS = re.compile(r"\bfa[brs]?(?:-[a-z0-9-]+)?\b")


def classes(outdir: Path) -> set[str]:
    """FontAwesome's classes that pages and the theme's scripts name."""
    files = [*outdir.rglob("*.html"), *outdir.glob("_static/*.js"), *outdir.glob("_static/scripts/*.js")]
    return {name for file in files for name in CLASS.findall(file.read_text(encoding="utf-8"))}


def drawn(css: str) -> set[int]:
    """The code points of the icons that a style sheet draws: FontAwesome's lie in the private use area."""
    escaped = {int(code, 16) for code in re.findall(r"\\([ef][0-9a-f]{3})\b", css)}
    return escaped | {ord(character) for character in css if "\ue000" <= character <= "\uf8ff"}


def style(css: str, used: set[str]) -> str:
    """FontAwesome's style sheet without the rules of other classes, animations and the fonts' names of old versions."""
    kept = []
    for rule in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        text = rule.serialize()
        if rule.type == "qualified-rule":
            named = set(re.findall(r"\.([a-z0-9-]+)", tinycss2.serialize(rule.prelude)))
            if not named or named & used:
                kept.append(text)
        elif rule.at_keyword == "font-face" and re.search(r"Font Awesome\\ [56]", text):
            kept.append(re.sub(r"src:[^}]*/([a-z0-9-]+)\.woff2[^}]*", r'src:url(\1.woff) format("woff")', text))
    return "\n".join(kept)


def cut(app: Sphinx, failure: Exception | None) -> None:
    if failure or app.builder.name != "html":
        return
    outdir = Path(app.outdir)
    (sheet,) = THEME.glob("*/css/all.min.css")
    css = style(sheet.read_text(encoding="utf-8"), classes(outdir))
    sheets = [*outdir.glob("_static/*.css"), *outdir.glob("_static/styles/*.css")]
    points = drawn(css).union(*(drawn(file.read_text(encoding="utf-8")) for file in sheets))
    icons = outdir / "_static" / "icons"
    icons.mkdir(parents=True, exist_ok=True)
    (icons / "icons.css").write_text(css, encoding="utf-8")
    for name in set(re.findall(r"url\((.+?)\.woff\)", css)):
        fonts.cut(sheet.parent.parent / "webfonts" / f"{name}.ttf", points, icons / f"{name}.woff")
