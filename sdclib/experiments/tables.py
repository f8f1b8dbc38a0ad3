"""The experiment tables: plain lists of runs, by name."""

from dataclasses import dataclass

from sdclib import _checks
from sdclib.experiments.runs import Run

__all__ = ["TABLES", "Table", "get_table"]


@dataclass(frozen=True)
class Table:
    """A table of results to be: ``cells`` (settings that are compared), each run on the same ``seeds``, pairs (data_seed, seed)."""

    name: str
    description: str
    cells: tuple
    seeds: tuple

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
)
TABLES = {table.name: table for table in _TABLES}
