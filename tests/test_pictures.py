"""Pictures and icons of the built site: small, whole, and at a place kept for them."""

import re

import pytest
from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont

from booksite.reader import icons, pictures

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
