"""What runs in the chapters' kernels can fail too: a whole chapter and a broken one go through the real run."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
import tiny
from sdcbook import chapters, execute, records

from sdclib.reporting import GLUE_PREFIX, format_record

BROKEN = "02-broken.ipynb"
WHOLE = "01-tiny.ipynb"
UNREACHED = 'claim("a number from another cell is large", earlier > 0.5, focus=True)'
RAISES = 'claim("it looks at one segment", 1 / (metrics.focus_hit(attention, foreground).min().item() - 0.5) > 0, focus=True)'


def run_pytest(root, *arguments):
    """Outcome and message of every item, by file and name."""
    report = root / "report.xml"
    command = [sys.executable, "-m", "pytest", "chapters", "--nbval", "-p", "sdcbook.pytest_chapters"]
    command += ["-p", "no:cacheprovider", f"--rootdir={root}", f"--junitxml={report}", *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tiny.ROOT / "book"), str(tiny.ROOT)])}
    for name in [name for name in environment if name.startswith("PYTEST_")]:
        del environment[name]  # those of the run that this test is in
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300)
    assert report.exists(), done.stdout + done.stderr
    outcomes = {}
    for case in ElementTree.parse(report).iter("testcase"):
        bad = [child for child in case if child.tag in ("failure", "error", "skipped")]
        path = BROKEN if "broken" in case.get("classname") else WHOLE
        outcomes[path, case.get("name")] = "\n".join(f"{b.get('message')}\n{b.text}" for b in bad) if bad else "passed"
    return outcomes


def alter(path, name, value):
    """Change a stored measured number, its text too, as if another machine had stored it."""
    nb = chapters.read(path)
    (output,) = [o for c in records.code_cells(nb) for o in c.outputs if o.get("metadata", {}).get("scrapbook", {}).get("name") == name]
    output.metadata.sdc.measured.value = value
    output.data[f"{GLUE_PREFIX}text/plain"] = repr(format_record(output.metadata.sdc.measured))
    chapters.write(nb, path)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tiny.book(tmp_path_factory.mktemp("plugin"))
    chapters.write(tiny.chapter(), root / "chapters" / WHOLE)
    nb = tiny.chapter("02", memory_mb=1)
    code = records.code_cells(nb)
    code[1].source += "\nearlier = 0.9"
    code[2].source = code[2].source.replace("within=0.01", "within=0.001")
    code[3].source, code[3].metadata = UNREACHED, {}
    code[4].source = RAISES
    stubs = [cell for cell in code if "exercise-stub" in cell.metadata.get("tags", [])]
    stubs[0].source = "chance = 1 / 9"
    solution = [cell for cell in nb.cells if "{solution} ex-02-chance1" in cell.source][0]
    solution.source = solution.source.replace("1 / 9", "1 / 8")
    chapters.write(nb, root / "chapters" / BROKEN)
    assert execute.main([], root=root) == 0
    alter(root / "chapters" / WHOLE, "ch01-focus", 0.995)  # within its 0.01 of 1
    alter(root / "chapters" / BROKEN, "ch02-focus", 0.995)  # beyond its 0.001
    stored = chapters.read(root / "chapters" / BROKEN)
    records.code_cells(stored)[-1].outputs[0].text = "not yet: another text than the cell prints\n"
    chapters.write(stored, root / "chapters" / BROKEN)
    return root


@pytest.fixture(scope="module")
def outcomes(root):
    return run_pytest(root, "-n", "2", "--dist", "loadscope")


def test_a_whole_chapter_passes(outcomes):
    mine = {name: outcome for (path, name), outcome in outcomes.items() if path == WHOLE}
    assert set(mine.values()) == {"passed"}, mine
    assert {"budget", "ablation Cell 2", *(f"exercise ex-01-chance{i}" for i in range(3))} < set(mine)
    assert len(mine) == 12 + 5


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("Cell 2", "ch02-focus is 1.0 here and 0.995 as stored: farther apart than 0.001"),
        ("Cell 11", "another text than the cell prints"),
        ("budget", "memory_mb"),
        ("exercise ex-02-chance0", "the check passes with the stub as it stands"),
        ("exercise ex-02-chance1", "the solution fails its check"),
        ("ablation Cell 3", "still holds with uniform attention: a number from another cell is large"),
        ("ablation Cell 4", "ZeroDivisionError"),
    ],
)
def test_a_broken_chapter_fails(outcomes, item, says):
    assert says in outcomes[BROKEN, item]


def test_the_rest_of_a_broken_chapter_passes(outcomes):
    for item in ("Cell 0", "Cell 3", "exercise ex-02-chance2", "ablation Cell 2"):
        assert outcomes[BROKEN, item] == "passed"


def test_a_part_of_a_chapter_proves_nothing(root):
    outcomes = run_pytest(root, "-k", "budget and tiny")
    assert "run the whole chapter" in outcomes[WHOLE, "budget"]
