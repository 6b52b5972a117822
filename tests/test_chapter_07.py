"""Chapter 7's RAdam against torch's, step by step, its factor, and their refusals."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.chapters import definitions

chapter = definitions("07_warmup_and_radam")


@settings(deadline=None)
@given(
    beta1=st.sampled_from([0.0, 0.5, 0.9]),
    beta2=st.sampled_from([0.5, 0.9, 0.98, 0.99, 0.999, 0.9995]),
    rate=st.sampled_from([1e-3, 0.1]),
    seed=st.integers(0, 1000),
)
def test_radam_is_that_of_torch_at_every_step(beta1, beta2, rate, seed):
    random = torch.Generator().manual_seed(seed)
    theirs = torch.nn.Parameter(torch.randn(4, 3, generator=random, dtype=torch.float64))
    ours, radam = theirs.detach().clone(), chapter.RAdam(rate, beta1, beta2)
    torchs = torch.optim.RAdam([theirs], lr=rate, betas=(beta1, beta2))
    for _ in range(60):
        theirs.grad = torch.randn(4, 3, generator=random, dtype=torch.float64)
        ours = ours - radam.step(theirs.grad)
        torchs.step()
        assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("beta2", [0.98, 0.99, 0.999])
def test_the_factor_begins_at_step_six_rises_and_ends_at_one(beta2):
    factors = [chapter.rectification(step, beta2) for step in range(1, 20_001)]
    assert factors[:5] == [0] * 5 and factors[5] > 0
    assert all(a <= b + 1e-12 for a, b in zip(factors, factors[1:], strict=False))
    assert factors[-1] == pytest.approx(1, abs=1e-3)


def test_the_factor_stays_zero_where_the_mean_is_never_worth_five():
    assert [chapter.rectification(step, 0.6) for step in (1, 10, 1000)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: chapter.rectification(0, 0.9), "step must be a whole number of at least 1, got 0"),
        (lambda: chapter.rectification(1.5, 0.9), "step must be .* got 1.5"),
        (lambda: chapter.rectification(1, 0), r"beta2 must lie in \(0, 1\], got 0"),
        (lambda: chapter.rectification(1, math.nan), "beta2 must lie .* got nan"),
        (lambda: chapter.rectification(1, 1), "beta2 must be below 1, got 1"),
        (lambda: chapter.RAdam(0), "rate must be a finite number above 0, got 0"),
        (lambda: chapter.RAdam(1, beta1=1), "beta1 must .* got 1"),
        (lambda: chapter.RAdam(1, beta1=-0.1), "beta1 must .* got -0.1"),
        (lambda: chapter.RAdam(1, beta2=2), "beta2 must lie .* got 2"),
        (lambda: chapter.RAdam(1, eps=0), "eps must be a finite number above 0, got 0"),
    ],
)
def test_refuses(work, message):
    with pytest.raises(ValueError, match=message):
        work()
