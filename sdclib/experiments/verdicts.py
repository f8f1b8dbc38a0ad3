"""Verdicts: our differences on the same seeds beside those that were published, and what follows by a rule."""

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.power import TTestPower

from sdclib import _checks
from sdclib.experiments.runs import Run
from sdclib.intervals import bootstrap

__all__ = ["VERDICTS", "complete", "contrasts", "holm", "needed", "paired", "power", "readable", "scoreboard", "verdict"]

VERDICTS = ("holds", "holds in part", "within noise", "does not hold", "too few runs")
_PAIR = ["data_seed", "seed"]
_CELL = [name for name in Run.__dataclass_fields__ if name not in _PAIR]


def complete(rows):
    """The rows of those pairs of seeds that every cell of the table has."""
    frame = pd.DataFrame(rows)
    counted = frame.groupby(_PAIR)["hash"].transform("nunique")
    return frame[counted == len(frame[frame.columns.intersection(_CELL)].drop_duplicates())]


def paired(rows, cell, against, measure, above=None):
    """Differences ``cell`` minus ``against`` in a measure of the training mosaics, one for each pair of seeds that both have.

    Args:
        rows: a stored table. cell, against: columns and their values, each enough to name one run a pair of seeds.
        above: keep only the pairs where both models have a training accuracy above this (the record keeps runs above 90 %).

    Returns:
        Series indexed by (data_seed, seed). Runs that diverged are left out.

    Raises:
        ValueError: no rows, or several for a pair of seeds.
    """
    frame = pd.DataFrame(rows)
    sides = []
    for side in (cell, against):
        which = np.logical_and.reduce([frame[name] == value for name, value in side.items()])
        columns = dict.fromkeys([*_PAIR, "error", "train_accuracy", f"train_{measure}"])  # the measure may be the accuracy
        chosen = frame.loc[which, list(columns)].set_index(_PAIR)
        if chosen.empty or not chosen.index.is_unique:
            raise ValueError(f"{side} must name one run for each pair of seeds; got {len(chosen)} rows of {chosen.index.nunique()} pairs")
        kept = (chosen.error == "") & ((chosen.train_accuracy > above) if above is not None else True)
        sides.append(chosen.loc[kept, f"train_{measure}"])
    return (sides[0] - sides[1]).dropna()


def contrasts(rows, pairs, measure, above=None):
    """Paired differences of one measure with intervals and p-values corrected for their number.

    Args:
        pairs: dict name -> (cell, against), as for :func:`paired`. above: as there.

    Returns:
        DataFrame, a row for each name: n, mean, low, high (95 % bootstrap interval of the mean), sd, p (paired t-test), p_holm. Of fewer
        than two pairs of seeds only n is known.
    """
    table = {}
    for name, (cell, against) in pairs.items():
        gaps = paired(rows, cell, against, measure, above)
        table[name] = {"n": len(gaps), **dict.fromkeys(("mean", "low", "high", "sd", "p"), np.nan)}
        if len(gaps) >= 2:
            interval = bootstrap(gaps)
            table[name] |= {"mean": interval.estimate, "low": interval.low, "high": interval.high, "sd": gaps.std(), "p": _p(gaps, 0)}
    table = pd.DataFrame(table).T.astype({"n": int})
    return table.assign(p_holm=holm(table.p))


def scoreboard(rows, claims, above=None, alpha=0.05):
    """The verdict on each claim, with its evidence.

    Two paired t-tests a claim: is our mean difference other than 0, and is it other than the published one? Each kind is corrected (Holm)
    for the number of claims; :func:`verdict` says the word.

    Args:
        claims: list of :class:`sdclib.experiments.claims.Claim` that are corrected together: on one measure, of one question. above: as for :func:`paired`.

    Returns:
        DataFrame, a row a claim: name, published, runs, n, mean, low, high, sd, p_holm (against 0), p_published (against the published
        difference), needed (pairs of seeds that would see the published difference with a power of .8), verdict.
    """
    kinds = {(claim.question, claim.measure) for claim in claims}
    if len(kinds) != 1:
        raise ValueError(f"claims must be of one question, on one measure; got {sorted(kinds)}")
    pairs = {i: (claim.cell, claim.against) for i, claim in enumerate(claims)}
    table = contrasts(rows, pairs, claims[0].measure, above)
    gaps = [paired(rows, *pairs[i], claim.measure, above) for i, claim in enumerate(claims)]
    table["p_published"] = holm([_p(gap, claim.published) for gap, claim in zip(gaps, claims, strict=True)])
    for name in ("name", "published", "runs"):
        table[name] = [getattr(claim, name) for claim in claims]
    table["needed"] = [needed(row.sd, row.published, alpha=alpha) if row.n >= 2 else np.nan for row in table.itertuples()]
    table["verdict"] = [verdict(row.mean, row.published, row.p_holm, row.p_published, alpha) for row in table.itertuples()]
    return table[["name", "published", "runs", "n", "mean", "low", "high", "sd", "p_holm", "p_published", "needed", "verdict"]]


def readable(board, digits=1):
    """A scoreboard in words and rounded numbers, for a page; the index names the claims."""
    low_p = board.p_holm.map(lambda p: "" if np.isnan(p) else "<.001" if p < 0.001 else f"{p:.3f}"[1 if p < 1 else 0 :])
    ours = [f"{row.mean:+.{digits}f} [{row.low:+.{digits}f}, {row.high:+.{digits}f}]" if row.n >= 2 else "" for row in board.itertuples()]
    columns = {
        "verdict": board.verdict.to_numpy(),
        "published (runs)": [f"{row.published:+.{digits}f} ({row.runs})" for row in board.itertuples()],
        "ours, 95 % interval": ours,
        "seeds": board.n.to_numpy(),
        "p": low_p.to_numpy(),
        "seeds needed": ["" if np.isnan(needed) else f"{needed:,.0f}" for needed in board.needed],
    }
    return pd.DataFrame(columns, index=list(board.name))


def verdict(mean, published, p, p_published, alpha=0.05):
    """The rule. ``p``: of "ours is 0"; ``p_published``: of "ours is as published"; below ``alpha`` the statement is given up.

    "holds": clearly not 0, the sign as published, and not clearly short of the published size (larger will do). "holds in part": the same,
    but clearly short. "within noise": not clearly other than 0, nor clearly short of the published size. "does not hold": clearly of the
    other sign, or not clearly other than 0 and clearly short. "too few runs": no mean.

    >>> verdict(2.0, 3.0, p=0.001, p_published=0.2), verdict(-0.1, 3.0, p=0.7, p_published=0.001)
    ('holds', 'does not hold')
    """
    if published == 0:
        raise ValueError("a published difference of 0 claims no sign; got published=0")
    if np.isnan(mean):
        return "too few runs"
    clear, same = p < alpha, mean * published > 0
    short = p_published < alpha and mean / published < 1
    if clear and not same:
        return "does not hold"
    if clear:
        return "holds in part" if short else "holds"
    return "does not hold" if short else "within noise"


def power(effect, n, alpha=0.05):
    """The chance that a two-sided paired t-test of ``n`` pairs sees an ``effect`` (mean difference over its standard deviation).

    >>> round(power(0.5, 34), 2)
    0.81
    """
    found = TTestPower().power(effect, n, alpha)
    # far from 0 the tail of the wrong sign underflows to NaN: it is 0
    return float(TTestPower().power(abs(effect), n, alpha / 2, alternative="larger") if np.isnan(found) else found)


def needed(sd, difference, chance=0.8, alpha=0.05):
    """The least number of pairs of seeds at which a two-sided paired t-test sees a mean ``difference`` with that chance.

    Args:
        sd: standard deviation of the paired differences. difference: in the same unit, not 0. chance, alpha: in (0, 1).

    >>> needed(sd=1.0, difference=0.5), needed(sd=8.0, difference=2.0)
    (34, 128)
    """
    _checks.in_range("chance", chance, 0, 1, include_low=False, include_high=False)
    if difference == 0 or not sd >= 0:
        raise ValueError(f"needed wants a difference other than 0 and an sd of 0 or more; got {difference} and {sd}")
    if sd == 0:
        return 2
    effect, low, high = abs(difference) / sd, 1, 2  # enough pairs: more than low, at most high
    while power(effect, high, alpha) < chance:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(effect, middle, alpha) >= chance else (middle, high)
    return high


def holm(p):
    """p-values corrected for their number by Holm's step-down method: the chance of any false alarm stays below the level. NaN stays.

    Source: Holm (1979). Tested against ``statsmodels.stats.multitest.multipletests``, which costs a garbage collection a call.

    >>> [round(float(q), 2) for q in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]  # NaN stands last
    corrected = np.full_like(p, np.nan)
    corrected[order] = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)).clip(max=1)
    return corrected


def _p(gaps, value):
    """Two-sided p-value of the paired t-test that the mean difference is ``value``; if all are the same, 1 or 0; of fewer than two, none."""
    if len(gaps) < 2:
        return np.nan
    if np.ptp(gaps) == 0:
        return float(np.isclose(gaps.iloc[0], value))
    return float(stats.ttest_1samp(gaps, value).pvalue)
