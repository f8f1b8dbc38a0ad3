"""Frames for the slider of a static page: a model on the plane, epoch by epoch."""

from sdclib import _checks
from sdclib.evaluation import evaluate
from sdclib.models import AttentionModel
from sdclib.plots.plane import inside

__all__ = ["training_frames"]


def training_frames(model, snapshots, mosaics, *, figsize=(6.8, 3.2), **limits):
    """What :func:`sdclib.widgets.frame_slider` needs to show a model's training: both halves of it after each snapshot.

    Args:
        model: the AttentionModel that was trained (averaging at layer 0, on the plane); it is as before afterwards.
        snapshots: the Snapshots that :func:`sdclib.fit` filled.
        mosaics: Mosaics to measure it on.
        figsize: of a frame, inches. limits: xlim, ylim, aspect and others of :func:`sdclib.plots.inside`.

    Returns:
        dict with frames (figures), labels and alts, one of each per snapshot: :func:`sdclib.widgets.frame_slider` takes them as they are.

    Raises:
        TypeError, ValueError: what is no AttentionModel or no Snapshots, or none taken.
    """
    import copy

    from matplotlib.figure import Figure  # not pyplot, which keeps figures and complains of more than 20

    from sdclib.training import Snapshots  # here: a chapter that only draws does not depend on how models are trained

    _checks.instance("model", model, AttentionModel)
    _checks.instance("snapshots", snapshots, Snapshots, " (fit(..., callback=Snapshots([...])) takes them)")
    if not snapshots:
        raise ValueError("snapshots must hold at least one; got none: pass them to fit as callback")
    if model.average_at:
        raise ValueError(f"training_frames shows models of average_at=0; got {model.average_at}")
    model, frames, labels, alts = copy.deepcopy(model), [], [], []
    for epoch in sorted(snapshots):
        model.load_state_dict(snapshots[epoch])
        found = evaluate(model, mosaics)
        figure = Figure(figsize=figsize)
        axes = figure.subplots(1, 2)
        inside(model, mosaics, axes, **limits)
        words = f"accuracy {found['accuracy']:.0f} %, FTPT {found['ftpt']:.0f} %"
        axes[0].set_title(f"epoch {epoch}", fontsize=10)
        axes[1].set_title(words, fontsize=10)
        frames.append(figure)
        labels.append(f"epoch {epoch}")
        weight = f"foreground weight {found['foreground_mass']:.2f}"
        alts.append(f"Epoch {epoch}: scores over the plane on the left, averaged points on the right; {words}, {weight}.")
    return {"frames": frames, "labels": labels, "alts": alts}
