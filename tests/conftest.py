"""What several tests share: the built site, and a small copy of the book in which faults can be planted."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("OMP_NUM_THREADS", "1")  # test files run side by side; before torch is imported

import matplotlib.pyplot as plt
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from playwright.sync_api import Browser, Page

import hypothesis_profiles  # noqa: F401  (says how many examples are tried)
import warm
from booksite.running import notebooks
from browser import chromium
from lab import explorers

ROOT = Path(__file__).parent.parent
LIMIT = 600  # seconds that a busy machine may take for anything that is waited for


def pytest_xdist_auto_num_workers() -> int:
    """Three for two cores: browsers, servers and builds are often waited for."""
    return max(1, notebooks.at_once() * 3 // 2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The file that takes longest starts first."""
    items.sort(key=lambda item: item.path.name != "test_site.py")


SETTLE = """\
from lab import claims

claims.settle("N1a", test=lambda x: x > 1, evidence={"seed 3": 2}, control={"seed 3": 0}, says="x", control_says="no x")"""
ALT = "A line that rises from one, over nothing at all, to another number."
PLOT = "import matplotlib.pyplot as plt\nfrom lab import figures\nfigures.use()\nplt.plot([1, %s]);"


def text(source: str) -> nbformat.NotebookNode:
    return new_markdown_cell(source)


def code(source: str, figure: str = "", caption: str = "Found.", alt: str = ALT, fold: str | None = None):
    """A cell of code, with the name of its figure, or folded under a line."""
    cell = new_code_cell(source)
    if figure:
        cell.metadata["mystnb"] = {"figure": {"caption": caption, "name": figure}, "image": {"alt": alt}}
    if fold is not None:
        cell.metadata |= {"tags": ["hide-input"], "mystnb": {"code_prompt_show": fold} if fold else {}}
    return cell


class Book:
    """A copy of the book with one small notebook in place of its chapters."""

    kernels = False  # whether notebooks run in kernels; without, they must run to their end
    finish = ()  # the modules of booksite that act when all pages are written; None: all of them

    def __init__(self, root: Path):
        self.root, self.started = root, []
        # a page that its table of contents leaves out would be a warning in a folder with [ ] in its name
        unwanted = shutil.ignore_patterns(".*", "_build", "tests", "__pycache__", "*.ipynb", "*.jsonl", "*.md")
        shutil.copytree(ROOT, root, ignore=unwanted, dirs_exist_ok=True)
        self.contents("notebooks/small", "book/verdicts")
        self.write("book/index.md", "# A small book\n\n{cite:p}`holtzman2020curious`\n\n```{bibliography}\n```\n")
        self.write("book/verdicts.md", "# Verdicts\n\n:::{evidence} N1a\n:::\n")
        self.notebook("small", SETTLE)

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text, encoding="utf-8")

    def contents(self, *files: str) -> None:
        entries = "".join(f"- file: {file}\n" for file in files)
        self.write("_toc.yml", f"format: jb-book\nroot: book/index\noptions:\n  numbered: true\nchapters:\n{entries}")

    def notebook(self, name: str, *cells: str | nbformat.NotebookNode) -> None:
        """A notebook of cells; what is a string is code, and a title is added where there is none."""
        made = [code(cell) if isinstance(cell, str) else cell for cell in cells]
        if not made or made[0].cell_type != "markdown":
            made.insert(0, text(f"# {name}"))
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        made = nbformat.v4.new_notebook(cells=made, metadata=kernel)
        nbformat.write(made, self.root / "notebooks" / f"{name}.ipynb")

    def build(self, *options: str) -> tuple[int, str]:
        """Build strictly in a warm process; the exit code, and all that was printed."""
        log = self.root / "said"
        code = warm.build(self.root, list(options), log, self.finish, self.kernels)
        return code, log.read_text(encoding="utf-8")

    def built(self, *options: str) -> None:
        """Build strictly, without a complaint."""
        code, said = self.build(*options)
        assert code == 0, said

    def start(self, **how) -> subprocess.Popen:
        """Start a strict build, as a reader does; it is ended with the test."""
        command = [Path(sys.executable).parent / "jupyter-book", "build", self.root, "-W", "-n", "--keep-going"]
        pipe = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.started.append(subprocess.Popen(command, env=os.environ | {"NO_COLOR": "1"}, **pipe, **how))
        return self.started[-1]

    def page(self, name: str) -> str:
        return (self.root / "_build" / "html" / f"{name}.html").read_text(encoding="utf-8")


def ended(process: subprocess.Popen) -> None:
    """End a process that may have ended: gently, and if it does not listen, at once."""
    for end in (process.terminate, process.kill):
        if process.poll() is None:
            end()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                continue


@pytest.fixture
def book(tmp_path) -> Iterator[Book]:
    made = Book(tmp_path / "book")
    yield made
    for process in made.started:
        ended(process)


@pytest.fixture(scope="module")
def shared_book(tmp_path_factory) -> Book:
    """One for all tests of a file."""
    return Book(tmp_path_factory.mktemp("book") / "book")


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Book:
    """The book of sample.py, built; of no known address."""
    return _sample(tmp_path_factory, BOOK_SITE_URL="", BOOK_REPOSITORY_URL="")


KNOWN = "https://book.example/notes/"


@pytest.fixture(scope="session")
def known_sample(tmp_path_factory) -> Book:
    """The same with addresses, of the site and of its repository."""
    repository = {"BOOK_REPOSITORY_URL": "https://github.com/someone/some-book", "BOOK_REPOSITORY_BRANCH": "trunk"}
    return _sample(tmp_path_factory, BOOK_SITE_URL=KNOWN.rstrip("/"), **repository)


def _sample(folders, **environment: str) -> Book:
    import sample

    book = sample.fill(Book(folders.mktemp("sample") / "book"))
    book.finish = None
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        book.built()
    return book


class Runner:
    """The execution of notebooks that only pretend to run, with the results' folder that it keeps."""

    def __init__(self, root: Path, monkeypatch):
        self.root, self.caches, self.names, self.order = root, root / "caches", [], []
        monkeypatch.setattr(notebooks, "run", self.run)
        monkeypatch.setattr(notebooks, "at_once", lambda: 1)
        monkeypatch.setattr(notebooks, "fingerprint", lambda _: self.fingerprint)

    def run(self, notebook, cwd, *_):
        name = notebook.cells[0].source
        self.order.append(name)
        notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text=f"of {name}: 1.2345")]
        return notebooks.ExecutionResult(notebook, cwd, 1.0)

    def execute(self, fingerprint: str = "one", builder: str = "html") -> list[str]:
        """What ran, in its order; the sources have this fingerprint."""
        self.fingerprint, self.order = fingerprint, []
        settings = {"nb_execution_mode": "cache", "nb_execution_timeout": 60}
        config = SimpleNamespace(nb_execution_cache_path=str(self.caches / fingerprint), **settings)
        env = SimpleNamespace(doc2path=lambda docname: str(self.root / f"{docname}.ipynb"))
        for name in self.names:
            nbformat.write(nbformat.v4.new_notebook(cells=[new_code_cell(name)]), env.doc2path(name))
        builder = SimpleNamespace(format=builder, name=builder)
        notebooks.execute(SimpleNamespace(config=config, srcdir=self.root, builder=builder), env, list(self.names))
        return self.order


@pytest.fixture
def runner(tmp_path, monkeypatch):
    return Runner(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site; BOOK_SITE names another than that of this book."""
    html = Path(os.environ.get("BOOK_SITE", ROOT / "_build" / "html"))
    if not (html / "book" / "index.html").exists():
        pytest.fail("build the book first: jupyter-book build . -W --all -n --keep-going")
    return html


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; without it a test is skipped, and in CI it fails."""
    with chromium() as found:
        if found is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium on this machine")
        yield found
        found.close()


@contextmanager
def opened(browser: Browser, address: str | None = None, width: int = 1280, height: int = 800, **how) -> Iterator[Page]:
    """A tab with nothing remembered, with the page at an address once it is silent."""
    context = browser.new_context(viewport={"width": width, "height": height}, **how)
    context.set_default_timeout(1000 * LIMIT)
    try:
        tab = context.new_page()
        if address:
            tab.goto(address, wait_until="networkidle")
        yield tab
    finally:
        context.close()


def explorer_html(name: str, data: dict) -> str:
    """A page that holds one explorer, as an output of a notebook would."""
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explorers, "display", lambda output, raw: shown.append(output["text/html"]))
        explorers.show(name, data, plt.figure(), "A still figure.")
    return f"<!doctype html><html><body>{shown[0]}</body></html>"


@contextmanager
def explored(browser: Browser, name: str, data: dict, ready: str) -> Iterator[Page]:
    """A tab with one explorer at a phone's width, as soon as there is what `ready` selects. It must not complain."""
    complaints = []
    with opened(browser, width=375, height=900, reduced_motion="reduce") as tab:
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.set_content(explorer_html(name, data))
        tab.wait_for_selector(ready)
        yield tab
    assert complaints == []
