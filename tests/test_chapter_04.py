"""Chapter 4's beam search against `generate` and enumeration, its samplers against exact probabilities, its explorer
in a browser against both, bad input."""

import json
import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import LlamaConfig, LlamaForCausalLM

from conftest import explored
from lab import language_model
from lab.chapters import definitions

chapter = definitions("04_beam_search_vs_sampling")
START = torch.empty(1, 0, dtype=torch.int64)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def by_generate(model, prompts, width, max_length, end, length_penalty):
    """Hypotheses by `generate`: for each prompt, pairs of tokens and score."""
    written = model.generate(
        prompts,
        attention_mask=torch.ones_like(prompts),
        num_beams=width,
        num_return_sequences=width,
        do_sample=False,
        max_new_tokens=max_length,
        eos_token_id=end,
        pad_token_id=0,
        length_penalty=length_penalty,
        return_dict_in_generate=True,
        output_scores=True,
    )
    tokens = written.sequences[:, prompts.shape[1] :].tolist()
    # beyond its end, generate pads
    tokens = [tuple(t[: t.index(end) + 1] if end in t else t) for t in tokens]
    if width == 1:  # then generate is greedy, and gives the logits only
        chosen = torch.stack([s.log_softmax(-1) for s in written.scores], 1)
        scores = []
        for i, text in enumerate(tokens):
            steps = chosen[i, range(len(text)), list(text)]
            scores.append(steps.sum().item() / len(text) ** length_penalty)
    else:
        scores = written.sequences_scores.tolist()
    pairs = list(zip(tokens, scores, strict=True))
    return [pairs[i : i + width] for i in range(0, len(pairs), width)]


def agree(ours, theirs):
    for mine, their in zip(ours, theirs, strict=True):
        assert [h.tokens for h in mine] == [tokens for tokens, _ in their]
        assert [h.score for h in mine] == pytest.approx([score for _, score in their], abs=1e-4)


@pytest.fixture(scope="module")
def small_llama():
    """A random model of 12 tokens, small enough to try hundreds of settings."""
    torch.manual_seed(0)
    sizes = dict(vocab_size=12, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2)
    model = LlamaForCausalLM(LlamaConfig(**sizes, initializer_range=1.0)).eval()
    model.generation_config.bos_token_id = None
    return model.requires_grad_(False)


@pytest.fixture(scope="module")
def language():
    return language_model.load()


@pytest.mark.parametrize("width", [1, 5])
def test_equals_generate_on_the_language_model(language, width):
    model, tokenizer = language
    prompts = language_model.beginnings(tokenizer, 4, 8, seed=0)
    end = model.config.eos_token_id
    ours = chapter.beam_search(language_model.NextLogProbs(model), prompts, width, 6, end, 1.0)
    agree(ours, by_generate(model, prompts, width, 6, end, 1.0))


@pytest.mark.parametrize("length_penalty", [-1.0, 0.0, 0.6, 2.0])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_equals_generate_on_a_small_model_with_many_ends(small_llama, width, length_penalty):
    prompts = torch.randint(12, (4, 3), generator=seeded(width))
    for end in (1, 7):
        ours = chapter.beam_search(language_model.NextLogProbs(small_llama), prompts, width, 6, end, length_penalty)
        agree(ours, by_generate(small_llama, prompts, width, 6, end, length_penalty))


def test_exact_search_continues_a_prompt_and_keeps_to_a_floor():
    model = chapter.TinyModel(4, 4, seed=5, end=0)
    prompt = torch.tensor([[1]])
    best = chapter.exact_search(model, prompt, 3, 0)
    assert best == chapter.beam_search(model, prompt, 1000, 3, 0)[0][0]
    assert chapter.exact_search(model, prompt, 3, 0, best.log_prob - 1e-9) == best
    assert chapter.exact_search(model, prompt, 3, 0, best.log_prob + 1e-9) is None


def test_probabilities_of_all_texts_sum_to_one():
    model = chapter.TinyModel(4, 5, seed=1, end=3)
    assert chapter.log_prob(model, chapter.every_text(4, 5)).exp().sum().item() == pytest.approx(1)


def test_several_ends_are_taken_for_one():
    model = chapter.TinyModel(4, 3, seed=2)
    merged = chapter.one_end(model, torch.tensor([3, 1]))
    row, one = model(START)[0], merged(START)[0]
    a, b, c, d = row.exp().tolist()
    assert one.exp().tolist() == pytest.approx([a, 0, c, d + b])
    assert torch.equal(chapter.one_end(model, torch.tensor([3]))(START)[0], row)
    texts = chapter.beam_search(merged, START, 1000, 3, end=3)[0]
    assert sum(math.exp(each.log_prob) for each in texts) == pytest.approx(1)
    with pytest.raises(ValueError, match="ends must hold a token"):
        chapter.one_end(model, torch.tensor([], dtype=torch.int64))


def test_stochastic_beam_search_draws_ordered_triples_without_replacement():
    model, n = chapter.TinyModel(2, 3, seed=3), 200_000
    p = chapter.log_prob(model, chapter.every_text(2, 3)).exp()  # eight texts
    a, b, c = torch.meshgrid(p, p, p, indexing="ij")
    exact = a * b / (1 - a) * c / (1 - a - b)
    i, j, k = torch.meshgrid(*[torch.arange(8)] * 3, indexing="ij")
    exact[(i == j) | (j == k) | (i == k)] = 0
    texts, _ = chapter.stochastic_beam_search(model, 3, 3, seeded(), runs=n)
    place = (texts * torch.tensor([4, 2, 1])).sum(-1) @ torch.tensor([64, 8, 1])
    counts = place.bincount(minlength=512).numpy()
    assert chapter.samplers.p_value(counts, exact.flatten().numpy()) > 1e-6


def test_a_child_rings_when_its_parent_does_and_none_before():
    parent = torch.tensor([1e-9, 5.0], dtype=torch.float64)
    times = torch.tensor([[3.0, 1.0, math.inf], [0.5, 9.0, 2.0]], dtype=torch.float64)
    expected = torch.tensor([[2.0 + 1e-9, 1e-9, math.inf], [5.0, 13.5, 6.5]], dtype=torch.float64)
    assert torch.allclose(chapter.tied(times.log(), parent.log()).exp(), expected, rtol=1e-12)


def test_times_without_end_or_beyond_any_number_are_tied_as_well():
    inf = math.inf
    times = torch.tensor([[inf, inf], [-inf, 1.0], [1.0, inf], [-1000.0, 5000.0]], dtype=torch.float64)  # logarithms
    tied = chapter.tied(times, torch.tensor([inf, 2.0, 2.0, 4000.0], dtype=torch.float64))
    later = math.log(math.e**2 + math.e)
    assert tied.tolist() == [[inf, inf], pytest.approx([2, later]), [2, inf], pytest.approx([4000, 5000])]


def test_stochastic_beam_search_still_draws_where_probabilities_underflow():
    p = (0.5 * torch.randn(64, generator=seeded(), dtype=torch.float64)).softmax(-1)
    model = lambda prefixes: p.log().expand(len(prefixes), -1)
    texts, log_probs = chapter.stochastic_beam_search(model, 2, 250, seeded(), runs=100)
    assert log_probs.max() < -900  # probabilities far below what a float64 can hold
    for text in (0, 1):  # both draws, of so many texts, have the model's frequencies at every place
        for places in (slice(0, 25), slice(225, 250)):
            counts = texts[:, text, places].flatten().bincount(minlength=64)
            assert stats.chisquare(counts, p * counts.sum()).pvalue > 1e-6
    # and the second text leaves the first where theory says: seldom at its last token
    first_difference = (texts[:, 0] != texts[:, 1]).int().argmax(1)
    assert (first_difference < 225).double().mean() > 0.8


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4)])
def test_speculative_sampling_takes_logits_of_any_shape(shape):
    target, draft = torch.randn(2, *shape, generator=seeded())
    found = chapter.speculative(target, draft, seeded(1))
    rows = chapter.speculative(target.view(-1, 4), draft.view(-1, 4), seeded(1))
    for ours, theirs in zip(found, rows, strict=True):
        assert torch.equal(ours, theirs.view(shape[:-1]))


def test_speculative_sampling_throws_a_dart_of_double_precision(monkeypatch):
    """A float32 dart is 0 once in 2**24 throws, and then accepts what has next to no chance."""
    thrown, rand = [], torch.rand
    monkeypatch.setattr(torch, "rand", lambda *size, **kind: thrown.append(rand(*size, **kind)) or thrown[-1])
    chapter.speculative(torch.zeros(3, 2), torch.zeros(3, 2), seeded())
    assert thrown and all(each.dtype == torch.float64 for each in thrown)


def test_a_remembering_model_forgets_a_call_that_failed(small_llama):
    remembering, longer = language_model.NextLogProbs(small_llama), torch.tensor([[1, 2, 5], [3, 4, 6]])
    remembering(longer[:, :2])
    fails = small_llama.model.norm.register_forward_pre_hook(lambda *_: 1 / 0)  # when its cache has the new tokens
    with pytest.raises(ZeroDivisionError):
        remembering(longer)
    fails.remove()
    expected = small_llama(longer).logits[:, -1].log_softmax(-1)
    assert torch.allclose(remembering(longer), expected, atol=1e-5)


def test_a_remembering_model_keeps_its_own_copy(small_llama):
    remembering = language_model.NextLogProbs(small_llama)
    buffer = torch.tensor([[1, 2, 3], [4, 5, 6]])
    remembering(buffer[:, :2])
    buffer[:] = buffer[[1, 0]]
    expected = small_llama(buffer).logits[:, -1].log_softmax(-1)
    assert torch.allclose(remembering(buffer), expected, atol=1e-5)


def flat(prefixes):
    return torch.full((len(prefixes), 3), -math.log(3))


SEARCHES = {
    "beam_search": lambda model=flat, **bad: chapter.beam_search(
        model, **({"prompts": START, "width": 2, "max_length": 2} | bad)
    ),
    "exact_search": lambda model=flat, **bad: chapter.exact_search(model, **({"prompt": START, "max_length": 2} | bad)),
    "stochastic_beam_search": lambda model=flat, **bad: chapter.stochastic_beam_search(
        model, **({"k": 2, "length": 2, "random": seeded()} | bad)
    ),
    "log_prob": lambda model=flat: chapter.log_prob(model, torch.zeros(1, 2, dtype=torch.int64)),
}
BAD_MODELS = {
    " must not hold NaN": lambda prefixes: torch.full((len(prefixes), 3), math.nan),
    r" must be \(1, V\), got \(2, 3\)": lambda prefixes: torch.zeros(2, 3),
    r" must be \(1, V\), got \(3,\)": lambda prefixes: torch.full((3,), -2.0),
    ".*log-probabilities.*add up to 22": lambda prefixes: torch.full((len(prefixes), 3), 2.0),
}


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("says", BAD_MODELS)
def test_refuses_what_is_not_log_probabilities(name, says):
    with pytest.raises(ValueError, match=rf"model\(prefixes\){says}"):
        SEARCHES[name](BAD_MODELS[says])


def test_a_sample_refuses_probabilities_that_do_not_add_up_to_one():
    half = lambda prefixes: torch.full((len(prefixes), 2), math.log(0.25))
    with pytest.raises(ValueError, match="add up to 1, got a row whose probabilities add up to 0.5"):
        SEARCHES["stochastic_beam_search"](half)


@pytest.mark.parametrize(
    ("name", "argument", "bad"),
    [("beam_search", argument, 0) for argument in ("width", "max_length")]
    + [("beam_search", "prompts", bad) for bad in (torch.zeros(1, 2), START[:0], torch.tensor([[-1]]))]
    + [("beam_search", "length_penalty", bad) for bad in (math.nan, 1000.0)]
    + [
        ("exact_search", "max_length", 0),
        ("exact_search", "floor", math.nan),
        ("exact_search", "prompt", START[[0, 0]]),
    ]
    + [("stochastic_beam_search", argument, 0) for argument in ("k", "length", "runs")]
    + [(name, "end", bad) for name in ("beam_search", "exact_search", "stochastic_beam_search") for bad in (3, -2)],
)
def test_a_search_refuses_a_bad_argument(name, argument, bad):
    with pytest.raises(ValueError, match=f"{argument} must"):
        SEARCHES[name](**{argument: bad})


@pytest.mark.parametrize("bad", [torch.tensor([[0, 3]]), torch.tensor([[0, -1]]), torch.zeros(1, 2)])
def test_a_model_and_the_chain_rule_refuse_what_are_no_tokens(bad):
    with pytest.raises(ValueError, match="texts must be"):
        chapter.log_prob(flat, bad)
    with pytest.raises(ValueError, match="prefixes must be"):
        chapter.TinyModel(3, 3, 0)(bad)


def test_speculative_sampling_refuses_a_draft_of_another_shape():
    with pytest.raises(ValueError, match=r"draft must have target's shape \(1, 2\), got \(1, 3\)"):
        chapter.speculative(torch.zeros(1, 2), torch.zeros(1, 3), seeded())


# The explorer: the tree of fifteen texts


@pytest.fixture(scope="module")
def tree(browser):
    """The explorer of a small model in a browser, and that model."""
    model = chapter.TinyModel(3, 3, seed=9406, end=2)
    with explored(browser, "tree", chapter.tree_data(model, "ab■", 3, 2), ready="svg") as page:
        yield page, model


def decode(page, rule: str, width: int = 1, temperature: float = 1.0, button: str = "Run 1,000") -> dict:
    """Run the explorer; how often each text came back."""
    page.get_by_label(rule, exact=True).check(force=True)
    for label, value in (("Width", width), ("Temperature", temperature)):
        slider = page.locator("label.slider", has_text=label).locator("input")
        slider.evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", str(value)
        )
    page.get_by_role("button", name=button).click()
    read = "leaves => leaves.map(leaf => ({...leaf.dataset}))"
    return {leaf["text"]: leaf for leaf in page.locator("[data-text]").evaluate_all(read)}


def at(model, temperature: float):
    return lambda prefixes: (model(prefixes) / temperature).log_softmax(-1)


def written(tokens) -> str:
    text = "".join("ab■"[token] for token in tokens)
    return text.split("■")[0] + "■" * ("■" in text)


@pytest.mark.parametrize("temperature", [0.3, 2.0])
@pytest.mark.parametrize("width", [1, 2, 4])
def test_the_trees_beams_are_the_notebooks(tree, width, temperature):
    page, model = tree
    leaves = decode(page, "beam", width, temperature)
    back = {text for text, leaf in leaves.items() if leaf["count"] != "0"}
    ours = chapter.beam_search(at(model, temperature), START, width, 3, 2)[0]
    assert back == {written(h.tokens) for h in ours}
    assert {leaves[text]["count"] for text in back} == {"1000"}
    if width == 1:
        greedy = decode(page, "argmax", temperature=temperature)
        assert {text for text, leaf in greedy.items() if leaf["count"] == "1000"} == back


@pytest.mark.parametrize("temperature", [0.3, 2.0])
@pytest.mark.parametrize("rule", ["sample", "beam with noise"])
def test_the_trees_draws_have_their_probabilities(tree, rule, temperature):
    page, model = tree
    leaves = decode(page, rule, 1, temperature)
    texts = chapter.every_text(3, 3)
    totals = chapter.log_prob(at(model, temperature), texts)
    exact = {written(text): total.exp().item() for text, total in zip(texts.tolist(), totals, strict=True)}
    exact = {text: exact[text] for text in leaves}
    shown = {text: float(leaf["probability"]) for text, leaf in leaves.items()}
    assert len(leaves) == 15 and shown == pytest.approx(exact, abs=1e-3)
    counts = np.array([int(leaf["count"]) for leaf in leaves.values()])
    assert counts.sum() == 1000
    assert chapter.samplers.p_value(counts, np.array(list(exact.values()))) > 1e-6


@pytest.mark.parametrize("width", [2, 4])
def test_the_trees_beam_with_noise_draws_without_replacement(tree, width):
    page, model = tree
    leaves = decode(page, "beam with noise", width)
    counts = np.array([int(leaf["count"]) for leaf in leaves.values()])
    assert counts.sum() == 1000 * width and counts.max() <= 1000
    texts, _ = chapter.stochastic_beam_search(model, width, 3, seeded(), 20_000, 2)
    ours = Counter(written(text) for text in texts.flatten(0, 1).tolist())
    shares = np.array([ours[text] for text in leaves]) / 20_000
    off = (counts / 1000 - shares) / np.sqrt(shares * (1 - shares) / 1000 + 1e-6)
    assert abs(off).max() < 6  # standard deviations


def test_the_tree_at_temperature_zero_has_one_text(tree):
    page, model = tree
    best = written(chapter.beam_search(model, START, 1, 3, 2)[0][0].tokens)
    for rule in ("argmax", "sample", "beam", "beam with noise"):
        leaves = decode(page, rule, 4, 0)
        assert {text: leaf["count"] for text, leaf in leaves.items() if leaf["count"] != "0"} == {best: "1000"}


def test_the_tree_run_once_tells_its_text(tree):
    page, _ = tree
    leaves = decode(page, "beam with noise", 3, button="Run once")
    back = [text for text, leaf in leaves.items() if leaf["count"] == "1"]
    assert len(back) == 3
    said = page.locator(".said").text_content()
    assert all(text in said for text in back)
    assert page.locator("svg[role=img]").get_attribute("aria-label").count(";") == 14


def test_the_trees_data_are_the_models():
    model = chapter.TinyModel(3, 3, seed=1, end=2)
    data = json.loads(json.dumps(chapter.tree_data(model, "ab■", 3, 2)))
    assert sorted(data["steps"]) == ["", "a", "aa", "ab", "b", "ba", "bb"]
    assert data["steps"]["ba"] == pytest.approx(model(torch.tensor([[1, 0]]))[0].tolist(), abs=1e-4)
