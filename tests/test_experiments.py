"""Runs, execution, and how stored rows survive kills, rivals and damage."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from sdclib import distributions, evaluate, fit, make_mosaics, models
from sdclib.experiments import Run, RunFailed, Store, computing, execute, load_table, workers
from sdclib.experiments.computing import compute
from sdclib.experiments.rows import COLUMNS, HEADER, MEASURED, parse, to_line

ROOT = Path(__file__).resolve().parents[1]
TINY = {"dataset": "boxes_one_side", "architecture": "linear", "optimizer": "sgd", "lr": 0.01, "momentum": 0.9, "n": 60, "epochs": 2, "batch_size": 20}


def tiny(n, **settings):
    return [Run(**TINY | settings, seed=seed) for seed in range(n)]


def bare(rows):
    """Rows without what may differ between two computations of the same run."""
    return [{name: value for name, value in row.items() if name not in ("seconds", "batch")} for row in rows]


# ---- Run


def test_the_hash_of_a_run_never_changes():
    # Stored rows are found by these: a change here loses every result.
    assert Run(dataset="dataset1", architecture="A1").hash == "bd4edca8f856d665"
    assert (
        Run(dataset="boxes_column", architecture="column", lr=0.01, epochs=150, stop_below=0.01, data_seed=7, seed=3, dtype="float64").hash
        == "a07c5c283ffcb613"
    )


def test_equal_runs_have_one_hash_however_they_are_written():
    run = Run(dataset="dataset1", architecture="A1", lr=1, entropy_weight=0, seed=5)
    assert Run.from_dict(dict(reversed(run.as_dict().items()))).hash == run.hash
    other = Run(dataset="dataset1", architecture="A1", lr=np.float64(1), entropy_weight=-0.0, seed=np.int64(5))
    assert other == run and other.hash == run.hash
    assert type(other.lr) is float and type(other.seed) is int


def test_every_field_enters_the_hash():
    run = Run(dataset="dataset1", architecture="A1", optimizer="sgd")
    changes = {"dataset": "dataset2", "architecture": "mlp-5-6", "average_at": 1, "activation": "sparsemax", "entropy_weight": 0.1, "optimizer": "adam"}
    changes |= {"lr": 0.5, "momentum": 0.5, "epochs": 3, "batch_size": 7, "stop_below": 0.0, "m": 4, "n": 5, "init": "default", "data_seed": 1, "seed": 1}
    changes |= {"dtype": "float64", "objective": "reinforce", "score_scale": 0.5, "pretrained": "focus", "order": "focus-5"}
    assert set(changes) == set(run.as_dict()) - {"objective_options", "features"}
    hashes = {run.hash, *(replace(run, **{name: value}).hash for name, value in changes.items())}
    assert len(hashes) == len(changes) + 1
    later = replace(run, architecture="A1", average_at=1)
    assert len({later.hash, *(replace(later, features=name).hash for name in ("linear", "separate"))}) == 3


def test_options_of_the_objective_enter_the_hash_and_are_one_however_written():
    run = Run(dataset="dataset1", architecture="A1", objective="reinforce")
    other = replace(run, objective_options={"samples": 2, "baseline": "leave_one_out"})
    assert other.hash != run.hash and other.options == {"samples": 2, "baseline": "leave_one_out"}
    assert replace(run, objective_options='{"baseline":"leave_one_out","samples":2}') == other
    assert replace(run, objective_options={}) == run
    for wrong, message in (
        ({"sample": 2}, "objective 'reinforce' has the options samples, baseline; got sample"),
        ({"samples": 0}, "samples must be at least 1; got 0"),
        ("[1]", r"objective_options must be a dict; got \[1\]"),
        ("{", "objective_options must be a dict of plain values, or the same as JSON; got '{'"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(run, objective_options=wrong)


def test_a_run_is_frozen():
    with pytest.raises(FrozenInstanceError):
        tiny(1)[0].seed = 3


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"dataset": "boxes"}, ValueError, "unknown dataset 'boxes'; choose one of boxes_one_side, "),
        ({"architecture": "A3"}, ValueError, "unknown architecture 'A3'; choose one of linear"),
        ({"activation": "softermax"}, ValueError, "softmax, sparsemax"),
        ({"objective": "gentle"}, ValueError, "choose one of soft"),
        ({"optimizer": "adamw"}, ValueError, "adam, sgd"),
        ({"init": "zero"}, ValueError, "paper, default"),
        ({"dtype": "float16"}, ValueError, "float32, float64"),
        ({"average_at": 1}, ValueError, "average_at must be at most 0 for architecture 'linear'; got 1"),
        ({"features": "linear"}, ValueError, "features='linear' needs a layer to average at"),
        ({"features": "relu"}, ValueError, "unknown features 'relu'; choose one of tanh, linear, separate"),
        ({"order": "focus-0"}, ValueError, "order must be 'both', 'focus'"),
        ({"pretrained": "both"}, ValueError, "unknown pretrained 'both'"),
        ({"score_scale": -1.0}, ValueError, r"score_scale must be in \[0, inf\)"),
        ({"entropy_weight": 1.0}, ValueError, r"entropy_weight must be in \[0, 1\); got 1.0"),
        ({"objective": "entropy"}, ValueError, "objective 'entropy' needs an entropy_weight above 0; got 0"),
        ({"lr": 0.0}, ValueError, "lr must be in"),
        ({"lr": float("nan")}, ValueError, "lr must be in"),
        ({"momentum": 0.5, "optimizer": "adam"}, ValueError, "momentum is for sgd"),
        ({"m": 0}, ValueError, "m must be at least 1; got 0"),
        ({"n": 2.5}, TypeError, "n must be a whole number; got 2.5"),
        ({"seed": -1}, ValueError, "seed must be at least 0; got -1"),
        ({"seed": True}, TypeError, "seed must be a whole number"),
        ({"stop_below": float("inf")}, ValueError, "stop_below must be finite"),
        ({"learning_rate": 0.1}, ValueError, "unknown fields of a run: 'learning_rate'; it has dataset, "),
    ],
)
def test_a_bad_field_says_what_was_wanted(change, error, words):
    with pytest.raises(error, match=words):
        Run.from_dict(TINY | change)


def test_a_run_without_a_data_set_says_so():
    with pytest.raises(ValueError, match="a run needs dataset and architecture; got only lr"):
        Run.from_dict({"lr": 0.1})


# ---- execute


def test_rows_are_what_training_by_hand_gives():
    run = Run(**TINY | {"dtype": "float64"}, data_seed=3, seed=4)
    (row,) = execute([run], progress=False)
    base = distributions.get(run.dataset)
    data = make_mosaics(base, run.n, run.m, 3, dtype=torch.float64)
    model = models.build("linear", data.feature_shape, data.n_classes, seed=4, dtype=torch.float64)
    fit(model, data, optimizer="sgd", lr=0.01, momentum=0.9, epochs=2, batch_size=20, seed=4)
    for split in ("train", "recomposed", "fresh"):
        for name, value in evaluate(model, make_mosaics(base, run.n, run.m, 3, split=split, dtype=torch.float64)).items():
            assert row[f"{split}_{name}"] == pytest.approx(value, abs=1e-9), (split, name)
    assert row["stopped_at"] == 2 and row["hash"] == run.hash and row["error"] == "" and row["seconds"] > 0
    assert {name: row[name] for name in run.as_dict()} == run.as_dict()
    assert set(row) == set(COLUMNS) - {"batch"}


def test_where_a_run_stops_is_in_its_row():
    (row,) = execute(tiny(1, stop_below=100.0, epochs=50), progress=False)
    assert (row["stopped_at"], row["epochs"]) == (1, 50)


def test_rows_come_in_the_order_of_the_runs_and_twins_are_computed_once():
    runs, seen = tiny(3), []
    rows = execute([runs[2], runs[0], runs[2], runs[1]], progress=lambda done, total, row: seen.append((done, total)))
    assert [row["seed"] for row in rows] == [2, 0, 2, 1]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert rows[0] is not rows[2]


def test_any_executor_gives_the_same_rows(tmp_path):
    runs, threads = tiny(6), torch.get_num_threads()
    torch.set_num_threads(2)
    with ThreadPoolExecutor(3) as executor:
        rows = execute(runs, executor=executor, store=Store("t", tmp_path), progress=False)
        assert executor.submit(int).result() == 0  # still the caller's
    assert bare(rows) == bare(execute(runs, progress=False))
    found = torch.get_num_threads()
    torch.set_num_threads(threads)
    assert found == 2


def test_runs_in_threads_leave_the_threads_of_the_products_as_they_were(monkeypatch):
    """The first of two that overlap would set back what it found, the second the one thread of the first."""
    both = threading.Barrier(2)

    def overlapping(run):
        found = compute(run)
        both.wait(60)
        if run.seed == 0:
            with threadpool_limits(1, user_api="blas"):
                both.wait(60)
                both.wait(60)
            both.wait(60)
        else:
            both.wait(60)
            with threadpool_limits(1, user_api="blas"):
                both.wait(60)
                both.wait(60)
        return found

    def threads():
        return {info["filepath"]: info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}

    monkeypatch.setattr(workers, "compute", overlapping)
    limits = []
    setter = threading.Thread(target=lambda: limits.append(threadpool_limits(2, user_api="blas")))  # of a thread that is alive they would be its own
    setter.start()
    setter.join()
    with limits[0], ThreadPoolExecutor(2) as executor:  # which sets back in the end
        before = threads()
        execute(tiny(2), executor=executor, progress=False)
        assert threads() == before and 2 in before.values()


@pytest.mark.parametrize("device", ["cpu", *["cuda"] * torch.cuda.is_available()])
def test_seeds_side_by_side_on_a_device_give_the_same_rows(tmp_path, device):
    runs = [*tiny(4, dtype="float64"), *tiny(3, dtype="float64", objective="marginal"), *tiny(2, dtype="float64", objective="reinforce", epochs=1)]
    runs += [*tiny(2, dtype="float64", lr=0.02), *tiny(5, dtype="float64", stop_below=0.9, epochs=40)]
    one_by_one = execute(runs, progress=False)
    together = execute(runs, device=device, store=Store("t", tmp_path), progress=False)
    for ours, theirs in zip(together, one_by_one, strict=True):
        assert ours["hash"] == theirs["hash"] and ours["mode"] == theirs["mode"] and ours["stopped_at"] == theirs["stopped_at"]
        for name in MEASURED:
            assert ours[name] == pytest.approx(theirs[name], rel=1e-6, abs=1e-8), name
    assert execute(runs, device=device, store=Store("t", tmp_path), progress=_no_run) == together
    assert len({row["stopped_at"] for row in together[-5:]}) > 1


def test_many_seeds_go_to_a_device_in_parts(monkeypatch):
    parts, together = [], workers.compute_together
    monkeypatch.setattr(workers, "compute_together", lambda runs, device: parts.append(len(runs)) or together(runs, device))
    taken = {"hash": "stored"}
    found = list(workers.compute_on("cpu", tiny(6), lambda run: taken if run.seed == 1 else None, most=2))
    assert parts == [1, 2, 2] and (taken, None) in found
    assert sorted(row["seed"] for row, _ in found if row is not taken) == [0, 2, 3, 4, 5]


def test_one_run_that_diverges_on_a_device_leaves_the_others_their_rows():
    wild = [Run(**TINY | {"lr": 1e38}, seed=seed) for seed in (0, 1)]
    with pytest.warns(RuntimeWarning, match="did not train"):
        rows = execute([*wild, *tiny(2)], device="cpu", progress=False)
    assert [row["error"] == "" for row in rows] == [False, False, True, True]


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="PyTorch has no device 'nonsense' here"):
        execute(tiny(1), device="nonsense")
    with pytest.raises(ValueError, match="a device is used from this process alone"):
        execute(tiny(1), device="cpu", workers=2)


def test_a_dask_cluster_gives_the_same_rows(tmp_path):
    distributed = pytest.importorskip("distributed", reason="the optional extra sdclib[cluster] is not installed")
    runs, folder = tiny(6), {"local_directory": tmp_path}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, **folder) as cluster,
        distributed.Client(cluster) as client,
    ):
        rows = execute(runs, executor=client.get_executor(), store=Store("t", tmp_path), progress=False)
    assert bare(rows) == bare(execute(runs, progress=False))
    assert sorted(load_table("t", tmp_path).hash) == sorted(run.hash for run in runs)


def test_wrong_arguments_of_execute():
    with pytest.raises(TypeError, match="runs must be Runs .*; got dict"):
        execute([TINY])
    with pytest.raises(ValueError, match="workers must be at least 1; got 0"):
        execute(tiny(1), workers=0)
    assert execute([]) == []


def test_a_run_that_diverges_keeps_the_others_and_is_not_tried_again(tmp_path):
    runs = [*tiny(1), *tiny(1, lr=1e38), *tiny(2)[1:]]
    with pytest.warns(RuntimeWarning, match=r"Run\(dataset='boxes_one_side'.*lr=1e\+38.* did not train: TrainingDiverged"):
        rows = execute(runs, store=Store("t", tmp_path), progress=False)
    assert [row["error"] == "" for row in rows] == [True, False, True]
    assert all(rows[1][name] is None for name in MEASURED)
    assert bare(execute(runs, store=Store("t", tmp_path), progress=_no_run)) == bare(rows)
    frame = load_table("t", tmp_path)
    assert frame.train_ftpt.isna().sum() == 1 and frame.train_ftpt.dtype == float


@pytest.mark.parametrize("executor", [None, ThreadPoolExecutor])
def test_another_error_names_its_run_and_loses_no_finished_row(tmp_path, monkeypatch, executor):
    def fails_at_2(run):
        if run.seed == 2:
            raise MemoryError("no room")
        return compute(run)

    monkeypatch.setattr(workers, "compute", fails_at_2)
    pool = executor and executor(1)
    with pytest.raises(RunFailed, match=r"Run\(.*seed=2\) \(hash [0-9a-f]{16}\) failed: MemoryError: no room") as caught:
        execute(tiny(5), store=Store("t", tmp_path), executor=pool, progress=False)
    assert isinstance(caught.value.__cause__, MemoryError)
    assert {0, 1} <= set(load_table("t", tmp_path).seed) <= {0, 1, 3, 4}
    if pool:
        pool.shutdown()


def _no_run(done, total, row):
    raise AssertionError(f"this row was to come from the store: {row}")


# ---- other processes


def test_two_workers_give_the_same_rows(tmp_path):
    runs = tiny(6)
    rows = execute(runs, workers=2, store=Store("t", tmp_path), progress=False)
    assert bare(rows) == bare(execute(runs, progress=False))
    assert sorted(load_table("t", tmp_path).hash) == sorted(run.hash for run in runs)


def test_a_script_without_a_guard_is_told_so(tmp_path):
    """Every worker imports the script, would start workers of its own, and dies of it: no run is to blame."""
    script = tmp_path / "unguarded.py"
    script.write_text(f"from sdclib.experiments import Run, execute\nexecute([Run(**{TINY}, seed=seed) for seed in range(2)], workers=2)\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)})
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("sdclib.experiments.workers.RunFailed: a worker process died") and 'without `if __name__ == "__main__":`' in last


def test_an_interrupt_keeps_what_was_finished(tmp_path):
    def interrupt_at_3(done, total, row):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(tiny(6), store=Store("t", tmp_path), progress=interrupt_at_3)
    assert list(load_table("t", tmp_path).seed) == [0, 1, 2]


SCRIPT = """
import sys
from sdclib.experiments import Run, Store, execute
if __name__ == "__main__":
    folder, n, workers, settings = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), eval(sys.argv[4])
    execute([Run(**settings, seed=seed) for seed in range(n)], workers=workers, store=Store("t", folder), progress=False)
"""


def _runner(tmp_path, n, workers=1, **settings):
    script = tmp_path / "runner.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, script, tmp_path, str(n), str(workers), repr(TINY | settings)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, preexec_fn=_hear_ctrl_c if os.name == "posix" else None)


def _hear_ctrl_c():
    """A shell's background jobs ignore it, and so would what they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _wait_for_rows(path, least, process):
    def there():
        assert process.poll() is None, "the runner ended too early"
        return path.exists() and path.read_bytes().count(b"\n") > least

    _wait_until(there)


def _wait_until(happened, seconds=300):
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"it did not happen in {seconds} seconds"
        time.sleep(0.005)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")
def test_a_killed_runner_loses_only_what_was_in_flight(tmp_path):
    n = 24
    process = _runner(tmp_path, n, workers=2, epochs=30)
    _wait_for_rows(tmp_path / "t.csv", 4, process)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    stored = set(load_table("t", tmp_path).hash)
    assert 4 <= len(stored) < n
    runs, computed = tiny(n, epochs=30), []
    rows = execute(runs, store=Store("t", tmp_path), progress=lambda done, total, row: computed.append(row["hash"]))
    assert len(computed) == n - len(stored) and stored.isdisjoint(computed)
    assert bare(rows) == bare(execute(runs, progress=False))
    assert len(load_table("t", tmp_path)) == n and not (tmp_path / "t.csv.damaged").exists()
    gone, alive = psutil.wait_procs(family, timeout=120)
    assert not alive, "workers outlived the runner that was killed"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 on this system")
def test_twenty_kills_at_random_points_change_nothing(tmp_path):
    """Before the first row, between rows, or while one is written: whatever was stored when the runner died is whole and stays."""
    n, settings, rng = 160, {"epochs": 20}, np.random.default_rng(0)
    path, stored, within = tmp_path / "t.csv", set(), 0
    for kill in range(20):
        process = _runner(tmp_path, n, workers=1 + (kill % 5 == 0), **settings)
        if kill % 4:  # else whenever, perhaps before it has begun
            _wait_for_rows(path, len(stored) + 1, process)
        time.sleep(rng.uniform(0, 0.3))
        assert process.poll() is None, "the runner ended before it was killed: give it more to do"
        process.kill()
        process.wait()
        now = set(load_table("t", tmp_path).hash) if path.exists() else set()
        assert stored <= now
        within += len(now) > len(stored)
        stored = now
    assert within >= 15 and len(stored) < n
    rows = execute(tiny(n, **settings), store=Store("t", tmp_path), progress=False)
    assert bare(rows) == bare(execute(tiny(n, **settings), progress=False))
    assert len(load_table("t", tmp_path)) == n


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups on this system")
def test_ctrl_c_in_a_terminal_ends_the_command_its_workers_and_their_semaphores(tmp_path):
    command = [sys.executable, "-m", "sdclib", "run", "boxes-seeds", "--workers", "2", "--results", tmp_path]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_hear_ctrl_c,
    )
    _wait_for_rows(tmp_path / "boxes-seeds.csv", 1, process)
    family = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert output.splitlines()[-1].startswith("stopped; what was finished is stored") and "leaked" not in output and "Traceback" not in output
    assert not psutil.wait_procs(family, timeout=120)[1]
    assert len(load_table("boxes-seeds", tmp_path)) < 60


def test_a_closed_pipe_ends_the_command_quietly(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "sdclib", "compare", "boxes-seeds"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()  # as head does when it has enough
    assert process.stderr.read() == ""
    assert process.wait(120) == 1


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="no process groups on this system")
def test_ctrl_c_does_not_wait_for_long_runs(tmp_path):
    process = _runner(tmp_path, 2, workers=2, epochs=10**7)
    family = []

    def at_work():
        family[:] = psutil.Process(process.pid).children(recursive=True)
        return sum(child.cpu_times().user > 4 for child in family) >= 2

    _wait_until(at_work)
    process.send_signal(signal.SIGINT)
    try:
        assert process.wait(60) != 0
        assert not psutil.wait_procs(family, timeout=60)[1]
    finally:
        process.kill()


def test_two_runners_on_one_table_store_every_run_once(tmp_path):
    n = 40
    rival = _runner(tmp_path, n, epochs=20)
    _wait_for_rows(tmp_path / "t.csv", 1, rival)
    execute(reversed(tiny(n, epochs=20)), store=Store("t", tmp_path), progress=False)
    assert rival.wait(300) == 0
    data = (tmp_path / "t.csv").read_bytes()
    rows, damaged = parse(data)
    assert not damaged and data.count(b"\n") == n + 1
    assert sorted(rows) == sorted(run.hash for run in tiny(n, epochs=20))
    batches = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["batches"]
    assert {row["batch"] for row in rows.values()} <= set(batches)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*set aside in t.csv.damaged:RuntimeWarning", "ignore:.*use of fork:DeprecationWarning")
def test_sixty_kills_while_rows_are_written(tmp_path, computed):
    """Here nothing takes time but the storing, so that kills hit it: a line may be cut, and is set aside; no row that was stored goes."""
    made = [computed[0][0] | run.as_dict() | {"hash": run.hash} for run in tiny(6000)]
    path, stored, rng = tmp_path / "t.csv", set(), np.random.default_rng(0)
    for _ in range(60):
        waiting, size = [row for row in made if row["hash"] not in stored], path.stat().st_size if stored else 0
        child = os.fork()
        if child == 0:
            try:
                store = Store("t", tmp_path)
                for row in waiting:
                    store.append(row, computed[0][1])
            finally:
                os._exit(0)  # never back into pytest
        _wait_until(lambda size=size: path.exists() and path.stat().st_size > size)
        time.sleep(rng.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        now = set(Store("t", tmp_path).rows())
        assert stored <= now
        stored = now
    assert 30 < len(stored) < 6000
    batches = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["batches"]
    assert set(load_table("t", tmp_path).batch) <= set(batches)


RIVAL = """
import sys, time
from dataclasses import replace
from pathlib import Path
from sdclib.experiments import Run, Store
from sdclib.experiments.computing import compute
run = Run(**eval(sys.argv[2]))
row, environment = compute(run)
runs = [replace(run, seed=seed) for seed in range(200)][:: int(sys.argv[3])]
folder, name = Path(sys.argv[1]), sys.argv[3]
(folder / f"ready{name}").touch()
while not (folder / "go").exists():
    pass
store = Store("t", folder, command=name)
for run in runs:
    store.append(row | run.as_dict() | {"hash": run.hash}, environment)
"""


def test_rivals_that_store_the_same_rows_at_once(tmp_path):
    """Here nothing takes time but the storing, so that writing meets writing; without a lock rows are doubled or a batch is lost."""
    command = [sys.executable, "-c", RIVAL, tmp_path, repr(TINY)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    rivals = [subprocess.Popen([*command, step], env=environment) for step in ("1", "-1")]
    _wait_until(lambda: all((tmp_path / f"ready{step}").exists() for step in ("1", "-1")))
    (tmp_path / "go").touch()
    assert [rival.wait(300) for rival in rivals] == [0, 0]
    rows, damaged = parse((tmp_path / "t.csv").read_bytes())
    assert not damaged and not (tmp_path / "t.csv.damaged").exists()
    assert sorted(rows) == sorted(run.hash for run in tiny(200))
    batches = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["batches"]
    assert {row["batch"] for row in rows.values()} == set(batches)


def test_a_rival_row_is_taken_and_not_computed(tmp_path, monkeypatch):
    runs, rival, computed = tiny(4), Store("t", tmp_path), []
    monkeypatch.setattr(workers, "compute", lambda run: computed.append(run.seed) or compute(run))

    def meanwhile(done, total, row):
        if done == 1:
            rival.append(*compute(runs[2]))

    rows = execute(runs, store=Store("t", tmp_path), progress=meanwhile)
    assert rows[2] == rival.rows()[runs[2].hash] and computed == [0, 1, 3]
    assert len({row["batch"] for row in rows}) == 2  # the rival's own batch


# ---- the store


@pytest.fixture(scope="module")
def computed():
    return [compute(run) for run in tiny(4)]


@pytest.fixture
def store(tmp_path, computed):
    store = Store("t", tmp_path, command="made by a test")
    for result in computed:
        store.append(*result)
    return store


def test_provenance_says_where_each_row_came_from(store):
    record = json.loads(store.json.read_text(encoding="utf-8"))
    assert record["table"] == "t"
    ((batch, entry),) = record["batches"].items()
    assert {row["batch"] for row in store.rows().values()} == {batch}
    assert entry["command"] == "made by a test" and entry["torch"] == torch.__version__ and entry["threads"] == 1 and entry["dtype"] == "float32"
    assert {"python", "numpy", "sdclib", "engine", "processor", "system", "date"} <= set(entry)
    assert pd.Timestamp(entry["date"]).tzname() == "UTC"


def test_another_program_makes_another_batch(store, computed, tmp_path):
    row, environment = compute(Run(**TINY, seed=9))
    Store("t", tmp_path).append(row, environment)
    assert len(json.loads(store.json.read_text(encoding="utf-8"))["batches"]) == 2
    assert len(store.rows()) == 5  # seen without being told


def test_pictures_of_two_sources_are_not_mixed(tmp_path, computed):
    store = Store("t", tmp_path)
    (first, about), (second, _) = computed[:2]
    store.append(first, about | {"images": "official"})
    with pytest.raises(ValueError, match="holds rows of boxes_one_side from official; this one is from copies"):
        store.append(second, about | {"images": "copies"})
    store.append(second, about | {"images": "official"})
    assert len(store.rows()) == 2 and set(load_table("t", tmp_path).attrs["images"].values()) == {"official"}


def test_a_run_on_other_pictures_than_the_tables_is_refused_and_the_table_stays(tmp_path):
    run = Run(dataset="digits", architecture="cnn-small", n=30, epochs=1)
    store = Store("t", tmp_path)
    (row,) = execute([run], store=store, progress=False)
    before, record = store.csv.read_bytes(), store.json.read_text(encoding="utf-8")
    store.json.write_text(record.replace("the digits that scikit-learn ships", "copies"), encoding="utf-8")
    with pytest.raises(ValueError, match="t.csv holds rows of digits from copies; this one is from the digits that scikit-learn ships"):
        execute([run, replace(run, seed=1)], store=Store("t", tmp_path), progress=False)
    assert store.csv.read_bytes() == before
    store.json.write_text(record, encoding="utf-8")
    assert len(execute([run, replace(run, seed=1)], store=Store("t", tmp_path), progress=False)) == 2


@pytest.mark.parametrize("name", ["digits", "boxes-seeds"])
def test_a_stored_table_is_extended_as_before(tmp_path, name):
    for kind in ("csv", "json"):
        (tmp_path / f"{name}.{kind}").write_bytes((ROOT / "results" / f"{name}.{kind}").read_bytes())
    run = Run(dataset="digits", architecture="cnn-small", n=30, epochs=1) if name == "digits" else tiny(1)[0]
    before = len(load_table(name, tmp_path))
    execute([run], store=Store(name, tmp_path), progress=False)
    assert len(load_table(name, tmp_path)) == before + 1


def test_rows_on_pictures_of_another_source_are_not_taken_from_another_table(tmp_path, computed):
    (first, about), (second, _) = computed[:2]
    one, other = Store("one", tmp_path), Store("other", tmp_path)
    one.append(first, about | {"images": "official"})
    other.append(second, about | {"images": "copies"})
    assert one.adopt(other, {second["hash"]}) == 0
    assert list(one.rows()) == [first["hash"]] and len(json.loads(one.json.read_text(encoding="utf-8"))["batches"]) == 1
    assert Store("empty", tmp_path).adopt(other, {second["hash"]}) == 1


def test_what_is_read_is_what_was_written(store, computed):
    again = Store("t", store.folder).rows()
    assert bare(again.values()) == bare(row for row, _ in computed)
    assert all(again[row["hash"]]["seconds"] == row["seconds"] for row, _ in computed)


_FLOATS = st.lists(st.floats(allow_nan=False), min_size=len(MEASURED) - 1, max_size=len(MEASURED) - 1)


@given(values=_FLOATS, error=st.text(st.characters(codec="utf-8", exclude_characters="\n\r")))
@settings(max_examples=30, deadline=None)
def test_every_float_and_text_survives_the_file(computed, values, error):
    row = computed[0][0] | dict(zip(MEASURED[1:], values, strict=True)) | {"error": error, "batch": "b"}
    rows, damaged = parse(f"{HEADER}\n{to_line(row)}\n".encode())
    assert not damaged and list(rows.values()) == [row]


def test_a_row_is_stored_once(store, computed):
    row, environment = computed[1]
    first = store.rows()[row["hash"]]
    assert store.append(row | {"train_ftpt": 0.0}, environment) == first
    assert len(load_table("t", store.folder)) == 4


def test_rows_of_an_older_engine_are_computed_again_and_replaced(store, computed, monkeypatch):
    runs, again = tiny(4), []
    monkeypatch.setattr(computing, "ENGINE", 2)
    newer = Store("t", store.folder)
    newer.append(computed[3][0] | {"engine": 2}, computed[3][1])
    rows = execute(runs, store=newer, progress=lambda done, total, row: again.append(row["seed"]))
    assert again == [0, 1, 2], "the row of this engine is taken, those of the older one are not"
    frame = load_table("t", store.folder)
    assert frame.seed.tolist() == [0, 1, 2, 3] and (frame.engine == 2).all() and [row["engine"] for row in rows] == [2] * 4
    assert set(frame.batch) == set(json.loads(store.json.read_text())["batches"])
    assert not store.damaged.exists()
    assert store.append(*computed[0])["engine"] == 2, "an older engine does not replace a newer row"
    monkeypatch.setattr(computing, "ENGINE", 1)
    fifth, environment = compute(Run(**TINY, seed=9))
    assert store.append(fifth, environment)["batch"] in json.loads(store.json.read_text())["batches"]


@pytest.mark.parametrize("cut", [1, 2, 100, 400])
def test_a_line_cut_by_a_crash_is_set_aside_and_computed_again(store, cut):
    whole = store.csv.read_bytes()
    store.csv.write_bytes(whole[:-cut])
    with pytest.raises(ValueError, match=r"t\.csv is damaged: line 5: .* Run the table again"):
        load_table("t", store.folder)
    with pytest.warns(RuntimeWarning, match=r"t\.csv, line 5: .*; set aside in t\.csv\.damaged"):
        rows = execute(tiny(4), store=Store("t", store.folder), progress=False)
    assert len(rows) == len(load_table("t", store.folder)) == 4
    last_line = whole.splitlines()[-1] + b"\n"
    assert (last_line[:-cut]) in store.damaged.read_bytes()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda line: line.replace(b",0.0,sgd,", b",0.1,sgd,"), "cut or altered"),
        (lambda line: line[:40] + b"\x00\xff" + line[42:], "can't decode"),
        (lambda line: line + b"\n" + line, "a second row of the run"),
        (lambda line: b"", "cut or altered"),
    ],
)
def test_a_damaged_line_is_reported_and_kept_apart(store, damage, reason):
    lines = store.csv.read_bytes().splitlines()
    lines[2] = damage(lines[2])
    store.csv.write_bytes(b"\n".join(lines) + b"\n")
    number = 4 if "second" in reason else 3
    with pytest.raises(ValueError, match=rf"line {number}: .*{reason}"):
        load_table("t", store.folder)
    with pytest.warns(RuntimeWarning, match=rf"t\.csv, line {number}: .*{reason}"):
        left = Store("t", store.folder).rows()
    assert len(left) == (4 if "second" in reason else 3)
    kept = store.damaged.read_bytes().splitlines()
    assert kept[0].startswith(b"# t.csv line %d, set aside " % number) and kept[1:] == [lines[2].splitlines()[-1] if lines[2] else b""]
    assert list(parse(store.csv.read_bytes())) == [left, []]


def test_a_row_under_a_wrong_hash_is_damage(store, computed):
    forged = to_line(computed[0][0] | {"seed": 77, "batch": "b"})
    store.csv.write_text(f"{HEADER}\n{forged}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=f"line 2: the hash of its run is .* and not {computed[0][0]['hash']}"):
        load_table("t", store.folder)


def test_a_file_that_is_no_table_and_a_broken_provenance_stop_the_runner(store):
    store.json.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"t\.json is damaged"):
        Store("t", store.folder).append(*compute(Run(**TINY, seed=9)))
    store.csv.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"t\.csv, line 1 must be 'dataset,"):
        Store("t", store.folder).rows()
    assert store.csv.read_text(encoding="utf-8") == "a,b\n1,2\n"


def test_a_table_is_read_sorted(store):
    frame = load_table("t", store.folder)
    assert list(frame.seed) == [0, 1, 2, 3] and list(frame.columns) == list(COLUMNS)
    assert [Run.from_row(frame.iloc[i]) for i in range(4)] == tiny(4)
    with pytest.raises(FileNotFoundError, match="no stored table 'u'.*stored tables: t"):
        load_table("u", store.folder)


def test_what_cannot_be_stored_is_not_computed(store, monkeypatch):
    def no_run(run):
        raise AssertionError("computed")

    monkeypatch.setattr(workers, "compute", no_run)
    store.json.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"t\.json is damaged"):
        execute(tiny(5), store=store, progress=False)
    assert len(execute(tiny(4), store=store, progress=False)) == 4  # nothing to store
    monkeypatch.setattr(FileLock, "acquire", _refused)
    with pytest.raises(PermissionError):
        execute(tiny(5), store=Store("u", store.folder), progress=False)


@pytest.mark.parametrize("name", ["", "../t", "a b", 3])
def test_a_table_name_is_no_path(name, tmp_path):
    with pytest.raises(ValueError, match="the name of a table must be letters"):
        Store(name, tmp_path)


def test_a_line_that_is_being_written_is_waited_for(store):
    whole, found = store.csv.read_bytes(), []
    reader = threading.Thread(target=lambda: found.append(load_table("t", store.folder)))
    with FileLock(store.folder / ".t.lock"):
        store.csv.write_bytes(whole[:-100])
        reader.start()
        time.sleep(0.3)
        store.csv.write_bytes(whole)
    reader.join(60)
    assert [len(frame) for frame in found] == [4]


def _refused(*_arguments, **_settings):
    raise PermissionError("read-only")


def test_a_folder_that_may_only_be_read_is_read(store, monkeypatch):
    """No lock file can be made there. Permissions do not bind root, so the system's answers are made up."""
    monkeypatch.setattr(FileLock, "acquire", _refused)
    with pytest.raises(PermissionError):
        Store("t", store.folder).rows()
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert len(Store("t", store.folder).rows()) == len(load_table("t", store.folder)) == 4
    store.csv.write_bytes(store.csv.read_bytes()[:-1])
    with pytest.raises(ValueError, match="line 5"):
        load_table("t", store.folder)


def test_a_file_that_lacks_later_columns_is_read_and_gets_them(tmp_path, computed):
    """A measure added to the library loses no row; the first row that is added writes the file anew, with all columns."""
    store = Store("t", tmp_path)
    for row, environment in computed[:2]:
        store.append(row, environment)
    whole = dict(store.rows())
    cut = [name for name in COLUMNS if name not in ("objective_options", "fresh_mixture_ftpt")]
    lines = [",".join((*cut, "check"))]
    for row in whole.values():
        line = ",".join("" if row[name] is None else str(row[name]) for name in cut)
        lines.append(f"{line},{zlib.crc32(line.encode()):08x}")
    store.csv.write_text("\n".join(lines) + "\n", encoding="utf-8")
    older = Store("t", tmp_path)
    assert older.rows() == {key: row | {"fresh_mixture_ftpt": None} for key, row in whole.items()}
    older.append(*computed[2])
    assert store.csv.read_text(encoding="utf-8").split("\n")[0] == HEADER
    assert list(Store("t", tmp_path).rows()) == [row["hash"] for row, _ in computed[:3]]


def test_rows_of_the_same_runs_are_taken_from_another_table(store, computed, tmp_path):
    """Whole rows, once, with their provenance; rows that lack a measure are left to be computed."""
    poor = compute(replace(tiny(1)[0], seed=9))[0] | {"train_mixture_ftpt": None}
    store.append(poor, computed[0][1])
    other = Store("other", tmp_path)
    other.append(*computed[1])
    wanted = {computed[i][0]["hash"] for i in (0, 1, 2)} | {poor["hash"]}
    assert [other.adopt(store, wanted), other.adopt(store, wanted)] == [2, 0]
    again = Store("other", tmp_path)
    assert set(again.rows()) == wanted - {poor["hash"]}
    assert again.rows()[computed[0][0]["hash"]] == store.rows()[computed[0][0]["hash"]]
    batches = json.loads(other.json.read_text(encoding="utf-8"))["batches"]
    assert {row["batch"] for row in again.rows().values()} == set(batches)
    assert other.adopt(Store("none", tmp_path), wanted) == 0


def test_rows_of_an_older_engine_give_way_to_those_of_another_table(store, computed, tmp_path):
    other, row = Store("other", tmp_path, command="older"), computed[0][0]
    other.append(row | {"engine": 0}, computed[0][1])
    assert other.adopt(store, {row["hash"]}) == 1
    assert Store("other", tmp_path).rows() == other.rows() == {row["hash"]: store.rows()[row["hash"]]}
    assert [batch["command"] for batch in json.loads(other.json.read_text(encoding="utf-8"))["batches"].values()] == ["made by a test"]
    assert store.adopt(other, {row["hash"]}) == 0


def test_rows_whose_origin_is_lost_are_not_taken(store, computed, tmp_path):
    store.json.unlink()
    other = Store("other", tmp_path)
    with pytest.raises(ValueError, match=r"t\.json lacks the batch [0-9a-f]{8} that rows of t\.csv belong to"):
        other.adopt(store, {computed[0][0]["hash"]})
    assert not other.csv.exists()
