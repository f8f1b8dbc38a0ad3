"""Figures of one mosaic, of tables and of results over seeds."""

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.patches import Rectangle

from sdclib.plots.look import CLASSES, FOUR_WAY, FOUR_WAY_NAMES

__all__ = ["four_way", "four_way_epochs", "mosaic", "seeds", "weights"]


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

    Raises:
        ValueError: segments that are no images of one channel, not as many weights as segments, a place that there is none of.
    """
    images = _drawable(segments)
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[1] != 1):
        raise ValueError(f"segments must be images (m, h, w) or (m, 1, h, w); got shape {tuple(images.shape)}")
    images = images.reshape(len(images), *images.shape[-2:]).numpy()
    m, height, width = images.shape
    if attention is not None and len(attention) != m:
        raise ValueError(f"attention must be {m} weights, one a segment; got {len(attention)}")
    _place(foreground, m)
    columns = columns or int(np.ceil(np.sqrt(m)))
    low, high, gap = np.nanmin(images), np.nanmax(images), 1.3 if attention is None else 2.2  # hidden segments may be NaN
    for place, image in enumerate(images):
        x, y = (place % columns) * (width + gap), (place // columns) * (height + gap)
        ax.imshow(image, cmap=cmap, vmin=low, vmax=high, extent=(x, x + width, y + height, y))
        weight = 0.0 if attention is None else float(attention[place])
        ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="#bbbbbb", linewidth=0.8))
        if weight > 0.005:
            ax.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=CLASSES[0], linewidth=0.8 + 3.2 * weight))
        if attention is not None:
            ax.text(x + width / 2, y + height + 0.35, f"{100 * weight:.0f} %", ha="center", va="top", fontsize=7, color="#333333")
        if place == foreground:
            corner = [(x, y), (x + 0.32 * width, y), (x, y + 0.32 * height)]
            ax.add_patch(mpl.patches.Polygon(corner, facecolor=CLASSES[1], edgecolor="white", linewidth=0.6))
    rows = int(np.ceil(m / columns))
    ax.set(xlim=(-0.7, columns * (width + gap)), ylim=(rows * (height + gap), -0.7), aspect="equal")
    ax.axis("off")
    return ax


def weights(attention, ax, *, foreground=None):
    """Attention weights of one mosaic as bars, the foreground's in orange; the dashed line is 1/m."""
    attention = _drawable(attention).numpy()
    _place(foreground, len(attention))
    colors = [CLASSES[1] if place == foreground else CLASSES[0] for place in range(len(attention))]
    ax.bar(range(1, len(attention) + 1), attention, color=colors)
    ax.axhline(1 / len(attention), color="#555555", linestyle="--", linewidth=0.8)
    ax.set(ylim=(0, 1), xlabel="segment", ylabel="attention", xticks=range(1, len(attention) + 1))
    return ax


def four_way(tables, ax):
    """FTPT, FFPT, FTPF, FFPF as stacked horizontal bars, labelled directly.

    Args:
        tables: dict name -> FocusTable (or dict with those keys), one bar each, the first on top.
    """
    for row, table in enumerate(tables.values()):
        values, left = table if isinstance(table, dict) else table.as_dict(), 0.0
        for key, color in FOUR_WAY.items():
            ax.barh(row, values[key], left=left, color=color, edgecolor="white", height=0.7, label=FOUR_WAY_NAMES[key] if row == 0 else None)
            if values[key] >= 4:
                ink = "white" if key in ("ftpt", "ffpt") else "black"
                ax.text(left + values[key] / 2, row, f"{values[key]:.0f}", ha="center", va="center", color=ink, fontsize=9)
            left += values[key]
    ax.set(yticks=range(len(tables)), yticklabels=list(tables), xlim=(0, 100), ylim=(len(tables) - 0.5, -0.5), xlabel="% of mosaics")
    ax.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=9)
    return ax


def four_way_epochs(history, ax):
    """FTPT, FFPT, FTPF and FFPF over the epochs, stacked.

    Args:
        history: DataFrame of :func:`sdclib.fit`, with columns epoch, ftpt, ffpt, ftpf and ffpf.
    """
    missing = {"epoch", *FOUR_WAY} - set(history.columns)
    if missing:
        wanted = f"history must have the columns epoch, {', '.join(FOUR_WAY)} (fit on mosaics with known foreground)"
        raise ValueError(f"{wanted}; it lacks {', '.join(sorted(missing))}")
    if len(history) < 2:
        raise ValueError(f"history must have two rows or more to be drawn over epochs; got {len(history)}")
    labels = [FOUR_WAY_NAMES[key] for key in FOUR_WAY]
    ax.stackplot(history["epoch"], *(history[key] for key in FOUR_WAY), colors=list(FOUR_WAY.values()), labels=labels, edgecolor="white", linewidth=0.4)
    ax.set(xlim=(history["epoch"].min(), history["epoch"].max()), ylim=(0, 100), xlabel="epoch", ylabel="% of mosaics")
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


def _place(foreground, m):
    if foreground is not None and not 0 <= int(foreground) < m:
        raise ValueError(f"foreground must be in 0 ... {m - 1} (the last place); got {int(foreground)}")


def _drawable(values):
    """On the CPU, in a type that NumPy has."""
    values = torch.as_tensor(values).detach().cpu()
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
