"""One run from beginning to end: compose, build, train, measure."""

import time
from pathlib import Path

import torch

from sdclib import architectures, distributions, evaluation, models, objectives
from sdclib.batched import fit_many
from sdclib.diagnosis import diagnose
from sdclib.experiments import by_hand, provenance
from sdclib.experiments.rows import MEASURED, SPLITS
from sdclib.inference import under
from sdclib.mosaics import make_mosaics
from sdclib.pretraining import pretrain
from sdclib.training import TrainingDiverged, fit

__all__ = ["ENGINE", "can_share", "checkpoint_of", "compute", "compute_together"]

ENGINE = 1  # raised by one when the same run would give another row than before (beyond rounding)


def compute(run, device="cpu", checkpoints=None):
    """Train and measure one run, on one thread of the processor or on another device.

    Args:
        run: a Run.
        device: name of the device.
        checkpoints: folder where convolutional networks, which train for long, keep the state of their training (:func:`checkpoint_of`): a run that was
            stopped goes on from there, and its seconds are those since then. None = nowhere.

    Returns:
        (row, environment of this process). The row has the run's fields, ``hash``, ``engine``, the measures of :func:`sdclib.evaluate`
        (of all inferences) under the prefixes ``train_``, ``recomposed_`` and ``fresh_``, ``stopped_at`` (the last epoch trained), ``mode``
        and, in percent of the training mosaics, ``right_absent`` and ``right_read`` of :func:`sdclib.diagnose`, for the model as its objective
        uses it ("" and None for m = 1, where there is nowhere else to look), ``seconds`` of processor time, and ``error``: "" or, if training
        diverged, what was raised; then mode is "" and the measures are None.
    """
    torch.set_num_threads(1)
    clock = time.thread_time if device == "cpu" else time.perf_counter  # of this thread alone: what else the machine does meanwhile does not count
    start = clock()
    mosaics, model, about = _begin(run, device)
    try:
        measured = _measure(run, mosaics, model, _train(model, mosaics["train"], run, checkpoint_of(run, checkpoints)))
    except TrainingDiverged as error:
        measured = dict.fromkeys(MEASURED) | {"mode": "", "error": " ".join(f"{type(error).__name__}: {error}".split())}
    return _row(run, measured, clock() - start), provenance.environment(device) | about


def checkpoint_of(run, folder):
    """The file that keeps the state of a run's training; None for runs that are so short that they begin anew."""
    return None if folder is None or not architectures.is_convolutional(run.architecture) else Path(folder) / f"{run.hash}.checkpoint"


def compute_together(runs, device):
    """Train runs that differ in their seeds alone side by side on a device, all their weights in one tensor; yield what :func:`compute` returns.

    Up to rounding the rows are those of :func:`compute`. What objectives that sample, and groups of which one run diverges, need is done
    run after run, on the processor. ``seconds`` is each run's share of the time by the clock, and the environment names the device.
    """
    start = time.perf_counter()
    begun = [_begin(run) for run in runs]
    several, data = [model.to(device) for _, model, _ in begun], [mosaics["train"].to(device) for mosaics, _, _ in begun]
    try:
        found = fit_many(several, data, _objective(runs[0]), **_settings(runs[0]), seeds=[run.seed for run in runs], progress=False)
    except TrainingDiverged:
        yield from map(compute, runs)
        return
    measured = [_measure(run, mosaics, model.cpu(), int(epochs)) for run, (mosaics, model, _), epochs in zip(runs, begun, found.epochs, strict=True)]
    seconds = (time.perf_counter() - start) / len(runs)
    for run, one in zip(runs, measured, strict=True):
        yield _row(run, one, seconds), provenance.environment(device) | begun[0][2]


def can_share(run):
    """Whether :func:`compute_together` can train a run beside others: not by an objective that samples, nor part by part, nor a convolutional network,
    which fills a device by itself.
    """
    alone = run.order != "both" or run.pretrained or architectures.is_convolutional(run.architecture) or run.dtype == "bf16-mixed"
    return "generator" not in _objective(run).takes and not alone


def _begin(run, device="cpu"):
    """The mosaics of a run by split, its model before training, and where pictures come from (a dict for the provenance)."""
    base, dtype = distributions.get(run.dataset), torch.float32 if run.dtype == "bf16-mixed" else getattr(torch, run.dtype)
    mosaics = {split: make_mosaics(base, run.n, run.m, run.data_seed, split=split, dtype=dtype).to(device) for split in SPLITS}
    about = {"images": base.source} if hasattr(base, "source") else {}
    of_model = {name: getattr(run, name) for name in ("average_at", "activation", "seed", "init", "features", "score_scale")}
    model = models.build(run.architecture, mosaics["train"].feature_shape, mosaics["train"].n_classes, **of_model, dtype=dtype)
    return mosaics, model.to(device), about


def _objective(run):
    return objectives.get(run.objective, **run.options)


def _settings(run):
    """What :func:`sdclib.fit` and :func:`sdclib.fit_many` are told."""
    return {name: getattr(run, name) for name in ("entropy_weight", "optimizer", "lr", "momentum", "epochs", "batch_size", "stop_below")}


def _train(model, data, run, checkpoint):
    """Train in place; return the last epoch. What :mod:`by_hand` can do it does several times as fast, and equal up to rounding."""
    if run.pretrained:
        pretrain(model, data, run.pretrained, seed=run.seed, progress=False)
    if by_hand.supports(run):
        return by_hand.train(model, data, run)
    precision = "bf16-mixed" if run.dtype == "bf16-mixed" else "full"
    of_run = {"order": run.order, "seed": run.seed, "precision": precision, "checkpoint": checkpoint}
    history = fit(model, data, _objective(run), **_settings(run), **of_run, record_every=max(run.epochs, 1), progress=False)
    return int(history.epoch.iloc[-1])


def _measure(run, mosaics, model, stopped_at):
    objective, measured = _objective(run), {"stopped_at": stopped_at}
    for split, part in mosaics.items():
        for name, value in evaluation.evaluate(model, part, objective=objective, entropy_weight=run.entropy_weight, inferences=True).items():
            measured[f"{split}_{name}"] = value
    return measured | _diagnosed(under(model, objective.inference), mosaics["train"]) | {"error": ""}


def _row(run, measured, seconds):
    return run.as_dict() | {"hash": run.hash, "engine": ENGINE} | measured | {"seconds": round(seconds, 3)}


def _diagnosed(model, data):
    if data.m < 2:
        return {"mode": "", "right_absent": None, "right_read": None}
    found = diagnose(model, data)
    share = found.per_class.mosaics / found.per_class.mosaics.sum()
    return {"mode": found.mode, **{f"right_{why}": float((share * found.per_class[why]).sum()) for why in ("absent", "read")}}
