"""A run: everything that decides one trained model, as a frozen dataclass."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from functools import cached_property

from sdclib import _checks, activations, architectures, distributions, models, objectives
from sdclib.training import PARTS, check_order, check_settings

__all__ = ["DTYPES", "Run"]

DTYPES = ("float32", "float64", "bf16-mixed")
LATER = ("objective_options", "features", "score_scale", "pretrained", "order")  # fields that came when rows were stored already


@dataclass(frozen=True, kw_only=True)
class Run:
    """One model to train and measure. Two runs that are equal give the same row.

    Args:
        dataset: a name of :mod:`sdclib.distributions`.
        architecture, average_at, activation, init, features, score_scale: as for :func:`sdclib.models.build`.
        objective, entropy_weight, optimizer, lr, momentum, epochs, batch_size, stop_below: as for :func:`sdclib.fit`; epochs is the limit.
        objective_options: as for :func:`sdclib.fit`: a dict, or the same as JSON; kept as JSON, "" = none.
        m, n: segments in a mosaic; mosaics to train on, and as many in each test set.
        pretrained: "focus" or "classifier": that part goes through :func:`sdclib.pretrain` first; "" = neither.
        order: which part is trained when, as for :func:`sdclib.fit`.
        data_seed: seed of the mosaics.
        seed: seed of the initial weights and of the batch order.
        dtype: "float32", "float64", or "bf16-mixed", float32 with the precision of that name of :func:`sdclib.fit`.

    Raises:
        ValueError, TypeError: unknown names (the message lists the choices), arguments out of range.

    >>> run = Run(dataset="dataset1", architecture="A1", seed=3)
    >>> run.lr, run.hash == Run(seed=3, architecture="A1", dataset="dataset1").hash
    (0.001, True)
    """

    dataset: str
    architecture: str
    average_at: int = 0
    activation: str = "softmax"
    objective: str = "soft"
    entropy_weight: float = 0.0
    optimizer: str = "adam"
    lr: float = 1e-3
    momentum: float = 0.0
    epochs: int = 100
    batch_size: int = 250
    stop_below: float | None = None
    m: int = 9
    n: int = 3000
    init: str = "paper"
    data_seed: int = 0
    seed: int = 0
    dtype: str = "float32"
    objective_options: str = ""
    features: str = "tanh"
    score_scale: float = 1.0
    pretrained: str = ""
    order: str = "both"

    def __post_init__(self):
        _checks.choice("dataset", self.dataset, distributions.names())
        _checks.choice("activation", self.activation, activations.names())
        options = _as_dict(self.objective_options)
        objectives.get(_checks.choice("objective", self.objective, objectives.names()), **options)
        object.__setattr__(self, "objective_options", json.dumps(options, sort_keys=True) if options else "")
        _checks.choice("init", self.init, models.INITIALISATIONS)
        _checks.choice("dtype", self.dtype, DTYPES)
        for name, least in (("average_at", 0), ("m", 1), ("n", 1), ("data_seed", 0), ("seed", 0)):
            _checks.at_least(name, getattr(self, name), least)
        architectures.check_layer(self.architecture, self.average_at)
        models.check_features(self.features, self.average_at)
        _checks.in_range("score_scale", self.score_scale, 0, float("inf"), include_high=False)
        _checks.choice("pretrained", self.pretrained, ("", *PARTS))
        check_order(self.order)
        check_settings(self.entropy_weight, self.optimizer, self.lr, self.momentum, self.epochs, self.batch_size, self.stop_below, 1)
        if self.objective == "entropy" and not self.entropy_weight:
            raise ValueError("objective 'entropy' needs an entropy_weight above 0; got 0")
        if self.stop_below is not None and math.isinf(self.stop_below):
            raise ValueError("stop_below must be finite, or None for never; got inf")
        for field in fields(self):  # 1 and 1.0, or a NumPy number, are one run and have one hash; + 0.0 turns -0.0 into 0.0
            value = getattr(self, field.name)
            if value is not None:
                kind = {str: str, int: int}.get(field.type, float)
                object.__setattr__(self, field.name, kind(value) + 0.0 if kind is float else kind(value))

    @classmethod
    def from_dict(cls, settings):
        """A run from a dict of its fields; a key that is no field is a ValueError."""
        known = [field.name for field in fields(cls)]
        unknown = [key for key in settings if key not in known]
        if unknown:
            raise ValueError(f"unknown fields of a run: {', '.join(map(repr, unknown))}; it has {', '.join(known)}")
        missing = [key for key in ("dataset", "architecture") if key not in settings]
        if missing:
            raise ValueError(f"a run needs {' and '.join(missing)}; got only {', '.join(settings) or 'nothing'}")
        return cls(**settings)

    @classmethod
    def from_row(cls, row):
        """The run that a row came from: a dict of :func:`execute` or a row of a table that was read (``frame.iloc[0]``)."""
        settings = {field.name: row[field.name] for field in fields(cls)}
        stop_below = settings["stop_below"]
        settings["stop_below"] = None if stop_below is None or math.isnan(stop_below) else stop_below
        return cls(**settings)

    @property
    def options(self):
        """``objective_options`` as a dict."""
        return _as_dict(self.objective_options)

    def as_dict(self):
        """The fields by name, in their order."""
        return asdict(self)

    @cached_property
    def hash(self):
        """16 hexadecimal digits of the SHA-256 of the fields as canonical JSON: names a result for good.

        A field added later must leave the hash as it is where it has its default value, or every stored row would be lost.
        """
        settings = asdict(self)
        for name in LATER:
            if settings[name] == getattr(Run, name):
                del settings[name]
        text = json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __str__(self):
        own = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if getattr(self, f.name) != f.default]
        return f"Run({', '.join(own)})"


def _as_dict(options):
    """Options of an objective, given as a dict or as JSON, as a dict."""
    if not options:
        return {}
    try:
        options = json.loads(options) if isinstance(options, str) else json.loads(json.dumps(options))
    except (TypeError, ValueError):
        raise ValueError(f"objective_options must be a dict of plain values, or the same as JSON; got {options!r}") from None
    if not isinstance(options, dict):
        raise ValueError(f"objective_options must be a dict; got {options!r}")
    return options
