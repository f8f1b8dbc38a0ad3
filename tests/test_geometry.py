"""What a linear focus can and cannot do on the boxes: searched over every direction, exactly for boxes of uniform points.

A linear scorer ranks segments by w . x, so only the direction of w counts. The largest and smallest score of a box are at its corners,
and the score of a uniform point of a box is a sum of two uniform variables: its distribution function is known in closed form.
"""

import itertools

import numpy as np
import pytest

from sdclib import distributions

STEP = 0.1
DEGREES = np.arange(0, 360, STEP) + STEP / 2 + 1e-4  # never along an axis, where a box's projection degenerates
DIRECTIONS = np.stack([np.cos(np.radians(DEGREES)), np.sin(np.radians(DEGREES))])


def corner_scores(base):
    """Score of each corner of each box along each direction: (component, corner, direction)."""
    corners = np.array([list(itertools.product(*zip(low, high, strict=True))) for low, high in zip(base.low, base.high, strict=True)])
    return corners @ DIRECTIONS


def above_background(base):
    """Whether the whole of a foreground box is scored above the whole background: (class, direction)."""
    scores = corner_scores(base)
    return scores[: base.n_classes].min(1) > scores[base.n_classes :].max((0, 1))


def focus_true_rate(base, m, grid=24):
    """P(the foreground segment has the largest score), for each direction: mean over foreground points of F(score) ** (m - 1)."""
    k = base.n_classes
    low, side = base.low[k:][0], (base.high - base.low)[k:][0]
    a, b = np.abs(DIRECTIONS) * side[:, None]
    start = np.minimum(DIRECTIONS * low[:, None], DIRECTIONS * (low + side)[:, None]).sum(0)
    middle = (np.arange(grid) + 0.5) / grid
    unit = np.stack(np.meshgrid(middle, middle), -1).reshape(-1, 2)
    rates = []
    for of_class in range(k):
        t = (base.low[of_class] + unit * (base.high - base.low)[of_class]) @ DIRECTIONS - start
        positive = [np.maximum(t - shift, 0) ** 2 for shift in (0, a, b, a + b)]
        share_below = (positive[0] - positive[1] - positive[2] + positive[3]) / (2 * a * b)
        rates.append((np.clip(share_below, 0, 1) ** (m - 1)).mean(0))
    return np.mean(rates, 0)


@pytest.mark.parametrize(("name", "arc"), [("boxes_one_side", 48), ("boxes_column", 11)])
def test_a_perfect_linear_focus_exists(name, arc):
    perfect = above_background(distributions.get(name)).all(0)
    assert perfect.sum() * STEP == pytest.approx(arc, abs=0.6)
    assert focus_true_rate(distributions.get(name), 9).max() == pytest.approx(1)


def test_none_exists_for_both_sides():
    above = above_background(distributions.get("boxes_both_sides"))
    sets = {frozenset(np.flatnonzero(one) + 1) for one in above.T}
    assert sets == {frozenset(), frozenset({1}), frozenset({2}), frozenset({3}), frozenset({1, 2})}


@pytest.mark.parametrize("m", [2, 3, 5, 9, 20])
def test_the_best_for_both_sides_is_two_thirds(m):
    assert focus_true_rate(distributions.get("boxes_both_sides"), m).max() == pytest.approx(2 / 3, abs=0.004)


def test_the_rate_agrees_with_mosaics():
    """The closed form against counting, at the direction that is best for both sides and at one that is not."""
    from sdclib import make_mosaics

    base = distributions.get("boxes_both_sides")
    data = make_mosaics(base, n=20_000, m=5, seed=0)
    rate = focus_true_rate(base, 5)
    for which in (rate.argmax(), len(rate) // 3):
        scores = data.segments.double().numpy() @ DIRECTIONS[:, which]
        counted = (scores.argmax(1) == data.foreground.numpy()).mean()
        assert counted == pytest.approx(rate[which], abs=0.03)  # the pool is finite: 300 points a box
