"""The experiment tables: plain lists of runs, by name."""

from dataclasses import dataclass

from sdclib import _checks
from sdclib.experiments.runs import Run
from sdclib.training import PARTS

__all__ = ["TABLES", "Table", "get_table"]


@dataclass(frozen=True)
class Table:
    """A table of results to be: ``cells`` (settings that are compared), each run on the same ``seeds``, pairs (data_seed, seed).

    ``device``: where its runs are meant to be computed; ``make results`` computes those of the processor, "cpu".
    """

    name: str
    description: str
    cells: tuple
    seeds: tuple
    device: str = "cpu"

    def runs(self, n_seeds=None):
        """The runs, seed by seed, so that a table that is not complete has the same seeds for all cells; ``n_seeds``: only the first so many."""
        if n_seeds is not None and _checks.at_least("seeds", n_seeds, 1) > len(self.seeds):
            raise ValueError(f"table {self.name} has {len(self.seeds)} seeds; got {n_seeds}")
        return [Run(**cell, data_seed=data_seed, seed=seed) for data_seed, seed in self.seeds[:n_seeds] for cell in self.cells]


def get_table(name):
    """The table of that name."""
    return TABLES[_checks.choice("table", name, tuple(TABLES))]


# Protocols of the paper's record.
_SGD = {"architecture": "linear", "optimizer": "sgd", "lr": 0.01, "momentum": 0.9, "epochs": 100}
_BOXES = (
    {"dataset": "boxes_one_side", **_SGD},
    {"dataset": "boxes_both_sides", **_SGD},
    {"dataset": "boxes_column", "architecture": "column", "lr": 0.01, "epochs": 150},
)
_DATASET1 = {"dataset": "dataset1", "architecture": "A1", "epochs": 2500, "stop_below": 0.01}
_ENTROPY = {0: (0.0005, 0.001, 0.005, 0.01, 0.02, 0.05), 1: (0.005,), 2: (0.001, 0.005, 0.01, 0.02, 0.05)}  # by averaging layer; .05 is ours
# The same pairs in every table below, so that methods are compared on the same; a run that several tables share is computed once.
_MANY = tuple((seed, seed) for seed in range(50))
_PAIRS = _MANY[:20]


def _dataset1(layer, **settings):
    return {**_DATASET1, "average_at": layer, **settings}


def _dataset2(architecture, layer, **settings):
    """The record has neither epochs nor a stop rule of dataset2: dataset1's are taken."""
    return _dataset1(layer, dataset="dataset2", architecture=architecture, **settings)


_DEEPEST = {"A2_1": 1, "A2_2": 2}  # averaging layers of dataset2's architectures
_WIDTHS = (10, 50, 100, 200)
_ENDS = tuple((architecture, layer) for architecture, deepest in _DEEPEST.items() for layer in (0, deepest))


_SMALL_CNN = {"architecture": "cnn-small", "lr": 0.003}
_ATTENTION = (*({"activation": name} for name in ("softmax", "sparsemax", "entmax15", "spherical_softmax")), {"entropy_weight": 0.005})
_CIFAR = {"dataset": "cifar10", "architecture": "cnn", "lr": 0.0005, "epochs": 50, "n": 30_000, "dtype": "bf16-mixed"}  # the record's, but for the dtype


_TABLES = (
    Table(
        "boxes-seeds",
        "the three box tasks of the error modes, 20 seeds each, every seed with its own mosaics",
        _BOXES,
        tuple((seed, seed) for seed in range(20)),
    ),
    Table(
        "dataset1-seeds",
        "dataset1, A1, softmax, averaging at layer 0: 4 data seeds, each with the same 5 initial seeds",
        (_DATASET1,),
        tuple((data_seed, seed) for seed in range(5) for data_seed in range(4)),  # crossed: spread over data and over initialisation come apart
    ),
    Table(
        "dataset1-activations",
        "dataset1, A1: softmax and the sparse activations, averaging at layers 0 and 2 (softmax also 1)",
        (
            _dataset1(1),
            *(_dataset1(layer, activation=name) for layer in (0, 2) for name in ("softmax", "sparsemax", "entmax15", "spherical_softmax")),
        ),
        _PAIRS,
    ),
    Table(
        "dataset1-comparison",
        "dataset1, A1, the main comparison: softmax, sparsemax, spherical softmax and the entropy term, averaging at layers 0 and 2 (softmax also 1)",
        (
            *(_dataset1(layer, activation=name) for layer in (0, 2) for name in ("softmax", "sparsemax", "spherical_softmax")),
            _dataset1(0, entropy_weight=0.0005, epochs=3000),
            _dataset1(2, entropy_weight=0.005, epochs=3000),
            _dataset1(1),
        ),
        _MANY,
    ),
    Table(
        "dataset1-entropy",
        "dataset1, A1: the weight of the entropy of attention, by averaging layer",
        (
            *(_dataset1(layer) for layer in _ENTROPY),
            *(_dataset1(layer, entropy_weight=k, epochs=3000) for layer, weights in _ENTROPY.items() for k in weights),
        ),
        _PAIRS,
    ),
    Table(
        "dataset1-objectives",
        "dataset1, A1: soft and hard attention, REINFORCE, marginal likelihood and the hybrid, averaging at layers 0 and 2",
        tuple(_dataset1(layer, objective=name, epochs=1000) for layer in (0, 2) for name in ("soft", "hard", "reinforce", "marginal", "hybrid")),
        _PAIRS,
    ),
    Table(
        "dataset1-precision",
        "dataset1, A1, softmax, averaging at layers 0 and 2: the same runs in float32 and, as the record, in float64",
        tuple(_dataset1(layer, dtype=dtype) for layer in (0, 2) for dtype in ("float32", "float64")),
        _PAIRS,
    ),
    Table(
        "dataset2",
        "dataset2, A2_1 and A2_2: averaging layers, sparse activations and the weight of the entropy of attention",
        (
            *(_dataset2(architecture, layer) for architecture, deepest in _DEEPEST.items() for layer in range(deepest + 1)),
            *(_dataset2(*end, activation=name) for end in _ENDS for name in ("sparsemax", "spherical_softmax")),
            *(_dataset2(*end, entropy_weight=k, epochs=3000) for end in _ENDS for k in (0.001, 0.005, 0.02)),
        ),
        _PAIRS,
    ),
    Table(
        "features",
        "dataset1 and dataset2: the averaging layer, its features with tanh and without, and features of their own",
        (
            *(_dataset1(layer) for layer in range(3)),
            *(_dataset1(layer, features=name) for layer in (1, 2) for name in ("linear", "separate")),
            *(_dataset2(architecture, layer) for architecture, deepest in _DEEPEST.items() for layer in range(deepest + 1)),
            *(_dataset2(*end, features=name) for end in _DEEPEST.items() for name in ("linear", "separate")),
        ),
        _PAIRS,
    ),
    Table(
        "order",
        "dataset1, A1, layer 0: both parts at once, in turn or one alone, from random weights or with one part pretrained",
        (
            _dataset1(0),
            *(_dataset1(0, order=f"{part}-{every}") for part in PARTS for every in (1, 5, 10, 20)),
            *(_dataset1(0, order=part) for part in PARTS),
            *(_dataset1(0, pretrained=part, order=order) for part in PARTS for order in ("both", *PARTS)),
        ),
        _PAIRS,
    ),
    Table(
        "initialisation",
        "dataset1, A1, layer 0: the scale of the initial scores, the kind of initial weights, the learning rate",
        (
            _dataset1(0),
            _dataset1(0, init="default"),
            *(_dataset1(0, score_scale=scale) for scale in (0.0, 0.1, 0.3, 3.0, 10.0)),
            *(_dataset1(0, lr=lr) for lr in (0.0003, 0.003, 0.01)),
        ),
        _PAIRS,
    ),
    Table(
        "digits",
        "mosaics of the digits of 8x8, small convolutional networks: sparse activations and the entropy term, averaging at layers 0 and 2",
        tuple({"dataset": "digits", **_SMALL_CNN, "epochs": 30, "average_at": layer, **method} for layer in (0, 2) for method in _ATTENTION),
        _PAIRS,
    ),
    Table(
        "fashion-mnist",
        "mosaics of Fashion-MNIST, small convolutional networks: sparse activations and the entropy term, averaging at layers 0 and 2",
        tuple({"dataset": "fashion_mnist", **_SMALL_CNN, "epochs": 30, "average_at": layer, **method} for layer in (0, 2) for method in _ATTENTION),
        _PAIRS,
    ),
    Table(
        "cifar10-small",
        "mosaics of CIFAR-10 at a reduced scale: small networks, 10,000 mosaics, 20 epochs, averaging at layers 0 and 2",
        tuple(
            {"dataset": "cifar10", **_SMALL_CNN, "n": 10_000, "epochs": 20, "average_at": layer, "activation": name}
            for layer in (0, 2)
            for name in ("softmax", "sparsemax", "spherical_softmax")
        ),
        _PAIRS[:3],
    ),
    Table(
        "cifar10-layers",
        "mosaics of CIFAR-10 at the paper's scale: softmax, sparsemax and spherical softmax, averaging at layers 0 and 6",
        tuple({**_CIFAR, "average_at": layer, "activation": name} for layer in (0, 6) for name in ("softmax", "sparsemax", "spherical_softmax")),
        _PAIRS[:5],
        "cuda",
    ),
    Table(
        "cifar10-entropy",
        "mosaics of CIFAR-10 at the paper's scale: the weight of the entropy of attention, averaging at layers 0 and 6",
        tuple({**_CIFAR, "average_at": layer, "entropy_weight": k} for layer in (0, 6) for k in (0.001, 0.003, 0.005)),
        _PAIRS[:5],
        "cuda",
    ),
    Table(
        "cifar10-layer-3",
        "mosaics of CIFAR-10 at the paper's scale: averaging at layer 3, whose classifier is ours",
        ({**_CIFAR, "average_at": 3},),
        _PAIRS[:5],
        "cuda",
    ),
    Table(
        "segments",
        "dataset1, A1, layer 0: the number of segments and the number of mosaics, softmax and sparsemax",
        tuple(
            _dataset1(0, activation=name, **size)
            for name in ("softmax", "sparsemax")
            for size in (*({"m": m} for m in (2, 3, 5, 9, 20, 50)), *({"n": n} for n in (300, 1000, 10_000)))
        ),
        _PAIRS,
    ),
    Table(
        "capacity",
        "dataset1 and dataset2, layers 0 and 1: one hidden layer each, the width of the focus against that of the classifier",
        tuple(
            _dataset1(layer, dataset=dataset, architecture=f"mlp-{focus}-{classifier}")
            for dataset in ("dataset1", "dataset2")
            for layer in (0, 1)
            for focus in _WIDTHS
            for classifier in _WIDTHS
        ),
        _PAIRS,
    ),
)
TABLES = {table.name: table for table in _TABLES}
