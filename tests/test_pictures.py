"""Pictures and icons of the built site: small, whole, and at a place kept for them."""

import base64
import io
import re
from itertools import combinations
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont
from PIL import Image
from playwright.sync_api import Page

from booksite.reader import icons, pictures
from conftest import opened
from lab import figures

SVG = """<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
width="90pt" height="60pt" viewBox="0 0 90 60"><!-- a comment --><metadata>a date</metadata>
<defs><path id="a_long_name" d="M 0.000000 0.000000 L 10.000000 10.000000"/></defs>
<g id="nothing_refers_to_this"><use xlink:href="#a_long_name" style="stroke: #ff0000"/></g></svg>"""


@pytest.fixture(scope="module")
def pages(site):
    folders = ("book", "notebooks")
    files = [path for folder in folders for path in (site / folder).glob("*.html")]
    return {path.relative_to(site).as_posix(): BeautifulSoup(path.read_text("utf-8"), "html.parser") for path in files}


def test_a_picture_is_optimised_once(tmp_path, monkeypatch):
    small = pictures.optimised(SVG, tmp_path)
    assert len(small) < len(SVG) and not re.search("comment|metadata|nothing_refers", small)
    (path,) = re.findall(r'<path id="(\w+)"', small)
    assert f'"#{path}"' in small and 'viewBox="0 0 90 60"' in small
    monkeypatch.setattr(pictures, "scourString", None)
    assert pictures.optimised(SVG, tmp_path) == small


def test_pictures_are_optimised_files(site, pages):
    assert [file.name for file in (site / "_images").glob("*.svg") if "<metadata" in file.read_text("utf-8")] == []
    for name, page in pages.items():
        assert page.select('img[src^="data:"]') == [], name


def test_images_are_sized_and_none_waits_to_come_near_the_screen(pages):
    for name, page in pages.items():
        images = page.select("article img")
        assert all(int(image.get(side) or 0) > 0 for image in images for side in ("width", "height")), name
        assert [image for image in images if image.get("loading")] == [], name
        assert [image.get("fetchpriority") for image in images[:2]] == [None, "low"][: len(images)], name


def test_every_icon_is_in_the_fonts(site, pages):
    folder = site / "_static" / "icons"
    css = (folder / "icons.css").read_text("utf-8")
    held = set().union(*(TTFont(file).getBestCmap() for file in folder.glob("*.woff")))
    named = {c for page in pages.values() for icon in page.select("i, span") for c in icon.get("class", [])}
    for name in {name for name in named if name.startswith("fa-")} - {"fa-solid", "fa-brands", "fa-regular", "fa-lg"}:
        rule = re.search(rf'\.{name}:before[^{{]*\{{content:"(.)"', css)
        assert rule and ord(rule[1]) in held, name
    admonitions = icons.drawn((site / "_static/styles/pydata-sphinx-theme.css").read_text("utf-8"))
    assert admonitions and admonitions <= held


FONT = base64.b64encode(Path(pictures.FONTS[0]).read_bytes()).decode()
# Every text of a picture that is 600 pixels wide: its words, the size of its letters, its box, and whether it lies level.
# The texts are out of sight then.
WORDS = """() => {
  const picture = document.querySelector("svg");
  picture.setAttribute("width", 600);
  picture.removeAttribute("height");
  return document.fonts.ready.then(() => [...picture.querySelectorAll("text")].map((text) => {
    const { left, top, right, bottom } = text.getBoundingClientRect(), { a, b } = text.getScreenCTM();
    text.style.visibility = "hidden";
    return { words: text.textContent, size: parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b), level: Math.abs(b) < 0.01,
      box: [left, top, right, bottom] };
  }));
}"""


def touching(tab: Page, svg: str) -> list[tuple[str, ...]]:
    """The texts of a picture whose lines overlap, and those with something dark behind them."""
    face = f"@font-face {{ font-family: 'DejaVu Sans'; src: url(data:font/ttf;base64,{FONT}) }}"
    tab.set_content(f"<style>{face} body {{ margin: 0 }}</style>{svg[svg.index('<svg') :]}")
    texts = tab.evaluate(WORDS)
    dark = np.asarray(Image.open(io.BytesIO(tab.screenshot(full_page=True))).convert("RGB")).min(axis=2) < 140
    found = []
    for one, other in combinations(texts, 2):
        wide, high = (min(one["box"][i + 2], other["box"][i + 2]) - max(one["box"][i], other["box"][i]) for i in (0, 1))
        if wide > 0.25 * one["size"] and high > 0.12 * one["size"]:
            found.append((one["words"], other["words"]))
    for text in texts:
        left, top, right, bottom = text["box"]
        inner = (bottom - top) / 5  # above and below letters like x
        behind = dark[round(top + inner) : round(bottom - inner), round(left) : round(right)]
        if text["level"] and behind.sum() >= 8:
            found.append((text["words"],))
    return found


@pytest.fixture(scope="module")
def tab(browser):
    with opened(browser, width=700) as tab:
        yield tab


@pytest.mark.parametrize(
    ("labels", "line", "found"),
    [
        ([(0.1, 0.5, "one"), (0.1, 0.44, "two")], 0.9, [("one", "two")]),
        ([(0.1, 0.5, "one"), (0.1, 0.4, "two")], 0.9, []),
        ([(0.1, 0.5, "one"), (0.3, 0.48, "two")], 0.9, []),
        ([(0.1, 0.5, "one")], 0.5, [("one",)]),
        ([(0.1, 0.5, "one")], 0.56, []),
    ],
)
def test_texts_that_touch_are_found(tab, labels, line, found):
    with plt.rc_context({"svg.fonttype": "none"}):
        figure, axes = plt.subplots(figsize=(figures.WIDTH, 3))
        axes.axhline(line, color=figures.BLUE)
        for x, y, words in labels:
            axes.text(x, y, words, va="center", fontsize=11)
        axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg")
        plt.close(figure)
    assert touching(tab, drawn.getvalue()) == found


def test_no_text_of_a_figure_touches_another_or_a_line(site, pages, tab):
    figures_of = {
        image["src"]: f"{name}: {image['alt'][:60]}"
        for name, page in pages.items()
        for image in page.select("article img[src$=svg]")
    }
    found = {name: touching(tab, (site / "book" / src).read_text("utf-8")) for src, name in figures_of.items()}
    assert {name: texts for name, texts in found.items() if texts} == {}
