"""A model on mosaics: its output, and all measures of it.

Anything will do as a model that returns ``.logits`` (n, K) and ``.attention`` (n, m) for ``model(segments, mask=None)``.
"""

import math
from contextlib import contextmanager

import torch

from sdclib import _checks, metrics, objectives
from sdclib.inference import INFERENCES, logits_under, output_of
from sdclib.models import AttentionModel, ModelOutput
from sdclib.mosaics import Mosaics

__all__ = ["BY_INFERENCE", "MEASURES", "evaluate", "measure", "predict"]

MEASURES = ("accuracy", "ftpt", "ffpt", "ftpf", "ffpf", "foreground_mass", "n_active", "corner_distance", "entropy_bits", "majority")
BY_INFERENCE = tuple(f"{inference}_{name}" for inference in INFERENCES[1:] for name in ("accuracy", "ftpt"))


def predict(model, mosaics, batch_size=None, segment_logits=False):
    """The model's output on all mosaics, without gradients and in evaluation mode.

    Base points that stand in many mosaics are scored once by an :class:`sdclib.AttentionModel` (those whose features are large once more
    for the average); a model with a ``forward`` of its own gets the mosaics as they are.

    Args:
        model: an AttentionModel or anything with the same call.
        mosaics: Mosaics.
        batch_size: mosaics (and base points, where these are scored once) at a time; None = 10,000, or fewer where segments are large, so that a
            batch of them takes at most 32 MB.
        segment_logits: whether the classifier is also asked about each segment alone.

    Returns:
        ModelOutput: logits (n, K), attention (n, m), scores (n, m; None if the model gives none) and, if asked for, segment_logits (n, m, K).

    Raises:
        TypeError, ValueError: what is no Mosaics, no mosaic, a model whose output lacks logits or attention, or whose shapes do not fit the mosaics.
    """
    _checks.instance("mosaics", mosaics, Mosaics, " (Mosaics.from_segments makes them of one's own segments)")
    if not callable(model):
        raise TypeError(f"model must be callable, as AttentionModel is; got {model!r}")
    if mosaics.n < 1:
        raise ValueError("predict needs at least one mosaic; got none")
    batch_size = _batch_size(mosaics) if batch_size is None else _checks.at_least("batch_size", batch_size, 1)
    with modes_kept(model), torch.no_grad():
        for module in _modules(model):
            module.training = False
        shared = _scores_points(model) and len(mosaics.pool) < mosaics.n * mosaics.m
        if _scores_points(model) and type(model).combine is AttentionModel.combine and mosaics.mask is None and _large(mosaics):
            return _checked(_in_parts(model, mosaics, batch_size, segment_logits), mosaics)
        if shared:
            encoded = [torch.cat(parts) for parts in zip(*map(model.encode, mosaics.pool.points.split(batch_size)), strict=True)]
            alone = torch.cat([model.classifier(values) for values in encoded[1].split(batch_size)]) if segment_logits else None
        parts = []
        for start in range(0, mosaics.n, batch_size):
            batch = mosaics[start : start + batch_size]
            if shared:
                output = model.combine(encoded[0][batch.index], encoded[1][batch.index], batch.mask)
                output = output._replace(segment_logits=alone[batch.index]) if segment_logits else output
            else:
                output = output_of(model, batch.segments, batch.mask, segment_logits)
            parts.append(_checked(output, batch))

    def joined(name):
        return None if getattr(parts[0], name, None) is None else torch.cat([getattr(part, name) for part in parts])

    return ModelOutput(joined("logits"), joined("attention"), joined("scores"), joined("segment_logits") if segment_logits else None)


_MOST = 2**25  # bytes of segments at a time


def _bytes(points):
    """Bytes of one segment."""
    return points[0].numel() * points.element_size()


def _batch_size(mosaics):
    return max(1, min(10_000, _MOST // (mosaics.m * _bytes(mosaics.pool.points))))


def _large(mosaics):
    """Whether the segments are so large that not all of them can be held beside each other."""
    return min(mosaics.n, 10_000) * mosaics.m * _bytes(mosaics.pool.points) > _MOST


def _in_parts(model, mosaics, batch_size, segment_logits):
    """The output on mosaics of large segments: scores of each base point, then the averages, to which one part of the base points after the other
    adds its share. At no time are there more features than those of one part.
    """
    points, m = mosaics.pool.points, mosaics.m
    used, place = torch.unique(mosaics.index, return_inverse=True)
    parts = used.split(batch_size)
    at_input = model.average_at == 0 and isinstance(model.features, str)
    scores = torch.cat([model.encode(points[part])[0] for part in parts])[place]
    attention = model.weigh(scores)
    by_place = place.flatten().argsort(stable=True)
    average, alone, start = None, [], 0
    for part in parts:
        values = points[part] if at_input else model.encode(points[part])[1]
        stop = start + len(part)
        low, high = torch.searchsorted(place.flatten()[by_place], torch.tensor([start, stop], device=place.device)).tolist()
        if average is None:
            average = values.new_zeros(mosaics.n, *values.shape[1:])
        for pairs in by_place[low:high].split(batch_size):
            weight = attention.flatten()[pairs].view(-1, *[1] * (values.ndim - 1)).to(values.dtype)
            average.index_add_(0, pairs // m, weight * values[place.flatten()[pairs] - start])
        if segment_logits:
            alone.append(model.classifier(values))
        start = stop
    logits = torch.cat([model.classifier(part) for part in average.split(batch_size)])
    return ModelOutput(logits, attention, scores, torch.cat(alone)[place] if segment_logits else None)


def evaluate(model, mosaics, *, objective="soft", entropy_weight=0.0, inferences=None):
    """All measures of a model on mosaics, by name: loss (nats) and those in ``MEASURES``.

    accuracy, ftpt, ffpt, ftpf, ffpf and majority are in percent, foreground_mass in [0, 1]; see :mod:`sdclib.metrics`.

    Args:
        model, mosaics: as for :func:`predict`.
        objective, entropy_weight: whose loss is reported (of a sampled one its expectation).
        inferences: whether to measure also the accuracy and FTPT of predictions from the most attended segment and from the mixture (the
            names in ``BY_INFERENCE``); None = if the objective looks at segments alone.
    """
    objective = objectives.get(objective)
    alone = objective.segment_logits if inferences is None else objective.segment_logits or inferences
    output = predict(model, mosaics, segment_logits=alone)
    loss = objective.reported(output, mosaics.label, entropy_weight=entropy_weight, epoch=math.inf)
    return {"loss": float(loss), **measure(output, mosaics)}


def measure(output, mosaics):
    """All measures of an output that :func:`predict` gave, by name. Raises ValueError if the foreground is not known.

    accuracy and the four of the focus table are those of ``output.logits``, the averaged input; with segment_logits there are also those in
    ``BY_INFERENCE``.
    """
    table = metrics.focus_table(output.attention, output.logits, mosaics.label, mosaics.foreground, mosaics.mask)
    mass = metrics.foreground_mass(output.attention, mosaics.foreground, mosaics.mask)
    measures = {**table.as_dict(), "foreground_mass": float(mass.double().mean()), **metrics.sparsity(output.attention, mosaics.mask)}
    if output.segment_logits is not None:
        for inference in INFERENCES[1:]:
            table = metrics.focus_table(output.attention, logits_under(output, inference), mosaics.label, mosaics.foreground, mosaics.mask)
            measures |= {f"{inference}_accuracy": table.accuracy, f"{inference}_ftpt": table.ftpt}
    return measures


def _checked(output, batch):
    wanted = {"logits": (batch.n, batch.n_classes), "attention": (batch.n, batch.m)}
    for name, shape in wanted.items():
        part = getattr(output, name, None)
        if not isinstance(part, torch.Tensor) or part.shape != shape:
            got = f"shape {tuple(part.shape)}" if isinstance(part, torch.Tensor) else type(part).__name__
            raise ValueError(f"the model's output must have .{name} of shape {shape}; got {got}")
    return output


def _scores_points(model):
    """Whether ``forward`` is what ``encode`` and ``combine`` do: not where somebody put another method in its place."""
    return isinstance(model, AttentionModel) and type(model).forward is AttentionModel.forward and not {"forward", "encode", "combine"} & vars(model).keys()


def _modules(model):
    return list(model.modules()) if isinstance(model, torch.nn.Module) else []


@contextmanager
def modes_kept(model):
    """Afterwards every part of the model is in the mode, training or evaluation, that it was in."""
    modules = _modules(model)
    modes = [module.training for module in modules]
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
