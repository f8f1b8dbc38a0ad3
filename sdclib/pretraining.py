"""A part of the model that knows its job before the other begins: trained alone, with the foreground given away."""

import dataclasses

from sdclib import _checks, interventions
from sdclib.training import PARTS, fit

__all__ = ["pretrain"]


def pretrain(model, data, part, *, lr=1e-2, epochs=300, batch_size=250, stop_below=0.01, seed=0, progress=None):
    """Train one part in place on what the foreground's place says; the other part stays as it is.

    The focus learns to give the foreground all weight: its loss is minus the logarithm of the weight of the foreground, so it needs an
    activation that never gives a weight of exactly zero. The classifier learns from the foreground alone, as if a perfect focus showed
    it; what it is given is what the model averages, at a later averaging layer the features of the focus as it is.

    Args:
        model: an AttentionModel.
        data: Mosaics whose foreground is known.
        part: "focus" or "classifier".
        lr, epochs, batch_size, stop_below, seed, progress: as for :func:`sdclib.fit`; Adam.

    Returns:
        DataFrame: the history that ``fit`` returns.

    Raises:
        ValueError, TypeError: an unknown part, a foreground that is not known, arguments out of range.
        TrainingDiverged: a loss became infinite, say that of a foreground whose weight is exactly zero.
    """
    _checks.choice("part", part, PARTS)
    if data.foreground is None:
        raise ValueError("pretraining needs mosaics whose foreground is known; got foreground=None")
    settings = {"lr": lr, "epochs": epochs, "batch_size": batch_size, "stop_below": stop_below, "seed": seed, "progress": progress}
    if part == "classifier":
        return fit(model, interventions.alone(data, data.foreground), order=part, record_every=max(epochs, 1), **settings)
    return fit(model, _foreground_first(data), _finding, order=part, record_every=max(epochs, 1), **settings)


def _foreground_first(data):
    """The mosaics with the foreground and what stands in place 0 exchanged."""
    place = data.foreground[:, None]

    def exchanged(table):
        return table.scatter(1, place, table[:, :1]).index_copy(1, place.new_zeros(1), table.gather(1, place))

    mask = None if data.mask is None else exchanged(data.mask)
    return dataclasses.replace(data, index=exchanged(data.index), mask=mask, foreground=None)


def _finding(output, label, entropy_weight=0.0):
    """Mean of minus the logarithm of the weight in place 0."""
    return -output.attention[:, 0].log().mean()
