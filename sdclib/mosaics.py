"""Mosaics: examples of m segments, one of which, the foreground, decides the label."""

import copy
import numbers
import operator
from dataclasses import dataclass

import numpy as np
import torch

from sdclib import _checks

__all__ = ["Mosaics", "Pool", "make_mosaics"]

_SPLITS = {"train": ("pool", "compose"), "recomposed": ("pool", "recompose"), "fresh": ("fresh_pool", "fresh_compose")}


@dataclass(frozen=True, eq=False)
class Pool:
    """Base points that mosaics are composed of.

    points (N, *feature): the base points. component (N,): which component of the distribution each came from; components
    0 ... n_classes-1 are the foreground classes, all others background. For segments of unknown origin the component is -1.
    """

    points: torch.Tensor
    component: torch.Tensor
    n_classes: int

    def __post_init__(self):
        points = _checks.floating("points", self.points)
        component = _whole("component", self.component, 1)
        if points.ndim < 2 or len(points) != len(component):
            raise ValueError(f"a pool needs points (N, *feature) and component (N,); got shapes {tuple(points.shape)} and {tuple(component.shape)}")
        object.__setattr__(self, "n_classes", _checks.at_least("n_classes", self.n_classes, 2))

    def __len__(self):
        return len(self.points)

    @property
    def is_foreground(self):
        """(N,) booleans: base points of a foreground class."""
        return (self.component >= 0) & (self.component < self.n_classes)

    def __repr__(self):
        n_foreground = int(self.is_foreground.sum())
        return f"Pool({len(self)} base points of shape {tuple(self.points.shape[1:])}, {n_foreground} of them foreground, {self.n_classes} classes)"


@dataclass(frozen=True, eq=False, repr=False)
class Mosaics:
    """n mosaics of m segments: a pool of base points and, for every mosaic, the indices of its segments in it.

    Attributes:
        pool: Pool of N base points; ``pool.points`` is (N, *feature).
        index: (n, m) int64, the base point in each place.
        label: (n,) int64 in 0 ... n_classes-1, the class of the foreground segment.
        foreground: (n,) int64 in 0 ... m-1, the place of the foreground segment; None when nobody knows it.
        mask: (n, m) booleans, True = real segment; None = all real.

    Raises:
        TypeError, ValueError: what is no Pool, wrong types or shapes, indices, labels or places out of range, a mosaic with no real segment.
    """

    pool: Pool
    index: torch.Tensor
    label: torch.Tensor
    foreground: torch.Tensor | None
    mask: torch.Tensor | None = None

    def __post_init__(self):
        pool = _checks.instance("pool", self.pool, Pool, " (for segments of one's own: Mosaics.from_segments)")
        index = _whole("index", self.index, 2)
        n, m = index.shape
        if m < 1:
            raise ValueError(f"index must be (n, m) with m at least 1; got shape {tuple(index.shape)}")
        if n and (index.min() < 0 or index.max() >= len(pool)):
            raise ValueError(f"index must be in 0 ... {len(pool) - 1} (the last base point); got {int(index.min())} ... {int(index.max())}")
        object.__setattr__(self, "label", _checks.labels("label", self.label, n, pool.n_classes, what="n_classes - 1"))
        if self.foreground is not None:
            object.__setattr__(self, "foreground", _checks.labels("foreground", self.foreground, n, m, what="the last place"))
        if self.mask is not None:
            _checks.mask(self.mask, (n, m))

    @classmethod
    def from_segments(cls, segments, label, foreground=None, *, mask=None, n_classes=None):
        """Mosaics of one's own segments, on their device.

        Nothing is copied that need not be: change ``segments`` (or a mask or label) in place, and the mosaics change.

        Args:
            segments: (n, m, *feature) floating-point tensor.
            label: (n,) whole numbers 0 ... K-1.
            foreground: (n,) whole numbers 0 ... m-1, or None if unknown (then focus cannot be measured).
            mask: (n, m) booleans, True = real segment; None = all real.
            n_classes: K; None = the largest label + 1.

        Raises:
            TypeError, ValueError: wrong types or shapes, n or m below 1, K below 2, labels or places out of range, NaN among the real
                segments, a mosaic with no real segment, a foreground that is masked.
        """
        _checks.floating("segments", segments)
        if segments.ndim < 3 or min(segments.shape[:2]) < 1:
            raise ValueError(f"segments must be (n, m, *feature) with n and m at least 1; got shape {tuple(segments.shape)}")
        (n, m), device = segments.shape[:2], segments.device
        if n_classes is None:
            n_classes = int(_checks.labels("label", label, n).max()) + 1
        n_classes = _checks.at_least("n_classes", n_classes, 2)
        label = _checks.labels("label", label, n, n_classes, what="n_classes - 1").to(device)
        if foreground is not None:
            foreground = _checks.labels("foreground", foreground, n, m, what="the last place").to(device)
        if mask is not None:
            mask = _checks.mask(mask, (n, m)).to(device)
            if foreground is not None and not mask[torch.arange(n, device=device), foreground].all():
                raise ValueError("the foreground must be a real segment; got a mosaic whose foreground is masked")
        real = segments.flatten(0, 1) if mask is None else segments[mask]
        if not real.isfinite().all():
            raise ValueError("segments must be finite; got NaN or infinity in a real segment")
        component = torch.full((n, m), -1, device=device)
        if foreground is not None:
            component[torch.arange(n, device=device), foreground] = label
        pool = Pool(segments.flatten(0, 1), component.flatten(), n_classes)
        return cls(pool, torch.arange(n * m, device=device).view(n, m), label, foreground, mask)

    def __len__(self):
        return len(self.index)

    @property
    def n(self):
        """Number of mosaics."""
        return self.index.shape[0]

    @property
    def m(self):
        """Segments in a mosaic."""
        return self.index.shape[1]

    @property
    def n_classes(self):
        """K, the number of foreground classes."""
        return self.pool.n_classes

    @property
    def feature_shape(self):
        """Shape of one segment."""
        return tuple(self.pool.points.shape[1:])

    @property
    def segments(self):
        """(n, m, *feature): the segments, gathered now."""
        return self.pool.points[self.index]

    @property
    def component(self):
        """(n, m): the component of the distribution that each segment came from (-1 = unknown)."""
        return self.pool.component[self.index]

    def __getitem__(self, which):
        """Some of the mosaics, as Mosaics of the same pool: a number, a slice, whole numbers or booleans."""
        if isinstance(which, tuple):
            raise TypeError(f"mosaics are chosen by a number, a slice, whole numbers or booleans; got {which}")
        if isinstance(which, numbers.Integral) or getattr(which, "ndim", 1) == 0:
            which = operator.index(which)
            if not -self.n <= which < self.n:
                raise IndexError(f"mosaic {which} of {self.n}")
            which = slice(which, which + 1 or None)
        parts = {name: getattr(self, name) for name in ("index", "label", "foreground", "mask")}
        return self._with(**{name: None if part is None else part[which] for name, part in parts.items()})

    def to(self, *args, **kwargs):
        """The same mosaics on another device or, for the base points, in another floating-point type (as ``torch.Tensor.to``)."""
        points = self.pool.points.to(*args, **kwargs)
        device = points.device
        pool = Pool(points, self.pool.component.to(device), self.n_classes)
        foreground, mask = (None if part is None else part.to(device) for part in (self.foreground, self.mask))
        return self._with(pool=pool, index=self.index.to(device), label=self.label.to(device), foreground=foreground, mask=mask)

    def _with(self, **parts):
        """A copy with other parts that need no check: they were cut out of, or moved from, what has been checked."""
        other = copy.copy(self)
        vars(other).update(parts)
        return other

    def __repr__(self):
        known = "known" if self.foreground is not None else "unknown"
        return (
            f"Mosaics(n={self.n}, m={self.m}, feature_shape={self.feature_shape}, n_classes={self.n_classes}, "
            f"pool of {len(self.pool)} base points, foreground {known})"
        )


def make_mosaics(base, n=3000, m=9, seed=0, *, split=None, pool=None, dtype=None):
    """Compose mosaics: place and class of the foreground uniform, all segments drawn independently from a pool of base points.

    Args:
        base: a distribution of :mod:`sdclib.distributions`.
        n: number of mosaics, 1 or more.
        m: segments in a mosaic, 1 or more.
        seed: data seed, 0 or more; the same seed gives the same bytes.
        split: "train"; "recomposed", new compositions of the same base points; "fresh", new base points too (for images the held-out ones).
            None = "train" or, with a pool, "recomposed".
        pool: compose these base points (a Pool, say ``data.pool``) and not the split's own.
        dtype: floating-point type of the segments; None = float32 or, with a pool, the pool's own.

    Returns:
        Mosaics.

    Raises:
        TypeError, ValueError: n or m below 1, an unknown split, a pool of other classes than the base's or that lacks a class or the
            background, a pool for the split "fresh", which is of new base points.

    Source: the sampler of Pandey et al. (2022). The background of a mosaic is drawn uniformly from the pool's background points.

    >>> from sdclib import distributions
    >>> make_mosaics(distributions.get("dataset1"), n=4, m=9)
    Mosaics(n=4, m=9, feature_shape=(2,), n_classes=3, pool of 5000 base points, foreground known)
    """
    n, m = _checks.at_least("n", n, 1), _checks.at_least("m", m, 1)
    if not hasattr(base, "sample_pool"):
        raise TypeError(f"base must be a distribution, say distributions.get('dataset1'); got {base!r}")
    if dtype is not None:
        _checks.real_dtype(dtype)
    if split is None:
        split = "train" if pool is None else "recomposed"
    pool_stream, stream = _SPLITS[_checks.choice("split", split, tuple(_SPLITS))]
    if pool is not None:
        _checks.instance("pool", pool, Pool, ", say data.pool")
        if split == "fresh":
            raise ValueError("split 'fresh' draws new base points: it cannot compose those of a pool")
    if pool is None:
        points, component = base.sample_pool(seed, fresh=pool_stream == "fresh_pool")
        pool = Pool(torch.as_tensor(points).to(dtype or torch.float32), torch.as_tensor(component), base.n_classes)
    elif pool.n_classes != base.n_classes:
        raise ValueError(f"the pool must have the base's {base.n_classes} classes; got {pool.n_classes}")
    elif dtype not in (None, pool.points.dtype):
        pool = Pool(pool.points.to(dtype), pool.component, pool.n_classes)
    rng = _checks.generator(seed, stream)
    component = pool.component.cpu().numpy()
    members = [np.flatnonzero(component == k) for k in range(base.n_classes)]
    background = np.flatnonzero(component >= base.n_classes)
    if min(map(len, members)) == 0 or (m > 1 and len(background) == 0):
        raise ValueError(f"the pool needs base points of every class and of the background; got {[*map(len, members)]} and {len(background)}")
    label = rng.integers(base.n_classes, size=n)
    foreground = rng.integers(m, size=n)
    index = rng.choice(background, (n, m)) if m > 1 else np.zeros((n, m), dtype=np.int64)
    size = np.array([len(of_class) for of_class in members])
    which = (rng.random(n) * size[label]).astype(np.int64)
    start = np.concatenate([[0], size.cumsum()[:-1]])
    index[np.arange(n), foreground] = np.concatenate(members)[start[label] + which]
    device = pool.points.device
    return Mosaics(pool, *(torch.as_tensor(part).to(device) for part in (index, label, foreground)))


def _whole(name, tensor, n_dims):
    """A tensor of whole numbers with that many axes, or TypeError/ValueError."""
    _checks.instance(name, tensor, torch.Tensor)
    if tensor.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"{name} must be whole numbers (torch.int64); got {tensor.dtype}")
    if tensor.ndim != n_dims:
        raise ValueError(f"{name} must have {n_dims} axes; got shape {tuple(tensor.shape)}")
    return tensor
