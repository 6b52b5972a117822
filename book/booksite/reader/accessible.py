"""Repairs, in each page as it is written, what other extensions tell screen readers wrongly.

What only a script can repair is the business of accessible.js; colours and the mark of the focus are in accessible.css.
"""

import html
import re

from sphinx.application import Sphinx

from booksite.reader import formulas


def spoken(head: re.Match) -> str:
    """A table's head whose formulas are words to screen readers: no browser names a head after the MathML in it."""

    def both(formula: re.Match) -> str:
        words = re.sub(r"[{}\\]", "", re.sub(r"\\sqrt\s*", "√", html.unescape(formula[1]))).strip()
        return f'<span aria-hidden="true">{formula[0]}</span><span class="visually-hidden">{html.escape(words)}</span>'

    return formulas.SET.sub(both, head[0])


REPAIRS = [
    # docutils: an entry of a bibliography has a role that is deprecated, in a list that may hold list items alone
    (re.compile(r' role="doc-biblioentry"'), ' role="listitem"'),
    # docutils, and tables that notebooks show: an empty corner is no header
    (re.compile(r"<th((?:\s[^>]*)?)>(?:\s|&nbsp;|&#160;|\xa0|<p>\s*</p>)*</th>"), r"<td\1></td>"),
    # MathJax: a head that is a formula has no name
    (re.compile(r"<th\b.*?</th>", re.S), spoken),
    # sphinx-exercise: the same id for every exercise and every solution of a page
    (re.compile(r'<section id="(exercise|solution)-content">'), "<section>"),
]


def repair(_app: Sphinx, _page: str, _template: str, context: dict, _doctree) -> None:
    for wrong, right in REPAIRS:
        context["body"] = wrong.sub(right, context.get("body", ""))
