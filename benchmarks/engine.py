"""The experiments engine against the plain loop over segments of tutorial code: seed-epochs a second on two cores, in one run.

    python benchmarks/engine.py

Both train architecture A1 on dataset1, averaging at layer 0, with the same mosaics, initial weights and batches, and score all training mosaics after every
epoch, for a stop rule (1e-9) that is never met. The loop: float64, one thread, one run after another. Ours: ``experiments.execute`` as it comes, float32, two
processes of one thread each. An epoch's cost is the slope between a short and a long job, the rest of a job is its start-up. The ceiling is what the matrix
products alone would take on two threads. NumPy's products are measured with the instructions that its OpenBLAS chooses for this processor: a setting in the
environment that holds it to others is taken away.
"""

import argparse
import os
import statistics
import time

os.environ.pop("OPENBLAS_CORETYPE", None)  # before NumPy is loaded

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from sdclib import distributions, fit, make_mosaics, models
from sdclib._checks import generator
from sdclib.experiments import Run, execute
from sdclib.experiments.provenance import environment

RUN = Run(dataset="dataset1", architecture="A1", stop_below=1e-9)
SEEDS, WORKERS = 4, 2


def loop(epochs, seed=0):
    """Train as a tutorial would. Returns (seconds an epoch, [(loss, accuracy, FTPT) after each epoch])."""
    data = make_mosaics(distributions.get(RUN.dataset), RUN.n, RUN.m, RUN.data_seed, dtype=torch.float64)
    model = models.build(RUN.architecture, data.feature_shape, data.n_classes, average_at=0, seed=seed, dtype=torch.float64)
    focus, classifier = model.focus, model.classifier
    optimizer = torch.optim.Adam([*focus.parameters(), *classifier.parameters()], lr=RUN.lr)
    x, y, foreground = data.segments, data.label, data.foreground
    rng, seconds, found = generator(seed, "order"), [], []

    def forward(batch):
        scores = torch.zeros(len(batch), RUN.m, dtype=torch.float64)
        for j in range(RUN.m):
            scores[:, j] = focus(batch[:, j])[:, 0]
        alpha = torch.softmax(scores, dim=1)
        average = torch.zeros(len(batch), batch.shape[2], dtype=torch.float64)
        for j in range(RUN.m):
            average = average + alpha[:, j, None] * batch[:, j]
        return classifier(average), alpha

    for _ in range(epochs):
        start = time.perf_counter()
        order = torch.from_numpy(rng.permutation(len(y)))
        for part in order.split(RUN.batch_size):
            optimizer.zero_grad()
            logits, _ = forward(x[part])
            loss = torch.nn.functional.cross_entropy(logits, y[part])
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            logits, alpha = forward(x)
            right, focused = logits.argmax(1) == y, alpha.argmax(1) == foreground
            value = torch.nn.functional.cross_entropy(logits, y).item()
            found.append((value, 100 * right.double().mean().item(), 100 * (right & focused).double().mean().item()))
        seconds.append(time.perf_counter() - start)
    return seconds, found


def same_as_fit(epochs):
    """Largest difference in loss, accuracy and FTPT between the loop and ``fit`` in float64 over some epochs: they do the same."""
    data = make_mosaics(distributions.get(RUN.dataset), RUN.n, RUN.m, RUN.data_seed, dtype=torch.float64)
    model = models.build(RUN.architecture, data.feature_shape, data.n_classes, average_at=0, seed=0, dtype=torch.float64)
    ours = fit(model, data, epochs=epochs, seed=0, progress=False)[["loss", "accuracy", "ftpt"]].to_numpy()[1:]
    return np.abs(ours - np.array(loop(epochs)[1])).max(axis=0)


def job(epochs):
    """Wall-clock seconds of a whole job of ``SEEDS`` runs, worker start-up included."""
    runs = [Run(**RUN.as_dict() | {"seed": seed, "epochs": epochs}) for seed in range(SEEDS)]
    start = time.perf_counter()
    execute(runs, workers=WORKERS, progress=False)
    return time.perf_counter() - start


def products(rounds=20):
    """Seconds of an epoch's matrix products by NumPy in float32, forward and backward on every segment, and forward once on the base points (stop rule)."""
    data = make_mosaics(distributions.get(RUN.dataset), RUN.n, RUN.m, RUN.data_seed)
    model = models.build(RUN.architecture, data.feature_shape, data.n_classes, average_at=0)
    weights = {"focus": list(model.focus.parameters()), "classifier": [p for p in model.classifier.parameters() if p.ndim == 2]}
    shapes = []
    for name, rows in (("focus", RUN.batch_size * RUN.m), ("classifier", RUN.batch_size)):
        for depth, weight in enumerate(weights[name]):
            wide, narrow = (np.ones((rows, size), np.float32) for size in reversed(weight.shape))
            shapes.append((wide, narrow, weight.detach().numpy(), depth > 0 or name == "classifier"))
    points = [(np.ones((len(data.pool), w.shape[1]), np.float32), w.detach().numpy()) for w in weights["focus"]]

    def epoch():
        for _ in range(RUN.n // RUN.batch_size):
            for wide, narrow, weight, has_input_gradient in shapes:
                wide @ weight.T
                narrow.T @ wide
                if has_input_gradient:
                    narrow @ weight
        for wide, weight in points:
            wide @ weight.T

    epoch()
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        epoch()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=600, help="of the long job (the short one has a sixth; default 600)")
    long = parser.parse_args().epochs
    short = max(long // 6, 1)
    torch.set_num_threads(1)
    apart = same_as_fit(3)
    here = environment()
    print(f"{here['processor']}, PyTorch with {here['instructions']}, NumPy's products by {here['blas']}")
    print(f"same batches, same metrics: loop and fit in float64 differ by at most {apart[0]:.0e} in loss, {apart[1]:.2g} and {apart[2]:.2g} points")
    before = statistics.median(loop(10)[0][2:])
    with threadpool_limits(1, user_api="blas"):
        floor = products()
    ends = {epochs: job(epochs) for epochs in (short, long)}
    after = statistics.median(loop(10)[0][2:])  # before and after: what else the machine did meanwhile
    slow = (before + after) / 2
    ours = (ends[long] - ends[short]) / (SEEDS * (long - short))
    print(f"loop       {1e3 * slow:6.1f} ms an epoch, one run after another ({1e3 * before:.1f} before, {1e3 * after:.1f} after)")
    print(f"ours       {1e3 * ours:6.1f} ms a seed-epoch in steady state ({SEEDS} seeds, {WORKERS} processes; {short} and {long} epochs)")
    print(f"ratio      {slow / ours:6.1f}   (goal 8, hoped for 10)")
    print(f"start-up   {ends[short] - ours * SEEDS * short:6.1f} s (goal: at most 8)")
    print(f"ceiling    {slow / (floor / WORKERS):6.1f}   the matrix products alone: {1e3 * floor:.1f} ms an epoch on one thread")


if __name__ == "__main__":
    main()
