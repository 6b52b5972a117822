"""The long proof: python book/proof [seeds | machines | faults | all | conditions] [--chapter NAME] [--bases N]

Runs the chapters under other base seeds, on other machines, with planted faults, or with other settings, as many at a
time as the machine bears, and adds a line for each to book/proof/results.jsonl, from which the page "How we know" is
made. What stands there for the code of today is not run again, so it goes on where it was stopped; what no longer
counts is dropped from the chapters that are run. Other settings are given one by one, as Python literals:

    python book/proof conditions --chapter 08_going_deep --set BATCH=32 --set "LEARNING_RATES=(1e-3, 2e-3)"
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# in place of this folder, where a module would have a second name
sys.path[:1] = [str(ROOT / folder) for folder in ("book", "notebooks")]
from booksite.running import surroundings  # noqa: E402
from proof import runner  # noqa: E402


def setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise argparse.ArgumentTypeError(f"a setting must look like NAME=VALUE, got {text!r}")
    return name.strip(), value.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["seeds", "machines", "faults", "all", "conditions", "one"])
    parser.add_argument("--chapter", help="one chapter's name; all chapters without it")
    parser.add_argument("--bases", type=int, help="how many base seeds; 3 for `conditions`, otherwise all")
    parser.add_argument("--set", type=setting, action="append", default=[], metavar="NAME=VALUE", help="a setting")
    parser.add_argument(
        "--stop", action="store_true", help="with `one`, a single run: stop at the first claim that falls"
    )
    given = parser.parse_args()
    settings = dict(sorted(given.set))
    if bool(settings) != (given.what in ("conditions", "one")) or settings and not given.chapter:
        parser.error("conditions, and they alone, need --chapter and at least one --set")
    kinds = ["faults", "machines", "seeds"] if given.what == "all" else [given.what]
    try:
        if given.what == "one":
            surroundings.isolate(ROOT)
            print(json.dumps(runner.one(ROOT, given.chapter, settings, given.stop)))
        elif not runner.prove(ROOT, kinds, given.chapter, given.bases, settings):
            sys.exit(1)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
