"""One run from beginning to end: compose, build, train, measure."""

import time

import torch

from sdclib import distributions, evaluation, models, objectives
from sdclib.diagnosis import diagnose
from sdclib.experiments import by_hand, provenance
from sdclib.experiments.rows import MEASURED, SPLITS
from sdclib.inference import under
from sdclib.mosaics import make_mosaics
from sdclib.training import TrainingDiverged, fit

__all__ = ["ENGINE", "compute"]

ENGINE = 1  # raised by one when the same run would give another row than before (beyond rounding)


def compute(run):
    """Train and measure one run on one thread.

    Returns:
        (row, environment of this process). The row has the run's fields, ``hash``, ``engine``, the measures of :func:`sdclib.evaluate`
        (of all inferences) under the prefixes ``train_``, ``recomposed_`` and ``fresh_``, ``stopped_at`` (the last epoch trained), ``mode``
        and, in percent of the training mosaics, ``right_absent`` and ``right_read`` of :func:`sdclib.diagnose`, for the model as its objective
        uses it ("" and None for m = 1, where there is nowhere else to look), ``seconds`` of processor time, and ``error``: "" or, if training
        diverged, what was raised; then mode is "" and the measures are None.
    """
    torch.set_num_threads(1)
    start = time.thread_time()  # of this thread alone: what else the machine does meanwhile does not count
    try:
        measured = _train_and_measure(run) | {"error": ""}
    except TrainingDiverged as error:
        measured = dict.fromkeys(MEASURED) | {"mode": "", "error": " ".join(f"{type(error).__name__}: {error}".split())}
    seconds = round(time.thread_time() - start, 3)
    return run.as_dict() | {"hash": run.hash, "engine": ENGINE} | measured | {"seconds": seconds}, provenance.environment()


def _train_and_measure(run):
    base, dtype = distributions.get(run.dataset), getattr(torch, run.dtype)
    mosaics = {split: make_mosaics(base, run.n, run.m, run.data_seed, split=split, dtype=dtype) for split in SPLITS}
    data = mosaics["train"]
    of_model = {name: getattr(run, name) for name in ("average_at", "activation", "seed", "init")}
    model = models.build(run.architecture, data.feature_shape, data.n_classes, **of_model, dtype=dtype)
    objective = objectives.get(run.objective, **run.options)
    measured = {"stopped_at": _train(model, data, objective, run)}
    for split, part in mosaics.items():
        for name, value in evaluation.evaluate(model, part, objective=objective, entropy_weight=run.entropy_weight, inferences=True).items():
            measured[f"{split}_{name}"] = value
    return measured | _diagnosed(under(model, objective.inference), data)


def _train(model, data, objective, run):
    """Train in place; return the last epoch. What :mod:`by_hand` can do it does several times as fast, and equal up to rounding."""
    if by_hand.supports(run):
        return by_hand.train(model, data, run)
    names = ("entropy_weight", "optimizer", "lr", "momentum", "epochs", "batch_size", "stop_below", "seed")
    of_training = {name: getattr(run, name) for name in names}
    history = fit(model, data, objective, **of_training, record_every=max(run.epochs, 1), progress=False)
    return int(history.epoch.iloc[-1])


def _diagnosed(model, data):
    if data.m < 2:
        return {"mode": "", "right_absent": None, "right_read": None}
    found = diagnose(model, data)
    share = found.per_class.mosaics / found.per_class.mosaics.sum()
    return {"mode": found.mode, **{f"right_{why}": float((share * found.per_class[why]).sum()) for why in ("absent", "read")}}
