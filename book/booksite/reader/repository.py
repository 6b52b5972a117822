"""Where the address of the repository is known: buttons that open a chapter in Binder and in Colab, and a link to it.

BOOK_REPOSITORY_URL names it. The role {repository}`the whole repository` is that link, and the words alone where the address is not known.
"""

import os

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxRole

GITHUB = "https://github.com/"
COLAB = "https://colab.research.google.com"
PLAIN = "plain"  # the branch of the plain editions, which the workflow keeps


class Repository(SphinxRole):
    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        url = self.config.repository_url
        return [nodes.reference("", self.text, refuri=url) if url else nodes.Text(self.text)], []


def configure(app: Sphinx, config: Config) -> None:
    config.repository_url = url = os.environ.get("BOOK_REPOSITORY_URL", "")
    buttons = {"notebook_interface": "jupyterlab", "binderhub_url": "https://mybinder.org"}
    if url.startswith(GITHUB):  # Colab opens notebooks from nowhere else
        buttons["colab_url"] = COLAB
    config.html_theme_options |= {
        "repository_url": url,
        "repository_branch": os.environ.get("BOOK_REPOSITORY_BRANCH") or "main",
        "use_repository_button": bool(url),
        "use_issues_button": bool(url),
        "launch_buttons": buttons if url else {},
    }


def lead_to_plain(app: Sphinx, page: str, _template, context: dict, _doctree) -> None:
    """Colab knows no MyST, so its button leads to the plain edition."""
    repository = app.config.repository_url.removeprefix(GITHUB).strip("/")
    for group in context.get("header_buttons", ()):
        for button in group.get("buttons", ()):
            if button["text"] == "Colab":
                button["url"] = f"{COLAB}/github/{repository}/blob/{PLAIN}/{page.rpartition('/')[2]}.ipynb"


def setup(app: Sphinx) -> None:
    app.add_config_value("repository_url", "", "env", str)
    app.add_role("repository", Repository())
