"""Mosaics: the laws of the sampler, the two kinds of test set, one's own segments, and what is refused."""

import hashlib
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from strategies import SEEDS, SHIPPED

from sdclib import Mosaics, Pool, distributions, make_mosaics

NAMES = SHIPPED
DATASET1 = distributions.get("dataset1")


def digest(data):
    """sha256 of all that mosaics are made of."""
    parts = (data.pool.points, data.pool.component, data.index, data.label, data.foreground)
    return hashlib.sha256(b"".join(part.contiguous().numpy().tobytes() for part in parts)).hexdigest()


def uniform_p(counts):
    """p value of equal shares; a fixed seed makes the tests that use it repeatable."""
    return stats.chisquare(counts).pvalue


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("split", ["train", "recomposed", "fresh"])
def test_one_segment_is_foreground_and_it_tells_the_label(name, split):
    base = distributions.get(name)
    data = make_mosaics(base, n=500, m=9, seed=2, split=split)
    assert (data.n, data.m, len(data), data.n_classes, data.feature_shape) == (500, 9, 500, base.n_classes, base.feature_shape)
    assert data.segments.shape == (500, 9, *base.feature_shape)
    assert data.segments.dtype == torch.float32
    foreground = torch.zeros(500, 9, dtype=bool)
    foreground[torch.arange(500), data.foreground] = True
    assert (data.component[foreground] == data.label).all()
    assert (data.component[~foreground] >= base.n_classes).all()
    torch.testing.assert_close(data.pool.is_foreground[data.index], foreground)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("split", ["train", "recomposed", "fresh"])
def test_place_and_class_are_uniform_and_independent(name, split):
    data = make_mosaics(distributions.get(name), n=20_000, m=9, seed=0, split=split)
    table = np.zeros((9, data.n_classes))
    np.add.at(table, (data.foreground.numpy(), data.label.numpy()), 1)
    assert uniform_p(table.sum(1)) > 1e-3
    assert uniform_p(table.sum(0)) > 1e-3
    assert stats.chi2_contingency(table).pvalue > 1e-3


def test_base_points_are_drawn_uniformly_and_independently():
    data = make_mosaics(DATASET1, n=50_000, m=4, seed=1)
    used = np.bincount(data.index.flatten().numpy(), minlength=5000)
    assert uniform_p(used[:500]) > 1e-3  # the foreground's first class
    assert uniform_p(used[1500:]) > 1e-3  # the background
    component = data.component.numpy()[data.foreground.numpy() == 0]
    pairs = np.zeros((7, 7))
    np.add.at(pairs, (component[:, 1] - 3, component[:, 2] - 3), 1)
    assert uniform_p(pairs.flatten()) > 1e-3
    with_label = np.zeros((3, 7))
    np.add.at(with_label, (component[:, 0], component[:, 3] - 3), 1)
    assert stats.chi2_contingency(with_label).pvalue > 1e-3


def test_classes_are_uniform_whatever_the_pool_holds():
    """The label is drawn first: a class with few base points is not rarer."""
    component = torch.tensor([0] + [1] * 99 + [2] * 100)
    pool = Pool(torch.zeros(200, 2), component, 2)
    base = distributions.Boxes(np.zeros((3, 2)), np.ones((3, 2)), 2)
    assert uniform_p(torch.bincount(make_mosaics(base, n=10_000, pool=pool).label).numpy()) > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_recomposed_shares_the_base_points_and_fresh_shares_none(name):
    base = distributions.get(name)
    train, recomposed, fresh = (make_mosaics(base, n=300, seed=4, split=split) for split in ("train", "recomposed", "fresh"))
    torch.testing.assert_close(recomposed.pool.points, train.pool.points, rtol=0, atol=0)
    assert not torch.equal(recomposed.index, train.index)
    assert not {row.tobytes() for row in fresh.pool.points.numpy()} & {row.tobytes() for row in train.pool.points.numpy()}
    rows = {row.tobytes() for row in train.index.numpy()}
    assert not any(row.tobytes() in rows for row in recomposed.index.numpy()), "a mosaic of the training set stands in the test set"


def test_pool_composes_the_same_base_points_anew():
    data = make_mosaics(DATASET1, n=50, seed=0)
    again = make_mosaics(DATASET1, n=50, seed=1, pool=data.pool)
    assert again.pool is data.pool
    assert not torch.equal(again.index, data.index)


@given(seed=SEEDS, n=st.integers(1, 20), m=st.integers(1, 12), name=st.sampled_from(["boxes_column", "dataset1"]))
def test_same_seed_same_bytes(seed, n, m, name):
    one, other = (make_mosaics(distributions.get(name), n=n, m=m, seed=seed) for _ in range(2))
    assert digest(one) == digest(other)
    assert digest(one) != digest(make_mosaics(distributions.get(name), n=n, m=m, seed=seed + 1))
    assert ((one.foreground >= 0) & (one.foreground < m)).all()


# Drawn by NumPy, so the same on every processor; a change here changes every stored result.
GOLDEN = {
    "boxes_one_side": "1136c28ee48fcf660fe605b673ed75eed710f5d24afd2bc5d4e5d2f8300e70c6",
    "boxes_both_sides": "2e7c7204507aef77f875663ba149dd901dadfc5fbef6876a9bf1ec5d04685fe0",
    "boxes_column": "05ef85ac8acf29e57d845c8dfda8df7dcfbac7db150f6ec99600085b0bf00994",
    "dataset1": "4ffef7301b7d7202acf91b77b1466a236ed50add65e5516374eb6c140e96abf1",
    "dataset2": "ecbdb60e9c7212be2293ec8c4dd64b90de42680893a05d087d98ca05468012cd",
    "digits": "729697b8219de9c1e8312006d4c37a0766651a405160453ecfabefe1ca2184e0",
}
PRINT_DIGESTS = """
import hashlib, sys, torch
sys.path.insert(0, {here!r})
from test_mosaics import NAMES, digest
from sdclib import distributions, make_mosaics, models
for name in NAMES:
    print(digest(make_mosaics(distributions.get(name), n=200, m=9, seed=0, dtype=torch.float64)))
for architecture in ("linear", "column", "A1", "A2_2"):
    state = models.build(architecture, (5,), 3, seed=0, dtype=torch.float64).state_dict()
    print(hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in state.values())).hexdigest())
"""
GOLDEN_WEIGHTS = {
    "linear": "9fe4bed63947b6ed2ec29425f43c9284f27abe260ce46e558589e2604aed3a88",
    "column": "6acd33100364f97bb17ca8c2b9456f3babbfe76eff7b7c46d83da7ad46958a9d",
    "A1": "a518f6ee57cea23d65a8e4e1e0ecbd0b0813a62e295eb9a66e2c0e0f0be1892e",
    "A2_2": "bfeb0f2aeef7b418338619739923912d2ebe5be3babf0400a9093b6a2875fe3b",
}


def test_the_same_bytes_in_another_process_and_on_an_older_processor():
    """Other arithmetic kernels (for BLAS and for PyTorch), thread counts and hash seeds, as another machine would have them."""
    here = os.path.dirname(__file__)
    other = {"OPENBLAS_CORETYPE": "Prescott", "ATEN_CPU_CAPABILITY": "default", "OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "7"}
    environment = {**os.environ, **other, "PYTHONPATH": os.path.dirname(here)}
    printed = subprocess.run([sys.executable, "-c", PRINT_DIGESTS.format(here=here)], env=environment, capture_output=True, text=True, check=True)
    assert dict(zip([*NAMES, *GOLDEN_WEIGHTS], printed.stdout.split(), strict=True)) == {**GOLDEN, **GOLDEN_WEIGHTS}


@pytest.mark.parametrize("name", NAMES)
def test_golden_bytes(name):
    assert digest(make_mosaics(distributions.get(name), n=200, m=9, seed=0, dtype=torch.float64)) == GOLDEN[name]


def test_thirty_thousand_mosaics_in_a_tenth_of_a_second():
    seconds = []
    for seed in range(5):
        start = time.perf_counter()
        make_mosaics(DATASET1, n=30_000, m=9, seed=seed)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.1


def test_some_of_the_mosaics():
    data = make_mosaics(DATASET1, n=20, m=3, seed=0)
    for which, wanted in [
        (slice(2, 9, 3), [2, 5, 8]), ([4, 1], [4, 1]), (torch.tensor([7, 7]), [7, 7]), (np.array([0, 19]), [0, 19]), (slice(-2, None), [18, 19]),
        (torch.arange(20) < 3, [0, 1, 2]), (5, [5]), (-1, [19]), (np.int64(3), [3]), (torch.tensor(3), [3]),
    ]:  # fmt: skip
        part = data[which]
        assert isinstance(part, Mosaics)
        assert part.pool is data.pool
        for name in ("index", "label", "foreground"):
            torch.testing.assert_close(getattr(part, name), getattr(data, name)[torch.tensor(wanted)])
    assert [one.n for one in data] == [1] * 20
    assert data[:0].n == 0
    for beyond in (20, -21):
        with pytest.raises(IndexError, match=f"mosaic {beyond} of 20"):
            data[beyond]
    with pytest.raises(TypeError, match=r"slice, whole numbers or booleans; got \(0, 1\)"):
        data[0, 1]


def test_slicing_keeps_the_mask():
    mask = torch.tensor([[True, True], [True, False], [False, True]])
    data = Mosaics.from_segments(torch.zeros(3, 2, 1), [0, 1, 1], mask=mask)
    torch.testing.assert_close(data[1:].mask, mask[1:])
    assert data[1:].foreground is None


def test_to():
    data = make_mosaics(DATASET1, n=4)
    double = data.to(torch.float64)
    assert double.segments.dtype == torch.float64
    assert double.index.dtype == double.label.dtype == torch.int64
    torch.testing.assert_close(double.segments.float(), data.segments, rtol=0, atol=0)
    assert data.to("meta").segments.device.type == data.to("meta").foreground.device.type == "meta"


def test_what_a_reader_sees():
    data = make_mosaics(DATASET1, n=4, m=7)
    assert repr(data) == "Mosaics(n=4, m=7, feature_shape=(2,), n_classes=3, pool of 5000 base points, foreground known)"
    assert repr(data.pool) == "Pool(5000 base points of shape (2,), 1500 of them foreground, 3 classes)"


def test_from_segments():
    segments = torch.arange(24.0).view(4, 3, 2)
    data = Mosaics.from_segments(segments, np.array([0, 1, 2, 1], dtype=np.int32), [2, 0, 1, 1])
    torch.testing.assert_close(data.segments, segments)
    assert (data.n_classes, data.label.dtype, data.foreground.tolist()) == (3, torch.int64, [2, 0, 1, 1])
    assert data.component.tolist() == [[-1, -1, 0], [1, -1, -1], [-1, 2, -1], [-1, 1, -1]]
    assert Mosaics.from_segments(segments, [0, 1, 0, 1], n_classes=5).n_classes == 5
    assert "foreground unknown" in repr(Mosaics.from_segments(segments, [0, 1, 0, 1]))


def test_hidden_segments_may_hold_anything():
    segments = torch.zeros(2, 2, 1)
    segments[0, 1] = torch.nan
    mask = torch.tensor([[True, False], [True, True]])
    assert Mosaics.from_segments(segments, [0, 1], [0, 1], mask=mask).n == 2
    with pytest.raises(ValueError, match="segments must be finite; got NaN or infinity in a real segment"):
        Mosaics.from_segments(segments, [0, 1])


SOME = torch.zeros(4, 3, 2)
LABEL = [0, 1, 0, 1]
OF_SOME = {
    "segments of two axes": ({"segments": torch.zeros(4, 3)}, ValueError, r"segments must be \(n, m, \*feature\).*got shape \(4, 3\)"),
    "no mosaic": ({"segments": torch.zeros(0, 3, 2), "label": []}, ValueError, r"n and m at least 1; got shape \(0, 3, 2\)"),
    "no segment": ({"segments": torch.zeros(4, 0, 2)}, ValueError, r"n and m at least 1; got shape \(4, 0, 2\)"),
    "an array": ({"segments": np.zeros((4, 3, 2))}, TypeError, "segments must be a torch.Tensor; got ndarray"),
    "whole numbers": ({"segments": SOME.long()}, TypeError, "segments must be a floating-point tensor; got torch.int64"),
    "labels of another length": ({"label": [0, 1]}, ValueError, r"label must have shape \(4,\), one a mosaic; got \(2,\)"),
    "no labels": ({"label": []}, (ValueError, TypeError), "label must"),
    "labels that are not whole": ({"label": [0.0, 1.0, 0.0, 1.0]}, TypeError, "label must be whole numbers; got torch.float32"),
    "labels that are booleans": ({"label": [True, False, True, True]}, TypeError, "label must be whole numbers; got torch.bool"),
    "a label below 0": ({"label": [0, 1, 2, -1]}, ValueError, "label must be 0 or more; got -1"),
    "a label beyond K": ({"label": [0, 1, 2, 3], "n_classes": 3}, ValueError, r"label must be in 0 ... 2 \(n_classes - 1\); got 3"),
    "one class": ({"label": [0, 0, 0, 0]}, ValueError, "n_classes must be at least 2; got 1"),
    "K of 1": ({"n_classes": 1}, ValueError, "n_classes must be at least 2; got 1"),
    "K of 0": ({"n_classes": 0}, ValueError, "n_classes must be at least 2; got 0"),
    "a place beyond m": ({"foreground": [0, 1, 2, 3]}, ValueError, r"foreground must be in 0 ... 2 \(the last place\); got 3"),
    "a place below 0": ({"foreground": [0, 1, 2, -1]}, ValueError, r"foreground must be in 0 ... 2 \(the last place\); got -1"),
    "places of another shape": ({"foreground": [[0], [1], [2], [0]]}, ValueError, r"foreground must have shape \(4,\).*got \(4, 1\)"),
    "a mask of another shape": ({"mask": torch.ones(4, 2, dtype=bool)}, ValueError, r"mask must have shape \(4, 3\); got \(4, 2\)"),
    "a mask of numbers": ({"mask": torch.ones(4, 3)}, TypeError, "mask must be a boolean tensor; got torch.float32"),
    "all masked": ({"mask": torch.tensor([[True] * 3] * 3 + [[False] * 3])}, ValueError, "at least one real segment; got one whose segments are all masked"),
    "a hidden foreground": (
        {"mask": torch.tensor([[True, False, True]] * 4), "foreground": [0, 0, 1, 0]}, ValueError, "got a mosaic whose foreground is masked",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("wrong", "error", "message"), OF_SOME.values(), ids=OF_SOME)
def test_bad_segments_are_named(wrong, error, message):
    with pytest.raises(error, match=message):
        Mosaics.from_segments(**{"segments": SOME, "label": LABEL} | wrong)


OTHER_POOL = Pool(torch.zeros(4, 2), torch.tensor([0, 1, 2, 3]), 2)
WITHOUT_CLASS = Pool(torch.zeros(4, 2), torch.tensor([0, 1, 3, 4]), 3)
WITHOUT_BACKGROUND = Pool(torch.zeros(3, 2), torch.tensor([0, 1, 2]), 3)
REFUSED = {
    "n of 0": ({"n": 0}, ValueError, "n must be at least 1; got 0"),
    "m of 0": ({"m": 0}, ValueError, "m must be at least 1; got 0"),
    "half a mosaic": ({"n": 2.5}, TypeError, "n must be a whole number; got 2.5"),
    "a seed below 0": ({"seed": -1}, ValueError, "seed must be at least 0; got -1"),
    "no seed": ({"seed": None}, TypeError, "seed must be a whole number; got None"),
    "unknown split": ({"split": "test"}, ValueError, "unknown split 'test'; choose one of train, recomposed, fresh"),
    "a name for a distribution": ({"base": "dataset1"}, TypeError, "base must be a distribution.*got 'dataset1'"),
    "segments of whole numbers": ({"dtype": torch.int64}, TypeError, "dtype must be a floating-point type; got torch.int64"),
    "a type in words": ({"dtype": "float32"}, TypeError, "dtype must be a floating-point type; got 'float32'"),
    "a tensor for a pool": ({"pool": torch.zeros(4, 2)}, TypeError, "pool must be Pool, say data.pool; got Tensor"),
    "a pool of new base points": ({"pool": Pool(torch.zeros(4, 2), torch.arange(4), 3), "split": "fresh"}, ValueError, "cannot compose those of a pool"),
    "a pool of other classes": ({"pool": OTHER_POOL}, ValueError, "the pool must have the base's 3 classes; got 2"),
    "a pool without a class": ({"pool": WITHOUT_CLASS}, ValueError, r"every class and of the background; got \[1, 1, 0\] and 2"),
    "a pool without background": ({"pool": WITHOUT_BACKGROUND}, ValueError, r"every class and of the background; got \[1, 1, 1\] and 0"),
}


@pytest.mark.parametrize(("wrong", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_arguments_are_named(wrong, error, message):
    with pytest.raises(error, match=message):
        make_mosaics(**{"base": DATASET1, "n": 5} | wrong)


def test_a_single_segment_is_the_foreground():
    data = make_mosaics(DATASET1, n=30, m=1, seed=0)
    assert (data.foreground == 0).all()
    assert (data.component[:, 0] == data.label).all()


def test_a_pool_is_composed_anew_whatever_the_seed():
    data = make_mosaics(DATASET1, n=50, seed=0)
    again = make_mosaics(DATASET1, n=50, seed=0, pool=data.pool)
    assert not torch.equal(again.index, data.index)
    assert digest(again) == digest(make_mosaics(DATASET1, n=50, seed=0, split="recomposed"))
    assert torch.equal(make_mosaics(DATASET1, n=50, seed=0, split="train", pool=data.pool).index, data.index), "asked for by name"


def test_a_pool_keeps_its_type_unless_another_is_asked_for():
    pool = make_mosaics(DATASET1, n=5, dtype=torch.float64).pool
    assert make_mosaics(DATASET1, n=5, pool=pool).segments.dtype == torch.float64
    assert make_mosaics(DATASET1, n=5, pool=pool, dtype=torch.float32).segments.dtype == torch.float32
    assert make_mosaics(DATASET1, n=5).segments.dtype == torch.float32


def test_small_types_of_labels_are_not_the_bound():
    """300 classes, 200 of them below an int8's end: the comparison must not happen in 8 bits."""
    segments = torch.zeros(2, 300, 1)
    for dtype in (torch.uint8, torch.int8):
        data = Mosaics.from_segments(segments, torch.tensor([0, 100], dtype=dtype), torch.tensor([100, 0], dtype=dtype), n_classes=300)
        assert data.label.tolist() == [0, 100] and data.foreground.tolist() == [100, 0]
    with pytest.raises(ValueError, match="got 200"):
        Mosaics.from_segments(segments, torch.tensor([0, 200], dtype=torch.uint8), n_classes=128)


def test_from_segments_takes_all_parts_to_the_device_of_the_segments(monkeypatch):
    """Without a second device all that can be seen is that each part was sent there."""
    moved, to = [], torch.Tensor.to

    def recording(tensor, *arguments, **options):
        if arguments == (SOME.device,):
            moved.append((tensor.dtype, tensor.tolist()))
        return to(tensor, *arguments, **options)

    monkeypatch.setattr(torch.Tensor, "to", recording)
    mask = torch.ones(4, 3, dtype=bool)
    Mosaics.from_segments(SOME, LABEL, [0, 1, 2, 0], mask=mask)
    for part in (torch.tensor(LABEL), torch.tensor([0, 1, 2, 0]), mask):
        assert (part.dtype, part.tolist()) in moved


PARTS = {"pool": Pool(torch.zeros(4, 2), torch.tensor([0, 1, 2, 3]), 2), "index": torch.tensor([[0, 2], [3, 1]]), "label": torch.tensor([0, 1])}
PARTS["foreground"] = torch.tensor([0, 1])
OF_PARTS = {
    "a tensor for a pool": ({"pool": torch.zeros(4, 2)}, TypeError, "pool must be Pool .*from_segments.*; got Tensor"),
    "an index of one axis": ({"index": torch.tensor([0, 1])}, ValueError, r"index must have 2 axes; got shape \(2,\)"),
    "an index that is not whole": ({"index": torch.zeros(2, 2)}, TypeError, "index must be whole numbers .*; got torch.float32"),
    "an index beyond the pool": ({"index": torch.tensor([[0, 4], [1, 2]])}, ValueError, r"index must be in 0 ... 3 \(the last base point\); got 0 ... 4"),
    "no segment": ({"index": torch.zeros(2, 0, dtype=int)}, ValueError, r"m at least 1; got shape \(2, 0\)"),
    "a label beyond K": ({"label": torch.tensor([0, 2])}, ValueError, r"label must be in 0 ... 1 \(n_classes - 1\); got 2"),
    "labels of another length": ({"label": torch.tensor([0])}, ValueError, r"label must have shape \(2,\)"),
    "a place beyond m": ({"foreground": torch.tensor([0, 2])}, ValueError, "foreground must be in 0 ... 1"),
    "a mask of another shape": ({"mask": torch.ones(2, 3, dtype=bool)}, ValueError, r"mask must have shape \(2, 2\)"),
}  # fmt: skip


@pytest.mark.parametrize(("wrong", "error", "message"), OF_PARTS.values(), ids=OF_PARTS)
def test_bad_parts_are_named(wrong, error, message):
    assert Mosaics(**PARTS).n == 2
    with pytest.raises(error, match=message):
        Mosaics(**PARTS | wrong)


@pytest.mark.parametrize(
    ("points", "component", "n_classes", "error", "message"),
    [
        (torch.zeros(3, 2), torch.tensor([0, 1]), 2, ValueError, r"points \(N, \*feature\) and component \(N,\); got shapes \(3, 2\) and \(2,\)"),
        (np.zeros((2, 2)), torch.tensor([0, 1]), 2, TypeError, "points must be a torch.Tensor; got ndarray"),
        (torch.zeros(2, 2), torch.tensor([0.0, 1.0]), 2, TypeError, "component must be whole numbers .*; got torch.float32"),
        (torch.zeros(2, 2), torch.tensor([0, 1]), 1, ValueError, "n_classes must be at least 2; got 1"),
    ],
)
def test_bad_pools_are_named(points, component, n_classes, error, message):
    with pytest.raises(error, match=message):
        Pool(points, component, n_classes)


def test_more_classes_than_colours_are_refused_by_figures():
    import matplotlib.pyplot as plt

    from sdclib import models, plots

    data = Mosaics.from_segments(torch.zeros(7, 2, 2), torch.arange(7), [0] * 7)
    model, (fig, ax) = models.build("linear", (2,), 7), plt.subplots()
    for draw in (
        lambda: plots.base_points(data.pool, ax),
        lambda: plots.averaged_points(model, data, ax),
        lambda: plots.decision_regions(model, ax, xlim=(0, 1), ylim=(0, 1), resolution=3),
    ):
        with pytest.raises(ValueError, match="at most 6 classes have a colour of their own; got 7"):
            draw()
    plt.close(fig)
