"""python -m sdclib: list the experiment tables, run one, lay its results beside the published figures."""

import argparse
import os
import sys
import time
import warnings
from datetime import timedelta

__all__ = ["main"]


def main(arguments=None):
    """The command line; returns the exit status."""
    from sdclib import experiments

    options = _parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr, flush=True)
            status = options.command(options)
            sys.stdout.flush()
            return status
    except (ValueError, FileNotFoundError, experiments.RunFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our output (head, say) has seen enough; Python would flush once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("stopped; what was finished is stored, the same command goes on from there", file=sys.stderr)
        return 130


def _tables(options):
    from sdclib.experiments import TABLES, Store
    from sdclib.experiments.engine import valid_rows

    for name, table in TABLES.items():
        if options.names:
            if table.device == "cpu":
                print(name)
            continue
        runs = table.runs()
        stored = valid_rows(Store(name, options.results))
        print(f"{name:<20} {sum(run.hash in stored for run in runs):>4} of {len(runs):>4} runs stored   {table.description}")
    return 0


def _run(options):
    from sdclib.experiments import TABLES, Store, execute, get_table
    from sdclib.experiments.engine import valid_rows

    table = get_table(options.name)
    runs, store = table.runs(options.seeds), Store(options.name, options.results)
    for other in TABLES.keys() - {table.name}:
        theirs = Store(other, options.results)
        taken = store.adopt(theirs, {run.hash for run in runs} & valid_rows(theirs).keys())
        if taken:
            print(f"{taken} runs stand in table {other} already: taken from there", flush=True)
    stored, start = valid_rows(store), time.perf_counter()
    n_stored = sum(run.hash in stored for run in runs)
    print(f"{table.name}: {len(runs)} runs, {n_stored} stored already", flush=True)

    varying = [name for name in runs[0].as_dict() if len({getattr(run, name) for run in runs}) > 1]

    def line(done, total, row):
        elapsed = time.perf_counter() - start
        left = timedelta(seconds=round(elapsed / (done - n_stored) * (total - done)))
        what = row["error"] or f"train accuracy {row['train_accuracy']:.1f}, FTPT {row['train_ftpt']:.1f}, epoch {row['stopped_at']}"
        print(f"{done}/{total} {' '.join(f'{name}={row[name]}' for name in varying)}: {what}; {row['seconds']:.1f} s, about {left} left", flush=True)

    rows = execute(runs, workers=options.workers, store=store, progress=None if sys.stderr.isatty() else line, device=options.device)
    failed = sum(row["error"] != "" for row in rows)
    print(f"{store.csv}: all {len(rows)} runs are there" + (f", {failed} of them did not train" if failed else ""))
    return 0


def _compare(options):
    import pandas as pd

    from sdclib.experiments import compare, get_table, load_table
    from sdclib.experiments.computing import ENGINE

    table, rows = get_table(options.name), load_table(options.name, options.results)
    missing = sum(run.hash not in set(rows.hash) for run in table.runs())
    if missing:
        print(f"warning: {missing} of {len(table.runs())} runs are not stored yet (python -m sdclib run {table.name})", file=sys.stderr)
    if (rows.engine < ENGINE).any():
        print(f"warning: {(rows.engine < ENGINE).sum()} rows come from an older engine than version {ENGINE}: run the table again", file=sys.stderr)
    if (rows.error != "").any():
        print(f"warning: {(rows.error != '').sum()} runs did not train; they are left out of the means", file=sys.stderr)
    for cell, lines in compare(rows).groupby("cell", sort=False):
        print(f"\n{cell}   (95 % interval of the mean over seeds)")
        matched = lines.published.notna().any()
        if not matched:
            lines = lines.drop(columns=["published", "published_n", "published_table", "note"])
        with pd.option_context("display.width", None, "display.max_columns", None, "display.max_colwidth", None):
            print(lines.drop(columns="cell").to_string(index=False, na_rep="", float_format="{:.2f}".format))
        if not matched:
            print("Nothing published matches (same data, architecture, layer, method, learning rate, protocol).")
    return 0


def _check(options):
    from sdclib.experiments import load_table
    from sdclib.experiments.checking import check, sample

    failures = 0
    for _, row in sample(load_table(options.name, options.results), options.rows, options.seed).iterrows():
        lines = check(row)
        failures += (wrong := not lines.near.all())
        print(f"{'DIFFERS' if wrong else 'same'}: {options.name} {row.hash} ({row.seconds:.0f} s when it was stored)", flush=True)
        if wrong:
            print(lines[~lines.near].to_string(), flush=True)
    return int(failures > 0)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m sdclib", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, help):
        sub = commands.add_parser(name, help=help, description=help)
        sub.add_argument("--results", metavar="FOLDER", help="where the stored tables are (default: the repository's results)")
        sub.set_defaults(command=function)
        return sub

    command("tables", _tables, "list the tables").add_argument("--names", action="store_true", help="only the names of those that a processor computes")
    run = command("run", _run, "compute what a table lacks; may be stopped at any time and started again")
    run.add_argument("name", metavar="NAME")
    run.add_argument("--workers", type=int, default=1, metavar="N", help="processes of one thread each (default 1)")
    run.add_argument("--device", metavar="NAME", help="train many seeds at once on a device of PyTorch's, say cuda")
    run.add_argument("--seeds", type=int, metavar="N", help="only the first N seeds of every cell")
    command("compare", _compare, "a stored table beside the published figures").add_argument("name", metavar="NAME")
    check = command("check", _check, "compute some stored rows again and compare; exit status 1 if one differs")
    check.add_argument("name", metavar="NAME")
    check.add_argument("--rows", type=int, default=1, metavar="N", help="how many, chosen at random (default 1)")
    check.add_argument("--seed", type=int, default=0, metavar="S", help="another seed chooses other rows (default 0)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
