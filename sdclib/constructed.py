"""Models whose error mode is known because their weights are set by hand: the ground truth that a diagnosis is tested against.

:func:`draw` draws the sizes, the geometry and the weights. All modes share one geometry: tight clusters in d dimensions; along one part of
the directions all background clusters agree and each foreground class has a value of its own (so that a class can be read off an average),
along the rest everything differs; then all is rotated at random, so that no axis is special. Both networks look up the nearest of some
centres, which three layers do exactly: ``|x - c|^2`` differs between centres by a linear function of x.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from sdclib import _checks
from sdclib.diagnosis import MODES
from sdclib.distributions import Gaussians
from sdclib.models import AttentionModel
from sdclib.mosaics import Mosaics, Pool, make_mosaics

__all__ = ["CONSTRUCTED", "Case", "draw", "lookup"]

CONSTRUCTED = tuple(mode for mode in MODES if mode != "undetermined")


@dataclass(frozen=True, eq=False)
class Case:
    """A model in a known mode, and the mosaics on which it is in it (those that it has "learnt", for a model that knows them by heart)."""

    mode: str
    model: AttentionModel
    mosaics: Mosaics
    sizes: dict

    def __repr__(self):
        return f"Case({self.mode!r}, {', '.join(f'{name}={value}' for name, value in self.sizes.items())})"


def lookup(centres, values, sharpness):
    """A network that gives every point the values of the centre nearest to it.

    ``softmax_i(-sharpness |x - c_i|^2) @ values``, as linear, softmax, linear: the larger the sharpness, the more exactly.

    Args:
        centres: (P, d) array. values: (P, k) array. sharpness: above 0, in 1 / squared distance.

    Returns:
        nn.Sequential (N, d) -> (N, k), float64.

    Raises:
        TypeError, ValueError: shapes that do not fit, numbers that are not finite, a sharpness that is not positive.
    """
    centres, values = np.asarray(centres, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if centres.ndim != 2 or values.ndim != 2 or len(centres) != len(values) or 0 in (*centres.shape, *values.shape):
        raise ValueError(f"lookup needs centres (P, d) and values (P, k), P, d and k at least 1; got shapes {centres.shape} and {values.shape}")
    if not (np.isfinite(centres).all() and np.isfinite(values).all()):
        raise ValueError("centres and values must be finite; got NaN or infinity")
    sharpness = _checks.in_range("sharpness", sharpness, 0, float("inf"), include_low=False, include_high=False)
    nearest, read = _linear(*centres.T.shape), _linear(*values.shape, bias=False)
    with torch.no_grad():
        nearest.weight.copy_(torch.from_numpy(2 * sharpness * centres))
        nearest.bias.copy_(torch.from_numpy(-sharpness * (centres**2).sum(1)))
        read.weight.copy_(torch.from_numpy(values.T.copy()))
    return nn.Sequential(nearest, nn.Softmax(1), read)


def _linear(n_in, n_out, bias=True):
    """A float64 layer whose weights are to be set: nn.Linear would draw some from PyTorch's global stream."""
    return nn.utils.skip_init(nn.Linear, n_in, n_out, bias=bias, dtype=torch.float64)


def draw(mode, seed=0):
    """A model in that mode, of random size and geometry.

    K is 2 to 6, m 2 to 20, there are 1 to 7 background clusters in 4 to 8 dimensions.

    Args:
        mode: one of ``CONSTRUCTED``.
        seed: 0 or more; sizes and geometry depend on it alone, the weights on the mode too.

    Returns:
        Case with an AttentionModel (float64, averaging at layer 0) and 200 to 400 mosaics per class on average (30 to 60 for "memorising").

    Raises:
        ValueError: unknown mode.

    >>> draw("elimination", seed=3).mode
    'elimination'
    """
    _checks.choice("mode", mode, CONSTRUCTED)
    rng = _checks.generator(seed, "construct")
    world, by_heart = _World.draw(rng), mode == "memorising"
    n = world.k * int(rng.integers(30, 61) if by_heart else rng.integers(200, 401))
    base = Gaussians(world.centres, float(rng.uniform(1e-4, 1e-3)), n_classes=world.k, per_component=200, name="constructed")
    mosaics = make_mosaics(base, n=n, m=world.m, seed=seed, dtype=torch.float64)
    if by_heart:  # what is learnt by heart must differ from mosaic to mosaic
        mosaics = _no_segment_twice(mosaics, world.centres, 0.3, rng)
    background = rng.uniform(0, 1.5) * rng.uniform(size=len(world.centres) - world.k)
    foreground, classifier = _BUILD[mode](world, background, rng)
    focus = lookup(world.centres, np.concatenate([foreground, background])[:, None], sharpness=40.0)
    model = AttentionModel(focus, classifier or nn.Identity())
    if by_heart:
        model.classifier = _by_heart(model, mosaics)
    sizes = {"seed": seed, "n": n, "m": world.m, "n_classes": world.k, "n_background": len(background), "d": world.centres.shape[1]}
    return Case(mode, model.eval(), mosaics, sizes)


@dataclass(frozen=True, eq=False)
class _World:
    """k foreground and some background centres (k + B, d); ``mark`` (k, d): from the background to each class, along the shared directions."""

    k: int
    m: int
    centres: np.ndarray
    mark: np.ndarray
    origin: np.ndarray

    @classmethod
    def draw(cls, rng):
        k, m, n_background = (int(rng.integers(*ends)) for ends in ((2, 7), (2, 21), (1, 8)))
        d_mark, d_rest = int(rng.integers(2, 5)), int(rng.integers(2, 5))
        rotation = np.linalg.qr(rng.normal(size=(d_mark + d_rest, d_mark + d_rest)))[0]
        mark = np.concatenate([3 * _apart(rng, k, d_mark, on_sphere=True), np.zeros((k, d_rest))], 1) @ rotation
        rest = np.concatenate([np.zeros((k + n_background, d_mark)), 4 * _apart(rng, k + n_background, d_rest)], 1) @ rotation
        origin = rng.normal(size=d_mark + d_rest)
        centres = rest + origin
        centres[:k] += mark
        return cls(k, m, centres, mark, origin)

    def read_mark(self, mark=None, bias=None):
        """The classifier mark_k . (z - origin) + bias_k: right whatever weight the foreground has, if there is no bias."""
        mark = self.mark if mark is None else mark
        network = _linear(mark.shape[1], self.k)
        with torch.no_grad():
            network.weight.copy_(torch.from_numpy(mark))
            network.bias.copy_(torch.from_numpy((0 if bias is None else bias) - mark @ self.origin))
        return network

    def selecting(self, background, rng):
        """Scores of the foreground classes so much above the background's that the foreground has at least 0.92 of the weight."""
        return background.max() + np.log(self.m - 1) + rng.uniform(2.5, 8, self.k)


def _interpretable(world, background, rng):
    return world.selecting(background, rng), world.read_mark()


def _elimination(world, background, rng):
    """All classes but one are selected; that one is below all background, and is what is said when z has no mark."""
    scores, gone = world.selecting(background, rng), int(rng.integers(world.k))
    scores[gone] = background.min() - rng.uniform(2, 8)
    mark, bias = world.mark.copy(), np.zeros(world.k)
    mark[gone], bias[gone] = 0, 4.0  # a selected class has 0.92 * 9 or more, and every other at least 1 less
    return scores, world.read_mark(mark, bias)


def _mixture(world, background, rng):
    """The foreground has the weight of an average background segment or a little less."""
    return np.log(np.exp(background).mean()) - rng.uniform(0, 0.15, world.k), world.read_mark()


def _looking_away(world, background, rng):
    return background.min() - rng.uniform(1, 3, world.k), world.read_mark()


def _memorising(world, background, rng):
    """No weight on the foreground: z says which mosaic it is and nothing of its class."""
    return np.full(world.k, background.min() - 30), None


def _not_accurate(world, background, rng):
    """Looks at the foreground or anywhere, and gives some classes the wrong name, or all the same."""
    scores = world.selecting(background, rng) if rng.random() < 0.5 else rng.normal(size=world.k)
    if rng.random() < 0.5:
        return scores, world.read_mark(np.roll(world.mark, 1, axis=0))
    return scores, world.read_mark(np.zeros_like(world.mark), np.eye(world.k)[int(rng.integers(world.k))])


_BUILD = {
    "interpretable": _interpretable,
    "elimination": _elimination,
    "mixture": _mixture,
    "looking away": _looking_away,
    "memorising": _memorising,
    "not accurate": _not_accurate,
}


def _no_segment_twice(mosaics, centres, spread, rng):
    """Mosaics of the same components, labels and places, every segment a point of its own around its centre."""
    component = mosaics.component.flatten()
    points = centres[component.numpy()] + spread * rng.normal(size=(len(component), centres.shape[1]))
    pool = Pool(torch.from_numpy(points), component, mosaics.n_classes)
    return Mosaics(pool, torch.arange(len(component)).view(mosaics.n, mosaics.m), mosaics.label, mosaics.foreground)


def _by_heart(model, mosaics):
    """A classifier that gives every average the label of the nearest average among those of the mosaics."""
    with torch.no_grad():
        attention = model(mosaics.segments).attention
    averages = torch.einsum("nm,nmd->nd", attention, mosaics.segments)
    nearest = torch.pdist(averages).min()
    return lookup(averages.numpy(), np.eye(mosaics.n_classes)[mosaics.label.numpy()], sharpness=float(20 / nearest**2))


def _apart(rng, n, d, on_sphere=False):
    """n random points in R^d, (n, d): on the unit sphere and no two closer than 0.6, or in a cube of volume 2^d n and no two closer than 0.5."""
    least = 0.6 if on_sphere else 0.5
    while True:
        points = rng.normal(size=(n, d)) if on_sphere else rng.uniform(-1, 1, (n, d)) * n ** (1 / d)
        if on_sphere:
            points /= np.linalg.norm(points, axis=1, keepdims=True)
        distance = np.linalg.norm(points[:, None] - points, axis=2) + 9 * np.eye(n)
        if distance.min() > least:
            return points
