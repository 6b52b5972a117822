"""`settle` lets a claim stand only if all of its evidence passes and all of its control fails."""

import html
import json
import re

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab import claims

above_one = dict(test=lambda x: x > 1, says="x", control_says="x halved")


def test_shows_a_line_and_leaves_a_record(capsys, monkeypatch):
    shown = []
    monkeypatch.setattr(claims, "display", lambda data, raw: shown.append(data))
    claims.settle("N1b.weights", evidence={0: 2, 1: np.float64(3)}, control={0: torch.tensor(0.5)}, **above_one)
    [data] = shown
    [record] = re.findall(r'data-record="([^"]*)"', data["text/html"])
    assert json.loads(html.unescape(record)) == {
        "claim": "N1b.weights",
        "anchor": "claim-n1b-weights",
        "says": "x",
        "evidence": "2 to 3 (2 runs)",
        "control_says": "x halved",
        "control": "0.5 (1 run)",
    }
    assert "2 to 3 (2 runs), all pass" in data["text/plain"]


def test_refuted_evidence_names_the_claim_the_run_and_the_value():
    with pytest.raises(claims.ClaimRefuted, match=r"N1a: x: seed 3 gives 0\.25, which fails"):
        claims.settle("N1a", evidence={"seed 2": 2, "seed 3": 0.25}, control={"seed 2": 0}, **above_one)


def test_a_passing_control_names_the_claim_the_run_and_the_value():
    with pytest.raises(claims.ControlPassed, match=r"N1a: x halved: seed 3 gives 4, which passes"):
        claims.settle("N1a", evidence={"seed 2": 2}, control={"seed 2": 0, "seed 3": 4}, **above_one)


values = st.dictionaries(st.integers(), st.floats(allow_nan=False, allow_infinity=False), min_size=1)


@given(evidence=values, control=values)
def test_settles_exactly_when_all_evidence_passes_and_all_control_fails(evidence, control):
    holds = all(x > 1 for x in evidence.values())
    fails = not any(x > 1 for x in control.values())
    try:
        claims.settle("N1a", evidence=evidence, control=control, **above_one)
    except claims.ClaimRefuted:
        assert not holds
    except claims.ControlPassed:
        assert holds and not fails
    else:
        assert holds and fails


@pytest.mark.parametrize("name", ["evidence", "control"])
@pytest.mark.parametrize("bad", [{}, [2, 3], {0: float("nan")}, {0: float("inf")}, {0: "2"}, {0: None}])
def test_refuses_values_that_are_no_numbers(name, bad):
    arguments = {"evidence": {0: 2}, "control": {0: 0}} | {name: bad}
    with pytest.raises(ValueError, match=f"N1a: {name}"):
        claims.settle("N1a", **arguments, **above_one)


@pytest.mark.parametrize("claim", ["", "1a", "N1A", "N1a.", "N1a weights", "N1a.Weights"])
def test_refuses_a_malformed_id(claim):
    with pytest.raises(ValueError, match=re.escape(repr(claim))):
        claims.settle(claim, evidence={0: 2}, control={0: 0}, **above_one)


@pytest.mark.parametrize(
    ("run_values", "text"),
    [
        ({0: 1e-17}, "0 (1 run)"),
        ({0: -0.5, 1: 0.25}, "−0.5 to 0.25 (2 runs)"),
        ({0: 1.0001, 1: 1.0002}, "1 (2 runs)"),
    ],
)
def test_spread(run_values, text):
    assert claims.spread(run_values) == text
