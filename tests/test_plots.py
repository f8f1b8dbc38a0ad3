"""Figures: what a style may change and what it must leave."""

import matplotlib as mpl
import pytest

from sdclib import plots


def test_style_puts_back_what_it_changed():
    before = dict(mpl.rcParams)
    with pytest.raises(KeyError), plots.style():
        assert mpl.rcParams["figure.constrained_layout.use"] and not before["figure.constrained_layout.use"]
        raise KeyError
    assert dict(mpl.rcParams) == before


def test_style_keeps_interactive_mode_when_the_first_figure_turned_it_on():
    # a notebook's backend is loaded, and turns this on, by the first figure: often inside the block
    mpl.interactive(False)
    try:
        with plots.style():
            mpl.interactive(True)
        assert mpl.is_interactive()
    finally:
        mpl.interactive(False)
