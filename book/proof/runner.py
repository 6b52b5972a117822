"""Runs chapters under other base seeds and settings, on other machines and with planted faults."""

import ast
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

from booksite.running import notebooks
from lab import cards, claims, contents
from proof import faults, results

BASES = [0, 1023, *range(2000, 20_000, 1000)]
DEVELOPMENT = 3  # under the base seeds 0, 1, 2 a claim is made, and tried with other settings
# by name: the environment in which the chapters run, and the interpreter where it is another one; what is not
# installed is left out, and made by: python3.13 -m venv _build/machines/3.13, and pip install -r requirements.txt there
MACHINES: dict[str, dict] = {
    "two threads": {"environment": {"OMP_NUM_THREADS": "2"}},
    "no vector instructions": {"environment": {"ATEN_CPU_CAPABILITY": "default"}},
    "Python 3.12": {"python": "_build/machines/3.12/bin/python"},
    "Python 3.13": {"python": "_build/machines/3.13/bin/python"},
    "the newest PyTorch": {"python": "_build/machines/newest/bin/python"},
}
# Goes before a chapter's first cell: every claim shows what it found, and none stops the notebook.
RECORD = """
def _record():
    from IPython.display import display
    from lab import claims
    claims.settle = lambda claim, **said: display({claims.MIME: claims.weigh(claim, **said)}, raw=True)
_record()
"""


def code_of(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prepared(root: Path, chapter: str, settings: dict[str, str]) -> nbformat.NotebookNode:
    """A chapter in which each of `settings` (name -> Python literal) replaces what is assigned to that name.

    Raises:
        ValueError: a value is no literal, or there is not one top-level assignment of the name alone.
    """
    notebook = nbformat.read(root / "notebooks" / f"{chapter}.ipynb", as_version=4)
    for name, value in settings.items():
        try:
            ast.literal_eval(value)
        except (ValueError, SyntaxError):
            raise ValueError(f"{name} must be set to a Python literal, got {value!r}") from None
        found = [
            (cell, node.value)
            for cell in code_of(notebook)
            for node in ast.parse(cell.source).body
            if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]
        ]
        if len(found) != 1:
            raise ValueError(
                f"{chapter} must set {name} once, by an assignment of its own; it does so {len(found)} times"
            )
        cell, old = found[0]
        lines = cell.source.encode().splitlines(keepends=True)  # ast counts in bytes
        before = b"".join(lines[: old.lineno - 1]) + lines[old.lineno - 1][: old.col_offset]
        after = lines[old.end_lineno - 1][old.end_col_offset :] + b"".join(lines[old.end_lineno :])
        cell.source = (before + value.encode() + after).decode()
    return notebook


def one(root: Path, chapter: str, settings: dict[str, str], stop: bool = False) -> dict:
    """Run one chapter here; what each claim found, and what stopped it, if anything did.

    With `stop` the first claim that falls stops the notebook, as in the book.
    """
    notebook = prepared(root, chapter, settings)
    code = code_of(notebook)
    if not stop:
        code[0].source = RECORD + code[0].source
    result = notebooks.run(notebook, str(root / "notebooks"), 3600, False)
    shown = [output.get("data", {}).get(claims.MIME) for cell in code for output in cell.get("outputs", [])]
    return {
        "claims": {record["claim"]: kept(record) for record in shown if record},
        "stopped": result.exc_string.splitlines()[0] if result.err else None,
        "seconds": round(result.time),
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
    }


def kept(record: dict) -> dict:
    """Of a claim's record, what the results keep: five digits of each value."""
    sides = {side: [float(f"{value:.5g}") for value in record[side].values()] for side in ("evidence", "control")}
    return sides | {name: record[name] for name in ("passes", "refuted")}


def run_chapter(
    tree: Path, chapter: str, settings: dict[str, str], *flags: str, python: str = sys.executable, **environment: str
) -> dict:
    """Run a chapter of the book at `tree` in a process of its own, with other environment variables."""
    given = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    command = [python, str(tree / "book" / "proof"), "one", "--chapter", chapter, *given, *flags]
    surroundings = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    done = subprocess.run(command, capture_output=True, encoding="utf-8", env=surroundings)
    if done.returncode:
        raise RuntimeError(f"{chapter}, {', '.join(given)}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def run(root: Path, case: dict) -> dict:
    """What there is to say about a case."""
    if case["kind"] == "faults":
        return fault_run(root, faults.FAULTS[case["fault"]])
    settings = {"BASE_SEED": str(case.get("base_seed", 0))} | case.get("settings", {})
    machine = MACHINES.get(case.get("machine"), {})
    return run_chapter(
        root, case["chapter"], settings, python=interpreter(root, machine), **machine.get("environment", {})
    )


def fault_run(root: Path, fault: faults.Fault) -> dict:
    """Plant a fault in a copy of the book; who notices: a claim, the notebook otherwise, a test, or nobody."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "book"
        shutil.copytree(root, tree, ignore=shutil.ignore_patterns(".*", "_build", "__pycache__"))
        faults.plant(tree, fault)
        found = run_chapter(tree, fault.chapter, {"BASE_SEED": "0"}, "--stop")
        stopped = found.pop("stopped")
        del found["claims"]
        if stopped:
            claim = re.search(r"(ClaimRefuted|ControlPassed): (N\d+[a-z]?(\.[a-z-]+)?)", stopped)
            return found | {"caught": "claim" if claim else "notebook", "by": claim[2] if claim else stopped[:160]}
        tests = [str(tree / "tests" / name) for name in faults.tests_of(fault)]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--numprocesses=0", *tests]
        done = subprocess.run(command, cwd=tree, capture_output=True, encoding="utf-8")
        failed = re.search(r"^(?:FAILED|ERROR) tests/(\S+)", done.stdout, re.M)
        if done.returncode and not failed:
            raise RuntimeError(f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return found | ({"caught": "test", "by": failed[1]} if failed else {"caught": "nobody", "by": ""})


def interpreter(root: Path, machine: dict) -> str | None:
    """The Python of a machine, where it is installed."""
    return shutil.which(root / machine.get("python", sys.executable))


def cases(root: Path, kind: str, bases: int | None, settings: dict[str, str]) -> list[dict]:
    """What there is to run of a kind."""
    if kind == "faults":
        return [{"chapter": fault.chapter, "fault": name} for name, fault in faults.FAULTS.items()]
    if kind == "machines":
        runs = [{"machine": name} for name, each in MACHINES.items() if interpreter(root, each)]
    elif kind == "conditions":
        runs = [{"settings": settings, "base_seed": seed} for seed in range(bases or DEVELOPMENT)]
    else:
        runs = [{"base_seed": seed} for seed in BASES[:bases]]
    return [{"chapter": chapter} | each for each in runs for chapter in contents.chapters()]


def prove(root: Path, kinds: list[str], chapter: str | None, bases: int | None, settings: dict[str, str]) -> bool:
    """Run what is missing; say whether all ran.

    Raises:
        ValueError: there is no such chapter, or it cannot be given these settings.
    """
    if chapter:
        contents.number(chapter)
        prepared(root, chapter, settings)
    counting, others = results.sorted_out(root)
    done = {results.key(line) for line in counting}
    todo = [{"kind": kind} | case for kind in kinds for case in cases(root, kind, bases, settings)]
    todo = [case for case in todo if chapter in (None, case["chapter"]) and results.key(case) not in done]
    written = {case["chapter"] for case in todo}
    staying = [line for line in others if line["chapter"] not in written]
    print(f"{len(counting)} results count; {len(others) - len(staying)} no longer do and are dropped", flush=True)
    results.write(root, counting + staying)
    todo = [case | {"stamp": stamp} for case, stamp in zip(todo, results.stamps_of(root, todo), strict=True)]
    failed = False
    with ThreadPoolExecutor(notebooks.at_once()) as pool:
        runs = {pool.submit(run, root, case): case for case in todo}
        for number, ended in enumerate(as_completed(runs), start=1):
            case, name = runs[ended], f"{number} of {len(runs)}: {', '.join(results.key(runs[ended]))}"
            try:
                line = case | ended.result() | {"date": datetime.date.today().isoformat()}
            except Exception as error:
                failed = True
                print(f"{name} did not run: {error}", flush=True)
                continue
            if results.stamps_of(root, [line]) == [line["stamp"]]:  # not edited meanwhile
                results.add(root, line)
            print(f"{name}, {line['seconds']} s: {results.outcome(line)}", *said(line), sep="\n  ", flush=True)
    return not failed


def said(line: dict) -> list[str]:
    """What there is to say of a result claim by claim: of all under other settings, else of those that fell."""
    found = []
    for name, each in line.get("claims", {}).items():
        evidence, control = (cards.spread(dict(enumerate(each[side]))) for side in ("evidence", "control"))
        if line["kind"] == "conditions":
            found.append(f"{name} {'fell' if each['refuted'] else 'held'}: {evidence}; control {control}")
        if each["refuted"]:
            found.append(each["refuted"])
    return found
