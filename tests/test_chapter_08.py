"""DLCL against its formula and its limits, the direct path, the designs of the block, and their refusals."""

import pytest
import torch
from torch import nn

from lab import training
from lab.chapters import definitions
from lab.transformer import Transformer, branches, init

chapter = definitions("08_going_deep")
SIZES = dict(d_model=8, n_head=2, d_ff=16)
PARTIAL = (dict(attention="none"), dict(cross=True))
WORDS = dict(vocab_size=training.VOCAB, context_length=6)


def drawn(model, seed=0):
    return init(model, "xavier", torch.Generator().manual_seed(seed))


def vectors(seed=0, batch=2):
    return torch.randn(batch, 5, 8, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_dlcl_reads_what_its_formula_says(norm):
    model, x = drawn(chapter.DLCL(3, **SIZES, norm=norm)), vectors()
    nn.init.normal_(model.mix, generator=torch.Generator().manual_seed(1))
    for i, layer_norm in enumerate(model.norms):
        nn.init.constant_(layer_norm.bias, 0.1 * (i + 1))
    outputs, states = [x], model.stream(x)
    for layer in range(4):
        if norm == "pre":
            expected = sum(model.mix[layer, k] * model.norms[k](y) for k, y in enumerate(outputs))
        else:
            expected = sum(model.mix[layer, k] * y for k, y in enumerate(outputs))
            expected = model.norms[layer - 1](expected) if layer else expected
        torch.testing.assert_close(states[layer], expected)
        if layer < 3:
            outputs.append(model.blocks[layer](expected))
    assert len(states) == 4


def test_dlcl_starts_as_the_mean_of_each_row():
    mix = chapter.DLCL(4, **SIZES).mix
    assert torch.equal(mix.tril(), mix)
    torch.testing.assert_close(mix.sum(1), torch.ones(5))
    assert all(torch.all(row[: n + 1] == row[0]) for n, row in enumerate(mix))


def test_dlcl_that_reads_the_newest_alone_is_post_ln():
    # each output has been normalised already, so that norming it once more leaves it as it is
    plain = drawn(Transformer(3, **SIZES, norm="post"))
    model = chapter.DLCL(3, **SIZES, norm="post")
    model.load_state_dict(plain.state_dict(), strict=False)
    model.mix.data = torch.eye(4)
    torch.testing.assert_close(model(vectors()), plain(vectors()), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_every_parameter_of_dlcl_is_used(norm):
    model = drawn(chapter.DLCL(3, **SIZES, **WORDS, norm=norm))
    tokens = torch.arange(12).view(2, 6)
    gradients = torch.autograd.grad(model(tokens).logsumexp(-1).sum(), list(model.parameters()))
    assert all(gradient is not None for gradient in gradients)


@pytest.mark.parametrize("n", [0, 4])
def test_dlcl_refuses_more_outputs_than_it_has_layers(n):
    with pytest.raises(ValueError, match=f"outputs must be 1 to 3, got {n}"):
        chapter.DLCL(2, **SIZES).combine([vectors()] * n)


def test_the_product_is_the_gradient():
    model, x, delta = drawn(Transformer(3, **SIZES, norm="post")).double(), vectors().double(), vectors(1).double()
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(model.stream(x)[-1], x, delta)
    torch.testing.assert_close(chapter.post_ln_product(model, x, delta), gradient)
    without = chapter.post_ln_product(model, x, delta, norms=False)
    assert (without - gradient).norm() > 0.1 * gradient.norm()


def test_product_refuses():
    post, x = Transformer(2, **SIZES, norm="post"), vectors()
    with pytest.raises(ValueError, match="model must be Post-LN, got 'pre'"):
        chapter.post_ln_product(Transformer(2, **SIZES), x, x)
    with pytest.raises(ValueError, match="model must be Post-LN, got 'post', DLCL"):  # its path is another
        chapter.post_ln_product(chapter.DLCL(2, **SIZES, norm="post"), x, x)
    with pytest.raises(ValueError, match=r"delta must be torch.float32 of shape \(2, 5, 8\), as x, got "):
        chapter.post_ln_product(post, x, x[:1])
    with pytest.raises(ValueError, match="x must be torch.float32, as the model, got torch.float64"):
        chapter.post_ln_product(post, x.double(), x.double())
    for partial in PARTIAL:
        with pytest.raises(ValueError, match="model must have attention and no cross-attention"):
            chapter.post_ln_product(Transformer(2, **SIZES, norm="post", **partial), x, x)


def path(model, inputs, seed=2):
    return chapter.direct_path(model, inputs, torch.Generator().manual_seed(seed))


def test_the_direct_path_of_pre_ln_is_one_and_each_skip_dims_it():
    model, x = drawn(Transformer(3, **SIZES, final_norm=False)), vectors()
    assert path(model, x) == pytest.approx(1)
    assert path(chapter.redesign(model, "Pre-LN, 0.7 x", x), x) == pytest.approx(0.7**6)


def test_the_direct_path_of_post_ln_is_what_the_norms_leave():
    model, x = drawn(Transformer(2, **SIZES, norm="post")).double(), vectors().double().requires_grad_()
    y = x
    for branch, norm in branches(model):
        y = norm(y + branch(y).detach())
    delta = torch.randn(y.shape, generator=torch.Generator().manual_seed(2), dtype=torch.double)
    (arriving,) = torch.autograd.grad(y, x, delta)
    assert path(model, x.detach()) == pytest.approx((arriving.norm() / delta.norm()).item())


def test_the_direct_path_is_measured_beside_the_model():
    model, tokens = drawn(Transformer(2, **SIZES, **WORDS)), torch.arange(12).view(2, 6)
    before = model(tokens)
    assert 0 < path(model, tokens) < 10
    assert torch.equal(model(tokens), before) and model.embed.token.weight.dtype == torch.float32
    before.sum().backward()  # no hook that cuts has stayed
    assert model.blocks[0].ffn.out.weight.grad.any()


def test_the_direct_path_refuses_what_has_no_finite_gradient():
    with pytest.raises(ValueError, match="inputs must have a finite gradient, got nan"):
        path(drawn(Transformer(2, **SIZES)), vectors() * torch.nan)


def test_the_direct_path_of_dlcl_counts_all_that_reads_the_embedding():
    # the newest alone: Post-LN with each norm taken twice, which changes nothing
    x = vectors()
    plain, model = drawn(Transformer(3, **SIZES, norm="post")), chapter.DLCL(3, **SIZES, norm="post")
    model.load_state_dict(plain.state_dict(), strict=False)
    mean = path(model, x)
    model.mix.data = torch.eye(4)
    assert path(model, x) == pytest.approx(path(plain, x), rel=1e-2)
    assert mean > 1.5 * path(plain, x)


def test_a_block_that_layers_share_is_shrunk_once():
    model = drawn(Transformer(2, **SIZES, norm="post"))
    model.blocks[1] = model.blocks[0]
    before = model.blocks[0].ffn.out.weight.clone()
    torch.testing.assert_close(chapter.shrink(model).blocks[0].ffn.out.weight, before * 16**-0.25)


def test_smaller_weights_are_those_of_deepnet():
    plain, small = (
        drawn(Transformer(3, **SIZES, norm="post")),
        chapter.shrink(drawn(Transformer(3, **SIZES, norm="post"))),
    )
    gain = (8 * 3) ** -0.25
    for (name, before), after in zip(plain.named_parameters(), small.parameters(), strict=True):
        scaled = any(part in name for part in ("value.weight", "out.weight", "hidden.weight"))
        torch.testing.assert_close(after, before * gain if scaled else before)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_lines_of_pre_ln_and_post_ln_are_those_of_the_block(norm):
    plain, x = drawn(Transformer(3, **SIZES, norm=norm)), vectors()
    expected = plain(x)
    name = {"pre": "Pre-LN", "post": "Post-LN"}[norm]
    torch.testing.assert_close(chapter.redesign(plain, name, x)(x), expected)


def test_each_design_is_its_line():
    f, x, layer_norm = nn.Linear(8, 8), vectors(), nn.functional.layer_norm
    ln = lambda v: layer_norm(v, (8,))
    expected = {
        "Pre-LN, 0.8 x": 0.8 * x + f(ln(x)),
        "DeepNorm": ln((2 * 2) ** 0.25 * x + f(x)),
        "Admin": ln(3 * x + f(x)),
        "LN Scaling": x + f(ln(x) / 2**0.5),
        "Peri-LN": x + ln(f(ln(x))),
        "OLMo 2": x + ln(f(x)),
    }
    for name, stream in expected.items():
        block = chapter.redesign(drawn(Transformer(2, **SIZES)), name, x).blocks[1]
        if name == "Admin":
            block.ffn_norm.skip.data.fill_(3)
        torch.testing.assert_close(block.add(x, f, block.ffn_norm), stream)


@pytest.mark.parametrize("name", chapter.RULES)
def test_a_design_has_no_part_that_it_does_not_use(name):
    norm = "post" if name in chapter.POST else "pre"
    tokens = torch.arange(12).view(2, 6)
    model = chapter.redesign(drawn(Transformer(2, **SIZES, **WORDS, norm=norm)), name, tokens)
    gradients = torch.autograd.grad(model(tokens).logsumexp(-1).sum(), list(model.parameters()), allow_unused=True)
    assert all(gradient is not None for gradient in gradients)


def test_the_norms_of_olmo_2_are_those_of_queries_and_keys():
    model, x = drawn(Transformer(1, **SIZES)), vectors()
    attention = model.blocks[0].attention
    query = nn.functional.layer_norm(attention.query(x), (8,))
    chapter.redesign(model, "OLMo 2", x)
    torch.testing.assert_close(attention.query(x), query)


def test_admin_starts_from_the_variances_of_the_sums_before():
    x = 3 * vectors()  # a stream whose variance is not 1
    model = chapter.redesign(drawn(Transformer(2, **SIZES, norm="post")), "Admin", x)
    y, expected = x, torch.tensor(1.0)
    for branch, norm in branches(model):
        torch.testing.assert_close(norm.skip.data, expected.expand(8))
        assert norm.skip.requires_grad and norm.skip.grad_fn is None
        kept, added = expected * y, branch(y)
        expected = (kept.var() + added.var()).sqrt().detach()
        y = norm(kept + added)
    torch.testing.assert_close(model.stream(x)[-1], y)
    tokens = torch.arange(12).view(2, 6)
    words = chapter.redesign(drawn(Transformer(2, **SIZES, **WORDS, norm="post")), "Admin", tokens)
    assert words(tokens).isfinite().all()


def test_redesign_refuses():
    with pytest.raises(ValueError, match="name must be one of .*'OLMo 2'.* got 'Sub-LN'"):
        chapter.redesign(drawn(Transformer(2, **SIZES)), "Sub-LN", vectors())
    model = chapter.redesign(drawn(Transformer(2, **SIZES, norm="post")), "DeepNorm", vectors())
    with pytest.raises(ValueError, match="model must be plain, got one with a design"):  # it would shrink twice
        chapter.redesign(model, "DeepNorm", vectors())


@pytest.mark.parametrize("name", ["OLMo 2", "DeepNorm", "Admin"])
@pytest.mark.parametrize("partial", PARTIAL)
def test_a_design_that_needs_attention_refuses_and_leaves_the_model_plain(name, partial):
    model = Transformer(2, **SIZES, **partial)
    with pytest.raises(ValueError, match="model must have attention and no cross-attention"):
        chapter.redesign(model, name, vectors())
    chapter.redesign(model, "Peri-LN", vectors())  # which does not need it


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (torch.zeros(2, 5, 8), "inputs must make sums of a variance above 0, got 0"),
        (torch.zeros(5, 8), r"inputs must be floats \(B, T, 8\), got .*\(5, 8\)"),
    ],
)
def test_admin_refuses_and_leaves_the_model_plain(inputs, message):
    model = drawn(Transformer(2, **SIZES, norm="post"))
    names = [name for name, _ in model.named_parameters()]
    with pytest.raises(ValueError, match=message):
        chapter.redesign(model, "Admin", inputs)
    assert [name for name, _ in model.named_parameters()] == names
    chapter.redesign(model, "Admin", vectors())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", chapter.RULES)
def test_a_design_keeps_the_precision_of_the_model(name, dtype):
    model, x = drawn(Transformer(2, **SIZES)).to(dtype), vectors().to(dtype)
    chapter.redesign(model, name, x)
    assert {value.dtype for value in model.parameters()} == {dtype}
    assert model(x).dtype == dtype and model(x).isfinite().all()


def test_a_skip_of_seven_tenths_is_pre_ln_with_ever_larger_branches():
    usual, dim = (drawn(Transformer(6, **SIZES, norm="pre")).double() for _ in range(2))
    for model in (usual, dim):
        for module in model.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = 1e-30  # so that a norm ignores the scale altogether
    chapter.redesign(dim, "Pre-LN, 0.7 x", None)
    with torch.no_grad():
        for k, (branch, _) in enumerate(branches(usual), 1):
            branch.factor = 0.7**-k
        x = vectors().double()
        ends = [model.final_norm(model.stream(x)[-1]) for model in (usual, dim)]
    torch.testing.assert_close(*ends)
    assert (ends[0] - usual.final_norm(x)).abs().max() > 0.1
