"""The attention model: a focus network, an activation, an averaging layer and a classification network."""

import json
import math
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from sdclib import _checks, activations
from sdclib.architectures import hidden_widths, initialised_plainly, is_convolutional, names, networks

__all__ = ["AttentionModel", "ModelOutput", "architectures", "build", "hidden_widths", "load", "save"]


class ModelOutput(NamedTuple):
    """logits (n, K); attention (n, m), weights on the simplex; scores (n, m), before the activation; segment_logits (n, m, K), the
    classifier on each segment alone, where they were asked for."""

    logits: torch.Tensor
    attention: torch.Tensor
    scores: torch.Tensor
    segment_logits: torch.Tensor | None = None


class AttentionModel(nn.Module):
    """Score every segment, average with the weights, classify the average.

    scores_j = focus(x_j), attention = activation(scores), logits = classifier(sum_j attention_j h(x_j)).
    h is the identity for ``average_at=0``; for layer l >= 1 it is tanh of the output of the focus network's l-th linear or
    convolutional layer, before its non-linearity, so the focus network's first layers are shared. ``features`` asks for another h.

    Args:
        focus: module (N, *feature) -> (N, 1) or (N,). For ``average_at`` >= 1 an ``nn.Sequential`` (its layers may stand in further
            Sequentials), or a module with a method ``scores_and_layer(x, layer)`` that returns (scores, output of that layer).
        classifier: module (n, *averaged feature) -> (n, K).
        average_at: the averaging layer, 0 or more.
        activation: a name of :mod:`sdclib.activations` or a function (scores, dim, mask=None) -> weights; one without ``mask``
            (``torch.softmax``) does for mosaics that have none.
        features: "tanh", as above; "linear", that layer's output as it is; or a module (N, *feature) -> (N, *averaged feature) that is
            averaged instead and shares nothing with the focus.

    Raises:
        TypeError: networks that cannot be called.
        ValueError: an averaging layer that the focus network does not have, an unknown activation, features without an averaging layer.

    Source: Pandey et al. (2022).
    """

    def __init__(self, focus, classifier, average_at=0, activation="softmax", features="tanh"):
        super().__init__()
        own = () if isinstance(features, str) else (("features", features),)
        for name, network in (("focus", focus), ("classifier", classifier), *own):
            if not callable(network) and not hasattr(network, "scores_and_layer"):
                raise TypeError(f"{name} must be a torch.nn.Module (models.build takes the name of an architecture); got {network!r}")
        self.focus, self.classifier = focus, classifier
        self.average_at = _checks.at_least("average_at", average_at, 0)
        self.activation = activations.get(activation)
        self.features = features if own else _checks.choice("features", features, SHARED)
        if not own:
            check_features(features, self.average_at)
        if self.average_at and not own and not hasattr(focus, "scores_and_layer"):
            if not isinstance(focus, nn.Sequential):
                raise ValueError(
                    f"average_at={average_at} needs a focus that is an nn.Sequential or has scores_and_layer(x, layer); got {type(focus).__name__}"
                )
            depth = sum(isinstance(layer, _LAYERS) for layer in _flat(focus))
            if depth == 0:
                raise ValueError(
                    f"average_at={average_at} counts linear and convolutional layers of the nn.Sequential; got none there: "
                    "give the focus a method scores_and_layer(x, layer)"
                )
            if self.average_at > depth - 1:
                raise ValueError(f"average_at must be at most {depth - 1}, the focus network's last hidden layer; got {average_at}")

    def encode(self, points):
        """Scores (N,) and values h(x) (N, *averaged feature) of base points (N, *feature): all that a mosaic needs of them."""
        self._check_points(points)
        if not isinstance(self.features, str):
            scores, values = self.focus(points), self.features(points)
        elif self.average_at == 0:
            scores, values = self.focus(points), points
        else:
            bend = torch.tanh if self.features == "tanh" else torch.clone
            scores, values = _scores_and_values(self.focus, points, self.average_at, bend)
        if scores.shape not in ((len(points),), (len(points), 1)):
            raise ValueError(f"the focus network must give one score a segment, ({len(points)}, 1); got shape {tuple(scores.shape)}")
        return scores.reshape(len(points)), values

    def weigh(self, scores, mask=None):
        """Attention weights (n, m) of scores (n, m); under torch.autocast in full precision all the same."""
        return _weigh(self.activation, scores.float() if torch.is_autocast_enabled(scores.device.type) else scores, mask)

    def combine(self, scores, values, mask=None):
        """The output for scores (n, m) and values (n, m, *averaged feature): weights, average, classification."""
        attention = self.weigh(scores, mask)
        if mask is not None:  # 0 * NaN is NaN: what is hidden must not reach the sum
            values = values.masked_fill(~mask.reshape(mask.shape + (1,) * (values.ndim - 2)), 0)
        average = torch.einsum("nm,nm...->n...", attention, values)
        return ModelOutput(self.classifier(average), attention, scores)

    def forward(self, segments, mask=None, segment_logits=False):
        """The output for segments (n, m, *feature); mask (n, m) is True where a segment is real.

        With ``segment_logits`` the output also has the classifier's logits for each segment alone (n, m, K), as hard attention and the
        marginal likelihood want them; those of a segment that is not real mean nothing, and have no weight.

        Raises:
            TypeError, ValueError: segments with fewer than three axes or none at all or (for models made by :func:`build`) of another
            shape or type than the model's, a mask of another shape, a mosaic with no real segment, NaN scores.
        """
        n, m = _n_and_m(segments)
        if mask is not None:  # 0 * NaN is NaN, in gradients too: what is hidden must not reach the focus network
            hidden = ~_checks.mask(mask, (n, m))
            segments = segments.masked_fill(hidden.reshape(n, m, *[1] * (segments.ndim - 2)), 0)
        scores, values = self.encode(segments.flatten(0, 1))
        output = self.combine(scores.view(n, m), values.view(n, m, *values.shape[1:]), mask)
        return output._replace(segment_logits=self.classifier(values).view(n, m, -1)) if segment_logits else output

    def segment_logits(self, segments):
        """The classifier on each segment alone: (n, m, K). A segment alone is a mosaic with m = 1 (any activation gives it weight 1)."""
        n, m = _n_and_m(segments)
        return self.classifier(self.encode(segments.flatten(0, 1))[1]).view(n, m, -1)

    def _check_points(self, points):
        """A model made by build() knows what a segment is; a reader's own networks complain for themselves."""
        if not hasattr(self, "config"):
            return
        wanted, weight = tuple(self.config["feature_shape"]), next(self.parameters())
        if points.shape[1:] != wanted:
            raise ValueError(f"the model was built for a segment of shape {wanted}; got {tuple(points.shape[1:])}")
        if points.dtype != weight.dtype and not torch.is_autocast_enabled(points.device.type):
            raise TypeError(f"segments must be {weight.dtype}, as the model's weights (see Mosaics.to); got {points.dtype}")


_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
INITIALISATIONS = ("paper", "default")
SHARED = ("tanh", "linear")  # what is averaged of a layer that the focus shares
FEATURES = (*SHARED, "separate")


def architectures():
    """The names that :func:`build` knows; ``mlp-F-C`` stands for any widths F and C."""
    return names()


def build(
    architecture,
    feature_shape,
    n_classes,
    *,
    average_at=0,
    activation="softmax",
    seed=0,
    init="paper",
    features="tanh",
    score_scale=1.0,
    dtype=torch.float32,
):
    """A model of a named architecture with initial weights drawn from the seed.

    Args:
        architecture: "linear" (both networks linear), "column" (linear focus; classifier with hidden widths 20, 20), "A1" (focus 50, 50;
            classifier 50), "A2_1" (50; 50), "A2_2" (6, 12; 6, 12), or "mlp-F-C" (one hidden layer of F for the focus, of C for the
            classifier); features of more than one axis are flattened. For images "cnn", the record's networks for 3x32x32 (layers 0, 3
            and 6; batch normalisation keeps running statistics over all segments, so attention is a function of the mosaic alone, which
            the record's is not), and "cnn-small", two convolutions of 8 and 16 channels, the first of stride 2 for images of 16x16 or
            more (layers 0, 1 and 2); both keep their weights channels last. All hidden layers are followed by ReLU.
        feature_shape: shape of a segment, say ``data.feature_shape``.
        n_classes: K, 2 or more.
        average_at, activation: as for :class:`AttentionModel`.
        seed: seed of the initial weights; drawn with NumPy, so the same on every processor.
        init: "paper": Xavier-normal weights, focus without biases, classifier biases zero. "default": PyTorch's usual uniform
            initialisation with biases in both networks. "linear" and "column" always use the latter (the record gives them no other).
        features: what is averaged at a layer of 1 or more: "tanh" or "linear" as for :class:`AttentionModel`, or "separate", a feature
            network of its own that ends in tanh, of the shape of the focus network's first ``average_at`` layers.
        score_scale: the initial scores are multiplied by this (the weights of the focus network's last layer are); 0: it begins with equal weights.
        dtype: floating-point type of the weights.

    Raises:
        ValueError: unknown names, K below 2, an averaging layer that the focus does not have.

    Source: the authors' public record (architectures and initialisation).

    >>> model = build("A1", (2,), 3, average_at=2)
    >>> sum(p.numel() for p in model.parameters())
    5353
    """
    n_classes, average_at = _checks.at_least("n_classes", n_classes, 2), _checks.at_least("average_at", average_at, 0)
    _checks.choice("init", init, INITIALISATIONS)
    check_features(features, average_at)
    feature_shape = _feature_shape(feature_shape)
    _checks.real_dtype(dtype)
    plain = init == "default" or initialised_plainly(architecture)
    focus, classifier, make_features = networks(architecture, feature_shape, n_classes, average_at, biases=plain)
    own = make_features() if features == "separate" else features
    model = AttentionModel(focus, classifier, average_at, activation, own).to(dtype)
    _initialise(model, _checks.generator(seed, "init"), plain)
    with torch.no_grad():
        for parameter in focus[-1].parameters():
            parameter *= _checks.in_range("score_scale", score_scale, 0, float("inf"), include_high=False)
    model.config = {"architecture": architecture, "feature_shape": list(feature_shape), "n_classes": n_classes, "average_at": average_at, "init": init}
    model.config |= {"activation": activation, "features": features}
    return model.to(memory_format=torch.channels_last) if is_convolutional(architecture) else model


def check_features(features, average_at):
    """ValueError unless these features can be averaged at this layer."""
    _checks.choice("features", features, FEATURES)
    if features != "tanh" and not average_at:
        raise ValueError(f"features={features!r} needs a layer to average at, average_at of 1 or more; got average_at=0")


def save(model, path):
    """Write a model made by :func:`build`: weights and, as JSON in the header, how to build it (safetensors: no pickle).

    The file appears whole or not at all.
    """
    from pathlib import Path

    from safetensors.torch import save as to_bytes

    from sdclib._files import write_atomically

    config = getattr(model, "config", None)
    if config is None or not isinstance(config["activation"], str):
        raise ValueError("only models made by build() with a named activation can be saved; for your own networks save model.state_dict()")
    config = config | {"dtype": str(next(model.parameters()).dtype).removeprefix("torch.")}
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(Path(path), to_bytes(state, metadata={"sdclib": json.dumps(config)}))


def load(path):
    """Read a model written by :func:`save`."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            config = json.loads((file.metadata() or {}).get("sdclib", "null"))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict: it cannot be iterated)
    except SafetensorError as error:
        raise ValueError(f"{path} is no whole model file: {error}") from error
    if config is None:
        raise ValueError(f"{path} was not written by sdclib.models.save: its header does not say how to build the model")
    dtype = getattr(torch, config.pop("dtype"))
    model = build(config.pop("architecture"), tuple(config.pop("feature_shape")), config.pop("n_classes"), dtype=dtype, **config)
    model.load_state_dict(state)
    return model


def _feature_shape(shape):
    if not isinstance(shape, (tuple, list)):  # torch.Size is a tuple
        raise TypeError(f"feature_shape must be whole numbers, say (2,); got {shape!r}")
    if not shape:
        raise ValueError(f"feature_shape must have at least one axis; got {tuple(shape)}")
    return tuple(_checks.at_least("feature_shape", size, 1) for size in shape)


@torch.no_grad()
def _initialise(model, rng, plain):
    """Draw all weights, in the order of ``model.modules()``, from one NumPy generator."""
    for layer in model.modules():
        if not isinstance(layer, _LAYERS):
            continue
        shape = tuple(layer.weight.shape)  # (out, in, *kernel)
        fan_out, fan_in = shape[0] * math.prod(shape[2:]), math.prod(shape[1:])
        bound = fan_in**-0.5
        weight = rng.uniform(-bound, bound, shape) if plain else rng.normal(0, (2 / (fan_in + fan_out)) ** 0.5, shape)
        layer.weight.copy_(torch.as_tensor(weight))
        if layer.bias is not None:
            layer.bias.copy_(torch.as_tensor(rng.uniform(-bound, bound, shape[0]) if plain else np.zeros(shape[0])))


def _scores_and_values(focus, points, layer, bend):
    """Run a focus; return its output and ``bend`` of the output of its ``layer``-th linear or convolutional layer."""
    if hasattr(focus, "scores_and_layer"):
        scores, hidden = focus.scores_and_layer(points, layer)
        return scores, bend(hidden)
    values, count = None, 0
    for module in _flat(focus):
        points = module(points)
        if isinstance(module, _LAYERS):
            count += 1
            if count == layer:  # now: the next module may work in place
                values = bend(points)
    return points, values


def _flat(sequential):
    """The modules of an nn.Sequential in their order, those of Sequentials within it too."""
    for module in sequential:
        if isinstance(module, nn.Sequential):
            yield from _flat(module)
        else:
            yield module


def _weigh(activation, scores, mask):
    """The weights; the mask is passed only where there is one, so that a function without it will do."""
    if mask is None:
        return activation(scores, dim=-1)
    try:
        return activation(scores, dim=-1, mask=mask)
    except TypeError as error:
        if "argument" not in str(error) or "mask" not in str(error):
            raise
        raise TypeError(f"for mosaics with a mask the activation must take (scores, dim, mask); {error}") from error


def _n_and_m(segments):
    _checks.floating("segments", segments)
    if segments.ndim < 3 or min(segments.shape[:2]) < 1:
        raise ValueError(f"segments must be (n, m, *feature) with n and m at least 1; got shape {tuple(segments.shape)}")
    return segments.shape[:2]
