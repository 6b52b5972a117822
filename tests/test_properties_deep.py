"""Chapters 6 to 9 on any shape, size and precision: a valid result that theory or torch confirms, or a refusal by name."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.chapters import definitions
from lab.transformer import Transformer, init

chapter_6, chapter_7, chapter_8, chapter_9 = map(
    definitions, ("06_pre_ln_vs_post_ln", "07_warmup_and_radam", "08_going_deep", "09_late_layers")
)
HALVES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
SEED = st.integers(0, 10_000)


def normal(*shape, seed, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@st.composite
def tensors(draw, *shape, dtypes=HALVES):
    """Of any precision: huge, tiny, equal, zero, and now and then a NaN or an infinity."""
    size = math.prod(shape)
    odd = draw(st.sampled_from([[], [], [], [math.nan], [math.inf, -math.inf]]))
    scale = draw(st.sampled_from([1, 1, 1e-7, 3e4, 1e-30, 1e30, 1e-200, 1e200]))
    values = st.sampled_from([0.0, 1.0, -1.0, 2.0, 0.1, -0.3, *odd])
    numbers = draw(st.lists(values, min_size=size, max_size=size))
    return (scale * torch.tensor(numbers, dtype=torch.float64)).to(draw(st.sampled_from(dtypes))).view(shape)


def answer(work, *names):
    """What `work` gives, or None where it refuses one of the arguments by name."""
    try:
        return work()
    except ValueError as error:
        assert str(error).startswith(names), error
        return None


@given(st.data(), st.integers(0, 5), st.sampled_from([np.float16, np.float32, np.float64]))
def test_a_geometric_mean_lies_between_its_values(data, n, dtype):
    values = st.sampled_from([1.0, 2.0, 0.5, 1e-7, 6e4, 0.0, -1.0, math.nan, math.inf])
    numbers = np.array(data.draw(st.lists(st.tuples(values, values), min_size=n, max_size=n)), dtype=dtype)
    good = n > 0 and ((numbers > 0) & np.isfinite(numbers)).all()
    mean = answer(lambda: chapter_6.mean_of_logs(numbers), "values must")
    assert good == (mean is not None)
    if good:
        assert mean.shape == (2,)
        low, high = numbers.min(0).astype(float), numbers.max(0).astype(float)
        assert (mean >= low * (1 - 1e-5)).all() and (mean <= high * (1 + 1e-5)).all()


@given(st.lists(st.floats(1e-6, 1e6), max_size=6), st.floats(-3, 3), st.floats(1e-3, 1e3))
def test_a_slope_is_the_power_or_the_points_are_refused(x, power, factor):
    x = np.array([float(f"{each:.2g}") for each in x])  # equal, or apart
    slope = answer(lambda: chapter_6.slope(x, factor * x**power), "x and y must be two points or more")
    assert (slope is None) == (len(set(x.tolist())) < 2)
    assert slope is None or slope == pytest.approx(power, abs=1e-6)


@given(st.data(), st.integers(1, 8), st.floats(0, 0.99), st.floats(0.5, 0.9999))
def test_radam_gives_finite_steps_of_the_gradients_precision_or_refuses(data, n_step, beta1, beta2):
    radam = chapter_7.RAdam(0.01, beta1, beta2)
    dtype = data.draw(st.sampled_from(HALVES))
    for _ in range(n_step):
        gradient = data.draw(tensors(2, dtypes=[dtype]))
        step = answer(lambda gradient=gradient: radam.step(gradient), "gradient must")
        assert (step is not None) == bool(gradient.double().square().isfinite().all())
        assert step is None or (step.dtype == dtype and step.isfinite().all())


@st.composite
def stacks(draw, norm=None, kind=Transformer, **more):
    """A small model with drawn weights, of any shape and precision but float16, and vectors for it."""
    n_layer, n_head = draw(st.integers(1, 3)), draw(st.sampled_from([1, 2]))
    d_model, batch, length = n_head * draw(st.integers(2, 5)), draw(st.integers(1, 3)), draw(st.integers(2, 5))
    sizes = dict(d_model=d_model, n_head=n_head, d_ff=draw(st.integers(1, 9)))
    model = kind(n_layer, norm=norm or draw(st.sampled_from(["pre", "post"])), **sizes, **more)
    seed, dtype = draw(SEED), draw(st.sampled_from([torch.bfloat16, torch.float32, torch.float64]))
    model = init(model, "xavier", torch.Generator().manual_seed(seed)).to(dtype)
    return model, normal(batch, length, d_model, seed=seed + 1, dtype=dtype)


@given(stacks(norm="post"), SEED)
def test_the_product_is_the_backward_pass(stack, seed):
    model, x = stack
    delta = normal(*x.shape, seed=seed, dtype=x.dtype)
    found = chapter_8.post_ln_product(model, x, delta)
    assert found.shape == x.shape and found.dtype == x.dtype and found.isfinite().all()
    model, x, delta = model.double(), x.double().requires_grad_(), delta.double()
    (expected,) = torch.autograd.grad(model.stream(x)[-1], x, delta)
    torch.testing.assert_close(chapter_8.post_ln_product(model, x.detach(), delta), expected)


@given(st.sampled_from([*chapter_8.RULES]), stacks(), st.data())
def test_a_design_gives_a_stream_of_its_shape_or_refuses_its_inputs(name, stack, data):
    model, x = stack
    inputs = data.draw(tensors(*x.shape, dtypes=[x.dtype]))
    if answer(lambda: chapter_8.redesign(model, name, inputs), "inputs must") is None:
        assert name == "Admin"
        assert not any("add" in vars(block) for block in model.blocks)
        return
    out = model(x)
    assert out.shape == x.shape and out.dtype == x.dtype and out.isfinite().all()
    if name == "Admin":
        skips = torch.stack([norm.skip for _, norm in chapter_8.branches(model)])
        assert skips.isfinite().all() and (skips > 0).all() and (skips[0] == 1).all()


@given(stacks(), st.data())
def test_a_direct_path_is_finite_or_its_inputs_are_refused(stack, data):
    model, x = stack
    inputs = data.draw(tensors(*x.shape))
    share = answer(lambda: chapter_8.direct_path(model, inputs, torch.Generator()), "inputs must")
    assert share is None or 0 <= share < math.inf
    if model.blocks[0].norm == "pre":
        model.final_norm = torch.nn.Identity()  # nothing is left that narrows it
        assert chapter_8.direct_path(model, x, torch.Generator()) == pytest.approx(1)


@given(st.data(), st.integers(0, 6), st.integers(0, 5), st.booleans())
def test_a_participation_ratio_is_one_to_the_rank_or_the_vectors_are_refused(data, n, d, center):
    x = data.draw(tensors(n, d))
    ratio = answer(lambda: chapter_9.participation_ratio(x, center), "x must")
    good = n > 1 and bool(x.isfinite().all()) and not (x == (x[:1] if center else 0)).all()
    assert (ratio is not None) == good
    assert ratio is None or 1 - 1e-9 <= ratio <= min(n - center, d) + 1e-9


@given(st.integers(2, 12), st.integers(1, 8), SEED, st.integers(-250, 250), st.booleans())
def test_a_participation_ratio_stays_under_scaling_and_rotation_and_centred_under_a_shift(n, d, seed, power, center):
    x = normal(n, d, seed=seed) * normal(1, d, seed=seed + 1)
    ratio = chapter_9.participation_ratio(x, center)
    rotation = torch.linalg.qr(normal(d, d, seed=seed + 2)).Q
    assert chapter_9.participation_ratio(-(10.0**power) * x, center) == pytest.approx(ratio)
    assert chapter_9.participation_ratio(x @ rotation, center) == pytest.approx(ratio)
    if center:
        assert chapter_9.participation_ratio(x + normal(1, d, seed=seed + 3)) == pytest.approx(ratio, rel=1e-6)


@given(st.data(), st.integers(0, 4), st.integers(0, 5), st.integers(-1, 6))
def test_a_top_share_is_a_share_or_an_argument_is_refused(data, n, d, n_top):
    x = data.draw(tensors(n, d))
    share = answer(lambda: chapter_9.top_share(x, n_top=n_top), "x must", "n_top must", "x times gain must")
    if share is None:
        total = x.to(torch.promote_types(x.dtype, torch.float32)).square().sum()
        assert not 1 <= n_top <= d or not 0 < total < math.inf or total / max(n, 1) == 0
    else:
        assert min(n_top, d) / d * (1 - 1e-5) <= share <= 1 + 1e-5


@given(st.data(), st.integers(1, 2), st.integers(0, 4), st.integers(0, 3))
def test_ordinary_tokens_are_neither_first_nor_long_or_the_states_are_refused(data, batch, length, n):
    dtype = data.draw(st.sampled_from(HALVES))
    states = [data.draw(tensors(batch, length, 3, dtypes=[dtype])) for _ in range(n)]
    usual = answer(lambda: chapter_9.ordinary(states), "states must")
    if usual is None:
        lengths = torch.stack([x.to(torch.promote_types(dtype, torch.float32)) for x in states]) if n else None
        assert n == 0 or length < 2 or not lengths.norm(dim=-1).isfinite().all()
        return
    assert usual.shape == (batch, length) and not usual[:, 0].any()
    for x in states:
        sizes = x.to(torch.promote_types(dtype, torch.float32)).norm(dim=-1)
        middle = sizes[:, 1:].flatten().sort().values[(batch * (length - 1) - 1) // 2]
        assert (sizes[usual] <= 3 * middle).all()
