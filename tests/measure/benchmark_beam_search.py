"""CPU time of chapter 4's beam search over that of `generate` on the same work: python tests/measure/benchmark_beam_search.py

Ten prompts at once, 24 new tokens, one thread; the two take turns three times, and the fastest of each counts.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "notebooks"))

import torch  # noqa: E402

from lab import human_text, language_model  # noqa: E402
from lab.chapters import definitions  # noqa: E402

N_PROMPTS, N_NEW = 10, 24


def seconds(work, width: int) -> float:
    start = time.process_time()
    work(width)
    return time.process_time() - start


if __name__ == "__main__":
    torch.set_num_threads(1)
    chapter = definitions("04_beam_search_vs_sampling")
    model, tokenizer = language_model.load()
    prompts = human_text.beginnings(tokenizer, N_PROMPTS, 8, seed=0)
    end = model.config.eos_token_id

    def ours(width: int) -> None:
        chapter.beam_search(language_model.NextLogProbs(model), prompts, width, N_NEW, end, 1.0)

    def theirs(width: int) -> None:
        settings = dict(num_beams=width, do_sample=False, max_new_tokens=N_NEW, eos_token_id=end, pad_token_id=end)
        model.generate(prompts, attention_mask=torch.ones_like(prompts), length_penalty=1.0, **settings)

    ours(1)  # the first use reads the weights into memory
    for width in (1, 2, 5):
        times = [(seconds(ours, width), seconds(theirs, width)) for _ in range(3)]
        best, other = (min(each) for each in zip(*times, strict=True))
        print(f"width {width}: {best:.1f} s, generate {other:.1f} s, ratio {best / other:.2f}")
