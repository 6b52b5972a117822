"""A claim stands only if all of its evidence passes and all of its control fails; its record, and the card from it."""

import json
import math
import re

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup

from lab import cards, claims, values

above_one = dict(test=lambda x: x > 1, says="x", control_says="x halved")
GOOD = dict(evidence={0: 2}, control={0: 0}, **above_one)
TOLD = dict(so="In {n} models x is above {low}.", rows=("with x", "control: half of it"), dot="one model")


@pytest.fixture
def shown(monkeypatch):
    """What `settle` displayed."""
    shown = []
    monkeypatch.setattr(claims, "display", lambda data, raw: shown.append(data))
    return shown


def test_shows_a_line_and_leaves_a_record_of_all_runs(shown):
    claims.settle("N1b.weights", evidence={0: 2, 1: np.float64(3)}, control={0: torch.tensor(0.5)}, **above_one)
    [data] = shown
    record = json.loads(json.dumps(data[claims.MIME], allow_nan=False))
    assert data["text/html"] == cards.settled(record)  # the card is made from nothing else
    [[start, end]] = record.pop("passes")
    assert start == pytest.approx(1) and end is None
    assert record == {
        "claim": "N1b.weights",
        "anchor": "claim-n1b-weights",
        "says": "x",
        "evidence": {"0": 2, "1": 3},
        "control_says": "x halved",
        "control": {"0": 0.5},
        "so": None,
        "values": {},
        "rows": None,
        "dot": None,
        "refuted": None,
    }
    assert data["text/plain"] == (
        "x: evidence, 2 to 3 (2 runs); control, 0.5 (1 run). "
        "Control: x halved. Shaded: where the test passes, above 1. N1b.weights"
    )


@pytest.mark.parametrize(
    ("evidence", "control", "error", "refuted"),
    [
        ({"a": 2, "b": 0.25}, {"a": 0}, claims.ClaimRefuted, "N1a: x: b gives 0.25, which fails the test"),
        ({"a": 2}, {"a": 0, "b": 4}, claims.ControlPassed, "N1a: x halved: b gives 4, which passes the test"),
        ({"a": 0}, {"a": 4}, claims.ClaimRefuted, "N1a: x: a gives 0, which fails the test"),
    ],
)
def test_what_does_not_hold_is_named_and_not_shown_but_has_its_record(shown, evidence, control, error, refuted):
    with pytest.raises(error, match=re.escape(refuted)):
        claims.settle("N1a", evidence=evidence, control=control, **above_one)
    assert shown == []
    record = claims.weigh("N1a", evidence=evidence, control=control, **above_one)
    assert record["refuted"] == refuted
    assert record["evidence"] == evidence and record["control"] == control


@pytest.mark.parametrize(
    ("run_values", "text"),
    [
        ({0: 1e-17}, "0 (1 run)"),
        ({0: -0.5, 1: 0.25}, "−0.5 to 0.25 (2 runs)"),
        ({0: 1.0001, 1: 1.0002}, "1 (2 runs)"),
        ({0: 0.0003, 1: 34567.0}, "0.0003 to 34,600 (2 runs)"),
        ({0: -2.5e-7, 1: 1e-6}, "−2.5·10⁻⁷ to 10⁻⁶ (2 runs)"),
    ],
)
def test_spread(run_values, text):
    assert cards.spread(run_values) == text


def broken_below_zero(x):
    return math.log(x) < 1


@pytest.mark.parametrize(
    ("test", "tried", "expected"),
    [
        (lambda x: x > 0.15, [0.3, 0.4, 0.1], [[0.15, None]]),
        (lambda x: x < 1e-9, [0, 1e-16, 0.4], [[None, 1e-9]]),
        (lambda x: abs(x - 1) < 0.06, [1.01, 0.99, 1.2], [[0.94, 1.06]]),
        (lambda x: x < -1 or x > 1, [-3, 5, 0.1], [[None, -1], [1, None]]),
        (lambda x: x == 0, [0, 500], [[0, 0]]),
        (lambda x: x in (2, 3), [2, 3, 7], [[2, 2], [3, 3]]),
        (broken_below_zero, [1, 2, 5], [[0, math.e]]),
        (lambda x: np.log(x) < 1, [1, 2, 5], [[0, math.e]]),  # warns, and gives −inf at 0
        (lambda x: 1e-6 < x, [1e-300, 0.5], [[1e-6, None]]),
        (lambda x: x > 1, [1e300, 0], [[1, None]]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_finds_where_a_test_passes(test, tried, expected):
    found = claims.passing(test, tried)
    assert len(found) == len(expected)
    for interval, wanted in zip(found, expected, strict=True):
        assert interval == [None if edge is None else pytest.approx(edge, rel=1e-9, abs=1e-12) for edge in wanted]


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (lambda x: x > 6, "above 6"),
        (lambda x: x >= 6, "at 6 or above"),
        (lambda x: x < 1e-6, "below 10⁻⁶"),
        (lambda x: x <= 0.3, "at 0.3 or below"),
        (lambda x: abs(x - 2) < 0.3, "between 1.7 and 2.3"),
        (lambda x: x < -0.1 or x > 0.1, "below −0.1 or above 0.1"),
        (lambda x: x == 0, "at 0"),
        (lambda x: True, "everywhere"),
        (lambda x: False, "nowhere"),
    ],
)
def test_says_in_words_where_a_test_passes(test, words):
    assert cards._in_words(claims.passing(test, [-20, 0, 1e-9, 2, 9])) == words


def drawn(test, evidence, control, **words):
    """The record of a claim, its layout and its picture."""
    evidence, control = dict(enumerate(evidence)), dict(enumerate(control))
    record = claims.weigh("N1a", test=test, evidence=evidence, control=control, says="x", control_says="no x", **words)
    return record, cards.layout(record), BeautifulSoup(cards.picture(record), "html.parser").svg


cases = [
    (lambda x: x > 0.15, [0.3, 0.4, 0.35], [0.1, 0.1, -0.2]),
    (lambda x: abs(x - 1) < 0.06, [1.01, 0.99, 0.97], [1.2, 1.3]),
    (lambda x: x > 1e-6, np.linspace(0.01, 1, 25), [0, 1e-300, 1e-40]),
    (lambda x: x < 1e-9, [0, 1e-16], [0.4]),
    (lambda x: x == 0, [0] * 30, [480, 500]),
    (lambda x: x < -1 or x > 1, [-5, 5, 3], [0.1, -0.2]),
    (lambda x: abs(x) < 0.05, [0.01, -0.02], [40, -300]),
    (lambda x: x < -10, [-1e5, -200], [-1, -2]),
    (lambda x: x > 1, [1e300], [-1e300]),
    (lambda x: x > 1, [2], [1]),
    (lambda x: 2 < x < 20, [3, 4], [1]),  # an edge beyond the picture
]


@pytest.mark.parametrize(("test", "evidence", "control"), cases)
def test_a_picture_has_one_mark_for_each_run_and_none_hides_another(test, evidence, control):
    _, layout, svg = drawn(test, evidence, control)
    for row, runs, mark, group in zip(
        (layout.dots, layout.crosses), (evidence, control), ("circle", "path"), svg.select("g.marks"), strict=True
    ):
        assert len(row.marks) == len(group.find_all(mark)) == len(runs)
        places = sorted(row.marks)
        if len({y for _, y in places}) > 1 or len(places) < cards.HIGH:  # else they are too many to be told apart
            assert all(math.dist(a, b) >= 4 - 1e-6 for i, a in enumerate(places) for b in places[:i])
        for x, y in row.marks:
            assert cards.RADIUS <= x <= cards.WIDTH - cards.RADIUS
            assert row.top + cards.RADIUS <= y <= row.bottom - cards.RADIUS <= layout.axis


def test_a_picture_is_low_enough_for_a_card_on_a_phone():
    crowded = [0.01 * n for n in range(cards.HIGH)]
    for evidence, control in ((crowded, [-v for v in crowded]), ([1.0] * 60, [-1.0] * 60), ([1.0], [-1.0])):
        _, layout, svg = drawn(lambda x: x >= 0, [v + 0.5 for v in evidence], [v - 0.5 for v in control])
        assert int(svg["viewbox"].split()[-1]) + 17 <= 130  # with the title of its axis


@pytest.mark.parametrize(("test", "evidence", "control"), cases)
def test_exactly_the_dots_stand_on_the_shaded_ranges(test, evidence, control):
    _, layout, svg = drawn(test, evidence, control)
    shaded = [(float(r["x"]), float(r["x"]) + float(r["width"])) for r in svg.find_all("rect")]
    assert shaded == 2 * [pytest.approx(interval, abs=0.11) for interval in layout.shaded]  # behind either row

    def inside(x):
        return any(a <= x <= b for a, b in layout.shaded)

    assert all(inside(x) for x, _ in layout.dots.marks) and not any(inside(x) for x, _ in layout.crosses.marks)


def test_both_edges_of_a_two_sided_test_are_shown_where_they_belong():
    _, layout, _ = drawn(lambda x: 0.9 < x < 1.1, [0.95, 1.0], [1.3])
    [(left, right)] = layout.shaded
    dots = [x for x, _ in layout.dots.marks]
    per_unit = (dots[1] - dots[0]) / 0.05
    assert left == pytest.approx(dots[1] - 0.1 * per_unit) and right == pytest.approx(dots[1] + 0.1 * per_unit)


@pytest.mark.parametrize(
    ("test", "evidence", "control", "logarithmic"),
    [
        (lambda x: x > 2, [3, 4], [1, 0.5], False),
        (lambda x: x > 2, [3, 400], [1, 0.5], True),
        (lambda x: x < -2, [-3, -400], [-1, -0.5], True),
        (lambda x: x == 0, [0, 0], [480, 520], False),  # counts and zeros have no decades
        (lambda x: x < 1e-9, [0, 0], [480, 520], True),  # but here the edge would be lost
        (lambda x: abs(x) < 0.05, [1e-5, 0.02], [0.4], False),  # how near zero noise comes says nothing
        (lambda x: abs(x) < 0.05, [-0.001, 0.002], [0.5], False),
        (lambda x: abs(x) < 0.05, [0.01, -0.02], [40], True),
    ],
)
def test_the_axis_is_logarithmic_where_values_span_decades(test, evidence, control, logarithmic):
    _, layout, _ = drawn(test, evidence, control)
    values, places = [*evidence, *control], [x for x, _ in [*layout.dots.marks, *layout.crosses.marks]]
    straight = np.corrcoef(values, places)[0, 1] > 0.9999 if len(values) > 2 else None
    assert straight != logarithmic


@pytest.mark.parametrize(("test", "evidence", "control"), cases)
def test_the_ends_are_labelled_and_labels_do_not_touch(test, evidence, control):
    _, layout, svg = drawn(test, evidence, control)
    assert [anchor for _, anchor, _ in layout.labels[:2]] == ["start", "end"]
    assert [label.text for label in svg.find_all("text")] == [
        "evidence",
        "control",
        *(text for *_, text in layout.labels),
    ]
    assert all(0 <= x <= cards.WIDTH for x, _, _ in layout.labels)
    shift = {"start": 0, "middle": 0.5, "end": 1}
    spans = sorted((x - shift[a] * 7 * len(t), x + (1 - shift[a]) * 7 * len(t)) for x, a, t in layout.labels)
    assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:], strict=False)), layout.labels


def test_the_text_alternative_carries_the_finding():
    _, _, svg = drawn(lambda x: 0.9 < x < 1.1, [0.95, 1.0], [1.3, 1.4, 2])
    assert svg["role"] == "img"
    assert svg["aria-label"] == (
        "x: evidence, 0.95 to 1 (2 runs); control, 1.3 to 2 (3 runs). The test passes between 0.9 and 1.1."
    )


def test_a_picture_needs_nothing_from_the_page_and_no_colour_of_its_text():
    text = cards.settled(claims.weigh("N1a", **GOOD))
    assert not re.search(r"\b(black|white|#000|#fff)\b|url\(|<script|href|class=\"(?!claim\"|marks\")", text)
    assert 'fill="currentColor"' in text and 'stroke="currentColor"' in text


@pytest.mark.parametrize("card", [cards.settled, cards.words, lambda record: cards.card(record, "")])
def test_words_are_escaped(card):
    words = {"says": '<b>x</b> & "y"', "control_says": "</div><script>", "so": "<i>So</i>", "dot": "<u>"}
    record = claims.weigh("N1a", **GOOD | words, rows=["<s>", "&amp;"])
    page = BeautifulSoup(card(record), "html.parser")
    assert not page.find("script")
    assert not page.find(["b", "script", "i", "u"]) and all(each in page.text for each in words.values())


def test_the_name_on_a_card_leads_to_its_link():
    page = BeautifulSoup(cards.settled(claims.weigh("N1b.weights", **GOOD), "there.html#x"), "html.parser")
    assert page.div["id"] == "claim-n1b-weights"
    assert page.a["href"] == "there.html#x" and page.a.text == "N1b.weights"


def test_a_card_without_a_picture_says_all_that_it_shows():
    record = claims.weigh("N1a", **GOOD)
    page = BeautifulSoup(cards.words(record), "html.parser")
    assert not page.find("svg")
    assert [line.text for line in page.find_all("div")] == [
        "x: evidence, 2 (1 run); control, 0 (1 run).",
        "Control: x halved. Shaded: where the test passes, above 1. N1a",
    ]


def test_a_card_opens_with_its_conclusion_and_says_what_a_mark_is(monkeypatch):
    monkeypatch.setattr(values, "glue", lambda *_, **__: None)
    run = values.Values()
    run.keep(".1f", low=1)
    record = claims.weigh("N1a", **GOOD, **TOLD, values={"n": "two", "low": run.low})
    assert json.loads(json.dumps(record))["values"] == {"n": "two", "low": "1.0"}
    page = BeautifulSoup(cards.settled(record), "html.parser")
    assert page.div.div.text == "So: In two models x is above 1.0."
    assert [each.text for each in page.select("text")][:2] == ["with x", "control: half of it"]
    assert page.select("div")[-1].text.startswith("One mark: one model. Control: x halved. Shaded:")
    assert page.select_one("svg").find_next_sibling("div").text == "x"  # the title of the axis
    assert cards.plain(record).startswith(
        "So: In two models x is above 1.0. x: with x, 2 (1 run); control: half of it,"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": {"n": "two"}}, r"values must be those that so names, \['low', 'n'\], got \['n'\]"),
        ({"values": {"n": "", "low": "", "more": ""}}, "values must be .*got .*'more'"),
        ({"values": {"n": 0.1 + 0.2, "low": "one"}}, r"values\['n'\] must be a kept value, .*got 0.30000000000000004"),
        ({"so": "word " * 26, "values": {}}, "so must have at most 25 words, got 26"),
        ({"dot": None}, "dot must say what one value is, got None"),
        ({"rows": None}, "rows must be two names.*got None"),
        ({"rows": ("x",)}, "rows must be two names"),
        ({"rows": ("x", "y" * 47)}, "rows must be two names of at most 46 characters"),
    ],
)
def test_refuses_a_conclusion_that_is_not_whole(change, message):
    with pytest.raises(ValueError, match=f"N1a: {message}"):
        claims.weigh("N1a", **GOOD | TOLD | {"values": {"n": "two", "low": "one"}} | change)


@pytest.mark.parametrize("name", ["evidence", "control"])
def test_two_runs_of_one_name_are_refused_as_one_would_hide_the_other(name):
    bad, good = (0, 2) if name == "evidence" else (2, 0)
    with pytest.raises(ValueError, match=f"N1a: {name}\\['3'\\] must not have the name of another run"):
        claims.weigh("N1a", **GOOD | {name: {3: bad, "3": good}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(claim=3), "claim must look like .* got 3"),
        (dict(claim="N1A"), "claim must look like .* got 'N1A'"),
        (dict(claim="N1a."), "claim must look like .* got 'N1a.'"),
        (dict(claim="N1a.Weights"), "claim must look like .* got 'N1a.Weights'"),
        (dict(claim="N١a"), "claim must look like .* got 'N١a'"),
        (dict(evidence={}), "N1a: evidence must map at least one run"),
        (dict(control=[2, 3]), "N1a: control must map at least one run"),
        (dict(test=3), "N1a: test must be a function, got 3"),
        (dict(says=None), "N1a: says must be a string, got None"),
        (dict(control_says=2), "N1a: control_says must be a string, got 2"),
    ],
)
def test_refuses_arguments_of_another_kind(change, message):
    with pytest.raises(ValueError, match=message):
        claims.weigh(**dict(claim="N1a") | GOOD | change)


LARGEST, LEAST = 1.7976931348623157e308, 5e-324


@pytest.mark.parametrize(
    ("test", "evidence", "control"),
    [
        (lambda x: x > 0, [LARGEST], [-LARGEST]),
        (lambda x: x > 1.65e308, [1.7e308, LARGEST], [1.6e308, 1e308]),
        (lambda x: x < 0, [-1.7e308], [0]),
        (lambda x: x > 1e-200, [1.7e308, 1e306], [1e-300]),
        (lambda x: x > 1e302, [LARGEST, 1e306], [1e301]),
        (lambda x: x == 0, [0], [LEAST]),
        (lambda x: x > 0, [LEAST], [0, -LEAST]),
        (lambda x: x <= 1e-299, [1e-299], [math.nextafter(1e-299, 1)]),
        (lambda x: x <= 1, [1.0], [math.nextafter(1, 2)]),
        (lambda x: True, [2, 2], [2]),  # no test of a settled claim, but the picture is drawn all the same
        (lambda x: False, [LARGEST], [LARGEST]),
        (lambda x: True, [LEAST], [LEAST]),
        (lambda x: False, [0], [0]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_extreme_values_have_their_place_in_the_picture(test, evidence, control):
    record, layout, svg = drawn(test, evidence, control)
    assert all(cards.RADIUS <= x <= cards.WIDTH - cards.RADIUS for x, _ in [*layout.dots.marks, *layout.crosses.marks])
    assert all(0 <= x <= cards.WIDTH for x in [*layout.ticks, *(x for x, _, _ in layout.labels)])
    if all(map(test, evidence)) and not any(map(test, control)):
        assert max(abs(a - b) for a, _ in layout.dots.marks for b, _ in layout.crosses.marks) > 5
    assert not re.search(r"\b(nan|inf|None)\b", cards.card(record, "") + str(svg))
