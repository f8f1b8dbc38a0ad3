"""Computing a stored row again: what counts as the same, and how the command says that it is not."""

import pandas as pd
import pytest

from sdclib.__main__ import main
from sdclib.experiments import Run, Store, load_table
from sdclib.experiments.checking import check, sample
from sdclib.experiments.computing import compute
from sdclib.experiments.rows import MEASURED

TINY = {"dataset": "boxes_one_side", "architecture": "linear", "n": 60, "epochs": 2, "batch_size": 20}


@pytest.fixture(scope="module")
def computed():
    return [compute(Run(**TINY, seed=seed)) for seed in range(3)]


def stored(computed, folder, **changed):
    """A table whose first row says something else than what was computed."""
    store = Store("t", folder)
    for number, (row, environment) in enumerate(computed):
        store.append(row | (changed if number == 0 else {}), environment)
    return load_table("t", folder)


def test_a_row_is_what_it_was(computed, tmp_path):
    lines = check(stored(computed, tmp_path).iloc[0])
    assert list(lines.index) == list(MEASURED) and lines.near.all()
    assert lines.attrs["modes"] == (computed[0][0]["mode"],) * 2


@pytest.mark.parametrize(
    ("name", "by", "near"),
    [
        ("train_ftpt", 0.9, True),  # a point where it is in percent
        ("train_ftpt", 1.1, False),
        ("fresh_attended_accuracy", -1.1, False),
        ("right_absent", 1.1, False),
        ("train_loss", 0.02, True),  # else 5 %, and a little for what is near 0
        ("train_loss", 0.2, False),
        ("train_n_active", 0.2, True),
        ("train_n_active", 1.0, False),
    ],
)
def test_what_is_near(computed, tmp_path, name, by, near):
    row, lines = computed[0][0], check(stored(computed, tmp_path, **{name: computed[0][0][name] + by}).iloc[0])
    assert lines.near[name] == near and lines.near.drop(name).all()
    assert (lines.stored[name], lines.today[name]) == pytest.approx((row[name] + by, row[name]))


@pytest.mark.parametrize(("epochs", "near"), [(199, False), (200, True)])
def test_a_long_run_may_differ_by_more(tmp_path, epochs, near):
    row, environment = compute(Run(**TINY | {"epochs": epochs}))
    Store("t", tmp_path).append(row | {"train_ftpt": row["train_ftpt"] + 2.9}, environment)
    lines = check(load_table("t", tmp_path).iloc[0])
    assert lines.near["train_ftpt"] == near and lines.near.drop("train_ftpt").all()


def test_a_measure_that_the_row_lacks_is_passed_over(computed, tmp_path):
    lines = check(stored(computed, tmp_path, train_mixture_ftpt=None).iloc[0])
    assert "train_mixture_ftpt" not in lines.index and len(lines) == len(MEASURED) - 1 and lines.near.all()


def test_a_row_that_did_not_train_is_refused(computed, tmp_path):
    table = stored(computed, tmp_path, error="TrainingDiverged: nan", **dict.fromkeys(MEASURED))
    with pytest.raises(ValueError, match="wanted a row that trained; got Run.*TrainingDiverged: nan"):
        check(table.iloc[0])
    assert sorted(sample(table, 5).seed) == [1, 2]


def test_a_sample_is_without_repeats_and_by_its_seed():
    table = pd.DataFrame({"error": "", "seed": range(100)})
    drawn = [tuple(sample(table, 10, seed).seed) for seed in range(5)]
    assert all(len(set(one)) == 10 for one in drawn) and len(set(drawn)) == 5
    assert tuple(sample(table, 10, 3).seed) == drawn[3]
    with pytest.raises(ValueError, match="rows must be at least 1; got 0"):
        sample(table, 0)


def test_the_command_ends_with_1_if_a_row_differs(computed, tmp_path, capsys):
    command = ["check", "t", "--rows", "3", "--results", str(tmp_path)]
    stored(computed, tmp_path)
    assert main(command) == 0
    assert capsys.readouterr().out.count("same: t ") == 3
    (tmp_path / "t.csv").unlink()
    stored(computed, tmp_path, train_ftpt=-5.0)
    assert main(command) == 1
    out = capsys.readouterr().out
    assert out.count("same: t ") == 2 and out.count("DIFFERS: t ") == 1 and "train_ftpt" in out
