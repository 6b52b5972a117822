"""Every chapter keeps the anatomy of a page: an answer at once, a picture within two screens, a path of ten minutes."""

import pytest

from browser import served
from measure.anatomy import WIDTHS, table

FINISHED = [
    "01_argmax_vs_multinomial",
    "02_other_samplers",
    "03_pointer_networks",
    "04_beam_search_vs_sampling",
    "05_sqrt_n_scaling",
    "06_pre_ln_vs_post_ln",
    "07_warmup_and_radam",
    "08_going_deep",
    "09_late_layers",
]


@pytest.fixture(scope="module")
def anatomy(site, browser):
    with served(site) as address:
        return {width: table(browser, address, FINISHED, width) for width in WIDTHS}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("chapter", FINISHED)
def test_a_chapter_keeps_its_shape(anatomy, chapter, width):
    page = anatomy[width][chapter]
    assert page["short_answer"] <= 60
    assert page["screens_to_figure"] < 2
    assert page["path"] <= 1500
    assert page["words"] <= 3500
    assert page["cut"] == 0
    if width == 1280:
        assert page["open_code"] <= 0.2
