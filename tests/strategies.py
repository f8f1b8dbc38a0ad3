"""What hypothesis draws in the tests of the library: scores, masks, attention, and outputs of a model.

``HYPOTHESIS_PROFILE=explore`` looks at new examples on every run; without it the examples are the same every time, so that a failure means a change.
"""

import os

import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sdclib import distributions

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=60)
settings.register_profile("explore", deadline=None, max_examples=400)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

SEEDS = st.integers(0, 2**31)
SHIPPED = tuple(name for name in distributions.names() if name not in ("fashion_mnist", "cifar10"))  # the others want files or a network


def _numbers(bound):
    """Floats, and quarters so that ties and kinks come up often."""
    return st.one_of(st.floats(-bound, bound, width=32), st.integers(-4 * bound, 4 * bound).map(lambda number: number / 4))


@st.composite
def scores(draw, max_n=3, max_m=7, bound=5):
    """(n, m) float64 scores."""
    shape = draw(st.tuples(st.integers(1, max_n), st.integers(1, max_m)))
    return torch.from_numpy(draw(hnp.arrays("float64", shape, elements=_numbers(bound))))


@st.composite
def masks(draw, n, m):
    """(n, m) booleans with at least one True a row."""
    mask = torch.from_numpy(draw(hnp.arrays("bool", (n, m))))
    kept = draw(st.lists(st.integers(0, m - 1), min_size=n, max_size=n))
    mask[torch.arange(n), torch.tensor(kept)] = True
    return mask


@st.composite
def scores_and_masks(draw):
    """(n, m) scores and a mask of their shape."""
    drawn = draw(scores())
    return drawn, draw(masks(*drawn.shape))


def _on_the_simplex(numbers, kind):
    """Non-negative rows of sum 1, of one kind of weights that a model could give."""
    m = numbers.shape[1]
    if kind == "uniform":
        return torch.full_like(numbers, 1 / m)
    if kind == "one-hot":
        return torch.nn.functional.one_hot(numbers.argmax(1), m).double()
    if kind == "few":
        return torch.softmax(numbers.masked_fill(numbers < numbers.median(1, keepdim=True).values, -torch.inf), 1)
    return torch.softmax(numbers, 1)


@st.composite
def outputs(draw, max_n=5, max_m=6):
    """A dict attention (n, m), logits (n, K), label (n,), foreground (n,): with ties, exact zeros and exact ones."""
    numbers = draw(scores(max_n, max_m))
    n, m = numbers.shape
    attention = _on_the_simplex(numbers, draw(st.sampled_from(["dense", "few", "one-hot", "uniform"])))
    k = draw(st.integers(2, 4))
    logits = torch.from_numpy(draw(hnp.arrays("float64", (n, k), elements=_numbers(2))))
    label, foreground = (torch.tensor(draw(st.lists(st.integers(0, stop - 1), min_size=n, max_size=n))) for stop in (k, m))
    return {"attention": attention, "logits": logits, "label": label, "foreground": foreground}
