"""The participation ratio against eigenvalues, the written-out stream against Llama itself, and their refusals."""

import copy

import nbformat
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from lab.chapters import FOLDER, definitions

chapter = definitions("09_late_layers")


def vectors(n, d, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def small():
    """A small Llama, whose norms have a gain, in evaluation mode."""
    sizes = dict(hidden_size=16, intermediate_size=24, num_hidden_layers=3, vocab_size=50)
    torch.manual_seed(0)
    config = LlamaConfig(**sizes, num_attention_heads=4, num_key_value_heads=2, initializer_range=0.5)
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    for name, value in model.named_parameters():
        if "norm" in name:
            value.uniform_(0.5, 1.5)
    return model


TOKENS = torch.tensor([[1, 7, 3, 9, 4, 12], [5, 5, 40, 2, 8, 8]])


def test_the_stream_gives_the_states_and_logits_of_llama(small):
    states = chapter.stream(small, small.model.embed_tokens(TOKENS))
    whole = small(TOKENS, output_hidden_states=True)
    assert len(states) == 7
    torch.testing.assert_close(small.lm_head(small.model.norm(states[-1])), whole.logits)
    # the library's last state is the only one after the final norm
    for ours, theirs in zip(states[:-1:2], whole.hidden_states[:-1], strict=True):
        torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(small.model.norm(states[-1]), whole.hidden_states[-1])


def test_the_states_between_are_what_feed_forward_reads(small):
    seen = []
    hooks = [
        layer.post_attention_layernorm.register_forward_hook(lambda module, read, out: seen.append(read[0]))
        for layer in small.model.layers
    ]
    small(TOKENS)
    for hook in hooks:
        hook.remove()
    states = chapter.stream(small, small.model.embed_tokens(TOKENS))
    torch.testing.assert_close(states[1::2], seen)


@pytest.mark.parametrize("first", range(4))
def test_the_stream_goes_on_from_any_layer(small, first):
    states = chapter.stream(small, small.model.embed_tokens(TOKENS))
    torch.testing.assert_close(chapter.stream(small, states[2 * first], first), states[2 * first :])


def test_a_layer_that_is_left_out_of_the_stream_is_left_out_of_the_model(small):
    states = chapter.stream(small, small.model.embed_tokens(TOKENS))
    skipped = small.lm_head(small.model.norm(chapter.stream(small, states[2], 2)[-1]))
    layers = small.model.layers
    try:
        small.model.layers = torch.nn.ModuleList([layers[0], layers[2]])
        without = small(TOKENS, use_cache=False).logits
    finally:
        small.model.layers = layers
    torch.testing.assert_close(skipped, without)


def test_the_stream_reads_no_later_token_whatever_the_librarys_attention(small):
    eager = copy.deepcopy(small)
    eager.set_attn_implementation("eager")  # without a mask it is not causal
    x = small.model.embed_tokens(TOKENS)
    states = chapter.stream(eager, x)
    torch.testing.assert_close(states, chapter.stream(small, x), atol=1e-4, rtol=1e-4)
    x[:, -1] += 1
    torch.testing.assert_close(chapter.stream(eager, x)[-1][:, :-1], states[-1][:, :-1], atol=1e-4, rtol=1e-4)


def test_stream_refuses(small):
    x = small.model.embed_tokens(TOKENS)
    with pytest.raises(ValueError, match="model must be a LlamaForCausalLM"):
        chapter.stream(small.model, x)
    for first in (-1, 4):
        with pytest.raises(ValueError, match=f"first must be 0 to 3, got {first}"):
            chapter.stream(small, x, first)
    with pytest.raises(ValueError, match="x must be torch.float32, as the model, got torch.float64"):
        chapter.stream(small, x.double())


def by_eigenvalues(x, center):
    """The participation ratio from numpy's eigenvalues."""
    x = x.numpy() - center * x.numpy().mean(0)
    p = np.linalg.eigvalsh(x.T @ x)
    return np.square(p.sum()) / np.square(p).sum()


@given(st.integers(2, 30), st.integers(1, 12), st.integers(0, 1000))
def test_the_participation_ratio_is_that_of_the_eigenvalues(n, d, seed):
    x = vectors(n, d, seed) * vectors(1, d, seed + 1) + 1
    for center in (True, False):
        expected = by_eigenvalues(x, center)
        assert chapter.participation_ratio(x, center) == pytest.approx(expected, rel=1e-6)
        assert 1 - 1e-9 < expected <= min(n, d) + 1e-6


@pytest.mark.parametrize("k", [1, 3, 8])
def test_k_equal_directions_count_k(k):
    axes = torch.linalg.qr(vectors(8, 8)).Q[:k]
    x = torch.cat([axes, -axes])
    assert chapter.participation_ratio(x) == pytest.approx(k)


def test_a_shared_vector_counts_only_about_zero_and_a_huge_channel_always():
    x = vectors(200, 20)
    shifted = x + 100 * vectors(1, 20, 1)
    assert chapter.participation_ratio(shifted) == pytest.approx(chapter.participation_ratio(x))
    assert chapter.participation_ratio(x) > 15
    assert chapter.participation_ratio(shifted, center=False) < 1.01
    x[:, 3] *= 1000
    assert chapter.participation_ratio(x) < 1.01


@pytest.mark.parametrize("n", [3, 7, 11])
def test_the_participation_ratio_refuses_equal_vectors(n):
    with pytest.raises(ValueError, match=f"x must vary, got {n} equal vectors"):
        chapter.participation_ratio(torch.full((n, 2), 0.1, dtype=torch.float64))  # whose mean, rounded, is not 0.1


def test_top_share():
    x = torch.tensor([[3.0, 0.0, 1.0, 2.0], [-3.0, 2.0, 1.0, 0.0]])
    assert chapter.top_share(x, n_top=1) == pytest.approx(18 / 28)
    assert chapter.top_share(x, n_top=4) == pytest.approx(1)
    # the channel that was largest before the gain, although it no longer is
    gain = torch.tensor([0.0, 1.0, 5.0, 1.0])
    assert chapter.top_share(x, gain, n_top=1) == 0
    assert chapter.top_share(x, torch.tensor([2.0, 1.0, 1.0, 1.0]), n_top=1) == pytest.approx(72 / 82)


def test_top_share_refuses():
    x = torch.ones(2, 4)
    with pytest.raises(ValueError, match="x must be vectors of at least 5 channels"):
        chapter.top_share(x, n_top=5)
    with pytest.raises(ValueError, match="x times gain must be finite, not 0"):
        chapter.top_share(0 * x)
    with pytest.raises(ValueError, match="gain must be one number or 4, got "):
        chapter.top_share(x, torch.ones(2, 1))


def test_top_share_of_half_precision_is_that_of_its_numbers():
    x = torch.tensor([[300.0, 400, 1], [300, 0, 1]])  # whose squares are beyond float16
    assert chapter.top_share(x.half(), n_top=1) == pytest.approx(18 / 34, rel=1e-3)


def test_ordinary_leaves_out_first_tokens_and_those_that_are_ever_long():
    states = [torch.ones(2, 5, 4), 10 * torch.ones(2, 5, 4)]
    states[0][:, 0] = 0.1
    states[0][1, 2] = 2.9  # less than three times the median
    states[1][0, 3] = 31
    states[1][:, 0] = 1e6  # and does not count for the median
    usual = chapter.ordinary(states)
    expected = torch.ones(2, 5, dtype=torch.bool)
    expected[:, 0] = expected[0, 3] = False
    assert torch.equal(usual, expected)
    assert chapter.ordinary([torch.ones(1, 3, 4)]).tolist() == [[False, True, True]]  # a first one of usual length
    with pytest.raises(ValueError, match="states must be tensors of one shape, at least one, of 2 tokens or more"):
        chapter.ordinary([torch.ones(2, 5, 4), torch.ones(2, 4, 4)])
    with pytest.raises(ValueError, match="states must have finite lengths"):
        chapter.ordinary([torch.full((2, 5, 4), torch.nan)])


def test_ordinary_measures_half_precision_in_full():
    x = torch.full((1, 6, 9), 1e4)
    x[0, 2] = 6e4  # 180,000 long, six times the median: both beyond float16 in its threes
    assert chapter.ordinary([x.half()]).tolist() == [[False, True, False, True, True, True]]


def helpers(cell: str, **names):
    """What a cell of the chapter, given by its id, defines where these names are bound."""
    cells = nbformat.read(FOLDER / "09_late_layers.ipynb", as_version=4).cells
    (source,) = [each.source for each in cells if each.get("id") == cell]
    names |= {"SEEDS": [], "np": np, "torch": torch}
    exec(source, names)
    return names


def test_damped_weights_are_restored_also_when_the_loss_fails(small):
    def broken(x, s):
        raise RuntimeError("no loss")

    x = small.model.embed_tokens(TOKENS)
    names = dict(model=small, blocks=small.model.layers, trained={0: chapter.stream(small, x)}, stream=chapter.stream)
    before = {name: value.clone() for name, value in small.named_parameters()}
    cost = helpers("cost", **names, loss=broken)["cost"]
    cost.__globals__["whole"] = {0: 0.0}
    with pytest.raises(RuntimeError, match="no loss"):
        cost(1, 3, 0.5, 0)
    assert all(torch.equal(value, before[name]) for name, value in small.named_parameters())
    cost.__globals__["loss"] = lambda x, s: x.norm().item()
    assert cost(1, 3, 1.0, 0) != cost(1, 3, 0.5, 0)
    assert all(torch.equal(value, before[name]) for name, value in small.named_parameters())
    for start, end in ((-1, 2), (2, 2), (0, 4), (3, 4)):
        with pytest.raises(ValueError, match=f"start and end must be layers, got {start}, {end}"):
            cost(start, end, 0.5, 0)


@pytest.mark.parametrize("layer", [-1, 3])
def test_skipping_refuses_a_layer_that_there_is_not(small, layer):
    states = chapter.stream(small, small.model.embed_tokens(TOKENS))
    names = dict(model=small, blocks=small.model.layers, trained={0: states}, stream=chapter.stream)
    skipped = helpers("skipping", **names, loss=lambda x, s: 0.0, short_whole={0: 0.0})["skipped"]
    skipped.__globals__.update(short={0: states}, short_whole={0: 0.0})
    assert skipped(2, 0) == 0
    with pytest.raises(ValueError, match=f"layer must be 0 to 2, got {layer}"):
        skipped(layer, 0)
