"""The site around the chapters: the links to its repository."""

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


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", repository)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
