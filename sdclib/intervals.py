"""How sure are we? Intervals for percentages over mosaics and for means over seeds."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from sdclib import _checks

__all__ = ["Interval", "bootstrap", "over_seeds", "wilson"]


class Interval(NamedTuple):
    """An estimate with the ends of its confidence interval."""

    estimate: float
    low: float
    high: float

    def __str__(self):
        return f"{self.estimate:.1f} [{self.low:.1f}, {self.high:.1f}]"


def wilson(hits, n, confidence=0.95):
    """Wilson score interval for a share, in percent.

    With p = hits/n and the normal quantile z: (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n). Unlike p +- z sqrt(p(1-p)/n), it
    stays inside [0, 100] and does not shrink to nothing at 0 or 100 percent.

    Args:
        hits: how many of n, 0 ... n; need not be whole (shared ties).
        n: number of mosaics, 1 or more.
        confidence: in (0, 1).

    Returns:
        Interval in percent.

    Source: Wilson (1927).

    >>> print(wilson(9, 10))
    90.0 [59.6, 98.2]
    """
    n = _checks.at_least("n", n, 1)
    hits = float(hits)
    if math.isclose(hits, n, rel_tol=1e-9) or math.isclose(hits, 0, abs_tol=1e-9):  # sums of shared ties end a rounding error beside the whole number
        hits = round(hits)
    p = _checks.in_range("hits", hits, 0, n) / n
    z = stats.norm.ppf(0.5 + _confidence(confidence) / 2)
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return Interval(100 * p, *(100 * float(np.clip((middle + sign * half) / (1 + z**2 / n), 0, 1)) for sign in (-1, 1)))


def bootstrap(values, confidence=0.95, *, n_resamples=2000, seed=0):
    """Bootstrap percentile interval for the mean of ``values`` (one a mosaic or one a seed): Interval in the values' unit.

    Source: Efron and Tibshirani (1993); computed by scipy.stats.bootstrap.
    """
    values, confidence, n_resamples = _finite(values), _confidence(confidence), _checks.at_least("n_resamples", n_resamples, 1)
    if values.min() == values.max():
        return Interval(float(values[0]), float(values[0]), float(values[0]))
    rng = _checks.generator(seed, "bootstrap")
    # batch: 3,000 mosaics x 2,000 resamples at once would take 50 MB
    result = stats.bootstrap((values,), np.mean, confidence_level=confidence, n_resamples=n_resamples, batch=200, method="percentile", rng=rng)
    return Interval(float(values.mean()), float(result.confidence_interval.low), float(result.confidence_interval.high))


def over_seeds(frame, confidence=0.95, *, seed=0):
    """Summary of a table with one row a seed: for each numeric column n, mean, sd, low and high, min, max.

    low and high are the ends of the bootstrap percentile interval of the mean (so a percentage never leaves [0, 100]); below ten seeds or
    so it is somewhat too narrow. The interval is about the mean over seeds, not about the next seed: for that look at sd, min and max.

    Args:
        frame: DataFrame, or a Series or list for one column; two or more rows, finite numbers.
        confidence: in (0, 1).
        seed: of the resampling.

    Returns:
        DataFrame, one row a column of ``frame``.

    Source: the bootstrap over runs as Agarwal et al. (2021) advise for few runs.
    """
    frame = pd.DataFrame(frame).select_dtypes("number")
    if frame.empty or len(frame) < 2:
        raise ValueError(f"over_seeds needs at least 2 rows of numbers; got shape {frame.shape}")
    rows = {}
    for name, column in frame.items():
        values = _finite(column)
        mean, low, high = bootstrap(values, confidence, seed=seed)
        rows[name] = {"n": len(values), "mean": mean, "sd": values.std(ddof=1), "low": low, "high": high, "min": values.min(), "max": values.max()}
    return pd.DataFrame(rows).T.astype({"n": int})


def _finite(values):
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 1:
        raise ValueError(f"values must be a list of at least 1 number; got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("values must be finite; got NaN or infinity")
    return values


def _confidence(confidence):
    return _checks.in_range("confidence", confidence, 0, 1, include_low=False, include_high=False)
