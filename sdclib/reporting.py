"""Numbers, claims and exercises of the book: said once in a cell, held when the cell runs again.

A trained number differs a little from processor to processor, so a chapter never types one.
`measured` names it, gives it to the prose and states how far it may move; `claim` states in
words what must stay true; `attempt` checks a reader's answer without ever stopping the page.
"""

from __future__ import annotations

import json
import math
import numbers
import os
import re
import sys
from collections.abc import Callable, Mapping

__all__ = ["ClaimError", "MeasuredError", "attempt", "claim", "measured"]

STORED = "SDC_STORED_MEASURED"  # a JSON file {name: record}: compare with it
STRICT = "SDC_STRICT_EXERCISES"  # set: `attempt` raises instead of printing "not yet"
GLUE_PREFIX = "application/papermill.record/"  # what the page's {glue:text} role reads
_NAME = re.compile(r"ch\d\d(-[a-z0-9]+)+")
# The tests re-run claims with uniform attention and want the outcome of each one, not the
# first failure: while this is a list, `claim` appends (text, holds, focus) and does not raise.
_recorder: list[tuple[str, bool, bool]] | None = None


class ClaimError(AssertionError):
    """A claim of the book does not hold."""


class MeasuredError(AssertionError):
    """A measured number is outside its tolerance, or was never stored."""


def claim(text: str, condition, *, focus: bool = False) -> None:
    """State a sentence that the cell has just shown; raise `ClaimError` when it is not so.

    The text is the same on every machine: it holds no computed number. `focus=True` marks a
    claim about where a model looks; the tests demand that it fails under uniform attention.

    >>> claim("two is even", 2 % 2 == 0)
    ✓ two is even
    >>> claim("three is even", 3 % 2 == 0)
    Traceback (most recent call last):
    sdclib.reporting.ClaimError: this claim does not hold: three is even
    """
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"text must be a sentence; got {text!r}")
    holds = _as_bool(condition)
    if _recorder is not None:
        _recorder.append((text, holds, bool(focus)))
        return
    if not holds:
        raise ClaimError(f"this claim does not hold: {text}")
    _say(f"✓ {text}")


def attempt(check: Callable[[], object]) -> None:
    """Run the check of an exercise: "✓ solved", or "not yet" and what is missing.

    `check` takes nothing and asserts; what it asserts with is the hint the reader sees. Nothing
    it raises leaves this function, unless the environment sets SDC_STRICT_EXERCISES, as the
    tests do to see that the stub fails and that the solution passes.

    >>> def check():
    ...     assert answer == 9, "how many segments has a mosaic?"
    >>> answer = 8
    >>> attempt(check)
    not yet: how many segments has a mosaic?
    """
    if not callable(check):
        raise TypeError(f"check must be a function of no arguments; got {check!r}")
    if os.environ.get(STRICT):
        check()
        _say("✓ solved")
        return
    try:
        check()
    except NotImplementedError:
        _say("not yet: write your answer in the cell above")
    except AssertionError as error:
        _say(f"not yet: {error}" if str(error) else "not yet: the check does not pass")
    except Exception as error:  # a reader's half-written answer may fail in any way
        _say(f"not yet: {type(error).__name__}: {error}")
    else:
        _say("✓ solved")


def measured(name: str, value, within, *, digits=1, unit: str = "") -> None:
    """Name a number (or a table of them) for the prose, and hold it within a tolerance.

    Args:
        name: "ch04-ftpt": the chapter, then words; what {glue:text} cites.
        value: a number; or a DataFrame or Series of numbers, which is also shown: its entries
            are then named NAME-ROW-COLUMN (NAME-ROW for a Series).
        within: how far the number may lie from the stored one on another processor, in its own
            unit; for a table a number or {column: number}.
        digits: decimals shown (0 and up); for a table an int or {column: int}.
        unit: written after the number; for a table write it in the column's name.

    Raises:
        MeasuredError: the environment's SDC_STORED_MEASURED names a file of stored records and
            this number is not in it or is farther than `within` from it.

    >>> measured("ch04-ftpt", 48.83, within=1.5, unit="%")
    ch04-ftpt = 48.8 % (within 1.5)
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f'name must be the chapter and words, like "ch04-ftpt"; got {name!r}')
    if _is_table(value):
        _measured_table(name, value, within, digits, unit)
        return
    record = _record(name, value, within, digits, unit)
    _compare(record)
    _emit(record)


def format_record(record: Mapping) -> str:
    """The number as the page shows it, with its unit.

    >>> format_record({"value": -0.04, "digits": 1, "unit": "%"}).replace(chr(0xA0), "_")
    '0.0_%'
    """
    text = f"{record['value']:.{record['digits']}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    # a no-break space, so that a line never begins with a unit
    return f"{text}\u00a0{record['unit']}" if record["unit"] else text


def _record(name, value, within, digits, unit) -> dict:
    if not isinstance(unit, str):
        raise ValueError(f"unit must be a string; got {unit!r}")
    if isinstance(digits, bool) or not isinstance(digits, numbers.Integral) or digits < 0:
        raise ValueError(f"digits must be a whole number, 0 or more; got {digits!r}")
    tolerance = _as_number(within, f"{name}: within")
    if tolerance < 0:
        raise ValueError(f"{name}: within must be 0 or more; got {within!r}")
    value = _as_number(value, f"{name}: value")
    return {"name": name, "value": value, "within": tolerance, "digits": int(digits), "unit": unit}


def _as_number(value, what: str) -> float:
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()  # a tensor or array scalar
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{what} must be a number; got {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"{what} must be finite; got {value!r}")
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _as_bool(condition) -> bool:
    if hasattr(condition, "item") and getattr(condition, "ndim", None) == 0:
        condition = condition.item()
    if not isinstance(condition, bool):  # a tuple or a list would be true whatever is in it
        raise TypeError(f"condition must be True or False; got {condition!r}")
    return condition


def _is_table(value) -> bool:
    pandas = sys.modules.get("pandas")  # whoever passes a table has imported it
    return pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series)


def _measured_table(name, table, within, digits, unit) -> None:
    if unit:
        raise ValueError(f"{name}: write the unit in the column's name, not in unit={unit!r}")
    series = table.ndim == 1
    frame = table.to_frame() if series else table
    if frame.empty:
        raise ValueError(f"{name}: the table must have rows and columns; got shape {frame.shape}")
    within = _per_column(within, frame, f"{name}: within")
    digits = _per_column(digits, frame, f"{name}: digits")
    shown, records = frame.astype(object), {}
    for j, column in enumerate(frame.columns):
        for i, row in enumerate(frame.index):
            entry = "-".join([name, _slug(row)] + ([] if series else [_slug(column)]))
            if entry in records:
                raise ValueError(f"{name}: two entries would be named {entry!r}: rename a row")
            records[entry] = _record(entry, frame.iloc[i, j], within[column], digits[column], "")
            shown.iloc[i, j] = format_record(records[entry])
    for record in records.values():
        _compare(record)
    if _in_jupyter():
        labels = [str(label) for label in (*frame.index, *frame.columns, *frame.index.names)]
        bundle = {"text/plain": shown.to_string(), "text/html": shown.to_html(border=0)}
        _publish(bundle, {"sdc": {"table": name, "labels": labels}})
        for record in records.values():
            _emit(record)
    else:
        _say(f"{name}:\n{shown.to_string()}")


def _per_column(setting, frame, what: str) -> dict:
    if not isinstance(setting, Mapping):
        return dict.fromkeys(frame.columns, setting)
    if set(setting) != set(frame.columns):
        raise ValueError(f"{what} must name the columns {list(frame.columns)}; got {list(setting)}")
    return dict(setting)


def _slug(label) -> str:
    label = " ".join(map(str, label)) if isinstance(label, tuple) else str(label)
    slug = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    if not slug:
        raise ValueError(f"a row or column needs letters or digits in its label; got {label!r}")
    return slug


def _compare(record: Mapping) -> None:
    path = os.environ.get(STORED)
    if not path:
        return
    with open(path, encoding="utf-8") as file:
        stored = json.load(file).get(record["name"])
    if stored is None:
        raise MeasuredError(f"{record['name']} = {record['value']} is not among the stored numbers")
    slack = 1e-9 * max(abs(record["value"]), abs(stored["value"]))  # the tolerance is a decimal
    if abs(record["value"] - stored["value"]) > record["within"] + slack:
        raise MeasuredError(f"{record['name']} is {record['value']} here and {stored['value']} as stored: farther apart than {record['within']}")


def _say(text: str) -> None:
    """Print. A terminal that has no ✓ (Windows: cp1252) gets OK instead, and ? for what else it lacks; a notebook has all."""
    encoding = getattr(sys.stdout, "encoding", None)
    if encoding and not _in_jupyter():
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            text = text.replace("✓", "OK").encode(encoding, "replace").decode(encoding)
    print(text)


def _in_jupyter() -> bool:
    ipython = sys.modules.get("IPython")  # never import it: the library does without
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


def _publish(bundle: dict, metadata: dict) -> None:
    from IPython.display import publish_display_data

    publish_display_data(bundle, metadata)


def _emit(record: dict) -> None:
    """One hidden output that the prose can cite; outside Jupyter, a plain line."""
    if not _in_jupyter():
        text = format_record(record).replace("\u00a0", " ")
        _say(f"{record['name']} = {text} (within {record['within']})")
        return
    glue = {"name": record["name"], "mime_prefix": GLUE_PREFIX}
    metadata = {"scrapbook": glue, "sdc": {"measured": record}}
    # as a quoted string: the page would otherwise read 1.50 as a float and print 1.5
    _publish({f"{GLUE_PREFIX}text/plain": repr(format_record(record))}, metadata)
