"""Figures of comparisons: every seed with its partners joined, and differences beside those that were published."""

import numpy as np

from sdclib.plots.look import CLASSES

__all__ = ["VERDICT", "joined", "scoreboard"]

VERDICT = {"holds": "#009E73", "holds in part": "#56B4E9", "within noise": "#8c8c8c", "does not hold": "#D55E00", "too few runs": "#cccccc"}


def joined(table, ax, *, published=None, colors=CLASSES, failed=None):
    """Every seed as a dot in each column, its dots joined; a bar for the mean of a column, hollow diamonds for published means.

    Args:
        table: DataFrame, one row a pair of seeds, one column a method; the columns' names become labels.
        ax: matplotlib axes.
        published: dict column -> list of published means.
        colors: one a column. failed: DataFrame of the same shape, True where a run is to be drawn as a cross.

    Returns:
        ax.
    """
    values = table.to_numpy(dtype=float)
    places = np.arange(values.shape[1])
    spread = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else np.zeros(1)
    crossed = np.zeros(values.shape, bool) if failed is None else failed[table.columns].to_numpy(dtype=bool)
    ax.plot(places[:, None] + spread, values.T, color="#bbbbbb", linewidth=0.5, zorder=1)
    for place in places:
        color = colors[place % len(colors)]
        for marker, which in (("o", ~crossed[:, place]), ("x", crossed[:, place])):
            ax.scatter(place + spread[which], values[which, place], s=15, marker=marker, color=color, linewidths=0 if marker == "o" else 1.3, zorder=2)
        ax.plot([place - 0.3, place + 0.3], [np.nanmean(values[:, place])] * 2, color="black", linewidth=1.6, zorder=3)
        theirs = (published or {}).get(table.columns[place], [])
        ax.plot([place + 0.38] * len(theirs), theirs, "D", color="black", fillstyle="none", markersize=6, zorder=3)
    ax.set(xticks=places, xticklabels=table.columns, xlim=(-0.5, len(places) - 0.4))
    return ax


def scoreboard(board, ax, *, linthresh=None):
    """A scoreboard drawn: our mean difference with its interval, coloured by verdict, the published one as a hollow diamond.

    Args:
        board: DataFrame of :func:`sdclib.experiments.verdicts.scoreboard`. linthresh: the axis is linear within this and logarithmic
            beyond; None = linear.
    """
    ax.axvline(0, color="#999999", linewidth=1)
    for place, row in enumerate(board.itertuples()):
        color = VERDICT[row.verdict]
        if not np.isnan(row.mean):
            ax.plot([row.low, row.high], [place, place], color=color, linewidth=3, solid_capstyle="butt")
            ax.plot(row.mean, place, "o", color=color, markersize=7)
        ax.plot(row.published, place, "D", color="black", fillstyle="none", markersize=6)
        ax.text(1.02, place, row.verdict, transform=ax.get_yaxis_transform(), va="center", fontsize=9)
    if linthresh is not None:
        ax.set_xscale("symlog", linthresh=linthresh)
    ax.set(yticks=range(len(board)), yticklabels=board.name, ylim=(len(board) - 0.5, -0.5))
    return ax
