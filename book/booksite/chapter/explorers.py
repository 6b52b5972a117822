"""Explorers, the figures that a reader moves: a record from the cell's output until the page is written."""

import json
from pathlib import Path

from docutils import nodes
from myst_nb.core.render import MimeData
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

from booksite.editions import languages
from booksite.reader.pictures import written
from lab import explorers


class explorer(nodes.General, nodes.Element, languages.Worded):
    """An explorer; attributes: record, and still_only where its still figure alone is to be shown."""

    def messages(self) -> list[str]:
        record = self["record"]
        found = [record["alt"], *names(json.loads(record["data"])), *languages.labels(record["still"])]
        return list(dict.fromkeys(found))

    def translate(self, words: dict[str, str], srcdir: Path) -> None:
        record = self["record"]
        data = json.dumps(named(json.loads(record["data"]), words), separators=(",", ":"), ensure_ascii=False)
        still = languages.relabelled(record["still"], words)
        self["record"] = {**record, "alt": words.get(record["alt"], record["alt"]), "data": data, "still": still}


def names(data) -> list[str]:
    """The words for readers in an explorer's data: the strings under the key "name"."""
    if isinstance(data, list):
        return [name for each in data for name in names(each)]
    if isinstance(data, dict):
        own = [data["name"]] if isinstance(data.get("name"), str) else []
        return own + [name for each in data.values() for name in names(each)]
    return []


def named(data, words: dict[str, str]):
    """The data with other such words in it."""
    if isinstance(data, list):
        return [named(each, words) for each in data]
    if isinstance(data, dict):
        own = {"name": words.get(data["name"], data["name"])} if isinstance(data.get("name"), str) else {}
        return {key: named(each, words) for key, each in data.items()} | own
    return data


def record(data: MimeData) -> list[nodes.Node]:
    """What the output of `explorers.show` becomes on a page."""
    return [explorer(record=data.content)]


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    for node in list(doctree.findall(explorer)):
        if app.builder.format != "html":
            node.replace_self(nodes.paragraph("", node["record"]["alt"]))
            continue
        name = written(app, node["record"]["still"])
        still = relative_uri(app.builder.get_target_uri(docname), f"{app.builder.imagedir}/{name}")
        shown = explorers.picture if node.get("still_only") else page
        node.replace_self(nodes.raw("", shown(node["record"], still), format="html"))


def page(record: dict, still: str) -> str:
    script = Path(explorers.FOLDER, f"{record['name']}.js").read_text(encoding="utf-8")
    return explorers.page(record, still, languages.table(script))


def setup(app: Sphinx) -> None:
    app.add_node(explorer)
