"""How fast a chapter is on a telephone line: the aims, measured as weight.py does."""

import pytest

from browser import served
from measure.weight import LINE, Packing, weigh


@pytest.fixture(scope="module")
def loads(browser, site):
    """The first load of every chapter."""
    with served(site, Packing) as address:
        chapters = sorted(path.stem for path in (site / "notebooks").glob("*.html"))
        return {chapter: weigh(browser, f"{address}notebooks/{chapter}.html") for chapter in chapters}


def test_a_chapter_loads_at_most_600_kilobytes(loads):
    assert {chapter: load["bytes"] for chapter, load in loads.items() if load["bytes"] > 600_000} == {}


def test_no_script_holds_up_the_first_paint(loads):
    assert {file for load in loads.values() for file in load["blocking"] if ".js" in file} == set()


def test_the_heaviest_chapter_is_painted_within_1_7_seconds(browser, site, loads):
    """On the slow line. The least of three, since other programs of a busy machine only ever add to it."""
    chapter = max(loads, key=lambda name: loads[name]["kinds"]["Document"])
    with served(site, Packing) as address:
        paints = [weigh(browser, f"{address}notebooks/{chapter}.html", LINE)["paint"] for _ in range(3)]
    assert min(paints) <= 1.7


def test_nothing_is_loaded_that_no_page_uses(loads):
    unwanted = ("thebe", "fontawesome", "sphinx-design", "design-tabs", "ui/menu", "tex-chtml")
    assert {
        file for load in loads.values() for file in load["files"] if any(part in file for part in unwanted)
    } == set()
