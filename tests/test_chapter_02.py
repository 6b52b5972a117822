"""The samplers of chapter 2 against Hugging Face's, their exact properties, and bad input."""

import math

import numpy as np
import pytest
import torch
from transformers import (
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from lab.chapters import definitions

chapter = definitions("02_other_samplers")
SAMPLERS = {
    "temperature": (chapter.temperature, TemperatureLogitsWarper),
    "top_k": (chapter.top_k, TopKLogitsWarper),
    "top_p": (chapter.top_p, TopPLogitsWarper),
    "min_p": (chapter.min_p, MinPLogitsWarper),
    "typical": (chapter.typical, TypicalLogitsWarper),
}
VALUES = {"temperature": [0.3, 1.0, 2.5], "top_k": [1, 5, 40, 200], "top_p": [0.05, 0.5, 0.95]}
VALUES |= {"min_p": [0.01, 0.3, 1.0], "typical": [0.05, 0.5, 0.95]}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", SAMPLERS)
def test_agrees_with_hugging_face_on_a_thousand_random_rows(name):
    ours, theirs = SAMPLERS[name]
    for value in VALUES[name]:
        logits = torch.randn(1000, 50, generator=seeded(), dtype=torch.float64)
        logits *= torch.logspace(-2, 1.5, 1000)[:, None]  # from almost flat to almost certain
        logits[::3, 0] = -math.inf
        # a constant added to a row's logits changes nothing, so log-probabilities are compared
        found, expected = ours(logits, value).log_softmax(-1), theirs(value)(None, logits.clone()).log_softmax(-1)
        assert torch.allclose(found, expected, atol=1e-9), value


@pytest.mark.parametrize("name", ["top_k", "min_p"])
def test_agrees_with_hugging_face_where_logits_are_equal(name):
    ours, theirs = SAMPLERS[name]
    logits = torch.randint(-3, 3, (1000, 20), generator=seeded()).double()
    for value in VALUES[name]:
        assert torch.equal(ours(logits, value), theirs(value)(None, logits.clone())), value


@pytest.mark.parametrize("name", ["top_p", "typical"])
def test_keeps_as_many_as_hugging_face_where_logits_are_equal(name):
    # which of several equal tokens stays is arbitrary; how much probability stays is not
    ours, theirs = SAMPLERS[name]
    logits = torch.randint(-3, 3, (1000, 20), generator=seeded()).double()
    for value in (0.37, 0.81):
        kept = ours(logits, value) > -math.inf
        held = (logits.softmax(-1) * kept).sum(-1)
        assert (held >= value - 1e-9).all()
        if name == "top_p":
            assert torch.equal(kept.sum(-1), (theirs(value)(None, logits.clone()) > -math.inf).sum(-1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("tau", [1e-4, 1e-40, 1e-320])
def test_the_coldest_temperature_can_still_be_drawn_from(dtype, tau):
    logits = torch.tensor([[20.0, 10, -10]], dtype=dtype)
    probs = chapter.temperature(logits, tau).softmax(-1)
    assert probs.tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["temperature", "min_p", "typical"])
def test_half_precision_is_as_good_as_its_numbers(name, dtype):
    ours = SAMPLERS[name][0]
    logits = (3 * torch.randn(1000, 50, generator=seeded())).to(dtype)
    for value in VALUES[name]:
        kept, expected = (ours(z, value) > -math.inf for z in (logits, logits.float()))
        assert torch.equal(kept, expected), value


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_the_hottest_temperature_makes_the_possible_equal(dtype):
    logits = torch.tensor([[20.0, 10, -math.inf]], dtype=dtype)
    assert chapter.temperature(logits, 1e308).softmax(-1).tolist() == [[0.5, 0.5, 0]]


def test_p_of_one_keeps_every_possible_token():
    logits = torch.tensor([[0.0, -40, -math.inf, -100]])
    for name in ("top_p", "typical"):
        assert (SAMPLERS[name][0](logits, 1.0) > -math.inf).tolist() == [[True, True, False, True]]


def test_gumbel_top_k_draws_different_possible_tokens():
    logits = torch.randn(1000, 6, generator=seeded())
    logits[:, 2] = -math.inf
    drawn = chapter.gumbel_top_k(logits, 5, seeded(1))
    assert torch.equal(drawn.sort(-1).values, torch.tensor([0, 1, 3, 4, 5]).expand(1000, -1))


def test_gumbel_top_k_draws_nothing_impossible_in_half_precision():
    logits = torch.full((100, 50_000), -math.inf, dtype=torch.float16)
    logits[:, :2] = 0
    assert (chapter.gumbel_top_k(logits, 2, seeded()) < 2).all()


def test_gumbel_top_k_is_torchs_own_draw_without_replacement():
    logits = torch.randn(500, 100, generator=seeded())
    theirs = torch.multinomial(logits.softmax(-1), 4, generator=seeded(1))
    assert (chapter.gumbel_top_k(logits, 4, seeded(1)) == theirs).all(1).float().mean() > 0.99


def test_gumbel_top_k_refuses_more_than_there_are():
    logits = torch.tensor([[0.0, 1.0, -math.inf]])
    with pytest.raises(ValueError, match="k must be at most 2.*got 3"):
        chapter.gumbel_top_k(logits, 3, seeded())


@pytest.mark.parametrize(
    ("counts", "probs", "says"),
    [(bad, [0.5, 0.5], "counts must be finite") for bad in ([-1, 9], [math.nan, 9], [0, 0])]
    + [([5, 5], [1.5, -0.5], "probs must be finite")]
    + [([5, 5, 5], [0.5, 0.5], r"counts must have probs' shape \(2,\), got \(3,\)")],
)
def test_the_p_value_refuses(counts, probs, says):
    with pytest.raises(ValueError, match=says):
        chapter.p_value(np.array(counts), np.array(probs))


@pytest.mark.parametrize(
    ("name", "argument", "bad"),
    [("temperature", "tau", 0), ("temperature", "tau", math.nan), ("top_k", "k", 0), ("top_k", "k", 2.5)]
    + [(name, "p", bad) for name in ("min_p", "typical") for bad in (0, 1.1)],
)
def test_refuses_a_bad_setting(name, argument, bad):
    with pytest.raises(ValueError, match=f"{argument} must.*{bad!r}"):
        SAMPLERS[name][0](torch.zeros(1, 3), bad)
