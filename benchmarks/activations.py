"""Sparsemax and 1.5-entmax against the entmax package: forward and backward, in one run, on one thread.

    python benchmarks/activations.py

Both are a Function with a backward written by hand; ours also checks its input, is exact to second order and is open to vmap. They take turns in short rounds,
so that whatever else the machine does meets both alike. What counts is the median over the rounds of ours / theirs; the quartiles show the noise.
"""

import statistics
import time

import entmax
import torch

from sdclib import activations

SHAPES = ((256, 9), (4096, 64), (512, 4096))
PAIRS = {"sparsemax": (activations.sparsemax, entmax.sparsemax), "entmax15": (activations.entmax15, entmax.entmax15)}
GOAL = {"sparsemax": 1.1, "entmax15": 1.25}


def seconds(function, scores, direction, calls):
    """Processor time of one forward and backward, the mean of some calls in a row: to wait for a busy core does not count."""
    start = time.process_time()
    for _ in range(calls):
        function(scores.detach().requires_grad_(), dim=-1).backward(direction)
    return (time.process_time() - start) / calls


def rounds(ours, theirs, shape, least=2.0, turn=2e-3):
    """[(seconds of ours, of theirs), ...]: at least 15 rounds and ``least`` seconds; a turn lasts about ``turn`` seconds, or one call."""
    rng = torch.Generator().manual_seed(0)
    scores, direction = torch.randn(shape, generator=rng), torch.randn(shape, generator=rng)
    calls = 1
    for _ in range(3):  # warm up
        slowest = max(seconds(function, scores, direction, calls) for function in (ours, theirs))
        calls = max(1, round(turn / slowest))
    found, stop = [], time.perf_counter() + least
    while time.perf_counter() < stop or len(found) < 15:
        order = (ours, theirs) if len(found) % 2 else (theirs, ours)  # neither always comes second, with a warm cache
        taken = {function: seconds(function, scores, direction, calls) for function in order}
        found.append((taken[ours], taken[theirs]))
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(f"{'':10} {'shape':>12} {'ours':>10} {'entmax':>10} {'ratio':>6} {'quartiles':>13}  goal")
    for name, pair in PAIRS.items():
        for shape in SHAPES:
            found = rounds(*pair, shape)
            mine, other = (1e6 * statistics.median(column) for column in zip(*found, strict=True))
            low, ratio, high = statistics.quantiles([ours / theirs for ours, theirs in found], n=4)
            print(f"{name:10} {shape!s:>12} {mine:7.0f} us {other:7.0f} us {ratio:6.2f} {low:6.2f}-{high:.2f}  {GOAL[name]}")
