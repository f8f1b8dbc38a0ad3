"""Attention models on images: the record's networks, mosaics that cost no copies, evaluation in parts, training that goes on after a stop."""

import dataclasses
import itertools
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import sdclib
from sdclib import architectures, diagnose, distributions, evaluation, fit, make_mosaics, models, predict
from sdclib.distributions import LabelledImages
from sdclib.evaluation import evaluate
from sdclib.experiments import Run, Store, comparison, computing, execute, load_table
from sdclib.training import dropout_seeded

ROOT = Path(sdclib.__file__).parents[1]


def pictures(n=60, shape=(1, 8, 8), seed=0):
    """Random pictures of six classes; a third is held out."""
    images = np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)
    return LabelledImages(images, np.arange(n) % 6, (0, 1, 2), np.arange(n) >= 2 * n // 3, "pictures")


def mosaics(n=20, m=4, shape=(1, 8, 8), **options):
    return make_mosaics(pictures(shape=shape), n=n, m=m, **options)


# ---- the networks


def kinds(network):
    return [type(layer).__name__ for layer in models._flat(network)]


def test_the_focus_network_is_the_records():
    focus = models.build("cnn", (3, 32, 32), 3).focus
    convolutions = [layer for layer in focus if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [32, 64, 64, 128, 256, 256]
    assert [layer.padding for layer in convolutions] == [(0, 0)] * 5 + [(1, 1)]
    assert [layer.out_features for layer in focus if isinstance(layer, nn.Linear)] == [64, 32, 10, 1]
    assert all(layer.bias is None for layer in focus if isinstance(layer, models._LAYERS))
    assert [type(focus[focus_index + 1]).__name__ for focus_index, layer in enumerate(focus) if isinstance(layer, nn.Conv2d)] == ["BatchNorm2d", "ReLU"] * 3
    assert [layer.p for layer in focus if isinstance(layer, (nn.Dropout, nn.Dropout2d))] == [0.05, 0.1]
    sizes, x = [], torch.zeros(2, 3, 32, 32)
    for layer in focus:
        x = layer(x)
        if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)):
            sizes.append(x.shape[-1])
    assert sizes == [30, 28, 14, 12, 10, 5, 3, 3, 1]


@pytest.mark.parametrize(("average_at", "shape"), [(0, (3, 32, 32)), (3, (64, 12, 12)), (6, (256, 3, 3))])
def test_what_the_records_networks_average(average_at, shape):
    model = models.build("cnn", (3, 32, 32), 3, average_at=average_at).eval()
    points = torch.randn(4, 3, 32, 32)
    scores, values = model.encode(points)
    assert scores.shape == (4,) and values.shape == (4, *shape)
    if average_at:
        hidden, count = points, 0
        for layer in model.focus:
            hidden = layer(hidden)
            count += isinstance(layer, nn.Conv2d)
            if count == average_at:
                break
        torch.testing.assert_close(values, torch.tanh(hidden))
    assert model(points[None]).logits.shape == (1, 3)


def test_the_classifier_on_layer_6_is_the_records():
    classifier = models.build("cnn", (3, 32, 32), 3, average_at=6).classifier
    assert [layer.out_channels for layer in models._flat(classifier) if isinstance(layer, nn.Conv2d)] == [128, 128, 256, 256, 512, 512]
    assert [layer.out_features for layer in classifier if isinstance(layer, nn.Linear)] == [128, 3]
    assert [type(after).__name__ for layer, after in itertools.pairwise(classifier) if isinstance(layer, nn.Conv2d)] == ["BatchNorm2d", "ReLU"] * 3
    assert [layer.p for layer in classifier if isinstance(layer, (nn.Dropout, nn.Dropout2d))] == [0.05, 0.1]
    sizes, x = [], torch.zeros(1, 256, 3, 3)
    for layer in models._flat(classifier.eval()):
        x = layer(x)
        if isinstance(layer, (nn.MaxPool2d, nn.AvgPool2d)):
            sizes.append(x.shape[-1])
    assert sizes == [2, 2, 2, 1]
    assert all((layer.bias == 0).all() for layer in models._flat(classifier) if isinstance(layer, models._LAYERS))


def test_attention_is_a_function_of_the_mosaic_alone():
    """Unlike the record's batch normalisation, which looks at the other mosaics of the batch too."""
    data = mosaics(8, shape=(3, 32, 32))
    model = models.build("cnn", (3, 32, 32), 3)
    fit(model, data, epochs=1, batch_size=4, progress=False)
    model.eval()
    together = model(data.segments).attention
    torch.testing.assert_close(model(data.segments[:1]).attention, together[:1])
    model.train()
    assert (model(data.segments).attention[:1] - model(data.segments[:1]).attention).abs().max() > 1e-4


@pytest.mark.parametrize("average_at", [0, 1, 2])
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (2, 5, 7)])
def test_the_small_network_takes_any_image(average_at, shape):
    data = mosaics(3, shape=shape)
    for features in ("tanh", "linear", "separate") if average_at else ("tanh",):
        model = models.build("cnn-small", shape, 3, average_at=average_at, features=features)
        output = model(data.segments, segment_logits=True)
        assert output.logits.shape == (3, 3) and output.segment_logits.shape == (3, 4, 3)
    assert [layer.stride for layer in model.focus if isinstance(layer, nn.Conv2d)] == [(2, 2) if shape[-1] >= 16 else (1, 1), (1, 1)]


def test_features_of_their_own_are_the_first_layers_again():
    model = models.build("cnn", (3, 32, 32), 3, average_at=3, features="separate")
    assert kinds(model.features) == [*kinds(model.focus)[: kinds(model.features).index("Tanh")], "Tanh"]
    assert kinds(model.features).count("Conv2d") == 3
    assert not {id(p) for p in model.features.parameters()} & {id(p) for p in model.focus.parameters()}


@pytest.mark.parametrize("architecture", ["cnn", "cnn-small"])
def test_initial_weights_of_convolutions_are_xavier_normal(architecture):
    model = models.build(architecture, (3, 32, 32), 3, seed=1)
    for network in (model.focus, model.classifier):
        for layer in network:
            if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 1000:
                fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(layer.weight)
                assert layer.weight.std().item() == pytest.approx((2 / (fan_in + fan_out)) ** 0.5, rel=0.1)


@pytest.mark.parametrize(("architecture", "average_at"), [("cnn", 6), ("cnn-small", 1)])
def test_saved_and_loaded(tmp_path, architecture, average_at):
    data = mosaics(6, shape=(3, 32, 32))
    model = models.build(architecture, (3, 32, 32), 3, average_at=average_at)
    fit(model, data, epochs=1, batch_size=3, progress=False)
    models.save(model, tmp_path / "model.safetensors")
    again = models.load(tmp_path / "model.safetensors")
    torch.testing.assert_close(predict(again, data).logits, predict(model, data).logits)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: models.build("cnn", (3, 32, 32), 3, average_at=1), "average_at must be one of 0, 3, 6 for architecture 'cnn'; got 1"),
        (lambda: models.build("cnn-small", (1, 8, 8), 3, average_at=3), "average_at must be at most 2 for architecture 'cnn-small'; got 3"),
        (lambda: models.build("cnn", (1, 28, 28), 3), r"takes images of shape \(3, 32, 32\); got \(1, 28, 28\)"),
        (lambda: models.build("cnn-small", (2,), 3), r"takes images of shape \(channels, height, width\) of 4x4 or more; got \(2,\)"),
        (lambda: models.build("cnn-small", (1, 3, 9), 3), r"of 4x4 or more; got \(1, 3, 9\)"),
        (lambda: Run(dataset="digits", architecture="cnn", average_at=2), "must be one of 0, 3, 6"),
        (lambda: architectures.hidden_widths("cnn"), "unknown architecture 'cnn'"),
    ],
)
def test_what_cannot_be_built_is_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


# ---- mosaics are indices


def test_mosaics_at_the_papers_scale_cost_indices_only():
    """30,000 mosaics of 9 out of 50,000 images of CIFAR-10's size: under 10 MB beyond the images, in under a second."""
    images = np.zeros((60_000, 3, 32, 32), dtype=np.float32)
    base = LabelledImages(images, np.arange(60_000) % 10, (0, 1, 2), np.arange(60_000) >= 50_000)
    tracemalloc.start()
    start = time.process_time()
    sets = [make_mosaics(base, n=30_000, m=9, split=split) for split in ("train", "recomposed", "fresh")]
    seconds = (time.process_time() - start) / 3
    taken = tracemalloc.get_traced_memory()[1] / 3  # NumPy's memory; PyTorch's is the tensors below
    tracemalloc.stop()
    tensors = sum(t.numel() * t.element_size() for t in (sets[0].index, sets[0].label, sets[0].foreground, sets[0].pool.component))
    assert taken < 10e6 and tensors < 10e6 and seconds < 1
    start = images.__array_interface__["data"][0]
    for data, offset in zip(sets, (0, 0, 50_000), strict=True):
        assert data.pool.points.data_ptr() == start + offset * images.strides[0], "the images were copied"


def test_held_out_images_that_lie_apart_are_gathered():
    images = np.arange(24, dtype=np.float32).reshape(12, 2)
    kept = np.arange(12) % 4 == 3
    points, component = LabelledImages(images, np.arange(12) % 3 + 5, (7, 5), kept).sample_pool()
    np.testing.assert_array_equal(points, images[~kept])
    assert component.tolist() == [{7: 0, 5: 1, 6: 2}[i % 3 + 5] for i in range(12) if i % 4 != 3]


@pytest.mark.parametrize("change", [lambda x: x[..., ::-1], lambda x: x.astype(">f4"), np.asfortranarray], ids=["mirrored", "big-endian", "Fortran"])
def test_arrays_of_any_layout_are_taken(change):
    images = change(pictures().images)
    data = make_mosaics(LabelledImages(images, np.arange(60) % 6, (0, 1, 2)), n=5)
    np.testing.assert_array_equal(data.pool.points.numpy(), images)


@pytest.mark.parametrize(
    ("labels", "foreground", "message"),
    [
        (np.arange(60) % 6 + 0.5, (0, 1), "labels must be whole numbers, the class of each image; got float64"),
        (np.where(np.arange(60) % 6 == 5, np.nan, 1), (0, 1), "labels must be whole numbers"),
        (np.array(list("abcdef"))[np.arange(60) % 6], ("a", "b"), "labels must be whole numbers"),
        (np.arange(60) % 6, (0.7, 1), "a foreground class must be a whole number; got 0.7"),
        (np.arange(60) % 6, ("0", "1"), "a foreground class must be a whole number; got '0'"),
    ],
)
def test_classes_are_whole_numbers(labels, foreground, message):
    with pytest.raises(TypeError, match=message):
        LabelledImages(pictures().images, labels, foreground)


# ---- evaluation in parts


@pytest.mark.parametrize(("average_at", "features"), [(0, "tanh"), (1, "tanh"), (2, "linear"), (2, "separate")])
@pytest.mark.parametrize("activation", ["softmax", "sparsemax"])
@pytest.mark.parametrize("batch_size", [None, 7])
def test_evaluation_in_parts_is_the_plain_call(monkeypatch, average_at, features, activation, batch_size):
    data = mosaics(50, m=5)
    model = models.build("cnn-small", (1, 8, 8), 3, average_at=average_at, features=features, activation=activation).double()
    model.config["dtype"] = "float64"
    data = data.to(torch.float64)
    plain = model(data.segments, segment_logits=True)
    monkeypatch.setattr(evaluation, "_MOST", 2**12)
    assert evaluation._large(data)
    calls = []
    model.focus[0].register_forward_hook(lambda _, inputs, __: calls.append(len(inputs[0])))
    output = predict(model, data, batch_size, segment_logits=True)
    assert sum(calls) == (1 if average_at == 0 else 2) * len(data.index.unique())  # and not once a place in a mosaic
    assert max(calls) <= (batch_size or evaluation._batch_size(data))
    for name in ("logits", "attention", "scores", "segment_logits"):
        torch.testing.assert_close(getattr(output, name), getattr(plain, name))
    assert predict(model, data, batch_size).segment_logits is None


def test_a_model_that_averages_in_its_own_way_is_asked_to(monkeypatch):
    class Sure(sdclib.AttentionModel):
        def combine(self, scores, values, mask=None):
            output = super().combine(scores, values, mask)
            return output._replace(logits=10 * output.logits)

    data, parts = mosaics(50, m=5), models.build("cnn-small", (1, 8, 8), 3)
    model = Sure(parts.focus, parts.classifier)
    monkeypatch.setattr(evaluation, "_MOST", 2**12)
    torch.testing.assert_close(predict(model, data).logits, model(data.segments).logits)
    torch.testing.assert_close(predict(model, data).logits, 10 * predict(parts, data).logits)


def test_small_segments_are_not_evaluated_in_parts():
    data = make_mosaics(distributions.get("dataset1"), n=30_000, m=20)
    assert not evaluation._large(data) and evaluation._batch_size(data) == 10_000


def test_diagnosis_takes_images():
    data = make_mosaics(distributions.get("digits"), n=400)
    model = models.build("cnn-small", data.feature_shape, 3, average_at=2)
    fit(model, data, lr=3e-3, epochs=12, batch_size=25, progress=False)
    found = diagnose(model, data)
    assert evaluate(model, data)["accuracy"] > 90 and found.mode != ""


# ---- training


def weights(model):
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])


class Stopped(Exception):
    pass


def stop_after(last):
    def callback(epoch, model, _):
        if epoch == last:
            raise Stopped

    return callback


@pytest.mark.parametrize(("objective", "optimizer", "order"), [("soft", "adam", "both"), ("reinforce", "sgd", "both"), ("soft", "adam", "focus-2")])
@pytest.mark.parametrize("architecture", ["cnn", "cnn-small"])
def test_a_stopped_training_ends_as_if_it_had_never_stopped(tmp_path, monkeypatch, objective, optimizer, order, architecture):
    monkeypatch.setattr(fit.__globals__["Checkpoint"].__init__, "__defaults__", (0,))  # a write after every epoch
    data = mosaics(12, shape=(3, 32, 32))
    settings = {"objective": objective, "optimizer": optimizer, "order": order, "epochs": 5, "batch_size": 5, "progress": False}

    def new():
        return models.build(architecture, (3, 32, 32), 3)

    undisturbed = new()
    history = fit(undisturbed, data, **settings)
    path = tmp_path / "folder" / "state"
    for last in (2, 2, 4):  # the second is stopped where it began
        with pytest.raises(Stopped):
            fit(new(), data, **settings, checkpoint=path, callback=stop_after(last))
    resumed = new()
    again = fit(resumed, data, **settings, checkpoint=path)
    assert torch.equal(weights(resumed), weights(undisturbed))
    assert again.equals(history) and again.attrs == history.attrs
    ended, called = new(), []  # training that has ended is not repeated; the callback hears of its end
    found = fit(ended, data, **settings, checkpoint=path, callback=lambda epoch, model, last: called.append((epoch, model is ended, last)))
    assert found.equals(history) and torch.equal(weights(ended), weights(undisturbed)) and called == [(5, True, True)]


def test_stopping_early_is_kept(tmp_path):
    data, model = make_mosaics(distributions.get("digits"), n=300), None
    found = []
    for _ in range(2):
        model = models.build("cnn-small", data.feature_shape, 3)
        history = fit(model, data, epochs=50, lr=1e-2, stop_below=0.3, checkpoint=tmp_path / "state", progress=False)
        found.append((history.attrs["stopped"], weights(model).tolist(), history.epoch.iloc[-1]))
    assert found[0] == found[1] and found[0][0].startswith("loss at most 0.3") and found[0][2] < 50


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 0.1}, "belongs to another training"),
        ({"epochs": 9}, "belongs to another training"),
        ({"data": 5}, "belongs to another training"),
        ({"model": 1}, "belongs to another training"),
        ({"activation": "sparsemax"}, "belongs to another training"),  # the weights are the same, the model is not
        ({"features": "linear"}, "belongs to another training"),
        ({"objective_options": {"schedule": 1, "then": "marginal"}}, "belongs to another training"),
        ({"image": 39}, "belongs to another training"),
        ({"mask": True}, "belongs to another training"),
        ({"foreground": False}, "belongs to another training"),
        ({"content": b"PK and then nothing"}, "is no whole checkpoint"),
        ({"content": b""}, "is no whole checkpoint"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, change, message):
    def train(data=4, image=None, mask=False, foreground=True, model=0, activation="softmax", features="tanh", content=None, **settings):
        if content is not None:
            (tmp_path / "state").write_bytes(content)
        data = mosaics(seed=data)
        if image is not None:
            data.pool.points[image] += 1
        hidden = torch.arange(data.m) != (data.foreground[:, None] + 1) % data.m if mask else None
        data = dataclasses.replace(data, mask=hidden, foreground=data.foreground if foreground else None)
        model = models.build("cnn-small", (1, 8, 8), 3, average_at=1, activation=activation, features=features, seed=model)
        settings = {"epochs": 2, "objective": "hybrid", "objective_options": {"schedule": 1}} | settings
        fit(model, data, **settings, checkpoint=tmp_path / "state", progress=False)

    train()
    train()
    with pytest.raises(ValueError, match=message):
        train(**change)


def test_every_way_of_cutting_a_checkpoint_off_is_named(tmp_path):
    model, path = models.build("cnn-small", (1, 8, 8), 3), tmp_path / "state"
    fit(model, mosaics(), epochs=0, checkpoint=path, progress=False)
    whole = path.read_bytes()
    for share in np.linspace(0, 1, 60, endpoint=False):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ValueError, match="is no whole checkpoint"):
            fit(models.build("cnn-small", (1, 8, 8), 3), mosaics(), epochs=0, checkpoint=path, progress=False)


def test_dropout_depends_on_the_seed_alone():
    data, found = mosaics(12, shape=(3, 32, 32)), []
    for seed in (0, 0, 1):
        model = models.build("cnn", (3, 32, 32), 3)
        before = torch.get_rng_state()
        torch.rand(3 * len(found))  # what happened before does not matter
        fit(model, data, epochs=1, seed=seed, batch_size=12, progress=False)
        found.append(weights(model))
        torch.set_rng_state(before)
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])
    state = torch.get_rng_state()
    fit(model, data, epochs=1, batch_size=12, progress=False)
    assert torch.equal(torch.get_rng_state(), state)


def test_what_is_dropped_differs_from_epoch_to_epoch(monkeypatch):
    model, ones, dropped = nn.Sequential(nn.Dropout(0.5)), torch.ones(200), {}
    for seed, epoch in ((0, 1), (0, 2), (1, 1), (0, 1)):
        with dropout_seeded(model, seed, epoch, torch.device("cpu")):
            found = model(ones)
        assert torch.equal(dropped.setdefault((seed, epoch), found), found)
    assert not torch.equal(dropped[0, 1], dropped[0, 2]) and not torch.equal(dropped[0, 1], dropped[1, 1])
    told = []
    monkeypatch.setitem(fit.__globals__, "dropout_seeded", lambda *given: told.append(given[1:3]) or dropout_seeded(*given))
    fit(models.build("cnn-small", (1, 8, 8), 3), mosaics(), epochs=2, seed=7, progress=False)
    assert told == [(7, 1), (7, 2)]


def test_mixed_precision_learns_as_full_precision_does():
    data = make_mosaics(distributions.get("digits"), n=300)
    losses, dtypes = {}, set()
    for precision in ("full", "bf16-mixed"):
        model = models.build("cnn-small", data.feature_shape, 3, average_at=2)
        model.classifier[0].register_forward_hook(lambda _, __, out: dtypes.add(out.dtype))
        losses[precision] = fit(model, data, epochs=10, lr=3e-3, batch_size=25, precision=precision, progress=False).loss
        assert all(p.dtype == torch.float32 for p in model.parameters())
    assert dtypes == {torch.float32, torch.bfloat16}
    assert losses["full"].iloc[-1] < 0.6 and losses["full"].equals(losses["bf16-mixed"]) is False
    assert abs(losses["full"].iloc[-1] - losses["bf16-mixed"].iloc[-1]) < 0.15
    with pytest.raises(ValueError, match="unknown precision 'half'; choose one of full, bf16-mixed"):
        fit(model, data, precision="half")


@pytest.mark.parametrize("activation", ["softmax", "sparsemax"])
def test_in_mixed_precision_the_weights_sum_to_one_as_closely_as_ever(activation):
    """In bfloat16 nine weights of 1/9 sum to 0.99 or so."""
    data = mosaics(20, m=9)
    model = models.build("cnn-small", data.feature_shape, 3, activation=activation)
    with torch.autocast("cpu", torch.bfloat16):
        output = model(data.segments)
    assert output.logits.dtype == torch.bfloat16 and output.attention.dtype == torch.float32
    torch.testing.assert_close(output.attention.sum(1), torch.ones(20), rtol=0, atol=1e-6)


@pytest.mark.parametrize("architecture", ["cnn", "cnn-small"])
def test_weights_of_convolutions_stand_channels_last(architecture):
    model = models.build(architecture, (3, 32, 32), 3)
    weights_of = [layer.weight for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert len(weights_of) >= 3 and all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights_of)


# ---- the engine

SMALL = {"dataset": "digits", "architecture": "cnn-small", "lr": 3e-3, "epochs": 2, "n": 60, "m": 4}


def test_a_run_on_images(tmp_path):
    rows = execute([Run(**SMALL), Run(**SMALL, average_at=2, activation="sparsemax", dtype="bf16-mixed")], store=Store("pictures", tmp_path), progress=False)
    assert all(row["error"] == "" and row["fresh_ftpt"] >= 0 and row["mode"] for row in rows)
    assert "the digits that scikit-learn ships" in (tmp_path / "pictures.json").read_text()
    assert execute([Run(**SMALL)], progress=False)[0]["train_loss"] == rows[0]["train_loss"]
    assert not list((tmp_path / "checkpoints").iterdir())


def test_a_device_trains_convolutional_networks_one_by_one(monkeypatch):
    runs = [Run(**SMALL, seed=seed) for seed in range(2)]
    seen, plain = [], computing.fit

    def watched(model, data, *args, **options):
        seen.append(str(data.index.device))
        return plain(model, data, *args, **options)

    monkeypatch.setattr(computing, "fit", watched)
    rows = execute(runs, device="cpu", progress=False)
    assert not computing.can_share(runs[0]) and seen == ["cpu", "cpu"]
    assert [row["train_loss"] for row in rows] == [row["train_loss"] for row in execute(runs, progress=False)]


def test_a_killed_run_on_images_goes_on(tmp_path):
    """The process is killed in the middle of training; the second one starts from the state that it left."""
    program = """
import sys
from pathlib import Path
from sdclib import checkpoints
from sdclib.experiments import Run, Store, execute
checkpoints.Checkpoint.__init__.__defaults__ = (0,)
begun = checkpoints.Checkpoint.restore
checkpoints.Checkpoint.restore = lambda self, *args: (lambda found: print("from epoch", found[0], flush=True) or found)(begun(self, *args))
run = Run(dataset="digits", architecture="cnn-small", lr=3e-3, epochs=40, n=60, m=4)
print(execute([run], store=Store("pictures", Path(sys.argv[1])), progress=False)[0]["train_loss"])
"""
    command = [sys.executable, "-c", program, str(tmp_path / "killed")]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not list((tmp_path / "killed").glob("checkpoints/*.checkpoint")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode != 0 and not (tmp_path / "killed" / "pictures.csv").exists()
    resumed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    assert int(resumed[0].split()[-1]) >= 0
    undisturbed = execute([Run(**SMALL | {"epochs": 40})], progress=False)[0]
    assert resumed[1] == str(undisturbed["train_loss"])
    # killed while it wrote, it leaves a hidden half of a file, which nobody reads
    assert len(load_table("pictures", tmp_path / "killed")) == 1 and not list((tmp_path / "killed" / "checkpoints").glob("*.checkpoint"))


def test_the_records_figures_stand_beside_ours():
    """Rows at the record's scale, made up: what is looked at is which figures are put beside them."""
    row = execute([Run(**SMALL)], progress=False)[0]

    def beside(**change):
        run = Run(**{"dataset": "cifar10", "architecture": "cnn", "average_at": 6, "lr": 5e-4, "epochs": 50, "n": 30_000} | change)
        return comparison.compare([row | run.as_dict() | {"hash": run.hash}]).dropna(subset="published")

    assert set(beside().published_table) == {"entropy-cifar10", "layers-cifar10"} and beside().note.str.contains("batch normalisation differs").all()
    assert set(beside(entropy_weight=0.003).published_table) == {"entropy-cifar10"}
    assert set(beside(activation="sparsemax").published_table) == {"sparsity-cifar10"}
    assert set(beside(lr=1e-3).published_table) == {"layers-cifar10"} and beside(lr=1e-3).note.str.contains("learning rate is not recorded").all()
    for other in ({"n": 3000}, {"architecture": "cnn-small", "average_at": 2}, {"average_at": 3, "init": "default"}):
        assert beside(**other).empty
    assert not beside(average_at=3).empty
