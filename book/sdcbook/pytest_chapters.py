"""Pytest plugin: what a chapter promises, checked in the kernel in which nbval has just run it.

With `-p sdcbook.pytest_chapters --nbval`, each notebook in a folder `chapters` gets, after its
cells, the items `budget` (time and memory against its metadata), `exercise LABEL` (the stub
fails, the solution passes) and `ablation Cell N` (a focus claim fails with uniform attention).
One execution serves them all.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from pathlib import Path
from queue import Empty

import pytest
from nbval.plugin import IPyNbFile

from sdcbook import kernel, records
from sdcbook.kernel import HARD
from sdcbook.normalise import VIEW

TIMEOUT = 300  # seconds by the clock for one item, on a busy machine
# Held by `measured` itself, within its tolerance; nbval would compare the digits.
_GLUED = "application/papermill.record/text/plain"
_DATA_URI = r"data:image/png;base64,[A-Za-z0-9+/=]+"  # an image is not compared, as nbval's own PNGs
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent):
    collected = yield
    if file_path.parent.name != "chapters":
        return collected
    return [ChapterFile.from_parent(parent, path=file_path) if type(node) is IPyNbFile else node for node in collected]


def pytest_configure(config):
    if config.getoption("nbval", False):
        config.option.nbval_current_env = True
        config.option.nbval_cell_timeout = min(config.option.nbval_cell_timeout, TIMEOUT)


class ChapterFile(IPyNbFile):
    """A chapter: nbval's cells, then our items."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.skip_compare = (*self.skip_compare, _GLUED, VIEW)

    def collect(self):
        self.cells = list(super().collect())
        yield from self.cells
        yield Budget.from_parent(self, name="budget")
        for label, exercise in records.exercises(self.nb).items():
            yield ExerciseItem.from_parent(self, name=f"exercise {label}", exercise=exercise)
        for number, cell in enumerate(records.code_cells(self.nb)):
            if records.has_focus_claim(cell.source):
                yield Ablation.from_parent(self, name=f"ablation Cell {number}", source=cell.source)

    def setup(self):
        root = self.path.parent.parent
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False, encoding="utf-8") as file:
            json.dump(records.all_measured(self.nb), file)
        self.stored = file.name
        environment = kernel.environment(root, SDC_STORED_MEASURED=file.name)
        with kernel.changed_environment(environment, without=("SDC_STRICT_EXERCISES",)):
            super().setup()
        self.sanitize_patterns[_DATA_URI] = "data:image/png"
        self.run(kernel.setup_code(root))

    def teardown(self):
        super().teardown()
        os.unlink(self.stored)

    def run(self, code: str) -> str:
        """Run code in the kernel; what it prints. What it raises fails the item."""
        printed, error = self.attempt(code)
        if error is not None:
            pytest.fail(error, pytrace=False)
        return printed

    def attempt(self, code: str) -> tuple[str, str | None]:
        """What code prints, and its traceback if it raises."""
        message_id = self.kernel.execute_cell_input(code, allow_stdin=False)
        try:
            self.kernel.await_reply(message_id, timeout=TIMEOUT)
        except Empty:
            self.kernel.interrupt()
            pytest.fail(f"no answer within {TIMEOUT} s to:\n{code}", pytrace=False)
        printed, error = [], None
        while True:
            message = self.kernel.get_message("iopub", timeout=10)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return "".join(printed), error
            if kind == "stream":
                printed.append(content["text"])
            elif kind == "error":
                error = _ANSI.sub("", "\n".join(content["traceback"]))

    @contextlib.contextmanager
    def fresh_names(self):
        """The names as they stood after the last cell, and again afterwards.

        Neither a solution nor an ablated value is there for the item that comes next. (What a cell
        changes inside an object stays: chapters make new objects.)
        """
        self.run("__builtins__.sdc_names = dict(get_ipython().user_ns)")
        try:
            yield
        finally:
            self.run(_RESTORE)


_RESTORE = """
for _name in set(get_ipython().user_ns) - set(__builtins__.sdc_names):
    del get_ipython().user_ns[_name]
get_ipython().user_ns.update(__builtins__.sdc_names)
"""


class ChapterItem(pytest.Item):
    """A check that needs every cell to have run in this kernel."""

    def setup(self):
        unrun = [c.name for c in self.parent.cells if c.test_outputs is None]
        if unrun:
            pytest.fail(f"run the whole chapter, not a part of it: {unrun[0]} has not run", pytrace=False)
        if not self.parent.kernel.is_alive():
            pytest.fail("the kernel has died", pytrace=False)

    def repr_failure(self, excinfo):
        return str(excinfo.value)

    def reportinfo(self):
        return self.path, 0, f"{self.path.name}::{self.name}"


class Budget(ChapterItem):
    """Seconds are stated for a core of one's own. A shared or older one may be half as slow again; `sdcbook.execute` warns from the ceiling on."""

    SLOWER = {"seconds": 1.5, "memory_mb": 1}

    def runtest(self):
        cost = json.loads(self.parent.run(kernel.REPORT))
        stated = self.parent.nb.metadata.get("sdc", {})
        self.user_properties += [(key, round(cost[key], 1)) for key in HARD]
        over = [
            f"{key} {cost[key]:.1f} is over {limit} ({whose}), times {self.SLOWER[key]} for a slower core"
            for key, hard in HARD.items()
            for whose, limit in (("every chapter's limit", hard), ("as this chapter states", stated.get(key, 0)))
            if cost[key] > limit * self.SLOWER[key]
        ]
        if over:
            pytest.fail("; ".join(over), pytrace=False)


class ExerciseItem(ChapterItem):
    def __init__(self, *, exercise, **kwargs):
        super().__init__(**kwargs)
        self.exercise = exercise

    def runtest(self):
        e = self.exercise
        if not (len(e.stubs) == len(e.checks) == len(e.solutions) == 1):
            pytest.fail(
                f"{e.label} needs one stub, one check and one solution; got {len(e.stubs)}, {len(e.checks)} and {len(e.solutions)}",
                pytrace=False,
            )
        with self.parent.fresh_names():
            self.parent.run(e.stubs[0])
            if self.check() is None:
                pytest.fail(f"{e.label}: the check passes with the stub as it stands", pytrace=False)
            self.parent.run(e.solutions[0])
            error = self.check()
            if error is not None:
                pytest.fail(f"{e.label}: the solution fails its check\n{error}", pytrace=False)

    def check(self) -> str | None:
        """The traceback of the exercise's check, run strictly; None when it passes."""
        self.parent.run('import os; os.environ["SDC_STRICT_EXERCISES"] = "1"')
        try:
            return self.parent.attempt(self.exercise.checks[0])[1]
        finally:
            self.parent.run('del os.environ["SDC_STRICT_EXERCISES"]')


class Ablation(ChapterItem):
    def __init__(self, *, source, **kwargs):
        super().__init__(**kwargs)
        self.source = source

    def runtest(self):
        with self.parent.fresh_names():
            self.parent.run("from sdcbook import ablation; ablation.begin()")
            _, error = self.parent.attempt(self.source)
            wrong = json.loads(self.parent.run(_VERDICT))
        if error is not None:
            wrong.append(f"with uniform attention the cell itself raised:\n{error}")
        if wrong:
            pytest.fail("\n".join([*wrong, _ADVICE]), pytrace=False)


_VERDICT = """
import json
from sdcbook import ablation
print(json.dumps(ablation.end()))
"""
_ADVICE = """\
A focus claim measures in its own cell, through sdclib's measures or the model's .attention, so
that uniform attention reaches it; and it is then false."""
