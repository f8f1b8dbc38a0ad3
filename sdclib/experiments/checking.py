"""Whether a stored row is what the code of today computes."""

import pandas as pd

from sdclib import _checks
from sdclib.architectures import is_convolutional
from sdclib.experiments.computing import compute
from sdclib.experiments.rows import MEASURED
from sdclib.experiments.runs import Run

__all__ = ["check", "sample"]

PER_CENT = ("_accuracy", "_ftpt", "_ffpt", "_ftpf", "_ffpf", "_majority", "_absent", "_read")
SHORT = 200  # epochs


def check(row):
    """Compute a stored row again: one line a measure, index = its name.

    Another processor, or another library of matrix products, rounds otherwise, and training carries that on: 1 point is allowed where a
    measure is in percent and 5 % where it is not; for a run of 200 epochs or more 3 points and 10 %; for convolutional networks, whose sums
    have many more terms, 3 points and 20 %. (By how much rounding moves a run shows in table ``dataset1-precision``: where training takes
    thousands of epochs, one run in several differs by more.)

    Args:
        row: a row of :func:`load_table` that trained.

    Returns:
        DataFrame with columns stored, today, allowed (the largest difference) and near (whether they differ by no more). Measures that the stored
        row lacks are left out. ``.attrs`` has the mode of the stored row and of today's.

    Raises:
        ValueError: a row whose run did not train, or that does not train today.
    """
    run = Run.from_row(row)
    if row["error"]:
        raise ValueError(f"wanted a row that trained; got {run}: {row['error']}")
    again, _ = compute(run)
    if again["error"]:
        raise ValueError(f"{run} does not train today: {again['error']}")
    points, share = (1.0, 0.05) if row["stopped_at"] < SHORT else (3.0, 0.1)
    if is_convolutional(run.architecture):
        points, share = 3.0, 0.2
    present = [name for name in MEASURED if not pd.isna(row[name])]
    lines = pd.DataFrame({"stored": [float(row[name]) for name in present], "today": [float(again[name]) for name in present]}, index=present)
    lines["allowed"] = [points if name.endswith(PER_CENT) else 0.02 + share * abs(row[name]) for name in present]
    lines["near"] = (lines.today - lines.stored).abs() <= lines.allowed
    lines.attrs["modes"] = row["mode"], again["mode"]
    return lines


def sample(rows, n, seed=0):
    """``n`` rows of a table at random, of those that trained; all of them if there are no more."""
    trained = rows[rows.error == ""]
    n = min(_checks.at_least("rows", n, 1), len(trained))
    return trained.iloc[_checks.generator(seed, "sample").permutation(len(trained))[:n]]
