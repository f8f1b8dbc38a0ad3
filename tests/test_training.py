"""Training: against the optimisers written out by hand, its rules, what stops it, and what is refused."""

import itertools
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from sdclib import AttentionModel, Mosaics, Snapshots, TrainingDiverged, _checks, distributions, evaluate, fit, make_mosaics, models

DATA = make_mosaics(distributions.get("boxes_one_side"), n=220, m=5, seed=0)


def linear(seed=0, **options):
    return models.build("linear", (2,), 3, seed=seed, **options)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def by_hand(model, data, step, epochs, batch_size, seed, entropy_weight=0.0):
    """Training with no optimiser and no Mosaics: gradients of the formula, and ``step(weight, gradient, state, t)`` in place."""
    segments, label = data.segments, data.label
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(6,)))
    states, t = [{} for _ in model.parameters()], 0
    for _ in range(epochs):
        order = rng.permutation(len(label))
        for start in range(0, len(label), batch_size):
            batch = torch.from_numpy(order[start : start + batch_size])
            output = model(segments[batch])
            log_p = output.logits.log_softmax(1)[torch.arange(len(batch)), label[batch]]
            entropy = -(output.attention * output.attention.log()).sum(1)
            loss = -(1 - entropy_weight) * log_p.mean() + entropy_weight * entropy.mean()
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            t += 1
            with torch.no_grad():
                for weight, gradient, state in zip(model.parameters(), gradients, states, strict=True):
                    step(weight, gradient, state, t)


def sgd_step(lr, momentum):
    def step(weight, gradient, state, t):
        state["v"] = gradient + momentum * state.get("v", 0)
        weight -= lr * state["v"]

    return step


def adam_step(lr, beta1=0.9, beta2=0.999, epsilon=1e-8):
    def step(weight, gradient, state, t):
        state["m"] = beta1 * state.get("m", 0) + (1 - beta1) * gradient
        state["s"] = beta2 * state.get("s", 0) + (1 - beta2) * gradient**2
        weight -= lr * (state["m"] / (1 - beta1**t)) / ((state["s"] / (1 - beta2**t)).sqrt() + epsilon)

    return step


@pytest.mark.parametrize("entropy_weight", [0.0, 0.1])
@pytest.mark.parametrize(
    ("options", "step"),
    [
        ({"optimizer": "sgd", "lr": 0.05}, sgd_step(0.05, 0.0)),
        ({"optimizer": "sgd", "lr": 0.01, "momentum": 0.9}, sgd_step(0.01, 0.9)),
        ({"optimizer": "adam", "lr": 0.01}, adam_step(0.01)),
    ],
    ids=["sgd", "momentum", "adam"],
)
def test_training_is_the_loop_by_hand(options, step, entropy_weight):
    data = DATA.to(torch.float64)
    ours, theirs = (models.build("mlp-6-5", (2,), 3, average_at=1, dtype=torch.float64) for _ in range(2))
    fit(ours, data, epochs=4, batch_size=50, seed=3, entropy_weight=entropy_weight, **options)
    by_hand(theirs, data, step, 4, 50, 3, entropy_weight)
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-7, atol=1e-9)


def test_training_learns():
    model = linear()
    history = fit(model, DATA, optimizer="sgd", lr=0.01, momentum=0.9, epochs=60, batch_size=25, record_every=60)
    assert history.loss.iloc[-1] < 0.3 * history.loss.iloc[0]
    assert history.accuracy.iloc[-1] > 90


def test_same_seed_same_bytes():
    results = []
    for seed in (0, 0, 1):
        model = linear()
        history = fit(model, DATA, epochs=3, seed=seed)
        results.append((weights(model).numpy().tobytes(), history.to_csv()))
    assert results[0] == results[1]
    assert results[0][0] != results[2][0]


def test_what_is_watched_does_not_change_what_is_learned():
    plain, watched = linear(), linear()
    fit(plain, DATA, epochs=6, record_every=100)
    fit(watched, DATA, epochs=6, record_every=1, callback=lambda *_: evaluate(watched, DATA), stop_below=0.0, progress=True)
    assert torch.equal(weights(plain), weights(watched))


def test_history():
    model = linear()
    history = fit(model, DATA, epochs=7, record_every=3)
    assert isinstance(history, pd.DataFrame)
    assert list(history.epoch) == [0, 3, 6, 7]
    assert list(history.columns) == ["epoch", *evaluate(model, DATA)]
    assert history.iloc[-1].drop("epoch").to_dict() == pytest.approx(evaluate(model, DATA))
    assert history.iloc[0].drop("epoch").to_dict() == pytest.approx(evaluate(linear(), DATA))
    assert history.attrs["stopped"] == "after 7 epochs"
    assert history.isna().sum().sum() == 0


def test_no_epoch_only_measures():
    model = linear()
    history = fit(model, DATA, epochs=0)
    assert list(history.epoch) == [0]
    assert torch.equal(weights(model), weights(linear()))


def test_history_without_foreground_has_the_loss():
    history = fit(linear(), Mosaics.from_segments(DATA.segments, DATA.label), epochs=2)
    assert list(history.columns) == ["epoch", "loss"]


def test_stops_after_the_first_epoch_at_or_below():
    free = fit(linear(), DATA, lr=0.01, epochs=30)
    wanted = 12
    assert (free.loss[:wanted] > free.loss[wanted]).all(), "the loss must fall for this test to mean something"
    model, snapshots = linear(), Snapshots([])
    threshold = float(free.loss[wanted])
    stopped = fit(model, DATA, lr=0.01, epochs=30, stop_below=threshold, record_every=5, callback=snapshots)
    assert list(stopped.epoch) == [0, 5, 10, wanted]
    assert list(stopped.loss) == list(free.loss[[0, 5, 10, wanted]])
    assert stopped.attrs["stopped"] == f"loss at most {threshold:g} after epoch 12"
    assert list(snapshots) == [wanted]
    same = linear()
    fit(same, DATA, lr=0.01, epochs=wanted)
    assert torch.equal(weights(model), weights(same))


def test_snapshots():
    snapshots, seen = Snapshots([0, 2, 99]), {}
    model = linear()

    def both(epoch, model, last):
        snapshots(epoch, model, last)
        seen[epoch] = (weights(model), last)

    fit(model, DATA, epochs=5, callback=both)
    assert list(snapshots) == [0, 2, 5]
    assert [last for _, last in seen.values()] == [False] * 5 + [True]
    again = linear(seed=9)
    for epoch, state in snapshots.items():
        again.load_state_dict(state)
        assert torch.equal(weights(again), seen[epoch][0])
    assert not torch.equal(seen[0][0], seen[2][0])


def test_a_readers_objective_and_model():
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(2, 3)

        def forward(self, segments, mask=None):
            n, m = segments.shape[:2]
            return models.ModelOutput(self.net(segments.mean(1)), torch.full((n, m), 1 / m), None)

    history = fit(Mean(), DATA, epochs=3, objective=lambda output, label, entropy_weight: nn.functional.cross_entropy(output.logits, label), lr=0.1)
    assert history.loss.iloc[-1] < history.loss.iloc[0]
    assert (history.ftpt + history.ftpf).iloc[-1] == pytest.approx(20)


def test_masked_mosaics_with_garbage_train_as_if_it_were_not_there():
    mask = torch.ones(220, 5, dtype=bool)
    mask[torch.arange(220), (DATA.foreground + 1) % 5] = False
    results = []
    for garbage in (0.0, torch.nan, torch.inf):
        segments = DATA.segments.masked_fill(~mask[..., None], garbage)
        model = models.build("mlp-6-5", (2,), 3, average_at=1)
        fit(model, Mosaics.from_segments(segments, DATA.label, DATA.foreground, mask=mask), epochs=2)
        results.append(weights(model))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@pytest.mark.parametrize(("n", "where"), [(220, "at epoch 1, step 2"), (50, "after epoch 1")])
@pytest.mark.parametrize("activation", ["softmax", "sparsemax"])
@pytest.mark.parametrize("architecture", ["linear", "mlp-6-5"])
def test_divergence_says_where(n, where, activation, architecture):
    """The first step overflows float32: seen at the second, or by the evaluation if there is none."""
    model = models.build(architecture, (2,), 3, activation=activation)
    with pytest.raises(TrainingDiverged, match=f"training diverged {where}: .*; try a smaller learning rate"):
        fit(model, DATA[:n], optimizer="sgd", lr=3e38, batch_size=50, epochs=50)


def test_divergence_by_logits_alone():
    class Fragile(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 3))
            self.steps = 0

        def forward(self, segments, mask=None):
            self.steps += self.training
            n, m = segments.shape[:2]
            logits = segments.mean(1) @ self.weight
            return models.ModelOutput(logits * (torch.nan if self.steps == 7 else 1), torch.full((n, m), 1 / m), None)

    with pytest.raises(TrainingDiverged, match="training diverged at epoch 2, step 2: the loss became nan; try a smaller learning rate"):
        fit(Fragile(), DATA, batch_size=50, epochs=5)


def test_weights_that_are_nan_from_the_start():
    model = linear()
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    with pytest.raises(TrainingDiverged, match="diverged after epoch 0"):
        fit(model, DATA, epochs=5)


def test_an_interruption_leaves_nothing_behind():
    """Stopped in the middle, trained again from a snapshot: as if nothing had happened. No bar, no file, no mode, no random state left."""
    from tqdm import tqdm

    def interrupt(epoch, model, last):
        if epoch == 2:
            raise KeyboardInterrupt

    model, files = linear(), set(os.listdir())
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        fit(model, DATA, epochs=5, callback=interrupt, progress=True)
    assert not getattr(tqdm, "_instances", None)
    assert set(os.listdir()) == files
    assert torch.equal(torch.get_rng_state(), state)
    model.load_state_dict(start)
    uninterrupted = linear()
    pd.testing.assert_frame_equal(fit(model, DATA, epochs=5), fit(uninterrupted, DATA, epochs=5))
    assert torch.equal(weights(model), weights(uninterrupted))


def test_the_bar_can_be_asked_for(capsys):
    fit(linear(), DATA, epochs=3, progress=True)
    assert "training" in capsys.readouterr().err
    fit(linear(), DATA, epochs=3, progress=False)
    assert capsys.readouterr() == ("", "")


def test_quiet_when_piped():
    code = """
from sdclib import distributions, fit, fit_many, make_mosaics, models
data, model = make_mosaics(distributions.get("boxes_one_side"), n=50), models.build("linear", (2,), 3)
fit(model, data, epochs=3), fit_many([model], data, epochs=3)
"""
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(__file__))}
    environment.pop("TQDM_DISABLE", None)
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


REFUSED = {
    "unknown objective": ({"objective": "harder"}, ValueError, "unknown objective 'harder'; choose one of soft"),
    "unknown optimizer": ({"optimizer": "lbfgs"}, ValueError, "unknown optimizer 'lbfgs'; choose one of adam, sgd"),
    "no learning rate": ({"lr": 0}, ValueError, r"lr must be in \(0, inf\); got 0"),
    "a negative rate": ({"lr": -1e-3}, ValueError, r"lr must be in \(0, inf\); got -0.001"),
    "NaN rate": ({"lr": float("nan")}, ValueError, r"lr must be in \(0, inf\); got nan"),
    "infinite rate": ({"lr": float("inf")}, ValueError, r"lr must be in \(0, inf\); got inf"),
    "a rate in words": ({"lr": "fast"}, TypeError, "lr must be a number; got 'fast'"),
    "entropy weight of 1.5": ({"entropy_weight": 1.5}, ValueError, r"entropy_weight must be in \[0, 1\); got 1.5"),
    "momentum of 1": ({"optimizer": "sgd", "momentum": 1.0}, ValueError, r"momentum must be in \[0, 1\); got 1.0"),
    "momentum for adam": ({"momentum": 0.9}, ValueError, "momentum is for sgd; got momentum 0.9 with adam"),
    "epochs below 0": ({"epochs": -1}, ValueError, "epochs must be at least 0; got -1"),
    "half an epoch": ({"epochs": 1.5}, TypeError, "epochs must be a whole number; got 1.5"),
    "an empty batch": ({"batch_size": 0}, ValueError, "batch_size must be at least 1; got 0"),
    "record never": ({"record_every": 0}, ValueError, "record_every must be at least 1; got 0"),
    "a stop below 0": ({"stop_below": -0.1}, ValueError, r"stop_below must be in \[0, inf\); got -0.1"),
    "a seed below 0": ({"seed": -1}, ValueError, "seed must be at least 0; got -1"),
    "no seed": ({"seed": None}, TypeError, "seed must be a whole number; got None"),
    "a model of other classes": ({"model": models.build("linear", (2,), 2)}, ValueError, r"\.logits of shape \(220, 3\); got shape \(220, 2\)"),
    "a model of other segments": ({"model": models.build("linear", (5,), 3)}, ValueError, r"a segment of shape \(5,\); got \(2,\)"),
    "a model of another type": ({"model": linear(dtype=torch.float64)}, TypeError, "segments must be torch.float64.*got torch.float32"),
    "two scores a segment": (
        {"model": AttentionModel(nn.Linear(2, 2), nn.Linear(2, 3))},
        ValueError,
        r"one score a segment, \(1100, 1\); got shape \(1100, 2\)",
    ),
}


def moved(order, epochs, **options):
    """After each epoch: whether the weights of the focus, of the classifier and of features of their own moved in it."""
    data = make_mosaics(distributions.get("dataset1"), n=60)
    model, seen = models.build("A1", (2,), 3, average_at=1, features="separate"), []

    def watch(epoch, model, last):
        seen.append([torch.nn.utils.parameters_to_vector(part.parameters()).detach().clone() for part in (model.focus, model.classifier, model.features)])

    fit(model, data, epochs=epochs, batch_size=20, order=order, callback=watch, progress=False, **options)
    return [tuple(not torch.equal(a, b) for a, b in zip(*pair, strict=True)) for pair in itertools.pairwise(seen)]


FOCUS, CLASSIFIER = (True, False, False), (False, True, True)


@pytest.mark.parametrize("options", [{"optimizer": "adam"}, {"optimizer": "sgd", "momentum": 0.9, "lr": 0.1}], ids=["adam", "sgd"])
@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ("both", [(True, True, True)] * 5),
        ("focus", [FOCUS] * 5),
        ("classifier", [CLASSIFIER] * 5),
        ("focus-1", [FOCUS, CLASSIFIER] * 2 + [FOCUS]),
        ("classifier-2", [CLASSIFIER] * 2 + [FOCUS] * 2 + [CLASSIFIER]),
        ("focus-10", [FOCUS] * 5),
    ],
)
def test_order_decides_which_part_moves_when(order, wanted, options):
    assert moved(order, 5, **options) == wanted


def test_in_turn_each_part_takes_the_steps_of_its_own_optimiser():
    """The oracle: two Adams, one a part, of which the one whose turn it is takes the step."""
    data = make_mosaics(distributions.get("dataset1"), n=60, dtype=torch.float64)
    ours, theirs = (models.build("A1", (2,), 3, dtype=torch.float64) for _ in range(2))
    fit(ours, data, epochs=5, batch_size=20, order="classifier-2", lr=0.01, progress=False)
    rng = _checks.generator(0, "order")
    adams = {name: torch.optim.Adam(getattr(theirs, name).parameters(), lr=0.01) for name in ("focus", "classifier")}
    for name in ["classifier"] * 2 + ["focus"] * 2 + ["classifier"]:
        for batch in torch.from_numpy(rng.permutation(60)).split(20):
            theirs.zero_grad()
            torch.nn.functional.cross_entropy(theirs(data[batch].segments).logits, data.label[batch]).backward()
            adams[name].step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("order", ["", "Both", "focus-0", "focus-", "both-5", "classifier-1.5", "focus-5-classifier", None])
def test_a_bad_order_is_named(order):
    with pytest.raises(ValueError, match="order must be 'both', 'focus', 'classifier', or one of the two with a number of epochs"):
        fit(linear(), make_mosaics(distributions.get("dataset1"), n=20), order=order, progress=False)


def test_order_needs_a_focus():
    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = linear()

        def forward(self, segments):
            return self.inner(segments)

    data = make_mosaics(distributions.get("dataset1"), n=20)
    with pytest.raises(TypeError, match="order 'focus' needs a model with a focus network, as AttentionModel is; got Plain"):
        fit(Plain(), data, order="focus", progress=False)
    fit(Plain(), data, order="both", epochs=1, progress=False)


@pytest.mark.parametrize(("wrong", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_named(wrong, error, message):
    model = wrong.get("model", linear())
    before = weights(model)
    with pytest.raises(error, match=message):
        fit(**{"model": model, "data": DATA, "epochs": 2} | wrong)
    assert torch.equal(weights(model), before), "refused, and yet trained"


def test_bad_snapshots_are_named():
    with pytest.raises(ValueError, match="epoch must be at least 0; got -1"):
        Snapshots([0, -1])


def test_modes_come_back_as_they_were():
    for mode in (True, False):
        model = linear().train(mode)
        model.focus.train(not mode)
        fit(model, DATA, epochs=1)
        assert (model.training, model.focus.training, model.classifier.training) == (mode, not mode, mode)


def test_attention_that_becomes_nan_is_divergence():
    class Fragile(nn.Module):
        def __init__(self, healthy):
            super().__init__()
            self.weight, self.left = nn.Parameter(torch.ones(2, 3)), healthy

        def forward(self, segments, mask=None):
            self.left -= not self.training
            n, m = segments.shape[:2]
            return models.ModelOutput(segments.mean(1) @ self.weight, torch.full((n, m), 1 / m if self.left >= 0 else torch.nan), None)

    with pytest.raises(TrainingDiverged, match="training diverged after epoch 2: attention must be finite; .*; try a smaller learning rate"):
        fit(Fragile(healthy=2), DATA, epochs=5)
    with pytest.raises(TrainingDiverged, match="after epoch 0: attention must be finite; .*before any step: look at the data and the initial weights"):
        fit(Fragile(healthy=0), DATA, epochs=5)


def test_what_is_no_mosaics_or_no_model_is_named():
    with pytest.raises(TypeError, match="data must be Mosaics .*; got tuple"):
        fit(linear(), (DATA.segments, DATA.label))
    with pytest.raises(TypeError, match="model must be Module, as AttentionModel is; got function"):
        fit(lambda segments, mask=None: None, DATA)
