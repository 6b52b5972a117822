"""The measures of chapter 6 against plain autograd and exact power laws, and their refusals."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lab.chapters import definitions

chapter = definitions("06_pre_ln_vs_post_ln")


def test_grad_norms_are_those_of_a_backward_pass():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)), torch.randn(4, 5)
    weights = [model[2].weight, model[0].weight]
    found = chapter.grad_norms(model(x).square().sum(), weights)
    assert all(weight.grad is None for weight in weights)  # nothing is left behind
    model(x).square().sum().backward()
    assert found == pytest.approx([weight.grad.square().sum().sqrt().item() for weight in weights], rel=1e-6)


@given(power=st.floats(-3, 3), factor=st.floats(0.01, 100))
def test_slope_of_a_power_law_is_its_power(power, factor):
    x = np.array([6, 12, 24, 48])
    assert chapter.slope(x, factor * x**power) == pytest.approx(power, abs=1e-9)


def test_slope_of_many_points_is_that_of_the_regression():
    random = np.random.default_rng(0)
    x, y = random.uniform(1, 9, 20), random.uniform(1, 9, 20)
    covariance = np.cov(np.log(x), np.log(y))
    assert chapter.slope(x.tolist(), y.tolist()) == pytest.approx(covariance[0, 1] / covariance[0, 0])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1, 2], [1, 0], r"y must be above 0 and finite, got \[1. 0.\]"),
        ([-1, 2], [1, 1], "x must be above 0 .* got .*-1"),
        ([1, 2], [1, math.nan], "y must be .* finite, got .*nan"),
        ([1, math.inf], [1, 1], "x must be .* finite, got .*inf"),
        ([1, 2, 3], [1, 2], "x and y must be two points or more"),
        ([2, 2], [1, 2], r"x and y must be two points or more, got x=\[2. 2.\]"),
        ([1], [1], "x and y must be two points or more"),
        ([], [], "x and y must be two points or more"),
        ([[1, 2]], [[1, 2]], "x and y must be two points or more"),
    ],
)
def test_slope_refuses(x, y, message):
    with pytest.raises(ValueError, match=message):
        chapter.slope(x, y)


def test_grad_norms_refuses():
    weight = torch.ones(2, requires_grad=True)
    for bad in (1.0, torch.tensor(1.0), 2 * weight):
        with pytest.raises(ValueError, match="loss must be a scalar with a graph, got "):
            chapter.grad_norms(bad, [weight])
    with pytest.raises(ValueError, match=r"weights must hold at least one, got \[\]"):
        chapter.grad_norms(weight.sum(), [])
