"""The page "How we know": what planted faults, other seeds and other machines did to the claims.

    :::{proof} seeds
    :::

shows one of its parts (`faults`, `survivors`, `seeds`, `machines`), and {proof}`faults` a number (see `numbers`), all
from book/proof.jsonl, which tests/prove.py writes. A result that belongs to other code than today's is a warning, and
so is a fault that nobody noticed and nobody explains: a strict build stops.
"""

import html
import json
import math
import shutil
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole
from stamps import digest, stamp

ROOT = Path(__file__).parents[2]
sys.path += [str(ROOT / "notebooks"), str(ROOT / "tests")]
from lab import claims  # noqa: E402

log = logging.getLogger(__name__)
DATA = "book/proof.jsonl"
BASES = [0, 1023, *range(2000, 20_000, 1000)]
# by name: the environment in which the chapters run, and the interpreter where it is another one; what is not
# installed is left out, and made by: python3.13 -m venv _build/machines/3.13, and pip install -r requirements.txt there
MACHINES: dict[str, dict] = {
    "two threads": {"environment": {"OMP_NUM_THREADS": "2"}},
    "no vector instructions": {"environment": {"ATEN_CPU_CAPABILITY": "default"}},
    "Python 3.12": {"python": "_build/machines/3.12/bin/python"},
    "Python 3.13": {"python": "_build/machines/3.13/bin/python"},
    "the newest PyTorch": {"python": "_build/machines/newest/bin/python"},
}
BAND = 9  # height of the marks of one side in a picture, in its pixels


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


def interpreter(machine: dict) -> str | None:
    """The Python of a machine, where it is installed."""
    return shutil.which(ROOT / machine.get("python", sys.executable))


def stamp_of(root: Path, line: dict) -> str:
    """A hash of the code of today that a result depends on; empty for a fault that is no longer in the table."""
    if line["kind"] != "faults":
        return stamp(root, line["chapter"])
    import faults  # only the whole book has them

    fault = faults.FAULTS.get(line["fault"])
    return digest([stamp(root, line["chapter"]), fault.file, fault.right, fault.wrong]) if fault else ""


def is_current(root: Path, line: dict) -> bool:
    return line["stamp"] == stamp_of(root, line)


def outcome(line: dict) -> str:
    """A result in a few words."""
    if line["kind"] == "faults":
        return f"{line['caught']} {line['by']}"
    fallen = [name for name, found in line["claims"].items() if found["refuted"]]
    return line["stopped"] or (f"{', '.join(fallen)} fell" if fallen else f"{len(line['claims'])} claims hold")


@cache
def results() -> list[dict]:
    """The results for the code of today. Those of other code are warned about."""
    found, stale = [], Counter()
    for line in read(ROOT):
        if is_current(ROOT, line):
            found.append(line)
        else:
            stale[line["chapter"]] += 1
    for chapter, count in stale.items():
        message = "%s results of %s belong to other code than today's: python tests/prove.py all --chapter %s"
        log.warning(message, count, chapter, chapter, location=DATA)
    return found


def of(kind: str) -> dict[str, list[dict]]:
    """The results of a kind, by chapter, in the order of the chapters."""
    found = defaultdict(list)
    for line in sorted((line for line in results() if line["kind"] == kind), key=lambda line: line["chapter"]):
        found[line["chapter"]].append(line)
    return found


def numbers() -> dict[str, str]:
    """The page's numbers, by the name that the role gives."""
    import faults  # only the whole book has them

    planted = [line for lines in of("faults").values() for line in lines]
    caught = Counter(line["caught"] for line in planted)
    feeding = [line for line in planted if fault_of(line).feeds]
    by_claim = sum(line["caught"] == "claim" for line in feeding)
    runs = [line for lines in of("seeds").values() for line in lines]
    times = Counter(name for line in runs for name in line["claims"])
    settled = {name for name, n in times.items() if n > 1}  # one run is the book's own build
    fallen = {name for line in runs for name, found in line["claims"].items() if found["refuted"]}
    machines = [line for lines in of("machines").values() for line in lines]
    dates = sorted(line["date"] for line in results()) or ["never"]

    def share(part: int, whole: int) -> str:
        return f"{part} of {whole}" + (f" ({100 * part / whole:.0f} %)" if whole else "")

    return {
        "versions": versions(runs) or "nothing",
        "faults": str(len(planted)),
        "all-faults": str(len(faults.FAULTS)),
        "noticed": share(len(planted) - caught["nobody"], len(planted)),
        "feeding": share(by_claim, len(feeding)),
        "bases": str(min((len(of("seeds")[path.stem]) for path in (ROOT / "notebooks").glob("*.ipynb")), default=0)),
        "held": share(len(settled - fallen), len(settled)),
        "machine-runs": str(len(machines)),
        "hours": f"{sum(line['seconds'] for line in results()) / 3600:.1f}",
        "from": dates[0],
        "to": dates[-1],
    }


def versions(lines: Iterable[dict]) -> str:
    """With what the results were made."""
    return "; ".join(sorted({f"Python {line['python']}, PyTorch {line['torch']}" for line in lines}))


def fault_of(line: dict):
    import faults  # only the whole book has them

    return faults.FAULTS[line["fault"]]


def margin(runs: list[list[float]], edges: list[float]) -> float:
    """How far the nearest value of all `runs` lies from the nearest of `edges`.

    In units of the runs' spread: the standard deviation of each run's own distance from the edge. On a logarithmic
    scale where all are positive and span two decades. Infinite for a single run, and where the runs are all alike.
    """
    flat = [value for run in runs for value in run] + edges
    scale = math.log if min(flat) > 0 and max(flat) >= 100 * min(flat) else float
    distances = [min(abs(scale(value) - scale(edge)) for value in run for edge in edges) for run in runs if edges]
    spread = statistics.stdev(distances) if len(distances) > 1 else 0
    return min(distances) / spread if spread else math.inf


class Claim:
    """One claim under all base seeds."""

    def __init__(self, found: list[dict]):
        self.agree = sum(not each["refuted"] for each in found)
        self.runs = len(found)
        self.refuted = [each["refuted"] for each in found if each["refuted"]]
        self.evidence = [value for each in found for value in each["evidence"]]
        self.control = [value for each in found for value in each["control"]]
        self.passes = found[0]["passes"]
        edges = [edge for interval in self.passes for edge in interval if edge is not None]
        self.margin = min(margin([each[side] for each in found], edges) for side in ("evidence", "control"))

    def distance(self) -> str:
        """The margin in a word; one run has none."""
        return "–" if self.runs < 2 else "far" if self.margin > 99 else f"{self.margin:.1f}"

    def picture(self, name: str) -> str:
        """All values of all runs: evidence as bars above, control below, shaded where the test passes."""
        sides = {"evidence": self.evidence, "control": self.control}
        record = {side: dict(enumerate(values)) for side, values in sides.items()} | {"passes": self.passes}
        shown = claims.layout(record)
        axis = 2 * BAND + 6
        rects = "".join(f'<rect x="{a:.0f}" y="0" width="{b - a:.0f}" height="{axis}"/>' for a, b in shown.shaded)
        labels = "".join(
            f'<text x="{x:.0f}" y="{axis + 16}" text-anchor="{anchor}">{text}</text>'
            for x, anchor, text in shown.labels
        )
        bars = [
            f'<path d="{"".join(f"M{x:g} {y}v{BAND}" for x in sorted({round(2 * x) / 2 for x, _ in marks}))}" '
            f'stroke="{colour}"/>'
            for marks, y, colour in ((shown.dots, 2, claims.BLUE), (shown.crosses, BAND + 4, claims.ORANGE))
        ]
        said = html.escape(
            f"{name}, {count(self.runs)}: evidence {claims.spread(record['evidence'])}, "
            f"control {claims.spread(record['control'])}."
        )
        ticks = "".join(f"M{x:.0f} {axis}v4" for x in shown.ticks)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {claims.WIDTH} {axis + 20}" role="img" '
            f'aria-label="{said}" style="width:100%;max-width:{claims.WIDTH}px;height:auto">'
            f'<g fill="{claims.GREEN}" fill-opacity="0.22">{rects}</g>'
            f'<g fill="none" stroke-width="1.5" stroke-opacity="0.6">{"".join(bars)}</g>'
            f'<path d="M0 {axis}H{claims.WIDTH}{ticks}" fill="none" stroke="currentColor"/>'
            f'<g fill="currentColor" stroke="none" font-size="12">{labels}</g></svg>'
        )


def count(bases: int) -> str:
    return "1 base seed" if bases == 1 else f"{bases} base seeds"


def title(app: Sphinx, chapter: str) -> nodes.Node:
    """A link to a chapter: its number."""
    uri = app.builder.get_relative_uri("book/how_we_know", f"notebooks/{chapter}")
    return nodes.reference("", f"{int(chapter[:2])}", refuri=uri, internal=True)


def table(head: list[str], rows: list[list], widths: list[int]) -> nodes.Node:
    """A table of texts and nodes that scrolls by itself where it is wide."""

    def row(cells: list) -> nodes.row:
        found = nodes.row()
        for cell in cells:
            found += nodes.entry("", nodes.paragraph("", "", nodes.Text(cell) if isinstance(cell, str) else cell))
        return found

    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in widths), cols=len(widths))
    group += nodes.thead("", row(head))
    group += nodes.tbody("", *map(row, rows))
    return nodes.table("", group, classes=["proof"])


def fold(summary: str, inner: nodes.Node) -> list[nodes.Node]:
    opening = f'<details class="proof"><summary>{html.escape(summary)}</summary>'
    return [nodes.raw("", opening, format="html"), inner, nodes.raw("", "</details>", format="html")]


def faults_part(app: Sphinx) -> list[nodes.Node]:
    kinds = ("claim", "notebook", "test", "nobody")
    rows, folds = [], []
    for chapter, lines in of("faults").items():
        caught = Counter(line["caught"] for line in lines)
        rows.append([title(app, chapter), str(len(lines)), *(str(caught[kind]) for kind in kinds)])
        inner = [[line["fault"], f"{line['caught']}: {line['by']}" if line["by"] else "nobody"] for line in lines]
        folds += fold(
            f"Chapter {int(chapter[:2])}: {len(lines)} faults", table(["Fault", "Noticed by"], inner, [50, 50])
        )
    head = ["Chapter", "Planted", "A claim fell", "The notebook stopped", "A test failed", "Nobody noticed"]
    return [table(head, rows, [20, 16, 16, 16, 16, 16]), *folds]


def survivors_part(app: Sphinx) -> list[nodes.Node]:
    rows = []
    for chapter, lines in of("faults").items():
        for line in lines:
            if line["caught"] == "nobody":
                why = fault_of(line).survives
                if not why:
                    log.warning("nobody notices the fault %r, and nobody says why", line["fault"], location=DATA)
                rows.append([title(app, chapter), line["fault"], why])
    if not rows:
        return [nodes.paragraph("", "Nothing: each of the planted faults was noticed.")]
    return [table(["Chapter", "Fault", "Why nobody notices"], rows, [15, 35, 50])]


def seeds_part(app: Sphinx) -> list[nodes.Node]:
    rows, folds = [], []
    for chapter, lines in of("seeds").items():
        found = defaultdict(list)
        for line in sorted(lines, key=lambda line: line["base_seed"]):
            for name, each in line["claims"].items():
                found[name].append(each)
            if line["stopped"]:
                log.warning("%s stops at base seed %s: %s", chapter, line["base_seed"], line["stopped"], location=DATA)
        settled = {name: Claim(each) for name, each in found.items()}
        for name, each in settled.items():
            for refuted in each.refuted:
                log.warning("%s: %s", name, refuted, location=DATA)
        closest = min(settled, key=lambda name: settled[name].margin)
        held = sum(each.agree == each.runs for each in settled.values())
        rows.append(
            [
                title(app, chapter),
                str(len(lines)),
                f"{held} of {len(settled)}",
                f"{closest}: {settled[closest].distance()}" if len(lines) > 1 else "–",
            ]
        )
        inner = nodes.bullet_list()
        for name, each in settled.items():
            said = f"{name}: {each.agree} of {each.runs} agree, margin {each.distance()}"
            inner += nodes.list_item("", nodes.paragraph("", said), nodes.raw("", each.picture(name), format="html"))
        folds += fold(f"Chapter {int(chapter[:2])}: {len(settled)} claims under {count(len(lines))}", inner)
    return [
        table(["Chapter", "Base seeds", "Claims that always held", "Smallest margin"], rows, [22, 20, 29, 29]),
        *folds,
    ]


def machines_part(app: Sphinx) -> list[nodes.Node]:
    by_machine = defaultdict(dict)
    for chapter, lines in of("machines").items():
        for line in lines:
            by_machine[line["machine"]][chapter] = line
    rows = []
    for machine, lines in by_machine.items():
        fallen = [outcome(line) for line in lines.values() if line["stopped"] or "fell" in outcome(line)]
        for each in fallen:
            log.warning("%s: %s", machine, each, location=DATA)
        chapters = ", ".join(str(int(chapter[:2])) for chapter in lines)
        settled = sum(len(line["claims"]) for line in lines.values())
        rows.append([machine, versions(lines.values()), chapters, "; ".join(fallen) or f"all {settled} claims hold"])
    return [table(["Machine", "Versions", "Chapters run", "Outcome"], rows, [25, 30, 20, 25])]


PARTS = {"faults": faults_part, "survivors": survivors_part, "seeds": seeds_part, "machines": machines_part}


class part(nodes.General, nodes.Element):
    """Stands where a part of the page will be; attribute: part."""


class ProofDirective(SphinxDirective):
    """One of the parts."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        if self.arguments[0] not in PARTS:
            raise self.error(f"proof must be one of {', '.join(PARTS)}, got {self.arguments[0]!r}")
        return [part(part=self.arguments[0])]


class number(nodes.Inline, nodes.Element):
    """Stands where a number will be; attribute: name."""


class ProofRole(SphinxRole):
    """One of the numbers."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if self.text not in numbers():
            log.warning("proof knows no number %r", self.text, location=self.get_location())
        return [number(name=self.text)], []


def pages(app: Sphinx, env) -> list[str]:
    """The page is written at every build, since the code may have changed."""
    return [name for name in sorted(env.found_docs) if any(env.get_doctree(name).findall(part))]


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for node in list(doctree.findall(number)):
        node.replace_self(nodes.Text(numbers().get(node["name"], "?")))
    for node in list(doctree.findall(part)):
        kind = {"survivors": "faults"}.get(node["part"], node["part"])
        none_yet = [nodes.paragraph("", "None has run yet with the code of today.")]
        node.replace_self(PARTS[node["part"]](app) if of(kind) else none_yet)


def setup(app: Sphinx) -> dict:
    app.add_node(part)
    app.add_node(number)
    app.add_directive("proof", ProofDirective)
    app.add_role("proof", ProofRole())
    app.connect("env-updated", pages)
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
