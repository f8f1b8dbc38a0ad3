"""Selective dependence classification: is an attention model right because of where it looked?

The names below load on first use, so ``import sdclib`` is quick and a program reaches only the modules that it uses.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "AttentionModel",
    "Diagnosis",
    "FocusTable",
    "Mosaics",
    "Pool",
    "Snapshots",
    "TrainingDiverged",
    "activations",
    "architectures",
    "batched",
    "checkpoints",
    "constructed",
    "diagnose",
    "diagnosis",
    "distributions",
    "evaluate",
    "evaluation",
    "experiments",
    "fit",
    "fit_many",
    "focus_table",
    "image_sets",
    "images",
    "inference",
    "intervals",
    "interventions",
    "make_mosaics",
    "metrics",
    "models",
    "mosaics",
    "objectives",
    "plots",
    "predict",
    "pretrain",
    "pretraining",
    "reporting",
    "training",
    "widgets",
]

_HOME = {  # names that live in a module; all other names of __all__ are modules
    "AttentionModel": "models",
    "Diagnosis": "diagnosis",
    "FocusTable": "metrics",
    "Mosaics": "mosaics",
    "Pool": "mosaics",
    "Snapshots": "training",
    "TrainingDiverged": "training",
    "diagnose": "diagnosis",
    "evaluate": "evaluation",
    "fit": "training",
    "fit_many": "batched",
    "focus_table": "metrics",
    "make_mosaics": "mosaics",
    "predict": "evaluation",
    "pretrain": "pretraining",
}

if TYPE_CHECKING:  # what an editor or a type checker sees
    from sdclib.batched import fit_many
    from sdclib.diagnosis import Diagnosis, diagnose
    from sdclib.evaluation import evaluate, predict
    from sdclib.metrics import FocusTable, focus_table
    from sdclib.models import AttentionModel
    from sdclib.mosaics import Mosaics, Pool, make_mosaics
    from sdclib.pretraining import pretrain
    from sdclib.training import Snapshots, TrainingDiverged, fit


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__():
    return [*__all__, "__version__"]
