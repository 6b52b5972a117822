"""The transformer of chapters 5 to 9, without dropout (Vaswani et al. 2017)."""
# A page prints this file, so lines are kept to the 80 columns it shows.
# fmt: off

from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from lab import checks


class Attention(nn.Module):
    """Each position reads from all, or with `causal` from none after itself.

    A NaN or inf at any position makes NaN of all, causal too: 0 * inf is NaN.

    factor: multiplies what it adds, in each forward pass (`scale_branches`)
    """

    def __init__(self, d_model: int, n_head: int, causal=False, scaled=True):
        super().__init__()
        checks.count(d_model, "d_model")
        checks.count(n_head, "n_head")
        if d_model % n_head:
            raise ValueError(f"n_head must divide {d_model=}, got {n_head}")
        self.d_model, self.n_head, self.causal = d_model, n_head, causal
        self.scale = (d_model / n_head) ** -0.5 if scaled else 1  # 1/sqrt(d_k)
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)
        self.factor = 1.0

    def heads(self, x: Tensor) -> Tensor:
        """(B, T, d_model) to (B, n_head, T, d_k)."""
        return x.unflatten(-1, (self.n_head, -1)).transpose(1, 2)

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """x (B, T, d_model) reads from memory (B, S, d_model), or from x."""
        memory = x if memory is None else memory
        checks.vectors(x, "x", self.d_model, layer=self.query)
        checks.vectors(memory, "memory", self.d_model, len(x), self.key)
        here, there = x.shape[1], memory.shape[1]
        if self.causal and there != here:  # what would be later than what?
            wanted = f"the {here} positions of x in causal attention"
            raise ValueError(f"memory must have {wanted}, got {there}")
        if here and not there:  # a softmax of nothing
            raise ValueError("memory must have a position to read, got 0")
        query, key = self.heads(self.query(x)), self.heads(self.key(memory))
        scores = query @ key.mT * self.scale  # (B, n_head, T, S)
        if self.causal:
            later = torch.ones_like(scores, dtype=torch.bool).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
        read = scores.softmax(-1) @ self.heads(self.value(memory))
        return self.factor * self.out(read.transpose(1, 2).flatten(-2))


class FeedForward(nn.Module):
    """Two linear maps with "relu" or "gelu" between, at each position alone.

    factor: as in `Attention`
    """

    def __init__(self, d_model: int, d_ff: int, activation: str):
        super().__init__()
        checks.count(d_model, "d_model")
        checks.count(d_ff, "d_ff")
        checks.choice(activation, "activation", "relu", "gelu")
        self.d_model = d_model
        self.hidden = nn.Linear(d_model, d_ff)
        self.activation = nn.ReLU() if activation == "relu" else nn.GELU()
        self.out = nn.Linear(d_ff, d_model)
        self.factor = 1.0

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, d_model)."""
        checks.vectors(x, "x", self.d_model, layer=self.hidden)
        return self.factor * self.out(self.activation(self.hidden(x)))


class Block(nn.Module):
    """One layer: attention and feed-forward, branches of the residual stream.

    norm: "post" (Vaswani et al. 2017) or "pre" (Radford et al. 2019, for
        GPT-2), compared by Xiong et al. (2020)
    attention: "causal" (decoder), "full" (encoder), "none" (feed-forward only)
    cross: also read from a memory, as the decoder of an encoder-decoder does
    scaled: whether attention divides its scores by sqrt(d_k)
    """

    def __init__(self, d_model: int, n_head: int, d_ff: int,
                 norm="pre", attention="causal", cross=False,
                 activation="relu", scaled=True):
        super().__init__()
        checks.choice(norm, "norm", "pre", "post")
        checks.choice(attention, "attention", "causal", "full", "none")
        self.d_model, self.norm = d_model, norm
        self.attention, self.cross = None, None
        if attention != "none":
            causal = attention == "causal"
            self.attention = Attention(d_model, n_head, causal, scaled)
            self.attention_norm = nn.LayerNorm(d_model)
        if cross:
            self.cross = Attention(d_model, n_head, scaled=scaled)
            self.cross_norm = nn.LayerNorm(d_model)
        self.ffn = FeedForward(d_model, d_ff, activation)
        self.ffn_norm = nn.LayerNorm(d_model)

    def add(self, x: Tensor, branch: Callable, norm: nn.Module) -> Tensor:
        """Add a branch to the stream: all that Pre-LN and Post-LN differ in."""
        if self.norm == "pre":
            return x + branch(norm(x))
        return norm(x + branch(x))

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """x (B, T, d_model) and, with `cross`, memory (B, S, d_model)."""
        checks.vectors(x, "x", self.d_model, layer=self.ffn)
        if (memory is None) != (self.cross is None):
            raise ValueError("memory must be given with cross and only then, "
                             f"got {checks.describe(memory)}")
        if self.attention:
            x = self.add(x, self.attention, self.attention_norm)
        if self.cross:
            x = self.add(x, lambda x: self.cross(x, memory), self.cross_norm)
        return self.add(x, self.ffn, self.ffn_norm)


class Embedding(nn.Module):
    """Token ids (B, T) to vectors (B, T, d_model): token plus position."""

    def __init__(self, vocab_size: int, context_length: int, d_model: int):
        super().__init__()
        checks.count(vocab_size, "vocab_size")
        checks.count(context_length, "context_length")
        checks.count(d_model, "d_model")
        self.token = nn.Embedding(vocab_size, d_model)
        self.position = nn.Embedding(context_length, d_model)

    def forward(self, tokens: Tensor) -> Tensor:
        checks.token_ids(tokens, "tokens")
        context_length = self.position.num_embeddings
        if tokens.shape[1] > context_length:
            wanted = f"at most {context_length=} positions"
            got = tokens.shape[1]
            raise ValueError(f"tokens must have {wanted}, got {got}")
        try:  # torch looks at each id anyway (under vmap it may miss a bad one)
            return self.token(tokens) + self.position.weight[: tokens.shape[1]]
        except IndexError:
            last = self.token.num_embeddings - 1
            wanted = f"from 0 to vocab_size - 1 = {last}"
            got = f"{tokens.min()!r} to {tokens.max()!r}"
            raise ValueError(f"tokens must be {wanted}, got {got}") from None


class Transformer(nn.Module):
    """A stack of blocks: a decoder, or an encoder with attention="full".

    With vocab_size and context_length it takes token ids and gives logits, by
    an output matrix of its own (GPT-2 uses its embedding once more). Without
    them it takes vectors and gives vectors.
    final_norm: whether a Pre-LN stack normalises the sum of all its branches
        at the end; in Post-LN each block has done so
    block: the arguments of `Block`
    """

    def __init__(self, n_layer: int, d_model: int, vocab_size=None,
                 context_length=None, final_norm=True, **block):
        super().__init__()
        checks.count(n_layer, "n_layer")
        self.embed, self.unembed = nn.Identity(), nn.Identity()
        blocks = (Block(d_model, **block) for _ in range(n_layer))
        self.blocks = nn.ModuleList(blocks)
        self.final_norm = nn.Identity()
        if final_norm and self.blocks[0].norm == "pre":
            self.final_norm = nn.LayerNorm(d_model)
        if vocab_size is not None:
            self.embed = Embedding(vocab_size, context_length, d_model)
            self.unembed = nn.Linear(d_model, vocab_size, bias=False)

    def stream(self, x: Tensor, memory: Tensor | None = None) -> list[Tensor]:
        """The stream (B, T, d_model) at the start and after each block."""
        states = [self.embed(x)]
        for block in self.blocks:
            states.append(block(states[-1], memory))
        return states

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        return self.unembed(self.final_norm(self.stream(x, memory)[-1]))


class EncoderDecoder(nn.Module):
    """Two stacks of one size; the blocks of the second read from the first."""

    def __init__(self, **options):
        super().__init__()
        self.encoder = Transformer(**options, attention="full")
        self.encoder.unembed = nn.Identity()
        self.decoder = Transformer(**options, cross=True)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        return self.decoder(target, memory=self.encoder(source))


def branches(model: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
    """The branches of a block or of a model, each with its norm.

    In the order in which they run, so a block that layers share comes up once
    for each of them. Attention, cross-attention, feed-forward: what there is.
    """
    if isinstance(model, Block):
        names = ("attention", "cross", "ffn")
        found = [(n, getattr(model, n)) for n in names]
        return [(b, getattr(model, f"{n}_norm")) for n, b in found if b]
    if isinstance(model, Transformer):
        return [pair for block in model.blocks for pair in branches(block)]
    if isinstance(model, EncoderDecoder):
        return branches(model.encoder) + branches(model.decoder)
    wanted = "a Block, a Transformer or an EncoderDecoder"
    raise ValueError(f"model must be {wanted}, got {model!r}")


def each_branch(model: nn.Module) -> list[nn.Module]:
    """Its branches without their norms, one that layers share only once."""
    return list(dict.fromkeys(branch for branch, _ in branches(model)))


def hook_branches(model: nn.Module, hook: Callable) -> ExitStack:
    """Call hook(branch, inputs, out) each time that a branch has run.

    inputs: what it read, a tuple: (x,), or (x, memory) for cross-attention
    out: what it adds, (B, T, d_model). A result other than None replaces it.

    The hooks stay: with `with hook_branches(...):` until its end, also after
    an error, and otherwise until `close()` of what is given back.
    """
    if not callable(hook):
        raise ValueError(f"hook must be a function, got {hook!r}")
    hooks = ExitStack()
    for branch in each_branch(model):
        hooks.enter_context(branch.register_forward_hook(hook))
    return hooks


def last_matrices(model: nn.Module) -> list[nn.Parameter]:
    """The last matrix of each branch, which writes to the stream."""
    return [branch.out.weight for branch in each_branch(model)]


def scale_branches(model: nn.Module, factor: float) -> nn.Module:
    """Multiply what each branch adds by `factor`, in every forward pass.

    In place of the factor that it had, 1.0 at first, and not times it. `init`
    leaves it as it is.
    """
    checks.positive(factor, "factor")
    for branch in each_branch(model):
        branch.factor = factor
    return model


# What `init` multiplies the last matrix of each branch by, in layer 1, 2, ...
# by_depth is the 1/sqrt(N) of Radford et al. (2019), with N = 2 n_layer, the
# branches of a decoder: so in modeling_gpt2 of Hugging Face.
unscaled = lambda layer, n_layer: 1.0
by_depth = lambda layer, n_layer: (2 * n_layer) ** -0.5
by_layer = lambda layer, n_layer: layer ** -0.5


def init(model: nn.Module, kind: str, generator: torch.Generator,
         residual: Callable[[int, int], float] = unscaled) -> nn.Module:
    """Draw the weights of `model` anew, in place. Biases become 0.

    kind: "xavier", matrices from N(0, 2 / (n_in + n_out)) and embeddings from
        N(0, 1), or "gpt2", both from N(0, 0.02^2). By "xavier" W_Q, W_K and
        W_V keep the size of what they read. Torch packs them in one matrix,
        which has the n_out of three: its values are 1/sqrt(2) as large.
    residual: one of the three factors above, or another such function. A
        branch that layers share is multiplied once, as in the first of them.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"model must be a Module, got {model!r}")
    checks.choice(kind, "kind", "xavier", "gpt2")
    if not isinstance(generator, torch.Generator):  # None is the global state
        raise ValueError(f"generator must be a Generator, got {generator!r}")
    if not callable(residual):
        raise ValueError(f"residual must be a function, got {residual!r}")
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.reset_parameters()
        elif isinstance(module, nn.Linear | nn.Embedding):
            linear = isinstance(module, nn.Linear)
            xavier = (2 / sum(module.weight.shape)) ** 0.5 if linear else 1.0
            std = xavier if kind == "xavier" else 0.02
            nn.init.normal_(module.weight, std=std, generator=generator)
            if linear and module.bias is not None:
                nn.init.zeros_(module.bias)
    done = set()
    for stack in model.modules():
        blocks = stack.blocks if isinstance(stack, Transformer) else []
        for layer, block in enumerate(blocks, 1):
            factor = residual(layer, len(blocks))
            checks.positive(factor, f"residual({layer}, {len(blocks)})")
            for branch, _ in branches(block):
                if branch not in done:
                    branch.out.weight.data.mul_(factor)
                    done.add(branch)
    return model
