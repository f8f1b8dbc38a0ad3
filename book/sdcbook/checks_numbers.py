"""Checks of the numbers of stored chapters: every one that a machine may change is held."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from sdcbook import records
from sdcbook.chapters import Chapter
from sdclib.reporting import GLUE_PREFIX, format_record

IGNORED = "nbval-ignore-output"
# A number that stands alone: not the 1 of "dataset1" or "A1", nor a part of a version 1.2.3.
_NUMBER = re.compile(r"(?<![\w.])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w]|\.\d)")
_IN_TAG = re.compile(r"<(?:style|script)\b.*?</(?:style|script)>|<[^>]*>", re.DOTALL)
_GLUE = re.compile(r"\{glue:?(\w*)\}\s*`?([^`\s}]+)`?")


def ignored_numbers(chapter: Chapter) -> list[str]:
    """A cell whose output nbval ignores shows only numbers that `measured` or a claim holds."""
    wrong = []
    for cell in chapter.code:
        if IGNORED not in cell.metadata.get("tags", []) and "NBVAL_IGNORE_OUTPUT" not in cell.source:
            continue
        held = records.measured(cell)
        labels = _labels(cell)
        stated = {c.text for c in records.claims(cell.source)}
        for text in _shown(cell):
            for line in text.splitlines():
                if line.startswith("✓ ") and line[2:] in stated:
                    continue  # a claim of fixed words: the same on every machine
                for token in _NUMBER.findall(line):
                    if token not in labels and not any(_agrees(token, r["value"]) for r in held):
                        wrong.append(f"{records.start(cell)}: nothing holds the number {token} in {line.strip()[:60]!r}")
    return wrong


def skipped(chapter: Chapter) -> list[str]:
    """No cell is left out of the tests."""
    left = [cell for cell in chapter.code if "nbval-skip" in cell.metadata.get("tags", []) or "NBVAL_SKIP" in cell.source]
    return [f"{records.start(cell)}: it is skipped by the tests" for cell in left]


def measured_text(chapter: Chapter) -> list[str]:
    """What the prose cites is the stored value, formatted; names belong to the chapter."""
    wrong, seen = [], set()
    number = chapter.sdc.get("number")
    for cell in chapter.code:
        for output in cell.outputs:
            record = output.get("metadata", {}).get("sdc", {}).get("measured")
            if record is None:
                continue
            name = record["name"]
            if not name.startswith(f"ch{number}-"):
                wrong.append(f"{name} must start with ch{number}-")
            if name in seen:
                wrong.append(f"{name} is measured twice")
            seen.add(name)
            shown = output.data.get(f"{GLUE_PREFIX}text/plain")
            if shown != repr(format_record(record)):
                wrong.append(f"{name} is stored as {record['value']} and shown as {shown}")
            if output.metadata.get("scrapbook", {}).get("name") != name:
                wrong.append(f"{name} is not what the prose would find")
    return wrong


def prose_numbers(chapter: Chapter, elsewhere: Iterable[str] = ()) -> list[str]:
    """What a Markdown cell cites exists: in this chapter, or after `chapter::` in another."""
    own, every = set(records.all_measured(chapter.nb)), set(elsewhere)
    wrong = []
    for cell in chapter.nb.cells:
        if cell.cell_type != "markdown":
            continue
        for kind, target in _GLUE.findall(cell.source):
            document, _, key = target.rpartition("::")
            name = key.split(":")[0]
            if name not in (every if document else own):
                wrong.append(f"the prose cites {target}, which is not measured")
            if kind != "text":
                wrong.append(f"the prose cites {target} with {{glue:{kind}}}: use {{glue:text}}")
    return wrong


def _labels(cell) -> set[str]:
    """The numbers in the row and column labels of measured tables: the entries' names hold them."""
    labels = [label for o in cell.outputs for label in o.get("metadata", {}).get("sdc", {}).get("labels", [])]
    return {token for label in labels for token in _NUMBER.findall(label)}


def _shown(cell) -> Iterable[str]:
    for output in cell.outputs:
        if "text" in output:
            yield output.text
        for mime, content in output.get("data", {}).items():
            if not mime.startswith("text/"):
                continue
            if mime == "text/html":
                alts = " ".join(re.findall(r"\balt=\"([^\"]*)\"", content))
                yield html.unescape(f"{_IN_TAG.sub(' ', content)} {alts}")
            else:
                yield re.sub(r"<Figure size [^>]*>", "", content)


def _agrees(token: str, value: float) -> bool:
    """Whether the number shown is the value, at the precision shown (a sign is punctuation)."""
    token = token.replace(",", "").lower()
    mantissa, _, exponent = token.partition("e")
    digits = len(mantissa.partition(".")[2])
    return float(f"{abs(value):.{digits}{'e' if exponent else 'f'}}") == float(token)
