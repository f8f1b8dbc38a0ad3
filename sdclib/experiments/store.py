"""Stored results: NAME.csv, one row a run, and NAME.json, where the rows came from."""

import json
import os
import secrets
import warnings
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path

import pandas as pd

from sdclib._files import write_atomically
from sdclib.experiments import provenance
from sdclib.experiments.rows import COLUMNS, HEADER, MEASURED, parse, to_line
from sdclib.experiments.runs import Run

__all__ = ["RESULTS", "Store", "load_table"]

_ROOT = Path(__file__).resolve().parents[2]
RESULTS = (_ROOT if (_ROOT / "pyproject.toml").is_file() else Path.cwd()) / "results"  # installed without its repository: the folder one works in


class Store:
    """The rows of one table, on disk. Several programs may add to the same table; a program killed at any moment leaves whole rows.

    Lines that are no rows (cut, altered, doubled) are reported by a warning and moved to NAME.csv.damaged.

    Args:
        name: letters, digits, hyphens and underscores.
        folder: where the files are; None = the repository's results/.
        command: what computes the rows, for the provenance; None = this process's command line.

    Raises:
        ValueError: a name of other characters.
    """

    def __init__(self, name, folder=None, command=None):
        self.name, self.folder = _checked_name(name), Path(RESULTS if folder is None else folder)
        self.csv, self.json = self.folder / f"{name}.csv", self.folder / f"{name}.json"
        self.damaged = self.folder / f"{name}.csv.damaged"
        self._command = provenance.command_line() if command is None else command
        self._batches = {}  # environment (as JSON) -> id of the batch of rows computed in it
        self._seen, self._rows = None, {}

    def rows(self):
        """All rows, by the hash of their runs. What another program has added meanwhile is in it."""
        if not self.csv.exists():
            return {}
        if _signature(self.csv) != self._seen:
            with self._lock() if _writable(self.folder) else nullcontext():
                self._refresh()
        return self._rows

    def check(self):
        """Raise what adding a row would raise, before hours go into one: OSError where nothing can be written, ValueError if a file is damaged.

        That the pictures of a run are of another source than the table's shows only when the run has opened them.
        """
        with self._lock():
            self._refresh()
            read_provenance(self.json)

    def append(self, row, environment):
        """Add a row that was computed in ``environment`` (`provenance.environment`); return it as stored, with its ``batch``.

        If the table has a row of that run already, that one stays and is returned, unless an older engine computed it: then it is replaced.

        Raises:
            ValueError: the row rests on pictures of another source than the table's rows of the same data set.
        """
        with self._lock():
            self._refresh()
            old = self._rows.get(row["hash"])
            if old and old["engine"] >= row["engine"]:
                return old
            row = {name: (row | {"batch": self._batch(row, environment)})[name] for name in COLUMNS}
            line = to_line(row)
            if old or (self.csv.exists() and not self._has_all_columns()):
                self._replace({row["hash"]: row})
            elif self.csv.exists():
                _append(self.csv, f"{line}\n")
            else:
                write_atomically(self.csv, f"{HEADER}\n{line}\n")
            self._rows, self._seen = self._rows | {row["hash"]: row}, _signature(self.csv)
        return row

    def adopt(self, other, wanted):
        """Take from another table the whole rows of the runs ``wanted`` (hashes) that this one lacks or has of an older engine, with where they
        came from: the same run gives the same row, whichever table asked for it. Rows on pictures of another source than this table's are left.
        Returns how many were taken.

        Raises:
            ValueError: the other table's NAME.json does not say where one of these rows came from.
        """
        theirs = {key: row for key, row in other.rows().items() if key in wanted and (row["error"] or None not in map(row.get, MEASURED))}
        with self._lock():
            self._refresh()
            new = {key: row for key, row in theirs.items() if key not in self._rows or self._rows[key]["engine"] < row["engine"]}
            if new:
                batches, used = read_provenance(other.json)["batches"], {row["batch"] for row in new.values()}
                if not used <= batches.keys():
                    raise ValueError(f"{other.json} lacks the batch {min(used - batches.keys())} that rows of {other.csv.name} belong to")
                own = read_provenance(self.json)["batches"]
                new = {key: row for key, row in new.items() if self._sources(row["dataset"], own) <= {batches[row["batch"]].get("images")}}
            if new:
                self._write_batches(own | {row["batch"]: batches[row["batch"]] for row in new.values()})
                self._replace(new)
                self._rows, self._seen = self._rows | new, _signature(self.csv)
        return len(new)

    def _has_all_columns(self):
        with self.csv.open(encoding="utf-8") as file:
            return file.readline().rstrip("\n") == HEADER

    def _replace(self, new):
        """Write the file again, whole or not at all, with the rows ``new`` (by hash) for those of the same runs; then forget batches without rows."""
        rows = self._rows | new
        write_atomically(self.csv, "".join(f"{line}\n" for line in (HEADER, *map(to_line, rows.values()))))
        batches, used = read_provenance(self.json)["batches"], {row["batch"] for row in rows.values()}
        if not batches.keys() <= used:
            self._write_batches({batch: about for batch, about in batches.items() if batch in used})

    def _write_batches(self, batches):
        record = {"table": self.name, **read_provenance(self.json), "batches": batches}
        write_atomically(self.json, json.dumps(record, indent=1) + "\n")

    @contextmanager
    def _lock(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._file_lock:
            yield

    @cached_property
    def _file_lock(self):
        """One for the life of the store: a Ctrl-C that comes while a lock is finalised would be lost, as all that is raised there."""
        from filelock import FileLock  # of the operating system: it ends with the process that holds it

        return FileLock(self.folder / f".{self.name}.lock")

    def _refresh(self):
        """Read the file again if it changed, and set aside what is no row. The lock must be held."""
        signature = _signature(self.csv) if self.csv.exists() else None
        if signature == self._seen:
            return
        data = self.csv.read_bytes() if signature else f"{HEADER}\n".encode()
        self._rows, damaged = _parsed(self.csv, data)
        if damaged:
            notes = [f"# {self.csv.name} line {part.line}, set aside {provenance.now()}: {part.reason}\n".encode() + part.raw + b"\n" for part in damaged]
            _append(self.damaged, b"".join(notes))
            bad = {part.line for part in damaged}
            good = [line.rstrip(b"\r") + b"\n" for number, line in enumerate(data.split(b"\n"), start=1) if line and number not in bad]
            write_atomically(self.csv, b"".join(good))
            for part in damaged:
                warnings.warn(f"{self.csv}, line {part.line}: {part.reason}; set aside in {self.damaged.name}", RuntimeWarning, stacklevel=4)
        self._seen = _signature(self.csv) if signature else None

    def _batch(self, row, environment):
        """The id of the batch in NAME.json that rows of this program and environment belong to; made when first asked for."""
        key = json.dumps([environment, row["engine"], row["dtype"]], sort_keys=True)
        batches = read_provenance(self.json)["batches"]
        if self._batches.get(key) not in batches:  # a newer engine may have replaced all rows of this one, and their batch
            self._one_source(row["dataset"], environment.get("images"), batches)
            self._batches[key] = batch = secrets.token_hex(4)
            batches[batch] = {"date": provenance.now(), "command": self._command, **environment, "engine": row["engine"], "dtype": row["dtype"]}
            self._write_batches(batches)
        return self._batches[key]

    def _sources(self, dataset, batches):
        """Where the pictures of the rows of a data set came from; None among them: it has no pictures, or their source is not known."""
        return {batches.get(row["batch"], {}).get("images") for row in self._rows.values() if row["dataset"] == dataset}

    def _one_source(self, dataset, ours, batches):
        """Pictures of two sources (the official files, and copies of one's own) would be averaged as if they were one data set."""
        for theirs in self._sources(dataset, batches) - {ours}:
            raise ValueError(
                f"{self.csv.name} holds rows of {dataset} from {theirs or 'an unknown source'}; this one is from {ours or 'an unknown source'}: "
                "give the same files, or run the table in another folder"
            )


def load_table(name, folder=None):
    """A stored table as a DataFrame, one row a run, sorted by the fields of the runs.

    Args:
        name: of the table, say "boxes-seeds".
        folder: where NAME.csv is; None = the repository's results/.

    Returns:
        DataFrame with the columns of :func:`sdclib.experiments.execute` and ``batch``, the key into NAME.json. What a run does not have is NaN.
        ``.attrs["images"]`` says by batch where pictures came from.

    Raises:
        FileNotFoundError: no such table; the message lists those that are there.
        ValueError: a line of the file is damaged; the message gives file and line. Running the table again sets it aside.
    """
    folder = Path(RESULTS if folder is None else folder)
    path = folder / f"{_checked_name(name)}.csv"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in folder.glob("*.csv"))) or "none"
        raise FileNotFoundError(f"no stored table {name!r}: {path} does not exist; stored tables: {there}")
    rows, damaged = _parsed(path, path.read_bytes())
    if damaged and _writable(folder):  # another program may be in the middle of a line: look again when it has the lock no more
        with Store(name, folder)._lock():
            rows, damaged = _parsed(path, path.read_bytes())
    if damaged:
        places = "; ".join(f"line {part.line}: {part.reason}" for part in damaged)
        raise ValueError(f"{path} is damaged: {places}. Run the table again: that sets such lines aside and computes their rows anew")
    frame = pd.DataFrame(list(rows.values()), columns=list(COLUMNS))
    frame = frame.astype(dict.fromkeys(["stop_below", *MEASURED[1:]], float))
    frame = frame.sort_values(list(Run.__dataclass_fields__), ignore_index=True)
    frame.attrs["images"] = _images(folder / f"{name}.json")
    return frame


def _images(path):
    """Where the pictures of each batch came from, as NAME.json says; nothing if it is not there or damaged: then nothing is known of them."""
    try:
        return {batch: about["images"] for batch, about in read_provenance(path)["batches"].items() if "images" in about}
    except ValueError:
        return {}


def read_provenance(path):
    """The content of NAME.json, or what it begins with; ValueError that names the file if it is no such thing."""
    if not path.exists():
        return {"batches": {}}
    try:
        record = json.loads(path.read_bytes())
        return {**record, "batches": dict(record["batches"])}
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged ({error}); bring it back from version control or move it away") from error


def _parsed(path, data):
    try:
        return parse(data)
    except ValueError as error:
        raise ValueError(f"{path}, {error}") from error


def _checked_name(name):
    if not isinstance(name, str) or not name.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"the name of a table must be letters, digits, hyphens and underscores; got {name!r}")
    return name


def _append(path, content):
    """Add to the end of a file by one write, and wait until it is on the disk."""
    data = content.encode() if isinstance(content, str) else content
    with open(path, "ab", buffering=0) as file:
        written = file.write(data)
        os.fsync(file.fileno())
    if written != len(data):
        raise OSError(f"{path}: only {written} of {len(data)} bytes could be written")


def _writable(folder):
    """Whether a lock can be had; where none can, as in an installation that is shared, nobody writes."""
    return os.access(folder, os.W_OK)


def _signature(path):
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
