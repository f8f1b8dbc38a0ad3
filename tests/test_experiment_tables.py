"""The tables, the published figures beside ours, and the command line."""

import re

import pandas as pd
import pytest

from sdclib.__main__ import main
from sdclib.experiments import TABLES, Run, Table, compare, execute, get_table, published, summarise, tables
from sdclib.experiments.provenance import command_line
from sdclib.experiments.rows import MEASURED

DATASET1 = {"dataset": "dataset1", "architecture": "A1", "epochs": 2500, "stop_below": 0.01}
TINY = Table("tiny", "for tests", ({"dataset": "boxes_one_side", "architecture": "linear", "n": 30, "epochs": 1},), ((0, 0), (1, 0), (0, 1)))


def rows(measured=(), count=3, **settings):
    """Rows as execute gives them, with made-up measures: the first seed 80, the next 90, and so on."""
    made = []
    for seed in range(count):
        run = Run(**DATASET1 | settings, seed=seed)
        made_up = dict.fromkeys(MEASURED, 80.0 + 10 * seed) | {"stopped_at": 100}
        made.append(run.as_dict() | {"hash": run.hash, "engine": 1, "mode": "mixture", "error": "", "seconds": 1.0} | made_up | dict(measured))
    return made


# ---- published figures


def test_the_published_figures_keep_their_sources_and_notes():
    frame = published()
    assert len(frame) == 643 and frame.source.notna().all() and frame.value.notna().all()
    odd = frame[(frame.metric == "corner_distance") & (frame.value == 0.74)]
    assert odd.note.str.contains("misprint").all() and len(odd) == 1
    assert frame[(frame.table == "sparsity-dataset1") & (frame.method == "entropy")].note.str.contains("not stated").all()


def test_ours_stand_beside_the_published_of_the_same_kind():
    lines = compare(rows()).set_index(["split", "measure", "published_table"]).sort_index()
    beside = lines.loc[("train", "ftpt", "sparsity-dataset1")]
    assert (beside.n, beside["mean"], beside.sd) == (3, 90.0, 10.0)
    assert (beside.published, beside.published_n) == (77.5, 5)
    other = lines.loc[("train", "ftpt", "layers-entropy-dataset1")]
    assert (other.published, other.published_n) == (74.72, 10)
    of_those = lines.loc[("train", "ftpt_of_those", "layers-entropy-dataset1")]
    assert of_those.n == 1 and of_those["mean"] == 100.0  # above 90 %, that is without the one at 90.0
    above = lines.loc[("train", "runs_above_90", "layers-entropy-dataset1")]
    assert above["mean"] == pytest.approx(100 / 3) and above.published == 100.0
    assert lines.loc[("fresh", "ftpt")].published.isna().all()  # nobody published that


def test_the_note_says_where_ours_are_of_fewer_digits():
    single, double = (compare(rows(dtype=dtype)).query("published.notna()").note for dtype in ("float32", "float64"))
    assert len(single) and single.str.contains("the record is float64, ours float32").all()
    assert len(double) and not double.str.contains("float32").any()


@pytest.mark.parametrize(("source", "said"), [("own arrays, copies.npz", True), ("CIFAR-10, the official archive", False)])
def test_the_note_says_where_the_pictures_are_not_the_official_ones(source, said):
    paper = {"dataset": "cifar10", "architecture": "cnn", "n": 30_000, "lr": 0.0005, "epochs": 50, "stop_below": None}
    frame = pd.DataFrame(rows(**paper)).assign(batch="b")
    frame.attrs["images"] = {"b": source}
    notes = compare(frame).query("published.notna()").note
    assert len(notes) and notes.str.contains(f"ours on {source}").all() == notes.str.contains("ours on").any() == said


def test_the_note_says_where_nothing_is_known_of_the_pictures():
    paper = {"dataset": "cifar10", "architecture": "cnn", "n": 30_000, "lr": 0.0005, "epochs": 50, "stop_below": None}
    frame = pd.DataFrame(rows(**paper))
    for unknown in (frame, frame.assign(batch="b"), frame.to_dict("records")):
        notes = compare(unknown).query("published.notna()").note
        assert len(notes) and notes.str.contains("ours on images of an unknown source").all()
    assert not compare(rows()).note.str.contains("ours on").any()  # no pictures


def test_the_published_test_figures_stand_beside_recomposed_ones(monkeypatch):
    from sdclib.experiments import comparison

    monkeypatch.setattr(comparison, "published", lambda: published().replace({"cifar10": "dataset1", "CNN": "A1", 0.0005: 0.001}))
    monkeypatch.setattr(comparison, "_PROTOCOL", {})
    lines = compare(rows(activation="sparsemax")).set_index(["published_table", "split", "measure"])
    real = published().query("table == 'sparsity-cifar10' and method == 'sparsemax' and averaging_layer == 0 and split == 'test' and metric == 'ftpt'")
    found = lines.loc[("sparsity-cifar10", "recomposed", "ftpt")]
    assert found.published == pytest.approx(real.value.mean()) and found.published_n == len(real) > 1  # single runs: their mean


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": 0.002},
        {"average_at": 1, "lr": 0.002},
        {"m": 5},
        {"n": 1000},
        {"stop_below": None},
        {"init": "default"},
        {"batch_size": 100},
        {"architecture": "mlp-50-50"},
        {"dataset": "boxes_column", "architecture": "column"},
        {"entropy_weight": 0.123},
        {"activation": "sparsemax", "entropy_weight": 0.001},
    ],
)
def test_unlike_is_not_laid_beside(settings):
    assert compare(rows(**settings)).published.isna().all()


def test_runs_cut_short_of_the_records_limit_are_not_laid_beside():
    cut = {"epochs": 1000, "entropy_weight": 0.001}
    assert compare(rows({"stopped_at": 1000}, **cut)).published.isna().all()
    assert compare(rows({"stopped_at": 999}, **cut)).published.notna().any()  # ended by the stop rule, as they would have with more
    assert compare(rows({"stopped_at": 3000}, **cut | {"epochs": 3000})).published.notna().any()
    assert compare(rows({"stopped_at": 3500}, **cut | {"epochs": 4000})).published.isna().all()
    assert compare(rows({"stopped_at": 2500})).published.notna().any()
    assert compare(rows({"stopped_at": 2600}, epochs=3000)).published.isna().all()  # without an entropy term the record stops at 2500
    mixed = rows({"stopped_at": 500}, **cut)
    mixed[0] |= dict.fromkeys(MEASURED) | {"error": "TrainingDiverged: nan"}
    assert compare(mixed).published.notna().any()


@pytest.mark.parametrize(
    ("settings", "figures"),
    [
        ({"average_at": 2}, [85.95, 86.83]),
        ({"entropy_weight": 0.001}, [66.31]),
        ({"entropy_weight": 0.001, "objective": "entropy"}, [66.31]),  # the same loss by its own name
        ({"activation": "sparsemax"}, [76.95]),
    ],
)
def test_a_cell_finds_the_figures_of_its_own_method(settings, figures):
    found = compare(rows(**settings)).query("split == 'train' and measure == 'ftpt'").published
    assert sorted(found) == figures


def test_cells_are_named_by_what_differs():
    lines = compare([*rows(), *rows(average_at=2), *rows(dataset="dataset2", architecture="A2_1")])
    assert list(lines.cell.unique()) == ["dataset1 A1 average_at=0", "dataset1 A1 average_at=2", "dataset2 A2_1 average_at=0"]


def test_runs_that_diverged_count_only_where_runs_are_counted():
    made = rows({"train_accuracy": 95.0}, count=4)
    made[0] |= dict.fromkeys(MEASURED) | {"error": "TrainingDiverged: nan"}
    summary = summarise(made)
    assert summary.loc[("train", "ftpt"), "n"] == 3
    assert tuple(summary.loc[("train", "runs_above_90"), ["n", "mean"]]) == (4, 75.0)


def test_measures_that_no_run_has_are_left_out():
    old = rows({"train_attended_accuracy": None})  # as rows of a table that was stored before this measure came
    assert ("train", "attended_accuracy") in summarise(rows()).index and ("train", "attended_accuracy") not in summarise(old).index
    assert summarise(old).loc[("train", "ftpt"), "n"] == 3 and len(compare(old)) == len(compare(rows()))


def test_one_run_and_no_run_have_no_spread():
    summary = summarise(rows(count=1)).loc[("train", "ftpt")]
    assert (summary.n, summary["mean"]) == (1, 80.0) and pd.isna(summary.sd) and pd.isna(summary.low)
    assert summarise(rows(count=1)).loc[("train", "ftpt_of_those"), "n"] == 0  # none above 90 %


# ---- tables


def test_tables_are_what_they_say():
    for name, table in TABLES.items():
        runs = table.runs()
        assert name == table.name and table.description
        assert len({run.hash for run in runs}) == len(runs) == len(table.cells) * len(table.seeds)
    boxes = pd.DataFrame([run.as_dict() for run in get_table("boxes-seeds").runs()])
    assert boxes.groupby("dataset").size().to_dict() == {"boxes_one_side": 20, "boxes_both_sides": 20, "boxes_column": 20}
    crossed = pd.DataFrame([run.as_dict() for run in get_table("dataset1-seeds").runs()])
    assert (pd.crosstab(crossed.data_seed, crossed.seed) == 1).all(axis=None) and crossed.groupby("data_seed").ngroups == 4
    with pytest.raises(ValueError, match="unknown table 'x'; choose one of boxes-seeds, dataset1-seeds"):
        get_table("x")


def test_the_first_seeds_are_the_same_for_all_cells():
    runs = get_table("boxes-seeds").runs(2)
    assert [(run.dataset[6:], run.seed) for run in runs[:4]] == [("one_side", 0), ("both_sides", 0), ("column", 0), ("one_side", 1)] and len(runs) == 6
    with pytest.raises(ValueError, match="has 20 seeds; got 21"):
        get_table("boxes-seeds").runs(21)


# ---- python -m sdclib


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(tables.TABLES, "tiny", TINY)


def test_run_resumes_and_compare_prints(tiny, tmp_path, capsys):
    folder = ["--results", str(tmp_path)]
    assert main(["run", "tiny", "--seeds", "2", *folder]) == 0
    out = capsys.readouterr().out
    assert "2 runs, 0 stored already" in out and re.search(r"2/2 data_seed=1: train accuracy .* left", out)
    assert main(["compare", "tiny", *folder]) == 0
    shown = capsys.readouterr()
    assert "1 of 3 runs are not stored yet" in shown.err
    assert "boxes_one_side linear" in shown.out and "Nothing published matches" in shown.out
    assert main(["run", "tiny", *folder]) == 0
    out = capsys.readouterr().out
    assert "3 runs, 2 stored already" in out and "3/3" in out and "2/3" not in out
    assert main(["tables", *folder]) == 0
    assert re.search(r"tiny +3 of +3 runs stored +for tests", capsys.readouterr().out)


def test_compare_prints_the_published_with_their_notes(tmp_path, capsys):
    from sdclib.experiments import Store

    store = Store("dataset1-seeds", tmp_path)
    for row in rows(activation="sparsemax"):
        store.append(row, {})
    assert main(["compare", "dataset1-seeds", "--results", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "76.95" in out and "sparsity-dataset1" in out and "misprint" in out and "Nothing published" not in out


def test_names_are_for_scripts_and_errors_for_people(tmp_path, capsys):
    assert main(["tables", "--names"]) == 0
    names = capsys.readouterr().out.split()
    assert names == [name for name, table in TABLES.items() if table.device == "cpu"]
    assert set(TABLES) - set(names) == {"cifar10-layers", "cifar10-entropy", "cifar10-layer-3"}
    assert main(["run", "nothing"]) == 1
    assert capsys.readouterr().err.startswith("error: unknown table 'nothing'; choose one of ")
    assert main(["compare", "boxes-seeds", "--results", str(tmp_path)]) == 1
    assert "no stored table 'boxes-seeds'" in capsys.readouterr().err
    assert main(["run", "boxes-seeds", "--workers", "0", "--results", str(tmp_path)]) == 1
    assert "workers must be at least 1" in capsys.readouterr().err


def test_ctrl_c_ends_with_a_word(tiny, tmp_path, capsys, monkeypatch):
    from sdclib.experiments import engine

    def interrupted(*_args, **_settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "execute", interrupted)
    assert main(["run", "tiny", "--results", str(tmp_path)]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err


def test_the_command_that_is_kept_names_no_folder_of_this_machine(monkeypatch):
    monkeypatch.setattr("sys.argv", ["/home/me/project/sdclib/__main__.py", "run", "boxes-seeds", "--results", "/home/me/some results", "--workers", "2"])
    assert command_line() == "python -m sdclib run boxes-seeds --results 'some results' --workers 2"
    monkeypatch.setattr("sys.argv", ["/home/me/study.py", "results/a"])
    assert command_line() == "study.py results/a"


def test_an_old_engine_is_reported(tiny, tmp_path, capsys):
    from sdclib.experiments import Store

    (row,) = execute(TINY.runs(1), progress=False)
    Store("tiny", tmp_path).append(row | {"engine": 0}, {})
    assert main(["compare", "tiny", "--results", str(tmp_path)]) == 0
    assert "1 rows come from an older engine than version 1: run the table again" in capsys.readouterr().err
    assert main(["tables", "--results", str(tmp_path)]) == 0
    assert re.search(r"tiny +0 of +3 runs stored", capsys.readouterr().out)
