"""A claim's card, drawn from its record: the conclusion, a picture of every value, what a mark is and the control changes.

The one drawing of a claim: chapters, the page of verdicts, JupyterLab and the plain edition show it. Its own words go
through a function `say` before numbers are put into them; where none is given they stay English.
"""

import html
import math
import re
import sys
from collections.abc import Callable, Mapping
from functools import reduce
from typing import NamedTuple

Say = Callable[[str], str]
SIDES = ("evidence", "control")
TINY, HUGE = 1e-12, 1e300  # what is smaller is a rounding error of zero; what is larger is not drawn to scale


def settled(record: Mapping, link: str | None = None, say: Say = str) -> str:
    """The card of a claim where it is settled, as HTML; its name leads to `link`."""
    box = "border-left:3px solid rgba(128,128,128,0.6);padding:0.2rem 0.8rem;margin:0.8rem 0;text-align:left"
    inner = card(record, linked(record["claim"], link), say)
    return f'<div class="claim" id="{record["anchor"]}" style="{box}">{inner}</div>'


def linked(name: str, link: str | None) -> str:
    return f'<a class="reference internal" href="{link}">{name}</a>' if link else name


def card(record: Mapping, name: str, say: Say = str) -> str:
    """What stands on a card, as HTML: its conclusion, the picture with the axis' title, and small what the marks are.

    `name` (HTML) is the claim's, with its link.
    """
    so, values, small = _lines(record, name, as_html, "<strong>{}</strong>", say)
    title = f'<div style="text-align:center;font-size:0.85em">{as_html(record["says"])}</div>' if so else ""
    small = f'<div style="font-size:0.85em;margin-top:0.3em">{small}</div>'
    return f"<div>{so or values}</div>{picture(record, say)}{title}{small}"


def words(record: Mapping, say: Say = str) -> str:
    """A card as HTML without its picture, for places that show no SVG."""
    lines = _lines(record, record["claim"], as_html, "<strong>{}</strong>", say)
    return "".join(f"<div>{line}</div>" for line in lines if line)


def as_html(text: str) -> str:
    """Words as HTML, in which no line ends between a stroke and a root."""
    return re.sub(r"\S*/√\S*", r'<span style="white-space:nowrap">\g<0></span>', html.escape(text))


def plain(record: Mapping, say: Say = str) -> str:
    """The card in words."""
    return " ".join(filter(None, _lines(record, record["claim"], str, "{}", say)))


def _lines(record: Mapping, name: str, as_text: Say, bold: str, say: Say) -> tuple[str, str, str]:
    """The conclusion, with its values (empty for a claim that has none yet); the range of values in either row; and
    what a mark is, what the control changes, where the test passes, and the claim's name."""
    so = record["so"] or ""
    if so:
        so = bold.format(say("So:")) + " " + as_text(so.format(**record["values"]))
    return so, _both_sides(record, as_text, say), _small(record, name, as_text, say)


def names(record: Mapping, say: Say = str) -> tuple[str, str]:
    """What the rows of evidence and control are called."""
    return tuple(record["rows"] or (say("evidence"), say("control")))


def _both_sides(record: Mapping, as_text: Say, say: Say) -> str:
    """What was measured, and the range of the values of either row."""
    ranges = (
        f"{as_text(name)}, {spread(record[side], say)}" for name, side in zip(names(record, say), SIDES, strict=True)
    )
    return f"{as_text(record['says'])}: {'; '.join(ranges)}."


def _small(record: Mapping, name: str, as_text: Say, say: Say) -> str:
    """What a mark is, what the control changes, where the test passes, and the claim's name."""
    dot = say("One mark: {what}.").format(what=as_text(record["dot"])) + " " if record["dot"] else ""
    changed = say("Control: {changed}.").format(changed=as_text(record["control_says"]))
    where = say("Shaded: where the test passes, {where}.").format(where=_in_words(record["passes"], say))
    return f"{dot}{changed} {where} {name}"


def spread(values: Mapping[str, float], say: Say = str) -> str:
    """The range of `values` (run -> number) and how many there are: '0.31 to 0.47 (5 runs)'."""
    low, high = _short(min(values.values())), _short(max(values.values()))
    runs = say("1 run") if len(values) == 1 else say("{n} runs").format(n=len(values))
    span = low if low == high else say("{low} to {high}").format(low=low, high=high)
    return f"{span} ({runs})"


def picture(record: Mapping, say: Say = str) -> str:
    """The values of a claim's record, a row of marks each for evidence and control, as one SVG element.

    Shaded where the test passes. It scales down to the room there is, takes the colour of the text around it, and needs
    no style sheet.
    """
    shown = layout(record)
    marks = ""
    for row, mark, name in zip((shown.dots, shown.crosses), (_dot, _cross), names(record, say), strict=True):
        words = f'<text x="0" y="{row.top - 4}">{html.escape(name)}</text>'
        marks += f'{words}<g class="marks" {INK[mark]}>{"".join(mark(*at) for at in row.marks)}</g>'
    bands = [(row.top, row.bottom) for row in (shown.dots, shown.crosses)]
    style = f"display:block;width:100%;max-width:{1.25 * WIDTH:.0f}px;height:auto;margin:0.4em 0 0.1em;overflow:visible"
    return _drawn(shown, shown.axis, bands, marks, described(record, say), style)


def strip(record: Mapping, label: str) -> str:
    """The same where the values are hundreds: evidence as bars above, control below. `label` says what is seen."""
    shown, band = layout(record), 9
    bars = ""
    for row, y in ((shown.dots, 2), (shown.crosses, band + 4)):
        places = sorted({round(2 * x) / 2 for x, _ in row.marks})
        bars += "".join(f"M{x:g} {y}v{band}" for x in places)
    marks = f'<path d="{bars}" fill="none" stroke="currentColor" stroke-width="1.5" stroke-opacity="0.6"/>'
    axis = 2 * band + 6
    return _drawn(shown, axis, [(0, axis)], marks, label, f"width:100%;max-width:{WIDTH}px;height:auto")


def _drawn(shown: "Layout", axis: int, bands: list[tuple[int, int]], marks: str, label: str, style: str) -> str:
    """Marks over an axis at the height `axis`; in `bands`, from y to y, it is shaded where the test passes."""
    shaded = "".join(
        f'<rect x="{a:.1f}" y="{top}" width="{b - a:.1f}" height="{bottom - top}"/>'
        for top, bottom in bands
        for a, b in shown.shaded
    )
    ticks = "".join(f"M{x:.1f} {axis}v4" for x in shown.ticks)
    words = "".join(
        f'<text x="{x:.1f}" y="{axis + 16}" text-anchor="{anchor}">{text}</text>' for x, anchor, text in shown.labels
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {axis + 20}" role="img" '
        f'aria-label="{html.escape(label)}" style="{style}" fill="currentColor" font-size="12">'
        f'<g fill-opacity="0.13">{shaded}</g>{marks}'
        f'<path d="M0 {axis}H{WIDTH}{ticks}" fill="none" stroke="currentColor"/>{words}</svg>'
    )


WIDTH, EDGE, RADIUS = 340, 8, 3.5  # in CSS pixels, where the picture is not scaled; EDGE is left free at both ends
NAME, HIGH = 17, 6  # the height of a row's name; how many marks may stand one above another


class Row(NamedTuple):
    """Where a row of marks stands."""

    marks: list[tuple[float, float]]  # x, y
    top: int
    bottom: int


class Layout(NamedTuple):
    """Where everything stands in a claim's picture."""

    shaded: list[tuple[float, float]]  # from, to
    dots: Row
    crosses: Row
    axis: int  # y
    ticks: list[float]  # x
    labels: list[tuple[float, str, str]]  # x, which end of the text stands there, text


def layout(record: Mapping) -> Layout:
    """Place the runs of a claim's record, the ranges where its test passes, and an axis that fits both."""
    evidence, control = list(record["evidence"].values()), list(record["control"].values())
    edges = sorted({edge for interval in record["passes"] for edge in interval if edge is not None})
    values = [*evidence, *control]
    unit = _unit(values, edges)
    whole = unit or _whole(values)

    def along(value: float) -> float:  # linear up to `unit`, logarithmic from there
        if unit is None or abs(value) <= unit:
            return value / whole
        return math.copysign(1 + math.log10(abs(value)) - math.log10(unit), value)

    low, high = min(values), max(values)
    near = (along(high) - along(low)) / 2
    ends = [edge for edge in edges if along(low) - near <= along(edge) <= along(high) + near]
    low, high = min([low, *ends]), max([high, *ends])
    if unit is None:
        low, high = (_finite(end * whole) for end in _round_ends(low / whole, high / whole))
    else:
        low, high = _decade(low, unit, -1), _decade(high, unit, 1)
    start, scale = along(low), (WIDTH - 2 * EDGE) / ((along(high) - along(low)) or 1.0)

    def x(value: float) -> float:
        return EDGE + (along(value) - start) * scale

    shaded = []
    for first, last in record["passes"]:
        a, b = 0.0 if first is None else max(x(first), 0.0), WIDTH if last is None else min(x(last), WIDTH)
        if a < WIDTH and b > 0:
            middle = (a + b) / 2
            shaded.append((min(a, middle - 2), max(b, middle + 2)))  # seen also where it is a single value

    dots = _stack([x(value) for value in evidence], NAME)
    crosses = _stack([x(value) for value in control], dots.bottom + NAME)
    ticks = [low, high] if unit is None else _decades(low, high, unit)
    labels = [(0.0, "start", _short(low)), (float(WIDTH), "end", _short(high))]
    taken = [(0.0, 7.0 * len(labels[0][2])), (WIDTH - 7.0 * len(labels[1][2]), WIDTH)]
    for edge in edges:
        if not low <= edge <= high:
            continue
        text = _short(edge)
        a, b = x(edge) - 3.5 * len(text), x(edge) + 3.5 * len(text)
        if all(b + 4 < first or last + 4 < a for first, last in taken):
            taken.append((a, b))
            labels.append((x(edge), "middle", text))
            ticks.append(edge)
    return Layout(shaded, dots, crosses, crosses.bottom + 3, sorted({x(tick) for tick in ticks}), labels)


def _unit(values: list[float], edges: list[float]) -> float | None:
    """Up to which size the axis is linear, logarithmic from there on; None: linear everywhere.

    Logarithmic where the values, with the edges of the test between them, span two decades. Where there are
    both signs, or zeros, how near the others come to zero says nothing: what counts is the largest and the edges.
    """
    between = [abs(edge) for edge in edges if min(values) <= edge <= max(values)]
    ends = edges or [0.0]
    if min(values) > TINY and min(ends) > -TINY or max(values) < -TINY and max(ends) < TINY:
        sizes = [*map(abs, values), *between]
    else:
        sizes = [max(map(abs, values)), *between]
    sizes = [size for size in sizes if size > TINY]
    return min(sizes) / 10 if sizes and max(sizes) >= 100 * min(sizes) else None


def _whole(values: list[float]) -> float:
    """The unit of a linear axis: a power of ten, where the values are so large or small that sums or shares of them
    are no numbers, and otherwise 1."""
    largest = max(map(abs, values))
    if largest == 0 or TINY <= largest <= HUGE:
        return 1.0
    return 10.0 ** max(math.floor(math.log10(largest)), -323)


def _finite(value: float) -> float:
    return min(max(value, -sys.float_info.max), sys.float_info.max)


def _round_ends(low: float, high: float) -> tuple[float, float]:
    """The range, widened to a round number at either end."""
    step = 10 ** math.floor(math.log10((high - low) or 1.0))
    step *= next(part for part in (0.1, 0.2, 0.5, 1) if (high - low) / (step * part) <= 12 or part == 1)
    return min(low, math.floor(low / step + 1e-9) * step), max(high, math.ceil(high / step - 1e-9) * step)


def _decade(value: float, unit: float, side: int) -> float:
    """The power of ten at or beyond `value`, below it (side −1) or above (1); zero, where it is less than `unit`."""
    if abs(value) <= unit:
        return 0.0 if value * side <= 0 else math.copysign(_decade(1.001 * unit, 0, 1), value)
    power = math.log10(abs(value))
    outward = (value > 0) == (side > 0)
    power = math.ceil(power - 1e-9) if outward else math.floor(power + 1e-9)
    return math.copysign(10.0**power if power <= 308 else sys.float_info.max, value)


def _decades(low: float, high: float, unit: float) -> list[float]:
    """Zero and powers of ten from `low` to `high`, of either sign; where they are many, some of them."""
    first, last = math.ceil(math.log10(unit)), math.floor(math.log10(max(abs(low), abs(high))) + 1e-9)
    powers = range(last, first - 1, -1 - (last - first) // 16)
    ticks = [0.0, *(sign * 10.0**power for power in powers for sign in (-1, 1))]
    return [tick for tick in ticks if low <= tick <= high]


def _stack(places: list[float], top: int) -> Row:
    """Marks at the x `places`, one above another where they would touch; all on one line where that is too high."""
    lanes: list[float] = []  # the x of the last mark in each
    lane_of = {}
    for index in sorted(range(len(places)), key=places.__getitem__):
        lane = next((n for n, last in enumerate(lanes) if places[index] - last > 2 * RADIUS + 1), len(lanes))
        lanes[lane:] = [places[index], *lanes[lane + 1 :]]
        lane_of[index] = lane
    high = len(lanes) if len(lanes) <= HIGH else 1
    step = 2 * RADIUS + 1 if high < 4 else 4.0
    bottom = round(top + (high - 1) * step + 2 * RADIUS + 4)
    line = bottom - RADIUS - 2
    return Row([(place, line - step * (lane_of[index] % high)) for index, place in enumerate(places)], top, bottom)


def _dot(x: float, y: float) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"/>'


def _cross(x: float, y: float) -> str:
    return f'<path d="M{x - 3.2:.1f} {y - 3.2:.1f}l6.4 6.4m0-6.4l-6.4 6.4"/>'


# How they are drawn: in the colour of the text, since the only colour beside a claim is that of a verdict
INK = {
    _dot: 'fill-opacity="0.4" stroke="currentColor"',
    _cross: 'fill="none" stroke="currentColor" stroke-width="1.5"',
}


def described(record: Mapping, say: Say = str) -> str:
    where = say("The test passes {where}.").format(where=_in_words(record["passes"], say))
    return f"{_both_sides(record, str, say)} {where}"


def _in_words(intervals: list[list[float | None]], say: Say = str) -> str:
    if intervals in ([], [[None, None]]):
        return say("everywhere") if intervals else say("nowhere")
    words = []
    for first, last in intervals:
        a, b = (None if edge is None else _short(edge) for edge in (first, last))
        if a is None:  # an edge that passes itself was found exactly, another one to the last bit
            found = say("at {b} or below") if last == float(f"{last:.12g}") else say("below {b}")
        elif b is None:
            found = say("at {a} or above") if first == float(f"{first:.12g}") else say("above {a}")
        else:
            found = say("at {a}") if a == b else say("between {a} and {b}")
        words.append(found.format(a=a, b=b))
    return reduce(lambda one, other: say("{one} or {other}").format(one=one, other=other), words)


def _short(value: float) -> str:
    """Three digits, with a real minus sign, and powers of ten as one reads them."""
    if abs(value) < TINY:
        return "0"
    if 1e-4 <= abs(value) < 1e6:
        text = f"{float(f'{value:.3g}'):,.15g}"
    else:
        digits, _, power = f"{value:.2e}".partition("e")
        digits = digits.rstrip("0").rstrip(".")
        power = f"{int(power)}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        text = {"1": "", "-1": "-"}.get(digits, f"{digits}·") + f"10{power}"
    return text.replace("-", "\N{MINUS SIGN}")
