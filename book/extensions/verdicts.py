"""The page of verdicts: filled from what the notebooks settled, and held against what the chapters say.

    ### N1b: putting the argmax at the output strengthens the model

    [corrected]{.verdict} Choosing a token changes no weight.

    :::{evidence} N1b.weights N1b.gradient
    :::

`evidence` shows the claims that settle a statement, `verdicts` a table of all statements, `claim` one claim,
on any page. A chapter lists its statements on its first screen:

    - **corrected** [N1b](#its-section): putting the argmax at the output changes no weight.

The records are read from the lines that `lab.claims.settle` shows, as they stand on the pages: that works
for a cold build, for a notebook taken from the cache and for one that was not read again. Warnings, so that a
strict build stops: a claim that is listed and not settled, settled and not listed, settled or listed twice; a
statement of the notes (`statements` in _config.yml) without evidence or verdict; a chapter's list that gives
another verdict than the page, or names a statement of another chapter's list; and, for the chapters named under
`first_screens` in _config.yml, a statement that is settled there and not listed.
"""

import html
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

sys.path.append(str(Path(__file__).parents[2] / "notebooks"))
from lab import claims  # noqa: E402

log = logging.getLogger(__name__)
RECORD = re.compile(r'data-record="([^"]*)"')
STATEMENT = re.compile(r"(N\d+[a-z]?): (.*)", re.S)


class evidence(nodes.General, nodes.Element):
    """Stands where the evidence of one claim will be; attribute: claim."""


class live_claim(nodes.General, nodes.Element):
    """Stands where a claim will be shown once more; attribute: claim."""


class table_of_verdicts(nodes.General, nodes.Element):
    """Stands where the table of all statements will be."""


class EvidenceDirective(SphinxDirective):
    """Names the claims that settle a statement."""

    required_arguments = 1
    final_argument_whitespace = True
    node = evidence

    def run(self) -> list[nodes.Node]:
        found = [self.node(claim=claim) for claim in self.arguments[0].split()]
        for node in found:
            self.set_source_info(node)
        return found


class ClaimDirective(EvidenceDirective):
    """Shows a claim that is settled in a chapter and listed on the page of verdicts."""

    node = live_claim


class VerdictsDirective(SphinxDirective):
    """The table of all statements on this page."""

    def run(self) -> list[nodes.Node]:
        return [table_of_verdicts()]


class Statement(NamedTuple):
    """A statement as its section on the page of verdicts has it."""

    docname: str
    text: str
    verdict: str
    claims: list[str]
    node: nodes.Node


def statement_of(section: nodes.section) -> str | None:
    """The id of the statement that a section is about."""
    found = STATEMENT.fullmatch(section[0].astext())
    return found and found[1]


def is_verdict(node: nodes.Node) -> bool:
    return isinstance(node, nodes.inline) and "verdict" in node["classes"]


def statements_on(docname: str, doctree: nodes.document) -> list[tuple[str, Statement]]:
    """The statements that a page gives a verdict on, in its order."""
    found = []
    for section in doctree.findall(nodes.section):
        verdict = next(section.findall(is_verdict), None)
        if verdict is not None and (name := statement_of(section)):
            text = STATEMENT.fullmatch(section[0].astext())[2]
            settling = [node["claim"] for node in section.findall(evidence)]
            found.append((name, Statement(docname, text, verdict.astext(), settling, verdict)))
    return found


def listed_on(doctree: nodes.document) -> list[tuple[str, nodes.strong]]:
    """The items `**verdict** [N1a](#target): text` of a page's lists: the ids, and the verdicts."""
    found = []
    for item in doctree.findall(nodes.list_item):
        first = item[0].children if len(item) and isinstance(item[0], nodes.paragraph) else []
        parts = [part for part in first if part.astext()]  # Markdown puts an empty text before bold words
        if len(parts) > 2 and isinstance(parts[0], nodes.strong) and parts[1].astext().isspace():
            name = parts[2].astext()
            if not isinstance(parts[2], nodes.Text) and claims.NAME.fullmatch(name) and "." not in name:
                found.append((name, parts[0]))
    return found


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
    """Compare what is listed with what is settled and said; return the pages to write again."""
    listed, statements, said, again, tables = defaultdict(list), {}, defaultdict(list), set(), []
    for docname in sorted(env.found_docs):
        doctree = env.get_doctree(docname)
        statements |= statements_on(docname, doctree)
        for node in doctree.findall(evidence):
            listed[node["claim"]].append(node)
        for name, verdict in listed_on(doctree):
            said[name].append((docname, verdict))
        tables += doctree.findall(table_of_verdicts)
        if any(doctree.findall(lambda node: isinstance(node, evidence | live_claim | table_of_verdicts))):
            again.add(docname)
    places = settled(env)
    app.settled, app.statements = places, statements
    check_claims(app, listed, places)
    check_lists(app, statements, places, said)
    for name in app.config.statements if tables else ():
        if name not in statements:
            log.warning("statement %s has no verdict on any page", name)
    return sorted(again)


def check_claims(app: Sphinx, listed: dict, places: dict) -> None:
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


def check_lists(app: Sphinx, statements: dict, places: dict, said: dict) -> None:
    """Hold what the chapters' lists say against the page of verdicts."""
    for name, found in said.items():
        docname, verdict = found[0]
        for other, repeated in found[1:]:
            log.warning("statement %s is listed here, and also in %s", name, docname, location=repeated)
            log.warning("statement %s is listed here, and also in %s", name, other, location=verdict)
        for _, verdict in found:
            if name not in statements:
                log.warning("statement %s is listed here, and no page gives a verdict on it", name, location=verdict)
            elif verdict.astext() != statements[name].verdict:
                message = "statement %s is called '%s' here, but '%s' in %s"
                there, page = statements[name].verdict, statements[name].docname
                log.warning(message, name, verdict.astext(), there, page, location=verdict)
    for claim, found in places.items():
        name = claim.partition(".")[0]
        for docname, _ in found:
            if docname in app.config.first_screens and docname not in {place for place, _ in said.get(name, ())}:
                message = "claim %s is settled here, but %s is not in this chapter's list of statements"
                log.warning(message, claim, name, location=docname)
    for docname in app.config.first_screens:
        if not any(docname == place for found in said.values() for place, _ in found):
            log.warning("%s has no list of statements (first_screens in _config.yml)", docname, location=docname)


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the records in their places, and let verdicts be seen as such."""
    for _, verdict in listed_on(doctree):
        badge(verdict)
    for node in list(doctree.findall(is_verdict)):
        badge(node)
    for section in doctree.findall(nodes.section):
        if (name := statement_of(section)) in app.statements and app.statements[name].docname == docname:
            section["ids"].append(name.lower())
    for node in list(doctree.findall(table_of_verdicts)):
        node.replace_self(table(app, docname, doctree))
    for node in list(doctree.findall(evidence)):
        rows = [shown(app, docname, place, record) for place, record in app.settled[node["claim"]]]
        node.replace_self(rows)
    for node in list(doctree.findall(live_claim)):
        places = app.settled.get(node["claim"], [])
        if not places:
            log.warning("claim %s is shown here, but no notebook settles it", node["claim"], location=node)
        node.replace_self([shown(app, docname, place, record, False) for place, record in places])


def badge(node: nodes.Element) -> None:
    """The verdict as a badge, with a class that says which."""
    node["classes"] = [*dict.fromkeys([*node["classes"], "verdict", f"verdict-{nodes.make_id(node.astext())}"])]


def address(app: Sphinx, docname: str, place: str, record: dict) -> str:
    return f"{app.builder.get_relative_uri(docname, place)}#{record['anchor']}"


def shown(app: Sphinx, docname: str, place: str, record: dict, target: bool = True) -> nodes.raw:
    """A claim, with a link to the cell that settles it; as `target`, others can link to it."""
    name = f'<a class="reference internal" href="{address(app, docname, place, record)}">{record["claim"]}</a>'
    anchor = f' id="{record["anchor"]}"' if target else ""
    return nodes.raw("", f'<div class="evidence"{anchor}>{claims.figure(record, name + ".")}</div>', format="html")


def table(app: Sphinx, docname: str, doctree: nodes.document) -> list[nodes.Node]:
    """How many statements got which verdict; and all of them, each with its chapter and a picture of one claim."""
    found = statements_on(docname, doctree)
    counts = nodes.paragraph(classes=["verdict-counts"])
    for verdict, count in Counter(statement.verdict for _, statement in found).most_common():
        counts += nodes.inline("", verdict, classes=["verdict"])
        badge(counts[-1])
        counts += nodes.Text(f" {count} ")
    body = nodes.tbody()
    for name, statement in found:
        verdict = nodes.inline("", statement.verdict, classes=["verdict"])
        badge(verdict)
        link = nodes.reference("", name, refuri=f"#{name.lower()}", internal=True)
        said = nodes.paragraph("", "", link, nodes.Text(f": {statement.text}"))
        chapter, picture = nodes.paragraph(), nodes.raw("", "", format="html")
        for place, record in app.settled.get(statement.claims[0], [])[:1] if statement.claims else []:
            title, number = app.env.titles[place].astext(), app.env.toc_secnumbers.get(place, {}).get("")
            text = f"Chapter {number[0]}" if number else title
            uri = app.builder.get_relative_uri(docname, place)
            chapter += nodes.reference("", text, refuri=uri, internal=True, reftitle=title)
            picture = nodes.raw("", claims.picture(record), format="html")
        cells = [said, nodes.paragraph("", "", verdict), chapter, picture]
        body += nodes.row("", *(nodes.entry("", cell) for cell in cells))
    head = nodes.row()
    for title in ("Statement", "Verdict", "Chapter", "Evidence"):
        head += nodes.entry("", nodes.paragraph("", title))
    columns = [nodes.colspec(colwidth=width) for width in (40, 16, 12, 32)]
    group = nodes.tgroup("", *columns, nodes.thead("", head), body, cols=4)
    whole = nodes.table("", group, classes=["verdicts"])
    return [counts, nodes.container("", whole, classes=["verdicts"])]


def setup(app: Sphinx) -> dict:
    app.add_config_value("statements", [], "env", list)
    app.add_config_value("first_screens", [], "env", list)
    for node in (evidence, live_claim, table_of_verdicts):
        app.add_node(node)
    app.add_directive("evidence", EvidenceDirective)
    app.add_directive("claim", ClaimDirective)
    app.add_directive("verdicts", VerdictsDirective)
    app.connect("env-updated", check)
    app.connect("doctree-resolved", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
