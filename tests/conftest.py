"""What several tests share: the built site, and a small copy of the book in which faults can be planted."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent


class Book:
    """A copy of the book with one small notebook in place of its chapters."""

    def __init__(self, root: Path):
        self.root = root
        # a page that its table of contents leaves out would be a warning in a folder with [ ] in its name
        unwanted = shutil.ignore_patterns(".*", "_build", "tests", "__pycache__", "*.ipynb", "*.md")
        shutil.copytree(ROOT, root, ignore=unwanted, dirs_exist_ok=True)
        self.write(
            "_toc.yml", "format: jb-book\nroot: book/index\nchapters:\n- file: notebooks/small\n- file: book/verdicts\n"
        )
        config, found = re.subn(r"statements: \[.*\]", "statements: [N1a]", (root / "_config.yml").read_text())
        assert found == 1
        config, found = re.subn(r"first_screens: \[.*\]", "first_screens: []", config)
        assert found == 1
        self.write("_config.yml", config)
        self.write("book/index.md", "# A small book\n\n{cite:p}`holtzman2020curious`\n\n```{bibliography}\n```\n")
        self.write("book/verdicts.md", "# Verdicts\n\n:::{evidence} N1a\n:::\n")
        self.notebook("small", SETTLE)

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text, encoding="utf-8")

    def notebook(self, name: str, *sources: str) -> None:
        """A notebook with a title and code cells."""
        cells = [nbformat.v4.new_markdown_cell(f"# {name}"), *map(nbformat.v4.new_code_cell, sources)]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(
            nbformat.v4.new_notebook(cells=cells, metadata=kernel), self.root / "notebooks" / f"{name}.ipynb"
        )

    def build(self, *options: str) -> tuple[int, str]:
        """Build strictly; the exit code, and all that was printed."""
        program = Path(sys.executable).parent / "jupyter-book"
        command = [program, "build", self.root, "-W", "-n", "--keep-going", *options]
        environment = os.environ | {"NO_COLOR": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        return done.returncode, done.stdout + done.stderr

    def page(self, name: str) -> str:
        return (self.root / "_build" / "html" / f"{name}.html").read_text(encoding="utf-8")


SETTLE = """\
from lab import claims

claims.settle("N1a", test=lambda x: x > 1, evidence={"seed 3": 2}, control={"seed 3": 0}, says="x", control_says="no x")"""


@pytest.fixture
def book(tmp_path):
    return Book(tmp_path)


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site."""
    html = ROOT / "_build" / "html"
    if not (html / "book" / "index.html").exists():
        pytest.fail("build the book first: jupyter-book build . -W --all -n --keep-going")
    return html
