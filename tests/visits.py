"""One visit to each page of the site at each width, and what was seen there, for many small tests to assert on.

A page is opened as GitHub Pages serves it: under a folder of the host, compressed, with a page for lost readers.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page

from browser import Quiet
from conftest import opened
from measure.anatomy import measure
from measure.weight import PAINT, Packing

FOLDER = "/some/folder/"
WIDTHS = {1280: "dark", 375: "light"}  # CSS pixels, and the theme in which a page is opened
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]


class Pages(Packing):
    """Serves a site under a folder; anything else of the host as if the site stood at its root, for what is lost."""

    def translate_path(self, path: str) -> str:
        return super().translate_path("/" + path.removeprefix(FOLDER).lstrip("/"))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        lost = Path(self.directory, "404.html")
        if code != 404 or not lost.exists():
            return super().send_error(code, message, explain)
        body = lost.read_bytes()
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


assert issubclass(Pages, Quiet)

# Everything is unfolded. Of code, thousands of spans in a dozen colours, one span of each kind and the longest of the
# lines between two spans stay, to save time.
UNFOLD = r"""() => {
  for (const fold of document.querySelectorAll("details")) fold.open = true;
  for (const button of document.querySelectorAll(".toggle-button-hidden")) button.click();
  const kinds = new Set();
  for (const span of document.querySelectorAll(".highlight pre span[class]")) {
    const kind = span.className;
    kinds.has(kind) ? span.replaceWith(...span.childNodes) : kinds.add(kind);
  }
  for (const code of document.querySelectorAll(".highlight pre")) {
    code.normalize();
    for (const text of code.childNodes) {
      if (text.nodeType === Node.TEXT_NODE) {
        text.data = "\n" + text.data.split("\n").reduce((longest, line) => (line.length > longest.length ? line : longest));
      }
    }
  }
  document.head.append(Object.assign(document.createElement("style"), { textContent: "* { animation: none !important; transition: none !important }" }));
}"""
SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))"
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# What scrolls, by more than the pixel of rounding, is a stop for the tab key, and nothing else of the text is
STOPS = """() => [...document.querySelectorAll("article :is(pre, .pst-scrollable-table-container, .math > mjx-container)")]
  .filter((e) => (e.scrollWidth > e.clientWidth + 1) !== (e.tabIndex === 0)).map((e) => e.outerHTML.slice(0, 200))"""
# Formulas that are not set, or not for screen readers, or that show nothing; and TeX in the text
UNSET = r"""() => {
  const found = [...document.querySelectorAll(".math")].filter((formula) => !formula.querySelector("mjx-assistive-mml math > *")
    || formula.querySelector("mjx-merror, merror") || (formula.checkVisibility() && !formula.querySelector("mjx-math").offsetWidth));
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { data, parentElement } = texts.currentNode;
    if (/\\[([]|\$\$|\\begin\{/.test(data) && !parentElement.closest("pre, code, script, style")) found.push(parentElement);
  }
  return found.map((element) => element.outerHTML.slice(0, 200));
}"""
# The stills of explorers, which are for paper, are seen from now on
STILLS = """() => {
  for (const still of document.querySelectorAll(".explorer-still")) still.style.display = "block";
}"""
RATIOS = """[...document.querySelectorAll("article img")].filter((image) => image.checkVisibility())
  .map((i) => [i.src, i.height / i.width / (i.naturalHeight / i.naturalWidth)])"""
# Every text in a picture: its size in CSS pixels as shown, and its contrast to the ground, behind the filter of dark mode.
# In matplotlib's SVG a text is a row of glyphs 100 units high, turned upside down, or a text.
TEXTS = """async () => {
  const found = [], context = document.createElement("canvas").getContext("2d");
  const known = new Map();  // to read a canvas takes long
  const light = (color, filter) => {
    const both = `${color} ${filter}`;
    if (!known.has(both)) {
      context.filter = filter;
      context.fillStyle = color;
      context.fillRect(0, 0, 9, 9);
      known.set(both, [...context.getImageData(1, 1, 1, 1).data].slice(0, 3).map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0.05));
    }
    return known.get(both);
  };
  const contrast = (a, b, filter) => {
    const [x, y] = [light(a, filter), light(b, filter)];
    return Math.max(x, y) / Math.min(x, y);
  };
  const boxes = [];  // all at once, since the page is laid out anew after each change
  for (const img of document.querySelectorAll("article img[src*=svg]")) {
    const box = document.createElement("div"), { filter, width } = getComputedStyle(img);
    box.innerHTML = (await (await fetch(img.src)).text()).replace(/^[^]*?(?=<svg)/, "");
    box.firstElementChild.setAttribute("width", width);
    box.firstElementChild.removeAttribute("height");
    boxes.push([box, filter, img.alt.slice(0, 50)]);
  }
  document.body.append(...boxes.map(([box]) => box));
  for (const [box, filter, where] of boxes) {
    for (const glyph of box.querySelectorAll("use")) {
      const { a, b, c, d } = glyph.getCTM(), { fill } = getComputedStyle(glyph), area = b * c - a * d;
      if (area > 0) found.push({ where, size: 100 * Math.sqrt(area), contrast: contrast(fill, "white", filter) });
    }
    for (const text of box.querySelectorAll("text")) {
      const { fill, fontSize } = getComputedStyle(text), { a, b, c, d } = text.getCTM();
      found.push({ where, size: parseFloat(fontSize) * Math.sqrt(Math.abs(a * d - b * c)), contrast: contrast(fill, "white", filter) });
    }
  }
  boxes.forEach(([box]) => box.remove());
  for (const text of document.querySelectorAll("article svg:not(mjx-container svg) text")) {
    const { fill, fontSize } = getComputedStyle(text), clear = "rgba(0, 0, 0, 0)";
    let box = text, ground = clear;
    while (ground === clear && (box = box.parentElement)) ground = getComputedStyle(box).backgroundColor;
    found.push({ where: text.textContent, size: parseFloat(fontSize) * text.getScreenCTM().d, contrast: contrast(fill, ground, "none") });
  }
  return found;
}"""


class Visit(NamedTuple):
    """What was seen of a page at a width."""

    page: str
    width: int
    complaints: list[str]  # of the browser, and the addresses of what is not there or belongs to somebody else
    wider: int  # than the window, in CSS pixels
    formulas: int
    unset: list[str]  # formulas, see UNSET
    anatomy: dict  # of a chapter, see measure/anatomy.py
    paint: dict  # which files the first one waits for, see measure/weight.py
    files: dict[str, int]  # what was loaded, with its bytes on the line
    violations: list[tuple]  # what axe finds: theme, rule, HTML of the element, what is wrong
    stops: list[str]  # what scrolls and is none, and the reverse
    ratios: list[tuple[str, float]]  # how much higher images are than they should be
    texts: list[tuple]  # in figures: theme, where, size, contrast


def pages(site: Path) -> list[str]:
    """The site's pages; 404.html stands for one that is not there."""
    return sorted(p.relative_to(site).as_posix() for p in site.rglob("*.html") if "_static" not in p.parts)


def visits(site: Path, browser: Browser, host: str) -> Iterator[Visit]:
    for page in pages(site):
        for width in WIDTHS:
            yield visit(browser, host, page, width)


def visit(browser: Browser, host: str, page: str, width: int) -> Visit:
    lost = page == "404.html"
    own = host if lost else host + FOLDER.lstrip("/")  # a lost page knows where its site stands, if anybody does
    address = f"{own}no/such/page.html" if lost else own + page
    complaints, asked, files = [], {}, {}
    with opened(browser, width=width, color_scheme=WIDTHS[width], reduced_motion="reduce") as tab:
        said = lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
        tab.on("console", lambda message: None if lost and "404" in message.text else said(message))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda r: None if r.url.startswith((own, "data:")) else complaints.append(r.url))
        missing = lambda r: r.status >= 400 and r.url != address
        tab.on("response", lambda r: complaints.append(r.url) if missing(r) else None)
        session = tab.context.new_cdp_session(tab)
        session.send("Network.enable")
        session.on("Network.responseReceived", lambda e: asked.update({e["requestId"]: e["response"]["url"]}))
        session.on("Network.loadingFinished", lambda e: files.update({e["requestId"]: e["encodedDataLength"]}))
        tab.goto(address, wait_until="networkidle")
        tab.evaluate("document.fonts.ready.then(() => undefined)")
        loaded = {urlsplit(asked[request]).path: size for request, size in files.items()}
        wider, paint, formulas = tab.evaluate(WIDER), tab.evaluate(PAINT), tab.locator("mjx-container").count()
        anatomy = measure(tab) if page.startswith("notebooks/") else {}
        complained = list(complaints)  # what is done from here on may ask for files itself
        tab.evaluate(UNFOLD)
        tab.evaluate(SETTLED)
        stops, unset = tab.evaluate(STOPS), tab.evaluate(UNSET)
        tab.evaluate(AXE_SCRIPT)
        found, other = themed(tab, WIDTHS[width], None), "light" if WIDTHS[width] == "dark" else "dark"
        found += themed(tab, other, COLOURS)
        texts, ratios = [], []
        if width == 375:
            tab.evaluate(STILLS)
            ratios = tab.evaluate(RATIOS)
            texts = [(theme, *text) for theme in ("light", "dark") for text in in_figures(tab, theme)]
    return Visit(page, width, complained, wider, formulas, unset, anatomy, paint, loaded, found, stops, ratios, texts)


def turn(tab: Page, theme: str) -> None:
    tab.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    tab.evaluate(SETTLED)


def themed(tab: Page, theme: str, rules: list[str] | None) -> list[tuple]:
    turn(tab, theme)
    return [(theme, *violation) for violation in violations(tab, rules)]


def violations(tab: Page, rules: list[str] | None = None) -> list[tuple[str, str, str]]:
    """What axe finds on the page as it stands: (rule, HTML of the element, what is wrong)."""
    only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": TAGS}
    found = tab.evaluate(
        """async (options) => (await axe.run(options)).violations.flatMap((found) => found.nodes.map(
          (node) => [found.id, document.querySelector(node.target[0]).outerHTML, node.failureSummary]))""",
        {"runOnly": only, "resultTypes": ["violations"]},
    )
    return [tuple(violation) for violation in found]


def in_figures(tab: Page, theme: str) -> list[tuple]:
    turn(tab, theme)
    return [(each["where"], round(each["size"], 1), round(each["contrast"], 2)) for each in tab.evaluate(TEXTS)]
