"""Chapter 7's RAdam against torch's, step by step, its factor, their refusals, and the map that a reader taps."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from conftest import explored
from lab.chapters import definitions

chapter = definitions("07_warmup_and_radam")


@given(
    beta1=st.sampled_from([0.0, 0.5, 0.9]),
    beta2=st.sampled_from([0.5, 0.9, 0.98, 0.99, 0.999, 0.9995]),
    rate=st.sampled_from([1e-3, 0.1]),
    eps=st.sampled_from([1e-8, 1e-3]),
    seed=st.integers(0, 1000),
)
def test_radam_is_that_of_torch_at_every_step(beta1, beta2, rate, eps, seed):
    random = torch.Generator().manual_seed(seed)
    theirs = torch.nn.Parameter(torch.randn(4, 3, generator=random, dtype=torch.float64))
    ours, radam = theirs.detach().clone(), chapter.RAdam(rate, beta1, beta2, eps)
    torchs = torch.optim.RAdam([theirs], lr=rate, betas=(beta1, beta2), eps=eps)
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
        (lambda: chapter.rectification(1, 1), "beta2 must be below 1, got 1"),
        (lambda: chapter.RAdam(0), "rate must be a finite number above 0, got 0"),
        (lambda: chapter.RAdam(1, beta1=1), "beta1 must .* got 1"),
        (lambda: chapter.RAdam(1).step(torch.tensor([1])), "gradient must be .* finite squares, got torch.int64"),
        (lambda: chapter.RAdam(1, beta2=2), "beta2 must lie .* got 2"),
        (lambda: chapter.RAdam(1, eps=0), "eps must be a finite number above 0, got 0"),
    ],
)
def test_refuses(work, message):
    with pytest.raises(ValueError, match=message):
        work()


def test_a_gradient_of_another_shape_is_refused_and_changes_nothing():
    radam, other, gradient = chapter.RAdam(0.1), chapter.RAdam(0.1), torch.ones(4, 3)
    radam.step(gradient)
    with pytest.raises(ValueError, match=r"gradient must keep its shape \(4, 3\), got \(3,\)"):
        radam.step(gradient[0])
    with pytest.raises(ValueError, match="gradient must be floats"):
        radam.step(gradient / 0)
    other.step(gradient)
    assert torch.equal(radam.step(2 * gradient), other.step(2 * gradient))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_what_double_gives(dtype):
    gradient = torch.tensor([60_000.0, 300, 1, 1e-4, 0], dtype=dtype)  # squares beyond float16 on both sides
    half, double = chapter.RAdam(0.01), chapter.RAdam(0.01)
    for _ in range(10):
        found, expected = half.step(gradient), double.step(gradient.double())
        assert found.dtype == dtype
        torch.testing.assert_close(found.double(), expected, rtol=1e-2, atol=1e-6)


@pytest.mark.parametrize("beta2", [0.999, 0.9995])
def test_the_factor_starts_along_the_square_root_and_above_the_linear_warm_up(beta2):
    for step in range(60, int(0.4 / (1 - beta2))):
        linear = step * (1 - beta2) / 2
        assert chapter.rectification(step, beta2) == pytest.approx(math.sqrt(linear), rel=0.1)
        assert chapter.rectification(step, beta2) > 1.5 * linear


READY = ".explorer svg[aria-label]"


def test_the_map_shows_the_runs_of_the_cell_that_is_tapped(browser):
    def cell(*ends):
        return {"ends": list(ends), "curves": [[-0.5, end] for end in ends]}

    rows = [
        {"block": block, "warm": warm, "cells": [cell(0.3, 0.2), cell(0.01, -0.02) if not warm else cell(0.3, 0.1)]}
        for block in ("Post-LN", "Pre-LN")
        for warm in (False, True)
    ]
    data = {"rates": ["0.001", "0.004"], "steps": [20, 240], "n_step": 240, "rows": rows, "bigram": 0.65}
    data |= {"stuck": 0.06, "low": -0.75, "high": 0.75, "start": [0, 1]}
    with explored(browser, "map", data, ready=READY) as page:
        assert page.locator("button").count() == 8
        assert page.locator("[data-stuck]").get_attribute("data-stuck") == "2"
        page.locator("button[data-row='1'][data-column='1']").focus()
        page.keyboard.press("Enter")
        assert page.locator("[data-stuck]").get_attribute("data-stuck") == "0"
        assert (
            "Post-LN, warm-up, rate 0.004: gains of 0.30, 0.10; stuck: 0 of 2" in page.locator(".said").text_content()
        )
        assert "0.30, 0.10" in page.locator("svg").get_attribute("aria-label")
        assert page.locator("button[aria-pressed='true']").get_attribute("data-gain") == "0.200"


def test_the_slider_follows_the_updates(browser):
    measures = [{"name": "size", "log": True, "low": 0.1, "high": 10, "ticks": [0.1, 10]}]
    arms = [{"name": "Post-LN", "color": "orange", "runs": [[[0.5, 2]], [[0.7, 4]]]}]
    with explored(browser, "map", {"updates": [0, 10], "measures": measures, "arms": arms}, ready=READY) as page:
        assert "After update 0, means of the seeds. Post-LN: size 0.60." in page.locator("svg").get_attribute(
            "aria-label"
        )
        page.locator("input[type=range]").focus()
        page.keyboard.press("ArrowRight")
        assert page.locator("[data-update]").get_attribute("data-update") == "10"
        assert "Post-LN: size 3.0." in page.locator("svg").get_attribute("aria-label")
