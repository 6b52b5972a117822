"""Samplers and schedules on any shape, size, tie, -inf pattern and precision: a valid result, or a refusal by name."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab import training
from lab.chapters import definitions

chapter_1, chapter_2, chapter_4, chapter_7 = map(
    definitions,
    ("01_argmax_vs_multinomial", "02_other_samplers", "04_beam_search_vs_sampling", "07_warmup_and_radam"),
)
some = settings(deadline=None, derandomize=True, max_examples=60)
HALVES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
EXTREMES = [0.0, 1.0, -1.0, 6e4, -6e4, 1e-7, -math.inf, -math.inf]  # often equal, often impossible


@st.composite
def logits(draw):
    """Rows (B, V) of any precision, extreme and tied; some have no possible token, or a NaN or +inf."""
    shape = draw(st.tuples(st.integers(0, 3), st.integers(0, 6)))
    odd = draw(st.sampled_from([None, None, None, math.nan, math.inf]))
    values = st.sampled_from([*EXTREMES, *([odd] if odd else [])])
    size = math.prod(shape)
    numbers = draw(st.lists(values, min_size=size, max_size=size))
    return torch.tensor(numbers, dtype=draw(st.sampled_from(HALVES))).view(shape)


def good(z):
    return z.numel() > 0 and not z.isnan().any() and bool(z.amax(-1).isfinite().all())


def seeded():
    return torch.Generator().manual_seed(0)


PICK = {
    "argmax": chapter_1.argmax,
    "multinomial": lambda z: chapter_1.multinomial(z, seeded()),
    "inverse_cdf": lambda z: chapter_1.inverse_cdf(z, seeded()),
    "gumbel_max": lambda z: chapter_1.gumbel_max(z, seeded()),
    "gumbel_top_k": lambda z: chapter_2.gumbel_top_k(z, 1, seeded())[:, 0],
    "speculative": lambda z: chapter_4.speculative(z, z, seeded())[0],
}
KEEP = {
    "top_p": lambda z: chapter_1.nucleus(z, 0.7),
    "temperature": lambda z: chapter_2.temperature(z, 0.5),
    "top_k": lambda z: chapter_2.top_k(z, 2),
    "min_p": lambda z: chapter_2.min_p(z, 0.2),
    "typical": lambda z: chapter_2.typical(z, 0.7),
}


@pytest.mark.parametrize("name", PICK)
@some
@given(z=logits())
def test_a_possible_token_is_picked_or_the_logits_are_refused(name, z):
    if not good(z):
        with pytest.raises(ValueError, match="logits must|target must"):
            PICK[name](z)
        return
    picked = PICK[name](z)
    assert picked.shape == z.shape[:1] and picked.dtype == torch.int64
    assert (z.gather(1, picked[:, None]) > -math.inf).all()


@pytest.mark.parametrize("name", KEEP)
@some
@given(z=logits())
def test_something_possible_stays_and_nothing_impossible_comes_or_the_logits_are_refused(name, z):
    if not good(z):
        with pytest.raises(ValueError, match="logits must"):
            KEEP[name](z)
        return
    left = KEEP[name](z)
    assert left.shape == z.shape and not left.isnan().any()
    assert (left > -math.inf).any(-1).all()
    assert (left[z == -math.inf] == -math.inf).all()


@some
@given(rate=st.floats(1e-30, 1e30), n_warm=st.integers(1, 10**6), n_step=st.integers(1, 50))
def test_a_warm_up_rises_to_its_rate_and_stays(rate, n_warm, n_step):
    rates = training.warm_up(rate, n_warm, n_step)
    assert rates.shape == (n_step,) and rates.isfinite().all() and (rates.diff() >= 0).all()
    assert (rates[n_warm - 1 :] == torch.tensor(rate).float()).all()


@some
@given(step=st.integers(1, 10**6), beta2=st.floats(1e-6, 1 - 1e-6))
def test_the_rectification_is_a_share(step, beta2):
    assert 0 <= chapter_7.rectification(step, beta2) <= 1 + 1e-9
