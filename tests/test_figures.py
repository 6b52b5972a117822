"""The text of every figure can be read on a phone, in both themes."""

import pytest

from browser import served

# Every text in a picture: its size in CSS pixels as shown, and its contrast to the ground, behind the filter of dark mode.
# In matplotlib's SVG a text is a text; a formula is one of several parts, each of a size of its own.
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
    for (const text of box.querySelectorAll("text, tspan")) {
      if (![...text.childNodes].some((part) => part.nodeType === Node.TEXT_NODE && part.data.trim())) continue;
      const { a, b, c, d } = text.closest("text").getCTM(), { fill, fontSize } = getComputedStyle(text);
      const size = parseFloat(fontSize) * Math.sqrt(Math.abs(a * d - b * c));
      found.push({ where, size, contrast: contrast(fill, "white", filter) });
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


@pytest.mark.parametrize("script", [True, False], ids=["explorers", "stills"])
def test_text_in_figures_is_large_and_dark_enough(site, browser, script):
    tab = browser.new_page(viewport={"width": 375, "height": 800})
    if not script:  # no explorer takes the place of its still
        tab.route("**/*.html", lambda route: route.fulfill(body=plain(route.fetch()), content_type="text/html"))
    with served(site) as address:
        chapters = sorted(f"notebooks/{path.stem}" for path in (site / "notebooks").glob("*.html"))
        bad = set()
        for page in ("book/index", "book/how_we_know", *chapters):
            tab.goto(f"{address}{page}.html", wait_until="networkidle")
            tab.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true })")
            for theme in ("light", "dark"):
                tab.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
                texts = tab.evaluate(TEXTS)
                assert texts, page
                for each in texts:
                    if each["size"] < 10 or each["contrast"] < 4.5:
                        bad.add((page, theme, each["where"], round(each["size"], 1), round(each["contrast"], 2)))
    tab.close()
    assert sorted(bad) == []


def plain(response) -> str:
    return response.text().replace('<script type="module">', '<script type="text/plain">')
