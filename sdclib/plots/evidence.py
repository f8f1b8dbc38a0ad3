"""Figures of a diagnosis."""

import numpy as np

from sdclib.plots.look import CLASSES, WHY, WHY_NAMES

__all__ = ["confusion", "diagnosis", "interventions", "why_right"]


def why_right(diagnosis, ax, *, names=None):
    """What made the predictions right, as one stacked bar a class: looked, absent, read (or elsewhere), wrong.

    Args:
        diagnosis: a Diagnosis. names: words for the classes; None = "class 0", ...
    """
    table = diagnosis.per_class
    names = _names(names, [f"class {k}" for k in table.index])
    left = np.zeros(len(table))
    for key in (key for key in WHY if key in table):
        values = table[key].to_numpy()
        ax.barh(range(len(table)), values, left=left, color=WHY[key], edgecolor="white", height=0.72, label=WHY_NAMES[key])
        for row in np.flatnonzero(values >= 8):
            ink = "white" if key in ("looked", "elsewhere") else "black"
            ax.text(left[row] + values[row] / 2, row, f"{values[row]:.0f}", ha="center", va="center", fontsize=9, color=ink)
        left += values
    ax.set(yticks=range(len(table)), yticklabels=names, xlim=(0, 100), ylim=(len(table) - 0.5, -0.5), xlabel="% of the class")
    ax.legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=9)
    return ax


def interventions(diagnosis, ax):
    """What the interventions of a Diagnosis left, as bars with their percentages. Raises ValueError if there were none."""
    found = diagnosis.interventions.dropna()
    if not len(found):
        raise ValueError("interventions need a diagnosis that made some; got one of stored outputs")
    ax.barh(range(len(found)), found, color=CLASSES[0], height=0.6)
    for row, value in enumerate(found):
        x, side, ink = (value - 1.5, "right", "white") if value > 20 else (value + 1.5, "left", "black")
        ax.text(x, row, f"{value:.0f}", ha=side, va="center", fontsize=9, color=ink)
    ax.set(yticks=range(len(found)), yticklabels=list(found.index), xlim=(0, 100), ylim=(len(found) - 0.5, -0.5), xlabel="%")
    return ax


def confusion(diagnosis, ax, *, names=None):
    """Percent of the mosaics of a class (rows) that are given each label (columns); a dash where the class has no mosaics."""
    table = diagnosis.confusion.to_numpy()
    names = _names(names, [str(k) for k in range(len(table))])
    ax.imshow(table, cmap="Blues", vmin=0, vmax=100)
    for (row, column), value in np.ndenumerate(table):
        ax.text(column, row, "–" if np.isnan(value) else f"{value:.0f}", ha="center", va="center", fontsize=9, color="white" if value > 55 else "black")
    ax.set(xticks=range(len(table)), xticklabels=names, yticks=range(len(table)), yticklabels=names, xlabel="predicted", ylabel="class")
    return ax


def diagnosis(diagnosis, figure=None):
    """A Diagnosis as a figure: what made each class right and, if there were interventions, what they left.

    Args:
        diagnosis: a Diagnosis of :func:`sdclib.diagnose` or :func:`sdclib.diagnosis.diagnose_stored`.
        figure: a matplotlib Figure to draw into; None = a new one.

    Returns:
        The figure.
    """
    import matplotlib.pyplot as plt

    rows, found = len(diagnosis.per_class), len(diagnosis.interventions.dropna())
    heights = (1 + 0.3 * rows, *([0.4 + 0.26 * found] if found else []))
    figure = figure or plt.figure(figsize=(6.8, 1.2 + sum(heights)))
    above, *below = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    why_right(diagnosis, above)
    if below:
        interventions(diagnosis, *below)
    figure.suptitle(f"{diagnosis.mode}: accuracy {diagnosis.table.accuracy:.1f} %, FTPT {diagnosis.table.ftpt:.1f} %", x=0.02, ha="left", fontsize=11)
    return figure


def _names(names, default):
    if names is not None and len(names) != len(default):
        raise ValueError(f"names must be {len(default)}, one a class; got {len(names)}")
    return default if names is None else names
