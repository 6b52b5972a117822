"""Pages that can be found and shared: descriptions, pictures for links to them, a root page, a page for lost readers.

A page describes itself by its short answer, or by its first paragraph. Its picture is that of its card on the front
page, or its first figure; a page without one has the front page's. BOOK_SITE_URL is the address at which the site will
stand. What needs absolute addresses is written only where it is set: canonical links, pictures, sitemap.xml, robots.txt.

The root page is the front page once more, with its links made right, so that a visit needs no redirect.
"""

import os
import posixpath
import re
from html import escape
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

from docutils import nodes
from PIL import Image, ImageOps
from sphinx.application import Sphinx
from sphinx.config import Config

from booksite.chapter.explorers import explorer
from booksite.front.cards import picture, questions
from booksite.reader.formulas import in_words
from booksite.reader.pictures import png

SIZE, MARGIN = (1200, 630), 30  # pixels; the shape in which networks show pictures of links
LINK = re.compile(r'((?:href|src|data-content_root)=")(?!#|/|[a-z]+:)([^"]*)')
VIEWPORT = re.compile(r'<meta [^>]*name="viewport"[^>]*>')


def address(_app: Sphinx, config: Config) -> None:
    """Where the site will stand, if that is known: canonical links are Sphinx's own business then."""
    url = os.environ.get("BOOK_SITE_URL", "")
    config.html_baseurl = url and url.rstrip("/") + "/"
    config.notfound_urls_prefix = urlsplit(config.html_baseurl).path or "/"


def description(doctree: nodes.document) -> str:
    """The short answer of a chapter, which its mark (short-answer)= names; of another page, its first paragraph."""
    found = [node for node in doctree.findall(nodes.paragraph) if isinstance(node.parent, nodes.section)]
    answer = [node for node in found if "short-answer" in node["names"]]
    for label in answer[0].findall(nodes.strong) if answer else ():  # the words that say what it is
        return in_words(answer[0]).removeprefix(label.astext()).strip()
    return in_words(found[0]) if found else ""


def drawn(app: Sphinx, docname: str) -> tuple[str, str] | None:
    """A page's picture: its SVG, and its text alternative."""
    known = questions(app.env)
    node = picture(app.env.get_doctree(docname), known[docname]["figure"] if docname in known else None)
    if isinstance(node, explorer):
        return node["record"]["still"], node["record"]["alt"]
    if node is not None and node["uri"].endswith(".svg"):
        return Path(app.srcdir, node["uri"]).read_text(encoding="utf-8"), node.get("alt", "")
    front = next(iter(known), None)
    return drawn(app, front) if front not in (None, docname) else None


def painted(svg: str, file: Path) -> None:
    """Write a picture as PNG on white, of the size in which it is shared."""
    room = (SIZE[0] - 2 * MARGIN, SIZE[1] - 2 * MARGIN)
    pixels = Image.open(BytesIO(png(svg, width=SIZE[0])))
    shared = ImageOps.expand(ImageOps.pad(pixels.convert("RGB"), room, color="white"), MARGIN, "white")
    file.parent.mkdir(parents=True, exist_ok=True)
    shared.quantize().save(file, optimize=True)


def tags(app: Sphinx, page: str, _template, context: dict, doctree: nodes.document | None) -> None:
    """Describe a page to those who link to it."""
    base, front = app.config.html_baseurl, app.config.root_doc
    if doctree is None:
        return
    context["metatags"] = VIEWPORT.sub("", context["metatags"])  # the theme has one of its own
    if page == front and base:
        context["pageurl"] = base
    said = description(doctree)
    named = {"description": said, "twitter:card": "summary"}
    shown = {
        "og:title": in_words(app.env.titles[page]),
        "og:type": "website" if page == front else "article",
        "og:site_name": app.config.html_title or app.config.project,
        "og:description": said,
    }
    if base:
        shown["og:url"] = context["pageurl"]
        if (found := drawn(app, page)) and found[0]:
            painted(found[0], Path(app.outdir, "shared", f"{page}.png"))
            named["twitter:card"] = "summary_large_image"
            shown |= {"og:image": f"{base}shared/{page}.png", "og:image:alt": found[1]}
            shown |= dict(zip(("og:image:width", "og:image:height"), map(str, SIZE), strict=True))
    written = [
        f'<meta {kind}="{key}" content="{escape(text)}" />'
        for kind, group in (("name", named), ("property", shown))
        for key, text in group.items()
        if text
    ]
    context["metatags"] += "\n" + "\n".join(written) + "\n"


def finish(app: Sphinx, error: Exception | None) -> None:
    """Write the root page and, for a known address, what guides search engines."""
    if error or app.builder.name != "html":
        return
    front = app.builder.get_target_uri(app.config.root_doc)
    folder, outdir, base = posixpath.dirname(front), Path(app.outdir), app.config.html_baseurl

    def moved(link: re.Match) -> str:
        path, mark, rest = re.fullmatch(r"([^?#]*)([?#]?)(.*)", link[2], re.S).groups()
        moved = posixpath.normpath(posixpath.join(folder, path)) + "/" * path.endswith("/")
        return link[1] + moved + mark + rest

    if folder:
        html = (outdir / front).read_text(encoding="utf-8")
        (outdir / "index.html").write_text(LINK.sub(moved, html), encoding="utf-8")
    if base:
        pages = [app.builder.get_target_uri(name) for name in sorted(app.env.found_docs - {app.config.root_doc})]
        urls = "\n".join(f"<url><loc>{escape(base + page)}</loc></url>" for page in ["", *pages])
        (outdir / "sitemap.xml").write_text(
            '<?xml version="1.0" encoding="utf-8"?>\n'
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{urls}\n</urlset>\n',
            encoding="utf-8",
        )
        (outdir / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {base}sitemap.xml\n", encoding="utf-8")
