"""The data of the dial: next-token distributions small enough for a page, and exact enough for any temperature."""

import torch

from lab import checks

EXACT = 40  # the likeliest tokens, each by itself
BIN = 0.05  # the width in logits of the bins in which all others are counted


def context(text: str, logits: torch.Tensor, tokenizer) -> dict:
    """What the dial needs of one context.

    Args:
        text: the context.
        logits: of the next token, (V,).

    Returns "text", "words" and "logits" of the likeliest tokens, likeliest first, and of all others "bins": [logit,
    number of tokens] each, likeliest first, where the logit is the one whose probability is the mean of the bin's.

    Raises:
        ValueError: logits that are not (V,), or no more than 40 of them.
    """
    checks.logits(logits)
    if logits.ndim != 1 or len(logits) <= EXACT:
        raise ValueError(f"logits must be (V,) with V above {EXACT}, got shape {tuple(logits.shape)}")
    ordered = logits.double().sort(descending=True)
    values = ordered.values - ordered.values[0]
    words = [tokenizer.decode(i).strip() or "(space)" for i in ordered.indices[:EXACT]]
    bins = []
    for part in values[EXACT:].split(_runs(values[EXACT:])):
        if part[0].isfinite():
            bins.append([round((part.logsumexp(0) - torch.tensor(len(part)).log()).item(), 4), len(part)])
    return {"text": text, "words": words, "logits": [round(z, 4) for z in values[:EXACT].tolist()], "bins": bins}


def _runs(values: torch.Tensor) -> list[int]:
    """How many of the sorted values fall into each bin."""
    return (values / BIN).floor().unique_consecutive(return_counts=True)[1].tolist()
