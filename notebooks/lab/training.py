"""One loop for the chapters that train: many small models of one shape, side by side.

    models = [init(Transformer(6, 32, VOCAB, 32, n_head=2, d_ff=128, norm="post"), "xavier", seeded(s)) for s in SEEDS]
    rates = warm_up(4e-3, 200, n_step=300)  # (300,), or a stack of one schedule for each model: (300, n_model)
    losses = train(models, SEEDS, text(batch=8, length=32), rates)  # (300, n_model)
    final(losses)  # of each model the mean of its last 50 losses; NaN where it diverged

Models with one seed are given one and the same sequence of batches. Each model is trained as if alone: the
weights of all are rows of one matrix, and every operation, the optimizer's included, keeps to its own row.
"""

import copy
import math
from collections.abc import Callable, Sequence
from numbers import Integral, Real

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from tqdm import tqdm

from lab import checks, human_text
from lab.transformer import Embedding

VOCAB = 128  # the codes of ASCII
IGNORED = -100  # a target that does not count, as in torch's cross-entropy

# Draws inputs and targets, token ids (B, T) each, with the generator that it is given
Task = Callable[[torch.Generator], tuple[Tensor, Tensor]]


def text(batch: int, length: int) -> Task:
    """Predict each next character of English: stretches from the prose of Python's documentation."""
    checks.count(batch, "batch")
    checks.count(length, "length")
    corpus = torch.tensor(list(" ".join(human_text.paragraphs()).encode("ascii", "ignore")))
    if length >= len(corpus):
        raise ValueError(f"length must be below {len(corpus)}, the characters of the text, got {length!r}")

    def draw(random: torch.Generator) -> tuple[Tensor, Tensor]:
        start = torch.randint(len(corpus) - length, (batch, 1), generator=random)
        tokens = corpus[start + torch.arange(length + 1)]
        return tokens[:, :-1], tokens[:, 1:]

    return draw


def reverse(batch: int, length: int, n_symbol: int) -> Task:
    """Say a random sequence backwards: from "a b c #" on, "c b a" is to be predicted.

    Symbols are 0 to n_symbol - 1 and the mark # is n_symbol, so that the vocabulary is n_symbol + 1, and inputs
    have 2 * length positions. Targets before the mark are IGNORED. Chance is log(n_symbol).
    """
    checks.count(batch, "batch")
    checks.count(length, "length")
    checks.count(n_symbol, "n_symbol")

    def draw(random: torch.Generator) -> tuple[Tensor, Tensor]:
        there = torch.randint(n_symbol, (batch, length), generator=random)
        tokens = torch.cat([there, torch.full((batch, 1), n_symbol), there.flip(1)], 1)
        targets = tokens[:, 1:].clone()
        targets[:, :length] = IGNORED
        return tokens[:, :-1], targets

    return draw


def warm_up(rate: float, n_warm: int, n_step: int) -> Tensor:
    """Learning rates (n_step,): in equal steps up to `rate`, which step n_warm is the first to have, then constant.

    n_warm = 1 is no warm-up.
    """
    checks.positive(rate, "rate")
    checks.count(n_warm, "n_warm")
    checks.count(n_step, "n_step")
    if not 0 < torch.tensor(float(rate)) < math.inf:
        raise ValueError(f"rate must be within the range of float32, got {rate!r}")
    return rate * (torch.arange(1, n_step + 1) / float(n_warm)).clamp(max=1)


# What works on each number by itself, and moves by its rate times what the gradients so far make of it: the
# optimizers that a test holds against training each model alone, each with the settings of that test.
OPTIMIZERS = {
    torch.optim.Adam: ("betas", "eps", "amsgrad"),
    torch.optim.RAdam: ("betas", "eps"),
    torch.optim.SGD: ("momentum", "dampening", "nesterov"),
}


def train(
    models: Sequence[nn.Module],
    seeds: Sequence[int],
    task: Task,
    rates: Tensor,
    optimizer: type[torch.optim.Optimizer] = torch.optim.Adam,
    clip: float | None = None,
    **settings,
) -> Tensor:
    """Train the models, in place; give the loss of each before each step: (n_step, n_model).

    A model that diverges has losses that are not finite from there on, and does not disturb the others.

    Args:
        models: of one shape. They differ in their weights only.
        seeds: of each model's batches.
        task: draws the batches.
        rates: the learning rate of each step, (n_step,), or of each step of each model, (n_step, n_model).
        optimizer: one of OPTIMIZERS.
        clip: the norm above which a model's gradient is scaled down to it.
        settings: of the optimizer, among those that OPTIMIZERS has for it. The default of Adam's and RAdam's betas
            is (0.9, 0.98), as in Vaswani et al.

    Raises:
        ValueError: an argument is not one of these, a batch of the task is not as `Task` says or asks for nothing,
            or the models read later tokens where those are the targets.
    """
    rates = _check(models, seeds, rates)
    if not callable(task):
        raise ValueError(f"task must be a function, got {task!r}")
    if clip is not None:
        checks.positive(clip, "clip")
    if optimizer not in OPTIMIZERS:
        known = ", ".join(each.__name__ for each in OPTIMIZERS)
        raise ValueError(f"optimizer must be one of {known}, got {optimizer!r}")
    for name, value in settings.items():
        if name not in OPTIMIZERS[optimizer]:
            known = ", ".join(OPTIMIZERS[optimizer])
            raise ValueError(f"settings must be among {known} for {optimizer.__name__}, got {name}={value!r}")
        numbers = value if isinstance(value, tuple | list) else [value]
        if not all(isinstance(each, Real) and math.isfinite(each) for each in numbers):
            raise ValueError(f"settings must be finite numbers, got {name}={value!r}")
    if "betas" in OPTIMIZERS[optimizer]:
        settings = {"betas": (0.9, 0.98)} | settings
    # One row holds all numbers of one model, so that each operation on them is one for all models.
    weights = torch.stack([parameters_to_vector(model.parameters()).detach() for model in models]).requires_grad_()
    # The optimizer's own parameter starts every step at 0, so at a rate of 1 it ends it as the step to take,
    # and each model can scale its step by a rate of its own.
    step = nn.Parameter(torch.zeros_like(weights))
    try:
        optimize = optimizer([step], lr=1.0, **settings)
    except (IndexError, TypeError, ValueError) as error:
        raise ValueError(f"settings must fit {optimizer.__name__}, got {settings}: {error}") from None
    if "eps" in settings and not torch.tensor(settings["eps"], dtype=weights.dtype) > 0:  # where a gradient is 0, 0/0
        raise ValueError(f"settings must have eps above 0 in {weights.dtype}, got eps={settings['eps']!r}")

    generators = {seed: torch.Generator().manual_seed(int(seed)) for seed in seeds}
    losses, forward = [], None
    for rate in tqdm(rates, leave=False):
        batches = {seed: _drawn(task, random) for seed, random in generators.items()}
        if len({inputs.shape for inputs, _ in batches.values()}) > 1:
            raise ValueError(f"task must draw batches of one shape, got {[b[0].shape for b in batches.values()]}")
        inputs, targets = (torch.stack(each) for each in zip(*(batches[seed] for seed in seeds), strict=True))
        if forward is None:
            forward = _together(models, weights, inputs, targets)
        logits = forward(weights, inputs)  # (n_model, B, T, V)
        count = (targets != IGNORED).sum((1, 2))
        if not count.all():
            raise ValueError(f"task must ask for something, got only IGNORED for seed {seeds[count.argmin()]}")
        try:
            each = F.cross_entropy(logits.flatten(0, 2), targets.flatten(), ignore_index=IGNORED, reduction="none")
        except IndexError:
            wanted, got = f"from 0 to {logits.shape[-1] - 1} or IGNORED", targets[targets != IGNORED]
            raise ValueError(f"task's targets must be {wanted}, got {got.min()} to {got.max()}") from None
        each = each.view(len(models), -1).sum(1) / count
        losses.append(each.detach())
        (step.grad,) = torch.autograd.grad(each.sum(), weights)
        with torch.no_grad():
            if clip is not None:
                step.grad *= (clip / step.grad.norm(dim=1, keepdim=True)).clamp(max=1)
            step.zero_()
            optimize.step()
            weights.addcmul_(step, rate[:, None])
    for model, row in zip(models, weights.detach(), strict=True):
        vector_to_parameters(row, model.parameters())
    return torch.stack(losses)


def _drawn(task: Task, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch of `task`, or a refusal of what is no batch."""
    batch = task(random)
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise ValueError(f"task must draw inputs and targets, got {checks.describe(batch)}")
    inputs, targets = batch
    checks.token_ids(inputs, "task's inputs")
    checks.token_ids(targets, "task's targets")
    if inputs.shape != targets.shape:
        raise ValueError(f"task's targets must be {tuple(inputs.shape)}, as its inputs, got {checks.describe(targets)}")
    return inputs, targets


# From the weights (n_model, n_weight) and inputs (n_model, B, T) of all models to their logits (n_model, B, T, V)
Forward = Callable[[Tensor, Tensor], Tensor]


@torch.no_grad()
def _together(models: Sequence[nn.Module], weights: Tensor, inputs: Tensor, targets: Tensor) -> Forward:
    """A way to run all models at once that gives on a first batch what each gives alone: the faster if it does."""
    alone = [model(each) for model, each in zip(models, inputs, strict=True)]
    for i, found in enumerate(alone):
        if not isinstance(found, Tensor) or found.ndim != 3 or found.shape[:2] != inputs.shape[1:]:
            raise ValueError(f"models must give logits (B, T, V), got {checks.describe(found)} from models[{i}]")
    for make in (_side_by_side, _mapped):
        try:
            forward = make(models[0])
            logits = forward(weights, inputs)
        except (AttributeError, RuntimeError):  # as where a model looks into its layers
            if make is _mapped:
                raise
            continue
        agree = [torch.allclose(*pair, 1e-3, 1e-4, equal_nan=True) for pair in zip(logits, alone, strict=True)]
        if all(agree):
            break
    else:
        raise ValueError(f"models must differ in weights only, got another function in models[{agree.index(False)}]")
    half = inputs.shape[2] // 2
    after = torch.cat([inputs[..., :half], inputs[..., half:].flip(2)], 2)  # the same beginnings, other endings
    asked = targets[..., :-1] != IGNORED
    if (targets[..., :-1] == inputs[..., 1:])[asked].all():  # the answer stands in the input, one to the right
        for i, (a, b) in enumerate(zip(logits, forward(weights, after), strict=True)):
            if not torch.allclose(a[:, :half], b[:, :half], 1e-3, 1e-4, True):
                raise ValueError(f"models must not read later tokens, which are the targets, got one in models[{i}]")
    return forward


def _mapped(model: nn.Module) -> Forward:
    """The general way, for any model: `vmap` over the rows of the weights."""
    shapes = {name: value.shape for name, value in model.named_parameters()}

    def one(row: Tensor, inputs: Tensor) -> Tensor:
        pieces = row.split([shape.numel() for shape in shapes.values()])
        parameters = {name: piece.view(shapes[name]) for name, piece in zip(shapes, pieces, strict=True)}
        return functional_call(model, parameters, (inputs,))

    return vmap(one)


def _side_by_side(model: nn.Module) -> Forward:
    """The faster way: a copy of `model` to which the batches of all models are one large batch.

    Only its layers that hold weights, which stand in `_Layers`, know of more than one model. A RuntimeError where
    the model has weights anywhere else, or hooks, which may look at a layer.
    """
    shapes = {name: value.shape for name, value in model.named_parameters()}
    copied, layers, twins = copy.deepcopy(model), {}, {}
    for path, layer in list(copied.named_modules(remove_duplicate=False)):  # a layer may stand in several places
        if type(layer) in _Layers.WAYS:
            if layer not in twins:
                layers[path] = twins[layer] = _Layers(layer)
            parent, _, name = path.rpartition(".")
            setattr(copied.get_submodule(parent), name, twins[layer])
    held = {path: [f"{path}.{name}" for name, _ in layer._one[0].named_parameters()] for path, layer in layers.items()}
    hooked = any(each._forward_hooks or each._forward_pre_hooks for each in model.modules())
    if hooked or sorted(sum(held.values(), [])) != sorted(shapes):
        raise RuntimeError("only the general way will do")

    def forward(weights: Tensor, inputs: Tensor) -> Tensor:
        pieces = weights.split([shape.numel() for shape in shapes.values()], 1)
        named = {name: piece.view(-1, *shapes[name]) for name, piece in zip(shapes, pieces, strict=True)}
        for path, layer in layers.items():
            layer._weights = [named[name] for name in held[path]]
        return copied(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])

    return forward


class _Layers(nn.Module):
    """In the place of one layer, the same layer of n models: x (n * B, T, ...), each model's B in turn.

    To a model that looks into it, it is that layer, except for the weights: a RuntimeError, as there are those of n.
    """

    def __init__(self, layer: nn.Module):
        super().__init__()
        self._one = (layer,)  # in a tuple, so that it does not count as a part of this one
        self._weights: list[Tensor] = []  # of all models
        self.training = layer.training

    def __getattr__(self, name: str):
        found = getattr(self.__dict__["_one"][0], name)
        if callable(found) or isinstance(found, Tensor):
            raise RuntimeError(f"{name} is not one for all models")
        return found

    def forward(self, x: Tensor) -> Tensor:
        return self.WAYS[type(self._one[0])](self, x, *self._weights)

    def _linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        rows = x.reshape(len(weight), -1, x.shape[-1])
        y = rows @ weight.mT if bias is None else torch.baddbmm(bias[:, None], rows, weight.mT)
        return y.view(*x.shape[:-1], -1)

    def _norm(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        unit = F.layer_norm(x, weight.shape[1:], eps=self._one[0].eps).view(len(weight), -1, x.shape[-1])
        return torch.addcmul(bias[:, None], unit, weight[:, None]).view(x.shape)

    def _embedding(self, tokens: Tensor, token: Tensor, position: Tensor) -> Tensor:
        n, vocab_size, d_model = token.shape
        if tokens.min() < 0 or tokens.max() >= vocab_size or tokens.shape[1] > position.shape[1]:
            self._one[0](tokens)  # which refuses them
        ids = tokens.view(n, -1) + vocab_size * torch.arange(n)[:, None]
        vectors = F.embedding(ids, token.flatten(0, 1)).view(n, -1, tokens.shape[1], d_model)
        return (vectors + position[:, None, : tokens.shape[1]]).flatten(0, 1)

    WAYS = {nn.Linear: _linear, nn.LayerNorm: _norm, Embedding: _embedding}


def final(losses: Tensor, n_last: int = 50) -> Tensor:
    """Mean of the last n_last losses of each model, (n_model,) from (n_step, n_model); NaN where it diverged."""
    checks.count(n_last, "n_last")
    if not isinstance(losses, Tensor) or losses.ndim != 2 or not losses.is_floating_point():
        raise ValueError(f"losses must be floats (n_step, n_model), got {checks.describe(losses)}")
    if n_last > len(losses):
        raise ValueError(f"n_last must be at most {len(losses)}, the number of steps, got {n_last!r}")
    finite = losses.isfinite().all(0)
    return losses[-n_last:].mean(0).where(finite, torch.nan)


def _check(models: Sequence[nn.Module], seeds: Sequence[int], rates: Tensor) -> Tensor:
    """Refuse what cannot be trained together; give the rates as (n_step, n_model)."""
    if len(models) == 0:
        raise ValueError(f"models must hold at least one, got {models!r}")
    if len({id(model) for model in models}) < len(models):
        raise ValueError(f"models must be different objects, got one more than once in {len(models)}")
    for i, model in enumerate(models):
        types = {value.dtype for value in model.parameters()} if isinstance(model, nn.Module) else model
        if types not in ({torch.float32}, {torch.float64}):  # a half loses steps, and its eps is 0
            raise ValueError(f"models must have weights of float32 or float64, got {types!r} in models[{i}]")
    shapes = [[(name, value.shape, value.dtype) for name, value in model.named_parameters()] for model in models]
    for i, shape in enumerate(shapes):
        if shape != shapes[0] or type(models[i]) is not type(models[0]):
            raise ValueError(f"models must have one shape, got another in models[{i}]")
    if not hasattr(seeds, "__len__") or len(seeds) != len(models):
        raise ValueError(f"seeds must be one for each of {len(models)} models, got {seeds!r}")
    for seed in seeds:
        if not isinstance(seed, Integral) or isinstance(seed, bool) or not 0 <= seed < 2**64:
            raise ValueError(f"seeds must be whole numbers from 0 to 2**64 - 1, got {seed!r}")
    real = isinstance(rates, Tensor) and not rates.is_complex()
    if not real or rates.ndim not in (1, 2) or len(rates) == 0:
        raise ValueError(f"rates must be (n_step,) or (n_step, n_model), got {checks.describe(rates)}")
    rates = rates if rates.ndim == 2 else rates[:, None].expand(-1, len(models))
    if rates.shape[1] != len(models):
        raise ValueError(f"rates must be for {len(models)} models, got {checks.describe(rates)}")
    if not (rates.isfinite() & (rates >= 0)).all():
        raise ValueError(f"rates must be finite and at least 0, got {rates.min():g} to {rates.max():g}")
    return rates
