"""Training the record's networks for CIFAR-10 against the record's way: seconds a mosaic, in one run.

    python benchmarks/images.py [--threads 1] [--device cuda]

It ends with status 1 where ours is less than three times as fast as the record's way.

The record's way: float64, a loop over the nine segments, one call of the focus network each (its batch normalisation sees one segment of each
mosaic at a time). The same loop in float32 is printed beside it. Ours: `fit` as it comes, float32, all segments of a batch in one call, channels
last. Pictures are noise: it is the time that is measured. With a device: `fit` there in mixed precision, at the paper's scale, seconds an epoch
with and without its evaluation.
"""

import argparse
import statistics
import sys
import time

import numpy as np
import torch

from sdclib import evaluate, fit, make_mosaics, models
from sdclib.distributions import LabelledImages

BATCH, STEPS = 50, 3
LEAST = 3  # times as fast as the record's way


def noise(n):
    """Pictures of CIFAR-10's shape, a tenth of them held out."""
    images = np.random.default_rng(0).uniform(-1, 1, (n, 3, 32, 32)).astype(np.float32)
    return LabelledImages(images, np.arange(n) % 10, (0, 1, 2), np.arange(n) >= 0.9 * n)


def loop(data, dtype, average_at):
    """Seconds of each step of training as the record does it."""
    data, model = data.to(dtype), models.build("cnn", (3, 32, 32), 3, average_at=average_at, dtype=dtype).to(memory_format=torch.contiguous_format)
    optimizer, seconds = torch.optim.Adam(model.parameters(), lr=5e-4), []
    for step in range(STEPS):
        part = data[step * BATCH : (step + 1) * BATCH]
        segments = part.segments
        start = time.perf_counter()
        optimizer.zero_grad()
        scores, values = zip(*(model.encode(segments[:, j]) for j in range(data.m)), strict=True)
        alpha = torch.softmax(torch.stack(scores, 1), dim=1)
        average = torch.zeros_like(values[0])
        for j in range(data.m):
            average = average + alpha[:, j].view(-1, 1, 1, 1) * values[j]
        torch.nn.functional.cross_entropy(model.classifier(average), part.label).backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    return seconds


def ours(data, average_at):
    """Seconds of each step of `fit`, batches gathered included: from the gradient of one to that of the next."""
    model, marks = models.build("cnn", (3, 32, 32), 3, average_at=average_at), []
    last = next(iter(model.focus.parameters()))
    last.register_post_accumulate_grad_hook(lambda _: marks.append(time.perf_counter()))
    fit(model, data, epochs=1, batch_size=BATCH, lr=5e-4, record_every=2, progress=False)
    return [after - before for before, after in zip(marks, marks[1:], strict=False)]


def on_device(device):
    """Seconds of an epoch at the paper's scale, and of one evaluation."""
    data = make_mosaics(noise(60_000), n=30_000).to(device)
    model = models.build("cnn", (3, 32, 32), 3).to(device)
    found = []
    for epochs in (1, 3):
        start = time.perf_counter()
        fit(model, data, epochs=epochs, lr=5e-4, precision="bf16-mixed", record_every=10, progress=False)
        torch.cuda.synchronize()
        found.append(time.perf_counter() - start)
    start = time.perf_counter()
    evaluate(model, data)
    torch.cuda.synchronize()
    return (found[1] - found[0]) / 2, time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = make_mosaics(noise(2000), n=BATCH * (STEPS + 1))
    print(f"milliseconds a mosaic of 9, batches of {BATCH}, {options.threads} thread(s), median of {STEPS} steps")
    print("layer   the record's way   its loop in float32   ours   ratio   ratio to float32")
    ratios = []
    for average_at in (0, 6):
        record, single, mine = (
            statistics.median(seconds) / BATCH * 1000
            for seconds in (loop(data, torch.float64, average_at), loop(data, torch.float32, average_at), ours(data, average_at))
        )
        print(f"{average_at:>5} {record:>18.1f} {single:>21.1f} {mine:>6.1f} {record / mine:>7.1f} {single / mine:>18.1f}", flush=True)
        ratios.append(record / mine)
    if options.device:
        epoch, evaluation = on_device(options.device)
        print(f"{options.device}: {epoch:.1f} s an epoch of 30,000 mosaics in mixed precision, {evaluation:.1f} s an evaluation")
    return int(min(ratios) < LEAST)


if __name__ == "__main__":
    sys.exit(main())
