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
from sdclib.training import TrainingDiverged, parts_trained

__all__ = ["ACTIVATIONS", "supports", "train"]


def supports(run):
    """Whether :func:`train` can do a run: soft attention with or without the entropy term and one of the ``ACTIVATIONS``."""
    return run.objective in ("soft", "entropy") and run.activation in ACTIVATIONS


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


# NumPy's functions are used where they are faster than PyTorch's for such shapes, on AMD's processors above all: products with 50 columns, tanh.


def _product(a, b, out):
    """out = a @ b."""
    np.matmul(a.numpy(), b.numpy(), out=out.numpy())
    return out


class _Network:
    """Linear layers with ReLU between them: weights and gradients are views of two flat vectors, activations stay in buffers."""

    def __init__(self, layers, parameters, gradients, rows, average_at=0, features="tanh"):
        self.layers, self.average_at, self.features = [], average_at, features
        for layer in layers:
            weight, bias = (None if part is None else (next(parameters), next(gradients)) for part in (layer.weight, layer.bias))
            self.layers.append((weight, bias, *(layer.weight.new_empty(rows, layer.out_features) for _ in range(2))))
        self.values = torch.empty_like(self.layers[average_at - 1][2]) if average_at else None

    def forward(self, x):
        """The output (rows, K) for input (rows, d), and the averaged values: of layer ``average_at`` before its ReLU, or None."""
        self.inputs, values = [], None
        for depth, (weight, bias, out, _) in enumerate(self.layers, start=1):
            self.inputs.append(x)
            x = _product(x, weight[0].T, out[: len(x)])
            if bias is not None:
                x += bias[0]
            if depth == self.average_at:
                values = self.values[: len(x)]
                (np.tanh if self.features == "tanh" else np.positive)(x.numpy(), out=values.numpy())
            if depth < len(self.layers):
                x.relu_()
        return x, values

    def backward(self, slope, of_values=None, to_input=False):
        """Write the gradients, given the loss's derivative by the output and by the values; return that by the input if it is wanted."""
        for depth in range(len(self.layers), 0, -1):
            weight, bias, *_ = self.layers[depth - 1]
            x = self.inputs[depth - 1]
            _product(slope.T, x, weight[1])
            if bias is not None:
                torch.sum(slope, 0, out=bias[1])
            if depth == 1:
                return slope @ weight[0] if to_input else None
            back = self.layers[depth - 2][3][: len(x)]
            back = torch.mul(slope, weight[0], out=back) if slope.shape[1] == 1 else _product(slope, weight[0], back)
            torch.ops.aten.threshold_backward(back, x, 0, grad_input=back)  # x is what ReLU let through
            if depth - 1 == self.average_at:
                self._add_before_tanh(back, of_values)
            slope = back
        raise AssertionError("a network has layers")

    def backward_values(self, of_values):
        """As ``backward``, for a network of which the values are all that is used."""
        slope = torch.zeros_like(of_values)
        self._add_before_tanh(slope, of_values)
        self.backward(slope)

    def _add_before_tanh(self, slope, of_values):
        """Add to the derivative by the averaged layer's output what reaches it from the values."""
        slope.add_(of_values)
        if self.features == "tanh":
            slope.addcmul_(of_values, self.values[: len(slope)].square(), value=-1)


# ---- training


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
        self.points, self.index, self.label = data.pool.points.flatten(1).contiguous(), data.index, data.label
        rows = max(len(self.points), run.batch_size * data.m)
        own = len(layers) == 3  # features that are not shared
        self.focus = _Network(layers[0], *views, rows, 0 if own else run.average_at, run.features)
        self.classifier = _Network(layers[1], *views, max(run.batch_size, 1000))
        self.features = _Network(layers[2], *views, rows, run.average_at) if own else None
        n_focus = sum(part.numel() for part in model.focus.parameters())
        self.parts = {"both": slice(None), "focus": slice(n_focus), "classifier": slice(n_focus, None)}
        self.steps = dict.fromkeys(self.parts, 0)
        steps = -(-data.n // run.batch_size)
        self.seen = torch.zeros(steps * len(self.points), dtype=torch.bool)
        self.place = torch.empty(len(self.seen), dtype=torch.int64)

    def train(self):
        run, rng = self.run, _checks.generator(self.run.seed, "order")
        step, epoch = self._adam if run.optimizer == "adam" else self._sgd, 0
        for epoch in range(1, run.epochs + 1):
            order = torch.from_numpy(rng.permutation(self.data.n))
            part = "both" if run.order == "both" else parts_trained(run.order, epoch)[0]
            for number, batch in enumerate(self._batches(order), start=1):
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
        size, n_points = self.run.batch_size, len(self.points)
        keys = self.index.index_select(0, order) + n_points * (torch.arange(len(order)) // size)[:, None]
        self.seen[keys] = True
        present = self.seen.nonzero()[:, 0]
        self.seen[present] = False
        self.place[present] = torch.arange(len(present))
        counts = torch.bincount(present // n_points).tolist()
        starts = np.cumsum([0, *counts[:-1]]).tolist()
        places = (part.flatten() - start for part, start in zip(self.place[keys].split(size), starts, strict=True))
        return zip(self.label.index_select(0, order).split(size), (present % n_points).split(counts), places, strict=True)

    def _gradient(self, label, scored, place):
        """The loss of a batch; its gradient is then in ``self.gradient``."""
        points = self.points.index_select(0, scored)
        all_scores, values = self._encode(points)
        scores, weights, logits = self._head(all_scores, values, place)
        log_p = torch.log_softmax(logits, 1)
        loss = -log_p.gather(1, label[:, None]).mean()

        slope = log_p.exp_()
        slope.scatter_add_(1, label[:, None], slope.new_full((len(label), 1), -1)).mul_((1 - self.k) / len(label))
        by_average = self.classifier.backward(slope, to_input=True)
        segments = values.index_select(0, place).view(*scores.shape, -1)
        by_weights = torch.from_numpy(np.einsum("nmd,nd->nm", segments.numpy(), by_average.numpy()))
        if self.k:
            loss, by_entropy = self._entropy(loss, weights)
            by_weights += by_entropy
        by_scores = self.back(scores, weights, by_weights)
        # back to base points: what reaches the places where one stands is summed
        summed = np.bincount(place.numpy(), by_scores.flatten().numpy(), minlength=len(points))  # in float64
        by_values = None
        if self.run.average_at:
            starts = np.arange(0, len(place) + 1, self.data.m)
            mosaics = csr_array((weights.flatten().numpy(), place.numpy(), starts), shape=(len(label), len(points)))
            by_values = torch.from_numpy(mosaics.T @ by_average.numpy())
        if self.features is not None:
            self.features.backward_values(by_values)
            by_values = None
        self.focus.backward(torch.from_numpy(summed).to(scores.dtype)[:, None], by_values)
        return loss.item()

    def _encode(self, points):
        """Scores (N, 1) and averaged values (N, d) of base points."""
        scores, values = self.focus.forward(points)
        if self.features is not None:
            return scores, self.features.forward(points)[1]
        return scores, points if values is None else values

    def _head(self, all_scores, values, place):
        """Scores and weights (n, m) and logits (n, K) of the mosaics whose segments stand at ``place`` (n * m,) among scored points."""
        scores = all_scores[:, 0].index_select(0, place).view(-1, self.data.m)
        weights = self.activate(scores)
        starts = torch.arange(0, len(place), self.data.m)
        average = torch.nn.functional.embedding_bag(place, values, starts, mode="sum", per_sample_weights=weights.flatten())
        return scores, weights, self.classifier.forward(average)[0]

    def _entropy(self, loss, weights):
        """The loss with the entropy term, and the term's derivative by the weights; a weight that has underflowed has none."""
        log = torch.where(weights >= torch.finfo(weights.dtype).tiny, weights, 1).log()
        entropy = -(weights * log).sum(1).mean()
        slope = torch.where(log < 0, log + 1, 0) * (-self.k / len(weights))
        return (1 - self.k) * loss + self.k * entropy, slope

    def _loss(self, rows=1000):
        """The loss on all mosaics, every base point scored once."""
        scores, values = self._encode(self.points)
        total = 0.0
        for index, label in zip(self.index.split(rows), self.label.split(rows), strict=True):
            _, weights, logits = self._head(scores, values, index.flatten())
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
