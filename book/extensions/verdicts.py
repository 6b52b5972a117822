"""The `evidence` directive: fills the page of verdicts from what the notebooks settled.

    :::{evidence} N1b.weights N1b.gradient
    :::

The records are read from the lines that `lab.claims.settle` shows, as they stand on the pages: that
works for a cold build, for a notebook taken from the cache and for one that was not read again. A listed claim that no notebook
settles, one that is settled or listed twice, one that is settled but not listed, and a statement of the notes
(`statements` in _config.yml) without a claim are warnings, so that a strict build stops.
"""

import html
import json
import re
from collections import defaultdict

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

log = logging.getLogger(__name__)


class evidence(nodes.General, nodes.Element):
    """Stands where the evidence of one claim will be; attribute: claim."""


class EvidenceDirective(SphinxDirective):
    """Names the claims that settle a statement."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        found = [evidence(claim=claim) for claim in self.arguments[0].split()]
        for node in found:
            self.set_source_info(node)
        return found


RECORD = re.compile(r'data-record="([^"]*)"')


def settled(env) -> dict[str, list[tuple[str, dict]]]:
    """Where each claim was settled, and its record: claim -> [(docname, record), ...]."""
    places = defaultdict(list)
    for docname in sorted(env.found_docs):
        for raw in env.get_doctree(docname).findall(nodes.raw):
            for text in RECORD.findall(raw.astext()):
                record = json.loads(html.unescape(text))
                places[record["claim"]].append((docname, record))
    return places


def check(app: Sphinx, env) -> list[str]:
    """Compare what is listed with what is settled; return the pages to write again."""
    listed = defaultdict(list)
    for docname in sorted(env.found_docs):
        for node in env.get_doctree(docname).findall(evidence):
            listed[node["claim"]].append(node)
    places = settled(env)
    for claim, found in listed.items():
        if len(found) > 1:
            log.warning("claim %s is listed %s times", claim, len(found), location=found[1])
        if claim not in places:
            log.warning("claim %s is listed here, but no notebook settles it", claim, location=found[0])
    for claim, found in places.items():
        docnames = [docname for docname, _ in found]
        if len(found) > 1:
            log.warning(
                "claim %s is settled %s times: %s", claim, len(found), ", ".join(docnames), location=docnames[1]
            )
        if claim not in listed:
            log.warning("claim %s is settled here, but no page lists it", claim, location=docnames[0])
    for statement in app.config.statements:
        if not any(claim.partition(".")[0] == statement for claim in listed):
            log.warning("statement %s has no evidence on any page", statement)
    app.settled = places
    return sorted({env.path2doc(node.source) for found in listed.values() for node in found})


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for node in list(doctree.findall(evidence)):
        node.replace_self([row(app, docname, place, record) for place, record in app.settled[node["claim"]]])


def row(app: Sphinx, docname: str, place: str, record: dict) -> nodes.Node:
    """What was measured, on how many runs, against which control, with a link to the cell."""
    anchor = f"{app.builder.get_relative_uri(docname, place)}#{record['anchor']}"
    row = nodes.paragraph(classes=["evidence"])
    row += nodes.reference("", record["claim"], refuri=anchor, internal=True)
    row += nodes.Text(f" {record['says']}: ")
    row += nodes.strong("", record["evidence"])
    row += nodes.Text(f". Control, {record['control_says']}: ")
    row += nodes.strong("", record["control"])
    row += nodes.Text(".")
    return row


def setup(app: Sphinx) -> dict:
    app.add_config_value("statements", [], "env", list)
    app.add_node(evidence)
    app.add_directive("evidence", EvidenceDirective)
    app.connect("env-updated", check)
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
