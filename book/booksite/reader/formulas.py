"""Formulas are set when the book is built, so that a page loads no MathJax and needs no script to show them.

MathJax sets them as it would in a browser, in the Node.js that Playwright brings: the glyphs, and beside them MathML for
screen readers. A formula is as large as the text around it (formulas.css), and can be copied as the TeX that it was
written in (formulas.js). Results are kept by content, so that each formula is set once. One that does not parse is a
warning, so that a strict build stops.
"""

import hashlib
import html
import json
import re
import subprocess
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from docutils import nodes
from playwright._impl._driver import compute_driver_executable
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

from booksite.reader import fonts, styles

log = logging.getLogger(__name__)
SCRIPT = Path(__file__).with_suffix(".cjs")
PACKAGE = "sphinx-mathjax-offline"  # which brings MathJax; what it does as an extension is not used
MATHJAX = Path(find_spec(PACKAGE).origin).parent / "static" / "mathjax"
STYLE = "mathjax.css"
FONT = re.compile(r'url\("mathjax/(.+?\.woff)"\)')
RENDERER = "set"  # its name among Sphinx's renderers of formulas
CLASSES = "math notranslate nohighlight"
SET = re.compile(rf'<span class="{CLASSES}"[^>]* data-tex="([^"]*)".*?</mjx-container></span>', re.S)
Formula = tuple[str, bool]  # TeX, and whether it is displayed


def plain(tex: str) -> str:
    """A short formula as a reader would type it: 1/√d_k; what cannot be written so is left out."""
    text = re.sub(r"\\sqrt\{(.*?)\}|\\(?:text|mathrm)\{(.*?)\}", lambda m: f"√{m[1]}" if m[1] else m[2] or "", tex)
    return "…" if re.search(r"[\\{}]", text) else text


def in_words(node: nodes.Element) -> str:
    """The text of a title or paragraph in one line, its formulas as plain text."""
    text = node.deepcopy()
    for formula in list(text.findall(nodes.math)):
        formula.replace_self(nodes.Text(plain(formula.astext())))
    return " ".join(text.astext().split())


def configure(_app: Sphinx, config: Config) -> None:
    config.html_math_renderer = RENDERER


def wanted(node: nodes.math | nodes.math_block) -> Formula:
    """What MathJax is to set for a node; of a display formula, as Sphinx gives it to MathJax in a browser."""
    tex = node.astext()
    if isinstance(node, nodes.math) or node.get("nowrap"):
        return tex, isinstance(node, nodes.math_block)
    parts = [part for part in tex.split("\n\n") if part.strip()]
    parts = [rf"\begin{{split}}{part}\end{{split}}" if r"\\" in part else part for part in parts]
    lines = r"\\".join(parts)
    return (rf"\begin{{align}}\begin{{aligned}}{lines}\end{{aligned}}\end{{align}}" if len(parts) > 1 else lines), True


@cache
def made_with() -> list[str]:
    return [SCRIPT.read_text(encoding="utf-8"), version(PACKAGE)]


def kept(app: Sphinx, kind: str, *content: str | bool) -> Path:
    """The file that keeps what was made of a formula as HTML, or, as CSS, of none: the style sheet for all."""
    made_of = json.dumps([*made_with(), *content])
    return Path(app.doctreedir).parent / ".formulas" / f"{hashlib.sha256(made_of.encode()).hexdigest()}.{kind}"


def typeset(app: Sphinx, formulas: Iterable[Formula]) -> dict[Formula, str]:
    """Set those that are not kept, all in one process. Returns what is wrong with those that do not parse."""
    style, wrong = kept(app, "css"), {}
    missing = [formula for formula in dict.fromkeys(formulas) if not kept(app, "html", *formula).exists()]
    if style.exists() and not missing:
        return wrong
    command = [compute_driver_executable()[0], SCRIPT, MATHJAX]
    done = subprocess.run(command, input=json.dumps(missing), stdout=subprocess.PIPE, encoding="utf-8", check=True)
    made = json.loads(done.stdout)
    style.parent.mkdir(parents=True, exist_ok=True)
    for formula, result in zip(missing, made["formulas"], strict=True):
        if "html" in result:
            kept(app, "html", *formula).write_text(result["html"], encoding="utf-8")
        else:
            wrong[formula] = result["error"]
    style.write_text(made["style"], encoding="utf-8")
    return wrong


def begin(app: Sphinx) -> None:
    """Write MathJax's style sheet, from which `styles` drops what no page uses."""
    if app.builder.format == "html":
        typeset(app, [])
        file = Path(app.outdir, "_static", STYLE)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(kept(app, "css").read_text(encoding="utf-8"), encoding="utf-8")


def prepare(app: Sphinx, env: BuildEnvironment) -> None:
    """Set the formulas of all pages; of those that do not parse is told where they stand, when they are written."""
    if app.builder.format == "html":
        is_formula = lambda node: isinstance(node, nodes.math | nodes.math_block)
        typeset(app, [wanted(node) for page in env.found_docs for node in env.get_doctree(page).findall(is_formula)])


def typeset_html(writer: HTML5Translator, node: nodes.math | nodes.math_block) -> str:
    app, formula = writer.builder.app, wanted(node)
    for why in typeset(app, [formula]).values():
        where = node if node.line else writer.builder.current_docname
        log.warning("the formula %s does not parse: %s", node.astext(), why, location=where)
        return f"<code>{html.escape(node.astext())}</code>"
    return kept(app, "html", *formula).read_text(encoding="utf-8")


def visit(writer: HTML5Translator, node: nodes.math) -> None:
    tag = writer.starttag(node, "span", "", CLASS=CLASSES, **{"data-tex": node.astext()})
    writer.body.append(f"{tag}{typeset_html(writer, node)}</span>")
    raise nodes.SkipNode


def visit_display(writer: HTML5Translator, node: nodes.math_block) -> None:
    writer.body.append(writer.starttag(node, "div", "", CLASS=CLASSES, **{"data-tex": node.astext()}))
    if node["number"]:
        writer.body.append(f'<span class="eqno">({get_node_equation_number(writer, node)})')
        writer.add_permalink_ref(node, _("Link to this equation"))
        writer.body.append("</span>")
    writer.body.append(f"{typeset_html(writer, node)}</div>\n")
    raise nodes.SkipNode


def name(app: Sphinx, page: str, _template, context: dict, doctree: nodes.document | None) -> None:
    """In a page's title, which browsers and paper show as it is, formulas are plain text."""
    context["title"] = SET.sub(lambda found: html.escape(plain(html.unescape(found[1]))), context.get("title", ""))
    if doctree is not None:
        context["pagetitle"] = in_words(app.env.titles[page])


def cut(app: Sphinx, failure: Exception | None) -> None:
    """Write MathJax's fonts with the characters that the site's style sheet shows, and no others."""
    if failure or app.builder.name != "html":
        return
    folder = Path(app.outdir, "_static")
    css = (folder / styles.SHEET).read_text(encoding="utf-8")
    points = fonts.shown(css)
    for font in sorted(set(FONT.findall(css))):
        fonts.cut(MATHJAX / "output/chtml/fonts/woff-v2" / font, points, folder / "mathjax" / font)


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer(RENDERER, (visit, None), (visit_display, None))
