"""A chapter opened in JupyterLab and run reads as it does on the site: values, captions, numbers, explorers, claims."""

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import nbformat
import pytest

import sample
from conftest import LIMIT, ROOT, Book, ended, opened
from test_interruptions import until

VALUE = re.compile(r"\b(?:run|figure)\.\w+")
RAW = re.compile(rf"\{{[a-z:]+\}}`|\.ipynb::|NameError|Traceback|{VALUE.pattern}")


def answers(address: str) -> bool:
    try:
        return urllib.request.urlopen(address, timeout=LIMIT).status == 200
    except URLError:
        return False


@contextmanager
def lab(folder: Path, settings: Path) -> Iterator[str]:
    """The address of a JupyterLab over a folder."""
    program = Path(sys.executable).parent / "jupyter-lab"
    options = "--no-browser --allow-root --port=0 --IdentityProvider.token= --ServerApp.port_retries=0"
    tracker = settings / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    tracker.parent.mkdir(parents=True)
    tracker.write_text('{"windowingMode": "none"}')  # all cells are drawn, not only those in view
    environment = os.environ | {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    environment |= {"JUPYTER_CONFIG_DIR": str(settings), "JUPYTERLAB_SETTINGS_DIR": str(settings / "settings")}
    log = settings / "log"
    with log.open("w") as said:
        server = subprocess.Popen([program, *options.split()], cwd=folder, stderr=said, env=environment)
    try:
        found = lambda: re.search(r"http://(?:localhost|127\.0\.0\.1):\d+/", log.read_text())
        until(lambda: found() or server.poll() is not None)
        assert found(), log.read_text()
        until(lambda: answers(f"{found()[0]}api"))  # it says its address before it listens there
        yield found()[0]
    finally:
        ended(server)


def reads_well(browser, root: Path, name: str, settings: Path) -> None:
    """Run a notebook of the book at `root` and look at what stands there."""
    notebook = nbformat.read(root / "notebooks" / f"{name}.ipynb", as_version=4)
    captions = [c.metadata.mystnb.figure.caption for c in notebook.cells if "figure" in c.metadata.get("mystnb", {})]
    source = "".join(cell.source for cell in notebook.cells)
    prose_source = "".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    with lab(root / "notebooks", settings) as address, opened(browser, width=1200, height=900) as tab:
        tab.goto(f"{address}lab/tree/{name}.ipynb?reset")
        tab.wait_for_selector(".jp-Notebook .jp-CodeCell")
        # run once the text is drawn: what is not drawn yet when it runs is not evaluated
        waiting = {VALUE.match(each)[0] for each in re.findall(r"\{eval\}`([^`]+)`", prose_source)}
        text = lambda: " ".join(tab.locator(".jp-MarkdownCell").all_inner_texts())
        until(lambda: waiting <= set(VALUE.findall(text())))
        until(lambda: "| Idle" in tab.locator("#jp-main-statusbar").inner_text())  # before, nothing would run
        tab.get_by_text("Run", exact=True).first.click()
        tab.get_by_text("Run All Cells", exact=True).click()
        ran = lambda: [p for p in tab.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts() if re.search(r"\d", p)]
        until(lambda: len(ran()) >= len(code) or tab.locator(".jp-RenderedText[data-mime-type*=error]").count())
        until(lambda: not VALUE.search(text()) or "Traceback" in tab.locator(".jp-Notebook").inner_text())
        prose = tab.eval_on_selector_all(".jp-MarkdownCell", "cells => cells.map(c => c.innerText)")
        outputs = tab.eval_on_selector_all(".jp-OutputArea-output", "cells => cells.map(c => c.innerText)")
        explorers = tab.locator(".explorer[data-live]").count()
        claims = tab.locator(".claim svg[role=img]").count()
    assert len(prose) == len(notebook.cells) - len(code)
    raw = [(RAW.search(text)[0], text[:300]) for text in [*prose, *outputs] if RAW.search(text)]
    assert raw == [], raw
    numbers = [found[0] for text in outputs if (found := re.match(r"Figure \d\.\d+\. \S+", text))]
    assert len(numbers) == len(captions) > 0
    assert explorers == source.count("explorers.show(") > 0
    settled = {id for text in outputs for id in re.findall(r"Shaded: .* (N\w+(?:\.[\w-]+)?)$", text, re.M)}
    assert claims == len(settled) > 0


def test_a_notebook_that_has_everything_reads_well_after_it_was_run(browser, tmp_path):
    book = sample.fill(Book(tmp_path / "book"))
    reads_well(browser, book.root, "small", tmp_path / "lab")


@pytest.mark.weekly
def test_a_chapter_reads_well_after_it_was_run(browser, tmp_path):
    book = Book(tmp_path / "book")  # a copy without chapters
    for path in (
        "_toc.yml",
        "book/verdicts.md",
        *(f"notebooks/{p.name}" for p in (ROOT / "notebooks").glob("*.ipynb")),
    ):
        book.write(path, (ROOT / path).read_text(encoding="utf-8"))
    reads_well(browser, book.root, "05_sqrt_n_scaling", tmp_path / "lab")
