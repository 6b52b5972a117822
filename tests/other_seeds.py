"""Run the chapters under other base seeds: python tests/other_seeds.py 100 200 300 [--chapter 01_argmax_vs_multinomial]

Prints each claim's evidence and control; ends with an error if one does not hold.
"""

import argparse
import os
import re
import sys
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
sys.path.append(str(NOTEBOOKS.parent / "book" / "extensions"))
import execution  # noqa: E402


def run(path: Path, base_seed: int) -> bool:
    """Run one chapter with another BASE_SEED; say whether all of its claims hold."""
    notebook = nbformat.read(path, as_version=4)
    changed = 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source, found = re.subn(r"^BASE_SEED = \d+$", f"BASE_SEED = {base_seed}", cell.source, flags=re.M)
            changed += found
    if changed != 1:
        raise ValueError(f"{path.name} must set BASE_SEED once, on a line of its own; it does so {changed} times")
    print(f"{path.stem}, base seed {base_seed}", flush=True)
    result = execution.run(notebook, str(NOTEBOOKS), 1800, False)
    if result.err:
        print(f"  {result.exc_string.splitlines()[0]}")
        return False
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            text = output.get("data", {}).get("text/plain", "")
            if " settled. " in text:
                print(f"  {text}")
    return True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base_seeds", type=int, nargs="+")
    parser.add_argument("--chapter", help="one chapter's name; all chapters without it")
    arguments = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    chapters = [NOTEBOOKS / f"{arguments.chapter}.ipynb"] if arguments.chapter else sorted(NOTEBOOKS.glob("*.ipynb"))
    held = [run(chapter, seed) for chapter in chapters for seed in arguments.base_seeds]
    sys.exit(0 if all(held) else "a claim did not hold")
