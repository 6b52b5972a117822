"""English that people wrote and that needs no download: the prose of Python's own documentation."""

import re
from pydoc_data import topics

import torch

from lab import checks

MARKUP = re.compile(r"[|=>{}\[\]_\\]|::|\(\)|(Added|Changed|New|Deprecated) in")


def paragraphs() -> list[str]:
    """Paragraphs of plain prose, without code or markup; they differ a little between versions of Python."""
    text = "\n\n".join(topics.topics[name] for name in sorted(topics.topics))
    found = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    plain = [re.sub(r"[*`\"]", "", p) for p in found if not MARKUP.search(p)]
    return list(dict.fromkeys(p for p in plain if p[:1].isupper() and p.endswith(".")))  # each once


def beginnings(tokenizer, n: int, length: int, seed: int) -> torch.Tensor:
    """The first `length` tokens of n paragraphs that have as many, picked at random: ids (n, length).

    Raises:
        ValueError: a bad n or length, or fewer than n such paragraphs.
    """
    checks.count(n, "n")
    checks.count(length, "length")
    ids = [each[:length] for each in tokenizer(paragraphs()).input_ids if len(each) >= length]
    if n > len(ids):
        raise ValueError(f"n must be at most {len(ids)}, the paragraphs of {length} tokens, got {n!r}")
    return torch.tensor(ids)[torch.randperm(len(ids), generator=torch.Generator().manual_seed(seed))[:n]]
