"""Many seeds at once: each as if it had been trained alone."""

import copy
import inspect

import pytest
import torch

from sdclib import AttentionModel, Mosaics, TrainingDiverged, activations, distributions, evaluate, fit, fit_many, make_mosaics, models

BASE = distributions.get("boxes_one_side")
DATA = make_mosaics(BASE, n=120, m=5, seed=0, dtype=torch.float64)


def build(seed, architecture="linear", **options):
    return models.build(architecture, (2,), 3, seed=seed, dtype=torch.float64, **options)


def assert_as_alone(table, together, alone, histories):
    for row, one, other, history in zip(table.itertuples(), together, alone, histories, strict=True):
        for name, weight in one.state_dict().items():
            torch.testing.assert_close(weight, other.state_dict()[name], rtol=1e-6, atol=1e-8)
        assert row.epochs == history.epoch.iloc[-1]
        assert row.loss == pytest.approx(history.loss.iloc[-1], rel=1e-6)
        assert row.ftpt == pytest.approx(history.ftpt.iloc[-1])


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "sgd", "lr": 0.01, "momentum": 0.9},
        {"optimizer": "adam", "lr": 0.02, "entropy_weight": 0.05},
    ],
    ids=["sgd", "adam"],
)
@pytest.mark.parametrize(("architecture", "average_at", "activation"), [("linear", 0, "softmax"), ("mlp-4-5", 1, "sparsemax")])
def test_each_ends_as_if_trained_alone(architecture, average_at, activation, options):
    together, alone = ([build(s, architecture, average_at=average_at, activation=activation) for s in range(3)] for _ in range(2))
    table = fit_many(together, DATA, epochs=5, batch_size=50, seeds=[7, 8, 9], **options)
    histories = [fit(model, DATA, epochs=5, batch_size=50, seed=seed, record_every=5, **options) for model, seed in zip(alone, (7, 8, 9), strict=True)]
    assert_as_alone(table, together, alone, histories)
    assert list(table.seed) == [7, 8, 9]
    for row, model in zip(table.to_dict("records"), together, strict=True):
        assert {name: row[name] for name in row if name not in ("seed", "epochs")} == pytest.approx(
            evaluate(model, DATA, entropy_weight=options.get("entropy_weight", 0))
        )


def test_softmax_along_another_axis_is_softmax():
    from sdclib.batched import _softmax

    scores = torch.linspace(-40, 40, 3 * 7 * 5, dtype=torch.float64).view(3, 7, 5)[..., torch.tensor([3, 0, 4, 1, 2])].requires_grad_()
    found, wanted = torch.vmap(lambda one: _softmax(one, dim=-1))(scores), activations.softmax(scores)
    torch.testing.assert_close(found, wanted)
    gradients = [torch.autograd.grad((weights * torch.arange(5)).square().sum(), scores)[0] for weights in (found, wanted)]
    torch.testing.assert_close(*gradients)


def test_each_with_its_own_data():
    data = [make_mosaics(BASE, n=120, m=5, seed=s, dtype=torch.float64) for s in range(3)]
    together, alone = ([build(s) for s in range(3)] for _ in range(2))
    table = fit_many(together, data, epochs=4, batch_size=50, lr=0.02)
    histories = [fit(model, part, epochs=4, batch_size=50, lr=0.02, seed=s) for s, (model, part) in enumerate(zip(alone, data, strict=True))]
    assert_as_alone(table, together, alone, histories)


def test_each_stops_for_itself():
    options = {"optimizer": "adam", "lr": 0.05, "epochs": 12, "batch_size": 60}
    losses = [fit(build(s), DATA, seed=s, **options).loss for s in range(3)]
    threshold = sorted(loss[6] for loss in losses)[1]
    together, alone = ([build(s) for s in range(3)] for _ in range(2))
    table = fit_many(together, DATA, stop_below=threshold * (1 + 1e-9), **options)
    histories = [fit(model, DATA, seed=s, stop_below=threshold * (1 + 1e-9), record_every=100, **options) for s, model in enumerate(alone)]
    assert_as_alone(table, together, alone, histories)
    assert table.epochs.nunique() > 1, "for this test to mean something they must stop at different epochs"


def test_the_callback_sees_each_epoch_as_if_training_had_ended_there():
    options = {"optimizer": "adam", "lr": 0.05, "batch_size": 60}
    losses = [fit(build(s), DATA, seed=s, epochs=12, **options).loss for s in range(2)]
    threshold = max(loss[6] for loss in losses) * (1 + 1e-9)  # both stop, at different epochs
    seen = []

    def look(epoch, models, last):
        seen.append((epoch, [copy.deepcopy(model.state_dict()) for model in models], last))

    table = fit_many([build(s) for s in range(2)], DATA, stop_below=threshold, epochs=12, callback=look, **options)
    assert table.epochs.nunique() > 1 and table.epochs.max() < 12, "for this test to mean something"
    assert [epoch for epoch, *_ in seen] == list(range(table.epochs.max() + 1))
    assert [last for *_, last in seen] == [False] * table.epochs.max() + [True]
    for epoch, states, _ in seen:
        until = [build(s) for s in range(2)]
        fit_many(until, DATA, stop_below=threshold, epochs=epoch, **options)
        for model, state in zip(until, states, strict=True):
            assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_arguments_and_defaults_are_those_of_fit():
    one, many = (inspect.signature(function).parameters for function in (fit, fit_many))
    shared = [name for name in many if name not in ("models", "data", "seeds")]
    assert [name for name in one if name in many and name != "data"] == shared
    assert {name: many[name].default for name in shared} == {name: one[name].default for name in shared}


def test_same_seed_same_bytes():
    results = []
    for _ in range(2):
        many = [build(s) for s in range(2)]
        results.append((fit_many(many, DATA, epochs=3).to_csv(), many[1].state_dict()["focus.0.weight"].numpy().tobytes()))
    assert results[0] == results[1]


def test_without_foreground():
    table = fit_many([build(0)], Mosaics.from_segments(DATA.segments, DATA.label), epochs=1)
    assert list(table.columns) == ["seed", "epochs", "loss"]


def test_no_epoch_only_measures():
    model = build(0)
    assert fit_many([model], DATA, epochs=0).loss.item() == pytest.approx(evaluate(build(0), DATA)["loss"])


def test_divergence_names_the_seed():
    many = [build(0).float(), build(1).float()]
    with pytest.raises(TrainingDiverged, match="training diverged for seed 5 at epoch 1, step 2: the loss became nan"):
        fit_many(many, DATA.to(torch.float32), optimizer="sgd", lr=3e38, batch_size=50, epochs=3, seeds=[5, 6])
    with pytest.raises(TrainingDiverged, match="training diverged for seed 5 after epoch 1"):
        fit_many([build(0).float()], DATA.to(torch.float32), optimizer="sgd", lr=3e38, batch_size=200, epochs=1, seeds=[5])


def test_what_becomes_of_a_model_after_it_has_stopped_does_not_matter():
    """The first model stops after an epoch; its weights then run away beyond all bounds while the other, whose loss never changes, goes on."""
    stops, goes_on = (Mosaics.from_segments(DATA.segments[:20], torch.full((20,), label), n_classes=3) for label in (0, 1))

    def objective(output, label, entropy_weight):
        return (label == 0).double().mean() * output.logits.mean() ** 2 + 5 * (label == 1).double().mean()

    many = [build(0), build(1)]
    with torch.no_grad():
        many[0].classifier[0].weight.zero_()
        many[0].classifier[0].bias.fill_(1e-6)
    settings = {"optimizer": "sgd", "lr": 100.0, "epochs": 200}
    with pytest.raises(TrainingDiverged, match="for seed 0"):  # alone and not stopped, it does run away
        fit_many(copy.deepcopy(many), [stops, goes_on], objective, **settings)
    table = fit_many(many, [stops, goes_on], objective, stop_below=1e-3, **settings)
    assert table.epochs.tolist() == [1, 200]


def test_models_are_untouched_by_an_interrupted_training(monkeypatch):
    import sdclib.batched

    model = build(0)
    before = model.state_dict()["focus.0.weight"].clone()

    class Interrupting:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def update(self):
            raise KeyboardInterrupt

    monkeypatch.setattr(sdclib.batched, "progress_bar", lambda *_: Interrupting())
    with pytest.raises(KeyboardInterrupt):
        fit_many([model], DATA, epochs=3)
    assert torch.equal(model.state_dict()["focus.0.weight"], before)


TWICE = build(0)
MASKED = Mosaics.from_segments(DATA.segments, DATA.label, mask=torch.ones(120, 5, dtype=bool))
REFUSED = {
    "no model": ({"models": []}, "as many models as data and seeds, 1 or more; got 0, 0 and 2"),
    "more seeds than models": ({"seeds": [0, 1, 2]}, "as many models as data and seeds, 1 or more; got 2, 2 and 3"),
    "fewer data than models": ({"data": [DATA]}, "as many models as data and seeds, 1 or more; got 2, 1 and 2"),
    "other widths": ({"models": [build(0, "mlp-4-5"), build(1, "mlp-5-5")]}, "same architecture, averaging layer and activation"),
    "other activations": ({"models": [build(0), build(1, activation="sparsemax")]}, "same architecture, averaging layer and activation"),
    "one model twice": ({"models": [TWICE, TWICE]}, "every model must be an object of its own; got one twice"),
    "data of two sizes": ({"data": [DATA, DATA[:50]]}, r"same n, m and pool shape, and no mask; got \[\(120, 5,.*\(50, 5"),
    "masked data": ({"data": MASKED}, "same n, m and pool shape, and no mask"),
    "other segments": ({"models": [models.build("linear", (3,), 3), models.build("linear", (3,), 3)]}, r"a segment of shape \(3,\); got \(2,\)"),
    "other classes": ({"models": [models.build("linear", (2,), 2, dtype=torch.float64) for _ in range(2)]}, r"\.logits of shape \(1, 3\); got shape \(1, 2\)"),
    "unknown objective": ({"objective": "harder"}, "unknown objective 'harder'; choose one of soft"),
    "no learning rate": ({"lr": 0}, r"lr must be in \(0, inf\); got 0"),
    "a seed below 0": ({"seeds": [0, -1]}, "seed must be at least 0; got -1"),
}  # fmt: skip


@pytest.mark.parametrize(("wrong", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        fit_many(**{"models": [build(0), build(1)], "data": DATA, "seeds": [0, 1], "epochs": 2} | wrong)


class Modal(torch.nn.Module):
    """Does in training what it does not do in evaluation."""

    def forward(self, values):
        return values * (2 if self.training else 1)


def modal(seed):
    model = build(seed)
    model.classifier.append(Modal())
    return model.eval()


def test_models_are_trained_in_training_mode_and_stopped_in_evaluation_mode():
    losses = fit(modal(0), DATA, lr=0.05, epochs=12, batch_size=60, seed=0).loss
    options = {"lr": 0.05, "epochs": 12, "batch_size": 60, "stop_below": losses[6] * (1 + 1e-9)}
    together, alone = ([modal(s) for s in range(2)] for _ in range(2))
    table = fit_many(together, DATA, **options)
    histories = [fit(model, DATA, seed=s, **options) for s, model in enumerate(alone)]
    assert_as_alone(table, together, alone, histories)
    assert 1 < table.epochs[0] < 12 and not together[0].training


def with_nonlinearity(layer):
    focus = torch.nn.Sequential(torch.nn.Linear(2, 4), layer, torch.nn.Linear(4, 1)).double()
    return AttentionModel(focus, torch.nn.Linear(2, 3).double())


def test_models_of_other_layers_are_refused():
    with pytest.raises(ValueError, match="same architecture, averaging layer and activation; got some that differ"):
        fit_many([with_nonlinearity(torch.nn.ReLU()), with_nonlinearity(torch.nn.Tanh())], DATA, epochs=1)


def test_models_with_buffers_are_refused():
    with pytest.raises(ValueError, match="models must have no buffers .* one by one with fit"):
        fit_many([with_nonlinearity(torch.nn.BatchNorm1d(4)) for _ in range(2)], DATA, epochs=1)


def test_what_is_no_model_or_no_mosaics_is_named():
    with pytest.raises(TypeError, match="every model must be AttentionModel; got Linear"):
        fit_many([torch.nn.Linear(2, 3)], DATA)
    with pytest.raises(TypeError, match="data must be Mosaics or a list of them; got Tensor"):
        fit_many([build(0)], [DATA.segments])
