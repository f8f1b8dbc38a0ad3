"""What if another segment had stood there? Mosaics changed in one place: questions that can be asked only because the foreground is known.

Replacements are drawn from the mosaics themselves, so they work for base points of any kind, one's own included, and every segment that
a model gets to see is one that it could have met.
"""

import dataclasses

import numpy as np
import torch

from sdclib import _checks
from sdclib.mosaics import Mosaics

__all__ = ["alone", "recompose", "replace", "swap_foreground", "with_background", "without_foreground"]

_HINT = " (Mosaics.from_segments makes them of one's own segments)"


def replace(mosaics, place, index):
    """The mosaics with another base point in one place each.

    Args:
        mosaics: Mosaics.
        place: (n,) whole numbers 0 ... m-1: where.
        index: (n,) whole numbers: which base point of ``mosaics.pool`` stands there instead.

    Returns:
        Mosaics; label and foreground are kept as they are, also where what was replaced is the foreground.

    Raises:
        TypeError, ValueError: what is no Mosaics, wrong types or shapes, a place or base point that there is none of, a place that is masked.
    """
    _checks.instance("mosaics", mosaics, Mosaics, _HINT)
    place = _real_places(mosaics, place)
    index = _checks.labels("index", index, mosaics.n, len(mosaics.pool), what="the last base point").to(mosaics.index)
    return dataclasses.replace(mosaics, index=mosaics.index.scatter(1, place[:, None], index[:, None]))


def with_background(mosaics, place, seed=0):
    """A background segment, drawn at random, in one place each: place (n,), a real segment's.

    ``label`` and ``foreground`` are kept; where the place is the foreground's, nothing of any class is left in the mosaic.
    Raises ValueError if there is no background to draw from (one real segment a mosaic) or a place is masked.
    """
    _known(mosaics)
    return replace(mosaics, place, _draw(_background(mosaics), mosaics.n, _checks.generator(seed, "intervene")))


def without_foreground(mosaics, seed=0):
    """A background segment, drawn at random, in the foreground's place: :func:`with_background` there."""
    return with_background(mosaics, _known(mosaics), seed)


def swap_foreground(mosaics, seed=0):
    """A foreground segment of another class, drawn at random, in the foreground's place; ``label`` is the new class.

    The result is a mosaic like any other: only its foreground differs from one that the model has seen.
    Raises ValueError if only one class stands in the mosaics.
    """
    rng, foreground = _checks.generator(seed, "intervene"), _known(mosaics)
    present = mosaics.label.unique().cpu()
    if len(present) < 2:
        raise ValueError(f"swapping the foreground needs mosaics of two classes or more; got only class {int(present[0])}")
    rank = torch.searchsorted(present, mosaics.label.cpu())
    step = torch.from_numpy(rng.integers(1, len(present), mosaics.n))
    label = present[(rank + step) % len(present)]
    return dataclasses.replace(replace(mosaics, foreground, _draw_of_class(mosaics, label, rng)), label=label.to(mosaics.label.device))


def recompose(mosaics, seed=0):
    """As many new mosaics of the same segments: the label and place of every mosaic stay, all its segments are drawn anew.

    Foregrounds are drawn among those of the same class, background segments among all of the background; masked places stay masked.
    A model that has learnt the task does as well on these; one that has learnt the given mosaics by heart does not.
    """
    rng, foreground = _checks.generator(seed, "intervene"), _known(mosaics)
    index = mosaics.index
    if mosaics.m > 1:
        real = torch.ones_like(index, dtype=torch.bool) if mosaics.mask is None else mosaics.mask
        drawn = _draw(_background(mosaics), index.numel(), rng).view_as(index)
        index = torch.where(real, drawn, index)
    return replace(dataclasses.replace(mosaics, index=index), foreground, _draw_of_class(mosaics, mosaics.label.cpu(), rng))


def alone(mosaics, place):
    """Mosaics of one segment (m = 1): the one that stands in ``place`` (n,); for ``place=mosaics.foreground`` the foreground alone.

    ``label`` is kept; the one place there is counts as the foreground's.
    """
    _known(mosaics)
    place = _real_places(mosaics, place)
    return Mosaics(mosaics.pool, mosaics.index.gather(1, place[:, None]), mosaics.label, torch.zeros_like(place))


def _known(mosaics):
    _checks.instance("mosaics", mosaics, Mosaics, _HINT)
    if mosaics.n < 1:
        raise ValueError("interventions need at least one mosaic; got none")
    if mosaics.foreground is None:
        raise ValueError("interventions need mosaics whose foreground is known; got foreground=None")
    return mosaics.foreground


def _real_places(mosaics, place):
    place = _checks.labels("place", place, mosaics.n, mosaics.m, what="the last place").to(mosaics.index.device)
    if mosaics.mask is not None and not mosaics.mask.gather(1, place[:, None]).all():
        raise ValueError("place must be that of a real segment; got one that is masked")
    return place


def _background(mosaics):
    """All background segments, as base points, as often as they stand in the mosaics."""
    is_background = torch.ones_like(mosaics.index, dtype=torch.bool) if mosaics.mask is None else mosaics.mask.clone()
    is_background.scatter_(1, _known(mosaics)[:, None], False)
    found = mosaics.index[is_background]
    if not len(found):
        raise ValueError("this intervention needs background segments; got mosaics of one real segment each, the foreground")
    return found


def _draw(found, n, rng):
    return found[torch.from_numpy(rng.integers(len(found), size=n)).to(found.device)]


def _draw_of_class(mosaics, label, rng):
    """A foreground of each wanted class, drawn among the mosaics' own: (n,) base points."""
    own = mosaics.index.gather(1, mosaics.foreground[:, None])[:, 0]
    order = torch.argsort(mosaics.label.cpu(), stable=True)
    count = torch.bincount(mosaics.label.cpu(), minlength=mosaics.n_classes)
    start = count.cumsum(0) - count
    within = torch.from_numpy((rng.random(len(label)) * count[label].numpy()).astype(np.int64))
    return own[order.to(own.device)][(start[label] + within).to(own.device)]
