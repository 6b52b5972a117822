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
    """Write a font with these characters alone."""
    options = subset.Options(flavor="woff", notdef_outline=True, drop_tables=[*subset.Options().drop_tables, "FFTM"])
    whole = subset.load_font(font, options)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=points)
    cutter.subset(whole)
    file.parent.mkdir(parents=True, exist_ok=True)
    subset.save_font(whole, file, options)
