"""Faults of the kind a careless edit makes, planted one at a time by the runner."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import nbformat


class Fault(NamedTuple):
    """One edit of one file."""

    chapter: str  # the notebook that is run
    file: str  # the file that is edited, under notebooks/
    right: str  # source that occurs once in it
    wrong: str


# by the chapter that is run and the file that is edited: each fault's name, and its edit with what surrounds it
EDITS = {
    ("01_argmax_vs_multinomial", "01_argmax_vs_multinomial.ipynb"): {
        "the argmax is an argmin": "return logits.⟦argmax → argmin⟧(-1)",
        "the draw is an argmax": "return ⟦drawn.view(probs.shape[:-1]) → probs.argmax(-1)⟧",
        "the draw's softmax runs over the batch": "probs = widened(logits).softmax(⟦-1 → 0⟧)",
        "Gumbel noise loses its sign": "gumbel = ⟦- → ⟧torch.empty_like(logits)",
        "Gumbel-max divides by its temperature": "(logits + ⟦temperature * gumbel → gumbel / temperature⟧)",
        "one dart for the whole batch": "⟦*logits.shape[:-1] → 1⟧, 1, generator",
        "the nucleus is one token short": "probs.cumsum(-1)⟦ - probs → ⟧ >= p",
        "the labels are the model's own draws": "labels = ⟦lambda logits: multinomial(notes.expand(n, -1), random) → draw⟧",
        "every draw has the mean reward": "loss = loss * reward⟦[y] → .mean()⟧",
        "the other random numbers are the same ones": "40 * seed⟦ + 7 → ⟧",
        "repetition counts runs of three tokens": "for i in range(⟦n → n - 1⟧)), strict",
        "own draws are refitted on the original": "random.multinomial(n, path[⟦-1 → 0⟧]) / n",
        "diversity is that of the mean distribution": "⟦(1 - (path**2).sum(-1)).mean(-1) → 1 - (path.mean(1) ** 2).sum(-1)⟧",
    },
    ("02_other_samplers", "02_other_samplers.ipynb"): {
        "the temperature is inverted": "fixed, below, below ⟦/ → *⟧ tau)",
        "top-k is one token short": "logits ⟦< → <=⟧ smallest",
        "min-p forgets the likeliest token": "wide.⟦amax → logsumexp⟧(-1, keepdim=True) + math.log(p)",
        "typical ranks by the wrong distance": "(⟦- → ⟧log_probs - entropy)",
        "typical is one token short": "outside = held⟦.roll(1, -1) → ⟧ >= p",
        "typical takes a mean for the entropy": "torch.special.entr(probs).⟦sum → mean⟧(-1, keepdim=True)",
        "Gumbel-top-k noise loses its sign": "gumbel = ⟦- → ⟧torch.empty_like(logits)",
        "expected counts in another order than the counts": "counts[possible][order], probs[possible]⟦[order] → ⟧",
        "both of the five have the same random numbers": "same_five(s, s⟦ + 1000 → ⟧)",
    },
    ("02_other_samplers", "01_argmax_vs_multinomial.ipynb"): {
        "top-p is one token short": "⟦probs.cumsum(-1) - probs >= p → (probs.cumsum(-1) >= p) & (probs < probs[..., :1])⟧",
    },
    ("03_pointer_networks", "03_pointer_networks.ipynb"): {
        "pointing loses its tanh": "self.v(both⟦.tanh() → ⟧)",
        "the hull runs clockwise": "(c + c[:, None, :, k] + c[:, k, :, None] ⟦>= → <=⟧ 0)",
        "each step reads its own answer": "before = ⟦F.pad(named[:, :-1], (1, 0), value=MARK) → named⟧",
        "the loss counts what follows the end": "return each⟦.masked_fill(ended(named), 0) → ⟧.sum(1)",
        "answers go on after the end": "picked = picked.⟦masked_fill(over, MARK) → clone()⟧",
        "the sizes held out for the test are trained on": "sizes=(5, ⟦10 → 20⟧)):",
        "tours are rewarded for their length": "(⟦length - length.mean() → length.mean() - length⟧) * log_prob",
        "a tour may visit a city again": "been = been.⟦scatter(1, here, True) → clone()⟧",
        "a tour does not come home": "(⟦stops - stops.roll(1, 1) → stops[:, 1:] - stops[:, :-1]⟧).norm",
    },
    ("04_beam_search_vs_sampling", "04_beam_search_vs_sampling.ipynb"): {
        "beam scores are not summed": "totals = ⟦(log_probs[:, None] + step) → step⟧.flatten()",
        "a beam ignores the end": "ended = ⟦(texts[:, -1] == end) | (n == max_length) → torch.full((len(texts),), n == max_length)⟧",
        "length normalisation is off by one": "total, total / ⟦n**length_penalty → (n + 1) ** length_penalty⟧)",
        "a beam keeps the live ones among its first only": "live, totals = ⟦texts[~ended][:width], totals[~ended][:width] → texts[:width][~ended[:width]], totals[:width][~ended[:width]]⟧",
        "exact search does not sum": "log_probs = ⟦totals → step⟧[row, token]",
        "the chain rule reads the token it predicts": "step = next_log_probs(model, texts[:, ⟦:t → : t + 1⟧])",
        "a child's time forgets its parent's": "return ⟦torch.logaddexp(after_first, log_parent[..., None]) → log_times⟧",
        "the acceptance ratio is inverted": "chance = (⟦p / q → q / p⟧)",
        "what should be accepted is refused": "accepted = dart ⟦< → >⟧ chance",
        "a refused token is replaced by what the draft has too much of": "short = (⟦p - q → q - p⟧).clamp(min=0)",
        "draft and target share a seed": "random_model(seed⟦ + 1000 → ⟧)",
        "the human text is read from one token late": "texts)[:, ⟦7 → 8⟧:].sum(1)",
        "the tied times' control is tied": "control={s: pair_fit(s, ⟦untied → tied⟧) for s in SEEDS}",
    },
    ("05_sqrt_n_scaling", "lab/transformer.py"): {
        "1/√d_k is dropped": "⟦(d_model / n_head) ** -0.5 → 1⟧ if scaled else 1",
        "1/√d_k is inverted": "(d_model / n_head) ** ⟦- → ⟧0.5",
        "the root is of d_model": "⟦(d_model / n_head) ** -0.5 → d_model**-0.5⟧",
        "N is the number of layers": "⟦(2 * n_layer) ** -0.5 → n_layer**-0.5⟧",
        "the factor goes to the first matrix of a branch": "⟦branch.out.weight → next(branch.parameters())⟧.data.mul_(factor)",
        "attention forgets the factor of every pass": "return ⟦self.factor * self.out → self.out⟧(read",
    },
    ("05_sqrt_n_scaling", "05_sqrt_n_scaling.ipynb"): {
        "the Jacobian's sign is wrong": "torch.diag_embed(p) ⟦- → +⟧ p[..., :, None]",
        "the entropy's softmax runs over the queries": "torch.special.entr(scores.softmax(⟦-1 → 0⟧))",
        "the smaller steps are not smaller": '1e-3⟦ * (24**-0.5 if arm == "smaller steps" else 1) → ⟧',
        "the next byte is in the input": "F.cross_entropy(logits, piece[:, ⟦1: → :-1⟧].flatten())",
    },
    ("06_pre_ln_vs_post_ln", "lab/transformer.py"): {
        "the residual is added twice": "return ⟦x → x + x⟧ + branch(norm(x))",
        "Pre and Post are swapped": 'if self.norm == "⟦pre → post⟧":',
        "the final norm is dropped": "self.final_norm = nn.⟦LayerNorm(d_model) → Identity()⟧",
        "Post-LN has a final norm too": 'if final_norm⟦ and self.blocks[0].norm == "pre" → ⟧:',
        "the causal mask is dropped": "scores = scores.⟦masked_fill(later, -torch.inf) → clone()⟧",
        "the causal mask shows the next token": ".triu(⟦1 → 2⟧)",
        "attention's softmax runs over the queries": "scores.softmax(⟦-1 → -2⟧)",
        "positions are not embedded": "return self.token(tokens)⟦ + self.position.weight[: tokens.shape[1]] → ⟧",
        "Xavier's root is forgotten": "⟦(2 / sum(module.weight.shape)) ** 0.5 → 2 / sum(module.weight.shape)⟧",
    },
    ("06_pre_ln_vs_post_ln", "06_pre_ln_vs_post_ln.ipynb"): {
        "Post-LN normalises before it adds": "return ⟦norm(x + branch(x)) → norm(x) + branch(x)⟧",
        "the slope is an intercept": "np.log(y), 1)[⟦0 → 1⟧].item()",
        "the law forgets its root": '(1 + each["a"].mean()) ** ⟦5.5 → 11⟧',
        "without the final norm is with it": 'control=first_slopes("Pre-LN⟦ without final norm → ⟧")',
        "all seeds read the same tokens": "(1, T + 1), generator=seeded(10_000⟦ + seed → ⟧))",
    },
    ("07_warmup_and_radam", "07_warmup_and_radam.ipynb"): {
        "RAdam's limit is off by one": "limit = 2 / (1 - beta2)⟦ - 1 → ⟧",
        "RAdam's factor forgets its root": "return ⟦math.sqrt(ratio) → ratio⟧",
        "RAdam's correction forgets its root": "correction = ⟦math.sqrt(1 - self.beta2**self.n_step) → 1 - self.beta2**self.n_step⟧",
        "the reversed schedule is not reversed": "backward = warm⟦.flip(0) → ⟧",
        "the gradient ratio is inverted": "(⟦last / first → first / last⟧).item()",
        "both arms are Pre-LN": 'd_ff=128, norm=⟦norm → "pre"⟧)',
    },
    ("07_warmup_and_radam", "lab/training.py"): {
        "warm-up is off": "⟦(torch.arange(1, n_step + 1) / float(n_warm)) → torch.arange(1, n_step + 1)⟧",
        "warm-up begins a step late": "⟦torch.arange(1, n_step + 1) / float(n_warm) → torch.arange(n_step) / n_warm⟧",
        "one stream of data for all seeds": "torch.Generator().manual_seed(⟦int(seed) → 0⟧) for seed in seeds",
        "the next character is in the input": "return tokens[:, :-1], tokens[:, ⟦1: → :-1⟧]",
    },
    ("08_going_deep", "08_going_deep.ipynb"): {
        "the line of Post-LN normalises x alone": '"Post-LN": lambda x, f, norm: ⟦norm(x + f(x)) → norm(x) + f(x)⟧',
        "DeepNorm's skip takes the square root": "(2 * len(model.blocks)) ** ⟦0.25 → 0.5⟧",
        "DeepNet's weights are larger, not smaller": "(8 * len(model.blocks)) ** ⟦- → ⟧0.25",
        "the direct path runs through the branches": "lambda branch, inputs, out: out⟦.detach() → ⟧)",
        "Admin takes variances for their roots": "(kept.var() + added.var())⟦.sqrt() → ⟧",
        "DLCL begins with a sum, not a mean": "nn.Parameter(mean⟦ / mean.sum(1, keepdim=True) → ⟧)",
        "a skip of 0.7 keeps all": "norm: ⟦0.7 * x → x⟧ + f(norm(x))",
        "the slow arms are as fast": '⟦(4 if "slow" in arm else 1) → 1⟧',
        "the product leaves out the norms": "        if ⟦norms → not norms⟧:",
        "Post-LN's path is its own control": 'control=paths["⟦Pre-LN → Post-LN⟧"],',
    },
    ("08_going_deep", "lab/training.py"): {
        "the first losses are taken for the last": "losses[⟦-n_last: → :n_last⟧].mean(0)",
        "the reversal is a copy": "there⟦.flip(1) → ⟧], 1)",
    },
    ("08_going_deep", "lab/transformer.py"): {
        "models see their answers": "scores = scores.⟦masked_fill(later, -torch.inf) → clone()⟧",
    },
    ("09_late_layers", "09_late_layers.ipynb"): {
        "the covariance is not centred": "x = x⟦ - x.mean(0) if center else x → ⟧",
        "the covariance is centred over the wrong axis": "x = x - x.mean(⟦0 → 1, keepdim=True⟧) if center else x",
        "the trace is not squared": "(c.trace()⟦.square() → ⟧ / c.square().sum())",
        "a write is measured against what comes after": "⟦a → b⟧.norm(dim=-1)).mean() for a, b in pairs",
        "the largest channels are chosen anew after the gain": "top = ⟦x → (x * gain)⟧.square().mean(0).topk(n_top).indices",
        "a layer's residual is added twice": "x = ⟦x → x + x⟧ + layer.mlp(layer.post_attention_layernorm(x))",
        "attention reads through the other norm": "read = layer.⟦input_layernorm → post_attention_layernorm⟧(x)",
        "the first token counts as ordinary": "⟦    usual[:, 0] = False\n → ⟧",
        "the loss is that of the token it reads": "model.model.norm(x[:, ⟦6:-1 → 7:⟧])",
        "damped weights stay damped": "weight.⟦copy_(before) → clone()⟧",
        "GPT-2's factor goes by the layer": '"GPT-2\'s": ⟦by_depth → by_layer⟧',
        "the stream's mask is dropped": "attention_mask=⟦later → None⟧",
    },
}


def _fault(chapter: str, file: str, edit: str) -> Fault:
    before, right, wrong, after = re.fullmatch("(.*)⟦(.*) → (.*)⟧(.*)", edit, re.S).groups()
    return Fault(chapter, file, before + right + after, before + wrong + after)


FAULTS = {name: _fault(*where, edit) for where, edits in EDITS.items() for name, edit in edits.items()}
NOT_MEASURED = {  # no claim is computed with the faulty code
    "length normalisation is off by one",
    "RAdam's correction forgets its root",
}
SURVIVES: dict[str, str] = {}  # why nobody notices a fault
TESTS = {  # what tests a file
    "01_argmax_vs_multinomial.ipynb": "test_chapter_01.py",
    "02_other_samplers.ipynb": "test_chapter_02.py",
    "03_pointer_networks.ipynb": "test_chapter_03.py",
    "04_beam_search_vs_sampling.ipynb": "test_chapter_04.py",
    "05_sqrt_n_scaling.ipynb": "test_chapter_05.py",
    "06_pre_ln_vs_post_ln.ipynb": "test_chapter_06.py",
    "07_warmup_and_radam.ipynb": "test_chapter_07.py",
    "08_going_deep.ipynb": "test_chapter_08.py",
    "09_late_layers.ipynb": "test_chapter_09.py",
    "lab/training.py": "test_training.py",
    "lab/transformer.py": "test_transformer.py",
}


def tests_of(fault: Fault) -> list[str]:
    """The files of tests that are about the faulty code."""
    return list(dict.fromkeys([TESTS[f"{fault.chapter}.ipynb"], TESTS[fault.file]]))


def plant(root: Path, fault: Fault) -> None:
    """Make the edit in the book at `root`.

    Raises:
        ValueError: `right` does not occur exactly once.
    """
    path = root / "notebooks" / fault.file
    if path.suffix == ".ipynb":
        notebook = nbformat.read(path, as_version=4)
        pieces = [cell for cell in notebook.cells if cell.cell_type == "code"]
    else:
        notebook, pieces = None, [SimpleNamespace(source=path.read_text(encoding="utf-8"))]
    hits = [piece for piece in pieces for _ in range(piece.source.count(fault.right))]
    if len(hits) != 1:
        raise ValueError(f"right must occur once in {fault.file}, got {fault.right!r}, {len(hits)} times")
    hits[0].source = hits[0].source.replace(fault.right, fault.wrong)
    path.write_text(nbformat.writes(notebook) if notebook else hits[0].source, encoding="utf-8")
