"""Faults of the kind a careless edit makes, planted one at a time by tests/prove.py."""

from pathlib import Path
from typing import NamedTuple

import nbformat


class Fault(NamedTuple):
    """One edit of one file."""

    chapter: str  # the notebook that is run
    file: str  # the file that is edited, under notebooks/
    right: str  # source that occurs once in it
    wrong: str
    feeds: bool = True  # whether a claim of the chapter is computed with it
    survives: str = ""  # why nobody notices


DRAW, SAMPLERS, POINTER = "01_argmax_vs_multinomial", "02_other_samplers", "03_pointer_networks"
BEAM, ROOT_N, PRE_POST = "04_beam_search_vs_sampling", "05_sqrt_n_scaling", "06_pre_ln_vs_post_ln"
WARM, DEEP, LATE = "07_warmup_and_radam", "08_going_deep", "09_late_layers"
TRANSFORMER, TRAINING = "lab/transformer.py", "lab/training.py"


def _in(chapter: str, right: str, wrong: str, feeds: bool = True, survives: str = "") -> Fault:
    """A fault in a chapter's own notebook."""
    return Fault(chapter, f"{chapter}.ipynb", right, wrong, feeds, survives)


FAULTS: dict[str, Fault] = {
    # chapter 1
    "the argmax is an argmin": _in(DRAW, "return logits.argmax(-1)", "return logits.argmin(-1)"),
    "the draw is an argmax": _in(DRAW, "return drawn.view(probs.shape[:-1])", "return probs.argmax(-1)"),
    "the draw's softmax runs over the batch": _in(
        DRAW, "probs = widened(logits).softmax(-1)", "probs = widened(logits).softmax(0)"
    ),
    "Gumbel noise loses its sign": _in(DRAW, "gumbel = -torch.empty_like(logits)", "gumbel = torch.empty_like(logits)"),
    "Gumbel-max divides by its temperature": _in(
        DRAW, "(logits + temperature * gumbel)", "(logits + gumbel / temperature)"
    ),
    "one dart for the whole batch": _in(DRAW, "*logits.shape[:-1], 1, generator", "1, 1, generator"),
    "the nucleus is one token short": _in(DRAW, "probs.cumsum(-1) - probs >= p", "probs.cumsum(-1) >= p"),
    "the labels are the model's own draws": _in(
        DRAW, "labels = lambda logits: multinomial(notes.expand(n, -1), random)", "labels = draw"
    ),
    "every draw has the mean reward": _in(DRAW, "loss = loss * reward[y]", "loss = loss * reward.mean()"),
    "the other random numbers are the same ones": _in(DRAW, "40 * seed + 7", "40 * seed"),
    "repetition counts runs of three tokens": _in(DRAW, "for i in range(n)), strict", "for i in range(n - 1)), strict"),
    "own draws are refitted on the original": _in(
        DRAW, "random.multinomial(n, path[-1]) / n", "random.multinomial(n, path[0]) / n"
    ),
    "diversity is that of the mean distribution": _in(
        DRAW, "(1 - (path**2).sum(-1)).mean(-1)", "1 - (path.mean(1) ** 2).sum(-1)"
    ),
    # chapter 2
    "the temperature is inverted": _in(SAMPLERS, "fixed, below, below / tau)", "fixed, below, below * tau)"),
    "top-k is one token short": _in(SAMPLERS, "logits < smallest", "logits <= smallest"),
    "min-p forgets the likeliest token": _in(
        SAMPLERS, "wide.amax(-1, keepdim=True) + math.log(p)", "wide.logsumexp(-1, keepdim=True) + math.log(p)"
    ),
    "top-p is one token short": Fault(
        SAMPLERS, f"{DRAW}.ipynb", "probs.cumsum(-1) - probs >= p", "(probs.cumsum(-1) >= p) & (probs < probs[..., :1])"
    ),
    "typical ranks by the wrong distance": _in(SAMPLERS, "(-log_probs - entropy)", "(log_probs - entropy)"),
    "typical is one token short": _in(SAMPLERS, "outside = held.roll(1, -1) >= p", "outside = held >= p"),
    "typical takes a mean for the entropy": _in(
        SAMPLERS, "torch.special.entr(probs).sum(-1, keepdim=True)", "torch.special.entr(probs).mean(-1, keepdim=True)"
    ),
    "Gumbel-top-k noise loses its sign": _in(
        SAMPLERS, "gumbel = -torch.empty_like(logits)", "gumbel = torch.empty_like(logits)"
    ),
    "expected counts in another order than the counts": _in(
        SAMPLERS, "counts[possible][order], probs[possible][order]", "counts[possible][order], probs[possible]"
    ),
    "both of the five have the same random numbers": _in(SAMPLERS, "same_five(s, s + 1000)", "same_five(s, s)"),
    # chapter 3
    "pointing loses its tanh": _in(POINTER, "self.v(both.tanh())", "self.v(both)"),
    "the hull runs clockwise": _in(
        POINTER, "(c + c[:, None, :, k] + c[:, k, :, None] >= 0)", "(c + c[:, None, :, k] + c[:, k, :, None] <= 0)"
    ),
    "each step reads its own answer": _in(
        POINTER, "before = F.pad(named[:, :-1], (1, 0), value=MARK)", "before = named"
    ),
    "the loss counts what follows the end": _in(
        POINTER, "return each.masked_fill(ended(named), 0).sum(1)", "return each.sum(1)"
    ),
    "answers go on after the end": _in(POINTER, "picked = picked.masked_fill(over, MARK)", "picked = picked.clone()"),
    "the sizes held out for the test are trained on": _in(POINTER, "sizes=(5, 10)):", "sizes=(5, 20)):"),
    "tours are rewarded for their length": _in(
        POINTER, "(length - length.mean()) * log_prob", "(length.mean() - length) * log_prob"
    ),
    "a tour may visit a city again": _in(POINTER, "been = been.scatter(1, here, True)", "been = been.clone()"),
    "a tour does not come home": _in(POINTER, "(stops - stops.roll(1, 1)).norm", "(stops[:, 1:] - stops[:, :-1]).norm"),
    # chapter 4
    "beam scores are not summed": _in(
        BEAM, "totals = (log_probs[:, None] + step).flatten()", "totals = step.flatten()"
    ),
    "a beam ignores the end": _in(
        BEAM, "ended = (texts[:, -1] == end) | (n == max_length)", "ended = torch.full((len(texts),), n == max_length)"
    ),
    "length normalisation is off by one": _in(
        BEAM, "total, total / n**length_penalty)", "total, total / (n + 1) ** length_penalty)", feeds=False
    ),
    "a beam keeps the live ones among its first only": _in(
        BEAM,
        "live, totals = texts[~ended][:width], totals[~ended][:width]",
        "live, totals = texts[:width][~ended[:width]], totals[:width][~ended[:width]]",
    ),
    "exact search does not sum": _in(BEAM, "log_probs = totals[row, token]", "log_probs = step[row, token]"),
    "the chain rule reads the token it predicts": _in(
        BEAM, "step = next_log_probs(model, texts[:, :t])", "step = next_log_probs(model, texts[:, : t + 1])"
    ),
    "a child's time forgets its parent's": _in(
        BEAM, "return torch.logaddexp(after_first, log_parent[..., None])", "return log_times"
    ),
    "the acceptance ratio is inverted": _in(BEAM, "chance = (p / q)", "chance = (q / p)"),
    "what should be accepted is refused": _in(BEAM, "accepted = dart < chance", "accepted = dart > chance"),
    "a refused token is replaced by what the draft has too much of": _in(
        BEAM, "short = (p - q).clamp(min=0)", "short = (q - p).clamp(min=0)"
    ),
    "draft and target share a seed": _in(BEAM, "random_model(seed + 1000)", "random_model(seed)"),
    "the human text is read from one token late": _in(BEAM, "texts)[:, 7:].sum(1)", "texts)[:, 8:].sum(1)"),
    "the tied times' control is tied": _in(
        BEAM, "control={s: pair_fit(s, untied) for s in SEEDS}", "control={s: pair_fit(s, tied) for s in SEEDS}"
    ),
    # chapter 5
    "1/√d_k is dropped": Fault(
        ROOT_N, TRANSFORMER, "(d_model / n_head) ** -0.5 if scaled else 1", "1 if scaled else 1"
    ),
    "1/√d_k is inverted": Fault(ROOT_N, TRANSFORMER, "(d_model / n_head) ** -0.5", "(d_model / n_head) ** 0.5"),
    "the root is of d_model": Fault(ROOT_N, TRANSFORMER, "(d_model / n_head) ** -0.5", "d_model**-0.5"),
    "N is the number of layers": Fault(ROOT_N, TRANSFORMER, "(2 * n_layer) ** -0.5", "n_layer**-0.5"),
    "the factor goes to the first matrix of a branch": Fault(
        ROOT_N, TRANSFORMER, "branch.out.weight.data.mul_(factor)", "next(branch.parameters()).data.mul_(factor)"
    ),
    "attention forgets the factor of every pass": Fault(
        ROOT_N, TRANSFORMER, "return self.factor * self.out(read", "return self.out(read"
    ),
    "the Jacobian's sign is wrong": _in(
        ROOT_N, "torch.diag_embed(p) - p[..., :, None]", "torch.diag_embed(p) + p[..., :, None]"
    ),
    "the entropy's softmax runs over the queries": _in(
        ROOT_N, "torch.special.entr(scores.softmax(-1))", "torch.special.entr(scores.softmax(0))"
    ),
    "the smaller steps are not smaller": _in(ROOT_N, '1e-3 * (24**-0.5 if arm == "smaller steps" else 1)', "1e-3"),
    "the next byte is in the input": _in(
        ROOT_N, "F.cross_entropy(logits, piece[:, 1:].flatten())", "F.cross_entropy(logits, piece[:, :-1].flatten())"
    ),
    # chapter 6
    "the residual is added twice": Fault(
        PRE_POST, TRANSFORMER, "return x + branch(norm(x))", "return x + x + branch(norm(x))"
    ),
    "Pre and Post are swapped": Fault(PRE_POST, TRANSFORMER, 'if self.norm == "pre":', 'if self.norm == "post":'),
    "Post-LN normalises before it adds": _in(PRE_POST, "return norm(x + branch(x))", "return norm(x) + branch(x)"),
    "the final norm is dropped": Fault(
        PRE_POST, TRANSFORMER, "self.final_norm = nn.LayerNorm(d_model)", "self.final_norm = nn.Identity()"
    ),
    "Post-LN has a final norm too": Fault(
        PRE_POST, TRANSFORMER, 'if final_norm and self.blocks[0].norm == "pre":', "if final_norm:"
    ),
    "the causal mask is dropped": Fault(
        PRE_POST, TRANSFORMER, "scores = scores.masked_fill(later, -torch.inf)", "scores = scores.clone()"
    ),
    "the causal mask shows the next token": Fault(PRE_POST, TRANSFORMER, ".triu(1)", ".triu(2)"),
    "attention's softmax runs over the queries": Fault(
        PRE_POST, TRANSFORMER, "scores.softmax(-1)", "scores.softmax(-2)"
    ),
    "positions are not embedded": Fault(
        PRE_POST,
        TRANSFORMER,
        "return self.token(tokens) + self.position.weight[: tokens.shape[1]]",
        "return self.token(tokens)",
    ),
    "Xavier's root is forgotten": Fault(
        PRE_POST, TRANSFORMER, "(2 / sum(module.weight.shape)) ** 0.5", "2 / sum(module.weight.shape)"
    ),
    "the slope is an intercept": _in(PRE_POST, "np.log(y), 1)[0].item()", "np.log(y), 1)[1].item()"),
    "the law forgets its root": _in(PRE_POST, '(1 + each["a"].mean()) ** 5.5', '(1 + each["a"].mean()) ** 11'),
    "without the final norm is with it": _in(
        PRE_POST, 'control=first_slopes("Pre-LN without final norm")', 'control=first_slopes("Pre-LN")'
    ),
    "all seeds read the same tokens": _in(
        PRE_POST, "(1, T + 1), generator=seeded(10_000 + seed))", "(1, T + 1), generator=seeded(10_000))"
    ),
    # chapter 7
    "RAdam's limit is off by one": _in(WARM, "limit = 2 / (1 - beta2) - 1", "limit = 2 / (1 - beta2)"),
    "RAdam's factor forgets its root": _in(WARM, "return math.sqrt(ratio)", "return ratio"),
    "RAdam's correction forgets its root": _in(
        WARM,
        "correction = math.sqrt(1 - self.beta2**self.n_step)",
        "correction = 1 - self.beta2**self.n_step",
        feeds=False,
    ),
    "warm-up is off": Fault(
        WARM, TRAINING, "(torch.arange(1, n_step + 1) / float(n_warm))", "torch.arange(1, n_step + 1)"
    ),
    "warm-up begins a step late": Fault(
        WARM, TRAINING, "torch.arange(1, n_step + 1) / float(n_warm)", "torch.arange(n_step) / n_warm"
    ),
    "one stream of data for all seeds": Fault(
        WARM,
        TRAINING,
        "torch.Generator().manual_seed(int(seed)) for seed in seeds",
        "torch.Generator().manual_seed(0) for seed in seeds",
    ),
    "the next character is in the input": Fault(
        WARM, TRAINING, "return tokens[:, :-1], tokens[:, 1:]", "return tokens[:, :-1], tokens[:, :-1]"
    ),
    "the reversed schedule is not reversed": _in(WARM, "backward = warm.flip(0)", "backward = warm"),
    "the gradient ratio is inverted": _in(WARM, "(last / first).item()", "(first / last).item()"),
    "both arms are Pre-LN": _in(WARM, "d_ff=128, norm=norm)", 'd_ff=128, norm="pre")'),
    # chapter 8
    "the line of Post-LN normalises x alone": _in(
        DEEP, '"Post-LN": lambda x, f, norm: norm(x + f(x))', '"Post-LN": lambda x, f, norm: norm(x) + f(x)'
    ),
    "DeepNorm's skip takes the square root": _in(
        DEEP, "(2 * len(model.blocks)) ** 0.25", "(2 * len(model.blocks)) ** 0.5"
    ),
    "DeepNet's weights are larger, not smaller": _in(
        DEEP, "(8 * len(model.blocks)) ** -0.25", "(8 * len(model.blocks)) ** 0.25"
    ),
    "the direct path runs through the branches": _in(
        DEEP, "lambda branch, inputs, out: out.detach())", "lambda branch, inputs, out: out)"
    ),
    "Admin takes variances for their roots": _in(
        DEEP, "(kept.var() + added.var()).sqrt()", "(kept.var() + added.var())"
    ),
    "DLCL begins with a sum, not a mean": _in(
        DEEP, "nn.Parameter(mean / mean.sum(1, keepdim=True))", "nn.Parameter(mean)"
    ),
    "a skip of 0.7 keeps all": _in(DEEP, "norm: 0.7 * x + f(norm(x))", "norm: x + f(norm(x))"),
    "the slow arms are as fast": _in(DEEP, '(4 if "slow" in arm else 1)', "1"),
    "the product leaves out the norms": _in(DEEP, "        if norms:", "        if not norms:"),
    "the first losses are taken for the last": Fault(
        DEEP, TRAINING, "losses[-n_last:].mean(0)", "losses[:n_last].mean(0)"
    ),
    "Post-LN's path is its own control": _in(DEEP, 'control=paths["Pre-LN"],', 'control=paths["Post-LN"],'),
    "models see their answers": Fault(
        DEEP, TRANSFORMER, "scores = scores.masked_fill(later, -torch.inf)", "scores = scores.clone()"
    ),
    "the reversal is a copy": Fault(DEEP, TRAINING, "there.flip(1)], 1)", "there], 1)"),
    # chapter 9
    "the covariance is not centred": _in(LATE, "x = x - x.mean(0) if center else x", "x = x"),
    "the covariance is centred over the wrong axis": _in(
        LATE, "x = x - x.mean(0) if center else x", "x = x - x.mean(1, keepdim=True) if center else x"
    ),
    "the trace is not squared": _in(LATE, "(c.trace().square() / c.square().sum())", "(c.trace() / c.square().sum())"),
    "a write is measured against what comes after": _in(
        LATE, "a.norm(dim=-1)).mean() for a, b in pairs", "b.norm(dim=-1)).mean() for a, b in pairs"
    ),
    "the largest channels are chosen anew after the gain": _in(
        LATE, "top = x.square().mean(0).topk(n_top).indices", "top = (x * gain).square().mean(0).topk(n_top).indices"
    ),
    "a layer's residual is added twice": _in(
        LATE,
        "x = x + layer.mlp(layer.post_attention_layernorm(x))",
        "x = x + x + layer.mlp(layer.post_attention_layernorm(x))",
    ),
    "attention reads through the other norm": _in(
        LATE, "read = layer.input_layernorm(x)", "read = layer.post_attention_layernorm(x)"
    ),
    "the first token counts as ordinary": _in(LATE, "    usual[:, 0] = False\n", ""),
    "the loss is that of the token it reads": _in(LATE, "model.model.norm(x[:, 6:-1])", "model.model.norm(x[:, 7:])"),
    "damped weights stay damped": _in(LATE, "weight.copy_(before)", "weight.clone()"),
    "GPT-2's factor goes by the layer": _in(LATE, '"GPT-2\'s": by_depth', '"GPT-2\'s": by_layer'),
    "the stream's mask is dropped": _in(LATE, "attention_mask=later", "attention_mask=None"),
}


def tests_of(fault: Fault) -> list[str]:
    """The files of tests that are about the faulty code."""
    files = [f"test_chapter_{fault.chapter[:2]}.py"]
    if fault.file.startswith("lab/"):
        files.append(f"test_{Path(fault.file).stem}.py")
    return files


def plant(root: Path, fault: Fault) -> None:
    """Make the edit in the book at `root`.

    Raises:
        ValueError: `right` does not occur exactly once.
    """
    path = root / "notebooks" / fault.file
    if path.suffix == ".ipynb":
        notebook = nbformat.read(path, as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        hits = [cell for cell in code for _ in range(cell.source.count(fault.right))]
        if len(hits) != 1:
            raise ValueError(f"right must occur once in {fault.file}, got {fault.right!r}, {len(hits)} times")
        hits[0].source = hits[0].source.replace(fault.right, fault.wrong)
        nbformat.write(notebook, path)
        return
    text = path.read_text(encoding="utf-8")
    if text.count(fault.right) != 1:
        raise ValueError(f"right must occur once in {fault.file}, got {fault.right!r}, {text.count(fault.right)} times")
    path.write_text(text.replace(fault.right, fault.wrong), encoding="utf-8")
