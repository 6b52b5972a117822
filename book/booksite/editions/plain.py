"""The plain edition of every notebook: what the download button gives, and what opens in Colab.

Colab, VS Code, GitHub and plain Jupyter know no MyST, and show no SVG and no script of a notebook that they do not
trust. Here directives and roles become plain Markdown, a figure's caption a cell below it. The outputs are those of
the run, their pictures as PNG: of an explorer, its still figure. The first cell of code, run anywhere but in the
repository, fetches it at the version that was built and installs what is missing. A directive or role that is not
known here is a warning, so that a strict build stops.
"""

import ast
import importlib.metadata
import os
import re
import sys
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import NamedTuple
from urllib.parse import quote

import nbformat
from myst_nb.ext.glue import extract_glue_data_cell
from pybtex.database import Entry
from pybtex.richtext import Text
from sphinx.application import Sphinx
from sphinx.util import logging

from booksite.editions.version import git
from booksite.reader import pictures
from booksite.running.notebooks import executed, pinned
from lab import cards, claims, contents, explorers

log = logging.getLogger(__name__)
FENCE = re.compile(r" {0,3}(?P<marks>:{3,}|`{3,})(?:\{(?P<name>[\w:-]+)\} *(?P<title>.*)|[^`]*)")
OPTION = re.compile(r" *:\w+:.*")
TARGET = re.compile(r"\([\w-]+\)= *")
ROLE = re.compile(r"\{([\w:-]+)\}`([^`]+)`")
LINK = re.compile(r"(?<=\]\()[^)\s]+")
RAW = re.compile(rf"{ROLE.pattern}|^ *(?::::+|```+)\{{.*", re.M)
ADMONITIONS = ("note", "tip", "hint", "important", "warning", "caution", "attention", "danger", "error", "seealso")
UNSEEN = ("gguf", "accelerate")  # transformers imports them by itself, to read the language model
FIRST = Template("""\
# The plain edition of a chapter: the numbers in its text are those of the book's own run.
# Run anywhere but in the book's folder `notebooks`, this cell fetches that folder and installs what is missing.
import importlib.metadata
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

ARCHIVE = os.environ.get("BOOK_ARCHIVE", $archive)
FOLDER = $folder
NEEDS = $needs


def installed(name):
    try:
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


if not Path("lab", "claims.py").exists():
    if not Path(FOLDER).exists():
        if not ARCHIVE:
            raise FileNotFoundError(
                "This notebook needs the modules beside it: run it in the folder `notebooks` of the book's "
                "repository, or set BOOK_ARCHIVE to the address of a zip file of the repository."
            )
        fetched, _ = urllib.request.urlretrieve(ARCHIVE)
        shutil.unpack_archive(fetched, FOLDER + ".part", "zip")
        os.rename(FOLDER + ".part", FOLDER)
    os.chdir(next(Path(FOLDER).glob("**/lab/claims.py")).parents[1])
    versions = {name: installed(name) for name in NEEDS}
    missing = [f"{name}=={NEEDS[name]}" for name, version in versions.items() if version is None]
    if missing:
        install = [sys.executable, "-m", "pip", "install", "--quiet"]
        if not versions["torch"]:
            # its build for graphics cards would be several gigabytes larger; uv knows where the other is
            subprocess.run([*install, "uv"], check=True)
            install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", sys.executable]
            install.append("--torch-backend=cpu")
        subprocess.run([*install, *missing], check=True)
        importlib.invalidate_caches()
    others = [f"{n} {v} (there: {NEEDS[n]})" for n, v in versions.items() if v not in (None, NEEDS[n])]
    if others:
        print("Not the versions that the book was built with: " + ", ".join(others))""")


class Page(NamedTuple):
    """What the text of one notebook refers to."""

    app: Sphinx
    docname: str
    values: dict[str, str]  # of its run, by name

    def plain(self, text: str) -> str:
        """Markdown without MyST's directives, roles and links."""
        text = "\n".join(self.blocks(text.split("\n")))
        text = ROLE.sub(lambda found: self.role(*found.groups()) or found[0], text)
        text = LINK.sub(lambda found: self.address(found[0]), text)
        for left in RAW.finditer(text):
            log.warning("the plain edition does not know %s", left[0], location=self.docname)
        return text

    def blocks(self, lines: list[str]) -> list[str]:
        """The lines, with directives as quotes and details and without targets; what is fenced otherwise stays."""
        done, lines = [], list(lines)
        while lines:
            line = lines.pop(0)
            opened = FENCE.fullmatch(line)
            if not opened:
                done += [] if TARGET.fullmatch(line) else [line]
                continue
            body = []
            while lines and not re.fullmatch(rf" *{opened['marks']}{opened['marks'][0]}* *", lines[0]):
                body.append(lines.pop(0))
            end = lines.pop(0) if lines else ""
            if opened["name"] is None:
                done += [line, *body, end]
            else:
                done += self.directive(opened["name"], opened["title"].strip(), body) or [line, *body, end]
        return done

    def directive(self, name: str, title: str, body: list[str]) -> list[str] | None:
        """A directive as lines of Markdown; None where it is not known."""
        while body and OPTION.fullmatch(body[0]):
            body = body[1:]
        body = self.blocks("\n".join(body).strip("\n").split("\n"))
        if name == "solution":
            return ["<details><summary>Solution</summary>", "", *body, "", "</details>"]
        if name in ADMONITIONS:
            title, body = name.capitalize(), [title, "", *body] if title else body
        elif name == "exercise":
            title = f"Exercise: {title}" if title else "Exercise"
        elif name != "admonition":
            return None
        return [f"> {line}".rstrip() for line in (f"**{title}**", "", *body)]

    def role(self, name: str, text: str) -> str | None:
        """A role as words; None where it, or what it names, is not known."""
        if name == "term":
            return re.sub(r"\s*<[^>]*>$", "", text)
        if name == "eval":
            kind, _, key = text.partition(".")
            return self.values.get(key) if kind == "run" else self.figure("fig-" + key.replace("_", "-"))
        if name in ("cite:p", "cite:t"):
            keys = [key.strip() for key in text.split(",")]
            cited = [self.citation(key, textual=name == "cite:t") for key in keys]
            if all(cited):
                return ", ".join(cited) if name == "cite:t" else f"({'; '.join(cited)})"
        return None

    def figure(self, name: str | None) -> str | None:
        """The number that a figure has on the site."""
        number = self.app.env.toc_fignumbers.get(self.docname, {}).get("figure", {}).get(name)
        return number and self.app.config.numfig_format["figure"] % ".".join(map(str, number))

    def citation(self, key: str, textual: bool) -> str | None:
        """Authors and year, linked to where the work is found, or to its place in the site's bibliography."""
        entry: Entry | None = self.app.env.get_domain("cite").bibdata.data.entries.get(key)
        if entry is None:
            return None
        authors = [" ".join(map(latex, person.prelast_names + person.last_names)) for person in entry.persons["author"]]
        names = " and ".join(authors) if len(authors) < 3 else f"{authors[0]} et al."
        words = f"{names} ({entry.fields['year']})" if textual else f"{names}, {entry.fields['year']}"
        doi, site = entry.fields.get("doi"), self.app.config.html_baseurl
        address = (
            entry.fields.get("url") or (doi and f"https://doi.org/{doi}") or (site and f"{site}book/bibliography.html")
        )
        return f"[{words}]({address})" if address else words

    def address(self, link: str) -> str:
        """Of a heading of this notebook as Jupyter names it, of another page on the site, where that is known."""
        path, _, anchor = link.partition("#")
        if not path:
            found = self.app.env.metadata[self.docname].get("myst_slugs", {}).get(anchor)
            return "#" + quote(found[2].replace(" ", "-")) if found else link
        if ":" in path or not self.app.config.html_baseurl:
            return link
        docname = self.app.env.path2doc(self.app.env.relfn2path(path, self.docname)[1])
        if docname not in self.app.env.found_docs:
            return link
        return self.app.config.html_baseurl + self.app.builder.get_target_uri(docname) + (anchor and f"#{anchor}")


def latex(text: str) -> str:
    return str(Text.from_latex(text))


def edition(app: Sphinx, docname: str, notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The plain edition of a notebook that has been run."""
    glued = [pair for cell in notebook.cells if cell.cell_type == "code" for pair in extract_glue_data_cell(cell)]
    values = {name: ast.literal_eval(output.data["text/plain"]) for name, output in glued}
    page, cells = Page(app, docname, values), []
    for cell in notebook.cells:
        cell.pop("id", None)  # `lab.figures` knows cells by it, and would show captions twice
        cells.append(cell)
        if cell.cell_type == "markdown":
            cell.source = page.plain(cell.source)
            continue
        cell.outputs = [shown for output in cell.outputs for shown in safe(output)]
        if figure := cell.metadata.get("mystnb", {}).get("figure"):
            number = page.figure(figure.get("name"))
            caption = (f"**{number}.** " if number else "") + page.plain(figure["caption"])
            cells.append(nbformat.v4.new_markdown_cell(caption))
    cells.insert(1, nbformat.v4.new_code_cell(first(app, cells)))
    for number, cell in enumerate(cells):
        cell.id = f"plain-{number}"
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


def safe(output: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """An output as what is shown also where the notebook is not trusted, made of its record where it has one."""
    data = output.get("data", {})
    words = data.get("text/plain", "")
    if "image/svg+xml" in data:
        return [png(data["image/svg+xml"], words)]
    if explorers.MIME in data:
        return [png(data[explorers.MIME]["still"], words)]
    if contents.MIME in data:
        listed = contents.listing(data[contents.MIME]["chapter"])
        return [nbformat.v4.new_output("display_data", {"text/markdown": listed, "text/plain": listed})]
    if claims.MIME in data:
        record = data[claims.MIME]
        card = nbformat.v4.new_output("display_data", {"text/html": cards.words(record), "text/plain": words})
        return [card, png(cards.picture(record), cards.described(record))]
    return [output]


def png(svg: str, words: str) -> nbformat.NotebookNode:
    """An output with the picture, black on white, half as large again as in the book, for sharp screens."""
    drawn = pictures.png(svg, zoom=1.5, skip_system_fonts=True)
    data = {"image/png": b64encode(drawn).decode(), "text/plain": words}
    return nbformat.v4.new_output("display_data", data)


def first(app: Sphinx, cells: list[nbformat.NotebookNode]) -> str:
    """The source of the first cell of code."""
    root, url = Path(app.srcdir), os.environ.get("BOOK_REPOSITORY_URL", "").rstrip("/")
    version = git(root, "rev-parse", "HEAD") or os.environ.get("BOOK_REPOSITORY_BRANCH") or "main"
    sources = [path.read_text(encoding="utf-8") for path in sorted((root / "notebooks" / "lab").rglob("*.py"))]
    sources += [cell.source for cell in cells if cell.cell_type == "code"]
    pins = {canonical(name): version for name, version in pinned(root).items()}
    modules = imported(sources) - sys.stdlib_module_names - {"lab"}
    owners = {module: [module] if canonical(module) in pins else packages().get(module, ()) for module in modules}
    names = {canonical(name) for found in owners.values() for name in found} | {*UNSEEN}
    needs = "".join(f'    "{name}": "{pins[name]}",\n' for name in sorted(names & pins.keys()))
    return FIRST.substitute(
        archive=f'"{url}/archive/{version}.zip"' if url else '""',
        folder=f'"nlp-settled-by-running-{version[:12].replace("/", "-")}"',
        needs=f"{{\n{needs}}}",
    )


@cache  # takes half a second, and most modules bear the name of what is to be installed
def packages() -> Mapping[str, list[str]]:
    """The distributions that a module may come from."""
    return importlib.metadata.packages_distributions()


def imported(sources: list[str]) -> set[str]:
    """The modules that the sources import, without what stands behind their first dot."""
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {module.partition(".")[0] for module in modules}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def write(app: Sphinx, error: Exception | None) -> None:
    """Put the plain editions where the pages' download buttons point."""
    if error or app.builder.name != "html":
        return
    for docname in sorted(app.env.found_docs):
        path = Path(app.env.doc2path(docname))
        notebook = executed(app.config, path) if path.suffix == ".ipynb" else None
        if notebook is None:  # or it failed, which has stopped the build
            continue
        target = Path(app.outdir, "_sources", f"{docname}.ipynb")
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(edition(app, docname, notebook), target)
