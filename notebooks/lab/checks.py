"""Refusals: bad arguments stop with a ValueError that names the argument and its value."""

import math
from numbers import Integral, Real

import torch


def logits(value: torch.Tensor, name: str = "logits") -> None:
    """Refuse `value` unless it is a (..., V) float tensor whose every row can become probabilities.

    -inf (an impossible token) is allowed, but not in a whole row.
    """
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        raise ValueError(f"{name} must be a floating-point tensor, got {value!r}")
    if value.ndim == 0 or value.numel() == 0:
        raise ValueError(f"{name} must have at least one row and one column, got shape {tuple(value.shape)}")
    top = value.amax(-1)  # NaN, where there is one
    if top.isfinite().all():
        return
    for bad, word in ((value.isnan(), "NaN"), (value == math.inf, "+inf")):
        if bad.any():
            raise ValueError(f"{name} must not hold {word}, got it at {bad.nonzero()[0].tolist()}")
    row = (top == -math.inf).nonzero()[0].tolist()
    raise ValueError(f"{name} must leave a possible token in every row, got all -inf in row {row}")


def count(value: int, name: str) -> None:
    """Refuse `value` unless it is a whole number of at least 1."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")


def positive(value: float, name: str) -> None:
    """Refuse `value` unless it is a finite number above 0."""
    if not isinstance(value, Real) or not (0 < value < math.inf):
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}")


def probability(value: float, name: str) -> None:
    """Refuse `value` unless it lies in (0, 1]."""
    if not isinstance(value, Real) or not (0 < value <= 1):
        raise ValueError(f"{name} must lie in (0, 1], got {value!r}")
