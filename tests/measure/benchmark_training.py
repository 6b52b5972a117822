"""CPU time of a step, a model: one after the other, by vmap, and side by side: python tests/measure/benchmark_training.py

The stacks of chapters 7 (6 layers) and 8 (24), one thread; the three take turns, and the median of each counts.
"""

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "notebooks"))

import torch  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from lab import training  # noqa: E402
from lab.transformer import Transformer, init  # noqa: E402

N_STEP = 12


def one_by_one(models, seeds, task, rates):
    for model, seed in zip(models, seeds, strict=True):
        optimizer, random = torch.optim.Adam(model.parameters(), betas=(0.9, 0.98)), torch.Generator().manual_seed(seed)
        for rate in rates:
            inputs, targets = task(random)
            optimizer.param_groups[0]["lr"] = rate.item()
            optimizer.zero_grad()
            F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten()).backward()
            optimizer.step()


def refuse(model):
    raise RuntimeError


def train(models, seeds, task, rates, way=training._side_by_side):
    training._side_by_side = way
    training.train(models, seeds, task, rates)


def mapped(*arguments):
    train(*arguments, way=refuse)


def milliseconds(work, n_layer: int, n_model: int) -> float:
    """Of one step of one model. The first steps, in which memory is found and ways are compared, do not count."""
    models = [Transformer(n_layer, 32, training.VOCAB, 32, n_head=2, d_ff=128, norm="pre") for _ in range(n_model)]
    models = [init(model, "xavier", torch.Generator().manual_seed(i)) for i, model in enumerate(models)]
    times = []
    for n_step in (2, 2 + N_STEP):
        start = time.process_time()
        work(models, range(n_model), training.text(4, 32), training.warm_up(1e-3, 1, n_step))
        times.append(time.process_time() - start)
    return (times[1] - times[0]) / n_model / N_STEP * 1000


if __name__ == "__main__":
    torch.set_num_threads(1)
    milliseconds(train, 2, 1)  # the first use loads what is needed
    for n_layer, n_model in ((6, 3), (6, 10), (6, 20), (24, 3)):
        ways = (one_by_one, mapped, train)
        rounds = [[milliseconds(way, n_layer, n_model) for way in ways] for _ in range(3)]
        loop, general, fast = (statistics.median(each) for each in zip(*rounds, strict=True))
        times = f"one by one {loop:.1f} ms, vmap {general:.1f}, side by side {fast:.1f}"
        print(f"{n_layer} layers, {n_model} models: {times}; {loop / fast:.2f} and {general / fast:.2f} times as fast")
