"""Claims: the sentences of the book, as tests that must be able to fail.

A claim has *evidence*, every value of which must pass its test, and a *control*,
the same measurement on a deliberately broken variant, every value of which must fail it.
"""

import math
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from numbers import Real
from string import Formatter

import numpy as np
from IPython.display import display

from lab import cards
from lab.cards import HUGE, TINY

MIME = "application/vnd.claim+json"  # of the record that a settled claim leaves in its cell's output
# The grammar of ids: a statement of the notes, N1a, and one part of it that a claim settles, N1b.weights
STATEMENT, PART = r"N\d+[a-z]?", r"\.[a-z][a-z-]*"
NAME = re.compile(f"({STATEMENT})({PART})?", re.ASCII)
WORDS, ROW = 25, 46  # of a conclusion; the characters of a row's name, which stands in one line on a phone
FAILS, PASSES = "fails the test", "passes the test"


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
    so: str | None = None,
    values: Mapping | None = None,
    rows: Sequence[str] | None = None,
    dot: str | None = None,
) -> None:
    """Settle `claim`, or stop the notebook.

    Takes what `weigh` takes. Shows the claim's card: its conclusion, and every run of the evidence as a dot and of the
    control as a cross on one axis, shaded where the test passes. Leaves the record in the output, as `MIME`.

    Raises:
        ClaimRefuted: a value of the evidence fails.
        ControlPassed: a value of the control passes.
        ValueError: as `weigh`.
    """
    said = {"says": says, "control_says": control_says, "so": so, "values": values, "rows": rows, "dot": dot}
    record = weigh(claim, test=test, evidence=evidence, control=control, **said)
    if record["refuted"]:
        kind = ControlPassed if record["refuted"].endswith(PASSES) else ClaimRefuted
        raise kind(record["refuted"])
    display({MIME: record, "text/html": cards.settled(record), "text/plain": cards.plain(record)}, raw=True)


def weigh(
    claim: str,
    *,
    test: Callable[[float], bool],
    evidence: Mapping,
    control: Mapping,
    says: str,
    control_says: str,
    so: str | None = None,
    values: Mapping | None = None,
    rows: Sequence[str] | None = None,
    dot: str | None = None,
) -> dict:
    """The record of a claim, whether it holds or not: all that any page says of it is made from this.

    Args:
        claim: the statement's id, "N1a", or one part of it, "N1b.weights".
        test: takes one value and says whether it supports the claim.
        evidence: one number per run, by the run's name ("seed 3"). All must pass.
        control: the same for the broken variant. All must fail.
        says: what the numbers measure, with their unit: the title of the axis.
        control_says: what the control changes.
        so: the conclusion, one sentence with its conditions; {name} stands for a value.
        values: the numbers in it, by name, as `Values.keep` keeps them: each shows in its own format.
        rows: what the rows of evidence and control are called.
        dot: what one value of either is: "one repeat", "mean of four texts".

    Returns "claim", "anchor" (its id on pages), "says", "evidence" (run -> number), "control_says", "control", "so",
    "values" (name -> as shown), "rows", "dot", "passes" (see `passing`), and "refuted": None, or what the first value
    says that is on the wrong side.

    Raises:
        ValueError: a malformed id, no values, a value that is not a finite number, two runs of one name, a test that is
            no function, words that are no string; a conclusion of more than 25 words, without its rows, without what
            a dot is, or with other values than are given.
    """
    if not isinstance(claim, str) or not NAME.fullmatch(claim):
        raise ValueError(f"claim must look like 'N1a' or 'N1b.weights', got {claim!r}")
    if not callable(test):
        raise ValueError(f"{claim}: test must be a function, got {test!r}")
    for name, words in (("says", says), ("control_says", control_says)):
        if not isinstance(words, str):
            raise ValueError(f"{claim}: {name} must be a string, got {words!r}")
    shown = _conclusion(claim, so, values or {}, rows, dot)
    evidence = _numbers(claim, "evidence", evidence)
    control = _numbers(claim, "control", control)
    refuted = [
        f"{claim}: {said}: {run} gives {value:.4g}, which {end}"
        for said, side, right, end in ((says, evidence, True, FAILS), (control_says, control, False, PASSES))
        for run, value in side.items()
        if bool(test(value)) is not right
    ]
    return {
        "claim": claim,
        "anchor": "claim-" + claim.replace(".", "-").lower(),
        "says": says,
        "evidence": evidence,
        "control_says": control_says,
        "control": control,
        **shown,
        "passes": passing(test, [*evidence.values(), *control.values()]),
        "refuted": refuted[0] if refuted else None,
    }


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


def _conclusion(claim: str, so: str | None, values: Mapping, rows: Sequence[str] | None, dot: str | None) -> dict:
    """What a card says besides its numbers."""
    nothing = {"so": None, "values": {}, "rows": None, "dot": None}
    if so is None:  # of chapters that are not written anew yet
        return nothing
    for name, value in values.items():
        if not isinstance(value, int | str) and not hasattr(value, "shown"):
            raise ValueError(f"{claim}: values[{name!r}] must be a kept value, an int or a string, got {value!r}")
    shown = {name: getattr(value, "shown", str(value)) for name, value in values.items()}
    wanted = {name for _, name, _, _ in Formatter().parse(so) if name is not None}
    if wanted != set(shown):
        raise ValueError(f"{claim}: values must be those that so names, {sorted(wanted)}, got {sorted(shown)}")
    if len(so.split()) > WORDS:
        raise ValueError(f"{claim}: so must have at most {WORDS} words, got {len(so.split())}: {so!r}")
    if not isinstance(dot, str) or not dot:
        raise ValueError(f"{claim}: dot must say what one value is, got {dot!r}")
    named = rows is not None and len(rows) == 2 and all(isinstance(row, str) and 0 < len(row) <= ROW for row in rows)
    if not named:
        raise ValueError(f"{claim}: rows must be two names of at most {ROW} characters, got {rows!r}")
    return {"so": so, "values": shown, "rows": list(rows), "dot": dot}


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
