"""Interventions: laws of what each one changes and what it leaves, for mosaics with and without masks."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import SEEDS

from sdclib import Mosaics, distributions, interventions, make_mosaics
from sdclib.mosaics import Pool

DATA = make_mosaics(distributions.get("dataset1"), n=300, m=5, seed=0)


@st.composite
def mosaics(draw):
    """Mosaics whose base points are numbered, so that each segment says which it is; every class is there, and a background segment in each mosaic."""
    rng = np.random.default_rng(draw(SEEDS))
    k, m = draw(st.integers(2, 4)), draw(st.integers(2, 6))
    n, size = k + draw(st.integers(0, 8)), 12 * k
    component = np.arange(size) % (k + 2)  # two background components
    label, place = np.concatenate([np.arange(k), rng.integers(k, size=n - k)]), rng.integers(m, size=n)
    index = rng.choice(np.flatnonzero(component >= k), (n, m))
    index[np.arange(n), place] = [rng.choice(np.flatnonzero(component == y)) for y in label]
    mask = None
    if draw(st.booleans()):
        mask = torch.from_numpy(rng.random((n, m)) < 0.5)
        mask[torch.arange(n), torch.from_numpy(place)] = True
        mask[torch.arange(n), (torch.from_numpy(place) + 1) % m] = True
    pool = Pool(torch.arange(size, dtype=torch.float64)[:, None], torch.from_numpy(component), k)
    index = torch.from_numpy(index.astype(draw(st.sampled_from(["int32", "int64"]))))
    return Mosaics(pool, index, torch.from_numpy(label), torch.from_numpy(place), mask)


def own_foreground(data):
    return data.component.gather(1, data.foreground[:, None])[:, 0]


def places_changed(before, after):
    """(n,): how many segments of each mosaic are others than before."""
    return (before.index != after.index).sum(1)


@given(mosaics(), SEEDS)
def test_replace_changes_that_place_only(data, seed):
    rng = np.random.default_rng(seed)
    place = torch.from_numpy(rng.integers(data.m, size=data.n)) if data.mask is None else data.foreground
    index = torch.from_numpy(rng.integers(len(data.pool), size=data.n))
    after = interventions.replace(data, place, index)
    for i in range(data.n):  # the slow twin
        wanted = data.segments[i].clone()
        wanted[place[i]] = data.pool.points[index[i]]
        assert torch.equal(after.segments[i], wanted)
    assert torch.equal(after.label, data.label) and torch.equal(after.foreground, data.foreground) and after.mask is data.mask


@given(mosaics(), SEEDS)
def test_without_foreground_nothing_of_any_class_is_left(data, seed):
    after = interventions.without_foreground(data, seed)
    real = torch.ones_like(data.index, dtype=bool) if data.mask is None else data.mask
    assert (after.component[real] >= data.n_classes).all()
    assert (places_changed(data, after) == 1).all() and torch.equal(after.label, data.label)
    assert torch.equal(after.index.scatter(1, data.foreground[:, None], 0), data.index.scatter(1, data.foreground[:, None], 0))


@given(mosaics(), SEEDS)
def test_background_is_drawn_from_real_background_segments_of_the_mosaics(data, seed):
    after = interventions.with_background(data, data.foreground, seed)
    drawn = after.index.gather(1, data.foreground[:, None])[:, 0]
    real = torch.ones_like(data.index, dtype=bool) if data.mask is None else data.mask.clone()
    real[torch.arange(data.n), data.foreground] = False
    assert set(drawn.tolist()) <= set(data.index[real].tolist())


@given(mosaics(), SEEDS)
def test_swapped_foreground_is_of_another_class_and_is_the_label(data, seed):
    after = interventions.swap_foreground(data, seed)
    assert (after.label != data.label).all()
    assert torch.equal(own_foreground(after), after.label)
    assert (places_changed(data, after) == 1).all() and torch.equal(after.foreground, data.foreground)
    theirs = data.index.gather(1, data.foreground[:, None])
    assert set(after.index.gather(1, data.foreground[:, None]).flatten().tolist()) <= set(theirs.flatten().tolist())


@given(mosaics(), SEEDS)
def test_recomposed_mosaics_keep_label_place_and_what_is_masked(data, seed):
    after = interventions.recompose(data, seed)
    assert torch.equal(after.label, data.label) and torch.equal(after.foreground, data.foreground)
    assert torch.equal(own_foreground(after), data.label)
    background = torch.ones_like(data.index, dtype=bool) if data.mask is None else data.mask.clone()
    background[torch.arange(data.n), data.foreground] = False
    assert (after.component[background] >= data.n_classes).all()
    assert set(after.index[background].tolist()) <= set(data.index[background].tolist())
    if data.mask is not None:
        assert after.mask is data.mask and torch.equal(after.index[~data.mask], data.index[~data.mask])


@given(mosaics())
def test_alone_is_the_segment_as_a_mosaic_of_one(data):
    after = interventions.alone(data, data.foreground)
    assert (after.n, after.m, after.mask) == (data.n, 1, None)
    assert torch.equal(after.segments[:, 0], data.segments[torch.arange(data.n), data.foreground])
    assert torch.equal(after.label, data.label) and (after.foreground == 0).all()


RANDOM = {
    "with_background": lambda data, seed: interventions.with_background(data, data.foreground, seed),
    "without_foreground": interventions.without_foreground,
    "swap_foreground": interventions.swap_foreground,
    "recompose": interventions.recompose,
}


@pytest.mark.parametrize("intervene", RANDOM.values(), ids=RANDOM)
def test_same_seed_same_result_and_nothing_given_is_changed(intervene):
    before = {name: getattr(DATA, name).clone() for name in ("index", "label", "foreground")}
    state = torch.random.get_rng_state()
    first, again, other = (intervene(DATA, seed) for seed in (3, 3, 4))
    assert torch.equal(first.index, again.index) and torch.equal(first.label, again.label)
    assert not torch.equal(first.index, other.index)
    assert all(torch.equal(getattr(DATA, name), value) for name, value in before.items())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first.pool is DATA.pool


def test_draws_are_even():
    """Of the other classes when swapped, and of the mosaics' own segments: each count within five standard deviations."""
    data = make_mosaics(distributions.get("boxes_column"), n=6000, m=3, seed=1)
    label = interventions.swap_foreground(data).label
    for old in range(6):
        of_class = label[data.label == old]
        counts = torch.bincount(of_class, minlength=6)
        assert counts[old] == 0
        expected = len(of_class) / 5
        assert (counts[[k for k in range(6) if k != old]] - expected).abs().max() < 5 * expected**0.5
    one = data[:20]  # so few that every segment comes up many times
    drawn = [interventions.recompose(one, seed).index for seed in range(400)]
    is_background = torch.ones_like(one.index, dtype=bool).scatter(1, one.foreground[:, None], False)
    counts = torch.bincount(torch.cat([index[is_background] for index in drawn]), minlength=len(data.pool))
    theirs = torch.bincount(one.index[is_background], minlength=len(data.pool))
    expected = theirs * 400
    assert ((counts - expected).abs() <= 5 * expected**0.5).all()


def test_mosaics_of_ones_own_segments():
    """Their base points have no known component but the foreground's; hidden segments, NaN here, are never drawn."""
    mask = torch.rand(50, 4, generator=torch.Generator().manual_seed(0)) < 0.6
    mask[:, :2] = True
    segments = torch.randn(50, 4, 3, generator=torch.Generator().manual_seed(1)).masked_fill(~mask[..., None], torch.nan)
    data = Mosaics.from_segments(segments, torch.arange(50) % 3, torch.arange(50) % 2, mask=mask)
    for name, intervene in RANDOM.items():
        for seed in range(10):
            after = intervene(data, seed)
            assert after.segments[mask].isfinite().all(), name
            wanted = -1 if name in ("with_background", "without_foreground") else after.label
            assert (own_foreground(after) == wanted).all(), name


def test_classes_need_not_all_stand_in_the_mosaics():
    """Classes 0 and 5 of six: they are swapped for each other."""
    data = make_mosaics(distributions.get("boxes_column"), n=600, m=3, seed=1)
    two = data[(data.label == 0) | (data.label == 5)]
    assert torch.equal(interventions.swap_foreground(two).label, 5 - two.label)


MASKED = Mosaics.from_segments(torch.rand(2, 3, 2), torch.tensor([0, 1]), torch.tensor([0, 0]), mask=torch.tensor([[True, True, False]] * 2))
ONLY = Mosaics.from_segments(torch.rand(2, 1, 2), torch.tensor([0, 1]), torch.tensor([0, 0]))
UNKNOWN = Mosaics.from_segments(torch.rand(2, 3, 2), torch.tensor([0, 1]))
ZERO = torch.zeros(300, dtype=int)

REFUSED = {
    "replace no mosaics": (lambda: interventions.replace(DATA.segments, ZERO, ZERO), TypeError, "from_segments makes them of one's own segments); got Tensor"),
    "replace place out of range": (lambda: interventions.replace(DATA, ZERO + 5, ZERO), ValueError, "place must be in 0 ... 4 (the last place); got 5"),
    "replace base point": (lambda: interventions.replace(DATA, ZERO, ZERO + 5000), ValueError, "index must be in 0 ... 4999 (the last base point); got 5000"),
    "replace too few": (lambda: interventions.replace(DATA, ZERO[1:], ZERO), ValueError, "place must have shape (300,), one a mosaic; got (299,)"),
    "replace masked": (lambda: interventions.replace(MASKED, [0, 2], [0, 0]), ValueError, "place must be that of a real segment; got one that is masked"),
    "background masked": (lambda: interventions.with_background(MASKED, [2, 0]), ValueError, "place must be that of a real segment; got one that is masked"),
    "alone masked": (lambda: interventions.alone(MASKED, [2, 0]), ValueError, "place must be that of a real segment; got one that is masked"),
    "alone float": (lambda: interventions.alone(DATA, ZERO.float()), TypeError, "place must be whole numbers; got torch.float32"),
    "no background": (lambda: interventions.without_foreground(ONLY), ValueError, "needs background segments; got mosaics of one real segment each"),
    "one class": (lambda: interventions.swap_foreground(DATA[DATA.label == 1]), ValueError, "mosaics of two classes or more; got only class 1"),
    "seed": (lambda: interventions.recompose(DATA, -1), ValueError, "seed must be at least 0; got -1"),
}
for name, intervene in {**RANDOM, "alone": lambda data, _: interventions.alone(data, data.foreground)}.items():
    unknown = "interventions need mosaics whose foreground is known; got foreground=None"
    REFUSED[f"{name} unknown"] = (lambda f=intervene: f(UNKNOWN, 0), ValueError, unknown)
    REFUSED[f"{name} empty"] = (lambda f=intervene: f(DATA[:0], 0), ValueError, "interventions need at least one mosaic; got none")


@pytest.mark.parametrize(("intervene", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_named(intervene, kind, message):
    with pytest.raises(kind) as error:
        intervene()
    assert message in str(error.value)
