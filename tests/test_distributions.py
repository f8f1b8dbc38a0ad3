"""Distributions: the paper's parameters, supports, moments, densities, and what is refused."""

import itertools

import numpy as np
import pytest
from scipy import stats
from strategies import SHIPPED

from sdclib import distributions
from sdclib.distributions import Boxes, Gaussians, LabelledImages

BOXES = {  # x1 range, x2 range; foreground first
    "boxes_one_side": ([(5, 6, 2, 4), (5, 6, -5, -3), (8, 9, -2, 0), (1, 2, -1, 5)], 3, 1200),
    "boxes_both_sides": ([(5, 6, 2, 4), (5, 6, -5, -3), (-3, -2, -2, 0), (1, 2, -8, 5)], 3, 1200),
    "boxes_column": ([(1.5, 1.6, y, y + 0.1) for y in (7, 5, 3, 1, -1, -3)] + [(2.1, 2.2, 2.0, 2.1)], 6, 2100),
}
MEANS_1 = [(4, 6.5), (5.5, 6), (4.5, 4.5), (3, 3.5), (2.5, 5.5), (3.5, 8), (5.5, 8), (7, 6.5), (6.5, 4.5), (5, 3)]
MEANS_2 = [
    (3, 3, 3, 3, 0), (4, 4, 4, 4, 0), (10, 5, 5, 10, 0), (-10, -10, -10, -10, 0), (-21, 4, 4, -21, 0), (-10, 18, 18, -10, 0),
    (4, 20, 4, 20, 0), (4, -20, -20, 4, 0), (20, 20, 20, 20, 0), (20, -10, -10, 20, 0),
]  # fmt: skip
SECOND_AXIS = (1, 3, 4, 6, 9, 10)  # classes, counted from 1, whose second coordinate has the extra variance; the others: the first


def dataset2_covariance(component):
    covariance = np.ones((5, 5))
    axis = 1 if component + 1 in SECOND_AXIS else 0
    covariance[axis, axis] += 15
    return covariance


@pytest.mark.parametrize("name", BOXES)
def test_boxes_are_the_papers(name):
    corners, n_classes, size = BOXES[name]
    base = distributions.get(name)
    np.testing.assert_allclose(np.stack([base.low[:, 0], base.high[:, 0], base.low[:, 1], base.high[:, 1]], 1), corners, rtol=1e-15)
    assert (base.n_classes, base.feature_shape) == (n_classes, (2,))
    points, component = base.sample_pool(seed=3)
    assert points.shape == (size, 2)
    for c in range(base.n_components):
        inside = points[component == c]
        assert len(inside) == 300
        assert (inside >= base.low[c]).all() and (inside <= base.high[c]).all()
        for axis in range(2):
            share = (inside[:, axis] - base.low[c, axis]) / (base.high - base.low)[c, axis]
            assert stats.kstest(share, "uniform").pvalue > 1e-4
        assert abs(np.corrcoef(inside.T)[0, 1]) < 0.25


def test_dataset1_is_the_papers():
    base = distributions.get("dataset1")
    assert base.n_classes == 3
    np.testing.assert_array_equal(base.means, MEANS_1)
    points, component = base.sample_pool(seed=0)
    assert points.shape == (5000, 2)
    for c, mean in enumerate(MEANS_1):
        part = points[component == c]
        assert len(part) == 500
        np.testing.assert_allclose(part.mean(0), mean, atol=5 * 0.1 / np.sqrt(500))
        np.testing.assert_allclose(np.cov(part.T), 0.01 * np.eye(2), atol=0.01 * 5 * np.sqrt(2 / 500))
        assert stats.kstest((part[:, 0] - mean[0]) / 0.1, "norm").pvalue > 1e-4


def test_dataset2_is_the_papers():
    base = distributions.get("dataset2")
    assert (base.n_classes, base.n_components, base.per_component) == (3, 10, 500)
    np.testing.assert_array_equal(base.means, MEANS_2)
    for c in range(10):
        np.testing.assert_allclose(base.factors[c] @ base.factors[c].T, dataset2_covariance(c), rtol=1e-14)
    many = Gaussians(base.means, base.factors, 3, per_component=100_000)
    points, component = many.sample_pool(seed=1)
    for c in range(10):
        part = points[component == c]
        np.testing.assert_allclose(part.mean(0), MEANS_2[c], atol=5 * np.sqrt(16 / 1e5))
        np.testing.assert_allclose(np.cov(part.T), dataset2_covariance(c), atol=5 * 16 * np.sqrt(2 / 1e5))


def test_log_density_agrees_with_scipy():
    rng = np.random.default_rng(0)
    points = rng.uniform(2, 8, (200, 2))
    factors = rng.normal(size=(3, 2, 2))
    general = Gaussians(rng.uniform(2, 8, (3, 2)), factors, 2)
    for base, covariances in ((general, factors @ factors.transpose(0, 2, 1)), (distributions.get("dataset1"), [0.01 * np.eye(2)] * 10)):
        wanted = [stats.multivariate_normal(mean, covariance).logpdf(points) for mean, covariance in zip(base.means, covariances, strict=True)]
        np.testing.assert_allclose(base.log_density(points), np.stack(wanted, 1), rtol=1e-9)


def test_foreground_score_agrees_with_scipy():
    points, _ = distributions.get("dataset1").sample_pool(seed=0)
    points = points[::10] + np.random.default_rng(0).normal(0, 0.2, (500, 2))
    density = np.stack([stats.multivariate_normal(mean, 0.01 * np.eye(2)).pdf(points) for mean in MEANS_1], 1)
    seen = (density[:, :3].mean(1) > 1e-290) & (density[:, 3:].mean(1) > 1e-290)
    assert seen.sum() > 300
    wanted = np.log(density[:, :3].mean(1) / density[:, 3:].mean(1))
    score = distributions.get("dataset1").foreground_score(points)
    np.testing.assert_allclose(score[seen], wanted[seen], rtol=1e-9, atol=1e-9)
    assert np.isfinite(score).all(), "log densities do not underflow where densities do"


def test_foreground_score_of_boxes():
    base = Boxes([[0, 0], [2, 0], [1, 0]], [[1, 1], [3, 1], [3, 2]], 2)
    score = base.foreground_score([[0.5, 0.5], [2.5, 0.5], [1.5, 1.5], [9, 9]])
    # only foreground; class 2 (density 1, half of the foreground) over background (1/4); only background; nothing
    np.testing.assert_allclose(score, [np.inf, np.log(0.5 / 0.25), -np.inf, -np.inf])


@pytest.mark.parametrize("name", BOXES)
def test_every_base_point_of_the_boxes_tells_what_it_is(name):
    base = distributions.get(name)
    points, component = base.sample_pool(seed=5)
    score = base.foreground_score(points)
    np.testing.assert_array_equal(score, np.where(component < base.n_classes, np.inf, -np.inf))


def test_no_density_of_a_covariance_without_full_rank():
    with pytest.raises(ValueError, match="density of dataset2 is not known"):
        distributions.get("dataset2").foreground_score(np.zeros((1, 5)))
    with pytest.raises(ValueError, match="density of digits is not known"):
        distributions.get("digits").log_density(np.zeros((1, 64)))


@pytest.mark.parametrize("name", SHIPPED)
def test_pools_of_a_seed(name):
    base = distributions.get(name)
    points, component = base.sample_pool(seed=0)
    again, same = base.sample_pool(seed=0)
    assert points.tobytes() == again.tobytes() and component.tobytes() == same.tobytes()
    assert points.shape[1:] == base.feature_shape
    assert set(component) == set(range(base.n_components))
    fresh, _ = base.sample_pool(seed=0, fresh=True)
    rows, fresh_rows = ({row.tobytes() for row in part} for part in (points, fresh))
    assert len(rows) == len(points), "two base points are the same"
    assert not rows & fresh_rows
    if name != "digits":
        other, _ = base.sample_pool(seed=1)
        assert not rows & {row.tobytes() for row in other}


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    theirs = load_digits()
    base = distributions.digits(foreground=(3, 5, 8), held_out=0.25)
    np.testing.assert_array_equal((base.images[:, 0] + 1) * 8, theirs.images)
    assert (base.images.min(), base.images.max()) == (-1, 1)
    assert base.classes == (3, 5, 8, 0, 1, 2, 4, 6, 7, 9)
    points, component = base.sample_pool()
    fresh, fresh_component = base.sample_pool(fresh=True)
    assert len(points) + len(fresh) == 1797
    digit = {image.tobytes(): label for image, label in zip(base.images, theirs.target, strict=True)}
    for part, of in ((points, component), (fresh, fresh_component)):
        assert [digit[image.tobytes()] for image in part] == [base.classes[c] for c in of]
    for c, number in enumerate(base.classes):
        assert (fresh_component == c).sum() == round(0.25 * (theirs.target == number).sum())


def test_held_out_digits_do_not_depend_on_seed_or_foreground():
    one, other = distributions.digits(), distributions.digits(foreground=(0, 2, 9, 6))
    np.testing.assert_array_equal(one.held_out, other.held_out)
    assert one.sample_pool(0, fresh=True)[0].tobytes() == one.sample_pool(7, fresh=True)[0].tobytes()


def test_arrays_of_a_distribution_cannot_be_changed_from_outside():
    """The named distributions are shared by all who ask for them, and one's own array may change later."""
    with pytest.raises(ValueError, match="read-only"):
        distributions.get("dataset1").means[0] = 0
    low = np.zeros((3, 2))
    base = Boxes(low, np.ones((3, 2)), 2)
    low += 9
    assert (base.low == 0).all()


IMAGES = {"images": np.zeros((4, 8)), "labels": [0, 1, 2, 2], "foreground": (0, 1)}
REFUSED = {
    "unknown name": (lambda: distributions.get("dataset9"), "unknown distribution 'dataset9'; choose one of boxes_one_side, boxes_both_sides"),
    "corners of two shapes": (lambda: Boxes(np.zeros((3, 2)), np.ones((4, 2)), 2), r"of one shape; got \(3, 2\) and \(4, 2\)"),
    "an empty box": (lambda: Boxes(np.zeros((3, 2)), np.zeros((3, 2)), 2), "low < high along every axis"),
    "an endless box": (lambda: Boxes(np.zeros((3, 2)), np.full((3, 2), np.inf), 2), "must be finite; got NaN or infinity"),
    "NaN corner": (lambda: Boxes(np.full((3, 2), np.nan), np.ones((3, 2)), 2), "must be finite; got NaN or infinity"),
    "K of 1": (lambda: Boxes(np.zeros((3, 2)), np.ones((3, 2)), 1), r"n_classes \(foreground components\) must be at least 2; got 1"),
    "no background": (lambda: Boxes(np.zeros((3, 2)), np.ones((3, 2)), 3), "background components must be at least 1; got 0"),
    "no points": (lambda: Boxes(np.zeros((3, 2)), np.ones((3, 2)), 2, per_component=0), "per_component must be at least 1; got 0"),
    "means of one axis": (lambda: Gaussians([1, 2, 3], 1, 2), r"means must be \(n_components, d\); got shape \(3,\)"),
    "NaN mean": (lambda: Gaussians(np.full((3, 2), np.nan), 1, 2), "must be finite; got NaN or infinity"),
    "no spread": (lambda: Gaussians(np.zeros((3, 2)), 0, 2), r"standard deviation must be in \(0, inf\); got 0"),
    "factors of another shape": (lambda: Gaussians(np.zeros((3, 2)), np.ones((3, 2, 3)), 2), r"\(3, 2, r\) with r <= 2; got shape \(3, 2, 3\)"),
    "labels of another length": (lambda: LabelledImages(**IMAGES | {"labels": [0, 1]}), r"got shapes \(4, 8\) and \(2,\)"),
    "NaN in an image": (lambda: LabelledImages(**IMAGES | {"images": np.full((4, 8), np.nan)}), "images must be finite numbers; got NaN"),
    "absent class": (lambda: LabelledImages(**IMAGES | {"foreground": (0, 7)}), r"different classes out of \[0, 1, 2\]; got \(0, 7\)"),
    "class named twice": (lambda: LabelledImages(**IMAGES | {"foreground": (1, 1)}), r"different classes out of .* got \(1, 1\)"),
    "one foreground class": (lambda: LabelledImages(**IMAGES | {"foreground": (1,)}), "foreground classes must be at least 2; got 1"),
    "no background class": (lambda: LabelledImages(**IMAGES | {"foreground": (0, 1, 2)}), "background classes must be at least 1; got 0"),
    "held_out of another length": (lambda: LabelledImages(**IMAGES, held_out=[True]), r"held_out must have shape \(4,\); got \(1,\)"),
    "nothing held out": (lambda: LabelledImages(**IMAGES).sample_pool(fresh=True), "images has no held-out images"),
    "all digits held out": (lambda: distributions.digits(held_out=1.0), r"held_out must be in \(0, 1\); got 1.0"),
    "a seed below 0": (lambda: distributions.get("dataset1").sample_pool(-1), "seed must be at least 0; got -1"),
    "a seed below 0 for images": (lambda: distributions.get("digits").sample_pool(-1), "seed must be at least 0; got -1"),
}


@pytest.mark.parametrize(("wrong", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


@pytest.mark.parametrize("seed", [1.5, "1", True, None])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(TypeError, match="seed must be a whole number; got"):
        distributions.get("dataset1").sample_pool(seed)


def test_every_name_has_classes_background_and_a_shape():
    shapes = {name: distributions.get(name).feature_shape for name in SHIPPED}
    assert shapes == {**dict.fromkeys([*BOXES, "dataset1"], (2,)), "dataset2": (5,), "digits": (1, 8, 8)}
    for name, held_out in itertools.product(SHIPPED, (False, True)):
        base = distributions.get(name)
        _, component = base.sample_pool(fresh=held_out)
        assert np.bincount(component, minlength=base.n_components).min() > 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: distributions.get("dataset1", foo=1), "distribution 'dataset1' takes no foo; it has no parameters"),
        (lambda: distributions.get("digits", foo=1), "distribution 'digits' takes no foo; it has foreground, held_out"),
        (lambda: distributions.digits(foreground=3), r"foreground must be several classes, say \(1, 4, 7\); got 3"),
    ],
)
def test_wrong_types_are_named(wrong, message):
    with pytest.raises(TypeError, match=message):
        wrong()
