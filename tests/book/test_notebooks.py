"""Every stored chapter is whole, fresh, and shows no number that nothing holds."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from sdcbook import chapters, checks, checks_numbers, records

ROOT = Path(__file__).resolve().parents[2]
PATHS = chapters.find(ROOT / "chapters")
FIRST_PART = {"01", "02", "03", "04"}
CLAIM_FOCUS = {"01", "03", "04"}  # the chapters of the first part that train a model and say where it looks


@cache
def load(path):
    return chapters.Chapter.load(path, ROOT)


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_chapter(path, check):
    wrong = check(load(path))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_prose_cites_measured_numbers(path):
    every = [name for other in PATHS for name in records.all_measured(load(other).nb)]
    wrong = checks_numbers.prose_numbers(load(path), every)
    assert not wrong, "\n".join(wrong)


def test_the_first_part_is_there():
    assert {path.stem.split("-")[0] for path in PATHS} >= FIRST_PART


def test_measured_names_are_unique_in_the_book():
    names = Counter(name for path in PATHS for name in records.all_measured(load(path).nb))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("number", sorted(CLAIM_FOCUS))
def test_chapter_claims_where_the_model_looks(number):
    found = [load(path).sdc.get("focus_claims") for path in PATHS if path.stem.startswith(f"{number}-")]
    assert found == [True]
