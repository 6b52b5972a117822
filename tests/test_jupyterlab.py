"""A chapter opened in JupyterLab and run reads as it does on the site: values, captions, numbers, explorers, claims."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT

CHAPTER = "05_sqrt_n_scaling"  # needs no language model, and has all that a chapter can have
VALUE = re.compile(r"\b(?:run|figure)\.\w+")
RAW = re.compile(rf"\{{[a-z:]+\}}`|\.ipynb::|NameError|Traceback|{VALUE.pattern}")


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab over a copy of the notebooks."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    program = Path(sys.executable).parent / "jupyter-lab"
    options = "--no-browser --allow-root --port=0 --IdentityProvider.token= --ServerApp.port_retries=0"
    log = (tmp_path / "log").open("w+")
    settings = tmp_path / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')  # all cells are drawn, not only those in view
    environment = os.environ | {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
    environment |= {"JUPYTER_CONFIG_DIR": str(tmp_path), "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings")}
    server = subprocess.Popen([program, *options.split()], cwd=tmp_path / "notebooks", stderr=log, env=environment)
    try:
        for _ in range(600):
            found = re.search(r"http://(?:localhost|127\.0\.0\.1):\d+/", (tmp_path / "log").read_text())
            if found:
                break
            time.sleep(0.1)
        address = found[0]
        urllib.request.urlopen(f"{address}api", timeout=60)
        yield address
    finally:
        server.terminate()
        server.wait()


def test_a_chapter_reads_well_after_it_was_run(lab, browser):
    notebook = nbformat.read(ROOT / "notebooks" / f"{CHAPTER}.ipynb", as_version=4)
    captions = [c.metadata.mystnb.figure.caption for c in notebook.cells if "figure" in c.metadata.get("mystnb", {})]
    tab = browser.new_page(viewport={"width": 1200, "height": 900})
    tab.goto(f"{lab}lab/tree/{CHAPTER}.ipynb?reset")
    tab.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=120_000)
    # run once the text is drawn: what is not drawn yet when it runs is not evaluated
    waiting = len(set(re.findall(r"\{eval\}`([^`]+)`", "".join(cell.source for cell in notebook.cells))))
    for _ in range(240):
        if len(set(VALUE.findall(" ".join(tab.locator(".jp-MarkdownCell").all_inner_texts())))) >= waiting:
            break
        tab.wait_for_timeout(1000)
    tab.get_by_text("Run", exact=True).first.click()
    tab.get_by_text("Run All Cells", exact=True).click()
    last = tab.locator(".jp-CodeCell .jp-InputPrompt").last
    for _ in range(900):
        if re.search(r"\[\d+\]", last.inner_text()):
            break
        tab.wait_for_timeout(1000)
    tab.wait_for_timeout(5000)
    prose = tab.eval_on_selector_all(".jp-MarkdownCell", "cells => cells.map(c => c.innerText)")
    outputs = tab.eval_on_selector_all(".jp-OutputArea-output", "cells => cells.map(c => c.innerText)")
    explorers = tab.locator(".explorer[data-live]").count()
    claims = tab.locator(".claim svg[role=img]").count()
    assert len(prose) > 10
    assert [text for text in prose + outputs if RAW.search(text)] == []
    numbers = [found[0] for text in outputs if (found := re.match(r"Figure 5\.\d+\. \S+", text))]
    assert len(numbers) == len(captions)
    source = "".join(cell.source for cell in notebook.cells)
    assert explorers == source.count("explorers.show(")
    assert claims == source.count("claims.settle(")
