"""The definitions of chapter 5 against autograd and against the stream itself, and bad input."""

import math

import pytest
import torch

from lab.chapters import definitions
from lab.transformer import Transformer, by_depth, init

chapter = definitions("05_sqrt_n_scaling")
SIZES = dict(d_model=12, n_head=3, d_ff=20)
BYTES = dict(vocab_size=16, context_length=8)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def model(residual=lambda layer, n_layer: 1.0, **changes):
    return init(Transformer(4, **(SIZES | BYTES | changes)), "xavier", seeded(), residual)


TOKENS = torch.randint(16, (2, 8), generator=seeded())


def test_softmax_jacobian_is_autograds():
    logits = 3 * torch.randn(5, 7, generator=seeded(), dtype=torch.float64)
    logits[0, :3] = -math.inf
    found = chapter.softmax_jacobian(logits)
    for row, jacobian in zip(logits, found, strict=True):
        torch.testing.assert_close(jacobian, torch.func.jacrev(lambda z: z.softmax(-1))(row))


@pytest.mark.parametrize("attention", ["causal", "none"])
def test_branches_add_up_to_the_stream(attention):
    ours = model(attention=attention)
    found = chapter.branches(ours, TOKENS)
    assert len(found) == (8 if attention == "causal" else 4)
    states = ours.stream(TOKENS)
    torch.testing.assert_close(sum(out for _, out in found), states[-1] - states[0])
    torch.testing.assert_close(found[0][0].mean(-1), torch.zeros(2, 8), atol=1e-6, rtol=0)  # reads after a norm


def test_branches_sees_each_turn_of_a_shared_layer():
    ours = model()
    ours.blocks = torch.nn.ModuleList([ours.blocks[0]] * 3)
    assert len(chapter.branches(ours, TOKENS)) == 6


def test_branches_leaves_nothing_behind_even_after_an_error():
    ours = model()
    chapter.branches(ours, TOKENS)
    with pytest.raises(ValueError, match="tokens must be .* got 'abc'"):
        chapter.branches(ours, "abc")
    assert not any(module._forward_hooks for module in ours.modules())


def test_a_factor_in_every_pass_counts_once_for_a_shared_layer():
    plain, scaled = model(final_norm=False), model(final_norm=False)
    for each in (plain, scaled):
        each.blocks = torch.nn.ModuleList([each.blocks[0]] * 3)
    before = plain.stream(TOKENS)
    after = chapter.scale_branches(scaled, 1e-6).stream(TOKENS)
    torch.testing.assert_close(after[-1], before[0], atol=1e-4, rtol=0)
    once = chapter.branches(plain, TOKENS)[0][1]
    scaled_once = chapter.branches(scaled, TOKENS)[0][1]
    torch.testing.assert_close(scaled_once, 1e-6 * once)


def test_a_factor_in_every_pass_is_at_first_the_factor_on_the_weights():
    scaled = chapter.scale_branches(model(), 8**-0.5)
    torch.testing.assert_close(scaled(TOKENS), model(by_depth)(TOKENS))
    assert not torch.allclose(scaled(TOKENS), model()(TOKENS))


@pytest.mark.parametrize(
    "bad", [torch.tensor([0.1, math.nan]), torch.tensor([-math.inf] * 2), torch.tensor([1, 2]), []]
)
def test_softmax_jacobian_refuses_what_has_no_softmax(bad):
    with pytest.raises(ValueError, match="logits must "):
        chapter.softmax_jacobian(bad)


@pytest.mark.parametrize("bad", [0, -1, math.nan, math.inf, "x", None])
def test_scale_branches_refuses_a_bad_factor(bad):
    with pytest.raises(ValueError, match=f"factor must be .* got {bad!r}"):
        chapter.scale_branches(model(), bad)
