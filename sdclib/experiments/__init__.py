"""Experiments: a run is a frozen dataclass, a table is a list of runs, a result is a row in results/.

The names below load on first use: a chapter that reads one table reaches the store and not the list of all tables.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "RESULTS",
    "TABLES",
    "Run",
    "RunFailed",
    "Store",
    "Table",
    "compare",
    "execute",
    "get_table",
    "load_table",
    "published",
    "summarise",
]

_HOME = {
    "RESULTS": "store",
    "Run": "runs",
    "RunFailed": "workers",
    "Store": "store",
    "TABLES": "tables",
    "Table": "tables",
    "compare": "comparison",
    "execute": "engine",
    "get_table": "tables",
    "load_table": "store",
    "published": "comparison",
    "summarise": "comparison",
}

if TYPE_CHECKING:  # what an editor or a type checker sees
    from sdclib.experiments.comparison import compare, published, summarise
    from sdclib.experiments.engine import execute
    from sdclib.experiments.runs import Run
    from sdclib.experiments.store import RESULTS, Store, load_table
    from sdclib.experiments.tables import TABLES, Table, get_table
    from sdclib.experiments.workers import RunFailed


def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__():
    return list(__all__)
