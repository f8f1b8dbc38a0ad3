"""The look that all figures share: colours, markers, style."""

from contextlib import contextmanager

import matplotlib as mpl
from matplotlib.colors import LinearSegmentedColormap

__all__ = ["BACKGROUND", "CLASSES", "FOCUS", "FOUR_WAY", "FOUR_WAY_NAMES", "MARKERS", "WHY", "WHY_NAMES", "enough_colours", "style"]

CLASSES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")  # Okabe and Ito's palette: safe for colour-blind readers
BACKGROUND = "#8c8c8c"
FOUR_WAY = {"ftpt": "#009E73", "ffpt": "#D55E00", "ftpf": "#56B4E9", "ffpf": "#bbbbbb"}
FOUR_WAY_NAMES = {"ftpt": "right, right place", "ffpt": "right, wrong place", "ftpf": "wrong, right place", "ffpf": "wrong, wrong place"}
MARKERS = "osD^v*"
FOCUS = LinearSegmentedColormap.from_list("focus", ["#ffffff", "#cbb8dd", "#7d5ba6"])  # purple: no class has it
WHY = {"looked": "#009E73", "absent": "#CC79A7", "read": "#E69F00", "elsewhere": "#D55E00", "wrong": "#bbbbbb"}
WHY_NAMES = {
    "looked": "right, looked at the foreground",
    "absent": "right, foreground not needed",
    "read": "right, read off the average",
    "elsewhere": "right, looked elsewhere",
    "wrong": "wrong",
}


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


def enough_colours(n_classes):
    """ValueError if there are more classes than colours."""
    if n_classes > len(CLASSES):
        raise ValueError(f"at most {len(CLASSES)} classes have a colour of their own; got {n_classes}")
