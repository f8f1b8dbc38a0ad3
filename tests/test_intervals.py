"""Intervals: against scipy, coverage, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sdclib import intervals
from sdclib.intervals import Interval


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_agrees_with_scipy(hits_and_n, confidence):
    hits, n = hits_and_n
    theirs = stats.binomtest(hits, n).proportion_ci(confidence, method="wilson")
    ours = intervals.wilson(hits, n, confidence)
    assert ours == pytest.approx((100 * hits / n, 100 * theirs.low, 100 * theirs.high), abs=1e-9)


@given(st.integers(1, 1000), st.floats(0, 1))
def test_wilson_of_shared_ties(n, share):
    """Hits need not be whole: the interval is between those of the whole numbers around, and holds its estimate."""
    hits = share * n
    below, at, above = (intervals.wilson(h, n) for h in (np.floor(hits), hits, np.ceil(hits)))
    assert 0 <= at.low <= at.estimate + 1e-9 and at.estimate <= at.high + 1e-9 and at.high <= 100
    assert below.low - 1e-9 <= at.low <= above.low + 1e-9
    assert below.high - 1e-9 <= at.high <= above.high + 1e-9


def test_wilson_takes_hits_that_rounding_put_above_n():
    """Shares that are sums of 1/m end a few units in the last place beside the whole number."""
    assert intervals.wilson(sum([0.1] * 30), 3).estimate == 100
    assert intervals.wilson(-1e-15, 3).estimate == 0


def test_wilson_covers():
    """At n = 40 and p = 0.9 (where p +- z sd covers 91 %) the exact coverage, summed over all outcomes, is near 95 %."""
    p, n = 0.9, 40
    covered = [hits for hits in range(n + 1) if intervals.wilson(hits, n).low <= 100 * p <= intervals.wilson(hits, n).high]
    assert stats.binom.pmf(covered, n, p).sum() == pytest.approx(0.95, abs=0.015)


def test_bootstrap_covers():
    """200 samples of 60: the interval for the mean should hold the true mean about 95 times in 100 (a little less for a skewed sample)."""
    rng = np.random.default_rng(0)
    found = [intervals.bootstrap(rng.exponential(1.0, 60), n_resamples=400, seed=s) for s in range(200)]
    coverage = np.mean([interval.low <= 1 <= interval.high for interval in found])
    assert 0.88 <= coverage <= 0.98


def test_bootstrap_is_the_percentiles_of_resampled_means():
    values = np.random.default_rng(1).normal(50, 10, 100)
    resampled = np.random.default_rng(2).choice(values, (20_000, 100)).mean(1)
    ours = intervals.bootstrap(values, 0.9, n_resamples=20_000)
    assert ours == pytest.approx((values.mean(), *np.percentile(resampled, [5, 95])), abs=0.1)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_bootstrap_stays_in_the_range_of_the_values(values):
    interval = intervals.bootstrap(values, n_resamples=100)
    assert min(values) - 1e-9 <= interval.low <= interval.high <= max(values) + 1e-9
    assert interval.estimate == pytest.approx(np.mean(values))


def test_bootstrap_repeats_itself():
    values = np.random.default_rng(3).normal(size=30)
    assert intervals.bootstrap(values, seed=1) == intervals.bootstrap(values, seed=1)
    assert intervals.bootstrap(values, seed=1) != intervals.bootstrap(values, seed=2)


def test_over_seeds():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"seed": range(12), "ftpt": rng.normal(60, 5, 12), "method": "softmax", "accuracy": 100.0})
    summary = intervals.over_seeds(frame.drop(columns="seed"))
    assert list(summary.index) == ["ftpt", "accuracy"]
    row, column = summary.loc["ftpt"], frame.ftpt
    assert list(row[["n", "mean", "sd", "min", "max"]]) == pytest.approx([12, column.mean(), column.std(), column.min(), column.max()])
    assert (row.low, row.high) == intervals.bootstrap(column)[1:]
    # for twelve normal values the t interval is about the same, a little wider
    t = stats.t.interval(0.95, 11, column.mean(), column.sem())
    assert 0.7 < (row.high - row.low) / (t[1] - t[0]) < 1.05
    assert list(summary.loc["accuracy", ["mean", "sd", "low", "high"]]) == [100, 0, 100, 100]
    assert intervals.over_seeds([1.0, 2.0, 4.0]).iloc[0]["mean"] == pytest.approx(7 / 3)


def test_over_seeds_of_percentages_stays_below_100():
    row = intervals.over_seeds([100.0, 100.0, 100.0, 80.0]).iloc[0]
    assert 80 <= row.low < row.high <= 100


def test_what_a_reader_sees():
    assert str(Interval(90.04, 59.6, 98.21)) == "90.0 [59.6, 98.2]"


REFUSED = {
    "n of 0": (lambda: intervals.wilson(0, 0), ValueError, "n must be at least 1; got 0"),
    "n that is not whole": (lambda: intervals.wilson(1, 2.5), TypeError, "n must be a whole number; got 2.5"),
    "more hits than n": (lambda: intervals.wilson(11, 10), ValueError, r"hits must be in \[0, 10\]; got 11"),
    "hits below 0": (lambda: intervals.wilson(-1, 10), ValueError, r"hits must be in \[0, 10\]; got -1"),
    "NaN hits": (lambda: intervals.wilson(float("nan"), 10), ValueError, r"hits must be in \[0, 10\]; got nan"),
    "confidence in percent": (lambda: intervals.wilson(1, 10, 95), ValueError, r"confidence must be in \(0, 1\); got 95"),
    "bootstrap confidence": (lambda: intervals.bootstrap([1, 2], 1.0), ValueError, r"confidence must be in \(0, 1\); got 1.0"),
    "bootstrap confidence, equal values": (lambda: intervals.bootstrap([1, 1], 1.0), ValueError, r"confidence must be in \(0, 1\); got 1.0"),
    "no resamples": (lambda: intervals.bootstrap([1, 2], n_resamples=0), ValueError, "n_resamples must be at least 1; got 0"),
    "no values": (lambda: intervals.bootstrap([]), ValueError, r"at least 1 number; got shape \(0,\)"),
    "values of two axes": (lambda: intervals.bootstrap([[1, 2]]), ValueError, r"at least 1 number; got shape \(1, 2\)"),
    "NaN values": (lambda: intervals.bootstrap([1, float("nan")]), ValueError, "values must be finite; got NaN or infinity"),
    "a seed below 0": (lambda: intervals.bootstrap([1, 2], seed=-1), ValueError, "seed must be at least 0; got -1"),
    "one seed": (lambda: intervals.over_seeds([1.0]), ValueError, r"at least 2 rows of numbers; got shape \(1, 1\)"),
    "no numbers": (lambda: intervals.over_seeds(pd.DataFrame({"a": ["x", "y"]})), ValueError, "at least 2 rows of numbers"),
    "NaN among the seeds": (lambda: intervals.over_seeds([1.0, float("nan")]), ValueError, "values must be finite"),
}


@pytest.mark.parametrize(("wrong", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_named(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()
