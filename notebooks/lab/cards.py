"""A claim's card, drawn from its record: what was measured, a picture of every run, what the control changed.

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

from lab.palette import BOTH

Say = Callable[[str], str]
SIDES = ("evidence", "control")
TINY, HUGE = 1e-12, 1e300  # what is smaller is a rounding error of zero; what is larger is not drawn to scale
BLUE, ORANGE, GREEN = BOTH["blue"], BOTH["orange"], BOTH["green"]


def settled(record: Mapping, link: str | None = None, say: Say = str) -> str:
    """The card of a claim where it is settled, as HTML; its name leads to `link`."""
    name = f'<a class="reference internal" href="{link}">{record["claim"]}</a>' if link else record["claim"]
    box = f"border-left:4px solid {GREEN};padding:0.4rem 0.8rem;margin:0.5rem 0;text-align:left"
    inner = rows(record, _title(name, say), say)
    return f'<div class="claim" id="{record["anchor"]}" style="{box}">{inner}</div>'


def rows(record: Mapping, title: str, say: Say = str) -> str:
    """What stands on a card, as HTML: `title` (HTML), what the dots are, the picture, what the crosses are."""
    above, below = _sentences(record, title, _key(_dot(7, 7), BLUE), _key(_cross(7, 7), ORANGE), say)
    return above + picture(record, say) + below


def words(record: Mapping, say: Say = str) -> str:
    """A card as HTML without its picture, for places that show no SVG."""
    return "".join(_sentences(record, _title(record["claim"], say), "●", "✕", say))


def as_html(text: str) -> str:
    """Words as HTML, in which no line ends between a stroke and a root."""
    return re.sub(r"\S*/√\S*", r'<span style="white-space:nowrap">\g<0></span>', html.escape(text))


def _title(name: str, say: Say) -> str:
    words = say("{claim} settled.").format(claim=name)
    return f"<strong>{words}</strong>"


def _sentences(record: Mapping, title: str, dot: str, cross: str, say: Say) -> tuple[str, str]:
    where = say("The test passes {where} (shaded).").format(where=_in_words(record["passes"], say))
    dots, crosses = _both_sides(record, as_html, "<b>{}</b>", "<em>{}</em>", say)
    return f"<div>{title} {where}</div><div>{dot} {dots}</div>", f"<div>{cross} {crosses}</div>"


def _both_sides(record: Mapping, as_text: Say, bold: str, emphasis: str, say: Say) -> tuple[str, str]:
    """What was measured and that all of it passes, and the same of the control."""
    dots, crosses = (bold.format(spread(record[side], say)) for side in SIDES)
    above = say("{measured}: {values}, all pass.")
    below = say("{control}, {measured}: {values}, all fail.")
    return (
        above.format(measured=as_text(record["says"]), values=dots),
        below.format(control=emphasis.format(say("Control")), measured=as_text(record["control_says"]), values=crosses),
    )


def plain(record: Mapping, say: Say = str) -> str:
    """The card in words."""
    title = say("{claim} settled.").format(claim=record["claim"])
    return " ".join([title, *_both_sides(record, str, "{}", "{}", say)])


def spread(values: Mapping[str, float], say: Say = str) -> str:
    """The range of `values` (run -> number) and how many there are: '0.31 to 0.47 (5 runs)'."""
    low, high = _short(min(values.values())), _short(max(values.values()))
    runs = say("1 run") if len(values) == 1 else say("{n} runs").format(n=len(values))
    span = low if low == high else say("{low} to {high}").format(low=low, high=high)
    return f"{span} ({runs})"


def picture(record: Mapping, say: Say = str) -> str:
    """The values of a claim's record, a mark each, and where its test passes, as one SVG element.

    It scales down to the room there is, takes the colour of the text around it, and needs no style sheet.
    """
    shown = layout(record)
    dots, crosses = "".join(_dot(*at) for at in shown.dots), "".join(_cross(*at) for at in shown.crosses)
    marks = (
        f'<g fill="{BLUE}" fill-opacity="0.5" stroke="{BLUE}">{dots}</g>'
        f'<g fill="none" stroke="{ORANGE}" stroke-width="1.6">{crosses}</g>'
    )
    style = f"display:block;width:100%;max-width:{1.25 * WIDTH:.0f}px;height:auto;margin:0.3em 0;overflow:visible"
    return _drawn(shown, shown.axis, marks, described(record, say), style)


def strip(record: Mapping, label: str) -> str:
    """The same where the values are hundreds: evidence as bars above, control below. `label` says what is seen."""
    shown, band = layout(record), 9
    bars = ""
    for marks, y, colour in ((shown.dots, 2, BLUE), (shown.crosses, band + 4, ORANGE)):
        places = sorted({round(2 * x) / 2 for x, _ in marks})
        bars += f'<path d="{"".join(f"M{x:g} {y}v{band}" for x in places)}" stroke="{colour}"/>'
    marks = f'<g fill="none" stroke-width="1.5" stroke-opacity="0.6">{bars}</g>'
    return _drawn(shown, 2 * band + 6, marks, label, f"width:100%;max-width:{WIDTH}px;height:auto")


def _drawn(shown: "Layout", axis: int, marks: str, label: str, style: str) -> str:
    """Marks over an axis at the height `axis`, shaded where the test passes."""
    shaded = "".join(f'<rect x="{a:.1f}" y="0" width="{b - a:.1f}" height="{axis}"/>' for a, b in shown.shaded)
    ticks = "".join(f"M{x:.1f} {axis}v4" for x in shown.ticks)
    words = "".join(
        f'<text x="{x:.1f}" y="{axis + 16}" text-anchor="{anchor}">{text}</text>' for x, anchor, text in shown.labels
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {axis + 20}" role="img" '
        f'aria-label="{html.escape(label)}" style="{style}">'
        f'<g fill="{GREEN}" fill-opacity="0.22">{shaded}</g>{marks}'
        f'<path d="M0 {axis}H{WIDTH}{ticks}" fill="none" stroke="currentColor"/>'
        f'<g fill="currentColor" stroke="none" font-size="12">{words}</g></svg>'
    )


WIDTH, EDGE, RADIUS = 340, 8, 3.5  # in CSS pixels, where the picture is not scaled; EDGE is left free at both ends


class Layout(NamedTuple):
    """Where everything stands in a claim's picture."""

    shaded: list[tuple[float, float]]  # from, to
    dots: list[tuple[float, float]]  # x, y
    crosses: list[tuple[float, float]]
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

    dots, bottom = _stack([x(value) for value in evidence], 2)
    crosses, bottom = _stack([x(value) for value in control], bottom + 4)
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
    return Layout(shaded, dots, crosses, round(bottom) + 3, sorted({x(tick) for tick in ticks}), labels)


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


def _stack(places: list[float], top: float) -> tuple[list[tuple[float, float]], float]:
    """Marks at the x `places`, one above another where they would touch; and the y under the lowest of them."""
    lanes: list[float] = []  # the x of the last mark in each
    lane_of = {}
    for index in sorted(range(len(places)), key=places.__getitem__):
        lane = next((n for n, last in enumerate(lanes) if places[index] - last > 2 * RADIUS + 1), len(lanes))
        lanes[lane:] = [places[index], *lanes[lane + 1 :]]
        lane_of[index] = lane
    step = min(2 * RADIUS + 1, max(4.0, 45 / len(lanes)))
    bottom = top + (len(lanes) - 1) * step + 2 * RADIUS + 2
    marks = [(place, bottom - RADIUS - 1 - lane_of[index] * step) for index, place in enumerate(places)]
    return marks, bottom


def _dot(x: float, y: float) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"/>'


def _cross(x: float, y: float) -> str:
    return f'<path d="M{x - 3.2:.1f} {y - 3.2:.1f}l6.4 6.4m0-6.4l-6.4 6.4"/>'


def _key(mark: str, colour: str) -> str:
    style = f'fill="{colour}" fill-opacity="0.5" stroke="{colour}" stroke-width="1.6"'
    return f'<svg width="14" height="14" aria-hidden="true" style="vertical-align:-0.1em" {style}>{mark}</svg>'


def described(record: Mapping, say: Say = str) -> str:
    where, evidence, control = (_in_words(record["passes"], say), *(spread(record[x], say) for x in SIDES))
    words = say(
        "{claim}: the test passes {where}. There lies all of the evidence, {evidence}, and none of the control, {control}."
    )
    return words.format(claim=record["claim"], where=where, evidence=evidence, control=control)


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
