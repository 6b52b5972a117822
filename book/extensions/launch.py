"""The buttons that open a chapter in Binder and in Colab, where the address of the repository is known."""

from pathlib import PurePosixPath

from sphinx.application import Sphinx
from sphinx.config import Config

PLAIN = "plain"  # the branch of the plain editions, which the workflow keeps


def configure(app: Sphinx, config: Config) -> None:
    url = config.html_theme_options["repository_url"]
    buttons = {"notebook_interface": "jupyterlab", "binderhub_url": "https://mybinder.org"}
    if url.startswith("https://github.com/"):
        buttons["colab_url"] = "https://colab.research.google.com"  # it opens notebooks from nowhere else
    config.html_theme_options["launch_buttons"] = buttons if url else {}


def lead_to_plain(app: Sphinx, page: str, _template, context: dict, _doctree) -> None:
    """Colab knows no MyST, so its button leads to the plain edition."""
    url = app.config.html_theme_options["repository_url"].removeprefix("https://github.com/").strip("/")
    for group in context.get("header_buttons", ()):
        for button in group.get("buttons", ()):
            if button["text"] == "Colab":
                name = PurePosixPath(page).name
                button["url"] = f"https://colab.research.google.com/github/{url}/blob/{PLAIN}/{name}.ipynb"


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", configure, priority=600)  # when `website` has set the address
    app.connect("html-page-context", lead_to_plain, priority=900)  # after the theme
    return {"parallel_read_safe": True, "parallel_write_safe": True}
