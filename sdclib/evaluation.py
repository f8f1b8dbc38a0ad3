"""A model on mosaics: its output, and all measures of it.

Anything will do as a model that returns ``.logits`` (n, K) and ``.attention`` (n, m) for ``model(segments, mask=None)``.
"""

from contextlib import contextmanager

import torch

from sdclib import _checks, metrics, objectives
from sdclib.models import AttentionModel, ModelOutput
from sdclib.mosaics import Mosaics

__all__ = ["MEASURES", "evaluate", "measure", "predict"]

MEASURES = ("accuracy", "ftpt", "ffpt", "ftpf", "ffpf", "foreground_mass", "n_active", "corner_distance", "entropy_bits", "majority")


def predict(model, mosaics, batch_size=10_000):
    """The model's output on all mosaics, without gradients and in evaluation mode.

    Base points that stand in many mosaics are scored once by an :class:`sdclib.AttentionModel`; a model with a ``forward`` of its own
    gets the mosaics as they are.

    Args:
        model: an AttentionModel or anything with the same call.
        mosaics: Mosaics.
        batch_size: mosaics (and base points, where these are scored once) at a time.

    Returns:
        ModelOutput: logits (n, K), attention (n, m) and scores (n, m; None if the model gives none).

    Raises:
        TypeError, ValueError: what is no Mosaics, no mosaic, a model whose output lacks logits or attention, or whose shapes do not fit the mosaics.
    """
    _checks.instance("mosaics", mosaics, Mosaics, " (Mosaics.from_segments makes them of one's own segments)")
    if not callable(model):
        raise TypeError(f"model must be callable, as AttentionModel is; got {model!r}")
    if mosaics.n < 1:
        raise ValueError("predict needs at least one mosaic; got none")
    batch_size = _checks.at_least("batch_size", batch_size, 1)
    with modes_kept(model), torch.no_grad():
        for module in _modules(model):
            module.training = False
        shared = _scores_points(model) and len(mosaics.pool) < mosaics.n * mosaics.m
        if shared:
            encoded = [torch.cat(parts) for parts in zip(*map(model.encode, mosaics.pool.points.split(batch_size)), strict=True)]
        parts = []
        for start in range(0, mosaics.n, batch_size):
            batch = mosaics[start : start + batch_size]
            if shared:
                output = model.combine(encoded[0][batch.index], encoded[1][batch.index], batch.mask)
            else:
                output = model(batch.segments) if batch.mask is None else model(batch.segments, mask=batch.mask)
            parts.append(_checked(output, batch))
    logits, attention = (torch.cat([getattr(part, name) for part in parts]) for name in ("logits", "attention"))
    has_scores = getattr(parts[0], "scores", None) is not None
    return ModelOutput(logits, attention, torch.cat([part.scores for part in parts]) if has_scores else None)


def evaluate(model, mosaics, *, entropy_weight=0.0):
    """All measures of a model on mosaics, by name: loss (nats) and those in ``MEASURES``.

    accuracy, ftpt, ffpt, ftpf, ffpf and majority are in percent, foreground_mass in [0, 1]; see :mod:`sdclib.metrics`.
    """
    output = predict(model, mosaics)
    return {"loss": float(objectives.soft(output, mosaics.label, entropy_weight=entropy_weight)), **measure(output, mosaics)}


def measure(output, mosaics):
    """All measures of an output that :func:`predict` gave, by name. Raises ValueError if the foreground is not known."""
    table = metrics.focus_table(output.attention, output.logits, mosaics.label, mosaics.foreground, mosaics.mask)
    mass = metrics.foreground_mass(output.attention, mosaics.foreground, mosaics.mask)
    return {**table.as_dict(), "foreground_mass": float(mass.double().mean()), **metrics.sparsity(output.attention, mosaics.mask)}


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
