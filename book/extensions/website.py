"""The site around the chapters: the links to its repository, and no request to third parties."""

import os

from sphinx.application import Sphinx
from sphinx.config import Config


def repository(app: Sphinx, config: Config) -> None:
    """Link to the repository that BOOK_REPOSITORY_URL names; without one, show no such button."""
    url = os.environ.get("BOOK_REPOSITORY_URL", "")
    config.html_theme_options |= {
        "repository_url": url,
        "repository_branch": os.environ.get("BOOK_REPOSITORY_BRANCH") or "main",
        "use_repository_button": bool(url),
        "use_issues_button": bool(url),
    }


def own_scripts_only(app: Sphinx, _page, _template, context: dict, _doctree) -> None:
    """Drop thebe, which sphinx-thebe puts on every page though nothing here uses it."""
    context["script_files"] = [script for script in context["script_files"] if "thebe" not in str(script)]


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", repository)
    app.connect("html-page-context", own_scripts_only, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
