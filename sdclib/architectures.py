"""The networks that have a name: layers of the focus, of the classifier and of features of their own, without their weights."""

import itertools
import math
import re
from dataclasses import dataclass

from torch import nn

__all__ = ["averaging_layers", "check_layer", "hidden_widths", "initialised_plainly", "is_convolutional", "names", "networks"]

_MLP = {"linear": ((), ()), "column": ((), (20, 20)), "A1": ((50, 50), (50,)), "A2_1": ((50,), (50,)), "A2_2": ((6, 12), (6, 12))}
_WITH_BIASES = ("linear", "column")  # a linear model without biases could not even choose a threshold
_CONVOLUTIONAL = {"cnn": (0, 3, 6), "cnn-small": (0, 1, 2)}  # and where they average
_SMALL = (8, 16)  # channels of cnn-small


def names():
    """The names of the architectures; ``mlp-F-C`` stands for any widths F and C."""
    return (*_MLP, "mlp-F-C", *_CONVOLUTIONAL)


def is_convolutional(architecture):
    """Whether an architecture is made for images."""
    return architecture in _CONVOLUTIONAL


def initialised_plainly(architecture):
    """Whether an architecture always has biases and PyTorch's usual initial weights."""
    return architecture in _WITH_BIASES


def hidden_widths(architecture):
    """Widths of the hidden layers of an architecture of linear layers: (of the focus, of the classifier). ValueError for any other name.

    >>> hidden_widths("A1")
    ((50, 50), (50,))
    """
    if architecture in _MLP:
        return _MLP[architecture]
    match = re.fullmatch(r"mlp-([1-9]\d*)-([1-9]\d*)", str(architecture))
    if not match:
        raise ValueError(f"unknown architecture {architecture!r}; choose one of {', '.join(names())} (F and C are widths, say mlp-50-20)")
    return (int(match[1]),), (int(match[2]),)


def averaging_layers(architecture):
    """The layers at which an architecture can average.

    >>> averaging_layers("cnn")
    (0, 3, 6)
    """
    if architecture in _CONVOLUTIONAL:
        return _CONVOLUTIONAL[architecture]
    return tuple(range(len(hidden_widths(architecture)[0]) + 1))


def check_layer(architecture, average_at):
    """ValueError unless a named architecture can average at this layer."""
    layers = averaging_layers(architecture)
    if average_at not in layers:
        wanted = f"at most {layers[-1]}" if layers == tuple(range(len(layers))) else f"one of {', '.join(map(str, layers))}"
        raise ValueError(f"average_at must be {wanted} for architecture {architecture!r}; got {average_at}")


def networks(architecture, feature_shape, n_classes, average_at, biases):
    """The layers of a named architecture.

    Args:
        architecture: one of :func:`names`.
        feature_shape: shape of a segment; (channels, height, width) for images.
        n_classes: K, the classifier's outputs.
        average_at: one of :func:`averaging_layers`.
        biases: whether the focus, and features of their own, have biases; the classifier has.

    Returns:
        (focus, classifier, make_features): two nn.Sequential with weights that wait to be drawn, and a function that makes a third one,
        the first ``average_at`` layers of the focus again with tanh behind.

    Raises:
        ValueError: an unknown name, a layer that it cannot average at, images of another shape than it takes.
    """
    check_layer(architecture, average_at)
    if architecture in _CONVOLUTIONAL:
        plan = (_paper if architecture == "cnn" else _small)(feature_shape)
        focus, classifier = plan.network(0, 1, biases), plan.network(average_at, n_classes, True)
    else:
        (focus_widths, classifier_widths), flat = hidden_widths(architecture), math.prod(feature_shape)
        flatten = [nn.Flatten()] if len(feature_shape) != 1 else []
        averaged = focus_widths[average_at - 1] if average_at else flat
        focus = nn.Sequential(*flatten, *_mlp((flat, *focus_widths, 1), biases))
        classifier = nn.Sequential(*(flatten if not average_at else []), *_mlp((averaged, *classifier_widths, n_classes), True))

    def make_features():
        again = networks(architecture, feature_shape, n_classes, average_at, biases)[0]
        weighted = [place for place, layer in enumerate(again) if isinstance(layer, (nn.Conv2d, nn.Linear))]
        return nn.Sequential(*again[: weighted[average_at - 1] + 1], nn.Tanh())

    return focus, classifier, make_features


# skip_init: the layers would draw weights from PyTorch's global stream, only for ours to replace them


def _linear(fan_in, fan_out, bias):
    return nn.utils.skip_init(nn.Linear, fan_in, fan_out, bias=bias)


def _mlp(sizes, bias):
    """Linear layers of these sizes with ReLU between them."""
    layers = [[_linear(fan_in, fan_out, bias), nn.ReLU()] for fan_in, fan_out in itertools.pairwise(sizes)]
    return list(itertools.chain.from_iterable(layers))[:-1]


@dataclass(frozen=True)
class _Convolution:
    """A 3x3 convolution with what follows it: batch normalisation, ReLU, a pool, dropout of whole channels."""

    channels: int
    padding: int = 1
    norm: bool = False
    pool: nn.Module | None = None
    drop: float = 0.0
    stride: int = 1

    def layers(self, channels_in, bias):
        yield nn.utils.skip_init(nn.Conv2d, channels_in, self.channels, 3, padding=self.padding, stride=self.stride, bias=bias)
        if self.norm:
            yield nn.BatchNorm2d(self.channels)
        yield nn.ReLU()
        if self.pool:
            yield self.pool
        if self.drop:
            yield nn.Dropout2d(self.drop)


@dataclass(frozen=True)
class _Plan:
    """Convolutions and linear widths by the layer that they read: 0, the image itself, and the layers that are averaged at."""

    channels: dict  # of what is read
    convolutions: dict
    flat: dict  # what is left of it before the linear layers
    widths: dict
    drop: float = 0.0  # before the linear layers

    def network(self, layer, outputs, bias):
        layers, channels = [], self.channels[layer]
        for convolution in self.convolutions[layer]:
            layers += convolution.layers(channels, bias)
            channels = convolution.channels
        dropout = [nn.Dropout(self.drop)] if self.drop else []
        return nn.Sequential(*layers, nn.Flatten(), *dropout, *_mlp((self.flat[layer], *self.widths[layer], outputs), bias))


def _paper(feature_shape):
    """The record's networks for CIFAR-10. Not recorded, and ours: where the dropout stands, and the classifier on layer 3."""
    if tuple(feature_shape) != (3, 32, 32):
        raise ValueError(f"architecture 'cnn' takes images of shape (3, 32, 32); got {tuple(feature_shape)} ('cnn-small' takes others)")
    pool, padded, mean = nn.MaxPool2d(2), nn.MaxPool2d(2, padding=1), nn.AvgPool2d(2)
    image = (
        _Convolution(32, 0, norm=True), _Convolution(64, 0, pool=pool),
        _Convolution(64, 0, norm=True), _Convolution(128, 0, pool=pool, drop=0.05),
        _Convolution(256, 0, norm=True), _Convolution(256, 1, pool=pool),
    )  # fmt: skip

    def deeper(*pools):
        twos = zip((128, 256, 512), pools, (0.0, 0.05, 0.0), strict=True)
        return tuple(itertools.chain(*((_Convolution(c, norm=True), _Convolution(c, pool=p, drop=d)) for c, p, d in twos)))

    return _Plan(
        {0: 3, 3: 64, 6: 256},
        {0: image, 3: deeper(pool, pool, pool), 6: deeper(padded, padded, nn.Sequential(padded, mean))},
        {0: 256, 3: 512, 6: 512},
        {0: (64, 32, 10), 3: (128,), 6: (128,)},
        drop=0.1,
    )


def _small(feature_shape):
    """Two convolutions, of which the first has stride 2 where images are of 16x16 or more, and two linear layers: trained in a minute on one core."""
    if len(feature_shape) != 3 or min(feature_shape[1:]) < 4:
        raise ValueError(f"architecture 'cnn-small' takes images of shape (channels, height, width) of 4x4 or more; got {tuple(feature_shape)}")
    (channels, height, width), (one, two) = feature_shape, _SMALL
    stride = 2 if min(height, width) >= 16 else 1
    height, width = -(-height // stride), -(-width // stride)
    flat = two * (height // 4) * (width // 4)
    first, second = _Convolution(one, pool=nn.MaxPool2d(2), stride=stride), _Convolution(two, pool=nn.MaxPool2d(2))
    return _Plan(
        {0: channels, 1: one, 2: two},
        {0: (first, second), 1: (_Convolution(two, pool=nn.MaxPool2d(4)),), 2: (_Convolution(two, pool=nn.MaxPool2d(2)),)},
        dict.fromkeys((0, 1, 2), flat),
        dict.fromkeys((0, 1, 2), (32,)),
    )
