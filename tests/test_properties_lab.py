"""The transformer, the training loop and the claims on any shape, precision and size: right, or refused by name."""

import json
import math
import re
from fractions import Fraction

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from lab import cards, claims, training
from lab.transformer import Attention, Block, Embedding, FeedForward, Transformer, init

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
PARTS = ["attention", "feed-forward", "block", "stack"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def part(kind: str, width: int, n_head: int, norm: str, attention: str, dtype: torch.dtype):
    """One part of a transformer, or a stack of two blocks, that takes vectors."""
    if kind == "attention":
        made = Attention(width, n_head, causal=attention == "causal")
    elif kind == "feed-forward":
        made = FeedForward(width, 2 * width, "gelu")
    else:
        options = dict(n_head=n_head, d_ff=2 * width, norm=norm, attention=attention)
        made = Block(width, **options) if kind == "block" else Transformer(2, width, **options)
    return init(made, "xavier", seeded()).to(dtype)


parts = st.fixed_dictionaries(
    dict(
        kind=st.sampled_from(PARTS),
        width=st.sampled_from([2, 4, 6]),
        n_head=st.sampled_from([1, 2]),
        norm=st.sampled_from(["pre", "post"]),
        attention=st.sampled_from(["causal", "full", "none"]),
        dtype=st.sampled_from(FLOATS),
    )
)


@given(
    options=parts,
    batch=st.integers(0, 3),
    length=st.integers(0, 5),
    size=st.sampled_from([0.0, 1e-30, 1.0, 1e4, 1e30, math.inf, math.nan]),
)
def test_the_output_has_the_shape_and_type_of_the_input_whatever_stands_in_it(options, batch, length, size):
    x = (torch.randn(batch, length, options["width"], generator=seeded(1)) * size).to(options["dtype"])
    y = part(**options)(x)
    assert y.shape == x.shape and y.dtype == x.dtype
    if size <= 1:
        assert y.isfinite().all()


@given(
    options=parts,
    shape=st.lists(st.integers(0, 6), min_size=0, max_size=4),
    dtype=st.sampled_from([*FLOATS, torch.int64, torch.bool, torch.complex64]),
)
def test_vectors_of_another_width_or_type_are_refused_by_name(options, shape, dtype):
    x = torch.zeros(shape, dtype=dtype)
    if len(shape) == 3 and shape[2] == options["width"] and dtype == options["dtype"]:
        assert part(**options)(x).shape == x.shape
        return
    with pytest.raises(ValueError, match=r"^x must be (floats \(B, T, \d\)|torch.*, as the weights), got|^x must be "):
        part(**options)(x)


@given(options=parts, length=st.integers(1, 6), seen=st.integers(1, 6), size=st.sampled_from([1e-3, 1.0, 20.0]))
def test_what_comes_later_changes_nothing_in_a_causal_part(options, length, seen, size):
    model = part(**options | dict(attention="causal"))
    x = (torch.randn(2, length, options["width"], generator=seeded(1)) * size).to(options["dtype"])
    other = x.clone()
    other[:, seen:] = -3 * other[:, seen:] + 1
    found, changed = model(x), model(other)
    assert found.isfinite().all() and torch.equal(found[:, :seen], changed[:, :seen])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_no_number_at_a_later_position_gives_nan_and_never_another_number(bad):
    x = torch.randn(1, 4, 6, generator=seeded(1))
    x[0, 3, 0] = bad
    assert part("attention", 6, 2, "pre", "causal", torch.float32)(x).isnan().all()


@given(
    n_layer=st.integers(1, 2),
    room=st.integers(1, 5),
    vocab_size=st.integers(1, 6),
    norm=st.sampled_from(["pre", "post"]),
    dtype=st.sampled_from(FLOATS),
    shape=st.tuples(st.integers(0, 2), st.integers(0, 7)),
    last=st.integers(-1, 7),
)
def test_token_ids_give_logits_or_are_refused_by_name(n_layer, room, vocab_size, norm, dtype, shape, last):
    model = Transformer(n_layer, 4, vocab_size, room, n_head=2, d_ff=8, norm=norm)
    model = init(model, "gpt2", seeded()).to(dtype)
    tokens = torch.zeros(shape, dtype=torch.int64)
    if tokens.numel():
        tokens[-1, -1] = last
    if not tokens.numel() or shape[1] > room or not 0 <= last < vocab_size:
        with pytest.raises(ValueError, match="^tokens must "):
            model(tokens)
        return
    logits = model(tokens)
    assert logits.shape == (*shape, vocab_size) and logits.dtype == dtype and logits.isfinite().all()
    tokens[:, -1] = 0
    assert torch.equal(model(tokens)[:, :-1], logits[:, :-1])


sizes = st.sampled_from([-1, 0, 1, 2, 3, 4, 1.0, True, None, "2"])


@given(d_model=sizes, n_head=sizes, d_ff=sizes, room=sizes, vocab_size=sizes)
def test_any_size_makes_a_part_or_is_refused_by_name(d_model, n_head, d_ff, room, vocab_size):
    def whole(*values):
        return all(type(value) is int and value > 0 for value in values)

    makes = {
        lambda: Attention(d_model, n_head): whole(d_model, n_head) and d_model % n_head == 0,
        lambda: FeedForward(d_model, d_ff, "relu"): whole(d_model, d_ff),
        lambda: Block(d_model, n_head, d_ff): whole(d_model, n_head, d_ff) and d_model % n_head == 0,
        lambda: Embedding(vocab_size, room, d_model): whole(vocab_size, room, d_model),
    }
    for make, good in makes.items():
        if good:
            make()
        else:
            with pytest.raises(ValueError, match="^(d_model|n_head|d_ff|vocab_size|context_length) must "):
                make()


@given(
    seeds=st.lists(st.integers(0, 2**64 - 1) | st.sampled_from([0, 1]), min_size=1, max_size=3),
    rates=st.lists(st.sampled_from([0.0, 1e-4, 1e-2]), min_size=1, max_size=3),
    optimizer=st.sampled_from([torch.optim.SGD, torch.optim.Adam, torch.optim.RAdam]),
    clip=st.sampled_from([None, 1e-3, 1.0]),
    norm=st.sampled_from(["pre", "post"]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_models_train_together_as_alone(seeds, rates, optimizer, clip, norm, dtype):
    def made():
        made = [Transformer(1, 4, 4, 4, n_head=2, d_ff=8, norm=norm) for _ in seeds]
        return [init(model, "xavier", seeded(i)).to(dtype) for i, model in enumerate(made)]

    task, rates = training.reverse(2, 2, 3), torch.tensor(rates)[:, None] * torch.arange(len(seeds))
    together, apart = made(), made()
    found = training.train(together, seeds, task, rates, optimizer, clip)
    assert found.shape == rates.shape and found.dtype == dtype and found.isfinite().all()
    for i, model in enumerate(apart):
        alone = training.train([model], seeds[i : i + 1], task, rates[:, i], optimizer, clip)
        torch.testing.assert_close(found[:, i : i + 1], alone, rtol=1e-3, atol=1e-4)
    for before, after in zip(made()[0].parameters(), together[0].parameters(), strict=True):
        assert torch.equal(before, after)  # at a rate of 0


EXTREMES = [0.0, -0.0, 5e-324, -5e-324, 1e-310, 1e-13, 1.0, math.nextafter(1, 2)]
EXTREMES += [1e300, 1.7e308, -1.7976931348623157e308]
finite = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(EXTREMES)
KINDS = [float, np.float64, lambda x: torch.tensor(x, dtype=torch.float64), lambda x: np.array([x]), Fraction]
numbers = st.builds(lambda kind, x: kind(x), st.sampled_from(KINDS), finite)
odd = st.sampled_from([True, False, 2, np.int8(3), np.float16(0.1), torch.tensor(True), 10**300])
no_numbers = [math.nan, math.inf, -math.inf, np.float32("nan"), torch.tensor(math.inf), torch.ones(2), np.ones(2)]
no_numbers += [None, "1", 1j, 10**400, [1.0], torch.ones(0)]
sides = st.dictionaries(st.integers(0, 5) | st.sampled_from("012"), numbers | odd, min_size=1, max_size=4)
TESTS = {
    "above": lambda limit: lambda x: x > limit,
    "at most": lambda limit: lambda x: x <= limit,
    "near": lambda limit: lambda x: abs(x - limit) <= abs(limit) / 4,
    "is": lambda limit: lambda x: x == limit,
    "is not": lambda limit: lambda x: x != limit,
    "always": lambda limit: lambda x: True,
    "never": lambda limit: lambda x: False,
}
tests = st.builds(lambda name, limit: TESTS[name](limit), st.sampled_from(list(TESTS)), finite)


@pytest.fixture(scope="module")
def shown():
    """What `settle` displayed last."""
    shown, before = {}, claims.display
    claims.display = lambda data, raw: shown.update(data)
    yield shown
    claims.display = before


def check_page(text: str, n_dot: int, n_cross: int) -> None:
    page = BeautifulSoup(text, "html.parser")
    assert not re.search(r"\b([Nn]a[Nn]|inf|Infinity|None)\b", text)
    picture = page.find("svg")
    dots, crosses = picture.select("g.marks")
    assert len(dots.find_all("circle")) == n_dot and len(crosses.find_all("path")) == n_cross
    for mark in picture.find_all("circle"):
        assert 0 <= float(mark["cx"]) <= cards.WIDTH
    for mark in picture.find_all("rect"):
        assert float(mark["width"]) > 0


@given(evidence=sides, control=sides, test=tests)
def test_settles_exactly_when_all_evidence_passes_and_all_control_fails(shown, evidence, control, test):
    named = [run for side in (evidence, control) for run in {*map(str, side)}]
    if len(named) < len(evidence) + len(control):
        with pytest.raises(ValueError, match="must not have the name of another run"):
            claims.settle("N1a", test=test, evidence=evidence, control=control, says="x", control_says="y")
        return
    good, bad = ([float(getattr(x, "item", lambda x=x: x)()) for x in side.values()] for side in (evidence, control))
    try:
        claims.settle("N1a", test=test, evidence=evidence, control=control, says="x", control_says="y")
    except claims.ClaimRefuted:
        assert not all(map(test, good))
    except claims.ControlPassed:
        assert all(map(test, good)) and any(map(test, bad))
    else:
        assert all(map(test, good)) and not any(map(test, bad))
        check_page(shown["text/html"], len(good), len(bad))
        record = json.loads(json.dumps(shown[claims.MIME], allow_nan=False))
        assert list(record["evidence"].values()) == good and list(record["control"].values()) == bad


@given(side=st.sampled_from(["evidence", "control"]), good=numbers, bad=st.sampled_from(no_numbers))
def test_what_is_no_finite_number_is_refused_by_claim_side_and_run(side, good, bad):
    arguments = {"evidence": {"a": 2}, "control": {"a": 0}} | {side: {"a": good, "seed 3": bad}}
    with pytest.raises(ValueError, match=rf"N1a: {side}\['seed 3'\] must be a finite number, got "):
        claims.settle("N1a", test=lambda x: x > 1, **arguments, says="x", control_says="y")


@given(values=st.lists(finite, min_size=1, max_size=6), test=tests)
def test_the_intervals_hold_every_value_that_passes_and_none_that_fails(values, test):
    found = claims.passing(test, values)
    ends = [(-math.inf if a is None else a, math.inf if b is None else b) for a, b in found]
    assert all(a <= b and not math.isnan(a + b - b) for a, b in ends if math.isfinite(a) and math.isfinite(b))
    for value in values:
        assert any(a <= value <= b for a, b in ends) == test(value)
    record = dict(claim="N1a", says="x", control_says="y", so=None, rows=None, dot=None, passes=found)
    record |= dict(evidence=dict(enumerate(values)), control=dict(enumerate(values)))
    check_page(cards.card(record, "title"), len(values), len(values))
