"""Repairs, in each page as it is written, what other extensions tell screen readers wrongly.

What only a script can repair is the business of accessible.js; colours and the mark of the focus are in accessible.css.
"""

import re

from sphinx.application import Sphinx


def spoken(head: re.Match) -> str:
    """A table's head with a name in which its formulas are words; of their MathML no browser makes one."""
    words = re.sub(r"<[^>]+>|\\[()]", "", head[2])
    words = re.sub(r"\\sqrt\s*", "√", words)
    words = " ".join(re.sub(r"[{}\\]", "", words).split()).replace('"', "&quot;")
    return f'<th{head[1]} aria-label="{words}">{head[2]}</th>'


REPAIRS = [
    # docutils: an entry of a bibliography has a role that is deprecated, in a list that may hold list items alone
    (re.compile(r' role="doc-biblioentry"'), ' role="listitem"'),
    # docutils, and tables that notebooks show: an empty corner is no header
    (re.compile(r"<th((?:\s[^>]*)?)>(?:\s|&nbsp;|&#160;|\xa0|<p>\s*</p>)*</th>"), r"<td\1></td>"),
    # MathJax: a head with a formula has no name, or a part of it
    (re.compile(r"<th((?:\s[^>]*)?)>((?:(?!</th>).)*\\\((?:(?!</th>).)*)</th>", re.S), spoken),
    # sphinx-exercise: the same id for every exercise and every solution of a page
    (re.compile(r'<section id="(exercise|solution)-content">'), "<section>"),
]


def repair(_app: Sphinx, _page: str, _template: str, context: dict, _doctree) -> None:
    for wrong, right in REPAIRS:
        context["body"] = wrong.sub(right, context.get("body", ""))
