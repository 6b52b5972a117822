"""Samplers, searches and pointers on any size, tie, -inf pattern and precision: a valid result, or a named refusal."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.chapters import definitions

NAMES = ("01_argmax_vs_multinomial", "02_other_samplers", "03_pointer_networks", "04_beam_search_vs_sampling")
chapter_1, chapter_2, chapter_3, chapter_4 = map(definitions, NAMES)
HALVES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
EXTREMES = [0.0, 1.0, -1.0, 6e4, -6e4, 1e-7, -math.inf, -math.inf]  # often equal, often impossible


@st.composite
def logits(draw):
    """Rows (B, V) of any precision, extreme and tied; some have no possible token, or a NaN or +inf."""
    shape = draw(st.tuples(st.integers(0, 3), st.integers(0, 6)))
    odd = draw(st.sampled_from([None, None, None, math.nan, math.inf]))
    values = st.sampled_from([*EXTREMES, *([odd] if odd else [])])
    size = math.prod(shape)
    numbers = draw(st.lists(values, min_size=size, max_size=size))
    return torch.tensor(numbers, dtype=draw(st.sampled_from(HALVES))).view(shape)


def good(z):
    return z.numel() > 0 and not z.isnan().any() and bool(z.amax(-1).isfinite().all())


def seeded():
    return torch.Generator().manual_seed(0)


PICK = {
    "argmax": chapter_1.argmax,
    "multinomial": lambda z: chapter_1.multinomial(z, seeded()),
    "inverse_cdf": lambda z: chapter_1.inverse_cdf(z, seeded()),
    "gumbel_max": lambda z: chapter_1.gumbel_max(z, seeded()),
    "gumbel_top_k": lambda z: chapter_2.gumbel_top_k(z, 1, seeded())[:, 0],
    "speculative": lambda z: chapter_4.speculative(z, z, seeded())[0],
}
KEEP = {
    "top_p": lambda z: chapter_1.nucleus(z, 0.7),
    "temperature": lambda z: chapter_2.temperature(z, 0.5),
    "top_k": lambda z: chapter_2.top_k(z, 2),
    "min_p": lambda z: chapter_2.min_p(z, 0.2),
    "typical": lambda z: chapter_2.typical(z, 0.7),
}


@pytest.mark.parametrize("name", [*PICK, *KEEP])
@given(z=logits())
def test_something_possible_is_picked_or_kept_or_the_logits_are_refused(name, z):
    rule = (PICK | KEEP)[name]
    if not good(z):
        with pytest.raises(ValueError, match="logits must|target must"):
            rule(z)
    elif name in PICK:
        picked = rule(z)
        assert picked.shape == z.shape[:1] and picked.dtype == torch.int64
        assert (z.gather(1, picked[:, None]) > -math.inf).all()
    else:
        left = rule(z)
        assert left.shape == z.shape and not left.isnan().any()
        assert (left > -math.inf).any(-1).all()
        assert (left[z == -math.inf] == -math.inf).all()


@given(rows=logits().filter(good), other=st.data())
def test_speculative_draws_follow_the_target_whatever_the_draft(rows, other):
    size = rows.shape[1]
    values = st.lists(st.sampled_from(EXTREMES), min_size=size, max_size=size)
    target, draft = rows[0], torch.tensor(other.draw(values.filter(lambda each: max(each) > -math.inf)))
    both = [each.expand(1000, -1) for each in (target, draft)]
    tokens, accepted = chapter_4.speculative(*both, seeded())
    counts = tokens.bincount(minlength=size).numpy()
    assert chapter_2.p_value(counts, target.double().softmax(-1).numpy()) > 1e-6
    assert (draft[tokens[accepted]] > -math.inf).all()
    assert accepted.all() or not torch.equal(*(each.double().softmax(-1) for each in (target, draft)))


START = torch.empty(1, 0, dtype=torch.int64)


@st.composite
def tables(draw):
    """A model that looks its rows up, with ties and impossible tokens; its length, its end, and log P of its texts."""
    n_tokens, length = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    end = draw(st.integers(-1, n_tokens - 1))
    row = st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.5, -9.0, -math.inf]), min_size=n_tokens, max_size=n_tokens)
    row = row.filter(lambda each: max(each) > -math.inf)
    prefixes = [p for n in range(length) for p in itertools.product(range(n_tokens), repeat=n)]
    rows = draw(st.lists(row, min_size=len(prefixes), max_size=len(prefixes)))
    rows = torch.tensor(rows).log_softmax(-1).to(draw(st.sampled_from(HALVES)))
    place = {prefix: at for at, prefix in enumerate(prefixes)}

    def exhaust(prefix, total):
        if total > -math.inf and (len(prefix) == length or prefix[-1:] == (end,)):
            return {prefix: total}
        children = enumerate(rows[place[prefix]].tolist()) if total > -math.inf else ()
        return {
            text: sum_ for token, step in children for text, sum_ in exhaust((*prefix, token), total + step).items()
        }

    return lambda given: rows[[place[tuple(each)] for each in given.tolist()]], length, end, exhaust((), 0.0)


@given(table=tables(), width=st.integers(1, 6), penalty=st.sampled_from([-1.0, 0.0, 0.7, 2]))
def test_a_beam_is_sorted_and_distinct_and_its_scores_are_sums(table, width, penalty):
    model, length, end, exact = table
    found = chapter_4.beam_search(model, START, width, length, end, penalty)[0]
    assert 1 <= len(found) <= width and len({each.tokens for each in found}) == len(found)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    for each in found:
        assert each.log_prob == pytest.approx(exact[each.tokens], abs=1e-5)  # and so it is a whole text
        assert each.score == pytest.approx(each.log_prob / len(each.tokens) ** penalty)


@given(table=tables(), penalty=st.sampled_from([-1.0, 0.0, 0.7, 2]))
def test_wide_beams_with_noise_or_without_and_the_exact_search_exhaust(table, penalty):
    model, length, end, exact = table
    widest = chapter_4.beam_search(model, START, 28, length, end, penalty)[0]
    assert {each.tokens for each in widest} == set(exact)
    best = chapter_4.exact_search(model, START, length, end)
    assert best.log_prob == pytest.approx(max(exact.values()), abs=1e-5)
    assert best.log_prob == pytest.approx(exact[best.tokens], abs=1e-5)
    assert chapter_4.exact_search(model, START, length, end, best.log_prob) == best
    assert chapter_4.exact_search(model, START, length, end, best.log_prob + 1e-4) is None


@given(table=tables(), k=st.integers(1, 28))
def test_a_beam_with_noise_draws_different_whole_texts(table, k):
    model, length, end, exact = table
    filled = {text + (end,) * (length - len(text)): total for text, total in exact.items()}
    for texts, log_probs in zip(*chapter_4.stochastic_beam_search(model, k, length, seeded(), 3, end), strict=True):
        possible = log_probs > -math.inf
        drawn = list(map(tuple, texts[possible].tolist()))
        assert len(set(drawn)) == len(drawn) == min(k, len(exact))
        assert log_probs[possible].tolist() == pytest.approx([filled[text] for text in drawn], abs=1e-5)


MAKE = {"pointer": chapter_3.PointerNetwork, "places": chapter_3.ToldPlaces, "list": chapter_3.FixedList}


@given(
    head=st.sampled_from(list(MAKE)),
    n=st.integers(1, 5),
    n_set=st.integers(1, 3),
    seed=st.integers(0, 99),
    sure=st.sampled_from([1, 30, 1000]),
)
def test_pointers_name_items_until_the_mark_and_visit_each_city_once(head, n, n_set, seed, sure):
    torch.manual_seed(seed)
    net, x = MAKE[head](2, d_model=8).double().requires_grad_(False), torch.rand(n_set, n, 2).double()
    for weight in net.pointing.v.parameters():
        weight.mul_(sure)  # some steps certain, up to underflow
    drawn = chapter_3.answer(net, x, chapter_1.multinomial, seeded(), times=2)
    assert drawn.shape == (2 * n_set, n + 1)
    greedy, beams = chapter_3.answer(net, x, chapter_3.greedily), chapter_3.beam(net, x, 3)
    found = torch.cat([drawn, greedy, chapter_3.best(beams, n)])
    assert 0 <= found.min() and found.max() <= (n if head != "list" else 20)
    assert (found[chapter_3.ended(found)] == chapter_3.MARK).all()
    costs = chapter_3.surprisal(net, x, chapter_3.best(beams, n)).tolist()
    assert [-each[0].log_prob for each in beams] == pytest.approx(costs, abs=1e-4)
    assert torch.equal(chapter_3.best(chapter_3.beam(net, x, 1), n), greedy)
    if head != "list":
        order, log_prob = chapter_3.tour(net, x, chapter_1.multinomial, seeded())
        assert torch.equal(order.sort(1).values, torch.arange(n).expand(n_set, -1))
        assert log_prob.isfinite().all() and (log_prob <= 0).all()
        shortest, length = chapter_3.shortest(x), chapter_3.tour_length(x, order)
        assert (shortest <= length + 1e-9).all()
        torch.testing.assert_close(chapter_3.tour_length(x, order.flip(1).roll(1, 1)), length)


@given(
    rows=st.lists(st.tuples(*[st.integers(-3, 3)] * 2), min_size=1, max_size=7),
    dtype=st.sampled_from(HALVES),
)
def test_a_hull_has_all_points_on_its_left_or_the_points_are_refused(rows, dtype):
    x = torch.tensor(rows, dtype=dtype)
    try:
        named = chapter_3.hull(x[None])[0]
    except ValueError as error:
        lines = itertools.combinations(x.double(), 3)
        assert len(x) < 3 or any(chapter_3.area(torch.stack(each)) == 0 for each in lines), error
        return
    corners = chapter_3.polygon(x, named)
    assert corners is not None and chapter_3.area(corners) > 0
    for a, b in zip(corners, corners.roll(-1, 0), strict=True):
        assert all(chapter_3.area(torch.stack([a, b, c])) >= 0 for c in x)
