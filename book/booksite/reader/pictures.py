"""Pictures are small files, loaded with the page and after all else, at a place that is kept for them.

Every SVG picture is written optimised by scour; results are kept by content, so that each is made once. Its text is text
in the fonts that matplotlib laid it out for, or where these are not in some as wide. Each image of a page is given its
width and height, and all but the first wait for what the first screen needs. None waits to come near the screen: who
prints a page, or saves it, may never have scrolled.
"""

import hashlib
import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import imagesize
import matplotlib
import resvg_py
import scour
from scour.scour import sanitizeOptions, scourString
from sphinx.application import Sphinx

OPTIONS = {
    "digits": 4,  # a tenth of a pixel
    "indent_type": "none",
    "newlines": False,
    "remove_metadata": True,
    "shorten_ids": True,
    "strip_comments": True,
    "strip_ids": True,  # those that nothing in the picture refers to
    "strip_xml_prolog": True,
}
DOCTYPE = re.compile(r"<!DOCTYPE[^>]*>\s*")  # behind it imagesize finds no size
FAMILY = re.compile(r""" font-family="'DejaVu Sans'(, [^"]*)?\"""")  # of each text; of a formula, without others
FAMILIES = "<svg font-family=\"'DejaVu Sans',Verdana,sans-serif\""
FONTS = [
    str(Path(matplotlib.get_data_path(), "fonts", "ttf", f"DejaVuSans{kind}.ttf")) for kind in ("", "-Bold", "-Oblique")
]


def optimised(svg: str, kept: Path) -> str:
    """The same picture in fewer bytes; taken from the folder `kept` where it was made before."""
    made_of = f"{scour.__version__}{OPTIONS}{DOCTYPE.pattern}{FAMILIES}{svg}"
    file = kept / f"{hashlib.sha256(made_of.encode()).hexdigest()}.svg"
    if not file.exists():
        kept.mkdir(parents=True, exist_ok=True)
        made = scourString(svg, sanitizeOptions(SimpleNamespace(**OPTIONS)))
        made = FAMILY.sub("", DOCTYPE.sub("", made)).replace("<svg", FAMILIES, 1)
        file.write_text(made, encoding="utf-8")
    return file.read_text(encoding="utf-8")


def png(svg: str, **how) -> bytes:
    """The picture as PNG, black on white; `how` is what resvg takes."""
    font = {"font_files": FONTS, "font_family": "DejaVu Sans", "sans_serif_family": "DejaVu Sans"}
    svg = svg.replace("currentColor", "black")
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, dpi=96, background="white", **font, **how))


def kept(app: Sphinx) -> Path:
    return Path(app.doctreedir).parent / ".pictures"


def written(app: Sphinx, svg: str) -> str:
    """The name of the file among the site's images that holds this picture."""
    svg = optimised(svg, kept(app))
    file = Path(app.outdir, app.builder.imagedir, f"{hashlib.sha256(svg.encode()).hexdigest()}.svg")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(svg, encoding="utf-8")
    return file.name


def place(app: Sphinx, _page: str, _template, context: dict, _doctree) -> None:
    """Say how large a page's images are, and which is loaded before others."""
    copied = {name: Path(app.srcdir, path) for path, name in app.builder.images.items()}
    images = itertools.count()

    def placed(image: re.Match) -> str:
        said = ' fetchpriority="low"' if next(images) else ""
        name = re.search(r'src="([^"]*)"', image[0])[1].rpartition("/")[2]
        source = copied.get(name, Path(app.outdir, app.builder.imagedir, name))
        if source.is_file() and not re.search(r"\b(width|height)[=:]", image[0]):
            width, height = imagesize.get(source)
            said += f' width="{round(width)}" height="{round(height)}"'
        return f"<img{said}{image[0].removeprefix('<img')}"

    context["body"] = re.sub(r"<img\s[^>]*>", placed, context.get("body", ""))


def shrink(app: Sphinx, failure: Exception | None) -> None:
    """Optimise the pictures that this build has copied."""
    if failure or app.builder.format != "html":
        return
    for name in app.builder.images.values():
        if name.endswith(".svg"):
            file = Path(app.outdir) / app.builder.imagedir / name
            file.write_text(optimised(file.read_text(encoding="utf-8"), kept(app)), encoding="utf-8")
