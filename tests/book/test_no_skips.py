"""A run that must be complete fails where another one skips."""

import os
import subprocess
import sys

import pytest
import tiny

TESTS = {
    "test_marked.py": 'import pytest\n\n@pytest.mark.skipif(True, reason="no compiler")\ndef test(): pass\n',
    "test_in_fixture.py": 'import pytest\n\n@pytest.fixture\ndef tool(): pytest.skip("no browser")\n\ndef test(tool): pass\n',
    "test_module.py": 'import pytest\n\npytest.importorskip("a_module_that_is_not_there")\n',
    "test_expected.py": "import pytest\n\n@pytest.mark.xfail\ndef test(): assert False\n",
    "test_sound.py": "def test(): pass\n",
}


def run(folder, **variables):
    """The last line that pytest prints, and all of it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_") and name != "SDC_NO_SKIPS"}
    environment |= {"PYTHONPATH": str(tiny.ROOT / "book")} | variables
    command = [sys.executable, "-m", "pytest", "-p", "sdcbook.no_skips", "-p", "no:cacheprovider", f"--rootdir={folder}", "-c", os.devnull, "-rA", folder]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=120)
    return done.stdout.splitlines()[-1], done.stdout


@pytest.fixture
def folder(tmp_path):
    for name, text in TESTS.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_every_kind_of_skip_fails_when_asked(folder):
    last, text = run(folder, SDC_NO_SKIPS="1")
    assert "skipped" not in last and "1 error" in last, text  # the module: nothing of it could be collected
    (folder / "test_module.py").unlink()
    last, text = run(folder, SDC_NO_SKIPS="1")
    assert "1 passed" in last and "1 xfailed" in last and "skipped" not in last, text
    assert text.count("no compiler (SDC_NO_SKIPS is set)") >= 1 and text.count("no browser (SDC_NO_SKIPS is set)") >= 1, text


def test_skips_stay_skips_otherwise(folder):
    last, text = run(folder)
    assert "1 passed" in last and "3 skipped" in last and "1 xfailed" in last and "failed," not in last.replace("xfailed,", ""), text
