"""Claims: the sentences of the book, as tests that must be able to fail.

A claim has *evidence*, every value of which must pass its test, and a *control*,
the same measurement on a deliberately broken variant, every value of which must fail it.
"""

import html
import json
import math
import re
from collections.abc import Callable, Mapping
from numbers import Real

from IPython.display import display

NAME = re.compile(r"N\d+[a-z]?(\.[a-z][a-z-]*)?")


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

    Shows one line, and leaves a record in its HTML, from which the page of verdicts is made.

    Raises:
        ClaimRefuted: a value of the evidence fails.
        ControlPassed: a value of the control passes.
        ValueError: a malformed id, no values, or a value that is not a finite number.
    """
    if not NAME.fullmatch(claim):
        raise ValueError(f"claim must look like 'N1a' or 'N1b.weights', got {claim!r}")
    evidence = _numbers(claim, "evidence", evidence)
    control = _numbers(claim, "control", control)
    for run, value in evidence.items():
        if not test(value):
            raise ClaimRefuted(f"{claim}: {says}: {run} gives {value:.4g}, which fails the test")
    for run, value in control.items():
        if test(value):
            raise ControlPassed(f"{claim}: {control_says}: {run} gives {value:.4g}, which passes the test")

    record = {
        "claim": claim,
        "anchor": "claim-" + claim.replace(".", "-").lower(),
        "says": says,
        "evidence": spread(evidence),
        "control_says": control_says,
        "control": spread(control),
    }
    display({"text/html": _line(record), "text/plain": _plain(record)}, raw=True)


def spread(values: Mapping[str, float]) -> str:
    """The range of `values` (run -> number) and how many there are: '0.31 to 0.47 (5 runs)'."""
    low, high = _short(min(values.values())), _short(max(values.values()))
    runs = "1 run" if len(values) == 1 else f"{len(values)} runs"
    return f"{low} ({runs})" if low == high else f"{low} to {high} ({runs})"


def _short(value: float) -> str:
    rounded = 0.0 if abs(value) < 1e-12 else value  # a rounding error of zero is zero
    return f"{rounded:.3g}".replace("-", "\N{MINUS SIGN}")


def _numbers(claim: str, name: str, values: Mapping) -> dict[str, float]:
    if not isinstance(values, Mapping) or not values:
        raise ValueError(f"{claim}: {name} must map at least one run to a number, got {values!r}")
    numbers = {}
    for run, value in values.items():
        if hasattr(value, "item"):  # NumPy and torch scalars
            value = value.item()
        if not isinstance(value, Real) or not math.isfinite(value):
            raise ValueError(f"{claim}: {name}[{run!r}] must be a finite number, got {value!r}")
        numbers[str(run)] = float(value)
    return numbers


def _plain(record: dict[str, str]) -> str:
    line = "{claim} settled. {says}: {evidence}, all pass. Control, {control_says}: {control}, all fail."
    return line.format_map(record)


def _line(record: dict[str, str]) -> str:
    shown = {name: html.escape(text) for name, text in record.items()}
    line = (
        '<div class="claim" id="{anchor}" data-record="{record}"><strong>{claim} settled.</strong> {says}: '
        "<b>{evidence}</b>, all pass. <em>Control</em>, {control_says}: <b>{control}</b>, all fail.</div>"
    )
    return line.format_map(shown | {"record": html.escape(json.dumps(record))})
