"""Explorers in a browser: what they compute is what the chapters' Python computes, by keyboard and by touch.

And what all of them have in common, each with some data.
"""

import pytest
import torch
from scipy import stats

from conftest import explored, explorer_html, opened
from lab import explorers
from lab.chapters import definitions
from lab.explorers import dial

one, two = definitions("01_argmax_vs_multinomial"), definitions("02_other_samplers")
four = definitions("04_beam_search_vs_sampling")


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
    assert tab.locator(".said").inner_text().startswith("Out came:")
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


# What all explorers have in common


def stack() -> dict:
    def case(n: int) -> dict:
        lines = [[0.5**layer for layer in range(n)]] * 3
        return {"size": [[1.0 + layer for layer in range(n + 1)]] * 3, "gradient": lines, "law": lines[0], "alike": 0.5}

    names = [norm + factor for norm in ("Post-LN", "Pre-LN") for factor in ("", ", factor")]
    depths = {kind: {name: {n: case(n) for n in (6, 12)} for name in names} for kind in ("one", "two")}
    return depths | {"steps": [0, 5, 130], "training": {name: [case(6)] * 3 for name in names}}


def gains() -> dict:
    rates = ["0.0005", "0.001", "0.002", "0.004", "0.008"]
    cell = {"ends": [-0.31, 0.25, 0.12], "curves": [[-0.5, 0.31]] * 3}
    rows = [
        {"block": block, "warm": warm, "cells": [cell] * len(rates)}
        for block in ("Post-LN", "Pre-LN")
        for warm in (False, True)
    ]
    ends = {"bigram": 0.65, "stuck": 0.06, "low": -0.75, "high": 0.75, "start": [0, 1]}
    return ends | {"rates": rates, "steps": [20, 240], "n_step": 240, "rows": rows}


def runs() -> dict:
    updates = list(range(0, 131, 10))
    measure = {"name": "added by a branch, in streams", "log": True, "low": 0.1, "high": 1000, "ticks": [0.1, 1000]}
    values = [1.5**i for i in range(len(updates))]
    names = {"Post-LN": "orange", "Post-LN, warm-up": "purple", "Pre-LN": "blue"}
    arms = [{"name": name, "color": color, "runs": [[values] * 4]} for name, color in names.items()]
    return {"updates": updates, "measures": [measure] * 4, "arms": arms}


def sums() -> dict:
    depths = (2, 12, 48)
    sizes = {kind: [[1.0 + 20 * i for i in range(n + 1)] for n in depths] for kind in ("plain", "scaled")}
    trained = {kind: [1.0 + i for i in range(13)] for kind in ("plain", "scaled")}
    return {"depths": depths, "fresh": {"apart": sizes, "copies": sizes}, "trained": trained, "steps": 20}


class LongWords:
    def decode(self, i) -> str:
        return f" unbelievably{int(i)}"


def words() -> dict:
    contexts = [
        dial.context(text, scale * torch.randn(5000, generator=torch.Generator().manual_seed(2)), LongWords())
        for text, scale in (("The capital of France is", 4.0), ("The old man looked at the", 1.5))
    ]
    return {"contexts": contexts, "samplers": ["top-k", "top-p", "min-p", "typical"]}


def texts() -> dict:
    return four.tree_data(four.TinyModel(3, 3, seed=9406, end=2), "ab■", 3, 2)


DATA = {"dial": words, "tree": texts, "sum": sums, "stack": stack, "map": gains, "map, inside": runs}
PICTURE = ".explorer svg[aria-label]"


@pytest.fixture(scope="module", params=DATA)
def page(request, tmp_path_factory) -> str:
    """The address of a page with one explorer between long texts, by which it is scrolled."""
    html = explorer_html(request.param.split(",")[0], DATA[request.param]())
    text = "<p style='height: 300px'>Words.</p>"
    file = tmp_path_factory.mktemp("explorer") / "page.html"
    head = "<meta charset=utf-8><meta name=viewport content='width=device-width, initial-scale=1'><style>body { font-family: sans-serif }</style>"
    html = html.replace("<html>", f"<html lang=en><head>{head}<title>x</title></head>")
    file.write_text(html.replace("<body>", f"<body>{text}").replace("</body>", 4 * text + "</body>"), encoding="utf-8")
    return file.as_uri()


def test_every_explorer_is_seen():
    assert {name.split(",")[0] for name in DATA} == set(explorers.NAMES)


def test_every_script_is_small():
    base = (explorers.FOLDER / "base.js").stat().st_size
    assert all(base + (explorers.FOLDER / f"{name}.js").stat().st_size < 30_000 for name in explorers.NAMES)


# How often what is read out by itself has changed, from the first moment on
COUNT = """window.announced = 0;
new MutationObserver((changes) => changes.forEach(({ target }) => {
  if ((target.closest ? target : target.parentElement)?.closest("[aria-live], [role=status], output")) announced += 1;
})).observe(document, { childList: true, characterData: true, subtree: true })"""


# From one end to the other, by way of all between
DRAG = """(input) => {
  const [least, now, most] = [input.min, input.value, input.max].map(Number), end = now > least ? least : most;
  for (let i = 0; i <= 50; i += 1) {
    input.value = now + ((end - now) * i) / 50;
    input.dispatchEvent(new Event("input"));
  }
}"""


def test_an_explorer_is_a_named_group_and_says_each_value_once(browser, page):
    with opened(browser, page) as tab:
        tree = tab.context.new_cdp_session(tab).send("Accessibility.getFullAXTree")["nodes"]
        found = [(node["role"]["value"], node["name"]["value"]) for node in tree if "name" in node]
        assert [name for role, name in found if role == "group"][0]
        sliders = [name for role, name in found if role == "slider"]
        assert len(sliders) == tab.get_by_role("slider").count()
        for name, slider in zip(sliders, tab.get_by_role("slider").all(), strict=True):
            value = slider.get_attribute("aria-valuetext")
            assert value and not name.endswith(f" {value}") and name.endswith(":"), name
            assert slider.locator("xpath=..").inner_text().strip() == f"{name} {value}"  # what is seen


def test_a_change_is_told_once_when_nothing_moves_any_more(browser, page):
    with opened(browser) as tab:
        tab.add_init_script(COUNT)
        tab.goto(page)
        tab.wait_for_selector(PICTURE)
        tab.wait_for_timeout(600)
        assert tab.evaluate("announced") == 0  # nothing has changed
        told = tab.get_by_role("status")
        assert told.count() == 1 and told.inner_text() == tab.locator(".said").text_content()
        before = told.inner_text()
        slider = tab.locator("input[type=range]:visible")
        slider.last.evaluate(DRAG) if slider.count() else tab.locator(".explorer button").last.press("Enter")
        tab.wait_for_function("announced > 0")
        tab.wait_for_timeout(600)
        assert tab.evaluate("announced") == 1
        assert told.inner_text() == tab.locator(".said").text_content() != before


STATE = """() => ({
  controls: [...document.querySelectorAll(".explorer input")].map((input) => (input.type === "range" ? input.value : input.checked)),
  said: [...document.querySelectorAll(".explorer input[type=range]")].map((input) => input.getAttribute("aria-valuetext")),
  picture: document.querySelector(".explorer svg[aria-label]").getAttribute("aria-label"),
})"""
AGAIN = """() => {
  for (const input of document.querySelectorAll(".explorer input")) {
    if (input.type === "range") input.dispatchEvent(new Event("input"));
    else if (input.checked) input.dispatchEvent(new Event("change"));
  }
}"""


@pytest.mark.parametrize("leave", ["reload", "back"])
def test_the_picture_is_that_of_the_controls_also_on_a_page_that_was_left(browser, page, leave):
    with opened(browser, page) as tab:
        for radio in tab.get_by_role("radio").all():
            radio.check(force=True)
        for slider in tab.locator("input[type=range]:visible").all():
            slider.press("End")
            slider.press("ArrowLeft")
        if leave == "reload":
            tab.reload(wait_until="networkidle")
        else:
            tab.goto("about:blank")
            tab.go_back(wait_until="networkidle")
        tab.wait_for_selector(PICTURE)
        found = tab.evaluate(STATE)
        tab.evaluate(AGAIN)  # what the controls are set to, said again, changes nothing
        assert tab.evaluate(STATE) == found


# WCAG 1.4.12
SPACED = """* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important }
p { margin-bottom: 2em !important }"""
OVER = """() => {
  const explorer = document.querySelector(".explorer"), box = explorer.getBoundingClientRect(), found = [];
  const out = (inner, outer) => inner.width && (inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1);
  for (const part of explorer.querySelectorAll(":is(button, th, label, legend, p, output, text):not(.spoken)")) {
    const words = new Range();
    words.selectNodeContents(part);
    const cuts = part.ownerSVGElement && getComputedStyle(part.ownerSVGElement).overflow !== "visible";
    const room = part.matches("button, th") ? part.getBoundingClientRect() : cuts ? part.ownerSVGElement.getBoundingClientRect() : box;
    const scrolls = [...document.querySelectorAll(".explorer [style*=overflow]")].some((each) => each.contains(part));
    if (out(words.getBoundingClientRect(), room) || (!scrolls && out(room, box))) found.push([part.tagName, part.textContent]);
  }
  return found;
}"""


@pytest.mark.parametrize("width", [320, 375])
@pytest.mark.parametrize("style", [SPACED, "p {}"], ids=["spaced", "as it is"])
def test_no_word_is_cut(browser, page, width, style):
    with opened(browser, page, width=width, reduced_motion="reduce") as tab:
        tab.add_style_tag(content=style)
        found = []
        for radio in [None, *tab.get_by_role("radio").all()]:
            if radio:
                radio.check(force=True)
            found += tab.evaluate(OVER)
            for button in tab.locator(".explorer button").all():
                button.click()
                found += tab.evaluate(OVER)
        assert found == []


# How long the page is busy with each slider at its end and each button, in milliseconds
BUSY = """() => [...document.querySelectorAll(".explorer :is(input[type=range], button)")].map((control) => {
  const start = performance.now();
  if (control.type === "range") {
    control.value = control.max;
    control.dispatchEvent(new Event("input"));
  } else control.click();
  document.querySelector(".explorer").getBoundingClientRect();
  return [performance.now() - start, (control.labels?.[0] ?? control).textContent];
})"""


def test_every_control_answers_within_a_tenth_of_a_second_on_a_phone(browser, page):
    with opened(browser, page, width=375, reduced_motion="reduce") as tab:
        tab.context.new_cdp_session(tab).send("Emulation.setCPUThrottlingRate", {"rate": 6})
        for radio in [None, *tab.get_by_role("radio").all()]:
            if radio:
                radio.check(force=True)
            times = zip(*(tab.evaluate(BUSY) for _ in range(5)), strict=True)
            assert [min(each) for each in times if min(each)[0] > 100] == []  # other programs only ever add to it


def test_a_swipe_upwards_scrolls_and_one_sideways_or_a_tap_moves_the_slider(browser, page):
    with opened(browser, page, width=375, height=600, has_touch=True, is_mobile=True) as tab:
        slider = tab.locator("input[type=range]:visible")
        if not slider.count():
            return  # as the map
        slider = slider.last
        touch = tab.context.new_cdp_session(tab)

        def swipe(x: float, y: float, start: float = 0.3) -> tuple[str, int]:
            """The slider's value after a swipe by (x, y) begun on it, and how often the picture was drawn during it."""
            slider.evaluate("e => e.scrollIntoView({ block: 'center' })")
            box = slider.bounding_box()
            left, top = box["x"] + start * box["width"], box["y"] + box["height"] / 2
            tab.evaluate(
                "() => { window.drawn = 0; new MutationObserver(() => (drawn += 1)).observe("
                "document.querySelector('.explorer svg[aria-label]'), { attributes: true }) }"
            )
            send = lambda kind, *points: touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
            send("touchStart", {"x": left, "y": top})
            for i in range(1, 11) if x or y else ():
                send("touchMove", {"x": left + i * x / 10, "y": top + i * y / 10})
            send("touchEnd")
            tab.wait_for_timeout(200)
            return slider.input_value(), tab.evaluate("drawn")

        first, end = slider.input_value(), slider.get_attribute("max")
        where = "document.scrollingElement.scrollTop"
        slider.evaluate("e => e.scrollIntoView({ block: 'center' })")
        scrolled = tab.evaluate(where)
        assert swipe(0, -150, start=0.8) == (first, 0)
        assert tab.evaluate(where) > scrolled + 50
        assert swipe(400, 0)[0] == end
        tapped, drawn = swipe(0, 0)
        assert drawn and float(tapped) < float(end)


def test_with_the_readers_own_colours_what_is_chosen_and_what_a_colour_means_are_seen(browser, page):
    with opened(browser, page, width=375, forced_colors="active", color_scheme="dark") as tab:
        grounds = "all => [...new Set(all.map((e) => getComputedStyle(e).backgroundColor))]"
        for chosen, others in (
            ("input:checked + span", "input:not(:checked) + span"),
            ("button[aria-pressed=true]", "button[aria-pressed=false]"),
        ):
            ours, theirs = (tab.eval_on_selector_all(f".explorer {each}", grounds) for each in (chosen, others))
            assert not set(ours) & set(theirs)
        for colored in (".key span", "svg text[style*='--']"):
            meant = tab.eval_on_selector_all(
                f".explorer {colored}",
                """all => all.filter((e) => /--(blue|orange|purple|green)/.test(e.getAttribute("style"))).map(
                  (e) => [getComputedStyle(e)[e.tagName === "text" ? "fill" : "color"], e.getAttribute("style").match(/--\\w+/)[0]])""",
            )
            assert len({color for color, _ in meant}) == len({name for _, name in meant})
