"""The definitions of chapter 1 against exact probabilities, against Hugging Face, and on bad input."""

import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from transformers import TopPLogitsWarper

from lab.chapters import definitions

chapter = definitions("01_argmax_vs_multinomial")
RULES = {
    "argmax": lambda logits, _: chapter.argmax(logits),
    "multinomial": chapter.multinomial,
    "inverse_cdf": chapter.inverse_cdf,
    "gumbel_max": chapter.gumbel_max,
    "nucleus": lambda logits, generator: chapter.multinomial(chapter.nucleus(logits), generator),
}
DRAWS = ["multinomial", "inverse_cdf", "gumbel_max"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def chi2(draws, probs):
    """The p-value of draws (N,) against probs (V,); what has probability 0 must not occur."""
    counts = draws.bincount(minlength=len(probs)).double()
    assert counts[probs == 0].sum() == 0
    possible = probs > 0
    return stats.chisquare(counts[possible].numpy(), (len(draws) * probs[possible] / probs.sum()).numpy()).pvalue


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("seed", range(2))
def test_draws_follow_softmax(name, seed):
    logits = 2 * torch.randn(12, generator=seeded(seed))
    logits[seed] = -math.inf
    draws = RULES[name](logits.expand(100_000, -1), seeded(seed + 1))
    assert chi2(draws, logits.double().softmax(-1)) > 1e-6


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_gumbel_max_at_a_temperature(temperature):
    logits = torch.randn(8, generator=seeded())
    draws = chapter.gumbel_max(logits.expand(100_000, -1), seeded(1), temperature)
    assert chi2(draws, (logits.double() / temperature).softmax(-1)) > 1e-6
    assert chi2(draws, logits.double().softmax(-1)) < 1e-6


@given(seed=st.integers(0, 10**6), p=st.floats(0.01, 1.0), spread=st.floats(0.1, 5))
def test_the_nucleus_is_the_smallest_set_that_holds_p(seed, p, spread):
    logits = spread * torch.randn(3, 30, generator=seeded(seed), dtype=torch.float64)
    kept = chapter.nucleus(logits, p)
    probs = logits.softmax(-1)
    for row, keep in zip(probs, kept > -math.inf, strict=True):
        held = row[keep].sum()
        assert held >= p - 1e-9
        assert held - row[keep].min() < p + 1e-9
        assert row[keep].min() >= row[~keep].max() if (~keep).any() else True
    assert torch.equal(kept, TopPLogitsWarper(p)(None, logits.clone())) or 1 - p < 1e-6


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), (2, 1, 3, 4)])
def test_every_rule_takes_logits_of_any_shape(name, shape):
    logits = torch.randn(shape, generator=seeded())
    rows = RULES[name](logits.view(-1, 4), seeded(1))
    assert torch.equal(RULES[name](logits, seeded(1)), rows.view(shape[:-1]))


BAD_LOGITS = {
    "NaN": torch.tensor([[0.0, math.nan]]),
    "\\+inf": torch.tensor([[0.0, math.inf]]),
    "all -inf": torch.tensor([[0.0, 1.0], [-math.inf, -math.inf]]),
    r"shape \(1, 0\)": torch.empty(1, 0),
    r"shape \(\)": torch.tensor(0.0),
    "floating-point": torch.tensor([[0, 1]]),
    "16 bits or more": torch.zeros(2, 3).to(torch.float8_e4m3fn),
}


@pytest.mark.parametrize("says", BAD_LOGITS)
def test_logits_are_refused_by_what_is_wrong(says):
    with pytest.raises(ValueError, match=f"logits.*{says}"):
        chapter.argmax(BAD_LOGITS[says])


@pytest.mark.parametrize("temperature", [0, math.nan, 1e31])
def test_refuses_a_bad_temperature(temperature):
    with pytest.raises(ValueError, match=re.escape(f"got {temperature!r}")):
        chapter.gumbel_max(torch.zeros(1, 2), seeded(), temperature)


@pytest.mark.parametrize("p", [0, 1.01, None])
def test_refuses_a_bad_p(p):
    with pytest.raises(ValueError, match=f"p must.*{p!r}"):
        chapter.nucleus(torch.zeros(1, 2), p)


@pytest.mark.parametrize("name", ["multinomial", "gumbel_max"])
def test_half_precision_draws_no_impossible_token(monkeypatch, name):
    """In float16 an exponential random number rounds to 0 once in 30 million, and its token would come first."""
    types, multinomial, exponential = [], torch.multinomial, torch.Tensor.exponential_
    monkeypatch.setattr(torch, "multinomial", lambda x, *n, **more: types.append(x.dtype) or multinomial(x, *n, **more))
    monkeypatch.setattr(torch.Tensor, "exponential_", lambda x, **more: types.append(x.dtype) or exponential(x, **more))
    RULES[name](torch.zeros(3, 4, dtype=torch.float16), seeded())
    assert types == [torch.float32]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", DRAWS)
def test_half_precision_favours_neither_of_two_equals(name, dtype):
    draws = RULES[name](torch.zeros(100_000, 2, dtype=dtype), seeded())
    assert chi2(draws, torch.tensor([0.5, 0.5])) > 1e-6


def test_distinct_is_the_share_of_different_runs():
    assert chapter.distinct([1, 2, 1, 2, 1], 2) == 0.5  # 12, 21, 12, 21
    assert chapter.distinct([1, 2, 1, 2, 1], 4) == 1.0
    assert chapter.distinct([7] * 6, 4) == 1 / 3
    with pytest.raises(ValueError, match="tokens must be at least n=4, got 3"):
        chapter.distinct([1, 2, 3], 4)
    with pytest.raises(ValueError, match="n must be a whole number of at least 1, got 0"):
        chapter.distinct([1, 2, 3], 0)


def test_the_p_value_leaves_out_the_impossible():
    logits = torch.tensor([0.0, 1, -math.inf])
    assert chapter.p_value(chapter.multinomial, logits, 0, 1000) > 1e-6
    assert chapter.p_value(lambda z, _: torch.full(z.shape[:1], 2), logits, 0, 1000) == 0
    assert chapter.p_value(chapter.multinomial, torch.tensor([5.0]), 0, 1000) == 1
    with pytest.raises(ValueError, match="n must be a whole number of at least 1, got 0"):
        chapter.p_value(chapter.multinomial, logits, 0, 0)
