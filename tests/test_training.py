"""The shared training loop: equal to torch's own optimizers on one model at a time, fair, not stopped by divergence."""

import copy
import math

import pytest
import torch
from torch.nn import functional as F

from lab import training
from lab.transformer import Transformer, init

SEEDS = (3, 4, 3)  # the first and the last see the same batches
N_STEP = 12


def models(norm: str = "post", n: int = 3) -> list[Transformer]:
    made = [Transformer(2, 8, training.VOCAB, 8, n_head=2, d_ff=16, norm=norm) for _ in range(n)]
    return [init(model, "xavier", torch.Generator().manual_seed(i)) for i, model in enumerate(made)]


def alone(model, seed: int, task, rates, optimizer, clip, **settings) -> torch.Tensor:
    """What `train` does, for one model, as one would write it."""
    random, losses = torch.Generator().manual_seed(seed), []
    optimize = optimizer(model.parameters(), **settings)
    for rate in rates:
        inputs, targets = task(random)
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten(), ignore_index=training.IGNORED)
        optimize.zero_grad()
        loss.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimize.param_groups[0]["lr"] = rate.item()
        optimize.step()
        losses.append(loss.detach())
    return torch.stack(losses)


@pytest.mark.parametrize(("clip", "norm"), [(None, "pre"), (0.3, "post")])
@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        (torch.optim.Adam, dict(betas=(0.8, 0.9))),
        (torch.optim.Adam, dict(eps=1e-4, amsgrad=True)),
        (torch.optim.RAdam, dict(eps=1e-4)),
        (torch.optim.SGD, dict(momentum=0.9, dampening=0.5)),
        (torch.optim.SGD, dict(momentum=0.9, nesterov=True)),
    ],
)
def test_each_model_trains_as_if_alone(norm, clip, optimizer, settings):
    task = training.text(2, 8)
    rates = torch.stack([training.warm_up(rate, n, N_STEP) for rate, n in ((1e-2, 1), (1e-3, 5), (5e-3, 20))], 1)
    found = training.train(models(norm), SEEDS, task, rates, optimizer, clip, **settings)
    if optimizer is not torch.optim.SGD:
        settings = {"betas": (0.9, 0.98)} | settings
    for i, model in enumerate(models(norm)):
        expected = alone(model, SEEDS[i], task, rates[:, i], optimizer, clip, **settings)
        assert torch.allclose(found[:, i], expected, atol=2e-4), i
    assert not torch.allclose(found[0], found[-1], atol=1e-2)  # it moved


class Scaled(Transformer):
    """A stack with a weight of its own, outside any layer, which only the general way can train."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.factor = torch.nn.Parameter(torch.ones(()))

    def forward(self, x):
        return super().forward(x) * self.factor


class Tied(Transformer):
    """A stack that looks into one of its layers."""

    def forward(self, x):
        return self.final_norm(self.stream(x)[-1]) @ self.embed.token.weight.T + self.unembed.weight.sum()


class Mixing(Transformer):
    """A stack that mixes the sequences of a batch."""

    def forward(self, x):
        logits = super().forward(x)
        return logits + logits.mean(0)


def shared(*arguments, **options) -> Transformer:
    model = Transformer(*arguments, **options)
    model.blocks[1].ffn.hidden = model.blocks[0].ffn.hidden
    return model


def hooked(*arguments, **options) -> Transformer:
    model = Transformer(*arguments, **options)
    model.unembed.register_forward_hook(lambda module, inputs, output: 2 * output)
    return model


@pytest.mark.parametrize("kind", [Transformer, shared, Scaled, Tied, Mixing, hooked])
def test_both_ways_train_as_if_alone_and_the_faster_is_taken_where_it_is_right(monkeypatch, kind):
    def made():
        made = [kind(2, 8, training.VOCAB, 8, n_head=2, d_ff=16, norm="post") for _ in SEEDS]
        return [init(model, "xavier", torch.Generator().manual_seed(i)) for i, model in enumerate(made)]

    taken, mapped = [], training._mapped
    monkeypatch.setattr(training, "_mapped", lambda model: taken.append(model) or mapped(model))
    task, rates = training.text(2, 8), training.warm_up(5e-3, 3, N_STEP)
    found = training.train(made(), SEEDS, task, rates)
    for i, model in enumerate(made()):
        expected = alone(model, SEEDS[i], task, rates, torch.optim.Adam, None, betas=(0.9, 0.98))
        assert torch.allclose(found[:, i], expected, atol=2e-4), i
    assert bool(taken) == (kind not in (Transformer, shared))
    assert torch.allclose(training.train(made()[:1], SEEDS[:1], task, rates), found[:, :1], atol=2e-4)
    if kind is not shared:  # functional_call does not take a layer that stands in two places, and says so
        monkeypatch.setattr(training, "_side_by_side", mapped)
        assert torch.allclose(training.train(made(), SEEDS, task, rates), found, atol=2e-4)


def test_a_model_that_sees_its_answer_is_refused():
    full = lambda: [Transformer(1, 8, 128, 8, n_head=2, d_ff=16, attention="full") for _ in range(2)]
    for task in (training.text(2, 8), training.reverse(4, 4, 7)):
        with pytest.raises(ValueError, match=r"models must not read later tokens, .* got one in models\[0\]"):
            training.train(full(), [0, 1], task, RATES)
    mixed = [*models("pre", 1), *models("pre", 1)]
    for block in mixed[1].blocks:
        block.attention.causal = False
    with pytest.raises(ValueError, match=r"differ in weights only, got another function in models\[1\]"):
        training.train(mixed, [0, 0], training.text(2, 8), RATES)

    def opposite(random):  # where the targets do not stand in the input, nothing is wrong with reading all of it
        inputs = torch.randint(128, (2, 8), generator=random)
        return inputs, 127 - inputs

    assert training.train(full(), [0, 1], opposite, RATES).isfinite().all()


def test_a_token_beyond_the_vocabulary_is_refused_at_any_step():
    steps = iter(range(9))

    def later(random):
        inputs, targets = training.text(2, 8)(random)
        return inputs + 100 * (next(steps) > 0), targets

    with pytest.raises(ValueError, match="tokens must be from 0 to vocab_size - 1 = 127, got"):
        training.train(models(n=1), [0], later, RATES)


def test_a_run_can_be_repeated_and_leaves_the_models_trained():
    task, rates = training.text(2, 8), training.warm_up(1e-2, 1, 6)
    runs = [training.train(three, SEEDS, task, rates) for three in (models(), models())]
    assert torch.equal(*runs)
    trained, expected = models(), models()[1]
    training.train(trained, SEEDS, task, rates)
    alone(expected, SEEDS[1], task, rates, torch.optim.Adam, None, betas=(0.9, 0.98))
    inputs, _ = task(torch.Generator().manual_seed(9))
    assert torch.allclose(trained[1](inputs), expected(inputs), atol=1e-3)
    assert not torch.allclose(trained[1](inputs), models()[1](inputs), atol=1e-2)


def test_one_seed_means_the_same_batches_in_every_arm():
    drawn = {}

    def spy(random):
        inputs, targets = training.text(2, 8)(random)
        drawn.setdefault(random.initial_seed(), []).append(inputs)
        return inputs, targets

    one = [copy.deepcopy(each) for each in models(n=1) * 3]
    losses = training.train(one, SEEDS, spy, training.warm_up(1e-3, 1, 4))
    assert {seed: len(batches) for seed, batches in drawn.items()} == {3: 4, 4: 4}
    assert torch.allclose(losses[:, 0], losses[:, 2]) and not torch.allclose(losses[:, 0], losses[:, 1])
    training.train(models("pre"), SEEDS, spy, training.warm_up(1e-2, 3, 4))
    assert all(torch.equal(a, b) for seed in (3, 4) for a, b in zip(drawn[seed][:4], drawn[seed][4:], strict=True))


def test_a_diverging_model_is_recorded_and_disturbs_no_other():
    rates = training.warm_up(1e-3, 1, N_STEP)[:, None].repeat(1, 3)
    calm = training.train(models("pre"), SEEDS, training.text(2, 8), rates)
    rates[:, 1] = 1e30
    losses = training.train(models("pre"), SEEDS, training.text(2, 8), rates)
    assert torch.equal(losses[:, [0, 2]], calm[:, [0, 2]])
    assert not losses[-1, 1].isfinite()
    assert training.final(losses, 2).isnan().tolist() == [False, True, False]


def test_final_is_the_mean_of_the_last_losses():
    losses = torch.tensor([[9.0, math.inf, 1.0], [2.0, 1.0, math.nan], [4.0, 1.0, 1.0]])
    assert training.final(losses, 2)[0] == 3
    assert training.final(losses, 2)[1:].isnan().all()  # not finite once is diverged


def test_warm_up():
    assert training.warm_up(2.0, 4, 6).tolist() == [0.5, 1, 1.5, 2, 2, 2]
    assert training.warm_up(2.0, 1, 3).tolist() == [2, 2, 2]
    assert training.warm_up(2.0, 8, 2).tolist() == [0.25, 0.5]


def test_text_is_english_and_its_targets_are_the_next_characters():
    inputs, targets = training.text(4, 200)(torch.Generator().manual_seed(0))
    assert inputs.shape == targets.shape == (4, 200) and inputs.max() < training.VOCAB
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    assert " the " in "".join(map(chr, inputs.flatten().tolist()))


def test_reverse_asks_for_the_sequence_backwards():
    inputs, targets = training.reverse(5, 4, 7)(torch.Generator().manual_seed(0))
    assert inputs.shape == targets.shape == (5, 8)
    assert (inputs[:, 4] == 7).all() and inputs[:, :4].max() < 7
    assert (targets[:, :4] == training.IGNORED).all()
    assert torch.equal(targets[:, 4:], inputs[:, :4].flip(1))
    assert torch.equal(targets[:, 4:-1], inputs[:, 5:])
    model = Transformer(1, 8, 8, 8, n_head=2, d_ff=16)
    assert training.train([model], [0], training.reverse(5, 4, 7), training.warm_up(1e-3, 1, 2)).isfinite().all()


ONE, TASK, RATES = models(n=1), training.reverse(2, 4, 5), torch.ones(2)


def cast(dtype):
    return [model.to(dtype) for model in models(n=1)]


def trained(models=ONE, seeds=(0,), task=TASK, rates=RATES, **settings):
    """A run whose arguments are right, but for those that are given."""
    return training.train(models, seeds, task, rates, **settings)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: training.text(1, 10**9), "length must be below .* got 1000000000"),
        (lambda: training.warm_up(0, 1, 1), "rate must be a finite number above 0, got 0"),
        (lambda: training.warm_up(1e-50, 1, 1), "rate must be within the range of float32, got 1e-50"),
        (lambda: trained([], []), r"models must hold at least one, got \[\]"),
        (lambda: trained(ONE * 2, [0, 0]), "models must be different objects, got one .* in 2"),
        (lambda: trained([*ONE, *models("pre", 1)], [0, 0]), r"one shape, got another in models\[1\]"),
        (lambda: trained([*ONE, *cast(torch.float64)], [0, 0]), r"one shape, got another in models\[1\]"),
        (lambda: trained(cast(torch.bfloat16)), "models must have .* float64, got .*bfloat16"),
        (lambda: trained([Flat()]), r"models must give logits \(B, T, V\), got .*\(2, 32\)"),
        (lambda: trained(seeds=[0, 1]), r"seeds must be one for each of 1 models, got \[0, 1\]"),
        (lambda: trained(seeds=[1.5]), "seeds must be whole numbers from 0 to .* got 1.5"),
        (lambda: trained(rates=torch.ones(2, 2)), r"rates must be for 1 models, got .*\(2, 2\)"),
        (lambda: trained(rates=[1.0]), r"rates must be \(n_step,\) or .* got \[1.0\]"),
        (lambda: trained(rates=-RATES), "rates must be finite and at least 0, got -1 to -1"),
        (lambda: trained(clip=0), "clip must be a finite number above 0, got 0"),
        (lambda: trained(lr=1), "settings must be among betas, .* for Adam, got lr=1"),
        (lambda: trained(eps=0), "settings must have eps above 0 in .*32, got eps=0"),
        (lambda: trained(eps=math.inf), "settings must be finite numbers, got eps=inf"),
        (lambda: trained(betas=(0.9,)), "settings must fit Adam, got .*0.9"),
        (lambda: trained(optimizer=torch.optim.AdamW), "optimizer must be one of Adam, RAdam, SGD, got .*AdamW"),
        (lambda: training.final(torch.ones(3)), r"losses must be floats \(n_step, n_model\), got .*\(3,\)"),
        (lambda: training.final(torch.ones(3, 1), 4), "n_last must be at most 3, the number of steps, got 4"),
    ],
)
def test_refuses(work, message):
    with pytest.raises(ValueError, match=message):
        work()


class Flat(torch.nn.Embedding):
    """Gives vectors of another shape."""

    def __init__(self):
        super().__init__(9, 4)

    def forward(self, tokens):
        return super().forward(tokens).flatten(1)


def drawing(change):
    """The task, with what it draws changed."""
    return lambda random: change(*TASK(random))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (3, "task must be a function, got 3"),
        (drawing(lambda x, y: x), r"task must draw inputs and targets, got torch.int64 of shape \(2, 8\)"),
        (drawing(lambda x, y: (x.float(), y)), "task's inputs must be int64 .* got torch.float32"),
        (drawing(lambda x, y: (x, y[:, 1:])), r"task's targets must be \(2, 8\), as its inputs, got .*\(2, 7\)"),
        (drawing(lambda x, y: (x, y + 200)), "task's targets must be from 0 to 127 or IGNORED, got 100 to 204"),
        (drawing(lambda x, y: (x, y * 0 + training.IGNORED)), "task must ask .* got only IGNORED for seed 7"),
        (lambda random: training.reverse(random.initial_seed() - 5, 4, 5)(random), "batches of one shape, got .*2.*3"),
    ],
)
def test_refuses_a_task_that_draws_no_batch(task, message):
    with pytest.raises(ValueError, match=message):
        training.train(models(n=2), [7, 8], task, RATES)
