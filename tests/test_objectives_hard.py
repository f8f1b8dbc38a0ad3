"""Hard attention, its sampled estimate, the marginal likelihood and the hybrid: formulas, laws, the estimator, the corners, training."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import outputs

from sdclib import Mosaics, activations, distributions, evaluate, fit, fit_many, inference, make_mosaics, models, objectives
from sdclib.models import ModelOutput

DTYPES = {torch.float32: 2e-5, torch.float64: 1e-10}
BOTH = pytest.mark.parametrize("dtype", list(DTYPES), ids=["float32", "float64"])
LAW = settings(max_examples=500)
WEIGHTS = st.one_of(st.just(0.0), st.floats(0, 0.99))


@st.composite
def segment_outputs(draw, m=None):
    """A ModelOutput with segment_logits, and labels."""
    drawn = draw(outputs(max_m=1 if m == 1 else 6))
    n, size = drawn["attention"].shape
    k = drawn["logits"].shape[1]
    alone = torch.from_numpy(draw(hnp.arrays("float64", (n, size, k), elements=st.floats(-6, 6, width=32))))
    return ModelOutput(drawn["logits"], drawn["attention"], None, alone), drawn["label"]


def to(output, dtype):
    """In float32 the weights are normalised again: what rounds is the loss, not the law."""
    attention = output.attention.to(dtype)
    return ModelOutput(output.logits.to(dtype), attention / attention.sum(1, keepdim=True), None, output.segment_logits.to(dtype))


def likelihoods(output, label):
    """p(y | x_j) as nested lists, one exponential after the other."""
    found = []
    for rows, y in zip(output.segment_logits.double().tolist(), label.tolist(), strict=True):
        found.append([math.exp(row[y]) / sum(math.exp(z) for z in row) for row in rows])
    return found


def slow(name, output, label):
    total = 0.0
    for weights, chances in zip(output.attention.double().tolist(), likelihoods(output, label), strict=True):
        if name == "hard":
            total += sum(-a * math.log(p) for a, p in zip(weights, chances, strict=True))
        else:
            total += -math.log(sum(a * p for a, p in zip(weights, chances, strict=True)))
    return total / len(label)


# ---- formulas and laws


@BOTH
@pytest.mark.parametrize("name", ["hard", "marginal"])
@LAW
@given(drawn=segment_outputs())
def test_the_slow_loop(dtype, name, drawn):
    output, label = to(drawn[0], dtype), drawn[1]
    assert objectives.get(name)(output, label).item() == pytest.approx(slow(name, output, label), rel=1e-4, abs=10 * DTYPES[dtype])


@BOTH
@LAW
@given(drawn=segment_outputs())
def test_jensen_the_expected_loss_is_at_least_the_marginal(dtype, drawn):
    output, label = to(drawn[0], dtype), drawn[1]
    assert objectives.hard(output, label) >= objectives.marginal(output, label) - DTYPES[dtype]


@BOTH
@LAW
@given(drawn=segment_outputs(), k=WEIGHTS)
def test_with_one_segment_all_values_are_the_cross_entropy(dtype, drawn, k):
    """One-hot attention: the segment looked at is all that counts, so the averaged input is that segment."""
    output, label = to(drawn[0], dtype), drawn[1]
    corner = torch.nn.functional.one_hot(output.attention.argmax(1), output.attention.shape[1]).to(dtype)
    chosen = output.segment_logits[torch.arange(len(label)), output.attention.argmax(1)]
    one_hot = output._replace(logits=chosen, attention=corner)
    wanted = torch.nn.functional.cross_entropy(chosen, label).item()
    _assert_values(one_hot, label, wanted, k, DTYPES[dtype])


@BOTH
@LAW
@given(drawn=segment_outputs(m=1), k=WEIGHTS)
def test_mosaics_of_one_segment_all_values_are_the_cross_entropy(dtype, drawn, k):
    output, label = to(drawn[0], dtype), drawn[1]
    output = output._replace(logits=output.segment_logits[:, 0])
    wanted = torch.nn.functional.cross_entropy(output.logits, label).item()
    _assert_values(output, label, wanted, k, DTYPES[dtype])


def _assert_values(output, label, wanted, k, tolerance):
    near = pytest.approx(wanted, rel=tolerance, abs=5 * tolerance)
    for name in ("soft", "hard", "marginal"):
        assert objectives.get(name)(output, label).item() == near, name
    for samples in (1, 3):
        assert objectives.reinforce(output, label, samples=samples, baseline="none").item() == near
    if k > 0:
        assert objectives.entropy(output, label, entropy_weight=k).item() == pytest.approx((1 - k) * wanted, rel=tolerance, abs=5 * tolerance)


@LAW
@given(drawn=segment_outputs(), k=WEIGHTS)
def test_every_objective_mixes_in_the_entropy_the_same_way(drawn, k):
    output, label = drawn
    entropy = torch.special.entr(output.attention).sum(1).mean()
    for name in ("soft", "hard", "marginal"):
        objective = objectives.get(name)
        wanted = (1 - k) * objective(output, label) + k * entropy
        assert objective(output, label, entropy_weight=k).item() == pytest.approx(wanted.item(), abs=1e-9)


@LAW
@given(drawn=segment_outputs())
def test_a_segment_hidden_is_a_segment_deleted(drawn):
    """A segment of weight 0 counts for nothing, whatever the classifier says of it."""
    output, label = drawn
    n, _, k = output.segment_logits.shape
    longer = output._replace(
        attention=torch.cat([output.attention, output.attention.new_zeros(n, 1)], 1),
        segment_logits=torch.cat([output.segment_logits, output.segment_logits.new_full((n, 1, k), 3.0)], 1),
    )
    for name in ("hard", "marginal"):
        assert objectives.get(name)(longer, label).item() == pytest.approx(objectives.get(name)(output, label).item(), abs=1e-12)


@pytest.mark.parametrize("name", ["hard", "marginal"])
@pytest.mark.parametrize("activation", ["softmax", "sparsemax", "entmax15", "spherical_softmax"])
def test_first_and_second_derivatives(name, activation):
    rng = torch.Generator().manual_seed(1)
    scores = torch.randn(3, 5, dtype=torch.float64, generator=rng, requires_grad=True)
    alone = torch.randn(3, 5, 4, dtype=torch.float64, generator=rng, requires_grad=True)
    label = torch.tensor([0, 3, 1])

    def loss(scores, alone):
        output = ModelOutput(alone[:, 0], activations.get(activation)(scores), scores, alone)
        return objectives.get(name)(output, label, entropy_weight=0.05)

    assert torch.autograd.gradcheck(loss, (scores, alone))
    assert torch.autograd.gradgradcheck(loss, (scores, alone))


@BOTH
@pytest.mark.parametrize("name", ["hard", "marginal", "reinforce", "hybrid"])
@pytest.mark.parametrize("activation", ["softmax", "sparsemax", "entmax15"])
def test_finite_where_weights_underflow_or_are_zero(dtype, name, activation):
    """Scores far apart, and a segment without weight of which the classifier is certain, rightly and wrongly."""
    scores = torch.tensor([[0.0, -200.0, -5000.0], [80.0, 0.0, -80.0], [-1e4, 1e4, 0.0]], dtype=dtype, requires_grad=True)
    alone = torch.tensor([[-400.0, 0.0], [300.0, -300.0], [1e3, -1e3]], dtype=dtype).expand(3, 3, 2).clone().requires_grad_()
    attention = activations.get(activation)(scores)
    output = ModelOutput(alone[:, 0], attention, scores, alone)
    for label in (torch.zeros(3, dtype=int), torch.ones(3, dtype=int)):
        loss = objectives.get(name)(output, label, entropy_weight=0.1, epoch=101, generator=torch.Generator().manual_seed(0))
        assert loss.isfinite()
        for gradient in torch.autograd.grad(loss, (scores, alone), retain_graph=True):
            assert gradient.isfinite().all()


@BOTH
@pytest.mark.parametrize("impossible", [-math.inf, math.nan, 3e38])
def test_a_segment_without_weight_may_be_impossible(dtype, impossible):
    """The classifier gives the class of the label no probability, or no number at all, where nothing is looked at."""
    scores = torch.tensor([[0.0, 9.0, 0.0], [0.3, 0.0, -9.0]], dtype=dtype, requires_grad=True)
    alone = torch.randn(2, 3, 2, dtype=dtype, generator=torch.Generator().manual_seed(0))
    bad = torch.tensor([impossible, math.nan]) if math.isnan(impossible) else torch.tensor([-abs(impossible), abs(impossible) if impossible > 0 else 0.0])
    broken = alone.clone()
    broken[0, 0] = broken[1, 2] = bad.to(dtype)
    label = torch.tensor([0, 0])
    for name in ("hard", "marginal"):
        attention = activations.sparsemax(scores)
        wanted, found = (objectives.get(name)(ModelOutput(None, attention, scores, part), label) for part in (alone, broken))
        assert found.item() == pytest.approx(wanted.item(), rel=1e-6)
        for by in zip(*(torch.autograd.grad(loss, scores, retain_graph=True) for loss in (found, wanted)), strict=True):
            torch.testing.assert_close(*by)
    for name in ("attended", "mixture"):
        assert inference.logits_under(ModelOutput(None, attention, scores, broken), name)[1].isfinite().all()


def test_the_loss_has_a_derivative_by_a_weight_of_0():
    """A weight of 0 that is not the end of an activation: the loss of its segment is what a little weight would cost."""
    attention = torch.tensor([[1.0, 0.0]], requires_grad=True)
    alone = torch.tensor([[[0.0, 0.0], [-2.0, 0.0]]])
    (gradient,) = torch.autograd.grad(objectives.hard(ModelOutput(None, attention, None, alone), torch.tensor([0])), attention)
    torch.testing.assert_close(gradient, -alone.log_softmax(2)[..., 0])


def test_marginal_reads_a_weight_that_only_just_exists():
    """log(1e-30 * 1 + 1 * e^-200): the tiny weight decides; a clamp or a product in float32 would lose one or the other."""
    attention = torch.tensor([[1e-30, 1.0]])
    log_probability = torch.tensor([[0.0, -200.0]])
    assert inference.log_mixture(attention, log_probability).item() == pytest.approx(math.log(1e-30), rel=1e-5)
    assert inference.log_mixture(torch.tensor([[0.0, 1.0]]), log_probability).item() == pytest.approx(-200)


# ---- REINFORCE against enumeration


def _estimates(samples, baseline, draws, seed=0):
    """Gradients (draws, ...) of the sampled loss and the exact one, for scores and logits of 4 mosaics."""
    rng = torch.Generator().manual_seed(7)
    scores = torch.randn(4, 3, dtype=torch.float64, generator=rng, requires_grad=True)
    alone = (2 * torch.randn(4, 3, 3, dtype=torch.float64, generator=rng)).requires_grad_()
    label = torch.tensor([0, 1, 2, 0])
    exact = torch.autograd.grad(objectives.hard(ModelOutput(None, torch.softmax(scores, 1), scores, alone), label), (scores, alone))
    generator, found = torch.Generator().manual_seed(seed), []
    output = ModelOutput(None, torch.softmax(scores, 1), scores, alone)
    for _ in range(draws):
        loss = objectives.reinforce(output, label, samples=samples, baseline=baseline, generator=generator)
        found.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, (scores, alone), retain_graph=True)]))
    return torch.stack(found), torch.cat([part.flatten() for part in exact])


@pytest.mark.parametrize(("samples", "baseline"), [(1, "none"), (1, "mean"), (2, "leave_one_out"), (4, "leave_one_out"), (4, "mean")])
def test_reinforce_has_no_bias(samples, baseline):
    found, exact = _estimates(samples, baseline, draws=4000)
    error = (found.mean(0) - exact).abs()
    standard_error = found.std(0) / math.sqrt(len(found))
    moving = standard_error > 0
    assert moving.all(), "a gradient that never varies has no standard error to be within: one that is always 0 would pass"
    assert (error[moving] / standard_error[moving]).mean() < 1.1, "on average 0.8 standard errors are to be expected"
    assert (error[moving] <= 4.5 * standard_error[moving]).all()  # some fifty gradients, seeded
    assert (error[moving] <= 3 * standard_error[moving]).double().mean() >= 0.95


def test_a_baseline_that_saw_the_sample_would_be_found():
    """The test above has teeth: with the batch's mean, the own mosaic included, a quarter of the signal is missing here."""
    found, exact = _estimates(1, "mean", draws=4000)
    shrunk = found[:, :12] * 0.75  # what that baseline does in expectation with 4 mosaics
    error, standard_error = (shrunk.mean(0) - exact[:12]).abs(), shrunk.std(0) / math.sqrt(len(found))
    assert (error / standard_error).max() > 4.5


def test_baselines_lower_the_variance():
    def variance(samples, baseline):
        return _estimates(samples, baseline, draws=1500)[0][:, :12].var(0).sum().item()

    assert variance(1, "mean") < 0.8 * variance(1, "none")
    assert variance(4, "leave_one_out") < 0.8 * variance(4, "none")
    assert variance(4, "none") < 0.4 * variance(1, "none")


@pytest.mark.parametrize(
    ("options", "n", "message"),
    [
        ({"samples": 1, "baseline": "leave_one_out"}, 3, "needs 2 samples or more; got 1"),
        ({"samples": 0}, 3, "samples must be at least 1; got 0"),
        ({"baseline": "median"}, 3, "unknown baseline 'median'; choose one of none, mean, leave_one_out"),
        ({"baseline": "mean"}, 1, "needs 2 mosaics or more in a batch; got 1: choose another batch_size"),
        ({"baseline": "mean"}, 0, "needs 2 mosaics or more in a batch; got 0$"),
    ],
)
def test_reinforce_refuses(options, n, message):
    output = ModelOutput(torch.zeros(n, 2), torch.full((n, 3), 1 / 3), None, torch.zeros(n, 3, 2))
    with pytest.raises(ValueError, match=message):
        objectives.reinforce(output, torch.zeros(n, dtype=int), **options)


# ---- hybrid


def test_the_hybrid_goes_from_soft_to_the_second_loss():
    rng = torch.Generator().manual_seed(3)
    alone = torch.randn(5, 4, 3, generator=rng)
    output, label = ModelOutput(torch.randn(5, 3, generator=rng), torch.softmax(torch.randn(5, 4, generator=rng), 1), None, alone), torch.arange(5) % 3
    first, second = objectives.soft(output, label), {"hard": objectives.hard(output, label), "marginal": objectives.marginal(output, label)}
    for then, later in second.items():
        switch = objectives.get("hybrid", then=then, schedule=10)
        assert [switch(output, label, epoch=epoch) for epoch in (1, 10, 11)] == [first, first, later]
        ramp = objectives.get("hybrid", then=then, schedule=(10, 20))
        assert ramp(output, label, epoch=15).item() == pytest.approx((first + later).item() / 2)
        own = objectives.get("hybrid", then=then, schedule=lambda epoch: 0.25)
        assert own(output, label, epoch=1).item() == pytest.approx((0.75 * first + 0.25 * later).item())
        assert [ramp.may_stop(epoch) for epoch in (10, 19, 20)] == [False, False, True]
        assert switch.inference == objectives.get(then).inference


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"then": "soft"}, "unknown then 'soft'; choose one of hard, marginal"),
        ({"schedule": (5, 5)}, r"schedule must be an epoch, a pair \(A, B\) with 0 <= A < B, or a function of the epoch; got \(5, 5\)"),
        ({"schedule": (5, math.inf)}, r"or a function of the epoch; got \(5, inf\)"),
        ({"schedule": ("1", "5")}, r"or a function of the epoch; got \('1', '5'\)"),
        ({"schedule": -1}, "schedule must be at least 0; got -1"),
        ({"schedule": lambda epoch: 1.5}, r"the schedule's weight must be in \[0, 1\]; got 1.5"),
        ({"switch": 3}, "objective 'hybrid' has the options then, schedule; got switch"),
    ],
)
def test_the_hybrid_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        objectives.get("hybrid", **options)


def test_the_stop_rule_waits_for_the_end_of_the_schedule():
    data = make_mosaics(distributions.get("boxes_one_side"), n=200, m=3)
    settings = {"optimizer": "adam", "lr": 0.05, "epochs": 12, "stop_below": 100.0, "objective": "hybrid", "objective_options": {"schedule": 6}}
    one, many = (models.build("linear", (2,), 3, seed=1) for _ in range(2))
    assert fit(one, data, **settings).epoch.iloc[-1] == 7
    assert fit_many([many], data, **settings).epochs.tolist() == [7]


def test_a_schedule_longer_than_the_training_is_said():
    data = make_mosaics(distributions.get("boxes_one_side"), n=20, m=3)
    for epochs, options in ((3, None), (3, {"schedule": (1, 4)})):
        with pytest.warns(UserWarning, match=f"has not come to its end after {epochs} epochs") as said:
            fit(models.build("linear", (2,), 3), data, "hybrid", epochs=epochs, objective_options=options)
        assert len(said) == 1 and said[0].filename == __file__
        with pytest.warns(UserWarning, match="has not come to its end"):
            fit_many([models.build("linear", (2,), 3)], data, "hybrid", epochs=epochs, objective_options=options)


# ---- what objectives need, and what get() takes


def test_what_is_missing_or_unknown_is_named():
    output, label = ModelOutput(torch.zeros(2, 2), torch.full((2, 3), 1 / 3), None), torch.zeros(2, dtype=int)
    for name in ("hard", "marginal", "reinforce"):
        with pytest.raises(ValueError, match=r"the output has no segment_logits: call the model, or predict, with segment_logits=True"):
            objectives.get(name)(output, label)
    for k in (0.0, 1.0):
        with pytest.raises(ValueError, match=r"entropy_weight must be in \(0, 1\); got"):
            objectives.entropy(output, label, entropy_weight=k)
    with pytest.raises(ValueError, match="objective 'soft' has no options; got samples"):
        objectives.get("soft", samples=2)
    with pytest.raises(TypeError, match="options are for objectives by name; got samples"):
        objectives.get(objectives.soft, samples=2)
    with pytest.raises(ValueError, match="unknown inference 'guess'"):
        objectives.Objective(objectives.soft, inference="guess")
    with pytest.raises(TypeError, match="loss must be a function"):
        objectives.Objective("soft")
    for takes in ("epoch", {"epochs"}):
        with pytest.raises(ValueError, match="takes must be a set of 'epoch' and 'generator'"):
            objectives.Objective(objectives.hybrid, takes=takes)


@pytest.mark.parametrize("name", ["hard", "marginal", "reinforce"])
@pytest.mark.parametrize("shape", [(1,), (3,), (2, 1)])
def test_labels_that_do_not_fit_are_named(name, shape):
    output = ModelOutput(None, torch.full((2, 4), 1 / 4), None, torch.zeros(2, 4, 3))
    with pytest.raises(ValueError, match=r"label must have shape \(2,\), one a mosaic"):
        objectives.get(name)(output, torch.zeros(shape, dtype=int))


def test_the_inference_of_each():
    wanted = {"soft": "average", "entropy": "average", "hard": "attended", "reinforce": "attended", "marginal": "mixture", "hybrid": "attended"}
    assert {name: objectives.get(name).inference for name in objectives.names()} == wanted


# ---- inference


@LAW
@given(drawn=segment_outputs())
def test_the_three_inferences_are_their_loops(drawn):
    output, _ = drawn
    chances = output.segment_logits.softmax(-1)
    assert inference.logits_under(output, "average") is output.logits
    attended, mixture = (inference.logits_under(output, name).exp() for name in ("attended", "mixture"))
    for i, weights in enumerate(output.attention.tolist()):
        largest = [j for j, weight in enumerate(weights) if weight == max(weights)]
        assert torch.allclose(attended[i], sum(chances[i, j] for j in largest) / len(largest), atol=1e-9)
        assert torch.allclose(mixture[i], sum(weight * chances[i, j] for j, weight in enumerate(weights)), atol=1e-9)


def test_under_gives_a_model_whose_logits_are_that_inferences():
    model, data = models.build("A1", (2,), 3, average_at=2, seed=4), make_mosaics(distributions.get("dataset1"), n=60, m=5)
    plain = model(data.segments, segment_logits=True)
    for name in inference.INFERENCES:
        used = inference.under(model, name)(data.segments)
        assert torch.equal(used.attention, plain.attention)
        assert torch.allclose(used.logits, inference.logits_under(plain, name))
    with pytest.raises(ValueError, match="unknown inference 'best'; choose one of average, attended, mixture"):
        inference.under(model, "best")


def test_a_model_of_the_small_protocol_is_asked_about_mosaics_of_one():
    model = models.build("A1", (2,), 3, average_at=1, seed=4)

    def own(segments, mask=None):
        output = model(segments, mask)
        return ModelOutput(output.logits, output.attention, None)

    segments, mask = torch.randn(4, 5, 2, generator=torch.Generator().manual_seed(0)), torch.ones(4, 5, dtype=bool)
    mask[:, 3:] = False
    segments[:, 3:] = torch.nan  # what is hidden never reaches the classifier
    wanted, found = model(segments, mask, segment_logits=True), inference.output_of(own, segments, mask, segment_logits=True)
    assert found.segment_logits.isfinite().all()
    assert torch.allclose(found.segment_logits[:, :3], wanted.segment_logits[:, :3], atol=1e-6)
    assert torch.allclose(inference.logits_under(found, "mixture"), inference.logits_under(wanted, "mixture"), atol=1e-5)


def test_evaluate_reports_all_inferences():
    model, data = models.build("A1", (2,), 3, seed=2), make_mosaics(distributions.get("dataset1"), n=300, m=4)
    found = evaluate(model, data, objective="marginal")
    output = model(data.segments, segment_logits=True)
    assert found["loss"] == pytest.approx(objectives.marginal(output, data.label).item(), rel=1e-5)
    for name in ("attended", "mixture"):
        right = inference.logits_under(output, name).argmax(1) == data.label
        looked = output.attention.argmax(1) == data.foreground
        assert found[f"{name}_accuracy"] == pytest.approx(100 * right.double().mean().item())
        assert found[f"{name}_ftpt"] == pytest.approx(100 * (right & looked).double().mean().item())
    assert "mixture_accuracy" not in evaluate(model, data) and "mixture_accuracy" in evaluate(model, data, inferences=True)


# ---- training


@pytest.mark.parametrize("name", objectives.names())
def test_training_lowers_what_it_minimises_and_is_repeatable(name):
    data = make_mosaics(distributions.get("boxes_one_side"), n=400, m=4, seed=2)
    k = 0.01 if name == "entropy" else 0.0
    options = {"schedule": 4} if name == "hybrid" else {}
    settings = {"objective": name, "objective_options": options, "entropy_weight": k, "lr": 0.02, "epochs": 8, "batch_size": 50, "seed": 3}
    histories, trained = [], []
    for _ in range(2):
        model = models.build("mlp-8-8", (2,), 3, seed=1)
        histories.append(fit(model, data, **settings))
        trained.append(torch.cat([parameter.flatten() for parameter in model.parameters()]))
    assert torch.equal(*trained) and histories[0].equals(histories[1])
    assert histories[0].loss.iloc[-1] < 0.8 * histories[0].loss.iloc[0]
    assert ("attended_accuracy" in histories[0]) == (name not in ("soft", "entropy"))


def test_reinforce_reports_the_exact_expectation():
    data = make_mosaics(distributions.get("boxes_one_side"), n=200, m=4)
    model = models.build("linear", (2,), 3, seed=1)
    history = fit(model, data, "reinforce", objective_options={"samples": 2, "baseline": "leave_one_out"}, epochs=1)
    assert history.loss.iloc[-1] == pytest.approx(evaluate(model, data, objective="hard")["loss"], rel=1e-6)


@pytest.mark.parametrize("name", ["hard", "marginal", "hybrid"])
def test_many_at_once_is_one_after_the_other(name):
    data = make_mosaics(distributions.get("boxes_one_side"), n=200, m=4, dtype=torch.float64)
    settings = {"objective": name, "objective_options": {"schedule": 2} if name == "hybrid" else None, "lr": 0.02, "epochs": 5, "batch_size": 50}
    together, alone = ([models.build("linear", (2,), 3, seed=seed, dtype=torch.float64) for seed in range(3)] for _ in range(2))
    rows = fit_many(together, data, **settings)
    for seed, (one, other) in enumerate(zip(together, alone, strict=True)):
        history = fit(other, data, **settings, seed=seed)
        for p, q in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.allclose(p, q, atol=1e-9)
        assert rows.loss[seed] == pytest.approx(history.loss.iloc[-1], rel=1e-9)
        assert rows.mixture_accuracy[seed] == history.mixture_accuracy.iloc[-1]


def test_many_at_once_refuses_what_samples():
    data = make_mosaics(distributions.get("boxes_one_side"), n=20, m=4)
    with pytest.raises(ValueError, match="fit_many can't train by an objective that samples"):
        fit_many([models.build("linear", (2,), 3)], data, "reinforce")


def test_masked_segments_count_for_nothing():
    """A hidden segment may be NaN: hard attention never classifies it with a weight above 0."""
    data = make_mosaics(distributions.get("boxes_one_side"), n=40, m=4)
    segments = torch.cat([data.segments, torch.full((40, 1, 2), torch.nan)], 1)
    mask = torch.ones(40, 5, dtype=bool)
    mask[:, 4] = False
    masked = Mosaics.from_segments(segments, data.label, data.foreground, mask=mask)
    whole, cut = (models.build("linear", (2,), 3, seed=1) for _ in range(2))
    for name in ("hard", "marginal"):
        histories = [fit(model, part, name, epochs=2) for model, part in ((whole, data), (cut, masked))]
        assert np.allclose(histories[0].loss, histories[1].loss, rtol=1e-5)
