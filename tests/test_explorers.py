"""Explorers in a browser: what they compute is what the chapters' Python computes, by keyboard and by touch."""

import pytest
import torch
from scipy import stats

from conftest import explored, explorer_html, opened
from lab.chapters import definitions
from lab.explorers import dial

one, two = definitions("01_argmax_vs_multinomial"), definitions("02_other_samplers")


class Words:
    """A tokenizer whose tokens are their own numbers."""

    def decode(self, i) -> str:
        return f" w{int(i)}"


@pytest.fixture
def dialled(browser):
    """A page with the dial, and the logits behind it: one peaked context, one flat, of 5,000 tokens."""
    random = torch.Generator().manual_seed(0)
    logits = [scale * torch.randn(5000, generator=random) for scale in (4.0, 1.5)]
    contexts = [dial.context(text, z, Words()) for text, z in zip(("peaked", "flat"), logits, strict=True)]
    data = {"contexts": contexts, "samplers": ["top-k", "top-p", "min-p", "typical"]}
    with explored(browser, "dial", data, ready="[data-row]") as tab:
        yield tab, logits


def rows(tab, name: str) -> torch.Tensor:
    """A number of each row of the dial."""
    found = tab.eval_on_selector_all("[data-row]", f"rows => rows.map(row => Number(row.dataset.{name}))")
    return torch.tensor(found, dtype=torch.float64)


def slide(tab, label: str, value: float) -> None:
    tab.get_by_role("slider", name=f"{label}:").last.evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')) }", value
    )


def by_row(probs: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Probabilities (V,) of the eight likeliest tokens, and of all others together."""
    top = probs[logits.argsort(descending=True)[:8]]
    return torch.cat([top, 1 - top.sum(0, keepdim=True)])


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("temperature", [0, 0.5, 1, 2, 3])
def test_the_dial_says_what_softmax_says(dialled, which, temperature):
    tab, logits = dialled
    tab.get_by_role("radio", name=("peaked …", "flat …")[which]).check()
    slide(tab, "Temperature", temperature)
    z = logits[which].double()
    probs = (z / temperature).softmax(-1) if temperature else (z == z.max()).double()
    assert (rows(tab, "probability") - by_row(probs, z)).abs().max() < 1e-3


def test_a_thousand_draws_of_the_dial_fit_the_model(dialled):
    tab, logits = dialled
    tab.get_by_role("radio", name="peaked …").check()
    tab.get_by_role("button", name="Clear").click()
    for _ in range(5):
        tab.get_by_text("Draw 1,000").click()
    counts = rows(tab, "count")
    assert counts.sum() == 5000
    expected = by_row(logits[0].double().softmax(-1), logits[0])
    assert stats.chisquare(counts, 5000 * expected / expected.sum()).pvalue > 1e-6
    slide(tab, "Temperature", 2)
    tab.get_by_text("Draw 1,000").click()
    assert stats.chisquare(rows(tab, "count"), 1000 * expected / expected.sum()).pvalue < 1e-6


@pytest.mark.parametrize(
    ("sampler", "label", "setting", "keep"),
    [
        ("top-k", "k", 5, lambda z: two.top_k(z, 5)),
        ("top-p", "p", 0.5, lambda z: one.nucleus(z, 0.5)),
        ("top-p", "p", 1.0, lambda z: one.nucleus(z, 1.0)),
        ("min-p", "share of the likeliest", 0.1, lambda z: two.min_p(z, 0.1)),
        ("typical", "p", 0.5, lambda z: two.typical(z, 0.5)),
    ],
)
@pytest.mark.parametrize("which", [0, 1])
def test_the_dial_keeps_what_the_samplers_keep(dialled, which, sampler, label, setting, keep):
    tab, logits = dialled
    tab.get_by_role("radio", name=("peaked …", "flat …")[which]).check()
    tab.get_by_role("radio", name=sampler).check()
    slide(tab, label, setting)
    kept = keep(logits[which][None].double())[0]
    number, expected = rows(tab, "kept").sum(), (kept > -torch.inf).sum()
    assert abs(number - expected) <= 0.03 * expected  # of tokens beyond the fortieth only bins are known
    assert (rows(tab, "probability") - by_row(kept.softmax(-1), logits[which])).abs().max() < 0.01


def test_the_dial_moves_by_keyboard_and_says_so(dialled):
    tab, _ = dialled
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.type") == "radio"
    tab.keyboard.press("ArrowRight")
    assert tab.get_by_role("radio", name="flat …").is_checked()
    tab.keyboard.press("Tab")
    for _ in range(20):
        tab.keyboard.press("ArrowLeft")
    assert tab.get_by_role("slider", name="Temperature").get_attribute("aria-valuetext") == "0, the argmax"
    assert rows(tab, "probability")[0] == 1
    tab.get_by_role("button", name="Draw once").press("Enter")
    assert tab.get_by_role("status").inner_text().startswith("Out came:")
    assert "100.0 %" in tab.locator("svg[role=img]").get_attribute("aria-label")


def test_the_dial_answers_to_touch_and_without_scripts_its_still_stands(browser):
    logits = torch.randn(100, generator=torch.Generator().manual_seed(1))
    html = explorer_html("dial", {"contexts": [dial.context("one", logits, Words())]})
    with opened(browser, width=375, has_touch=True) as tab:
        tab.set_content(html)
        tab.get_by_text("Argmax").tap()
        assert rows(tab, "count").tolist() == [1] + 8 * [0]
    with opened(browser, java_script_enabled=False) as tab:
        tab.set_content(html)
        assert tab.get_by_alt_text("A still figure.").is_visible()


@pytest.mark.parametrize("bad", [torch.zeros(3, 50), torch.zeros(40), torch.full((50,), torch.nan)])
def test_the_dial_refuses_logits_that_are_none(bad):
    with pytest.raises(ValueError, match="logits"):
        dial.context("text", bad, Words())
