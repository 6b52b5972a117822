"""The page "How we know": what planted faults, other seeds and other machines did to the claims.

    :::{proof} seeds
    :::

shows one of its parts (see `PARTS`), and {proof}`faults` a number (see `numbers`). A fault that nobody noticed and
nobody explains is a warning, and so is a claim that fell: a strict build stops.
"""

import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from lab import cards, contents
from proof import faults, results

log = logging.getLogger(__name__)
ROOT = Path(__file__).parents[2]
CAUGHT = {  # by whom a fault was noticed -> the head of the table
    "claim": "A claim fell",
    "notebook": "The notebook stopped",
    "test": "A test failed",
    "nobody": "Nobody noticed",
}
Link = Callable[[str], nodes.Node]  # a chapter's name -> its number, as a link


def of(kind: str, lines: list[dict]) -> dict[str, list[dict]]:
    """The results of a kind, by chapter, in the order of the chapters; those that have none are left out."""
    found = {chapter: [] for chapter in contents.chapters()}
    for line in lines:
        if line["kind"] == kind:
            found[line["chapter"]].append(line)
    return {chapter: each for chapter, each in found.items() if each}


def numbers(lines: list[dict]) -> dict[str, str]:
    """The page's numbers, by the name that the role gives."""
    planted, seeds, machines = (
        [line for line in lines if line["kind"] == kind] for kind in ("faults", "seeds", "machines")
    )
    measured = [line for line in planted if line["fault"] not in faults.NOT_MEASURED]
    times = Counter(name for line in seeds for name in line["claims"])
    settled = {name for name, n in times.items() if n > 1}  # one run is the book's own build
    fallen = {name for line in seeds for name, found in line["claims"].items() if found["refuted"]}
    dates = [line["date"] for line in lines] or ["never"]

    def share(part: int, whole: int) -> str:
        return f"{part} of {whole}" + (f" ({100 * part / whole:.0f} %)" if whole else "")

    return {
        "versions": versions(seeds) or "nothing",
        "faults": str(len(planted)),
        "all-faults": str(len(faults.FAULTS)),
        "noticed": share(sum(line["caught"] != "nobody" for line in planted), len(planted)),
        "feeding": share(sum(line["caught"] == "claim" for line in measured), len(measured)),
        "bases": str(min(sum(line["chapter"] == chapter for line in seeds) for chapter in contents.chapters())),
        "held": share(len(settled - fallen), len(settled)),
        "machine-runs": str(len(machines)),
        "hours": f"{sum(line['seconds'] for line in lines) / 3600:.1f}",
        "from": min(dates),
        "to": max(dates),
    }


def versions(lines: Iterable[dict]) -> str:
    """With what the results were made."""
    return "; ".join(sorted({f"Python {line['python']}, PyTorch {line['torch']}" for line in lines}))


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


def margin_of(found: list[dict]) -> float:
    """A claim's margin, from what was found under each base seed."""
    edges = [edge for interval in found[0]["passes"] for edge in interval if edge is not None]
    return min(margin([each[side] for each in found], edges) for side in ("evidence", "control"))


def in_a_word(margin: float, runs: int) -> str:
    return "–" if runs < 2 else "far" if margin > 99 else f"{margin:.1f}"


def under_all(name: str, found: list[dict]) -> nodes.list_item:
    """One claim under all base seeds, in words and as a picture."""
    record = {side: dict(enumerate(v for each in found for v in each[side])) for side in ("evidence", "control")}
    values = ", ".join(f"{side} {cards.spread(record[side])}" for side in record)
    picture = cards.strip(record | {"passes": found[0]["passes"]}, f"{name}, {bases(len(found))}: {values}.")
    agree = sum(not each["refuted"] for each in found)
    said = f"{name}: {agree} of {len(found)} agree, margin {in_a_word(margin_of(found), len(found))}"
    return nodes.list_item("", nodes.paragraph("", said), nodes.raw("", picture, format="html"))


def bases(count: int) -> str:
    return "1 base seed" if count == 1 else f"{count} base seeds"


def table(head: Iterable[str], rows: list[list], widths: list[int]) -> nodes.table:
    """A table of texts and nodes that scrolls by itself where it is wide."""

    def row(cells: Iterable) -> nodes.row:
        texts = (nodes.Text(cell) if isinstance(cell, str) else cell for cell in cells)
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", text)) for text in texts))

    group = nodes.tgroup("", *(nodes.colspec(colwidth=width) for width in widths), cols=len(widths))
    group += [nodes.thead("", row(head)), nodes.tbody("", *map(row, rows))]
    return nodes.table("", group, classes=["proof"])


def fold(chapter: str, what: str, inner: nodes.Node) -> list[nodes.Node]:
    opening = f'<details class="proof"><summary>Chapter {contents.number(chapter)}: {what}</summary>'
    return [nodes.raw("", opening, format="html"), inner, nodes.raw("", "</details>", format="html")]


def faults_part(found: dict[str, list[dict]], link: Link) -> list[nodes.Node]:
    rows, folds = [], []
    for chapter, lines in found.items():
        caught = Counter(line["caught"] for line in lines)
        rows.append([link(chapter), str(len(lines)), *(str(caught[by]) for by in CAUGHT)])
        inner = [[line["fault"], ": ".join(filter(None, (line["caught"], line["by"])))] for line in lines]
        folds += fold(chapter, f"{len(lines)} faults", table(["Fault", "Noticed by"], inner, [50, 50]))
    return [table(["Chapter", "Planted", *CAUGHT.values()], rows, [20, 16, 16, 16, 16, 16]), *folds]


def survivors_part(found: dict[str, list[dict]], link: Link) -> list[nodes.Node]:
    rows = []
    for chapter, lines in found.items():
        for name in (line["fault"] for line in lines if line["caught"] == "nobody"):
            if name not in faults.SURVIVES:
                log.warning("nobody notices the fault %r, and nobody says why", name, location=results.FILE)
            rows.append([link(chapter), name, faults.SURVIVES.get(name, "")])
    if not rows:
        return [nodes.paragraph("", "Nothing: each of the planted faults was noticed.")]
    return [table(["Chapter", "Fault", "Why nobody notices"], rows, [15, 35, 50])]


def seeds_part(found: dict[str, list[dict]], link: Link) -> list[nodes.Node]:
    rows, folds = [], []
    for chapter, lines in found.items():
        settled = defaultdict(list)
        for line in sorted(lines, key=lambda line: line["base_seed"]):
            for name, each in line["claims"].items():
                settled[name].append(each)
                if each["refuted"]:
                    log.warning("%s: %s", name, each["refuted"], location=results.FILE)
            if line["stopped"]:
                said = chapter, line["base_seed"], line["stopped"]
                log.warning("%s stops at base seed %s: %s", *said, location=results.FILE)
        held = sum(not any(each["refuted"] for each in runs) for runs in settled.values())
        margins = {name: margin_of(runs) for name, runs in settled.items()}
        closest = min(margins, key=margins.get)
        nearest = f"{closest}: {in_a_word(margins[closest], len(lines))}" if len(lines) > 1 else "–"
        rows.append([link(chapter), str(len(lines)), f"{held} of {len(settled)}", nearest])
        inner = nodes.bullet_list("", *(under_all(name, runs) for name, runs in settled.items()))
        folds += fold(chapter, f"{len(settled)} claims under {bases(len(lines))}", inner)
    head = ["Chapter", "Base seeds", "Claims that always held", "Smallest margin"]
    return [table(head, rows, [22, 20, 29, 29]), *folds]


def machines_part(found: dict[str, list[dict]], link: Link) -> list[nodes.Node]:
    machines = defaultdict(list)
    for line in (line for lines in found.values() for line in lines):
        machines[line["machine"]].append(line)
    rows = []
    for machine, lines in machines.items():
        fallen = [results.outcome(line) for line in lines if line["stopped"] or "fell" in results.outcome(line)]
        for each in fallen:
            log.warning("%s: %s", machine, each, location=results.FILE)
        run = ", ".join(str(contents.number(line["chapter"])) for line in lines)
        settled = sum(len(line["claims"]) for line in lines)
        rows.append([machine, versions(lines), run, "; ".join(fallen) or f"all {settled} claims hold"])
    return [table(["Machine", "Versions", "Chapters run", "Outcome"], rows, [25, 30, 20, 25])]


def left_out(lines: list[dict]) -> list[nodes.Node]:
    """The sentence that says which results do not count; nothing where all do."""
    said, known = [], contents.chapters()
    for chapter, n in sorted(Counter(line["chapter"] for line in lines).items()):
        where = contents.number(chapter) if chapter in known else chapter
        said.append(f"{n} result{'s' * (n > 1)} of chapter {where}")
    sentence = f"Left out, since the code or a test has changed since: {', '.join(said)}."
    return [nodes.paragraph("", sentence)] if said else []


# by the directive's argument: the kind of results, and what shows them
PARTS = {
    "faults": ("faults", faults_part),
    "survivors": ("faults", survivors_part),
    "seeds": ("seeds", seeds_part),
    "machines": ("machines", machines_part),
    "left-out": (None, left_out),
}


class part(nodes.General, nodes.Element):
    """Stands where a part of the page will be; attribute: part."""


class number(nodes.Inline, nodes.Element):
    """Stands where a number will be; attribute: name."""


class ProofDirective(SphinxDirective):
    """One of the parts."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        if self.arguments[0] not in PARTS:
            raise self.error(f"proof must be one of {', '.join(PARTS)}, got {self.arguments[0]!r}")
        return [part(part=self.arguments[0])]


class ProofRole(SphinxRole):
    """One of the numbers."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        found = number(name=self.text)
        self.set_source_info(found)
        return [found], []


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    places = [node for kind in (number, part) for node in doctree.findall(kind)]
    if not places:
        return
    lines, others = results.sorted_out(ROOT)
    known = numbers(lines)

    def link(chapter: str) -> nodes.Node:
        uri = app.builder.get_relative_uri(docname, f"notebooks/{chapter}")
        return nodes.reference("", str(contents.number(chapter)), refuri=uri, internal=True)

    for node in places:
        if isinstance(node, number):
            if node["name"] not in known:
                log.warning("proof knows no number %r", node["name"], location=node)
            node.replace_self(nodes.Text(known.get(node["name"], "?")))
            continue
        kind, shown = PARTS[node["part"]]
        if not kind:
            node.replace_self(shown(others))
        elif found := of(kind, lines):
            node.replace_self(shown(found, link))
        else:
            node.replace_self(nodes.paragraph("", "None has run yet with the code of today."))


def setup(app: Sphinx) -> None:
    app.add_node(part)
    app.add_node(number)
    app.add_directive("proof", ProofDirective)
    app.add_role("proof", ProofRole())
