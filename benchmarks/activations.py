"""Sparsemax and 1.5-entmax against the entmax package: forward and backward, in one run, on one thread.

    python benchmarks/activations.py

Ours are plain autograd in closed form, exact to second order and open to vmap; the package's have a backward written by hand. What counts is the ratio of
the medians; both take turns, so that whatever else the machine does meets both alike.
"""

import statistics
import time

import entmax
import torch

from sdclib import activations

SHAPES = ((256, 9), (4096, 64), (512, 4096))
PAIRS = {"sparsemax": (activations.sparsemax, entmax.sparsemax), "entmax15": (activations.entmax15, entmax.entmax15)}
GOAL = {"sparsemax": 1.1, "entmax15": 1.25}


def seconds(function, scores, direction):
    """One forward and backward."""
    scores = scores.detach().requires_grad_()
    start = time.perf_counter()
    function(scores, dim=-1).backward(direction)
    return time.perf_counter() - start


def ratio(ours, theirs, shape, least=0.8):
    """(median of ours, median of theirs, ours / theirs), from turns that last ``least`` seconds in all."""
    rng = torch.Generator().manual_seed(0)
    scores, direction = torch.randn(shape, generator=rng), torch.randn(shape, generator=rng)
    times = ([], [])
    for _ in range(3):  # warm up
        seconds(ours, scores, direction), seconds(theirs, scores, direction)
    while sum(map(sum, times)) < least or len(times[0]) < 15:
        for which, function in enumerate((ours, theirs)):
            times[which].append(seconds(function, scores, direction))
    mine, other = map(statistics.median, times)
    return mine, other, mine / other


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(f"{'':10} {'shape':>12} {'ours':>10} {'entmax':>10} {'ratio':>6}  goal")
    for name, (ours, theirs) in PAIRS.items():
        for shape in SHAPES:
            mine, other, share = ratio(ours, theirs, shape)
            print(f"{name:10} {shape!s:>12} {1e6 * mine:7.0f} us {1e6 * other:7.0f} us {share:6.2f}  {GOAL[name]}")
