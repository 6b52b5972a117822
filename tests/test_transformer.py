"""The transformer equals torch's layers and Hugging Face's GPT-2, and refuses bad input."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, stack_module_state, vmap
from transformers import GPT2Config, GPT2LMHeadModel

from lab.transformer import (
    Attention,
    Block,
    EncoderDecoder,
    FeedForward,
    Transformer,
    branches,
    by_depth,
    by_layer,
    hook_branches,
    init,
    last_matrices,
    scale_branches,
    unscaled,
)

D, HEADS, D_FF = 12, 3, 20
SIZES = dict(d_model=D, n_head=HEADS, d_ff=D_FF)
TORCH = dict(d_model=D, nhead=HEADS, dim_feedforward=D_FF, dropout=0.0, batch_first=True, dtype=torch.float64)
READS = ("query", "key", "value")  # packed into one matrix by torch and by Hugging Face
BYTES = dict(vocab_size=16, context_length=8)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def causal_mask(n: int) -> torch.Tensor:
    return nn.Transformer.generate_square_subsequent_mask(n, dtype=torch.float64)


def by_our_names(theirs: nn.Module, read: Callable) -> dict[str, torch.Tensor]:
    """What `read` gives for each parameter of torch's module, under the name of ours."""
    found = {}
    if isinstance(theirs, nn.Transformer):
        parts = {"encoder": theirs.encoder, "decoder": theirs.decoder}
    elif isinstance(theirs, nn.TransformerEncoder | nn.TransformerDecoder):
        parts = {f"blocks.{i}": layer for i, layer in enumerate(theirs.layers)}
        parts |= {"final_norm": theirs.norm} if theirs.norm else {}
    elif isinstance(theirs, nn.TransformerEncoderLayer):
        parts = {"attention": theirs.self_attn, "attention_norm": theirs.norm1, "ffn_norm": theirs.norm2}
        parts |= {"ffn.hidden": theirs.linear1, "ffn.out": theirs.linear2}
    elif isinstance(theirs, nn.TransformerDecoderLayer):
        parts = {"attention": theirs.self_attn, "attention_norm": theirs.norm1, "ffn_norm": theirs.norm3}
        parts |= {"cross": theirs.multihead_attn, "cross_norm": theirs.norm2}
        parts |= {"ffn.hidden": theirs.linear1, "ffn.out": theirs.linear2}
    elif isinstance(theirs, nn.MultiheadAttention):
        parts = {"out": theirs.out_proj}
        for kind, packed in (("weight", theirs.in_proj_weight), ("bias", theirs.in_proj_bias)):
            found |= {f"{n}.{kind}": t for n, t in zip(READS, read(packed).chunk(3), strict=True)}
    else:
        return {"weight": read(theirs.weight), "bias": read(theirs.bias)}
    inner = ((name, by_our_names(part, read)) for name, part in parts.items())
    return found | {f"{name}.{key}": tensor for name, tensors in inner for key, tensor in tensors.items()}


def assert_equal(ours: nn.Module, theirs: nn.Module, inputs: list[torch.Tensor], **masks) -> None:
    """With weights all drawn at random, biases and norms too: the same output and the same gradients, float64."""
    theirs.zero_grad()
    generator = seeded(1)
    for weight in theirs.parameters():
        nn.init.normal_(weight, std=0.5, generator=generator)
    ours.double().load_state_dict(by_our_names(theirs, lambda p: p.data))
    results = []
    for model, options in ((ours, {}), (theirs, masks)):
        given = [each.clone().requires_grad_() for each in inputs]
        output = model(*given, **options)
        (output * normal(*output.shape, seed=2)).sum().backward()
        results.append({"output": output} | {f"input {i}": each.grad for i, each in enumerate(given)})
    results[0] |= {name: weight.grad for name, weight in ours.named_parameters()}
    results[1] |= by_our_names(theirs, lambda p: p.grad)
    assert results[0].keys() == results[1].keys()
    for name, mine in results[0].items():
        torch.testing.assert_close(mine, results[1][name], rtol=1e-9, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("attention", ["full", "causal"])
def test_block_is_torchs_encoder_layer(norm, activation, attention):
    ours = Block(**SIZES, norm=norm, activation=activation, attention=attention)
    theirs = nn.TransformerEncoderLayer(**TORCH, activation=activation, norm_first=norm == "pre")
    assert_equal(ours, theirs, [normal(2, 5, D)], src_mask=causal_mask(5) if attention == "causal" else None)


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_block_with_cross_attention_is_torchs_decoder_layer(norm, activation):
    ours = Block(**SIZES, norm=norm, activation=activation, cross=True)
    theirs = nn.TransformerDecoderLayer(**TORCH, activation=activation, norm_first=norm == "pre")
    assert_equal(ours, theirs, [normal(2, 5, D), normal(2, 7, D, seed=3)], tgt_mask=causal_mask(5))


def torch_stacks(norm: str, final_norm: bool) -> tuple[nn.TransformerEncoder, nn.TransformerDecoder]:
    options = TORCH | dict(norm_first=norm == "pre")
    last = lambda: nn.LayerNorm(D, dtype=torch.float64) if final_norm else None
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(**options), 3, last(), enable_nested_tensor=False)
    return encoder, nn.TransformerDecoder(nn.TransformerDecoderLayer(**options), 3, last())


@pytest.mark.parametrize(("norm", "final_norm"), [("pre", True), ("pre", False), ("post", False)])
def test_stacks_are_torchs(norm, final_norm):
    encoder, decoder = torch_stacks(norm, final_norm)
    options = dict(n_layer=3, **SIZES, norm=norm, final_norm=final_norm)
    assert_equal(Transformer(**options, attention="full"), encoder, [normal(2, 5, D)])
    assert_equal(Transformer(**options), encoder, [normal(2, 5, D)], mask=causal_mask(5))
    both = [normal(2, 5, D), normal(2, 7, D, seed=3)]
    assert_equal(Transformer(**options, cross=True), decoder, both, tgt_mask=causal_mask(5))


@pytest.mark.parametrize(("norm", "final_norm"), [("pre", True), ("post", False)])
def test_encoder_decoder_is_torchs_transformer(norm, final_norm):
    encoder, decoder = torch_stacks(norm, final_norm)
    theirs = nn.Transformer(D, HEADS, batch_first=True, custom_encoder=encoder, custom_decoder=decoder)
    ours = EncoderDecoder(n_layer=3, **SIZES, norm=norm)
    assert_equal(ours, theirs, [normal(2, 7, D), normal(2, 5, D, seed=3)], tgt_mask=causal_mask(5))


@pytest.fixture(scope="module")
def gpt2() -> GPT2LMHeadModel:
    """A freshly initialised GPT-2, small but large enough for its standard deviations to be seen."""
    config = GPT2Config(
        n_layer=5, n_embd=96, n_head=4, vocab_size=300, n_positions=80, activation_function="gelu",
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, attn_implementation="eager",
    )  # fmt: skip
    torch.manual_seed(0)
    return GPT2LMHeadModel(config)


def like_gpt2(residual=by_depth) -> Transformer:
    model = Transformer(5, 96, 300, 80, n_head=4, d_ff=384, activation="gelu")
    return init(model, "gpt2", seeded(), residual)


def gpt2_by_our_names(theirs: GPT2LMHeadModel) -> dict[str, torch.Tensor]:
    """Its tensors under the names of ours; its Conv1D keeps a weight the other way round."""
    body = theirs.transformer
    found = {"embed.token.weight": body.wte.weight, "embed.position.weight": body.wpe.weight}
    found |= {"unembed.weight": theirs.lm_head.weight}
    found |= {"final_norm.weight": body.ln_f.weight, "final_norm.bias": body.ln_f.bias}
    for i, block in enumerate(body.h):
        packed = block.attn.c_attn
        for name, weight, bias in zip(READS, packed.weight.chunk(3, 1), packed.bias.chunk(3), strict=True):
            found |= {f"blocks.{i}.attention.{name}.weight": weight.T, f"blocks.{i}.attention.{name}.bias": bias}
        parts = {"attention.out": block.attn.c_proj, "ffn.hidden": block.mlp.c_fc, "ffn.out": block.mlp.c_proj}
        for name, part in parts.items():
            found |= {f"blocks.{i}.{name}.weight": part.weight.T, f"blocks.{i}.{name}.bias": part.bias}
        for name, part in {"attention_norm": block.ln_1, "ffn_norm": block.ln_2}.items():
            found |= {f"blocks.{i}.{name}.weight": part.weight, f"blocks.{i}.{name}.bias": part.bias}
    return found


def deviating(ours: Transformer, theirs: GPT2LMHeadModel) -> set[str]:
    """Tensors whose standard deviation or mean is further from theirs than chance explains (five standard errors)."""
    mine, found = dict(ours.named_parameters()), set()
    there = gpt2_by_our_names(theirs)
    assert {name: weight.shape for name, weight in mine.items()} == {name: w.shape for name, w in there.items()}
    for name, weight in there.items():
        error = weight.std() / weight.numel() ** 0.5  # of a mean; of a difference of two means sqrt(2) times that
        gaps = (mine[name].std() - weight.std()).abs(), (mine[name].mean() - weight.mean()).abs() / 2**0.5
        found |= {name} if max(gaps) > 5 * error else set()
    return found


def test_gpt2_init_is_that_of_hugging_face(gpt2):
    assert deviating(like_gpt2(), gpt2) == set()
    std = like_gpt2().blocks[3].ffn.out.weight.std()
    torch.testing.assert_close(std, torch.tensor(0.02 / 10**0.5), rtol=0.02, atol=0)


@pytest.mark.parametrize("residual", [unscaled, by_layer])
def test_another_residual_factor_is_seen_not_to_be_that_of_hugging_face(gpt2, residual):
    names = {f"blocks.{i}.{branch}.out.weight" for i in range(5) for branch in ("attention", "ffn")}
    assert deviating(like_gpt2(residual), gpt2) == names


def test_with_its_weights_it_is_hugging_faces_gpt2(gpt2):
    ours = like_gpt2()
    ours.load_state_dict(gpt2_by_our_names(gpt2))
    tokens = torch.randint(300, (2, 80), generator=seeded())
    with torch.no_grad():
        theirs = gpt2(tokens, output_hidden_states=True)
        stream = ours.stream(tokens)
        torch.testing.assert_close(ours(tokens), theirs.logits, rtol=1e-4, atol=1e-5)
    assert len(stream) == len(theirs.hidden_states) == 6
    for mine, there in zip(stream[:-1], theirs.hidden_states[:-1], strict=True):
        torch.testing.assert_close(mine, there, rtol=1e-4, atol=1e-5)
    # Hugging Face gives the last state after the final norm
    torch.testing.assert_close(ours.final_norm(stream[-1]), theirs.hidden_states[-1], rtol=1e-4, atol=1e-5)


def test_xavier_init():
    model = init(Transformer(1, 128, 500, 500, n_head=2, d_ff=512), "xavier", seeded())
    wanted = {"embed.token": 1.0, "embed.position": 1.0, "unembed": (2 / 628) ** 0.5}
    wanted |= {f"blocks.0.attention.{name}": 128**-0.5 for name in ("query", "key", "value", "out")}
    wanted |= {f"blocks.0.ffn.{name}": (2 / 640) ** 0.5 for name in ("hidden", "out")}
    for name, std in wanted.items():
        found = model.get_submodule(name).weight.std().item()
        assert found == pytest.approx(std, rel=0.03), name
    torch.manual_seed(0)
    other = nn.init.xavier_normal_(torch.empty(512, 128)).std().item()
    assert model.blocks[0].ffn.hidden.weight.std().item() == pytest.approx(other, rel=0.03)
    assert not any(weight.any() for name, weight in model.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize("kind", ["xavier", "gpt2"])
@pytest.mark.parametrize(("residual", "factors"), [(by_depth, [8**-0.5] * 4), (by_layer, [1, 2**-0.5, 3**-0.5, 0.5])])
def test_residual_factor_multiplies_the_last_matrix_of_each_branch_only(kind, residual, factors):
    build = lambda residual: init(EncoderDecoder(n_layer=4, **SIZES, **BYTES), kind, seeded(), residual)
    plain, scaled = build(unscaled), dict(build(residual).named_parameters())
    last = 0
    for name, weight in plain.named_parameters():
        if name.endswith(".out.weight"):
            last += 1
            weight = weight * factors[int(name.split(".")[2])]
        assert torch.equal(weight, scaled[name]), name
    assert last == 4 * 2 + 4 * 3


def shared(n_layer: int = 4) -> Transformer:
    """A decoder in which all layers are one and the same block."""
    model = Transformer(n_layer, **SIZES, **BYTES)
    model.blocks = nn.ModuleList([model.blocks[0]] * n_layer)
    return model


@pytest.mark.parametrize("residual", [by_depth, by_layer])
def test_init_multiplies_what_layers_share_only_once(residual):
    plain, scaled = (last_matrices(init(shared(), "gpt2", seeded(), r)) for r in (unscaled, residual))
    assert len(plain) == len(scaled) == 2
    for before, after in zip(plain, scaled, strict=True):
        torch.testing.assert_close(after, residual(1, 4) * before)


def test_init_depends_on_its_generator_alone_and_forgets_what_was():
    model = Transformer(2, **SIZES, **BYTES)
    draw = lambda seed: [p.clone() for p in init(model, "gpt2", seeded(seed)).parameters()]
    first = draw(1)
    for weight in model.parameters():
        weight.data.fill_(7)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert all(torch.equal(*both) for both in zip(first, draw(1), strict=True))
    assert torch.equal(before, torch.get_rng_state())
    assert not all(torch.equal(*both) for both in zip(first, draw(2), strict=True))


def test_one_seed_gives_one_set_of_weights_whatever_the_norm_and_the_depth():
    draw = lambda n_layer, norm: init(Transformer(n_layer, **SIZES, **BYTES, norm=norm), "xavier", seeded())
    shallow, deep = draw(2, "post").state_dict(), draw(4, "pre").state_dict()
    assert all(torch.equal(weight, deep[name]) for name, weight in shallow.items())


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("final_norm", [True, False])
def test_the_stream_leads_to_the_output(norm, final_norm):
    model = init(Transformer(3, **SIZES, **BYTES, norm=norm, final_norm=final_norm), "xavier", seeded())
    tokens = torch.randint(16, (2, 8), generator=seeded())
    stream = model.stream(tokens)
    assert [state.shape for state in stream] == [(2, 8, D)] * 4
    assert torch.equal(stream[0], model.embed(tokens))
    assert torch.equal(stream[2], model.blocks[1](stream[1]))
    last = nn.functional.layer_norm(stream[-1], [D]) if norm == "pre" and final_norm else stream[-1]
    torch.testing.assert_close(model(tokens), last @ model.unembed.weight.T)


@pytest.mark.parametrize(("attention", "seen"), [("causal", 5), ("full", 8), ("none", 1)])
def test_what_a_position_sees(attention, seen):
    model = init(Transformer(2, **SIZES, attention=attention), "xavier", seeded())
    x = normal(1, 8, D).float().requires_grad_()
    model(x)[0, 4].norm(p=1).backward()
    reached = x.grad[0].abs().sum(-1) > 0
    assert reached.sum() == seen and reached[4]


def test_unscaled_attention_leaves_out_the_division_alone():
    scaled, plain = Attention(D, HEADS), Attention(D, HEADS, scaled=False)
    plain.load_state_dict(scaled.state_dict())
    x = normal(2, 5, D).float()
    assert not torch.allclose(scaled(x), plain(x))
    plain.query.weight.data /= (D / HEADS) ** 0.5
    plain.query.bias.data /= (D / HEADS) ** 0.5
    torch.testing.assert_close(scaled(x), plain(x))
    block = Block(**SIZES, cross=True, scaled=False)
    assert block.attention.scale == block.cross.scale == 1


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_many_models_at_once_by_vmap(norm):
    models = [init(Transformer(2, **SIZES, **BYTES, norm=norm), "xavier", seeded(seed)) for seed in range(3)]
    tokens = torch.randint(16, (3, 4, 8), generator=seeded())  # other tokens for each model

    def loss(weights, tokens):
        logits = functional_call(models[0], weights, (tokens[:, :-1],))
        return nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())

    weights, _ = stack_module_state(models)
    gradients = vmap(grad(loss))(weights, tokens)
    for i, model in enumerate(models):
        loss(dict(model.named_parameters()), tokens[i]).backward()
        for name, weight in model.named_parameters():
            torch.testing.assert_close(gradients[name][i], weight.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (dict(), ["attention", "ffn"]),
        (dict(attention="none"), ["ffn"]),
        (dict(cross=True), ["attention", "cross", "ffn"]),
        (dict(attention="none", cross=True), ["cross", "ffn"]),
    ],
)
def test_branches_are_those_that_the_block_adds(options, names):
    block, x = init(Block(**SIZES, **options), "xavier", seeded()), normal(2, 5, D).float()
    memory = normal(2, 7, D, seed=3).float() if "cross" in names else None
    assert branches(block) == [(getattr(block, n), getattr(block, f"{n}_norm")) for n in names]
    added = []
    block.add = lambda x, branch, norm: added.append((branch(norm(x)), norm)) or x + added[-1][0]
    block(x, memory)
    assert [norm for _, norm in added] == [norm for _, norm in branches(block)]
    assert last_matrices(block) == [getattr(block, n).out.weight for n in names]


def test_branches_of_an_encoder_decoder_are_those_of_both():
    model = EncoderDecoder(n_layer=3, **SIZES)
    assert branches(model) == branches(model.encoder) + branches(model.decoder)
    assert len(branches(model)) == 3 * 2 + 3 * 3


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("options", [dict(), dict(attention="none"), dict(cross=True)])
def test_a_hook_sees_what_each_branch_reads_and_adds(norm, options):
    model, x = init(Transformer(3, **SIZES, norm=norm, **options), "xavier", seeded()), normal(2, 5, D).float()
    memory, seen = (normal(2, 7, D, seed=3).float() if "cross" in options else None), []
    with hook_branches(model, lambda branch, inputs, out: seen.append((branch, inputs[0], out))):
        end = model.stream(x, memory)[-1]
    assert [branch for branch, _, _ in seen] == [branch for branch, _ in branches(model)]
    if norm == "pre":
        torch.testing.assert_close(x + sum(out for _, _, out in seen), end)
        torch.testing.assert_close(seen[0][1], branches(model)[0][1](x))
    else:
        torch.testing.assert_close(seen[0][1], x)
    model(x, memory)
    assert len(seen) == len(branches(model))  # nothing since the `with` ended


def test_a_hook_can_replace_what_a_branch_adds_and_stays_until_closed():
    model, x = init(Transformer(3, **SIZES, final_norm=False), "xavier", seeded()), normal(2, 5, D).float()
    before = model(x)
    hooks = hook_branches(model, lambda branch, inputs, out: torch.zeros_like(out))
    assert torch.equal(model(x), x)
    hooks.close()
    assert torch.equal(model(x), before)


def test_hooks_are_gone_after_an_error_and_a_shared_layer_is_seen_at_each_turn():
    model, tokens, seen = init(shared(3), "xavier", seeded()), torch.randint(16, (2, 8), generator=seeded()), []
    with pytest.raises(ValueError, match="tokens must be .* got 'abc'"), hook_branches(model, print):
        model("abc")
    assert not any(module._forward_hooks for module in model.modules())
    with hook_branches(model, lambda branch, inputs, out: seen.append(branch)):
        model(tokens)
    assert seen == [branch for branch, _ in branches(model)] and len(seen) == 6 and len(set(seen)) == 2


@pytest.mark.parametrize("build", [lambda: EncoderDecoder(n_layer=4, **SIZES), lambda: shared()])
def test_a_factor_in_every_pass_is_the_factor_on_the_weights_and_counts_once(build):
    scaled, other = (init(build(), "xavier", seeded(), factor) for factor in (unscaled, by_depth))
    scale_branches(scale_branches(scaled, 5.0), 8**-0.5)  # the second is in place of the first
    init(scaled, "xavier", seeded())  # and stays
    both = [torch.randint(16, (2, 8), generator=seeded())]
    if isinstance(scaled, EncoderDecoder):
        both = [normal(2, 7, D).float(), normal(2, 5, D, seed=3).float()]
    torch.testing.assert_close(scaled(*both), other(*both))
    scale_branches(scaled, 1.0)
    torch.testing.assert_close(scaled(*both), init(other, "xavier", seeded())(*both))


@pytest.mark.parametrize("work", [branches, last_matrices, lambda model: scale_branches(model, 0.5)])
def test_what_has_no_branches_is_refused(work):
    with pytest.raises(ValueError, match="model must be a Block, a Transformer or an EncoderDecoder, got "):
        work(FeedForward(4, 4, "relu"))


@pytest.mark.parametrize("bad", [0, float("nan")])
def test_scale_branches_refuses_a_bad_factor(bad):
    with pytest.raises(ValueError, match=f"factor must be .* got {bad!r}"):
        scale_branches(Transformer(2, **SIZES), bad)


def test_another_norm_can_take_the_place_of_one():
    model = Transformer(2, **SIZES)
    model.blocks[1].ffn_norm = model.final_norm = nn.RMSNorm(D)
    assert model(normal(1, 5, D).float()).shape == (1, 5, D)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(n_layer=0), "n_layer must be .* got 0"),
        (dict(d_model=13), "n_head must divide d_model=13, got 3"),
        (dict(norm="middle"), "norm must be one of .*'pre', 'post'.* got 'middle'"),
        (dict(attention="some"), "attention must be one of .*'causal'.* got 'some'"),
        (dict(activation="tanh"), "activation must be one of .*'relu'.* got 'tanh'"),
    ],
)
def test_refuses_a_bad_size_or_word(change, message):
    with pytest.raises(ValueError, match=message):
        Transformer(**(dict(n_layer=2) | SIZES | BYTES | change))


def test_refuses_a_memory_of_another_batch_or_that_nobody_reads():
    x = torch.zeros(2, 5, D)
    with pytest.raises(ValueError, match="memory must have batch 2, got 1"):
        Block(**SIZES, cross=True)(x, x[:1])
    with pytest.raises(ValueError, match=r"memory must be given with cross and only then, got .*\(2, 5, 12\)"):
        Transformer(2, **SIZES)(x, x)


def test_causal_attention_refuses_a_memory_of_another_length():
    x, attention = torch.zeros(2, 5, D), Attention(D, HEADS, causal=True)
    for length in (4, 7):
        with pytest.raises(ValueError, match=f"memory must have the 5 positions of x .* got {length}"):
            attention(x, torch.zeros(2, length, D))
    assert attention(x, x + 1).shape == Attention(D, HEADS)(x, torch.zeros(2, 7, D)).shape == x.shape


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(kind="uniform"), "kind must be one of .*'xavier', 'gpt2'.* got 'uniform'"),
        (dict(residual=lambda layer, n_layer: 1 - layer), r"residual\(1, 2\) must be .* got 0"),
    ],
)
def test_init_refuses_what_it_does_not_know(change, message):
    model = Transformer(2, **SIZES)
    before = [weight.clone() for weight in model.parameters()]
    with pytest.raises(ValueError, match=message):
        init(model, **(dict(kind="xavier", generator=seeded()) | change))
    if "residual" not in change:
        assert all(torch.equal(*both) for both in zip(before, model.parameters(), strict=True))
