"""The attention model: against a loop over segments, its laws, the named architectures, saving, and what is refused."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import SEEDS, masks
from torch import nn

from sdclib import AttentionModel, activations, models

# architecture, features, classes, averaging layer -> number of weights and biases, counted by hand
PARAMETERS = {
    ("linear", (2,), 3, 0): (2 + 1) + (2 * 3 + 3),
    ("column", (2,), 6, 0): (2 + 1) + (2 * 20 + 20) + (20 * 20 + 20) + (20 * 6 + 6),
    ("A1", (2,), 3, 0): (2 * 50 + 50 * 50 + 50) + (2 * 50 + 50) + (50 * 3 + 3),
    ("A1", (2,), 3, 1): (2 * 50 + 50 * 50 + 50) + (50 * 50 + 50) + (50 * 3 + 3),
    ("A1", (2,), 3, 2): (2 * 50 + 50 * 50 + 50) + (50 * 50 + 50) + (50 * 3 + 3),
    ("A2_1", (5,), 3, 0): (5 * 50 + 50) + (5 * 50 + 50) + (50 * 3 + 3),
    ("A2_1", (5,), 3, 1): (5 * 50 + 50) + (50 * 50 + 50) + (50 * 3 + 3),
    ("A2_2", (5,), 3, 0): (5 * 6 + 6 * 12 + 12) + (5 * 6 + 6) + (6 * 12 + 12) + (12 * 3 + 3),
    ("A2_2", (5,), 3, 1): (5 * 6 + 6 * 12 + 12) + (6 * 6 + 6) + (6 * 12 + 12) + (12 * 3 + 3),
    ("A2_2", (5,), 3, 2): (5 * 6 + 6 * 12 + 12) + (12 * 6 + 6) + (6 * 12 + 12) + (12 * 3 + 3),
    ("mlp-10-7", (1, 8, 8), 4, 0): (64 * 10 + 10) + (64 * 7 + 7) + (7 * 4 + 4),
    ("mlp-10-7", (1, 8, 8), 4, 1): (64 * 10 + 10) + (10 * 7 + 7) + (7 * 4 + 4),
}
EVERY_MODEL = pytest.mark.parametrize(("architecture", "feature_shape", "n_classes", "average_at"), PARAMETERS)


def segments_of(feature_shape, n=4, m=5, seed=0, dtype=torch.float64):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, m, *feature_shape))).to(dtype)


def double(architecture="A1", feature_shape=(2,), n_classes=3, **options):
    return models.build(architecture, feature_shape, n_classes, dtype=torch.float64, **options)


def slow_output(model, segments, mask=None):
    """The model's equations, one mosaic and one segment after the other, on the layers' bare weights."""
    attention, logits = [], []
    for i, mosaic in enumerate(segments):
        scores, values = [], []
        for j, segment in enumerate(mosaic):
            if mask is not None and not mask[i, j]:
                continue
            hidden = value = segment.flatten()
            for depth, layer in enumerate((layer for layer in model.focus if isinstance(layer, nn.Linear)), start=1):
                hidden = layer.weight @ (hidden if depth == 1 else hidden.clamp(min=0)) + (0 if layer.bias is None else layer.bias)
                if depth == model.average_at:
                    value = hidden if model.features == "linear" else torch.tanh(hidden)
            if not isinstance(model.features, str):
                value = segment.flatten()
                layers = [layer for layer in model.features if isinstance(layer, nn.Linear)]
                for depth, layer in enumerate(layers):
                    value = layer.weight @ (value.clamp(min=0) if depth else value) + (0 if layer.bias is None else layer.bias)
                value = torch.tanh(value)
            scores.append(hidden[0])
            values.append(value)
        weights = model.activation(torch.stack(scores))
        average = sum(weight * value for weight, value in zip(weights, values, strict=True))
        for depth, layer in enumerate(layer for layer in model.classifier if isinstance(layer, nn.Linear)):
            average = layer.weight @ (average.clamp(min=0) if depth else average) + layer.bias
        attention.append(weights)
        logits.append(average)
    return attention, torch.stack(logits)


@EVERY_MODEL
@pytest.mark.parametrize("activation", activations.names())
def test_the_model_is_the_slow_loop(architecture, feature_shape, n_classes, average_at, activation):
    model = double(architecture, feature_shape, n_classes, average_at=average_at, activation=activation, seed=3)
    segments = segments_of(feature_shape)
    output = model(segments)
    assert output.logits.shape == (4, n_classes)
    assert output.attention.shape == output.scores.shape == (4, 5)
    attention, logits = slow_output(model, segments)
    torch.testing.assert_close(output.attention, torch.stack(attention))
    torch.testing.assert_close(output.logits, logits)


@EVERY_MODEL
@pytest.mark.parametrize("features", ["linear", "separate"])
@pytest.mark.parametrize("init", models.INITIALISATIONS)
def test_other_features_are_the_slow_loop(architecture, feature_shape, n_classes, average_at, features, init):
    options = {"average_at": average_at, "features": features, "init": init, "seed": 3}
    if not average_at:
        with pytest.raises(ValueError, match="needs a layer to average at, average_at of 1 or more"):
            double(architecture, feature_shape, n_classes, **options)
        return
    model, plain = double(architecture, feature_shape, n_classes, **options), double(architecture, feature_shape, n_classes, **options | {"features": "tanh"})
    segments = segments_of(feature_shape)
    output = model(segments)
    _, logits = slow_output(model, segments)
    torch.testing.assert_close(output.logits, logits)
    torch.testing.assert_close(output.scores, plain(segments).scores)  # the focus begins as it would without
    assert (output.logits - plain(segments).logits).abs().max() > 1e-3


def test_features_of_their_own_share_nothing_with_the_focus():
    model = double(average_at=2, features="separate")
    model(segments_of((2,))).logits.sum().backward()
    own = [parameter.grad.abs().max() for parameter in model.features.parameters()]
    assert len(own) == 2 and min(own) > 0
    model.zero_grad()
    model(segments_of((2,))).scores.sum().backward()
    assert all(parameter.grad is None for parameter in model.features.parameters())
    shapes = [tuple(parameter.shape) for parameter in model.features.parameters()]
    assert shapes == [tuple(parameter.shape) for parameter in model.focus.parameters()][:2]


def test_averaging_linear_features_is_averaging_segments():
    """A linear map and an average change places, so layer 1 without tanh is layer 0 with one more layer before the classifier."""
    model = double(average_at=1, features="linear")
    segments = segments_of((2,))
    attention = model(segments).attention
    average = torch.einsum("nm,nmd->nd", attention, segments)
    torch.testing.assert_close(model(segments).logits, model.classifier(model.focus[0](average)))


def test_linear_features_survive_a_relu_in_place():
    focus = nn.Sequential(nn.Linear(2, 4), nn.ReLU(inplace=True), nn.Linear(4, 1)).double()
    model = AttentionModel(focus, nn.Linear(4, 3).double(), average_at=1, features="linear")
    points = segments_of((2,))[0]
    torch.testing.assert_close(model.encode(points)[1], focus[0](points))
    assert (model.encode(points)[1] < 0).any()


@pytest.mark.parametrize("scale", [0.0, 0.1, 10.0])
@pytest.mark.parametrize(("architecture", "init"), [("A1", "paper"), ("A1", "default"), ("linear", "paper")])
def test_score_scale_multiplies_the_initial_scores(architecture, init, scale):
    segments = segments_of((2,))
    plain, scaled = (double(architecture, init=init, score_scale=factor)(segments) for factor in (1.0, scale))
    torch.testing.assert_close(scaled.scores, scale * plain.scores)
    if scale == 0:
        torch.testing.assert_close(scaled.attention, torch.full_like(scaled.attention, 1 / 5))


@EVERY_MODEL
def test_number_of_parameters(architecture, feature_shape, n_classes, average_at):
    model = models.build(architecture, feature_shape, n_classes, average_at=average_at)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[architecture, feature_shape, n_classes, average_at]


@EVERY_MODEL
def test_segment_logits_are_those_of_mosaics_of_one_segment(architecture, feature_shape, n_classes, average_at):
    model = double(architecture, feature_shape, n_classes, average_at=average_at)
    segments = segments_of(feature_shape)
    alone = model.segment_logits(segments)
    assert alone.shape == (4, 5, n_classes)
    for j in range(5):
        torch.testing.assert_close(alone[:, j], model(segments[:, j : j + 1]).logits)


@settings(max_examples=30)
@given(seed=SEEDS, average_at=st.integers(0, 2), activation=st.sampled_from(activations.names()), data=st.data())
def test_the_order_of_segments_does_not_matter(seed, average_at, activation, data):
    model = double(average_at=average_at, activation=activation, seed=seed % 100)
    segments = segments_of((2,), seed=seed)
    order = data.draw(st.permutations(range(5)))
    one, other = model(segments), model(segments[:, order])
    torch.testing.assert_close(other.logits, one.logits)
    torch.testing.assert_close(other.attention, one.attention[:, order])


@pytest.mark.parametrize("garbage", [torch.nan, torch.inf, 1e300])
@settings(max_examples=15)
@given(seed=SEEDS, average_at=st.integers(0, 2), activation=st.sampled_from(activations.names()), data=st.data())
def test_hiding_a_segment_equals_deleting_it(garbage, seed, average_at, activation, data):
    """Output and gradient: the weights of the networks must not see what is hidden either."""
    model = double(average_at=average_at, activation=activation, seed=seed % 100)
    segments, mask = segments_of((2,), n=3, m=4, seed=seed), data.draw(masks(3, 4))
    hidden = model(segments.masked_fill(~mask[..., None], garbage), mask=mask)
    deleted = [model(mosaic[kept][None]) for mosaic, kept in zip(segments, mask, strict=True)]
    torch.testing.assert_close(hidden.logits, torch.cat([output.logits for output in deleted]))
    for i, output in enumerate(deleted):
        torch.testing.assert_close(hidden.attention[i, mask[i]], output.attention[0])
    assert (hidden.attention[~mask] == 0).all()
    gradients = torch.autograd.grad(hidden.logits.square().sum(), list(model.parameters()), allow_unused=True)
    wanted = torch.autograd.grad(sum(output.logits.square().sum() for output in deleted), list(model.parameters()), allow_unused=True)
    for of_hidden, of_deleted in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(of_hidden, of_deleted)


def test_a_mask_that_hides_nothing_changes_nothing():
    model, segments = double(average_at=1), segments_of((2,))
    torch.testing.assert_close(tuple(model(segments, mask=torch.ones(4, 5, dtype=bool))), tuple(model(segments)))


def test_initial_weights_are_xavier_normal():
    model = models.build("mlp-300-400", (250,), 3, average_at=1, seed=1, dtype=torch.float64)
    linear = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    assert [tuple(layer.weight.shape) for layer in linear] == [(300, 250), (1, 300), (400, 300), (3, 400)]
    assert [layer.bias is not None for layer in linear] == [False, False, True, True]
    for layer in linear:
        fan_out, fan_in = layer.weight.shape
        sd, n = math.sqrt(2 / (fan_in + fan_out)), layer.weight.numel()
        assert abs(layer.weight.mean().item()) < 4 * sd / math.sqrt(n)
        assert layer.weight.std().item() == pytest.approx(sd, rel=4 / math.sqrt(2 * n))
        assert layer.bias is None or (layer.bias == 0).all()
    assert (linear[0].weight.abs() > 3 * linear[0].weight.std()).any(), "a uniform distribution has no such tails"


@pytest.mark.parametrize("build", [lambda: double("mlp-300-400", (250,), init="default"), lambda: double("linear", (2000,)), lambda: double("column", (2000,))])
def test_default_initial_weights_are_pytorchs(build):
    """Uniform on +-1/sqrt(fan in), weights and biases: what nn.Linear itself draws."""
    for layer in (layer for layer in build().modules() if isinstance(layer, nn.Linear)):
        bound = layer.in_features**-0.5
        for values in (layer.weight, layer.bias):
            assert values.abs().max() <= bound
        n = layer.weight.numel()
        assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=4 / math.sqrt(n))
        theirs = nn.Linear(layer.in_features, layer.out_features).weight
        assert layer.weight.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=20 / n + 0.01)
        assert layer.bias.unique().numel() == layer.bias.numel()


def test_the_seed_decides_the_initial_weights():
    one, same, other = (torch.cat([p.flatten() for p in models.build("A1", (2,), 3, seed=seed).parameters()]) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_building_leaves_pytorchs_random_state_alone():
    before = torch.get_rng_state()
    models.build("A1", (2,), 3)
    assert torch.equal(torch.get_rng_state(), before)


def test_models_of_ones_own():
    """Any modules will do, scores of shape (N,) too, and layers that work in place do not change what is averaged."""

    class Focus(nn.Module):
        def forward(self, points):
            return points.sum(1)

    segments = segments_of((2,))
    output = AttentionModel(Focus(), nn.Linear(2, 3, dtype=torch.float64))(segments)
    torch.testing.assert_close(output.scores, segments.sum(2))
    torch.testing.assert_close(output.attention, torch.softmax(segments.sum(2), 1))

    focus = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1)).double()
    in_place = nn.Sequential(focus[0], nn.ReLU(inplace=True), focus[2])
    classifier = nn.Linear(4, 3).double()
    one, other = (AttentionModel(net, classifier, average_at=1)(segments) for net in (focus, in_place))
    torch.testing.assert_close(other.logits, one.logits)


def test_scores_and_layer_gives_what_is_averaged():
    class Focus(nn.Module):
        def scores_and_layer(self, points, layer):
            return points.sum(1, keepdim=True), layer * points

    segments = segments_of((2,))
    output = AttentionModel(Focus(), nn.Identity(), average_at=3)(segments)
    torch.testing.assert_close(output.logits, (output.attention[..., None] * torch.tanh(3 * segments)).sum(1))


def test_convolutional_networks_average_feature_maps():
    focus = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 16, 1)).double()
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(2 * 16, 3)).double()
    segments = segments_of((1, 8, 8))
    output = AttentionModel(focus, classifier, average_at=2)(segments)
    maps = torch.stack([torch.tanh(focus[:3](segments[:, j])) for j in range(5)], 1)
    torch.testing.assert_close(output.logits, classifier((output.attention[:, :, None, None, None] * maps).sum(1)))


@pytest.mark.parametrize("average_at", [0, 1, 2])
def test_vmap_and_compile_take_the_model(average_at):
    model = models.build("A1", (2,), 3, average_at=average_at)
    segments = segments_of((2,), n=6, dtype=torch.float32).view(2, 3, 5, 2)
    torch.testing.assert_close(torch.vmap(lambda part: model(part).logits)(segments), torch.stack([model(part).logits for part in segments]))
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(segments[0]).logits, model(segments[0]).logits)
    torch.compiler.reset()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("architecture", "average_at", "activation", "init"),
    [("A1", 2, "sparsemax", "paper"), ("mlp-9-4", 0, "softmax", "default"), ("linear", 0, "softmax", "paper")],
)
def test_saved_and_loaded(architecture, average_at, activation, init, dtype, tmp_path):
    model = models.build(architecture, (1, 2), 3, average_at=average_at, activation=activation, init=init, seed=5, dtype=dtype)
    models.save(model, tmp_path / "deep" / "model.safetensors")
    loaded = models.load(tmp_path / "deep" / "model.safetensors")
    assert loaded.config == model.config
    assert loaded.activation is model.activation
    segments = segments_of((1, 2), dtype=dtype)
    for one, other in zip(model(segments, segment_logits=True), loaded(segments, segment_logits=True), strict=True):
        assert torch.equal(one, other)
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["model.safetensors"]


def test_a_model_made_double_is_saved_as_double(tmp_path):
    model = models.build("A1", (2,), 3).double()
    with torch.no_grad():
        next(model.parameters())[0, 0] = 1 / 3
    models.save(model, str(tmp_path / "model"))
    loaded = models.load(str(tmp_path / "model"))
    assert next(loaded.parameters())[0, 0].item() == 1 / 3


def test_a_file_that_is_no_model_is_named(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "model"
    models.save(models.build("A1", (2,), 3), path)
    whole = path.read_bytes()
    for cut in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match="model is no whole model file"):
            models.load(path)
    path.write_bytes(b"not a model at all")
    with pytest.raises(ValueError, match="model is no whole model file"):
        models.load(path)
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="was not written by sdclib.models.save"):
        models.load(path)
    save_file({"weight": torch.zeros(2)}, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="was not written by sdclib.models.save"):
        models.load(path)
    with pytest.raises(FileNotFoundError):
        models.load(tmp_path / "absent")


def test_saving_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model"
    models.save(models.build("A1", (2,), 3), path)
    before = path.read_bytes()

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space left"):
        models.save(models.build("A2_1", (2,), 3), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_what_cannot_be_saved_is_named(tmp_path):
    own = AttentionModel(nn.Linear(2, 1), nn.Linear(2, 3))
    for model in (own, models.build("A1", (2,), 3, activation=torch.softmax)):
        with pytest.raises(ValueError, match=r"only models made by build\(\) with a named activation can be saved"):
            models.save(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_copy_is_independent():
    model = models.build("A1", (2,), 3)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        next(twin.parameters()).zero_()
    assert next(model.parameters()).abs().max() > 0
    assert twin.config == model.config


LINEAR, CLASSIFIER = nn.Linear(2, 1), nn.Linear(2, 3)
SEGMENTS = torch.zeros(4, 5, 2)
A1 = {"architecture": "A1", "feature_shape": (2,), "n_classes": 3}
REFUSED = {
    "unknown architecture": (lambda: models.build("A3", (2,), 3), ValueError, "unknown architecture 'A3'; choose one of linear, column, A1, .*mlp-F-C"),
    "no width": (lambda: models.build("mlp-0-5", (2,), 3), ValueError, "unknown architecture 'mlp-0-5'"),
    "unknown activation": (lambda: models.build(**A1, activation="max"), ValueError, "unknown activation 'max'; choose one of softmax"),
    "unknown init": (lambda: models.build(**A1, init="zeros"), ValueError, "unknown init 'zeros'; choose one of paper, default"),
    "K of 1": (lambda: models.build("A1", (2,), 1), ValueError, "n_classes must be at least 2; got 1"),
    "a layer too deep": (lambda: models.build(**A1, average_at=3), ValueError, "average_at must be at most 2 for architecture 'A1'; got 3"),
    "no hidden layer": (lambda: models.build("linear", (2,), 3, average_at=1), ValueError, "average_at must be at most 0 for architecture 'linear'; got 1"),
    "a layer below 0": (lambda: models.build(**A1, average_at=-1), ValueError, "average_at must be at least 0; got -1"),
    "a seed below 0": (lambda: models.build(**A1, seed=-1), ValueError, "seed must be at least 0; got -1"),
    "weights of whole numbers": (lambda: models.build(**A1, dtype=torch.int64), TypeError, "dtype must be a floating-point type; got torch.int64"),
    "a number for a shape": (lambda: models.build("A1", 2, 3), TypeError, r"feature_shape must be whole numbers, say \(2,\); got 2"),
    "an empty shape": (lambda: models.build("A1", (), 3), ValueError, r"feature_shape must have at least one axis; got \(\)"),
    "no feature": (lambda: models.build("A1", (0,), 3), ValueError, "feature_shape must be at least 1; got 0"),
    "own focus without layers": (lambda: AttentionModel(LINEAR, CLASSIFIER, average_at=1), ValueError, "needs a focus that is an nn.Sequential.*got Linear"),
    "own focus too shallow": (lambda: AttentionModel(nn.Sequential(LINEAR), CLASSIFIER, 1), ValueError, "average_at must be at most 0.*got 1"),
    "two scores a segment": (lambda: AttentionModel(nn.Linear(2, 2), CLASSIFIER)(SEGMENTS), ValueError, r"\(20, 1\); got shape \(20, 2\)"),
    "segments of two axes": (lambda: models.build(**A1)(torch.zeros(4, 2)), ValueError, r"segments must be \(n, m, \*feature\).*got shape \(4, 2\)"),
    "no mosaic": (lambda: models.build(**A1)(torch.zeros(0, 5, 2)), ValueError, r"n and m at least 1; got shape \(0, 5, 2\)"),
    "no segment": (lambda: models.build(**A1).segment_logits(torch.zeros(4, 0, 2)), ValueError, r"n and m at least 1; got shape \(4, 0, 2\)"),
    "segments of another shape": (lambda: models.build(**A1)(torch.zeros(4, 5, 3)), ValueError, r"a segment of shape \(2,\); got \(3,\)"),
    "segments flattened": (lambda: models.build("A1", (1, 8, 8), 3)(torch.zeros(4, 5, 64)), ValueError, r"a segment of shape \(1, 8, 8\); got \(64,\)"),
    "segments of whole numbers": (lambda: models.build(**A1)(torch.zeros(4, 5, 2, dtype=int)), TypeError, "floating-point tensor; got torch.int64"),
    "segments as array": (lambda: models.build(**A1)(np.zeros((4, 5, 2))), TypeError, "segments must be a torch.Tensor; got ndarray"),
    "segments of another type": (lambda: models.build(**A1)(SEGMENTS.double()), TypeError, "segments must be torch.float32.*got torch.float64"),
    "NaN segments": (lambda: models.build(**A1)(torch.full((4, 5, 2), torch.nan)), ValueError, "scores must not be NaN"),
    "a mask of another shape": (lambda: models.build(**A1)(SEGMENTS, mask=torch.ones(4, 4) > 0), ValueError, r"mask must have shape \(4, 5\); got \(4, 4\)"),
    "a mask of numbers": (lambda: models.build(**A1)(SEGMENTS, mask=torch.ones(4, 5)), TypeError, "mask must be a boolean tensor; got torch.float32"),
    "a mask as list": (lambda: models.build(**A1)(torch.zeros(1, 2, 2), mask=[[True, True]]), TypeError, "mask must be a boolean tensor; got list"),
    "a type in words": (lambda: models.build(**A1, dtype="float32"), TypeError, "dtype must be a floating-point type; got 'float32'"),
    "a name for a network": (lambda: AttentionModel("A1", CLASSIFIER), TypeError, r"focus must be a torch.nn.Module \(models.build.*; got 'A1'"),
    "a number for a network": (lambda: AttentionModel(LINEAR, 3), TypeError, "classifier must be a torch.nn.Module .*; got 3"),
    "all masked": (lambda: models.build(**A1)(SEGMENTS, mask=torch.zeros(4, 5, dtype=bool)), ValueError, "at least one real segment"),
}  # fmt: skip


@pytest.mark.parametrize(("wrong", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_named(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()


def test_an_activation_without_mask_does_where_nothing_is_masked():
    from entmax import entmax15

    segments = segments_of((2,))
    for activation in (torch.softmax, entmax15):
        model = double(activation=activation)
        torch.testing.assert_close(model(segments).attention, activation(model(segments).scores, dim=-1))
        with pytest.raises(TypeError, match=r"the activation must take \(scores, dim, mask\); .*mask"):
            model(segments, mask=torch.ones(4, 5, dtype=bool))


def test_layers_within_sequentials_count():
    flat = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1)).double()
    nested = nn.Sequential(nn.Sequential(flat[0], flat[1]), flat[2])
    classifier = nn.Linear(4, 3).double()
    one, other = (AttentionModel(focus, classifier, average_at=1)(segments_of((2,))) for focus in (flat, nested))
    torch.testing.assert_close(other.logits, one.logits)
    with pytest.raises(ValueError, match=r"counts linear and convolutional layers .*; got none there: .*scores_and_layer"):
        AttentionModel(nn.Sequential(nn.ReLU()), CLASSIFIER, 1)


def test_numpy_integers_are_saved(tmp_path):
    model = models.build("A1", (np.int64(2),), np.int64(3), average_at=np.int64(1))
    models.save(model, tmp_path / "model")
    assert models.load(tmp_path / "model").config == model.config
