"""Many seeds of a small model trained at once, batched in one tensor."""

import copy

import pandas as pd
import torch
from torch.func import functional_call, stack_module_state, vmap

from sdclib import _checks, activations, objectives
from sdclib.evaluation import measure, predict
from sdclib.models import AttentionModel
from sdclib.mosaics import Mosaics
from sdclib.training import check_settings, divergence, finite, make_optimizer, progress_bar

__all__ = ["fit_many"]


def fit_many(
    models,
    data,
    objective="soft",
    entropy_weight=0.0,
    optimizer="adam",
    lr=1e-3,
    momentum=0.0,
    epochs=100,
    batch_size=250,
    stop_below=None,
    seeds=None,
    *,
    objective_options=None,
    callback=None,
    progress=None,
):
    """Train models of one architecture side by side; up to rounding each ends as :func:`sdclib.fit` would have left it.

    Pays where a model is so tiny that most time goes into calls and not into arithmetic (the linear ones: three times as fast or more).
    The segments of all mosaics of all models are held at once. Models with buffers (batch normalisation) or dropout, and objectives that
    sample (REINFORCE), are for :func:`sdclib.fit` alone.

    Args:
        models: a list of AttentionModels of the same architecture, activation and averaging layer; trained in place.
        data: Mosaics for all of them, or a list with one Mosaics a model, of the same n and m and without masks.
        seeds: seeds of the batch orders; None = 0, 1, 2, ...
        callback: called as callback(epoch, models, last) after every epoch and, with epoch 0, before the first; the models have their weights
            of then (one that has stopped those of its last epoch).
        others: as :func:`sdclib.fit`. A model that meets ``stop_below`` keeps the weights of that epoch.

    Returns:
        DataFrame, one row a model: seed, epochs (when it stopped), loss and the measures of :func:`sdclib.evaluate` on its training mosaics.

    Raises:
        ValueError, TypeError: arguments out of range, lists of different lengths, models that differ in more than weights.
        TrainingDiverged: a loss became NaN or infinite; the message names the seed.
    """
    check_settings(entropy_weight, optimizer, lr, momentum, epochs, batch_size, stop_below, 1)
    objective = objectives.get(objective, **(objective_options or {}))
    objective.warn_if_unsettled(epochs)
    if "generator" in objective.takes:
        raise ValueError(f"fit_many can't train by an objective that samples; got {objective}: train the models one by one with fit")
    models, data = list(models), [data] * len(models) if isinstance(data, Mosaics) else list(data)
    seeds = list(range(len(models)) if seeds is None else seeds)
    _check_lists(models, data, seeds)
    rngs = [_checks.generator(seed, "order") for seed in seeds]
    parameters, buffers = stack_module_state(models)
    template, loss_of, epoch = copy.deepcopy(models[0]).train(), objective, 0
    if template.activation is activations.softmax:
        template.activation = _softmax
    if objective.loss is objectives.soft and entropy_weight == 0:
        loss_of = _cross_entropy
    alone = {"segment_logits": True} if objective.segment_logits else {}
    # all mosaics of all models as one long list: a batch of all models is then a single gather of rows
    segments, label = torch.cat([part.segments for part in data]), torch.cat([part.label for part in data])
    everything = torch.arange(len(label), device=label.device).view(len(models), -1)  # the mosaics of each model, by their place in that list
    stepper = make_optimizer(parameters.values(), optimizer, lr, momentum)
    stopped_at = [None] * len(models)

    @vmap
    def losses(parameters, buffers, segments, label):
        output = functional_call(template, (parameters, buffers), (segments,), alone)
        return loss_of(output, label, entropy_weight=entropy_weight, epoch=epoch)

    def copy_out(which):
        """Give model ``which`` its weights in the stack."""
        with torch.no_grad():
            for name, parameter in models[which].named_parameters():
                parameter.copy_(parameters[name][which])

    def keep(which, epoch):
        stopped_at[which] = epoch
        copy_out(which)

    def take(which):
        """Segments and labels of each model's mosaics ``which``. index_select: several times faster here than indexing with brackets."""
        return segments.index_select(0, which.flatten()).view(*which.shape, *segments.shape[1:]), label[which]

    if callback is not None:
        callback(0, models, epochs == 0)
    with progress_bar(epochs, progress) as bar:
        for epoch in range(1, epochs + 1):
            order = torch.stack([own[torch.from_numpy(rng.permutation(len(own)))] for own, rng in zip(everything, rngs, strict=True)])
            for step, batch in enumerate(order.split(batch_size, dim=1), start=1):
                loss = losses(parameters, buffers, *take(batch))
                for which in (~torch.isfinite(loss)).nonzero()[:, 0].tolist():
                    if stopped_at[which] is None:  # what becomes of a model after it has stopped does not matter
                        with divergence(f"for seed {seeds[which]} at epoch {epoch}, step {step}"):
                            finite(loss[which])
                stepper.zero_grad()
                loss.sum().backward()
                stepper.step()
            bar.update()
            if stop_below is not None and objective.may_stop(epoch):
                template.eval()
                with torch.no_grad():
                    below = losses(parameters, buffers, *take(everything)) <= stop_below
                template.train()
                for which in below.nonzero()[:, 0].tolist():
                    if stopped_at[which] is None:
                        keep(which, epoch)
            last = epoch == epochs or None not in stopped_at
            if callback is not None:
                for which in (which for which, stopped in enumerate(stopped_at) if stopped is None):
                    copy_out(which)
                callback(epoch, models, last)
            if last:
                break
    for which, epoch in enumerate(stopped_at):
        if epoch is None:
            keep(which, epochs)
    return pd.DataFrame([_row(*of_one, objective, entropy_weight) for of_one in zip(seeds, stopped_at, models, data, strict=True)])


# PyTorch's softmax and log-softmax are several times slower along a last axis of three or nine than along another, where they work on
# many mosaics at once; most of the time of a linear model went there.


def _softmax(scores, dim, mask=None):
    """Softmax of scores (n, m) along ``dim`` = -1, without the checks: what is not finite reaches the loss, which is looked at."""
    return torch.softmax(scores.mT.contiguous(), -2).mT


def _cross_entropy(output, label, *, entropy_weight, epoch):
    """``objectives.soft`` for ``entropy_weight`` = 0: cross_entropy of n mosaics as of one with n pixels, whose classes stand on axis 1."""
    return torch.nn.functional.cross_entropy(output.logits.mT[None], label[None])


def _row(seed, epochs, model, data, objective, entropy_weight):
    with divergence(f"for seed {seed} after epoch {epochs}", started=epochs > 0):
        output = predict(model, data, segment_logits=objective.segment_logits)
        loss = finite(objective.reported(output, data.label, entropy_weight=entropy_weight, epoch=epochs))
        return {"seed": seed, "epochs": epochs, "loss": loss} | (measure(output, data) if data.foreground is not None else {})


def _check_lists(models, data, seeds):
    if not models or not len(models) == len(data) == len(seeds):
        raise ValueError(f"wanted as many models as data and seeds, 1 or more; got {len(models)}, {len(data)} and {len(seeds)}")
    for model in models:
        _checks.instance("every model", model, AttentionModel)
    for part in data:
        _checks.instance("data", part, Mosaics, " or a list of them")
    if any(True for model in models for _ in model.buffers()):
        raise ValueError("models must have no buffers (as batch normalisation has); train those one by one with fit")
    if len({_kind(model) for model in models}) > 1:
        raise ValueError("all models must have the same architecture, averaging layer and activation; got some that differ")
    if len({id(model) for model in models}) < len(models):
        raise ValueError("every model must be an object of its own; got one twice")
    sizes = {(part.n, part.m, part.pool.points.shape) for part in data}
    if len(sizes) > 1 or any(part.mask is not None for part in data):
        raise ValueError(f"all data must have the same n, m and pool shape, and no mask; got {sorted(sizes, key=str)}")
    for model, part in zip(models, data, strict=True):
        predict(model, part[:1])  # what does not fit together is named before training


def _kind(model):
    """What models that are trained together must have in common: all but the values of their weights."""
    shapes = tuple((name, p.shape, p.dtype) for name, p in model.named_parameters())
    return type(model), str(model), shapes, model.average_at, model.activation, str(model.features)
