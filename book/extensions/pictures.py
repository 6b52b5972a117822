"""Pictures are small files, loaded when they come near the screen, at a place that is kept for them.

Every SVG picture is written optimised by scour; results are kept by content, so that each is made once. A picture that an
output brought inside the page becomes a file. Each image of a page is given its width and height, and all but the first
are loaded lazily.
"""

import base64
import hashlib
import re
from pathlib import Path
from types import SimpleNamespace

import imagesize
import scour
from scour.scour import sanitizeOptions, scourString
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

OPTIONS = {
    "indent_type": "none",
    "newlines": False,
    "remove_metadata": True,
    "shorten_ids": True,
    "strip_comments": True,
    "strip_ids": True,  # those that nothing in the picture refers to
    "strip_xml_prolog": True,
}
INLINE = re.compile(r'(?<=src=")data:image/svg\+xml;base64,([^"]*)')


def optimised(svg: str, kept: Path) -> str:
    """The same picture in fewer bytes; taken from the folder `kept` where it was made before."""
    made_of = f"{scour.__version__}{OPTIONS}{svg}"
    file = kept / f"{hashlib.sha256(made_of.encode()).hexdigest()}.svg"
    if not file.exists():
        kept.mkdir(parents=True, exist_ok=True)
        file.write_text(scourString(svg, sanitizeOptions(SimpleNamespace(**OPTIONS))), encoding="utf-8")
    return file.read_text(encoding="utf-8")


def kept(app: Sphinx) -> Path:
    return Path(app.doctreedir).parent / ".pictures"


def place(app: Sphinx, page: str, _template, context: dict, _doctree) -> None:
    """Make files of the pictures inside a page; say how large its images are and when to load them."""
    folder = Path(app.outdir) / app.builder.imagedir
    sources = {name: Path(app.srcdir) / path for path, name in app.builder.images.items()}
    seen = 0

    def file(data: re.Match) -> str:
        svg = optimised(base64.b64decode(data[1]).decode(), kept(app))
        name = f"{hashlib.sha256(svg.encode()).hexdigest()}.svg"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(svg, encoding="utf-8")
        sources[name] = folder / name
        return relative_uri(app.builder.get_target_uri(page), f"{app.builder.imagedir}/{name}")

    def placed(image: re.Match) -> str:
        nonlocal seen
        seen += 1
        tag = INLINE.sub(file, image[0])
        said = ' loading="lazy"' if seen > 1 else ""
        source = sources.get(re.search(r'src="([^"]*)"', tag)[1].rpartition("/")[2])
        if source and not re.search(r"\b(width|height)[=:]", tag):
            width, height = imagesize.get(source)
            said += f' width="{round(width)}" height="{round(height)}"'
        return f"<img{said}{tag.removeprefix('<img')}"

    context["body"] = re.sub(r"<img\s[^>]*>", placed, context.get("body", ""))


def shrink(app: Sphinx, failure: Exception | None) -> None:
    """Optimise the pictures that this build has copied."""
    if failure or app.builder.format != "html":
        return
    for name in app.builder.images.values():
        if name.endswith(".svg"):
            file = Path(app.outdir) / app.builder.imagedir / name
            file.write_text(optimised(file.read_text(encoding="utf-8"), kept(app)), encoding="utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("html-page-context", place, priority=900)
    app.connect("build-finished", shrink)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
