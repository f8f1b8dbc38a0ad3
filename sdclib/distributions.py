"""Where segments come from: foreground classes and background, by name or from one's own numbers.

A distribution is a list of *components* (boxes, Gaussians, image classes). The first K of them, or those named, are the foreground
classes 0 ... K-1; all others together are the background. A *pool* is a finite set of base points drawn from it; mosaics compose them.
"""

import inspect
from dataclasses import dataclass
from functools import cache

import numpy as np

from sdclib import _checks
from sdclib._distribution import Distribution
from sdclib.image_sets import cifar10, fashion_mnist
from sdclib.images import LabelledImages, digits

__all__ = ["Boxes", "Distribution", "Gaussians", "LabelledImages", "cifar10", "digits", "fashion_mnist", "get", "names"]


@dataclass(frozen=True, eq=False)
class Boxes(Distribution):
    """Uniform distributions on axis-aligned boxes.

    Args:
        low, high: (n_components, d) corners; the foreground boxes come first.
        n_classes: K, how many of them are foreground classes.
        per_component: base points of each box in a pool.
        name: for messages and tables.

    Raises:
        ValueError: corners of different shapes or with low >= high, K below 2, no background box.
    """

    low: np.ndarray
    high: np.ndarray
    n_classes: int
    per_component: int = 300
    name: str = "boxes"

    def __post_init__(self):
        low, high = _constant("low", self.low), _constant("high", self.high)
        if low.ndim != 2 or low.shape != high.shape:
            raise ValueError(f"low and high must be (n_components, d) of one shape; got {low.shape} and {high.shape}")
        if not (low < high).all():
            raise ValueError("every box needs low < high along every axis; got one that is empty")
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        self._check()

    @property
    def n_components(self):
        return len(self.low)

    @property
    def feature_shape(self):
        return self.low.shape[1:]

    def _draw(self, component, n, rng):
        return rng.uniform(self.low[component], self.high[component], (n, *self.feature_shape))

    def log_density(self, points):
        inside = ((points[:, None] >= self.low) & (points[:, None] <= self.high)).all(-1)
        return np.where(inside, -np.log(self.high - self.low).sum(-1), -np.inf)


@dataclass(frozen=True, eq=False)
class Gaussians(Distribution):
    """Gaussian components: mean plus a linear map of standard normal variables.

    Args:
        means: (n_components, d); the foreground classes come first.
        factors: (n_components, d, r), r <= d: a point is mean + factor @ standard normal (r,), so the covariance is factor @ factor.T;
            or one number, the standard deviation of isotropic Gaussians.
        n_classes: K, how many of them are foreground classes.
        per_component: base points of each component in a pool.
        name: for messages and tables.

    Raises:
        ValueError: shapes that do not fit, a standard deviation that is not positive, K below 2, no background component.
    """

    means: np.ndarray
    factors: np.ndarray
    n_classes: int
    per_component: int = 500
    name: str = "gaussians"

    def __post_init__(self):
        means, factors = _constant("means", self.means), _constant("factors", self.factors)
        if means.ndim != 2:
            raise ValueError(f"means must be (n_components, d); got shape {means.shape}")
        n, d = means.shape
        if factors.ndim == 0:
            _checks.in_range("the standard deviation", float(factors), 0, np.inf, include_low=False)
            factors = np.broadcast_to(factors * np.eye(d), (n, d, d))
        if factors.ndim != 3 or factors.shape[:2] != (n, d) or factors.shape[2] > d:
            raise ValueError(f"factors must be ({n}, {d}, r) with r <= {d}; got shape {factors.shape}")
        object.__setattr__(self, "means", means)
        object.__setattr__(self, "factors", factors)
        self._check()

    @property
    def n_components(self):
        return len(self.means)

    @property
    def feature_shape(self):
        return self.means.shape[1:]

    def _draw(self, component, n, rng):
        normal = rng.standard_normal((n, 1, self.factors.shape[2]))
        return self.means[component] + (normal * self.factors[component]).sum(-1)  # not `@`: its rounding depends on the processor

    def log_density(self, points):
        d = self.means.shape[1]
        if self.factors.shape[2] < d:
            return super().log_density(points)  # the covariance has no full rank: no density
        white = np.linalg.solve(self.factors, (points[:, None] - self.means)[..., None])[..., 0]
        log_volume = np.linalg.slogdet(self.factors)[1]
        return -0.5 * (white**2).sum(-1) - log_volume - 0.5 * d * np.log(2 * np.pi)


def _constant(name, values):
    """A float64 copy that nobody can change: the named distributions are shared by all who ask for them."""
    values = np.array(values, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite; got NaN or infinity")
    values.flags.writeable = False
    return values


def _boxes(name, boxes, n_classes):
    corners = np.array(boxes, dtype=np.float64)  # (n_components, d, 2): low and high along every axis
    return Boxes(corners[..., 0], corners[..., 1], n_classes, 300, name)


@cache
def _one_side():
    return _boxes("boxes_one_side", [[(5, 6), (2, 4)], [(5, 6), (-5, -3)], [(8, 9), (-2, 0)], [(1, 2), (-1, 5)]], 3)


@cache
def _both_sides():
    return _boxes("boxes_both_sides", [[(5, 6), (2, 4)], [(5, 6), (-5, -3)], [(-3, -2), (-2, 0)], [(1, 2), (-8, 5)]], 3)


@cache
def _column():
    foreground = [[(1.5, 1.6), (y, y + 0.1)] for y in (7, 5, 3, 1, -1, -3)]
    return _boxes("boxes_column", [*foreground, [(2.1, 2.2), (2.0, 2.1)]], 6)


@cache
def _dataset1():
    foreground = [(4, 6.5), (5.5, 6), (4.5, 4.5)]
    background = [(3, 3.5), (2.5, 5.5), (3.5, 8), (5.5, 8), (7, 6.5), (6.5, 4.5), (5, 3)]
    return Gaussians(np.array(foreground + background), 0.1, 3, 500, "dataset1")


@cache
def _dataset2():
    means = [(3, 3, 3, 3, 0), (4, 4, 4, 4, 0), (10, 5, 5, 10, 0), (-10, -10, -10, -10, 0), (-21, 4, 4, -21, 0), (-10, 18, 18, -10, 0),
             (4, 20, 4, 20, 0), (4, -20, -20, 4, 0), (20, 20, 20, 20, 0), (20, -10, -10, 20, 0)]  # fmt: skip
    axis = [1, 0, 1, 1, 0, 1, 0, 0, 1, 1]  # the coordinate with the extra variance of 15
    factors = np.zeros((10, 5, 2))
    factors[:, :, 0] = 1  # the all-ones covariance: one shared normal variable
    factors[np.arange(10), axis, 1] = np.sqrt(15)
    return Gaussians(np.array(means), factors, 3, 500, "dataset2")


_DISTRIBUTIONS = {
    "boxes_one_side": _one_side,
    "boxes_both_sides": _both_sides,
    "boxes_column": _column,
    "dataset1": _dataset1,
    "dataset2": _dataset2,
    "digits": digits,
    "fashion_mnist": fashion_mnist,
    "cifar10": cifar10,
}


def names():
    """The names that :func:`get` knows.

    >>> "dataset1" in names()
    True
    """
    return tuple(_DISTRIBUTIONS)


def get(name, **arguments):
    """The distribution of that name (parameters: Pandey et al. 2022 and the authors' public record).

    >>> get("dataset1").n_classes
    3
    >>> get("digits", foreground=(3, 5, 8)).feature_shape
    (1, 8, 8)
    """
    make = _DISTRIBUTIONS[_checks.choice("distribution", name, names())]
    known = inspect.signature(make).parameters
    unknown = [argument for argument in arguments if argument not in known]
    if unknown:
        raise TypeError(f"distribution {name!r} takes no {', '.join(unknown)}; it has {', '.join(known) or 'no parameters'}")
    return make(**arguments)
