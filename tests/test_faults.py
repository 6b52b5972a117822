"""The planted faults can be planted: each edit hits one place, and what it leaves is Python."""

import shutil
from collections import Counter

import faults
import nbformat
import pytest
from conftest import ROOT
from IPython.core.inputtransformer2 import TransformerManager


@pytest.mark.parametrize("name", faults.FAULTS)
def test_a_fault_edits_one_place_and_leaves_python(tmp_path, name):
    fault = faults.FAULTS[name]
    path = tmp_path / "notebooks" / fault.file
    path.parent.mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / fault.file, path)
    before = path.read_bytes()
    faults.plant(tmp_path, fault)
    assert path.read_bytes() != before
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        sources = [TransformerManager().transform_cell(cell.source) for cell in cells if cell.cell_type == "code"]
    else:
        sources = [path.read_text(encoding="utf-8")]
    for source in sources:
        compile(source, fault.file, "exec")


def test_every_chapter_has_its_faults_and_lab_too():
    chapters = Counter(fault.chapter for fault in faults.FAULTS.values())
    assert set(chapters) == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert min(chapters.values()) >= 5 and chapters.total() >= 60
    assert any(fault.file.startswith("lab/") for fault in faults.FAULTS.values())
