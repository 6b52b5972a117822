"""The measures of chapter 6 against plain autograd and exact power laws, their refusals, and its explorer."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from conftest import explored
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


def test_slope_of_many_points_is_that_of_the_regression():
    random = np.random.default_rng(0)
    x, y = random.uniform(1, 9, 20), random.uniform(1, 9, 20)
    covariance = np.cov(np.log(x), np.log(y))
    assert chapter.slope(x.tolist(), y.tolist()) == pytest.approx(covariance[0, 1] / covariance[0, 0])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1, 2], [1, 0], r"y must be above 0 and finite, got \[1. 0.\]"),
        ([1, math.inf], [1, 1], "x must be .* finite, got .*inf"),
        ([1, 2, 3], [1, 2], "x and y must be two points or more"),
        ([1e300, np.nextafter(1e300, 2e300)], [1, 2], "x and y must be two points or more"),  # one logarithm
    ],
)
def test_slope_refuses(x, y, message):
    with pytest.raises(ValueError, match=message):
        chapter.slope(x, y)


def test_grad_norms_refuses_what_has_no_gradient():
    weight, other = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="loss must be a scalar with a graph, got "):
        chapter.grad_norms(torch.tensor(1.0), [weight])
    with pytest.raises(ValueError, match="weights must be tensors that require a gradient"):
        chapter.grad_norms(weight.sum(), [weight, torch.ones(2)])
    with pytest.raises(ValueError, match="weights must all be used for the loss"):
        chapter.grad_norms(weight.sum(), [weight, other])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_grad_norms_of_half_precision_are_those_of_its_gradients(dtype):
    weight = torch.ones(100, 100, dtype=dtype, requires_grad=True)
    found = chapter.grad_norms((60_000 * weight).float().sum(), [weight])  # a norm beyond float16
    assert found == pytest.approx([6e6], rel=1e-2)


def test_the_geometric_mean_is_over_the_first_axis():
    assert chapter.mean_of_logs(np.array([[1.0, 2.0], [4.0, 8.0]])) == pytest.approx([2, 4])


NAMES = ("Post-LN", "Post-LN, factor", "Pre-LN", "Pre-LN, factor")


def stack(n: int, ratio: float, **more) -> dict:
    """Two seeds of n layers, whose last gradient is `ratio` times the first on geometric average."""
    up = np.geomspace(1, ratio, n)
    return {"size": [[1.0] * n + [3.0]] * 2, "gradient": [(up * 2).tolist(), (up / 2).tolist()]} | more


@pytest.fixture(scope="module")
def page(browser):
    """The explorer of stacks, with numbers that say where they come from: a ratio of its own for each case."""
    data = {"steps": [0, 5, 50]}
    for kind, depths in (("one", (6, 12)), ("two", (6, 12, 24))):
        data[kind] = {
            name: {n: stack(n, 10 * (i + 1) + n + (kind == "two") / 2, law=[1.0] * n) for n in depths}
            for i, name in enumerate(NAMES)
        }
    data["training"] = {
        name: [stack(6, 100 * (i + 1) + step, alike=step / 100) for step in data["steps"]]
        for i, name in enumerate(NAMES)
    }
    with explored(browser, "stack", data, ready="svg[data-ratio]") as tab:
        yield tab


def choose(tab, norm: str, factor: str, model: str) -> None:
    for words in (norm, factor, model):
        tab.get_by_role("radio", name=words, exact=True).check()


def slide(tab, place: int) -> None:
    tab.get_by_role("slider").evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')) }", place
    )


def ratio(tab) -> float:
    return float(tab.get_attribute("svg", "data-ratio"))


@pytest.mark.parametrize("i", range(4))
def test_the_explorer_shows_the_case_that_is_chosen(page, i):
    norm, factor = NAMES[i].split(", ")[0], "on" if "factor" in NAMES[i] else "off"
    for model, depths in (("a single stack", (6, 12)), ("encoder-decoder", (6, 12, 24))):
        choose(page, norm, factor, model)
        for place, n in enumerate(depths):
            slide(page, place)
            assert ratio(page) == pytest.approx(10 * (i + 1) + n + (model == "encoder-decoder") / 2)
            assert page.get_attribute("svg", "data-layers") == str(n)
            assert page.locator("[data-law]").count() == 1
    choose(page, norm, factor, "in training")
    for place, step in enumerate((0, 5, 50)):
        slide(page, place)
        assert ratio(page) == pytest.approx(100 * (i + 1) + step)
        assert page.locator("[data-law]").count() == 0
        assert f"after {step} updates" in page.locator(".said").text_content()


def test_the_explorer_keeps_the_depth_when_the_norm_changes(page):
    choose(page, "Post-LN", "off", "a single stack")
    slide(page, 0)
    choose(page, "Pre-LN", "on", "a single stack")
    assert page.get_attribute("svg", "data-layers") == "6"


def test_the_explorer_moves_by_keyboard_and_is_no_wider_than_a_phone(page):
    choose(page, "Pre-LN", "off", "encoder-decoder")
    slide(page, 0)
    page.get_by_role("slider").press("ArrowRight")
    assert page.get_attribute("svg", "data-layers") == "12"
    assert "12 layers in the decoder, untrained" in page.get_attribute("svg", "aria-label")
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
