"""Figures of mosaics, of models on the plane, and of results over seeds. Each takes ``ax`` and returns it."""

from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.patches import Rectangle

from sdclib.evaluation import predict

__all__ = [
    "BACKGROUND",
    "CLASSES",
    "FOUR_WAY",
    "averaged_points",
    "base_points",
    "decision_regions",
    "focus_contours",
    "four_way",
    "mosaic",
    "seeds",
    "style",
    "weights",
]

CLASSES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")  # Okabe and Ito's palette: safe for colour-blind readers
BACKGROUND = "#8c8c8c"
FOUR_WAY = {"ftpt": "#009E73", "ffpt": "#D55E00", "ftpf": "#56B4E9", "ffpf": "#bbbbbb"}
_NAMES = {"ftpt": "right, right place", "ffpt": "right, wrong place", "ftpf": "wrong, right place", "ffpf": "wrong, wrong place"}
_MARKERS = "osD^vP"
_FOCUS = LinearSegmentedColormap.from_list("focus", ["#ffffff", "#cbb8dd", "#7d5ba6"])  # purple: no class has it


@contextmanager
def style():
    """The look of the book's figures, inside a ``with`` block; nothing global is changed."""
    look = {
        "axes.axisbelow": True,
        "axes.edgecolor": "#555555",
        "axes.prop_cycle": mpl.cycler(color=CLASSES),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 11,
        "axes.labelsize": 10,
        "figure.constrained_layout.use": True,
        "figure.dpi": 110,
        "figure.facecolor": "white",
        "font.size": 10,
        "legend.frameon": False,
        "savefig.facecolor": "white",
        "svg.hashsalt": "sdclib",
        "xtick.color": "#555555",
        "ytick.color": "#555555",
    }
    # Only these settings: rc_context would put back "interactive" too, which a notebook's backend sets when the first figure
    # loads it, and no later figure would be shown.
    before = {name: mpl.rcParams[name] for name in look}
    mpl.rcParams.update(look)
    try:
        yield
    finally:
        mpl.rcParams.update(before)


def mosaic(segments, ax, *, attention=None, foreground=None, columns=None, cmap="gray_r"):
    """One mosaic of images as a grid; weights as percentages and as frames, the foreground with corner marks.

    Args:
        segments: (m, h, w) or (m, 1, h, w) tensor.
        ax: matplotlib axes; emptied of ticks.
        attention: (m,) weights, or None: a blue frame whose width grows with the weight, and the percentage below.
        foreground: the foreground's place, or None: an orange mark in the segment's upper left corner.
        columns: images a row; None = a square.

    Returns:
        ax.
    """
    images = torch.as_tensor(segments).detach().reshape(len(segments), *segments.shape[-2:]).numpy()
    m, height, width = images.shape
    columns = columns or int(np.ceil(np.sqrt(m)))
    low, high, gap = images.min(), images.max(), 1.3 if attention is None else 2.2
    for place, image in enumerate(images):
        x, y = (place % columns) * (width + gap), (place // columns) * (height + gap)
        ax.imshow(image, cmap=cmap, vmin=low, vmax=high, extent=(x, x + width, y + height, y))
        weight = 0.0 if attention is None else float(attention[place])
        ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="#bbbbbb", linewidth=0.8))
        if weight > 0.005:
            ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=CLASSES[0], linewidth=0.8 + 3.2 * weight))
        if attention is not None:
            ax.text(x + width / 2, y + height + 0.15, f"{100 * weight:.0f} %", ha="center", va="top", fontsize=7, color="#333333")
        if place == foreground:
            corner = [(x, y), (x + 0.32 * width, y), (x, y + 0.32 * height)]
            ax.add_patch(mpl.patches.Polygon(corner, facecolor=CLASSES[1], edgecolor="white", linewidth=0.6))
    rows = int(np.ceil(m / columns))
    ax.set(xlim=(-0.7, columns * (width + gap)), ylim=(rows * (height + gap), -0.7), aspect="equal")
    ax.axis("off")
    return ax


def weights(attention, ax, *, foreground=None):
    """Attention weights of one mosaic as bars, the foreground's in orange; the dashed line is 1/m."""
    attention = torch.as_tensor(attention).detach().numpy()
    colors = [CLASSES[1] if place == foreground else CLASSES[0] for place in range(len(attention))]
    ax.bar(range(1, len(attention) + 1), attention, color=colors)
    ax.axhline(1 / len(attention), color="#555555", linestyle="--", linewidth=0.8)
    ax.set(ylim=(0, 1), xlabel="segment", ylabel="attention", xticks=range(1, len(attention) + 1))
    return ax


def base_points(pool, ax, *, size=4, names=None):
    """The base points of a pool on the plane: foreground classes in colour, background in grey.

    Args:
        pool: Pool with points (N, 2). size: marker size. names: words for the classes; None = "class 0", ...
    """
    points, component = _plane(pool.points).numpy(), pool.component.numpy()
    background = ~pool.is_foreground.numpy()
    _enough_colours(pool.n_classes)
    ax.scatter(*points[background].T, s=size, color=BACKGROUND, alpha=0.5, linewidths=0, label="background")
    for k in range(pool.n_classes):
        label = names[k] if names else f"class {k}"
        ax.scatter(*points[component == k].T, s=size, color=CLASSES[k], marker=_MARKERS[k], linewidths=0, label=label)
    ax.set(aspect="equal", xlabel="$x_1$", ylabel="$x_2$")
    return ax


def focus_contours(model, ax, *, xlim, ylim, levels=12, resolution=120):
    """The focus network's score over the plane, as filled contours; darker = higher."""
    grid, x, y = _grid(xlim, ylim, resolution)
    with torch.no_grad():
        scores = model.encode(grid.to(next(model.parameters()).dtype))[0].reshape(x.shape).numpy()
    ax.contourf(x, y, scores, levels=levels, cmap=_FOCUS)
    ax.contour(x, y, scores, levels=levels, colors="white", linewidths=0.4, linestyles="solid")
    ax.set(xlim=xlim, ylim=ylim)
    return ax


def decision_regions(model, ax, *, xlim, ylim, resolution=160):
    """The class that the classifier gives to a segment alone (for averaging at layer 0: to an averaged point), as pale colours."""
    grid, x, y = _grid(xlim, ylim, resolution)
    with torch.no_grad():
        predicted = model.segment_logits(grid.to(next(model.parameters()).dtype)[:, None]).argmax(-1).reshape(x.shape).numpy()
    n_classes = model.segment_logits(grid[:1, None].to(next(model.parameters()).dtype)).shape[-1]
    _enough_colours(n_classes)
    ax.pcolormesh(x, y, predicted, cmap=ListedColormap(CLASSES[:n_classes]), vmin=0, vmax=n_classes - 1, alpha=0.22, rasterized=True, linewidth=0)
    ax.set(xlim=xlim, ylim=ylim)
    return ax


def averaged_points(model, mosaics, ax, *, size=4):
    """What the classifier receives for each mosaic, sum_j alpha_j x_j, in the colour of the label (averaging at layer 0, on the plane)."""
    if model.average_at:
        raise ValueError(f"averaged points lie on the plane for average_at=0 only; got {model.average_at}")
    _enough_colours(mosaics.n_classes)
    segments = mosaics.segments
    average = torch.einsum("nm,nmd->nd", predict(model, mosaics).attention, _plane(segments)).numpy()
    for k in range(mosaics.n_classes):
        of_class = (mosaics.label == k).numpy()
        ax.scatter(*average[of_class].T, s=size, color=CLASSES[k], marker=_MARKERS[k], linewidths=0, alpha=0.7, label=f"label {k}")
    ax.set(aspect="equal", xlabel="$z_1$", ylabel="$z_2$")
    return ax


def four_way(tables, ax):
    """FTPT, FFPT, FTPF, FFPF as stacked horizontal bars, labelled directly.

    Args:
        tables: dict name -> FocusTable (or dict with those keys), one bar each, the first on top.
    """
    for row, table in enumerate(tables.values()):
        values, left = table if isinstance(table, dict) else table.as_dict(), 0.0
        for key, color in FOUR_WAY.items():
            ax.barh(row, values[key], left=left, color=color, edgecolor="white", height=0.7, label=_NAMES[key] if row == 0 else None)
            if values[key] >= 4:
                ink = "white" if key in ("ftpt", "ffpt") else "black"
                ax.text(left + values[key] / 2, row, f"{values[key]:.0f}", ha="center", va="center", color=ink, fontsize=9)
            left += values[key]
    ax.set(yticks=range(len(tables)), yticklabels=list(tables), xlim=(0, 100), ylim=(len(tables) - 0.5, -0.5), xlabel="% of mosaics")
    ax.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=9)
    return ax


def seeds(frame, ax, *, columns=None, names=None, unit="%"):
    """Every seed as a dot, with mean and 95 % interval of the mean beside them.

    Args:
        frame: DataFrame, one row a seed. columns: which ones; None = all numeric. names: words for them. unit: of the axis.
    """
    from sdclib.intervals import over_seeds

    columns = list(columns or frame.select_dtypes("number").columns)
    summary = over_seeds(frame[columns])
    for place, column in enumerate(columns):
        values = np.sort(frame[column].to_numpy(dtype=float))
        spread = np.linspace(-0.22, 0.12, len(values)) if len(values) > 1 else np.zeros(1)
        color = CLASSES[place % len(CLASSES)]
        ax.scatter(place + spread, values, s=16, color=color, alpha=0.75, linewidths=0)
        row = summary.loc[column]
        error = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
        ax.errorbar(place + 0.27, row["mean"], yerr=error, fmt="_", color="black", markersize=9, capsize=3, linewidth=1.2)
    ax.set(xticks=range(len(columns)), xticklabels=names or columns, xlim=(-0.5, len(columns) - 0.4), ylabel=unit)
    return ax


def _enough_colours(n_classes):
    if n_classes > len(CLASSES):
        raise ValueError(f"at most {len(CLASSES)} classes have a colour of their own; got {n_classes}")


def _plane(points):
    if points.shape[-1] != 2:
        raise ValueError(f"this figure needs points on the plane, (..., 2); got shape {tuple(points.shape)}")
    return points


def _grid(xlim, ylim, resolution):
    x, y = np.meshgrid(np.linspace(*xlim, resolution), np.linspace(*ylim, resolution))
    return torch.as_tensor(np.stack([x.ravel(), y.ravel()], 1), dtype=torch.float32), x, y
