"""The page of verdicts: every statement of the notes, the verdict on it, and the claims that settle it.

    :::{question} ../notebooks/01_argmax_vs_multinomial.ipynb
    The chapter's answer in a line (see the room `front`).
    :::

    ### N1b: putting the argmax at the output strengthens the model

    {verdict}`corrected` Choosing a token changes no weight.

    :::{evidence} N1b.weights N1b.gradient
    :::

`evidence` shows the claims that settle a statement, `verdicts` a table of all statements, `claim` one claim, on any page.
A chapter shows the statements that stand under its question by `contents.show_statements`.

What a page settles and says is kept when it is read, in a domain, so that it is there for a cold build, for a notebook
taken from the cache and for one that was not read again. Warnings, so that a strict build stops: a claim that is listed
and not settled, settled and not listed, settled or listed twice, or settled in another chapter than its statement's; a
statement without evidence; a chapter that does not show its statements.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from docutils import nodes
from myst_nb.core.render import MimeData
from sphinx.application import Sphinx
from sphinx.domains import Domain
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from booksite.editions.languages import Worded, say
from booksite.front.cards import question
from booksite.reader.formulas import in_words
from lab import cards, claims, contents, palette

log = logging.getLogger(__name__)


class settled(nodes.General, nodes.Element, Worded):
    """A claim where it is settled; attribute: record."""

    def messages(self) -> list[str]:
        record = self["record"]
        said = [record["so"], record["says"], *(record["rows"] or []), record["dot"], record["control_says"]]
        return [words for words in said if words]

    def translate(self, words: dict[str, str], srcdir: Path) -> None:
        record = self["record"]
        said = {key: words.get(record[key], record[key]) for key in ("so", "says", "dot", "control_says")}
        rows = [words.get(row, row) for row in record["rows"] or []] or None
        self["record"] = {**record, **said, "rows": rows}  # another one, since it was the notebook's own


class evidence(nodes.General, nodes.Element):
    """Stands where the evidence of one claim will be; attribute: claim."""


class live_claim(nodes.General, nodes.Element):
    """Stands where a claim will be shown once more; attribute: claim."""


class table_of_verdicts(nodes.General, nodes.Element):
    """Stands where the table of all statements will be."""


class list_of_statements(nodes.General, nodes.Element):
    """Stands where a chapter will list its statements."""


def record(data: MimeData) -> list[nodes.Node]:
    """What the output of `claims.settle` becomes on a page."""
    return [settled(record=data.content)]


def own_statements(_data: MimeData) -> list[nodes.Node]:
    """What the output of `contents.show_statements` becomes on a page."""
    return [list_of_statements()]


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
    """The table of all statements."""

    def run(self) -> list[nodes.Node]:
        return [table_of_verdicts()]


class VerdictRole(SphinxRole):
    """The verdict on the statement whose section this is."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        if self.text not in palette.VERDICTS:
            message = f"verdict must be one of {', '.join(palette.VERDICTS)}, got {self.text!r}"
            return [], [self.inliner.reporter.error(message, line=self.lineno)]
        return [badge(self.text)], []


def badge(verdict: str) -> nodes.inline:
    """A verdict as a word on its colour, which hangs on the English word in every language."""
    return nodes.inline("", say(verdict), classes=["verdict", nodes.make_id(f"verdict-{verdict}")], verdict=verdict)


class Statement(NamedTuple):
    """A statement of the notes, as the page of verdicts has it."""

    name: str
    text: str
    verdict: str
    claims: list[str]
    chapter: str | None  # the docname in whose question's section it stands
    docname: str
    line: int | None


class Book(Domain):
    """What the pages settle and say, by the page."""

    name, label = "book", "what the pages settle and say"
    initial_data = {"settled": {}, "listed": {}, "statements": {}, "lists": {}}

    def process_doc(self, env: BuildEnvironment, docname: str, document: nodes.document) -> None:
        self.data["settled"][docname] = [node["record"] for node in document.findall(settled)]
        self.data["listed"][docname] = [(node["claim"], node.line) for node in document.findall(evidence)]
        self.data["statements"][docname] = list(statements_on(docname, document))
        self.data["lists"][docname] = any(document.findall(list_of_statements))

    def clear_doc(self, docname: str) -> None:
        for kind in self.initial_data:
            self.data[kind].pop(docname, None)

    def merge_domaindata(self, docnames: list[str], otherdata: dict) -> None:
        for kind in self.initial_data:
            self.data[kind] |= {docname: otherdata[kind][docname] for docname in docnames}

    def settled(self) -> dict[str, list[tuple[str, dict]]]:
        """Where each claim was settled, and its record: claim -> [(docname, record), ...]."""
        places = defaultdict(list)
        for docname, records in sorted(self.data["settled"].items()):
            for found in records:
                places[found["claim"]].append((docname, found))
        return places

    def statements(self) -> dict[str, Statement]:
        return {found.name: found for each in self.data["statements"].values() for found in each}


def book(env: BuildEnvironment) -> Book:
    return env.get_domain("book")


def statements_on(docname: str, doctree: nodes.document) -> Iterator[Statement]:
    """The statements that a page gives a verdict on, in its order."""
    for section in doctree.findall(nodes.section):
        name, _, text = in_words(section[0]).partition(": ")
        verdict = next((node["verdict"] for node in section.findall(nodes.inline) if "verdict" in node), None)
        if verdict and claims.NAME.fullmatch(name):
            section["ids"].append(name.lower())
            asked = next(section.parent.findall(question), None)
            settling = [node["claim"] for node in section.findall(evidence)]
            yield Statement(name, text, verdict, settling, asked and asked["chapter"], docname, section.line)


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Compare what is listed with what is settled and said."""
    listed, places, statements = defaultdict(list), book(env).settled(), book(env).statements()
    for docname, found in book(env).data["listed"].items():
        for claim, line in found:
            listed[claim].append((docname, line))
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
        statement = statements.get(claim.partition(".")[0])
        for docname in docnames:
            if statement and statement.chapter not in (None, docname):
                message = "claim %s is settled here, but %s stands under the question of %s"
                log.warning(message, claim, statement.name, statement.chapter, location=docname)
    for statement in statements.values():
        if not statement.claims:
            log.warning("statement %s has no evidence", statement.name, location=(statement.docname, statement.line))
    for chapter in sorted({statement.chapter for statement in statements.values()} - {None}):
        if not book(env).data["lists"].get(chapter):
            log.warning("the chapter does not show its statements (contents.show_statements)", location=chapter)


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the cards, the table and the chapters' lists in their places."""
    places = book(app.env).settled()
    for node in list(doctree.findall(list_of_statements)):
        node.replace_self(own_list(app.env, docname, doctree))
    for node in list(doctree.findall(table_of_verdicts)):
        node.replace_self(table(app, docname))
    for node in list(doctree.findall(evidence)):
        node.replace_self([shown(app, docname, *place, target=True) for place in places[node["claim"]]])
    for node in list(doctree.findall(live_claim)):
        if node["claim"] not in places:
            log.warning("claim %s is shown here, but no notebook settles it", node["claim"], location=node)
        node.replace_self([shown(app, docname, *place) for place in places[node["claim"]]])
    for node in list(doctree.findall(settled)):
        card = cards.settled(node["record"], target(app, docname, node["record"]["claim"]), say)
        node.replace_self(drawn(app, card, cards.plain(node["record"], say)))


def target(app: Sphinx, docname: str, name: str) -> str | None:
    """Where a statement, or a claim that is settled, stands on the page of verdicts; None where it stands on none."""
    statement, _, part = name.partition(".")
    found = book(app.env).statements().get(statement)
    if found is None:
        return None
    anchor = book(app.env).settled()[name][0][1]["anchor"] if part else name.lower()
    return f"{app.builder.get_relative_uri(docname, found.docname)}#{anchor}"


def drawn(app: Sphinx, card: str, words: str) -> nodes.Node:
    """A card, or in what is no HTML the words for it."""
    return nodes.raw("", card, format="html") if app.builder.format == "html" else nodes.paragraph("", words)


def shown(app: Sphinx, docname: str, place: str, record: dict, target: bool = False) -> nodes.Node:
    """A claim, with a link to the cell that settles it; as `target`, others can link to it."""
    uri = f"{app.builder.get_relative_uri(docname, place)}#{record['anchor']}"
    rows = cards.card(record, cards.linked(record["claim"], uri), say)
    anchor = f' id="{record["anchor"]}"' if target else ""
    return drawn(app, f'<div class="evidence"{anchor}>{rows}</div>', cards.plain(record, say))


def own_list(env: BuildEnvironment, docname: str, doctree: nodes.document) -> nodes.bullet_list:
    """The statements of a chapter, each with its verdict, linked to the section where the first claim settles it."""
    sections = {node["record"]["claim"]: node for node in doctree.findall(settled)}
    items = nodes.bullet_list(bullet="-", classes=["simple"])
    for statement in book(env).statements().values():
        if statement.chapter == docname:
            node = sections.get(statement.claims[0]) if statement.claims else None
            while node is not None and not isinstance(node, nodes.section):
                node = node.parent
            link = nodes.Text(statement.name)
            if node is not None:
                link = nodes.reference("", statement.name, refuri=f"#{node['ids'][0]}", internal=True)
            words = nodes.Text(f": {contents.sentence(statement.text)}")
            items += nodes.list_item(
                "", nodes.paragraph("", "", badge(statement.verdict), nodes.Text(" "), link, words)
            )
    return items


def table(app: Sphinx, docname: str) -> list[nodes.Node]:
    """How many statements got which verdict; and all of them, each with its chapter and a picture of one claim."""
    found = [each for each in book(app.env).statements().values() if each.docname == docname]
    counts = nodes.paragraph(classes=["verdict-counts"])
    for verdict, count in Counter(statement.verdict for statement in found).most_common():
        counts += [badge(verdict), nodes.Text(f" {count} ")]
    body = nodes.tbody()
    for statement in found:
        link = nodes.reference("", statement.name, refuri=f"#{statement.name.lower()}", internal=True)
        said = nodes.paragraph("", "", link, nodes.Text(f": {statement.text}"))
        chapter, picture = nodes.paragraph(), nodes.raw("", "", format="html")
        for place, record in book(app.env).settled().get(statement.claims[0], [])[:1] if statement.claims else []:
            title, number = in_words(app.env.titles[place]), app.env.toc_secnumbers.get(place, {}).get("")
            text = say("Chapter {number}").format(number=number[0]) if number else title
            uri = app.builder.get_relative_uri(docname, place)
            chapter += nodes.reference("", text, refuri=uri, internal=True, reftitle=title)
            picture = drawn(app, cards.picture(record, say), cards.described(record, say))
        cells = [said, nodes.paragraph("", "", badge(statement.verdict)), chapter, picture]
        body += nodes.row("", *(nodes.entry("", cell) for cell in cells))
    head = nodes.row()
    for title in (say("Statement"), say("Verdict"), say("Chapter"), say("Evidence")):
        head += nodes.entry("", nodes.paragraph("", title))
    columns = [nodes.colspec(colwidth=width) for width in (40, 16, 12, 32)]
    group = nodes.tgroup("", *columns, nodes.thead("", head), body, cols=4)
    return [counts, nodes.container("", nodes.table("", group, classes=["verdicts"]), classes=["verdicts"])]


def colours(app: Sphinx) -> None:
    """Write the style sheet with the verdicts' colours."""
    rules = [f".{badge(verdict)['classes'][1]} {{ --kind: {colour}; }}" for verdict, colour in palette.VERDICTS.items()]
    file = Path(app.outdir, "_static", "verdicts.css")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(rules) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> None:
    for node in (settled, evidence, live_claim, table_of_verdicts, list_of_statements):
        app.add_node(node)
    app.add_domain(Book)
    app.add_directive("evidence", EvidenceDirective)
    app.add_directive("claim", ClaimDirective)
    app.add_directive("verdicts", VerdictsDirective)
    app.add_role("verdict", VerdictRole())
