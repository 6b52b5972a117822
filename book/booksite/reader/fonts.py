"""Fonts cut to the characters that pages show."""

import logging
import re
from pathlib import Path

from fontTools import subset

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells every step
CONTENT = re.compile(r'content:\s*"((?:[^"\\]|\\.)*)"')
ESCAPED = re.compile(r"\\([0-9a-fA-F]{1,6})\s?|\\(.)")


def shown(css: str) -> set[int]:
    """The code points of the characters that a style sheet shows before and after elements."""
    texts = [ESCAPED.sub(lambda e: chr(int(e[1], 16)) if e[1] else e[2], text) for text in CONTENT.findall(css)]
    return {ord(character) for text in texts for character in text}


def cut(font: Path, points: set[int], file: Path) -> None:
    """Write a font with these characters alone; one that has none of them, whose measures alone matter, stays whole."""
    options = subset.Options(flavor="woff", notdef_outline=True, drop_tables=[*subset.Options().drop_tables, "FFTM"])
    whole = subset.load_font(font, options)
    cutter = subset.Subsetter(options)
    held = {point for table in whole["cmap"].tables if table.isUnicode() for point in table.cmap}
    cutter.populate(unicodes=held & points or held)
    cutter.subset(whole)
    file.parent.mkdir(parents=True, exist_ok=True)
    subset.save_font(whole, file, options)
