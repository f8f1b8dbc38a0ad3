"""Prediction and evaluation: the same whatever the path and the batch, for readers' own models too."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from sdclib import AttentionModel, Mosaics, distributions, evaluate, evaluation, focus_table, make_mosaics, metrics, models, objectives, predict

DATA = make_mosaics(distributions.get("dataset1"), n=800, m=9, seed=0, dtype=torch.float64)


def model_of(average_at=1, **options):
    return models.build("A1", (2,), 3, average_at=average_at, dtype=torch.float64, **options)


@pytest.mark.parametrize("average_at", [0, 1, 2])
@pytest.mark.parametrize("batch_size", [1, 299, 800, 10_000])
@pytest.mark.parametrize("n", [30, 800])
def test_scoring_each_base_point_once_is_exact(average_at, batch_size, n):
    """Few mosaics are run as they are; many share the scores of their pool."""
    model = model_of(average_at, activation="sparsemax")
    wanted, output = model(DATA[:n].segments), predict(model, DATA[:n], batch_size=batch_size)
    assert not output.logits.requires_grad
    for name in ("logits", "attention", "scores"):
        torch.testing.assert_close(getattr(output, name), getattr(wanted, name).detach())


def test_which_path_is_taken():
    """A pool of 5000 points: 800 mosaics of 9 hold more segments than that, 30 hold fewer."""
    seen = []
    model = model_of(0)
    model.focus.register_forward_hook(lambda module, arguments, output: seen.append(len(arguments[0])))
    for n, points in ((800, 5000), (30, 270)):
        seen.clear()
        predict(model, DATA[:n])
        assert seen == [points]


def test_evaluate_has_every_measure():
    model = model_of()
    output, measures = predict(model, DATA), evaluate(model, DATA, entropy_weight=0.1)
    assert tuple(measures) == ("loss", *evaluation.MEASURES)
    table = focus_table(output.attention, output.logits, DATA.label, DATA.foreground)
    assert {name: measures[name] for name in table.as_dict()} == table.as_dict()
    assert measures["foreground_mass"] == metrics.foreground_mass(output.attention, DATA.foreground).mean().item()
    assert {name: measures[name] for name in ("n_active", "corner_distance", "entropy_bits", "majority")} == metrics.sparsity(output.attention)
    assert measures["loss"] == objectives.soft(output, DATA.label, entropy_weight=0.1).item()


class Own(nn.Module):
    """A reader's model: it gives what the measures need, and has an ``encode`` that means something else."""

    def forward(self, segments, mask=None):
        scores = segments.sum(2) if mask is None else segments.sum(2).masked_fill(~mask, -torch.inf)
        attention = torch.softmax(scores, 1)
        return SimpleNamespace(logits=(attention[..., None] * segments).sum(1) @ torch.ones(2, 3, dtype=segments.dtype), attention=attention)

    def encode(self, text):
        raise AssertionError("not what predict may call")


def test_ones_own_model():
    output = predict(Own(), DATA)
    assert output.scores is None
    torch.testing.assert_close(output.attention, torch.softmax(DATA.segments.sum(2), 1))
    assert evaluate(lambda segments, mask=None: Own()(segments), DATA) == evaluate(Own(), DATA), "a function will do as well"


def test_masked_mosaics():
    generator = torch.Generator().manual_seed(0)
    segments = torch.randn(60, 5, 2, dtype=torch.float64, generator=generator)
    mask = torch.rand(60, 5, generator=generator) < 0.6
    mask[:, 2] = True
    segments[~mask] = torch.nan
    data = Mosaics.from_segments(segments, torch.arange(60) % 3, torch.full((60,), 2), mask=mask)
    model = model_of()
    for part in (data, data[torch.arange(60).repeat(2)]):  # as they are, and with the pool shared
        output = predict(model, part, batch_size=50)
        for i in range(60):
            alone = model(segments[i, mask[i]][None])
            torch.testing.assert_close(output.logits[i], alone.logits[0])
            torch.testing.assert_close(output.attention[i, mask[i]], alone.attention[0])
    best = output.attention[:60].argmax(1)
    measures = evaluate(model, data)
    assert measures["ftpt"] + measures["ftpf"] == pytest.approx(100 * (best == 2).double().mean().item())
    torch.testing.assert_close(predict(Own(), data).attention[~mask], torch.zeros((~mask).sum(), dtype=torch.float64))


def test_modes_come_back_as_they_were():
    """Dropout is off while predicting, whatever the mode of the model and of its parts; afterwards each part is as before."""
    dropout = nn.Dropout(0.9)
    model = AttentionModel(nn.Linear(2, 1).double(), nn.Sequential(dropout, nn.Linear(2, 3).double()))
    for whole, focus, drop in [(True, True, True), (True, False, True), (False, False, True), (False, False, False)]:
        model.training, model.focus.training, dropout.training = whole, focus, drop
        torch.testing.assert_close(predict(model, DATA).logits, predict(model, DATA).logits)
        assert (model.training, model.focus.training, dropout.training) == (whole, focus, drop)


def test_modes_come_back_after_an_error():
    model = AttentionModel(nn.Linear(2, 1).double(), nn.Linear(2, 2).double()).train()
    with pytest.raises(ValueError, match=r"\.logits of shape \(800, 3\); got shape \(800, 2\)"):
        predict(model, DATA)
    assert model.training


REFUSED = {
    "too few classes": (lambda: models.build("A1", (2,), 2, dtype=torch.float64), r"\.logits of shape \(800, 3\); got shape \(800, 2\)"),
    "no attention": (lambda: lambda s, mask=None: SimpleNamespace(logits=torch.zeros(len(s), 3)), r"\.attention of shape \(800, 9\); got NoneType"),
    "a tensor": (lambda: lambda s, mask=None: torch.zeros(len(s), 3), r"\.logits of shape \(800, 3\); got NoneType"),
}


@pytest.mark.parametrize(("model", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_models_are_named(model, message):
    with pytest.raises(ValueError, match=message):
        predict(model(), DATA)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="batch_size must be at least 1; got 0"):
        predict(model_of(), DATA, batch_size=0)
    with pytest.raises(ValueError, match="at least one mosaic; got none"):
        predict(model_of(), DATA[:0])
    unknown = Mosaics.from_segments(DATA.segments, DATA.label)
    with pytest.raises(ValueError, match="foreground must be known to measure focus; got None"):
        evaluate(model_of(), unknown)


class Overridden(AttentionModel):
    """A reader's variant that answers otherwise: by the evenly weighted average."""

    def forward(self, segments, mask=None):
        output = super().forward(segments, mask)
        return output._replace(attention=torch.full_like(output.attention, 1 / segments.shape[1]))


def test_an_overridden_forward_is_what_counts():
    model = Overridden(nn.Linear(2, 1).double(), nn.Linear(2, 3).double())
    assert (predict(model, DATA).attention == 1 / 9).all()
    model = model_of()
    model.forward = lambda segments, mask=None: Own()(segments, mask)
    torch.testing.assert_close(predict(model, DATA).attention, Own()(DATA.segments).attention)
    model = model_of()
    model.combine = lambda scores, values, mask=None: AttentionModel.combine(model, -scores, values, mask)
    torch.testing.assert_close(predict(model, DATA).attention, model(DATA.segments).attention.detach())


def test_a_combine_put_in_place_for_all_models_counts(monkeypatch):
    """The chapters' claims are tried so: also where base points are scored once."""
    whole = AttentionModel.combine
    monkeypatch.setattr(AttentionModel, "combine", lambda *arguments: whole(*arguments)._replace(attention=torch.full((800, 9), 1 / 9)))
    assert len(DATA.pool) < DATA.n * DATA.m and (predict(model_of(), DATA).attention == torch.tensor(1 / 9)).all()


def test_base_points_are_scored_a_batch_at_a_time():
    seen, model = [], model_of(0)
    model.focus.register_forward_hook(lambda module, arguments, output: seen.append(len(arguments[0])))
    predict(model, DATA, batch_size=2000)
    assert seen == [2000, 2000, 1000]


def test_what_is_no_mosaics_or_no_model_is_named():
    with pytest.raises(TypeError, match="mosaics must be Mosaics .*; got Tensor"):
        predict(model_of(), DATA.segments)
    with pytest.raises(TypeError, match="model must be callable.*; got 'A1'"):
        predict("A1", DATA)


def test_means_over_mosaics_keep_their_digits():
    """A thousand mosaics in bfloat16, whose own mean would keep three digits."""
    attention = metrics.one_hot_attention(torch.zeros(1000, dtype=int), 2).bfloat16()
    attention[0] = 0.5
    output = models.ModelOutput(torch.zeros(1000, 3).bfloat16(), attention, None)
    data = make_mosaics(distributions.get("dataset1"), n=1000, m=2)
    zero = Mosaics.from_segments(data.segments, data.label, torch.zeros(1000, dtype=int))
    measured = evaluation.measure(output, zero)
    assert measured["foreground_mass"] == pytest.approx(0.9995, abs=1e-9)
    assert measured["entropy_bits"] == pytest.approx(0.001, abs=1e-9)
    assert measured["n_active"] == pytest.approx(1.001, abs=1e-9)
    assert measured["ftpt"] == pytest.approx(99.95 / 3, abs=1e-9)
