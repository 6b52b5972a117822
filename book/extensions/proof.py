"""The page "How we know": what planted faults, other seeds and other machines did to the claims.

    :::{proof} seeds
    :::

shows one of its tables (`faults`, `seeds`, `machines`), and {proof}`faults` a number, from book/proof.jsonl, which
tests/prove.py writes. A result that belongs to other code than today's is a warning, so that a strict build stops.
"""

import json
from pathlib import Path

from stamps import stamp

DATA = "book/proof.jsonl"
BASES = [0, 1023, *range(2000, 20_000, 1000)]
MACHINES = {
    "two threads": {"environment": {"OMP_NUM_THREADS": "2"}},
    "no vector instructions": {"environment": {"ATEN_CPU_CAPABILITY": "default"}},
}


def read(root: Path) -> list[dict]:
    """All results, one a line; none where the file is missing.

    Raises:
        ValueError: a line is no JSON.
    """
    path = root / DATA
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(json.loads(line))
        except ValueError:
            raise ValueError(f"{path}, line {number}: no JSON: {line[:80]!r}") from None
    return found


def key(line: dict) -> tuple:
    """What a result is of."""
    return line["kind"], line["chapter"], line.get("fault", line.get("machine", line.get("base_seed")))


def stamp_of(root: Path, line: dict) -> str:
    """A hash of the code of today that a result depends on."""
    return stamp(root, line["chapter"])


def is_current(root: Path, line: dict) -> bool:
    return line["stamp"] == stamp_of(root, line)


def outcome(line: dict) -> str:
    """A result in a few words."""
    if line["kind"] == "faults":
        return f"{line['caught']} {line['by']}"
    fallen = [name for name, found in line["claims"].items() if found["refuted"]]
    return line["stopped"] or (f"fallen: {', '.join(fallen)}" if fallen else f"{len(line['claims'])} claims hold")
