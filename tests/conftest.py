"""What several tests share: the built site, and a small copy of the book in which faults can be planted."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("OMP_NUM_THREADS", "1")  # test files run side by side; before torch is imported

import matplotlib.pyplot as plt
import nbformat
import pytest
import warm
from browser import chromium, served

from lab import explorers

ROOT = Path(__file__).parent.parent

sys.path.append(str(ROOT / "book" / "extensions"))
import execution  # noqa: E402


def pytest_xdist_auto_num_workers() -> int:
    """Three for two cores: browsers, servers and builds are often waited for."""
    return max(1, execution.at_once() * 3 // 2)


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

    def start(self, **how) -> subprocess.Popen:
        """Start a strict build, as a reader does."""
        command = [Path(sys.executable).parent / "jupyter-book", *self.arguments()]
        pipe = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return subprocess.Popen(command, env=os.environ | {"NO_COLOR": "1"}, **pipe, **how)

    def build(self, *options: str) -> tuple[int, str]:
        """Build strictly in a warm process; the exit code, and all that was printed."""
        log = self.root / "said"
        code = warm.build(self.arguments(*options), log)
        return code, log.read_text(encoding="utf-8")

    def arguments(self, *options: str) -> list[str]:
        return ["build", str(self.root), "-W", "-n", "--keep-going", *options]

    def page(self, name: str) -> str:
        return (self.root / "_build" / "html" / f"{name}.html").read_text(encoding="utf-8")


SETTLE = """\
from lab import claims

claims.settle("N1a", test=lambda x: x > 1, evidence={"seed 3": 2}, control={"seed 3": 0}, says="x", control_says="no x")"""


@pytest.fixture
def book(tmp_path):
    return Book(tmp_path)


class Runner:
    """The extension `execution` over notebooks that only pretend to run: how long each takes is in `seconds`."""

    def __init__(self, root: Path, monkeypatch):
        self.root, self.caches, self.seconds, self.order = root, root / "caches", {}, []
        monkeypatch.setattr(execution, "run", self.run)
        monkeypatch.setattr(execution, "at_once", lambda: 1)
        monkeypatch.setattr(execution, "fingerprint", lambda _: self.fingerprint)

    def run(self, notebook, cwd, *_):
        name = notebook.cells[0].source
        self.order.append(name)
        notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text=f"of {name}: 1.2345")]
        return execution.ExecutionResult(notebook, cwd, self.seconds[name])

    def execute(self, fingerprint: str = "one") -> list[str]:
        """What ran, in its order; the sources have this fingerprint."""
        self.fingerprint, self.order = fingerprint, []
        config = SimpleNamespace(nb_execution_cache_path=str(self.caches / fingerprint), nb_execution_timeout=60)
        env = SimpleNamespace(doc2path=lambda docname: str(self.root / f"{docname}.ipynb"))
        for name in self.seconds:
            nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(name)]), env.doc2path(name))
        execution.execute(SimpleNamespace(config=config, srcdir=self.root), env, list(self.seconds))
        return self.order


@pytest.fixture
def runner(tmp_path, monkeypatch):
    return Runner(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site."""
    html = ROOT / "_build" / "html"
    if not (html / "book" / "index.html").exists():
        pytest.fail("build the book first: jupyter-book build . -W --all -n --keep-going")
    return html


@pytest.fixture(scope="session")
def address(site):
    """Where the site is served."""
    with served(site) as found:
        yield found


@pytest.fixture(scope="session")
def browser():
    """Chromium; without it a test is skipped, and in CI it fails."""
    with chromium() as found:
        if found is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium on this machine")
        yield found


def explorer_html(name: str, data: dict) -> str:
    """A page that holds one explorer, as an output of a notebook would."""
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explorers, "display", lambda output, raw: shown.append(output["text/html"]))
        explorers.show(name, data, plt.figure(), "A still figure.")
    return f"<!doctype html><html><body>{shown[0]}</body></html>"


@contextmanager
def explored(browser, name: str, data: dict, ready: str):
    """A tab with one explorer at a phone's width, as soon as there is what `ready` selects. It must not complain."""
    complaints = []
    tab = browser.new_page(viewport={"width": 375, "height": 900}, reduced_motion="reduce")
    tab.set_default_timeout(10_000)
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.set_content(explorer_html(name, data))
    tab.wait_for_selector(ready)
    yield tab
    tab.close()
    assert complaints == []
