"""What :func:`sdclib.fit` does under soft attention for networks of linear layers and ReLU, with the derivatives written by hand.

Where the matrix products are as small as those of dataset1, automatic differentiation spends as long between them as in them. Here a step is a
fixed list of operations on buffers that stay, base points that stand in a batch more than once are scored once, and the products are NumPy's. Batches,
formulas and optimisers are those of ``fit``: the weights differ by rounding.
"""

import numpy as np
import torch
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from sdclib import _checks
from sdclib._closed_forms import TransformedEntmax15, TransformedSparsemax
from sdclib.architectures import is_convolutional
from sdclib.training import TrainingDiverged, parts_trained

__all__ = ["ACTIVATIONS", "supports", "train"]


def supports(run):
    """Whether :func:`train` can do a run: soft attention with or without the entropy term, one of the ``ACTIVATIONS``, linear layers only."""
    return run.objective in ("soft", "entropy") and run.activation in ACTIVATIONS and not is_convolutional(run.architecture) and run.dtype != "bf16-mixed"


def train(model, data, run):
    """Train a model of :func:`sdclib.models.build` in place, on the processor.

    Args:
        model: as built for the run.
        data: Mosaics without a mask.
        run: a Run for which :func:`supports` is True.

    Returns:
        The last epoch trained.

    Raises:
        TrainingDiverged: the loss became NaN or infinite; the message says at which epoch and step.
    """
    with torch.no_grad(), np.errstate(over="ignore", invalid="ignore"), threadpool_limits(1, user_api="blas"):  # divergence raises
        return _Trainer(model, data, run).train()


# ---- activations: weights (n, m) of scores, and from the loss's derivative by the weights that by the scores


def _softmax(scores):
    return torch.softmax(scores.T.contiguous(), 0).T  # along the last axis it takes several times as long


def _softmax_back(scores, weights, slope):
    product = weights * slope
    return product.addcmul_(weights, product.sum(1, keepdim=True), value=-1)


def _sparsemax(scores):
    return TransformedSparsemax.forward(scores, scores.amax(1, keepdim=True), 1)


def _sparsemax_back(scores, weights, slope):
    support = (weights > 0).to(slope.dtype)
    mean = (slope * support).sum(1, keepdim=True) / support.sum(1, keepdim=True)
    return (slope - mean) * support


def _entmax15(scores):
    return TransformedEntmax15.forward(scores, scores.amax(1, keepdim=True), 1)


def _entmax15_back(scores, weights, slope):
    root = weights.sqrt()
    product = slope * root
    return product.addcmul_(root, product.sum(1, keepdim=True) / root.sum(1, keepdim=True), value=-1)


def _spherical(scores):
    largest = scores.abs().amax(1, keepdim=True)
    square = (scores / largest).square_()
    return torch.where(largest == 0, 1 / scores.shape[1], square / square.sum(1, keepdim=True))


def _spherical_back(scores, weights, slope):
    largest = scores.abs().amax(1, keepdim=True)
    scaled = scores / largest
    inner = slope - (weights * slope).sum(1, keepdim=True)
    back = 2 * scaled * inner / (scaled.square().sum(1, keepdim=True) * largest)
    return torch.where(largest == 0, 0, back)


ACTIVATIONS = {
    "softmax": (_softmax, _softmax_back),
    "sparsemax": (_sparsemax, _sparsemax_back),
    "entmax15": (_entmax15, _entmax15_back),
    "spherical_softmax": (_spherical, _spherical_back),
}


# ---- networks


_relu_back = torch.ops.aten.threshold_backward.grad_input


class _Layer:
    """A linear layer: views of its weights and of their gradients, and buffers for its output and for the loss's derivative by it.

    Products and tanh are NumPy's, which are faster than PyTorch's for such shapes, on AMD's processors above all. ReLU is PyTorch's: the
    buffers are seen by both.
    """

    def __init__(self, layer, parameters, gradients, rows):
        self.weight, self.weight_gradient = next(parameters).numpy(), next(gradients).numpy()
        self.bias, self.bias_gradient = (None, None) if layer.bias is None else (next(parameters).numpy(), next(gradients))
        self.output_tensor, self.slope_tensor = (layer.weight.new_empty(rows, layer.out_features) for _ in range(2))
        self.output, self.slope = self.output_tensor.numpy(), self.slope_tensor.numpy()


class _Network:
    """Linear layers with ReLU between them."""

    def __init__(self, layers, parameters, gradients, rows, average_at=0, features="tanh"):
        self.layers, self.average_at, self.features = [_Layer(layer, parameters, gradients, rows) for layer in layers], average_at, features
        self.values = np.empty_like(self.layers[average_at - 1].output) if average_at else None

    def forward(self, x):
        """The output (rows, K) for input (rows, d), and the averaged values: of layer ``average_at`` before its ReLU, or None."""
        self.inputs, values, n = [], None, len(x)
        for depth, layer in enumerate(self.layers, start=1):
            self.inputs.append(x)
            x = np.matmul(x, layer.weight.T, out=layer.output[:n])
            if layer.bias is not None:
                x += layer.bias
            if depth == self.average_at:
                values = (np.tanh if self.features == "tanh" else np.positive)(x, out=self.values[:n])
            if depth < len(self.layers):
                layer.output_tensor[:n].relu_()
        return x, values

    def backward(self, slope, of_values=None, to_input=False):
        """Write the gradients, given the loss's derivative by the output and by the values; return that by the input if it is wanted."""
        n = len(slope)
        for depth in range(len(self.layers), 0, -1):
            layer, x = self.layers[depth - 1], self.inputs[depth - 1]
            np.matmul(slope.T, x, out=layer.weight_gradient)
            if layer.bias is not None:
                torch.sum(torch.from_numpy(slope), 0, out=layer.bias_gradient)
            if depth == 1:
                return slope @ layer.weight if to_input else None
            below = self.layers[depth - 2]
            tensor = below.slope_tensor[:n]
            if slope.shape[1] == 1:
                torch.mul(torch.from_numpy(slope), torch.from_numpy(layer.weight), out=tensor)
            else:
                np.matmul(slope, layer.weight, out=below.slope[:n])
            _relu_back(tensor, below.output_tensor[:n], 0, grad_input=tensor)  # the output is what ReLU let through
            slope = below.slope[:n]
            if depth - 1 == self.average_at:
                self._add_before_tanh(slope, of_values)
        raise AssertionError("a network has layers")

    def backward_values(self, of_values):
        """As ``backward``, for a network of which the values are all that is used."""
        slope = np.zeros_like(of_values)
        self._add_before_tanh(slope, of_values)
        self.backward(slope)

    def _add_before_tanh(self, slope, of_values):
        """Add to the derivative by the averaged layer's output what reaches it from the values."""
        slope += of_values
        if self.features == "tanh":
            slope -= of_values * np.square(self.values[: len(slope)])


# ---- training


_ROWS = 4000  # mosaics that are scored at once after an epoch


class _Trainer:
    def __init__(self, model, data, run):
        self.model, self.data, self.run, self.k = model, data, run, run.entropy_weight
        self.activate, self.back = ACTIVATIONS[run.activation]
        parts = list(model.parameters())
        self.flat = torch.cat([part.flatten() for part in parts])
        self.gradient, self.first, self.second = (torch.zeros_like(self.flat) for _ in range(3))
        views = [iter(_views(vector, parts)) for vector in (self.flat, self.gradient)]
        networks = (model.focus, model.classifier, *([model.features] if run.features == "separate" else []))
        layers = [[one for one in network.modules() if isinstance(one, torch.nn.Linear)] for network in networks]
        self.points, self.index, self.label = data.pool.points.flatten(1).contiguous().numpy(), data.index.numpy(), data.label
        rows = max(len(self.points), run.batch_size * data.m)
        own = len(layers) == 3  # features that are not shared
        self.focus = _Network(layers[0], *views, rows, 0 if own else run.average_at, run.features)
        self.classifier = _Network(layers[1], *views, max(run.batch_size, _ROWS))
        self.features = _Network(layers[2], *views, rows, run.average_at) if own else None
        n_focus = sum(part.numel() for part in model.focus.parameters())
        self.parts = {"both": slice(None), "focus": slice(n_focus), "classifier": slice(n_focus, None)}
        self.steps = dict.fromkeys(self.parts, 0)
        self.number = np.arange(data.n) // run.batch_size  # of the batch, by place in an epoch's order
        self.seen = np.zeros((self.number[-1] + 1) * len(self.points), dtype=bool)
        self.place = np.empty(len(self.seen), dtype=np.int64)

    def train(self):
        run, rng = self.run, _checks.generator(self.run.seed, "order")
        step, epoch = self._adam if run.optimizer == "adam" else self._sgd, 0
        for epoch in range(1, run.epochs + 1):
            part = "both" if run.order == "both" else parts_trained(run.order, epoch)[0]
            for number, batch in enumerate(self._batches(rng.permutation(self.data.n)), start=1):
                self._finite(self._gradient(*batch), f"at epoch {epoch}, step {number}")
                self.steps[part] += 1
                step(self.parts[part], self.steps[part])
            if run.stop_below is not None and self._finite(self._loss(), f"after epoch {epoch}") <= run.stop_below:
                break
        self._finite(self._loss(), f"after epoch {epoch}")
        for part, values in zip(self.model.parameters(), _views(self.flat, list(self.model.parameters())), strict=True):
            part.copy_(values)
        return epoch

    @staticmethod
    def _finite(loss, where):
        if not abs(loss) < float("inf"):
            raise TrainingDiverged(f"training diverged {where}: the loss became {loss}; try a smaller learning rate")
        return loss

    def _batches(self, order):
        """An epoch's batches: (labels (b,), the base points that stand in it, each once, and the place of every segment (b * m,) among these)."""
        keys = self.index[order] + len(self.points) * self.number[:, None]
        self.seen[keys] = True
        present = np.flatnonzero(self.seen)
        self.seen[present] = False
        self.place[present] = np.arange(len(present))
        first = np.arange(0, len(self.seen) + 1, len(self.points))  # key of each batch's first base point
        starts = np.searchsorted(present, first)
        places, size = self.place[keys], self.run.batch_size
        for number, label in enumerate(self.label[torch.from_numpy(order)].split(size)):
            start, end = starts[number : number + 2]
            yield label, present[start:end] - first[number], places[number * size : (number + 1) * size].ravel() - start

    def _gradient(self, label, scored, place):
        """The loss of a batch; its gradient is then in ``self.gradient``."""
        points = self.points.take(scored, axis=0)
        all_scores, values = self._encode(points)
        scores, weights, logits = self._head(all_scores, values, place)
        log_p = torch.log_softmax(logits, 1)
        loss = -log_p.gather(1, label[:, None]).mean()

        slope = log_p.exp_()
        slope.scatter_add_(1, label[:, None], slope.new_full((len(label), 1), -1)).mul_((1 - self.k) / len(label))
        by_average = self.classifier.backward(slope.numpy(), to_input=True)
        segments = values.take(place, axis=0).reshape(*scores.shape, -1)
        by_weights = torch.from_numpy(np.einsum("nmd,nd->nm", segments, by_average))
        if self.k:
            loss, by_entropy = self._entropy(loss, weights)
            by_weights += by_entropy
        by_scores = self.back(scores, weights, by_weights)
        # back to base points: what reaches the places where one stands is summed
        summed = np.bincount(place, by_scores.flatten().numpy(), minlength=len(points)).astype(values.dtype)  # in float64
        by_values = None
        if self.run.average_at:
            starts = np.arange(0, len(place) + 1, self.data.m)
            mosaics = csr_array((weights.flatten().numpy(), place, starts), shape=(len(label), len(points)))
            by_values = mosaics.T @ by_average
        if self.features is not None:
            self.features.backward_values(by_values)
            by_values = None
        self.focus.backward(summed[:, None], by_values)
        return loss.item()

    def _encode(self, points):
        """Scores (N, 1) and averaged values (N, d) of base points."""
        scores, values = self.focus.forward(points)
        if self.features is not None:
            return scores, self.features.forward(points)[1]
        return scores, points if values is None else values

    def _head(self, all_scores, values, place):
        """Scores and weights (n, m) and logits (n, K) of the mosaics whose segments stand at ``place`` (n * m,) among scored points."""
        scores = torch.from_numpy(all_scores[:, 0].take(place)).view(-1, self.data.m)
        weights = self.activate(scores)
        starts, place, values = torch.arange(0, len(place), self.data.m), torch.from_numpy(place), torch.from_numpy(values)
        average = torch.nn.functional.embedding_bag(place, values, starts, mode="sum", per_sample_weights=weights.flatten())
        return scores, weights, torch.from_numpy(self.classifier.forward(average.numpy())[0])

    def _entropy(self, loss, weights):
        """The loss with the entropy term, and the term's derivative by the weights; a weight that has underflowed has none."""
        log = torch.where(weights >= torch.finfo(weights.dtype).tiny, weights, 1).log()
        entropy = -(weights * log).sum(1).mean()
        slope = torch.where(log < 0, log + 1, 0) * (-self.k / len(weights))
        return (1 - self.k) * loss + self.k * entropy, slope

    def _loss(self, rows=_ROWS):
        """The loss on all mosaics, every base point scored once."""
        scores, values = self._encode(self.points)
        total = 0.0
        for start in range(0, len(self.label), rows):
            label = self.label[start : start + rows]
            _, weights, logits = self._head(scores, values, self.index[start : start + rows].ravel())
            loss = torch.nn.functional.cross_entropy(logits, label)
            loss = self._entropy(loss, weights)[0] if self.k else loss
            total += loss.item() * len(label)
        return total / len(self.label)

    def _adam(self, part, steps, beta1=0.9, beta2=0.999, epsilon=1e-8):
        """Adam as torch.optim has it, of one part of all weights: Kingma and Ba (2015)."""
        gradient, first, second = self.gradient[part], self.first[part], self.second[part]
        first.lerp_(gradient, 1 - beta1)
        second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        scale = second.sqrt().div_((1 - beta2**steps) ** 0.5).add_(epsilon)
        self.flat[part].addcdiv_(first, scale, value=-self.run.lr / (1 - beta1**steps))

    def _sgd(self, part, steps):
        first = self.first[part]
        first.mul_(self.run.momentum).add_(self.gradient[part])
        self.flat[part].sub_(first, alpha=self.run.lr)


def _views(vector, parts):
    """Views of a flat vector in the shapes of some tensors."""
    return [piece.view(part.shape) for piece, part in zip(vector.split([part.numel() for part in parts]), parts, strict=True)]
