"""Which build a page is of, and how to cite it: in the foot of every page, and at the end of each chapter.

The version is git's name for the commit, with its date, so that one commit makes the same pages on any day. In a folder
that is no repository of its own there is only the date of the build. Title and authors are those of CITATION.cff.
"""

import datetime
import subprocess
from pathlib import Path

import yaml
from sphinx.application import Sphinx


def git(folder: Path, *command: str) -> str | None:
    """What git says about a folder; None where there is no git, or the folder is no repository."""
    try:
        return subprocess.run(["git", *command], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def build(folder: Path) -> tuple[str | None, datetime.date]:
    """The version of the book in a folder, None where git knows none, and its date."""
    top = git(folder, "rev-parse", "--show-toplevel")
    version = git(folder, "describe", "--always", "--dirty") if top and Path(top).samefile(folder) else None
    if not version:
        return None, datetime.datetime.now(datetime.UTC).date()
    return version, datetime.date.fromisoformat(git(folder, "log", "-1", "--format=%cs"))


def inspect(app: Sphinx) -> None:
    app.book = yaml.safe_load(Path(app.srcdir, "CITATION.cff").read_text(encoding="utf-8"))
    app.version_and_date = build(Path(app.srcdir))


def cite(app: Sphinx, page: str, _template, context: dict, doctree) -> None:
    version, date = app.version_and_date
    day = f"{date.day} {date:%B %Y}"
    context["build"] = f"Version {version}, {day}" if version else f"Built on {day}"
    if doctree is not None and page.startswith("notebooks/"):
        context["citation"] = {
            "key": page.rpartition("/")[2],
            "authors": " and ".join(author["name"] for author in app.book["authors"]),
            "chapter": app.env.titles[page].astext(),
            "book": app.book["title"],
            "year": date.year,
            "build": context["build"],
            "url": context["pageurl"] if app.config.html_baseurl else None,
        }


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", inspect)
    app.connect("html-page-context", cite, priority=400)  # before the theme drops what would show nothing
    return {"parallel_read_safe": True, "parallel_write_safe": True}
