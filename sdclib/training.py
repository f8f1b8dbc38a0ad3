"""Training an attention model, epoch by epoch, watched from outside."""

import copy
import os
import re
import sys
from contextlib import contextmanager, nullcontext
from functools import partial

import pandas as pd
import torch

from sdclib import _checks, objectives
from sdclib.checkpoints import Checkpoint
from sdclib.evaluation import measure, modes_kept, predict
from sdclib.inference import output_of
from sdclib.mosaics import Mosaics

__all__ = ["OPTIMIZERS", "Snapshots", "TrainingDiverged", "fit"]

OPTIMIZERS = ("adam", "sgd")
PARTS = ("focus", "classifier")
PRECISIONS = ("full", "bf16-mixed")
_DROPOUT = torch.nn.modules.dropout._DropoutNd


class TrainingDiverged(RuntimeError):
    """The loss, or what it is computed from, became NaN or infinite; the message says at which epoch and step."""


class Snapshots(dict):
    """Copies of the weights after chosen epochs, for animations: pass it as ``callback`` to :func:`fit`.

    Args:
        epochs: the epochs wanted; 0 is before training. The last epoch is always kept.

    >>> snapshots = Snapshots([0, 1, 2, 5, 10])  # fit(..., callback=snapshots), then model.load_state_dict(snapshots[5])
    """

    def __init__(self, epochs):
        super().__init__()
        self.wanted = frozenset(_checks.at_least("epoch", epoch, 0) for epoch in epochs)

    def __call__(self, epoch, model, last):
        if epoch in self.wanted or last:
            self[epoch] = copy.deepcopy(model.state_dict())


def fit(
    model,
    data,
    objective="soft",
    entropy_weight=0.0,
    optimizer="adam",
    lr=1e-3,
    momentum=0.0,
    epochs=100,
    batch_size=250,
    stop_below=None,
    seed=0,
    *,
    objective_options=None,
    order="both",
    precision="full",
    checkpoint=None,
    record_every=1,
    callback=None,
    progress=None,
):
    """Train a model in place; return its history. Afterwards every part of it is in the mode, training or evaluation, that it was in.

    Args:
        model: an AttentionModel (or module with the same call).
        data: Mosaics to train on.
        objective: a name of :mod:`sdclib.objectives`, an :class:`sdclib.objectives.Objective`, or a function (output, label, entropy_weight=...) -> loss.
        entropy_weight: weight k of the entropy of attention, in [0, 1).
        optimizer: "adam" or "sgd".
        lr: learning rate, above 0.
        momentum: of SGD, in [0, 1).
        epochs: at most so many passes over the data, 0 or more.
        batch_size: mosaics a step.
        stop_below: stop when the training loss, evaluated after an epoch on all mosaics, is at most this (the paper: 0.01); None = never.
            REINFORCE's is its expectation; a hybrid's counts only when its schedule has come to its end.
        seed: seed of the batch order and of what the objective samples.
        objective_options: dict of what a named objective can be told: :func:`sdclib.objectives.get`.
        order: which part is trained when: "both" at once; "focus" or "classifier", the other stays as it is; "focus-5" or "classifier-5" in
            turn, five epochs each, beginning with the part that is named. What a part's optimiser remembers waits while the other is trained.
            A feature network of its own goes with the classifier.
        precision: "full", or "bf16-mixed": the networks compute in bfloat16 where that is safe (torch.autocast), on a graphics card several
            times as fast; weights, attention and loss stay as they are, and measures are taken in full precision.
        checkpoint: a file that the state of training is written to every half minute and at its end. If it is there already, training goes
            on from it and ends as if it had never stopped: give the same model (before training), data and settings. The callback is not called
            again for epochs before it was written; if training had ended, it is called for the last one.
        record_every: epochs between the rows of the history; the first (epoch 0, before training) and the last epoch always have one.
        callback: called as callback(epoch, model, last) after every epoch and, with epoch 0, before the first.
        progress: a progress bar; None = where there is a terminal or a notebook (TQDM_DISABLE=1 turns it off).

    Returns:
        DataFrame, one row a recorded epoch: epoch, loss (nats) and the measures of :func:`sdclib.evaluate` on the training mosaics (in
        percent where they are shares; without foreground only loss), for objectives that look at segments alone also those of the other
        inferences. ``.attrs["stopped"]`` says why training ended.

    Raises:
        ValueError, TypeError: arguments out of range, a checkpoint of another training or one that is cut off.
        TrainingDiverged: the loss became NaN or infinite.

    >>> from sdclib import distributions, make_mosaics, models
    >>> data = make_mosaics(distributions.get("boxes_one_side"), n=300)
    >>> history = fit(models.build("linear", data.feature_shape, data.n_classes), data, epochs=2)
    >>> list(history.epoch)
    [0, 1, 2]
    """
    check_settings(entropy_weight, optimizer, lr, momentum, epochs, batch_size, stop_below, record_every)
    _checks.instance("model", model, torch.nn.Module, ", as AttentionModel is")
    _checks.instance("data", data, Mosaics, " (Mosaics.from_segments makes them of one's own segments)")
    objective = objectives.get(objective, **(objective_options or {}))
    objective.warn_if_unsettled(epochs)
    _checks.choice("precision", precision, PRECISIONS)
    idle = _idle_parameters(model, check_order(order))
    stepper = make_optimizer(model.parameters(), optimizer, lr, momentum)
    rng, sampling = _checks.generator(seed, "order"), _sampling(objective, seed, data.index.device)
    device, settings = data.index.device, (_named(objective.loss), entropy_weight, optimizer, lr, momentum, batch_size, stop_below, seed, order, record_every)
    keeper = checkpoint and Checkpoint(checkpoint, model, data, {"settings": settings, "epochs": epochs, "precision": precision, "model": _described(model)})
    reached, rows, stopped = keeper.restore(model, stepper, sampling) if keeper else (-1, [], "")
    with progress_bar(epochs, progress) as bar, modes_kept(model):
        if stopped and callback is not None:
            callback(reached, model, True)
        for epoch in range(epochs + 1) if not stopped else ():
            shuffled = rng.permutation(data.n) if epoch > 0 else None
            if epoch <= reached:
                continue
            if epoch > 0:
                batches = torch.from_numpy(shuffled).to(device).split(batch_size)
                loss_of = partial(objective, entropy_weight=entropy_weight, epoch=epoch, generator=sampling)
                with dropout_seeded(model, seed, epoch, device):
                    _one_epoch(model, data, batches, loss_of, objective.segment_logits, stepper, idle(epoch), precision, where=f"epoch {epoch}")
                bar.update(epoch - bar.n)
            last, due, why = epoch == epochs, epoch % record_every == 0, f"after {epochs} epochs"
            if stop_below is not None or due or last:
                with divergence(f"after epoch {epoch}", started=epoch > 0):
                    output = predict(model, data, segment_logits=objective.segment_logits)
                    loss = finite(objective.reported(output, data.label, entropy_weight=entropy_weight, epoch=epoch))
                    if stop_below is not None and epoch > 0 and loss <= stop_below and objective.may_stop(epoch):
                        last, why = True, f"loss at most {stop_below:g} after epoch {epoch}"
                    if due or last:
                        rows.append({"epoch": epoch, "loss": loss} | (measure(output, data) if data.foreground is not None else {}))
            if callback is not None:
                callback(epoch, model, last)
            if last:
                stopped = why
            if keeper:
                keeper.keep(epoch, model, stepper, rows, sampling, stopped)
            if last:
                break
    history = pd.DataFrame(rows)
    history.attrs["stopped"] = stopped
    return history


def _sampling(objective, seed, device):
    """A torch.Generator on the data's device for an objective that samples, from the seed; else None."""
    if "generator" not in objective.takes:
        return None
    return torch.Generator(device).manual_seed(int(_checks.generator(seed, "sample_segments").integers(2**63)))


def _named(function):
    """What a function is called in every process alike, and what it was told."""
    if isinstance(function, partial):
        return _named(function.func), function.args, sorted((name, _named(value) if callable(value) else value) for name, value in function.keywords.items())
    return getattr(function, "__qualname__", type(function).__qualname__)


def _described(model):
    """What decides a model's output beside its weights, the same in every process."""
    parts = [getattr(model, name, None) for name in ("average_at", "activation", "features")]
    return repr(model), [_named(part) if callable(part) else part for part in parts]


def _autocast(precision, device):
    """Where the networks compute in bfloat16, if they are to."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16-mixed" else nullcontext()


@contextmanager
def dropout_seeded(model, seed, epoch, device):
    """What is dropped in an epoch depends on the seed and the epoch alone; PyTorch's own stream is afterwards where it was."""
    if not any(isinstance(module, _DROPOUT) and module.p > 0 for module in model.modules()):
        yield
        return
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.random.manual_seed(int(_checks.generator(seed, "dropout").integers(2**63, size=epoch)[-1]))
        yield


def _one_epoch(model, data, batches, loss_of, segment_logits, stepper, idle, precision, where):
    model.train()
    for step, batch in enumerate(batches, start=1):
        part = data[batch]
        with divergence(f"at {where}, step {step}"):
            with _autocast(precision, part.index.device):  # around one step: it keeps the weights in bfloat16 until its end
                loss = loss_of(output_of(model, part.segments, part.mask, segment_logits), part.label)
            finite(loss)
        stepper.zero_grad()
        loss.backward()
        for parameter in idle:
            parameter.grad = None  # to the optimiser it does not exist in this step
        stepper.step()


def check_order(order):
    """The order in which the parts are trained, or ValueError."""
    if not re.fullmatch(r"both|(focus|classifier)(-[1-9]\d*)?", str(order)):
        raise ValueError(f"order must be 'both', 'focus', 'classifier', or one of the two with a number of epochs, say 'focus-5'; got {order!r}")
    return order


def parts_trained(order, epoch):
    """The parts, of "focus" and "classifier", that are trained in an epoch (1 is the first) under an order as :func:`fit` takes it.

    >>> [parts_trained("focus-2", epoch) for epoch in (1, 2, 3, 4, 5)]
    [('focus',), ('focus',), ('classifier',), ('classifier',), ('focus',)]
    """
    part, _, every = order.partition("-")
    if part == "both":
        return PARTS
    turned = bool(every) and (epoch - 1) // int(every) % 2 == 1
    return (PARTS[1 - PARTS.index(part)] if turned else part,)


def _idle_parameters(model, order):
    """From an epoch to the parameters that are not trained in it."""
    if order == "both":
        return lambda epoch: ()
    if not isinstance(getattr(model, "focus", None), torch.nn.Module):
        raise TypeError(f"order {order!r} needs a model with a focus network, as AttentionModel is; got {type(model).__name__}")
    focus = {id(parameter) for parameter in model.focus.parameters()}
    by_part = {part: [p for p in model.parameters() if (id(p) in focus) == (part == "focus")] for part in PARTS}
    return lambda epoch: [p for part in PARTS if part not in parts_trained(order, epoch) for p in by_part[part]]


@contextmanager
def divergence(where, started=True):
    """What is not finite inside ends training with a message that says where; before the first step no learning rate is to blame."""
    try:
        yield
    except _checks.NotFiniteError as error:
        advice = "; try a smaller learning rate" if started else ", before any step: look at the data and the initial weights"
        raise TrainingDiverged(f"training diverged {where}: {error}{advice}") from error


def finite(loss):
    """The loss as a float, or NotFiniteError."""
    if not torch.isfinite(loss):
        raise _checks.NotFiniteError(f"the loss became {loss.item()}")
    return loss.item()


def check_settings(entropy_weight, optimizer, lr, momentum, epochs, batch_size, stop_below, record_every):
    """Raise TypeError or ValueError unless the arguments that all ways of training share are in range."""
    _checks.in_range("entropy_weight", entropy_weight, 0, 1, include_high=False)
    _checks.choice("optimizer", optimizer, OPTIMIZERS)
    _checks.in_range("lr", lr, 0, float("inf"), include_low=False, include_high=False)
    _checks.in_range("momentum", momentum, 0, 1, include_high=False)
    if momentum and optimizer != "sgd":
        raise ValueError(f"momentum is for sgd; got momentum {momentum} with {optimizer}")
    _checks.at_least("epochs", epochs, 0)
    _checks.at_least("batch_size", batch_size, 1)
    _checks.at_least("record_every", record_every, 1)
    if stop_below is not None:
        _checks.in_range("stop_below", stop_below, 0, float("inf"))


def make_optimizer(parameters, optimizer, lr, momentum):
    """PyTorch's Adam or SGD."""
    if optimizer == "adam":
        return torch.optim.Adam(parameters, lr=lr)
    return torch.optim.SGD(parameters, lr=lr, momentum=momentum)


def progress_bar(total, progress, *, done=0, desc="training", unit="epoch"):
    """A tqdm bar: in a terminal or notebook, nothing elsewhere."""
    from tqdm.auto import tqdm

    if progress is None:
        progress = not os.environ.get("TQDM_DISABLE") and (sys.stderr.isatty() or "ipykernel" in sys.modules)
    return tqdm(total=total, initial=done, desc=desc, unit=unit, disable=not progress, leave=False)
