"""The glossary: in order, each word once, and there for every use."""

import re
from collections import Counter

import pytest
from sdcbook import build, chapters

PAGES = sorted([*build.ROOT.glob("*.md"), *build.ROOT.glob("appendices/**/*.md"), *chapters.find(build.ROOT / "chapters")])
USE = re.compile(r"\{term\}`(?:[^`<]*<)?([^`<>]+)>?`")


def entries():
    """The words of each entry, its synonyms included."""
    (body,) = re.findall(r"```\{glossary\}\n(.*?)```", (build.ROOT / "appendices" / "glossary.md").read_text(encoding="utf-8"), re.DOTALL)
    blocks = body.strip().split("\n\n")
    return [[line for line in block.splitlines() if not line.startswith(" ")] for block in blocks]


def uses(path):
    """The entries that a page refers to."""
    if path.suffix == ".ipynb":
        text = "\n".join(cell.source for cell in chapters.read(path).cells if cell.cell_type == "markdown")
    else:
        text = path.read_text(encoding="utf-8")
    return set(USE.findall(text))


def test_entries_are_in_alphabetical_order_and_each_word_once():
    first = [words[0].casefold() for words in entries()]
    assert first == sorted(first)
    assert [word for word, count in Counter(word for words in entries() for word in words).items() if count > 1] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_word_that_a_page_refers_to_has_an_entry(path):
    assert uses(path) - {word for words in entries() for word in words} == set()


def test_the_chapters_use_it():
    assert all(uses(path) for path in PAGES if path.suffix == ".ipynb")
