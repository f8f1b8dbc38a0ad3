"""Selective dependence classification: is an attention model right because of where it looked?

The names below load on first use, so ``import sdclib`` is quick and a program reaches only the modules that it uses.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOME = {  # public name -> the module that defines it
    "AttentionModel": "models",
    "FocusTable": "metrics",
    "Mosaics": "mosaics",
    "Pool": "mosaics",
    "Snapshots": "training",
    "TrainingDiverged": "training",
    "evaluate": "evaluation",
    "fit": "training",
    "fit_many": "batched",
    "focus_table": "metrics",
    "make_mosaics": "mosaics",
    "predict": "evaluation",
}
_MODULES = (
    "activations",
    "batched",
    "distributions",
    "evaluation",
    "experiments",
    "intervals",
    "metrics",
    "models",
    "mosaics",
    "objectives",
    "plots",
    "reporting",
    "training",
    "widgets",
)
__all__ = sorted([*_HOME, *_MODULES])

if TYPE_CHECKING:  # what an editor or a type checker sees
    from sdclib.batched import fit_many
    from sdclib.evaluation import evaluate, predict
    from sdclib.metrics import FocusTable, focus_table
    from sdclib.models import AttentionModel
    from sdclib.mosaics import Mosaics, Pool, make_mosaics
    from sdclib.training import Snapshots, TrainingDiverged, fit


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__():
    return [*__all__, "__version__"]
