"""Pretraining: the part that is trained knows its job, the other is as it was."""

import dataclasses

import pytest
import torch

from sdclib import TrainingDiverged, distributions, evaluate, interventions, make_mosaics, models, predict, pretrain
from sdclib.experiments import Run, computing


@pytest.fixture(scope="module")
def data():
    return make_mosaics(distributions.get("dataset1"), n=600)


def vector(part):
    return torch.nn.utils.parameters_to_vector(part.parameters()).detach().clone()


def test_a_pretrained_focus_finds_the_foreground(data):
    model = models.build("A1", (2,), 3)
    before = vector(model.classifier)
    history = pretrain(model, data, "focus", batch_size=50, progress=False)
    assert torch.equal(vector(model.classifier), before)
    assert evaluate(model, data)["ftpt"] + evaluate(model, data)["ftpf"] > 90  # without biases it cannot do much better
    weight = predict(model, data).attention.gather(1, data.foreground[:, None])
    assert history.loss.iloc[-1] == pytest.approx(-weight.log().mean().item(), rel=1e-4)


@pytest.mark.parametrize("average_at", [0, 2])
def test_a_pretrained_classifier_knows_the_foreground_alone(data, average_at):
    model = models.build("A1", (2,), 3, average_at=average_at)
    before = vector(model.focus)
    pretrain(model, data, "classifier", progress=False)
    assert torch.equal(vector(model.focus), before)
    assert evaluate(model, interventions.alone(data, data.foreground))["accuracy"] > 99
    assert evaluate(model, data)["accuracy"] < 90  # nobody told it where to look


def test_masked_places_stay_masked(data):
    mask = torch.ones_like(data.index, dtype=torch.bool)
    hidden = (data.foreground + 1) % data.m
    mask.scatter_(1, hidden[:, None], False)
    garbled = data.index.scatter(1, hidden[:, None], 0)  # must not matter
    models_of = []
    for index in (data.index, garbled):
        model = models.build("A1", (2,), 3)
        pretrain(model, dataclasses.replace(data, index=index, mask=mask), "focus", epochs=2, progress=False)
        models_of.append(vector(model))
    assert torch.equal(*models_of)
    assert not torch.equal(models_of[0], vector(models.build("A1", (2,), 3)))


def test_a_foreground_without_weight_is_divergence(data):
    model = models.build("A1", (2,), 3, activation="sparsemax", score_scale=1000.0)
    with pytest.raises(TrainingDiverged, match="inf"):
        pretrain(model, data, "focus", progress=False)


def test_bad_input_is_named(data):
    model = models.build("A1", (2,), 3)
    with pytest.raises(ValueError, match="unknown part 'both'; choose one of focus, classifier"):
        pretrain(model, data, "both")
    with pytest.raises(ValueError, match="pretraining needs mosaics whose foreground is known"):
        pretrain(model, dataclasses.replace(data, foreground=None), "focus")


def test_a_run_pretrains_with_its_own_seed_and_alone(monkeypatch):
    told = []
    monkeypatch.setattr(computing, "pretrain", lambda model, data, part, seed, **_: told.append((part, seed, data.n)))
    run = Run(dataset="dataset1", architecture="A1", n=60, epochs=1, seed=3, pretrained="classifier")
    computing.compute(run)
    assert told == [("classifier", 3, 60)]
    assert not computing.can_share(run) and computing.can_share(dataclasses.replace(run, pretrained=""))
