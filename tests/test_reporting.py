"""Numbers, claims and exercises: what they print, what they refuse, when they raise."""

import io
import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from sdclib import reporting
from sdclib.reporting import ClaimError, MeasuredError, attempt, claim, format_record, measured


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Stores records as the tests of the chapters do."""

    def store(**values):
        records = {name.replace("_", "-"): {"value": value} for name, value in values.items()}
        path = tmp_path / "stored.json"
        path.write_text(json.dumps(records), encoding="utf-8")
        monkeypatch.setenv("SDC_STORED_MEASURED", str(path))

    return store


@pytest.fixture
def jupyter(monkeypatch):
    """As if in a notebook: what is displayed is collected."""
    shown = []
    monkeypatch.setattr(reporting, "_in_jupyter", lambda: True)
    monkeypatch.setattr(reporting, "_publish", lambda bundle, metadata: shown.append((bundle, metadata)))
    return shown


def test_claim_prints_its_text_and_raises_when_false(capsys):
    claim("it holds", torch.tensor(True))
    assert capsys.readouterr().out == "✓ it holds\n"
    with pytest.raises(ClaimError, match="does not hold: it does not"):
        claim("it does not", np.bool_(False))


class Narrow(io.TextIOWrapper):
    """A terminal of Windows: cp1252 has no check mark."""

    def __init__(self):
        super().__init__(io.BytesIO(), encoding="cp1252", newline="\n")

    def text(self):
        self.flush()
        return self.buffer.getvalue().decode("cp1252")


def test_a_terminal_without_a_check_mark_gets_ok(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Narrow())
    claim("it is 5 × α", True)
    attempt(lambda: None)
    measured("ch01-angle", 1.5, within=0.1, unit="α")
    assert sys.stdout.text() == "OK it is 5 × ?\nOK solved\nch01-angle = 1.5 ? (within 0.1)\n"


def test_a_notebook_has_the_same_text_everywhere(jupyter, monkeypatch, capsys):
    stdout = sys.stdout
    monkeypatch.setattr(type(stdout), "encoding", "cp1252", raising=False)
    claim("it holds", True)
    assert capsys.readouterr().out == "✓ it holds\n"


@pytest.mark.parametrize("condition", [(1 > 2, "always true"), [False], 1, 0.5, "no", None, torch.tensor([True, True])])
def test_claim_refuses_what_is_not_a_truth_value(condition):
    with pytest.raises(TypeError, match="condition must be True or False"):
        claim("a sentence", condition)


@pytest.mark.parametrize("text", ["", "  ", None, 3])
def test_claim_refuses_what_is_not_a_sentence(text):
    with pytest.raises(ValueError, match="text must be a sentence"):
        claim(text, True)


def test_attempt_never_raises(capsys):
    def unwritten():
        raise NotImplementedError

    def silent():
        raise AssertionError

    def wrong():
        raise AssertionError("a hint")

    for check in (unwritten, silent, wrong, lambda: 1 / 0, lambda: None):
        attempt(check)
    assert capsys.readouterr().out.splitlines() == [
        "not yet: write your answer in the cell above",
        "not yet: the check does not pass",
        "not yet: a hint",
        "not yet: ZeroDivisionError: division by zero",
        "✓ solved",
    ]


def test_attempt_is_strict_for_the_tests(monkeypatch, capsys):
    monkeypatch.setenv("SDC_STRICT_EXERCISES", "1")
    with pytest.raises(ZeroDivisionError):
        attempt(lambda: 1 / 0)
    attempt(lambda: None)
    assert capsys.readouterr().out == "✓ solved\n"
    with pytest.raises(TypeError, match="function of no arguments"):
        attempt(True)


@pytest.mark.parametrize(("here", "holds"), [(48.8, True), (50.3, True), (47.3, True), (50.31, False), (47.2, False)])
def test_measured_compares_within_the_tolerance(stored, here, holds):
    stored(ch04_ftpt=48.8)
    if holds:
        measured("ch04-ftpt", here, within=1.5)
    else:
        with pytest.raises(MeasuredError) as error:
            measured("ch04-ftpt", here, within=1.5)
        for part in ("ch04-ftpt", str(here), "48.8", "1.5"):
            assert part in str(error.value)


def test_measured_refuses_an_unknown_name_when_it_compares(stored):
    stored(ch04_ftpt=48.8)
    with pytest.raises(MeasuredError, match="ch04-other = 48.8 is not among the stored numbers"):
        measured("ch04-other", 48.8, within=1.5)


def test_measured_compares_each_entry_of_a_table(stored):
    stored(ch04_t_soft_ftpt=10, ch04_t_soft_accuracy=20)
    table = pd.DataFrame({"FTPT": [10.4], "accuracy": [20.0]}, index=["soft"])
    measured("ch04-t", table, within={"FTPT": 0.5, "accuracy": 0})
    with pytest.raises(MeasuredError, match="ch04-t-soft-ftpt"):
        measured("ch04-t", table, within={"FTPT": 0.3, "accuracy": 0})


def test_measured_glues_what_the_prose_cites(jupyter):
    measured("ch04-ftpt", torch.tensor(1.5), within=0.1, digits=2, unit="s")
    ((bundle, metadata),) = jupyter
    # quoted, so that the page keeps the last zero; hidden, as the prefix says
    assert bundle == {"application/papermill.record/text/plain": repr("1.50\u00a0s")}
    assert metadata["scrapbook"] == {"name": "ch04-ftpt", "mime_prefix": "application/papermill.record/"}
    assert metadata["sdc"]["measured"] == {"name": "ch04-ftpt", "value": 1.5, "within": 0.1, "digits": 2, "unit": "s"}


def test_measured_shows_a_table_and_glues_its_entries(jupyter):
    table = pd.DataFrame({"FTPT": [48.81, 3.0], "n": [9, 20]}, index=["soft, seed 0", "hard"])
    measured("ch04-t", table, within=1, digits={"FTPT": 1, "n": 0})
    (bundle, metadata), *entries = jupyter
    assert "<td>48.8</td>" in bundle["text/html"]
    assert "3.0" in bundle["text/plain"]
    assert {"soft, seed 0", "hard", "FTPT", "n"} <= set(metadata["sdc"]["labels"])
    names = [entry[1]["sdc"]["measured"]["name"] for entry in entries]
    assert names == ["ch04-t-soft-seed-0-ftpt", "ch04-t-hard-ftpt", "ch04-t-soft-seed-0-n", "ch04-t-hard-n"]
    assert table.iloc[0, 0] == 48.81  # the reader's table is as it was


def test_measured_names_the_entries_of_a_series_by_row(jupyter):
    measured("ch04-s", pd.Series({"soft": 1.0, "hard": 2.0}, name="ftpt"), within=1)
    assert [entry[1]["sdc"]["measured"]["name"] for entry in jupyter[1:]] == ["ch04-s-soft", "ch04-s-hard"]


@pytest.mark.parametrize("name", ["ftpt", "ch4-ftpt", "ch04", "ch04-", "ch04-FTPT", "ch04_ftpt", "ch04-a:b", "ch04-a b", None])
def test_measured_refuses_bad_names(name):
    with pytest.raises(ValueError, match="name must be the chapter and words"):
        measured(name, 1.0, within=1)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"value": True}, TypeError, "value must be a number; got True"),
        ({"value": "48"}, TypeError, "value must be a number; got '48'"),
        ({"value": np.array([1.0, 2.0])}, TypeError, "value must be a number"),
        ({"value": float("nan")}, ValueError, "value must be finite; got nan"),
        ({"within": -1}, ValueError, "within must be 0 or more; got -1"),
        ({"within": float("inf")}, ValueError, "within must be finite; got inf"),
        ({"within": None}, TypeError, "within must be a number; got None"),
        ({"within": {"a": 1}}, TypeError, "within must be a number"),
        ({"digits": -1}, ValueError, "digits must be a whole number, 0 or more; got -1"),
        ({"digits": 1.5}, ValueError, "digits must be a whole number"),
        ({"unit": None}, ValueError, "unit must be a string; got None"),
    ],
)
def test_measured_refuses_bad_numbers(arguments, error, says):
    with pytest.raises(error, match=says):
        measured("ch04-x", **({"value": 1.0, "within": 1.0} | arguments))


@pytest.mark.parametrize(
    ("table", "arguments", "error", "says"),
    [
        (pd.DataFrame({"a": []}), {}, ValueError, "rows and columns"),
        (pd.DataFrame({"a": ["x"]}), {}, TypeError, "value must be a number; got 'x'"),
        (pd.DataFrame({"a": [1.0], "b": [np.nan]}), {}, ValueError, "must be finite"),
        (pd.DataFrame({"a": [1.0], "b": [1.0]}), {"within": {"a": 1}}, ValueError, r"within must name the columns \['a', 'b'\]; got \['a'\]"),
        (pd.DataFrame({"a": [1.0]}), {"unit": "%"}, ValueError, "column's name"),
        (pd.DataFrame({"a": [1.0, 2.0]}, index=["x!", "x?"]), {}, ValueError, "two entries would be named 'ch04-t-x-a'"),
        (pd.DataFrame({"!": [1.0]}), {}, ValueError, "letters or digits in its label"),
    ],
)
def test_measured_refuses_bad_tables(table, arguments, error, says):
    with pytest.raises(error, match=says):
        measured("ch04-t", table, **({"within": 1.0} | arguments))


def test_format_has_no_negative_zero():
    assert format_record({"value": -0.04, "digits": 1, "unit": ""}) == "0.0"
    assert format_record({"value": -0.06, "digits": 1, "unit": ""}) == "-0.1"
    assert format_record({"value": 3, "digits": 0, "unit": ""}) == "3"
