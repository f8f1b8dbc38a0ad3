"""A row as a line of CSV and back, exactly: numbers as Python's repr, a checksum at the end of the line."""

import csv
import io
import zlib
from dataclasses import fields
from typing import NamedTuple

from sdclib.evaluation import BY_INFERENCE, MEASURES
from sdclib.experiments.runs import LATER, Run

__all__ = ["COLUMNS", "HEADER", "MEASURED", "SPLITS", "Damage", "parse", "to_line"]

SPLITS = ("train", "recomposed", "fresh")
MEASURED = ("stopped_at", *(f"{split}_{name}" for split in SPLITS for name in ("loss", *MEASURES, *BY_INFERENCE)), "right_absent", "right_read")

# Column -> type, in the order of the file. "check" is the checksum of the line before it.
_TYPES = {field.name: field.type if field.type in (int, str) else float for field in fields(Run)}
_TYPES |= {"hash": str, "engine": int, "batch": str}
_TYPES |= {name: int if name == "stopped_at" else float for name in MEASURED} | {"mode": str, "seconds": float, "error": str}
COLUMNS = tuple(_TYPES)
HEADER = ",".join((*COLUMNS, "check"))
_OPTIONAL = {"stop_below", *MEASURED}  # empty = None
_LATER = dict.fromkeys(MEASURED) | {name: getattr(Run, name) for name in LATER}  # columns that an older file may lack, and what its rows have there


class Damage(NamedTuple):
    """A line that is no row: its number in the file (from 1), what is wrong, its bytes."""

    line: int
    reason: str
    raw: bytes


def to_line(row):
    """One line without its end; ValueError if the row has other keys than ``COLUMNS``."""
    if set(row) != set(COLUMNS):
        raise ValueError(f"a row must have the keys {', '.join(COLUMNS)}; it differs by {', '.join(sorted(set(row) ^ set(COLUMNS)))}")
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow("" if row[name] is None else row[name] for name in COLUMNS)
    line = buffer.getvalue()
    return f"{line},{_checksum(line)}"


def parse(data):
    """The rows in the bytes of a file, by hash, and the list of its Damage. Columns that came later may be missing.

    Raises:
        ValueError: the first line does not name the columns; then nothing below it can be read.
    """
    lines = data.split(b"\n")
    columns = _columns(lines[0].decode(errors="replace").rstrip("\r"))
    rows, damaged = {}, []
    for number, raw in enumerate(lines[1:], start=2):
        if raw == b"" and number == len(lines):
            break  # what follows the end of the last line
        try:
            row = _from_line(raw.decode().rstrip("\r"), columns)
            if number == len(lines):
                raise ValueError("the line has no end")
            if row["hash"] in rows:
                raise ValueError(f"a second row of the run {row['hash']}")
        except ValueError as error:  # UnicodeDecodeError is one
            damaged.append(Damage(number, str(error), raw))
        else:
            rows[row["hash"]] = row
    return rows, damaged


def _columns(header):
    """The columns that the first line of a file names, or ValueError."""
    *columns, last = header.split(",")
    if last != "check" or not set(COLUMNS) - set(_LATER) <= set(columns) <= set(COLUMNS) or len(set(columns)) < len(columns):
        raise ValueError(f"line 1 must be {HEADER!r} (an older file may lack measures); got {header!r}")
    return columns


def _from_line(line, columns):
    content, _, check = line.rpartition(",")
    if check != _checksum(content):
        raise ValueError("the checksum does not fit: the line was cut or altered")
    try:
        cells = next(csv.reader([content], strict=True))
    except csv.Error as error:
        raise ValueError(f"no line of CSV: {error}") from error
    found = {name: _value(name, cell) for name, cell in zip(columns, cells, strict=True)}
    row = {name: found[name] if name in found else _LATER[name] for name in COLUMNS}
    if Run.from_row(row).hash != row["hash"]:
        raise ValueError(f"the hash of its run is {Run.from_row(row).hash} and not {row['hash']}")
    return row


def _value(name, cell):
    return None if cell == "" and name in _OPTIONAL else _TYPES[name](cell)


def _checksum(content):
    return f"{zlib.crc32(content.encode()):08x}"
