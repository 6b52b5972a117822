"""Chapter 5's Jacobian against autograd, and bad input; its explorer in a browser."""

import math

import pytest
import torch

from lab.chapters import definitions

chapter = definitions("05_sqrt_n_scaling")


def test_softmax_jacobian_is_autograds():
    logits = 3 * torch.randn(5, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    logits[0, :3] = -math.inf
    found = chapter.softmax_jacobian(logits)
    for row, jacobian in zip(logits, found, strict=True):
        torch.testing.assert_close(jacobian, torch.func.jacrev(lambda z: z.softmax(-1))(row))


@pytest.mark.parametrize(
    "bad", [torch.tensor([0.1, math.nan]), torch.tensor([-math.inf] * 2), torch.tensor([1, 2]), []]
)
def test_softmax_jacobian_refuses_what_has_no_softmax(bad):
    with pytest.raises(ValueError, match="logits must "):
        chapter.softmax_jacobian(bad)
