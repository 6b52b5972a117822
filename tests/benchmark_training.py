"""CPU time of training models one after the other, over that of `lab.training`: python tests/benchmark_training.py

Chapter 7's stack of six layers, one thread; the two take turns three times, and the fastest of each counts.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "notebooks"))

import torch  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from lab import training  # noqa: E402
from lab.transformer import Transformer, init  # noqa: E402

N_STEP = 8


def one_by_one(models, seeds, task, rates):
    for model, seed in zip(models, seeds, strict=True):
        optimizer, random = torch.optim.Adam(model.parameters(), betas=(0.9, 0.98)), torch.Generator().manual_seed(seed)
        for rate in rates:
            inputs, targets = task(random)
            optimizer.param_groups[0]["lr"] = rate.item()
            optimizer.zero_grad()
            F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten()).backward()
            optimizer.step()


def seconds(work, n_model: int) -> float:
    models = [Transformer(6, 32, training.VOCAB, 32, n_head=2, d_ff=128, norm="post") for _ in range(n_model)]
    models = [init(model, "xavier", torch.Generator().manual_seed(i)) for i, model in enumerate(models)]
    task, rates = training.text(8, 32), training.warm_up(1e-3, 1, N_STEP)
    start = time.process_time()
    work(models, range(n_model), task, rates)
    return time.process_time() - start


if __name__ == "__main__":
    torch.set_num_threads(1)
    seconds(training.train, 1)  # the first use loads what vmap needs
    for n_model in (1, 5, 20):
        times = [(seconds(one_by_one, n_model), seconds(training.train, n_model)) for _ in range(3)]
        slow, fast = (min(each) / n_model / N_STEP * 1000 for each in zip(*times, strict=True))
        print(f"{n_model} models: {slow:.1f} ms a model and step, together {fast:.1f} ms, ratio {slow / fast:.2f}")
