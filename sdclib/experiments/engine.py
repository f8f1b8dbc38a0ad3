"""From runs to rows: what is stored is taken, the rest is computed, here or in other processes."""

import warnings
from contextlib import closing, contextmanager

import torch
from threadpoolctl import threadpool_limits

from sdclib import _checks
from sdclib.experiments import computing
from sdclib.experiments import workers as _workers
from sdclib.experiments.runs import Run
from sdclib.experiments.workers import RunFailed
from sdclib.training import progress_bar

__all__ = ["RunFailed", "execute", "valid_rows"]


def execute(runs, workers=1, store=None, executor=None, progress=None, device=None):
    """Compute runs, or take their rows from a store: one row (dict) a run, in the order of ``runs``.

    Args:
        runs: Runs; one that stands there twice is computed once.
        workers: processes of one thread each; 1 = in this process. Each new process imports the script that calls this: with more than 1
            a script must do its work under ``if __name__ == "__main__":``.
        store: a :class:`sdclib.experiments.Store`. Its rows are not computed again (but for those of an older engine, which are replaced),
            and each new row is in it as soon as it is finished: stopping at any moment loses the runs in flight, no more. Convolutional networks
            go on where they were: the state of their training is kept in ``checkpoints/`` beside the table until their row is stored.
        executor: any ``concurrent.futures.Executor`` in place of ``workers``; the caller shuts it down. It gets all runs at once.
        progress: None = a bar where there is a terminal or a notebook; True or False; or a function (done, total, row) called for every
            row that was not stored before.
        device: None = each run on one thread of the processor. Or a device ("cuda"): runs that differ in their seeds alone are trained there
            side by side, in this process, convolutional networks one after the other; the rows are the same up to rounding.

    Returns:
        list of dicts: the run's fields, ``hash``, ``engine``, ``stopped_at`` (the last epoch trained), the measures of
        :func:`sdclib.evaluate` with the prefixes ``train_``, ``recomposed_`` and ``fresh_``, ``seconds`` of processor time, ``error``; with a store
        also ``batch``, the key into its provenance. A run whose training diverged says so in ``error``, has None for its measures and is
        reported by a warning.

    Raises:
        TypeError, ValueError: runs that are not Runs, workers below 1, a device that PyTorch does not have here or beside workers or an executor.
        RunFailed: a run ended with another error, or a worker process died; the rows that were finished or in flight by then are in the store.
    """
    runs = list(runs)
    for run in runs:
        if not isinstance(run, Run):
            raise TypeError(f"runs must be Runs (a dict becomes one by Run.from_dict); got {type(run).__name__}")
    workers = _checks.at_least("workers", workers, 1)
    wanted = {run.hash: run for run in runs}
    rows = {} if store is None else {key: row for key, row in valid_rows(store).items() if key in wanted}
    todo = [run for key, run in wanted.items() if key not in rows]
    if store is not None and todo:
        store.check()
    stored = (lambda run: None) if store is None else (lambda run: valid_rows(store).get(run.hash))
    long = any(computing.checkpoint_of(run, "") for run in todo)
    checkpoints = store.folder / "checkpoints" if long and store is not None else None
    if device is None:
        computed = _workers.compute_all(todo, workers, executor, stored, checkpoints)
    else:
        if workers > 1 or executor is not None:
            raise ValueError("a device is used from this process alone: give it without workers or an executor")
        computed = _workers.compute_on(_device(device), todo, stored, checkpoints)
    with _reporter(len(wanted), len(rows), progress) as report, _same_threads_after(), closing(computed):
        for row, environment in computed:
            if environment is not None:
                if row["error"]:
                    warnings.warn(f"{Run.from_row(row)} did not train: {row['error']}", RuntimeWarning, stacklevel=2)
                if store is not None:
                    row = store.append(row, environment)
                    _forget(wanted[row["hash"]], checkpoints)
            rows[row["hash"]] = row
            report(len(rows), row)
    return [dict(rows[run.hash]) for run in runs]


def _forget(run, checkpoints):
    """What a run that is stored no longer needs."""
    path = computing.checkpoint_of(run, checkpoints)
    if path:
        path.unlink(missing_ok=True)


def _device(name):
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # PyTorch without CUDA asserts
        raise ValueError(f"PyTorch has no device {name!r} here: {str(error).splitlines()[0]}") from None
    return torch.device(name)


def valid_rows(store):
    """The rows of a store that this engine would compute again as they are, by hash: none of an older engine."""
    return {key: row for key, row in store.rows().items() if row["engine"] >= computing.ENGINE}


@contextmanager
def _same_threads_after():
    """A run that is computed here sets this process to one thread: set it back. Also NumPy's: runs in threads of an executor would restore what
    they found, and that may be the one thread of another run.
    """
    threads = torch.get_num_threads()
    try:
        with threadpool_limits(user_api="blas"):  # no limit: only sets back
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _reporter(total, stored, progress):
    """A function (done, row) that reports a finished row, by a bar or through the caller's function."""
    if callable(progress):
        yield lambda done, row: progress(done, total, row)
        return
    with progress_bar(total, progress, done=stored, desc="runs", unit="run") as bar:
        yield lambda done, row: bar.update()
