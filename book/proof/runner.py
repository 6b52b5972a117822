"""The long proof, resumable: python tests/prove.py [seeds | machines | faults | all] [--chapter NAME] [--bases N]

Runs the chapters under other base seeds, on other machines, and with planted faults, as many at a time as the
machine bears, and adds a line for each to book/proof.jsonl, from which the page "How we know" is made. What stands
there for the code of today is not run again; what belongs to other code is dropped.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat

ROOT = Path(__file__).parent.parent
sys.path += [str(ROOT / "book" / "extensions"), str(ROOT / "tests")]
import execution  # noqa: E402
import faults  # noqa: E402
import proof  # noqa: E402
import stamps  # noqa: E402

MARK = "PROOF "
# Goes before a chapter's first cell: every claim says what it found, and none stops the notebook.
RECORD = f"""
def _recorded():
    import json
    from lab import claims
    settle = claims.settle
    def record(claim, *, test, evidence, control, **said):
        refuted = None
        try:
            settle(claim, test=test, evidence=evidence, control=control, **said)
        except (claims.ClaimRefuted, claims.ControlPassed) as error:
            refuted = str(error)
        sides = [[float(f"{{float(v):.5g}}") for v in side.values()] for side in (evidence, control)]
        found = dict(claim=claim, evidence=sides[0], control=sides[1], refuted=refuted)
        print({MARK!r} + json.dumps(found | dict(passes=claims.passing(test, sides[0] + sides[1]))))
    claims.settle = record
_recorded()
"""


def one(chapter: str, base_seed: int, stop: bool = False, whole: bool = False) -> dict:
    """Run one chapter here; what each claim found, and what stopped it, if anything did.

    With `stop` the first claim that falls stops the notebook, as in the book. Only with `whole` run cells on which
    no claim and no assert depends.
    """
    notebook = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    changed = 0
    for cell in code:
        cell.source, found = re.subn(r"^BASE_SEED = \d+$", f"BASE_SEED = {base_seed}", cell.source, flags=re.M)
        changed += found
    if changed != 1:
        raise ValueError(f"{chapter} must set BASE_SEED once, on a line of its own; it does so {changed} times")
    if not whole:
        notebook.cells = code = stamps.settling(code)
    if not stop:
        code[0].source = RECORD + code[0].source
    result = execution.run(notebook, str(ROOT / "notebooks"), 3600, False)
    printed = "".join(output.get("text", "") for cell in code for output in cell.get("outputs", []))
    claims = [json.loads(line[len(MARK) :]) for line in printed.splitlines() if line.startswith(MARK)]
    return {
        "claims": {found.pop("claim"): found for found in claims},
        "stopped": result.exc_string.splitlines()[0] if result.err else None,
        "seconds": round(result.time),
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
    }


def run_chapter(
    tree: Path, chapter: str, *flags: str, base_seed: int = 0, python: str = sys.executable, **environment: str
) -> dict:
    """Run a chapter of the book at `tree` in a process of its own, with other environment variables."""
    command = [python, str(tree / "tests" / "prove.py"), "one", "--chapter", chapter, "--bases", str(base_seed)]
    surroundings = os.environ | {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"} | environment
    done = subprocess.run([*command, *flags], capture_output=True, text=True, env=surroundings)
    if done.returncode:
        raise RuntimeError(f"{chapter}, base seed {base_seed}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def seed_run(case: dict) -> dict:
    """Run a chapter under a base seed; under the first one whole as well, which must change nothing."""
    found = run_chapter(ROOT, case["chapter"], base_seed=case["base_seed"])
    if case["base_seed"] == proof.BASES[0]:
        whole = run_chapter(ROOT, case["chapter"], "--whole", base_seed=case["base_seed"])
        if whole["claims"] != found["claims"]:
            raise RuntimeError("cells that were left out change what the claims find")
    return found


def machine_run(case: dict) -> dict:
    machine = proof.MACHINES[case["machine"]]
    return run_chapter(ROOT, case["chapter"], python=proof.interpreter(machine), **machine.get("environment", {}))


def fault_run(case: dict) -> dict:
    """Plant a fault in a copy of the book; who notices: a claim, the notebook otherwise, a test, or nobody."""
    fault = faults.FAULTS[case["fault"]]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "book"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "_build", "__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        faults.plant(tree, fault)
        found = run_chapter(tree, case["chapter"], "--stop")
        stopped = found.pop("stopped")
        del found["claims"]
        if stopped:
            claim = re.search(r"(ClaimRefuted|ControlPassed): (N\d+[a-z]?(\.[a-z-]+)?)", stopped)
            return found | {"caught": "claim" if claim else "notebook", "by": claim[2] if claim else stopped[:160]}
        tests = [str(tree / "tests" / name) for name in faults.tests_of(fault)]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--numprocesses=0", *tests]
        done = subprocess.run(
            command, cwd=tree, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        failed = re.search(r"^(?:FAILED|ERROR) tests/(\S+)", done.stdout, re.M)
        if done.returncode and not failed:
            raise RuntimeError(f"{case['fault']}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return found | ({"caught": "test", "by": failed[1]} if failed else {"caught": "nobody", "by": ""})


def cases(kind: str, bases: int) -> list[dict]:
    """What there is to run of a kind."""
    chapters = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    if kind == "seeds":
        return [{"chapter": chapter, "base_seed": seed} for seed in proof.BASES[:bases] for chapter in chapters]
    if kind == "machines":
        known = [name for name, each in proof.MACHINES.items() if proof.interpreter(each)]
        return [{"chapter": chapter, "machine": name} for name in known for chapter in chapters]
    return [{"chapter": fault.chapter, "fault": name} for name, fault in faults.FAULTS.items()]


def prove(kinds: list[str], chapter: str | None, bases: int) -> bool:
    """Run what is missing; say whether all ran."""
    data = proof.read(ROOT)
    current = [line for line in data if proof.is_current(ROOT, line)]
    print(f"{len(current)} results stand, {len(data) - len(current)} belong to other code and are dropped", flush=True)
    (ROOT / proof.DATA).write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in current))
    done = {proof.key(line) for line in current}
    run = {"seeds": seed_run, "machines": machine_run, "faults": fault_run}
    todo = [(kind, case) for kind in kinds for case in cases(kind, bases)]
    todo = [(kind, {"kind": kind} | case) for kind, case in todo if chapter in (None, case["chapter"])]
    todo = [(kind, case) for kind, case in todo if proof.key(case) not in done]
    failed = False
    with ThreadPoolExecutor(execution.at_once()) as pool:
        runs = {}
        for kind, case in todo:
            case["stamp"] = proof.stamp_of(ROOT, case)
            runs[pool.submit(run[kind], case)] = case
        for number, ended in enumerate(as_completed(runs), start=1):
            case = runs[ended]
            name = ", ".join(str(value) for value in proof.key(case))
            try:
                line = case | ended.result() | {"date": datetime.date.today().isoformat()}
            except Exception as error:
                failed = True
                print(f"{number} of {len(runs)}: {name} did not run: {error}", flush=True)
                continue
            if proof.is_current(ROOT, line):  # not edited meanwhile
                with (ROOT / proof.DATA).open("a") as file:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
            refuted = [f["refuted"] for f in line.get("claims", {}).values() if f["refuted"]]
            print(
                f"{number} of {len(runs)}: {name}, {line['seconds']} s: {proof.outcome(line)}",
                *refuted,
                sep="\n  ",
                flush=True,
            )
    return not failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["seeds", "machines", "faults", "all", "one"])
    parser.add_argument("--chapter", help="one chapter's name; all chapters without it")
    parser.add_argument("--bases", type=int, default=len(proof.BASES), help="how many base seeds; with `one`, which")
    parser.add_argument("--stop", action="store_true", help="with `one`: stop at the first claim that falls")
    parser.add_argument("--whole", action="store_true", help="with `one`: run cells that feed no claim, too")
    arguments = parser.parse_args()
    if arguments.what == "one":
        print(json.dumps(one(arguments.chapter, arguments.bases, arguments.stop, arguments.whole)))
    else:
        kinds = ["faults", "machines", "seeds"] if arguments.what == "all" else [arguments.what]
        sys.exit(0 if prove(kinds, arguments.chapter, arguments.bases) else 1)
