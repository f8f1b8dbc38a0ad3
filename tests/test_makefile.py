"""The loops of the Makefile over the tables: one that fails keeps no other from its turn."""

import os
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[1] / "Makefile"
PYTHON = """#!/bin/sh
if [ "$3" = tables ]; then echo one two three; exit 0; fi
echo "$3 $4" >> asked
case " $FAILING " in *" $4 "*) exit 1;; esac
"""


def make(folder, target, failing=""):
    """Run a target with a stand-in for Python; returns the finished process and the tables asked for, in order."""
    for name in ("requirements.txt", "pyproject.toml", "results/one.csv", "results/two.csv", "results/three.csv", ".venv/bin/python", ".venv/.ready"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PYTHON if path.name == "python" else "", encoding="utf-8")
        path.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | {"FAILING": failing}
    done = subprocess.run(["make", "-f", MAKEFILE, target], cwd=folder, env=environment, capture_output=True, text=True)
    return done, (folder / "asked").read_text(encoding="utf-8").split("\n")[:-1]


@pytest.mark.parametrize(("target", "command"), [("results", "run"), ("results-check", "check")])
def test_a_table_that_fails_is_named_at_the_end_and_the_others_have_their_turn(tmp_path, target, command):
    done, asked = make(tmp_path, target, failing="one three")
    assert asked == [f"{command} {table}" for table in ("one", "two", "three")]
    assert done.returncode != 0 and ": one three\n" in done.stderr and "two" not in done.stderr


@pytest.mark.parametrize("target", ["results", "results-check"])
def test_where_no_table_fails_nothing_is_said(tmp_path, target):
    done, asked = make(tmp_path, target)
    assert done.returncode == 0 and done.stderr == "" and len(asked) == 3
