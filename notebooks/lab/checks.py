"""Refusals: bad arguments stop with a ValueError that names the argument and its value."""

import math
from numbers import Integral, Real

import torch


def logits(value: torch.Tensor, name: str = "logits") -> None:
    """Refuse `value` unless it is a (..., V) float tensor whose every row can become probabilities.

    -inf (an impossible token) is allowed, but not in a whole row.
    """
    if not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.dtype.itemsize < 2:
        raise ValueError(f"{name} must be a floating-point tensor of 16 bits or more, got {value!r}")
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
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 < value < math.inf:
        raise ValueError(f"{name} must be a finite number above 0, got {value!r}")


def probability(value: float, name: str) -> None:
    """Refuse `value` unless it lies in (0, 1]."""
    if not isinstance(value, Real) or isinstance(value, bool) or not 0 < value <= 1:
        raise ValueError(f"{name} must lie in (0, 1], got {value!r}")


def choice(value: str, name: str, *choices: str) -> None:
    """Refuse `value` unless it is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {choices}, got {value!r}")


def token_ids(value: torch.Tensor, name: str) -> None:
    """Refuse `value` unless it is a (B, T) int64 tensor that is not empty."""
    ids = isinstance(value, torch.Tensor) and value.dtype == torch.int64
    if not ids or value.ndim != 2 or value.numel() == 0:
        raise ValueError(f"{name} must be int64 token ids (B, T) and not empty, got {describe(value)}")


def vectors(
    value: torch.Tensor, name: str, width: int, batch: int | None = None, layer: torch.nn.Module | None = None
) -> None:
    """Refuse `value` unless it is a (B, T, width) float tensor.

    Where given, `batch` is its B, and `layer` what reads it, whose weights are of the same type.
    """
    floats = isinstance(value, torch.Tensor) and value.is_floating_point()
    if not floats or value.ndim != 3 or value.shape[2] != width:
        raise ValueError(f"{name} must be floats (B, T, {width}), got {describe(value)}")
    if batch not in (None, len(value)):
        raise ValueError(f"{name} must have batch {batch}, got {len(value)}")
    weight = value if layer is None else next(layer.parameters(), value)
    if value.dtype != weight.dtype:
        raise ValueError(f"{name} must be {weight.dtype}, as the weights that read it, got {describe(value)}")


def describe(value) -> str:
    """`value` for an error message: of a tensor the type and shape, since its numbers may be many."""
    if isinstance(value, torch.Tensor):
        return f"{value.dtype} of shape {tuple(value.shape)}"
    return repr(value)
