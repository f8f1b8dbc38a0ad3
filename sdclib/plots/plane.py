"""Figures of models on the plane: where the focus looks and what the classifier makes of the average."""

import numpy as np
import torch
from matplotlib.colors import ListedColormap

from sdclib import _checks
from sdclib.evaluation import modes_kept, predict
from sdclib.models import AttentionModel
from sdclib.plots.look import BACKGROUND, CLASSES, FOCUS, MARKERS, enough_colours

__all__ = ["averaged_points", "base_points", "decision_regions", "focus_contours", "inside"]


def base_points(pool, ax, *, size=4, names=None):
    """The base points of a pool on the plane: foreground classes in colour, background in grey.

    Args:
        pool: Pool with points (N, 2). size: marker size. names: words for the classes; None = "class 0", ...
    """
    points, component = _plane(pool.points).cpu().numpy(), pool.component.cpu().numpy()
    background = ~pool.is_foreground.cpu().numpy()
    enough_colours(pool.n_classes)
    ax.scatter(*points[background].T, s=size, color=BACKGROUND, alpha=0.5, linewidths=0, label="background")
    for k in range(pool.n_classes):
        label = names[k] if names else f"class {k}"
        ax.scatter(*points[component == k].T, s=size, color=CLASSES[k], marker=MARKERS[k], linewidths=0, label=label)
    ax.set(aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    return ax


def focus_contours(model, ax, *, xlim, ylim, levels=12, resolution=120):
    """The focus network's score over the plane, as filled contours; darker = higher."""
    grid, x, y = _grid(xlim, ylim, resolution)
    scores = _ask(model, lambda points: model.encode(points)[0], grid).reshape(x.shape).numpy()
    ax.contourf(x, y, scores, levels=levels, cmap=FOCUS)
    ax.contour(x, y, scores, levels=levels, colors="white", linewidths=0.4, linestyles="solid")
    ax.set(xlim=xlim, ylim=ylim)
    return ax


def decision_regions(model, ax, *, xlim, ylim, resolution=160):
    """The class that the classifier gives to a segment alone (for averaging at layer 0: to an averaged point), as pale colours."""
    grid, x, y = _grid(xlim, ylim, resolution)
    logits = _ask(model, lambda points: model.segment_logits(points[:, None]), grid)
    predicted, n_classes = logits.argmax(-1).reshape(x.shape).numpy(), logits.shape[-1]
    enough_colours(n_classes)
    ax.pcolormesh(x, y, predicted, cmap=ListedColormap(CLASSES[:n_classes]), vmin=0, vmax=n_classes - 1, alpha=0.22, rasterized=True, linewidth=0)
    ax.set(xlim=xlim, ylim=ylim)
    return ax


def averaged_points(model, mosaics, ax, *, size=4):
    """What the classifier receives for each mosaic, sum_j alpha_j x_j, in the colour of the label (averaging at layer 0, on the plane)."""
    if _known(model).average_at:
        raise ValueError(f"averaged points lie on the plane for average_at=0 only; got {model.average_at}")
    enough_colours(mosaics.n_classes)
    segments, label = _plane(mosaics.segments).cpu(), mosaics.label.cpu()
    if mosaics.mask is not None:  # 0 * NaN is NaN: what is hidden must not reach the sum
        segments = segments.masked_fill(~mosaics.mask.cpu()[..., None], 0)
    average = torch.einsum("nm,nmd->nd", predict(model, mosaics).attention.cpu(), segments).numpy()
    for k in range(mosaics.n_classes):
        of_class = (label == k).numpy()
        ax.scatter(*average[of_class].T, s=size, color=CLASSES[k], marker=MARKERS[k], linewidths=0, alpha=0.7, label=f"label {k}")
    ax.set(aspect="equal", xlabel="$z_1$", ylabel="$z_2$")
    return ax


def inside(model, mosaics, axes, *, xlim=None, ylim=None, size=4, n_averages=1000, aspect="equal"):
    """Both halves of a model (averaging at layer 0, on the plane): the focus's scores with the base points, the classifier's regions with the averages.

    Args:
        model: AttentionModel. mosaics: Mosaics with segments in the plane.
        axes: a pair of matplotlib axes, for the focus and for the classifier.
        xlim, ylim: of both; None = around the base points, where all averages lie too.
        size: of the markers. n_averages: how many mosaics' averages are drawn.
        aspect: "equal", or "auto" where the points lie in a column.

    Returns:
        axes.
    """
    left, right = axes
    points = _plane(mosaics.pool.points).cpu()
    points = points[points.isfinite().all(1)]  # hidden segments may be NaN
    low, high = points.amin(0), points.amax(0)
    margin = 0.08 * (high - low).amax()
    xlim, ylim = (ends or (float(low[i] - margin), float(high[i] + margin)) for i, ends in enumerate((xlim, ylim)))
    focus_contours(model, left, xlim=xlim, ylim=ylim)
    base_points(mosaics.pool, left, size=size)
    decision_regions(model, right, xlim=xlim, ylim=ylim)
    averaged_points(model, mosaics[:n_averages], right, size=size)
    left.set(title="focus: darker = higher score", xlim=xlim, ylim=ylim, aspect=aspect)
    right.set(title="classifier: what it receives", xlim=xlim, ylim=ylim, aspect=aspect)
    return axes


def _known(model):
    return _checks.instance("model", model, AttentionModel)


def _ask(model, question, points):
    """What a model answers about points, in evaluation mode: a figure must neither hang on dropout nor move what batches are normalised by."""
    like = next(_known(model).parameters(), points)
    with modes_kept(model), torch.no_grad():
        model.eval()
        return question(points.to(like)).cpu()


def _plane(points):
    if points.shape[-1] != 2:
        raise ValueError(f"this figure needs points on the plane, (..., 2); got shape {tuple(points.shape)}")
    return points


def _grid(xlim, ylim, resolution):
    x, y = np.meshgrid(np.linspace(*xlim, resolution), np.linspace(*ylim, resolution))
    return torch.as_tensor(np.stack([x.ravel(), y.ravel()], 1), dtype=torch.float32), x, y
