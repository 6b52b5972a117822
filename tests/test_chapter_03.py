"""The hull against SciPy, the pointer against its formula, decoders against enumeration, and their refusals."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import ConvexHull
from torch.nn import functional as F

from lab.chapters import definitions

chapter = definitions("03_pointer_networks")
MARK = chapter.MARK


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def points(n, batch=4, width=2, seed=0):
    return torch.rand(batch, n, width, generator=seeded(seed))


def network(make=chapter.PointerNetwork, width=2, seed=0):
    torch.manual_seed(seed)
    return make(width, d_model=8).double().requires_grad_(False)


BOTH = [chapter.PointerNetwork, chapter.FixedList]
ALL = [*BOTH, chapter.ToldPlaces]


@given(n=st.integers(3, 40), seed=st.integers(0, 10**6))
def test_the_hull_is_scipys(n, seed):
    sets = points(n, seed=seed)
    for each, named in zip(sets, chapter.hull(sets).tolist(), strict=True):
        expected = (ConvexHull(each.double().numpy()).vertices + 1).tolist()  # counter-clockwise
        start = expected.index(each[:, 0].argmin().item() + 1)
        expected = expected[start:] + expected[:start]
        assert named == expected + [MARK] * (n + 1 - len(expected))


def test_the_edges_of_a_square_go_round_it():
    square = torch.tensor([[[0.0, 0.0], [1, 0.01], [1, 1], [0.01, 1], [0.5, 0.4]]])
    assert chapter.edges(square)[0].nonzero().tolist() == [[0, 1], [1, 2], [2, 3], [3, 0]]


def test_the_hull_refuses():
    with pytest.raises(ValueError, match="points must be at least 3, got 2"):
        chapter.hull(points(2))
    with pytest.raises(ValueError, match=r"points must be finite, got nan at \[0, 0, 0\]"):
        chapter.hull(points(5) * torch.nan)
    line = torch.arange(5.0).view(1, 5, 1).expand(1, 5, 2)
    twice = torch.tensor([[[0.0, 0], [0, 0], [1, 0], [0.5, 1]]])
    for sets in (line, twice):
        with pytest.raises(ValueError, match="points must hold no three in one line, got some in set 0"):
            chapter.hull(sets)


def test_the_hull_does_not_depend_on_where_the_points_lie():
    sets = points(20, batch=20).double() + 1e7
    for each, named in zip(sets, chapter.hull(sets).tolist(), strict=True):
        expected = (ConvexHull(each.numpy() - 1e7).vertices + 1).tolist()
        start = expected.index(named[0])
        assert [corner for corner in named if corner != MARK] == expected[start:] + expected[:start]
    far = sets[0][chapter.hull(sets)[0, :4] - 1]
    assert chapter.area(far) == pytest.approx(chapter.area(far - far.mean(0)), rel=1e-9)


def test_pointing_is_its_formula():
    pointing = chapter.Pointing(4).double()
    states, items = (torch.randn(2, t, 4, generator=seeded(t)).double() for t in (3, 5))
    found = pointing(states, items)
    assert found.shape == (2, 3, 5)
    for b, i, j in itertools.product(range(2), range(3), range(5)):
        inside = pointing.W1(items[b, j]) + pointing.W2(states[b, i])
        torch.testing.assert_close(found[b, i, j], pointing.v.weight[0] @ inside.tanh())


@pytest.mark.parametrize("make, entries", [(chapter.PointerNetwork, (4, 8)), (chapter.FixedList, (21, 21))])
def test_only_a_pointers_output_grows_with_its_input(make, entries):
    for n, entry in zip((3, 7), entries, strict=True):
        sets = points(n).double()
        logits = chapter.step_logits(network(make), sets, torch.full((4, 1), MARK))
        assert logits.shape == (4, 1, entry)


def test_a_pointer_follows_the_points_and_not_their_places():
    x, order = points(7).double(), torch.randperm(7, generator=seeded(1))
    new_place = F.pad(order.argsort() + 1, (1, 0))  # of each old position, the mark's included
    named = chapter.hull(x)
    for make in BOTH:
        net = network(make)
        cost = chapter.surprisal(net, x, named)
        moved = chapter.surprisal(net, x[:, order], new_place[named])
        assert torch.allclose(cost, moved) == (make is chapter.PointerNetwork)


@pytest.mark.parametrize("make", BOTH)
def test_every_parameter_gets_a_gradient(make):
    net = network(make).requires_grad_(True)
    x = points(6).double()
    gradients = torch.autograd.grad(chapter.surprisal(net, x, chapter.hull(x)).sum(), list(net.parameters()))
    assert all((gradient != 0).any() for gradient in gradients)


@pytest.mark.parametrize("make", ALL)
def test_networks_refuse_what_is_not_a_set_of_points_or_names_no_items(make):
    net, x, named = network(make), points(5).double(), torch.ones(4, 2, dtype=torch.int64)
    for bad, says in (
        (x.float(), "torch.float64, got torch.float32"),
        (x * torch.nan, r"finite, got nan at \[0, 0, 0\]"),
        (x[..., :1], r"floats \(B, T, 2\)"),
    ):
        with pytest.raises(ValueError, match=f"x must be {says}"):
            net.encode(bad)
    for bad, says in ((named[:3], "have batch 4, got 3"), (99 * named, "be from 0 to "), (named.float(), "be int64")):
        for loss in (chapter.step_logits, chapter.surprisal):
            with pytest.raises(ValueError, match=f"named must {says}"):
                loss(net, x, bad)


@pytest.mark.parametrize("make", [chapter.FixedList, chapter.ToldPlaces])
def test_a_list_of_places_has_room_for_so_many(make):
    with pytest.raises(ValueError, match="x must hold at most room=20 items, got 21"):
        network(make).encode(points(21).double())


def test_told_places_differs_in_its_input_only():
    told, plain, x = network(chapter.ToldPlaces), network(), points(5).double()
    told.position.weight.zero_()
    plain.load_state_dict(told.state_dict(), strict=False)
    start = torch.full((4, 1), MARK)
    torch.testing.assert_close(chapter.step_logits(told, x, start), chapter.step_logits(plain, x, start))


def test_empty_places_do_not_matter_to_a_fixed_list():
    small, x = network(chapter.FixedList), points(5).double()
    large = chapter.FixedList(2, room=30, d_model=8).double()
    state = small.state_dict()
    for name in ("position.weight", "vocabulary.weight", "vocabulary.bias"):
        whole = large.state_dict()[name].clone()
        whole[: len(state[name])] = state[name]
        state[name] = whole
    large.load_state_dict(state)
    start = torch.full((4, 1), MARK)
    logits = chapter.step_logits(large, x, start)[..., :21]
    torch.testing.assert_close(logits, chapter.step_logits(small, x, start))


def every_answer(n):
    """All answers to n inputs, a mark after each: (K, n + 1), with those that never end."""
    rows = []
    for length in range(n + 2):
        for named in itertools.product(range(1, n + 1), repeat=length):
            rows.append([*named, *[MARK] * (n + 1 - length)])
    return torch.tensor(rows)


def test_the_answers_probabilities_add_up_to_one():
    net, answers = network(), every_answer(3)
    costs = chapter.surprisal(net, points(3, batch=1).double().expand(len(answers), -1, -1), answers)
    torch.testing.assert_close((-costs).exp().sum(), torch.tensor(1.0).double())


def test_surprisal_is_the_chain_rule():
    net, x, named = network(), points(4, batch=1).double(), [3, 1, MARK, MARK, MARK]
    items, before, total = net.encode(x), [MARK], 0.0
    for item in named[:3]:
        states = net.read(items, torch.tensor([before]))[:, -1:]
        total -= net.logits(states, items)[0, 0].log_softmax(-1)[item]
        before.append(item)
    torch.testing.assert_close(chapter.surprisal(net, x, torch.tensor([named]))[0], total)


@pytest.mark.parametrize("make", BOTH)
def test_greedy_answers_take_the_likeliest_step(make):
    net, x = network(make), points(6).double()
    named = chapter.answer(net, x, chapter.greedily)
    assert named.shape == (4, 7)
    likeliest = chapter.step_logits(net, x, named).argmax(-1)
    over = chapter.ended(named)
    assert torch.equal(named[~over], likeliest[~over]) and (named[over] == MARK).all()
    again = chapter.answer(net, x, chapter.greedily, times=3)
    assert torch.equal(again, named.repeat_interleave(3, 0))


def test_drawn_answers_follow_their_probabilities():
    net, x, answers = network(), points(3, batch=1).double(), every_answer(3)
    probs = (-chapter.surprisal(net, x.expand(len(answers), -1, -1), answers)).exp()
    drawn = chapter.answer(net, x, chapter.draws.multinomial, seeded(), times=20_000)
    shares = (drawn[:, None] == answers).all(2).double().mean(0)
    error = (probs * (1 - probs) / 20_000).sqrt()
    assert ((shares - probs).abs() < 5 * error + 1e-4).all()


def test_a_wide_beam_finds_the_likeliest_answers():
    net, x, answers = network(), points(3, batch=2).double(), every_answer(3)
    for i, found in enumerate(chapter.beam(net, x, 200)):
        costs = chapter.surprisal(net, x[[i]].expand(len(answers), -1, -1), answers)
        best = answers[costs.argmin()]
        assert torch.equal(chapter.best([found], 3)[0], best)
        assert found[0].log_prob == pytest.approx(-costs.min().item(), abs=1e-5)
    greedy = chapter.best(chapter.beam(net, x, 1), 3)
    assert torch.equal(greedy, chapter.answer(net, x, chapter.greedily))


def test_training_lowers_the_loss_and_repeats():
    losses = []
    for n_step in (1, 60, 60):
        torch.manual_seed(0)
        net = chapter.train(chapter.PointerNetwork(2, d_model=16), chapter.hull, n_step, 0, (3, 4))
        x = points(4, batch=100, seed=1)
        losses.append(chapter.surprisal(net, x, chapter.hull(x)).mean().item())
    assert losses[1] < 0.8 * losses[0] and losses[1] == losses[2]


SQUARE = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.4]])


@pytest.mark.parametrize(
    "named, valid",
    [
        ([1, 2, 3, 4, 0, 0], True),
        ([1, 2, 3, 5, 4, 0], True),  # not convex, but does not cross itself
        ([1, 3, 2, 4, 0, 0], False),  # a bow tie
        ([1, 2, 0, 0, 0, 0], False),  # two corners
        ([1, 2, 1, 4, 0, 0], False),  # one twice
        ([1, 2, 3, 4, 1, 2], False),  # never ends
        ([1, 2, 3, 11, 0, 0], False),  # no such point
        ([1, 2, 3, -1, 0, 0], False),
        ([1, 2, 3, 0, 4, 0], False),  # goes on after its end
    ],
)
def test_valid_polygons(named, valid):
    found = chapter.polygon(SQUARE, torch.tensor(named))
    assert (found is not None) == valid
    if valid:
        assert torch.equal(found, SQUARE[torch.tensor(named)[torch.tensor(named) > 0] - 1])


def test_hulls_are_valid_and_have_scipys_area():
    sets = points(12, batch=30)
    for each, named in zip(sets, chapter.hull(sets), strict=True):
        corners = chapter.polygon(each, named)
        assert chapter.area(corners) == pytest.approx(ConvexHull(each.double().numpy()).volume)
        assert chapter.area(corners.flip(0)) == pytest.approx(-chapter.area(corners))


def test_tours_visit_every_city_once_and_know_their_probability():
    net, x = network(), points(3, batch=1).double()
    drawn, log_prob = chapter.tour(net, x.expand(20_000, -1, -1), chapter.draws.multinomial, seeded())
    assert torch.equal(drawn.sort(1).values, torch.arange(3).expand(20_000, -1))
    total = 0.0
    for order in itertools.permutations(range(3)):
        which = (drawn == torch.tensor(order)).all(1)
        (prob,) = log_prob[which].exp().unique()[:1]
        torch.testing.assert_close(log_prob[which].exp(), prob.expand(int(which.sum())))
        error = (prob * (1 - prob) / 20_000).sqrt()
        assert abs(which.double().mean() - prob) < 5 * error
        total += prob
    torch.testing.assert_close(total, torch.tensor(1.0).double())


def test_the_length_of_a_tour_and_the_shortest():
    square = torch.tensor([[[0.0, 0], [1, 1], [1, 0], [0, 1]]])
    assert chapter.tour_length(square, torch.tensor([[0, 2, 1, 3]])).item() == 4
    assert chapter.tour_length(square, torch.tensor([[0, 1, 2, 3]])).item() == pytest.approx(2 + 2 * 2**0.5)
    assert chapter.shortest(square).item() == 4
    x = points(6)
    every = [chapter.tour_length(x, torch.tensor([p] * 4)) for p in itertools.permutations(range(6))]
    torch.testing.assert_close(chapter.shortest(x), torch.stack(every).amin(0))


@pytest.mark.parametrize("n", [1, 2])
def test_one_city_or_two_have_one_tour(n):
    x = points(n)
    order = torch.arange(n).expand(4, -1)
    torch.testing.assert_close(chapter.shortest(x), chapter.tour_length(x, order))
    torch.testing.assert_close(chapter.shortest(x.half()), chapter.shortest(x), atol=1e-3, rtol=1e-3)


def test_the_length_of_a_tour_refuses_what_is_no_map_or_no_tour_of_it():
    x, order = points(3), torch.arange(3).expand(4, -1)
    for length in (chapter.shortest, lambda x: chapter.tour_length(x, order)):
        with pytest.raises(ValueError, match="x must be finite, got nan"):
            length(x * torch.nan)
    for bad, says in ((order[:, :2], "name every city, got 2 of 3"), (order + 1, "be from 0 to 2, got 1 to 3")):
        with pytest.raises(ValueError, match=f"order must {says}"):
            chapter.tour_length(x, bad)


def test_reinforce_refuses_lengths_that_would_be_stretched_over_the_tours():
    with pytest.raises(ValueError, match=r"length and log_prob must be \(B,\), got \(3,\) and \(3, 1\)"):
        chapter.reinforce(torch.ones(3), torch.ones(3, 1))


def test_a_step_down_reinforce_makes_the_shorter_tour_likelier():
    log_prob = torch.zeros(2, requires_grad=True)
    (slope,) = torch.autograd.grad(chapter.reinforce(torch.tensor([1.0, 3.0]), log_prob), log_prob)
    assert slope.tolist() == [-0.5, 0.5]


def test_training_by_tours_repeats_and_learns_from_draws():
    networks = [chapter.train_by_tours(chapter.draws.multinomial, 0, n_step=60, n=4) for _ in range(2)]
    x = points(4, batch=200)
    lengths = [chapter.tour_length(x, chapter.tour(net, x, chapter.greedily)[0]) for net in networks]
    assert torch.equal(*lengths)
    torch.manual_seed(0)
    untrained, _ = chapter.tour(chapter.PointerNetwork(2), x, chapter.greedily)
    best = chapter.shortest(x)
    assert (lengths[0] - best).mean() < 0.7 * (chapter.tour_length(x, untrained) - best).mean()
