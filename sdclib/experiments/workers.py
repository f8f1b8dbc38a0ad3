"""Where runs are computed: in this process, in processes of one thread each, or in any concurrent.futures executor."""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, ProcessPoolExecutor, wait
from dataclasses import replace
from functools import partial

from tqdm import tqdm

from sdclib.experiments.computing import can_share, checkpoint_of, compute, compute_together

__all__ = ["RunFailed", "compute_all", "compute_on"]


class RunFailed(RuntimeError):
    """A run ended with an error that is no divergence: the message names the run. Or a worker process died. ``__cause__`` is the error."""


def compute_all(runs, workers, executor, stored, checkpoints=None):
    """Yield (row, environment) for every run as it finishes.

    Args:
        runs: list of Runs.
        workers, executor: as for :func:`sdclib.experiments.execute`.
        stored: function (run) -> its row or None, asked right before a run would start: another program may have stored it meanwhile.
            Such a row is yielded with environment None.
        checkpoints: as for :func:`sdclib.experiments.computing.compute`.

    Raises:
        RunFailed: after the runs that were in flight beside the failed one have been yielded.
    """
    one = compute if checkpoints is None else partial(compute, checkpoints=checkpoints)
    if executor is not None:
        yield from _compute_in(executor, one, runs, max(len(runs), 1), stored)  # its workers may be anywhere, and many
    elif min(workers, len(runs)) <= 1:
        for run in runs:
            row = stored(run)
            yield (row, None) if row else _result(run, one, run)
    else:
        context = multiprocessing.get_context("spawn")  # a forked process would inherit PyTorch's threads in whatever state they are
        pool = ProcessPoolExecutor(min(workers, len(runs)), mp_context=context, initializer=_start_worker)
        try:
            yield from _compute_in(pool, one, runs, workers, stored)
        except BaseException:  # Ctrl-C, say: do not wait minutes for rows that nobody will take
            _terminate(pool)
            raise
        pool.shutdown()


def compute_on(device, runs, stored, checkpoints=None, most=25):
    """As :func:`compute_all`, on a device: convolutional networks one after the other, other runs that differ in their seeds alone together, at most
    so many at once.
    """
    one = partial(compute, device=str(device), checkpoints=checkpoints)
    groups = {}
    for run in runs:
        key = replace(run, seed=0, data_seed=0) if can_share(run) else run
        groups.setdefault(key, []).append(run)
    for group in groups.values():
        for start in range(0, len(group), most):
            waiting = []
            for run in group[start : start + most]:
                row = stored(run)
                if row:
                    yield row, None
                else:
                    waiting.append(run)
            if waiting:
                results = compute_together(waiting, device) if can_share(waiting[0]) else map(one if checkpoint_of(waiting[0], "") else compute, waiting)
                yield from _results(waiting, results)


def _results(runs, results):
    """The results, an error that is no divergence as RunFailed."""
    try:
        yield from results
    except Exception as error:
        raise RunFailed(f"{len(runs)} runs like {runs[0]} (hash {runs[0].hash}) failed: {type(error).__name__}: {error}") from error


def _compute_in(executor, one, runs, width, stored):
    """Keep at most ``width`` runs in flight."""
    waiting, flying, failure = list(reversed(runs)), {}, None
    try:
        # BrokenExecutor comes from `submit` or from any future in flight: no run is to blame
        while waiting or flying:
            while waiting and len(flying) < width:
                run = waiting.pop()
                row = stored(run)
                if row:
                    yield row, None
                else:
                    flying[executor.submit(one, run)] = run
            for future in wait(flying, return_when=FIRST_COMPLETED).done if flying else ():
                run = flying.pop(future)
                try:
                    result = _result(run, future.result)
                except RunFailed as error:
                    failure = failure or error
                    waiting, flying = [], {other: run for other, run in flying.items() if not other.cancel()}
                else:
                    yield result
    except BrokenExecutor as error:
        raise RunFailed(
            "a worker process died before its run was finished: out of memory perhaps, or the script that calls execute "
            'does its work without `if __name__ == "__main__":` (every worker imports the script)'
        ) from error
    finally:
        for future in flying:
            future.cancel()
    if failure:
        raise failure


def _result(run, function, *arguments):
    try:
        return function(*arguments)
    except BrokenExecutor:
        raise
    except Exception as error:
        raise RunFailed(f"{run} (hash {run.hash}) failed: {type(error).__name__}: {error}") from error


def _start_worker():
    """In a new worker: Ctrl-C is the parent's business, and a worker whose parent was killed must not wait for work for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tqdm.set_lock(threading.RLock())  # its default is a semaphore of the system, which a worker that is terminated would leave behind
    parent = multiprocessing.parent_process()

    def leave_with_parent():
        parent.join()
        os._exit(1)

    threading.Thread(target=leave_with_parent, daemon=True).start()


def _terminate(pool):
    """End a pool's processes without waiting for their runs (from Python 3.14 on the pool has ``terminate_workers`` for it)."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
    pool.shutdown(cancel_futures=True)  # the pool joins the ended processes and puts its own queues away
