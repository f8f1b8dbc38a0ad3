"""Training with derivatives by hand against ``fit`` and automatic differentiation: the oracle is PyTorch's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdclib import activations, distributions, fit, make_mosaics, models, objectives
from sdclib.experiments import Run, by_hand, computing
from sdclib.training import TrainingDiverged

DATASET1 = {"dataset": "dataset1", "architecture": "A1", "n": 500, "batch_size": 120, "epochs": 4}  # batches that don't divide the mosaics
RUNS = [
    *({**DATASET1, "average_at": layer, "activation": name} for layer in (0, 1, 2) for name in by_hand.ACTIVATIONS),
    *({**DATASET1, "average_at": layer, "entropy_weight": 0.05} for layer in (0, 2)),
    {**DATASET1, "objective": "entropy", "entropy_weight": 0.02, "activation": "sparsemax"},
    {**DATASET1, "optimizer": "sgd", "lr": 0.01, "momentum": 0.9, "init": "default"},
    {**DATASET1, "m": 1},
    {**DATASET1, "batch_size": 1000, "epochs": 2},
    {**DATASET1, "dataset": "dataset2", "architecture": "A2_2", "average_at": 2},
    {**DATASET1, "dataset": "boxes_one_side", "architecture": "linear", "optimizer": "sgd", "lr": 0.01, "momentum": 0.9},
    {**DATASET1, "dataset": "boxes_column", "architecture": "column", "lr": 0.01},
    {**DATASET1, "dataset": "digits", "architecture": "mlp-7-5", "average_at": 1},
    {**DATASET1, "epochs": 0},
    *({**DATASET1, "average_at": layer, "features": features} for layer in (1, 2) for features in ("linear", "separate")),
    {**DATASET1, "average_at": 1, "features": "separate", "init": "default", "entropy_weight": 0.02},
    {**DATASET1, "score_scale": 0.0},
    *({**DATASET1, "average_at": 1, "order": order} for order in ("focus", "classifier", "focus-1", "classifier-2")),
    {**DATASET1, "average_at": 1, "order": "focus-1", "features": "separate"},
    {**DATASET1, "order": "classifier-1", "optimizer": "sgd", "lr": 0.01, "momentum": 0.9},
]


def both(run):
    """The weights after training a run by hand and by ``fit``, the epochs trained, and the initial weights."""
    dtype = getattr(torch, run.dtype)
    data = make_mosaics(distributions.get(run.dataset), run.n, run.m, run.data_seed, dtype=dtype)
    of_model = {name: getattr(run, name) for name in ("average_at", "activation", "seed", "init", "features", "score_scale")}
    start, ours, theirs = (models.build(run.architecture, data.feature_shape, data.n_classes, **of_model, dtype=dtype) for _ in range(3))
    names = ("objective", "entropy_weight", "optimizer", "lr", "momentum", "epochs", "batch_size", "stop_below", "seed", "order")
    history = fit(theirs, data, **{name: getattr(run, name) for name in names}, progress=False)
    epochs = by_hand.train(ours, data, run), int(history.epoch.iloc[-1])
    return *(torch.nn.utils.parameters_to_vector(model.parameters()).detach() for model in (ours, theirs, start)), epochs


@pytest.mark.parametrize("settings", RUNS, ids=lambda settings: "-".join(str(v) for k, v in settings.items() if DATASET1.get(k) != v))
def test_weights_are_those_of_fit(settings):
    ours, theirs, start, epochs = both(Run(**settings, seed=2, dtype="float64"))
    assert epochs == (settings["epochs"],) * 2
    assert (ours - theirs).abs().max() < 1e-10
    assert settings["epochs"] == 0 or (ours - start).abs().max() > 1e-3


def test_in_single_precision_they_differ_by_rounding():
    ours, theirs, start, _ = both(Run(**DATASET1, seed=2))
    assert 0 < (ours - theirs).abs().max() < 1e-4 < (ours - start).abs().max()


def test_the_stop_rule_is_met_at_the_same_epoch():
    *_, epochs = both(Run(**DATASET1 | {"epochs": 60, "lr": 0.01, "average_at": 2, "stop_below": 0.6}, dtype="float64"))
    assert epochs[0] == epochs[1] < 60


def test_the_loss_of_the_stop_rule_is_that_of_all_mosaics():
    """They are scored a thousand at a time."""
    run = Run(**DATASET1 | {"n": 1100, "entropy_weight": 0.02, "average_at": 1}, dtype="float64")
    data = make_mosaics(distributions.get("dataset1"), run.n, dtype=torch.float64)
    model = models.build("A1", data.feature_shape, data.n_classes, average_at=1, dtype=torch.float64)
    wanted = fit(model, data, entropy_weight=0.02, epochs=0, progress=False).loss[0]
    with torch.no_grad():
        assert by_hand._Trainer(model, data, run)._loss() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("name", by_hand.ACTIVATIONS)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1e-3, 1.0, 30.0]))
@settings(max_examples=60, deadline=None)
def test_activations_and_their_way_back(name, seed, scale):
    rng = np.random.default_rng(seed)
    scores = torch.from_numpy(scale * rng.normal(size=(6, 5))).requires_grad_()
    slope = torch.from_numpy(rng.normal(size=(6, 5)))
    weights = activations.get(name)(scores, dim=1)
    (wanted,) = torch.autograd.grad(weights, scores, slope)
    forward, back = by_hand.ACTIVATIONS[name]
    with torch.no_grad():
        ours = forward(scores)
        torch.testing.assert_close(ours, weights, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(back(scores, ours, slope.clone()), wanted, rtol=1e-9, atol=1e-11 * max(1, 1 / scale))


@pytest.mark.parametrize("name", by_hand.ACTIVATIONS)
def test_scores_of_zero_weigh_the_same_and_are_finite(name):
    forward, back = by_hand.ACTIVATIONS[name]
    scores = torch.zeros(2, 4, dtype=torch.float64)
    weights = forward(scores)
    assert torch.equal(weights, torch.full_like(weights, 0.25))
    assert back(scores, weights, torch.randn(2, 4, dtype=torch.float64)).isfinite().all()


def test_divergence_is_named_as_fit_names_it():
    run = Run(**DATASET1 | {"optimizer": "sgd", "lr": 1e38})
    messages = []
    for train in (by_hand.train, lambda model, data, run: fit(model, data, optimizer="sgd", lr=1e38, batch_size=120, epochs=4, progress=False)):
        data = make_mosaics(distributions.get("dataset1"), run.n)
        with pytest.raises(TrainingDiverged, match=r"^training diverged at epoch \d+, step \d+: .*; try a smaller learning rate$") as caught:
            train(models.build("A1", (2,), 3), data, run)
        messages.append(str(caught.value).split(":")[0])
    assert messages[0] == messages[1]


def test_the_engine_uses_it_where_it_can(monkeypatch):
    """What it can't do goes through ``fit``; with or without it a row says the same."""
    calls, train = [], by_hand.train
    monkeypatch.setattr(by_hand, "train", lambda *arguments: calls.append(1) or train(*arguments))
    tiny = DATASET1 | {"n": 60, "batch_size": 20, "dtype": "float64"}
    fast, _ = computing.compute(Run(**tiny))
    assert calls == [1]
    computing.compute(Run(**tiny, objective="marginal"))
    assert calls == [1]
    monkeypatch.setattr(by_hand, "supports", lambda run: False)
    slow, _ = computing.compute(Run(**tiny))
    assert calls == [1]
    for name in fast.keys() - {"seconds"}:
        near = pytest.approx(slow[name], rel=1e-6, abs=1e-9) if isinstance(slow[name], float) else slow[name]
        assert fast[name] == near, name


def test_names_are_those_of_the_library():
    assert set(by_hand.ACTIVATIONS) <= set(activations.names())
    assert {"soft", "entropy"} <= set(objectives.names())
