"""The stored results: each row belongs to its table, says where it comes from, and is what the code of today computes."""

import json
import os
from pathlib import Path

import pytest

from sdclib import image_sets, objectives
from sdclib.architectures import is_convolutional
from sdclib.diagnosis import MODES
from sdclib.evaluation import BY_INFERENCE
from sdclib.experiments import TABLES, load_table
from sdclib.experiments.checking import check
from sdclib.experiments.computing import ENGINE
from sdclib.experiments.rows import MEASURED

RESULTS = Path(__file__).resolve().parents[1] / "results"
NAMES = sorted(path.stem for path in RESULTS.glob("*.csv"))  # a table may be incomplete: it is computed row by row
SECONDS = 40  # a run that took longer is not repeated here
# Images that no package brings: a row is repeated where their files are at hand, and nothing is downloaded for it.
AT_HAND = {
    "fashion_mnist": bool(os.environ.get("SDCLIB_FASHION_MNIST")) or Path(image_sets._FASHION_PACKAGE).is_dir(),
    "cifar10": bool(os.environ.get("SDCLIB_CIFAR10")),
}
LATER = {f"{split}_{name}" for split in ("train", "recomposed", "fresh") for name in BY_INFERENCE}  # tables stored before may lack these


@pytest.fixture(params=NAMES)
def stored(request):
    return request.param, load_table(request.param, RESULTS)


def cheapest(name):
    frame = load_table(name, RESULTS)
    trained = frame[frame.error == ""]
    return trained.loc[trained.seconds.idxmin()]


def can_be_repeated(name):
    row = cheapest(name)
    return row.seconds < SECONDS and AT_HAND.get(row.dataset, True)


def prefix_of(objective):
    """What stands before the measures of the inference that belongs to an objective: nothing for the average."""
    inference = objectives.get(objective).inference
    return "" if inference == "average" else f"{inference}_"


def measured_in(frame):
    """The measures that a table has: of those that came later, all or none."""
    missing = {name for name in MEASURED if frame[name].isna().all()}
    assert missing in (set(), LATER)
    return [name for name in MEASURED if name not in missing]


def test_the_tables_that_chapters_read_are_there():
    assert "boxes-seeds" in NAMES


def test_rows_are_of_runs_of_the_table(stored):
    name, frame = stored
    assert name in TABLES
    assert frame.hash.is_unique and set(frame.hash) <= {run.hash for run in TABLES[name].runs()}


def test_rows_say_where_they_come_from(stored):
    name, frame = stored
    record = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    assert record["table"] == name
    assert set(frame.batch) <= set(record["batches"])
    assert {record["batches"][batch]["engine"] for batch in frame.batch} == {ENGINE}


def test_rows_are_of_the_present_engine(stored):
    assert set(stored[1].engine) == {ENGINE}


def test_measures_are_what_they_can_be(stored):
    trained = stored[1][stored[1].error == ""]
    assert not trained[measured_in(trained)].isna().any(axis=None)
    for split in ("train", "recomposed", "fresh"):
        four = trained[[f"{split}_{name}" for name in ("ftpt", "ffpt", "ftpf", "ffpf")]]
        assert four.min(axis=None) >= 0 and (four.sum(axis=1) - 100).abs().max() < 1e-6
        assert (four.iloc[:, :2].sum(axis=1) - trained[f"{split}_accuracy"]).abs().max() < 1e-4
    assert set(trained["mode"]) <= set(MODES)
    for objective, rows in trained.groupby("objective"):  # the diagnosis is of the model as its objective uses it
        own = prefix_of(objective)
        elsewhere = rows[f"train_{own}accuracy"] - rows[f"train_{own}ftpt"]
        assert (rows.right_absent + rows.right_read - elsewhere).abs().max() < 1e-4, objective


def test_nothing_was_set_aside():
    assert not list(RESULTS.glob("*.damaged"))


@pytest.mark.parametrize("name", list(filter(can_be_repeated, NAMES)))
def test_the_cheapest_row_is_what_is_computed_today(name):
    lines = check(cheapest(name))
    assert lines.near.all(), lines[~lines.near]
    modes = set(lines.attrs["modes"])
    if is_convolutional(cheapest(name).architecture):
        modes -= {"undetermined"}  # what lies at a border of the diagnosis, rounding may carry across it
    assert len(modes) <= 1
