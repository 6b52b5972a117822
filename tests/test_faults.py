"""The planted faults can be planted: each edit hits one place, and what it leaves is Python."""

import shutil
from collections import Counter
from pathlib import Path

import nbformat
import pytest

from conftest import ROOT
from lab import contents
from proof import faults


def sources(path: Path) -> set[str]:
    """The code of a notebook by cells, or of a module."""
    if path.suffix == ".py":
        return {path.read_text(encoding="utf-8")}
    return {cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"}


@pytest.mark.parametrize("name", faults.FAULTS)
def test_a_fault_edits_one_place_and_leaves_python(tmp_path, name):
    fault = faults.FAULTS[name]
    path, planted = ROOT / "notebooks" / fault.file, tmp_path / "notebooks" / fault.file
    planted.parent.mkdir(parents=True)
    shutil.copy(path, planted)
    faults.plant(tmp_path, fault)
    (faulty,) = sources(planted) - sources(path)
    compile(faulty, fault.file, "exec")


@pytest.mark.parametrize("file", ["05_sqrt_n_scaling.ipynb", "lab/training.py"])
@pytest.mark.parametrize("right", ["no such source", "return"])
def test_an_edit_that_hits_no_place_or_several_is_refused(file, right):
    with pytest.raises(ValueError, match=f"right must occur once in {file}, got '{right}'"):
        faults.plant(ROOT, faults.Fault("05_sqrt_n_scaling", file, right, ""))


def test_what_is_said_of_a_fault_is_said_of_one_that_is_there_and_so_are_its_tests():
    assert {*faults.NOT_MEASURED, *faults.SURVIVES} <= set(faults.FAULTS)
    assert all((ROOT / "tests" / name).exists() for fault in faults.FAULTS.values() for name in faults.tests_of(fault))


def test_every_chapter_has_its_faults_and_lab_too():
    chapters = Counter(fault.chapter for fault in faults.FAULTS.values())
    assert list(chapters) == contents.chapters()
    assert min(chapters.values()) >= 5 and chapters.total() >= 60
    assert any(fault.file.startswith("lab/") for fault in faults.FAULTS.values())
