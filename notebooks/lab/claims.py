"""Claims: the sentences of the book, as tests that must be able to fail.

A claim has *evidence*, every value of which must pass its test, and a *control*,
the same measurement on a deliberately broken variant, every value of which must fail it.
"""

import html
import json
import math
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from numbers import Real
from typing import NamedTuple

import numpy as np
from IPython.display import display

NAME = re.compile(r"N\d+[a-z]?(\.[a-z][a-z-]*)?")
TINY, HUGE = 1e-12, 1e300  # what is smaller is a rounding error of zero; beyond the other nothing is tried

# These can be told apart with any colour vision, and seen on white and on black
BLUE, ORANGE, GREEN = "#2a86c4", "#dd6416", "#009e73"


class ClaimRefuted(AssertionError):
    """The evidence of a claim does not pass its test."""


class ControlPassed(AssertionError):
    """The control of a claim passes its test, so the test shows nothing."""


def settle(
    claim: str,
    *,
    test: Callable[[float], bool],
    evidence: Mapping,
    control: Mapping,
    says: str,
    control_says: str,
) -> None:
    """Settle `claim`, or stop the notebook.

    Args:
        claim: the statement's id, "N1a", or one part of it, "N1b.weights".
        test: takes one value and says whether it supports the claim.
        evidence: one number per run, by the run's name ("seed 3"). All must pass.
        control: the same for the broken variant. All must fail.
        says: what the numbers measure, with their unit.
        control_says: what was broken for the control.

    Shows one line and a picture, every run of the evidence as a dot and of the control as a cross on one
    axis, shaded where the test passes. Leaves a record in its HTML, from which the page of verdicts is made.

    Raises:
        ClaimRefuted: a value of the evidence fails.
        ControlPassed: a value of the control passes.
        ValueError: a malformed id, no values, a value that is not a finite number, two runs of one name,
            a test that is no function, or words that are no string.
    """
    record = weigh(claim, test=test, evidence=evidence, control=control, says=says, control_says=control_says)
    if refuted := record.pop("refuted"):
        kind = ControlPassed if all(map(test, record["evidence"].values())) else ClaimRefuted
        raise kind(refuted)
    display({"text/html": _settled(record), "text/plain": _plain(record)}, raw=True)


def weigh(
    claim: str,
    *,
    test: Callable[[float], bool],
    evidence: Mapping,
    control: Mapping,
    says: str,
    control_says: str,
) -> dict:
    """The record that `settle` leaves of `claim`, also where it falls: `refuted` says why, or is None.

    Raises:
        ValueError: as `settle` does.
    """
    if not isinstance(claim, str) or not NAME.fullmatch(claim):
        raise ValueError(f"claim must look like 'N1a' or 'N1b.weights', got {claim!r}")
    if not callable(test):
        raise ValueError(f"{claim}: test must be a function, got {test!r}")
    for name, words in (("says", says), ("control_says", control_says)):
        if not isinstance(words, str):
            raise ValueError(f"{claim}: {name} must be a string, got {words!r}")
    evidence = _numbers(claim, "evidence", evidence)
    control = _numbers(claim, "control", control)
    failed = [
        f"{claim}: {says}: {run} gives {value:.4g}, which fails the test"
        for run, value in evidence.items()
        if not test(value)
    ]
    passed = [
        f"{claim}: {control_says}: {run} gives {value:.4g}, which passes the test"
        for run, value in control.items()
        if test(value)
    ]
    return {
        "claim": claim,
        "anchor": "claim-" + claim.replace(".", "-").lower(),
        "says": says,
        "evidence": evidence,
        "control_says": control_says,
        "control": control,
        "passes": passing(test, [*evidence.values(), *control.values()]),
        "refuted": next(iter(failed + passed), None),
    }


def spread(values: Mapping[str, float]) -> str:
    """The range of `values` (run -> number) and how many there are: '0.31 to 0.47 (5 runs)'."""
    low, high = _short(min(values.values())), _short(max(values.values()))
    runs = "1 run" if len(values) == 1 else f"{len(values)} runs"
    return f"{low} ({runs})" if low == high else f"{low} to {high} ({runs})"


def passing(test: Callable[[float], bool], values: Iterable[float]) -> list[list[float | None]]:
    """Where `test` passes: its intervals [from, to], found by trying it on and around `values`.

    None in place of an end: the interval goes on as far as was tried, the values' range and as much again on
    either side, and ten times the largest. Where the test raises an error, it does not pass. An interval of
    which no value is part and that is narrower than a thousandth of the range can be missed.
    """
    values = list(values)
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    sizes = np.geomspace(TINY, min(10 * max(abs(low), abs(high), span), HUGE), 1500)
    even = np.linspace(max(low - span, -HUGE), min(high + span, HUGE), 3001)
    points = np.unique(np.concatenate([even, sizes, -sizes, [0.0], values])).tolist()

    def passes(value: float) -> bool:
        try:
            return bool(test(value))
        except Exception:  # a test need not be defined everywhere
            return False

    def edge(inside: float, outside: float) -> float:
        for _ in range(60):
            middle = inside / 2 + outside / 2  # their sum may be too large
            inside, outside = (middle, outside) if passes(middle) else (inside, middle)
        return inside

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        intervals, start = [], 0
        for passed, run in groupby(points, key=passes):
            end = start + len(list(run))
            if passed:
                first = None if start == 0 else edge(points[start], points[start - 1])
                last = None if end == len(points) else edge(points[end - 1], points[end])
                intervals.append([first, last])
            start = end
    return intervals


def figure(record: Mapping, title: str) -> str:
    """A claim as HTML: `title` (HTML), what the dots are, the picture, what the crosses are."""
    dots, crosses = spread(record["evidence"]), spread(record["control"])
    rows = [
        f"<div>{title} The test passes {_in_words(record['passes'])} (shaded).</div>",
        f"<div>{_key(_dot(7, 7), BLUE)} {html.escape(record['says'])}: <b>{dots}</b>, all pass.</div>",
        picture(record),
        f"<div>{_key(_cross(7, 7), ORANGE)} <em>Control</em>, {html.escape(record['control_says'])}: "
        f"<b>{crosses}</b>, all fail.</div>",
    ]
    return "".join(rows)


def picture(record: Mapping) -> str:
    """The values of a claim's record and where its test passes, as one SVG element.

    It scales down to the room there is, takes the colour of the text around it, and needs no style sheet.
    """
    shown = layout(record)
    shapes = [f'<g fill="{GREEN}" fill-opacity="0.22">']
    shapes += [f'<rect x="{a:.1f}" y="0" width="{b - a:.1f}" height="{shown.axis}"/>' for a, b in shown.shaded]
    shapes += [f'</g><g fill="{BLUE}" fill-opacity="0.5" stroke="{BLUE}">']
    shapes += [_dot(x, y) for x, y in shown.dots]
    shapes += [f'</g><g fill="none" stroke="{ORANGE}" stroke-width="1.6">']
    shapes += [_cross(x, y) for x, y in shown.crosses]
    ticks = "".join(f"M{x:.1f} {shown.axis}v4" for x in shown.ticks)
    shapes += [f'</g><path d="M0 {shown.axis}H{WIDTH}{ticks}" fill="none" stroke="currentColor"/>']
    shapes += ['<g fill="currentColor" stroke="none" font-size="12">']
    shapes += [
        f'<text x="{x:.1f}" y="{shown.axis + 16}" text-anchor="{anchor}">{text}</text>'
        for x, anchor, text in shown.labels
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {shown.axis + 20}" role="img" '
        f'aria-label="{html.escape(_described(record))}" '
        f'style="display:block;width:100%;max-width:{1.25 * WIDTH:.0f}px;height:auto;margin:0.3em 0;overflow:visible">'
        + "".join(shapes)
        + "</g></svg>"
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


def _described(record: Mapping) -> str:
    return (
        f"{record['claim']}: the test passes {_in_words(record['passes'])}. There lies all of the evidence, "
        f"{spread(record['evidence'])}, and none of the control, {spread(record['control'])}."
    )


def _in_words(intervals: list[list[float | None]]) -> str:
    if intervals in ([], [[None, None]]):
        return "everywhere" if intervals else "nowhere"
    words = []
    for first, last in intervals:
        a, b = (None if edge is None else _short(edge) for edge in (first, last))
        if a is None:  # an edge that passes itself was found exactly, another one to the last bit
            words.append(f"at {b} or below" if last == float(f"{last:.12g}") else f"below {b}")
        elif b is None:
            words.append(f"at {a} or above" if first == float(f"{first:.12g}") else f"above {a}")
        else:
            words.append(f"at {a}" if a == b else f"between {a} and {b}")
    return " or ".join(words)


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


def _numbers(claim: str, name: str, values: Mapping) -> dict[str, float]:
    if not isinstance(values, Mapping) or not values:
        raise ValueError(f"{claim}: {name} must map at least one run to a number, got {values!r}")
    numbers = {}
    for run, value in values.items():
        try:
            number = value.item() if hasattr(value, "item") else value  # NumPy and torch scalars
            number = float(number) if isinstance(number, Real) else math.nan
        except (OverflowError, RuntimeError, ValueError):  # too large, or several elements
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"{claim}: {name}[{run!r}] must be a finite number, got {value!r}")
        if str(run) in numbers:
            raise ValueError(f"{claim}: {name}[{run!r}] must not have the name of another run")
        numbers[str(run)] = number
    return numbers


def _plain(record: Mapping) -> str:
    dots, crosses = spread(record["evidence"]), spread(record["control"])
    return (
        f"{record['claim']} settled. {record['says']}: {dots}, all pass. "
        f"Control, {record['control_says']}: {crosses}, all fail."
    )


def _settled(record: Mapping) -> str:
    box = f"border-left:4px solid {GREEN};padding:0.4rem 0.8rem;margin:0.5rem 0;text-align:left"
    return (
        f'<div class="claim" id="{record["anchor"]}" style="{box}" data-record="{html.escape(json.dumps(record))}">'
        + figure(record, f"<strong>{record['claim']} settled.</strong>")
        + "</div>"
    )
