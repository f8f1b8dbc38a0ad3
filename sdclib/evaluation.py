"""A model on mosaics: its output, and all measures of it.

Anything will do as a model that returns ``.logits`` (n, K) and ``.attention`` (n, m) for ``model(segments, mask=None)``.
"""

from contextlib import contextmanager

import torch

from sdclib import _checks, metrics, objectives
from sdclib.models import ModelOutput

__all__ = ["MEASURES", "evaluate", "measure", "predict"]

MEASURES = ("accuracy", "ftpt", "ffpt", "ftpf", "ffpf", "foreground_mass", "n_active", "corner_distance", "entropy_bits", "majority")


@torch.no_grad()
def predict(model, mosaics, batch_size=10_000):
    """The model's output on all mosaics, without gradients and in evaluation mode.

    Base points that stand in many mosaics are scored once where the model can do that (``encode`` and ``combine``, as
    :class:`sdclib.AttentionModel` has them).

    Args:
        model: an AttentionModel or anything with the same call.
        mosaics: Mosaics.
        batch_size: mosaics at a time.

    Returns:
        ModelOutput: logits (n, K), attention (n, m) and scores (n, m; None if the model gives none).

    Raises:
        ValueError: no mosaic, a model whose output lacks logits or attention, or whose shapes do not fit the mosaics.
    """
    if mosaics.n < 1:
        raise ValueError("predict needs at least one mosaic; got none")
    batch_size = _checks.at_least("batch_size", batch_size, 1)
    with _evaluation_mode(model):
        shared = hasattr(model, "encode") and hasattr(model, "combine") and len(mosaics.pool) < mosaics.n * mosaics.m
        encoded = model.encode(mosaics.pool.points) if shared else None
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
    return {**table.as_dict(), "foreground_mass": float(mass.mean()), **metrics.sparsity(output.attention, mosaics.mask)}


def _checked(output, batch):
    wanted = {"logits": (batch.n, batch.n_classes), "attention": (batch.n, batch.m)}
    for name, shape in wanted.items():
        part = getattr(output, name, None)
        if not isinstance(part, torch.Tensor) or part.shape != shape:
            got = f"shape {tuple(part.shape)}" if isinstance(part, torch.Tensor) else type(part).__name__
            raise ValueError(f"the model's output must have .{name} of shape {shape}; got {got}")
    return output


@contextmanager
def _evaluation_mode(model):
    """Every part of the model in evaluation mode, and afterwards in the mode that it was in."""
    modules = list(model.modules()) if isinstance(model, torch.nn.Module) else []
    modes = [module.training for module in modules]
    for module in modules:
        module.training = False
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
