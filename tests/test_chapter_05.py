"""Chapter 5's Jacobian against autograd, and bad input; its explorer in a browser."""

import math

import pytest
import torch

from conftest import explored
from lab.chapters import definitions

chapter = definitions("05_sqrt_n_scaling")


def test_softmax_jacobian_is_autograds():
    logits = 3 * torch.randn(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    logits[0, :3] = -math.inf
    found = chapter.softmax_jacobian(logits)
    for row, jacobian in zip(logits, found, strict=True):
        torch.testing.assert_close(jacobian, torch.func.jacrev(lambda z: z.softmax(-1))(row))


@pytest.mark.parametrize(
    "bad", [torch.tensor([0.1, math.nan]), torch.tensor([-math.inf] * 2), torch.tensor([1, 2]), []]
)
def test_softmax_jacobian_refuses_what_has_no_softmax(bad):
    with pytest.raises(ValueError, match="logits must "):
        chapter.softmax_jacobian(bad)


DEPTHS = (2, 12)
SIZES = {"plain": [[1.0] * 3, [1.0] * 13], "scaled": [[0.5] * 3, [0.5] * 13]}
TRAINED = {"plain": [1.0] * 12 + [30.0], "scaled": [0.5] * 12 + [20.0]}


@pytest.fixture
def tab(browser):
    """A page with the explorer of sums."""
    data = {"depths": DEPTHS, "fresh": {"apart": SIZES, "copies": SIZES}, "trained": TRAINED, "steps": 20}
    with explored(browser, "sum", data, ready="[data-variance]") as page:
        yield page


def number(tab, name: str) -> float:
    return float(tab.locator(f"[data-{name}]").get_attribute(f"data-{name}"))


@pytest.mark.parametrize("n", [1, 64, 1024])
def test_the_sum_as_a_score_has_the_variance_of_the_rule(tab, n):
    tab.locator("input[type=range]").fill(str(int(math.log2(n))))
    assert number(tab, "variance") == pytest.approx(n, rel=0.3)
    tab.get_by_label("1/√d_k", exact=True).check()
    assert number(tab, "variance") == pytest.approx(1, rel=0.3)
    tab.get_by_label("copies of one", exact=True).check()
    assert number(tab, "variance") == pytest.approx(n, rel=0.3)  # n² / n


def test_the_scale_opens_the_softmax(tab):
    tab.locator("input[type=range]").fill("10")
    assert number(tab, "most") > 0.9
    tab.get_by_label("1/√d_k", exact=True).check()
    assert number(tab, "most") < 0.7


def test_the_sum_as_a_stream_is_trained_and_goes_back(tab):
    tab.get_by_label("the stream of a stack", exact=True).check()
    assert number(tab, "size") == 1 and tab.locator("[data-trained=false]").count() == 1
    tab.get_by_label("1/√N", exact=True).check()
    assert number(tab, "size") == 0.5
    tab.locator("text=Train 20 steps").click()
    assert number(tab, "size") == 20 and "After 20 steps" in tab.locator("svg").get_attribute("aria-label")
    tab.locator("input[type=range]").fill("0")  # another depth was not trained
    assert number(tab, "size") == 0.5 and "Before training: 4 terms" in tab.locator(".said").text_content()
