"""The reproducibility appendix, made at build time from what the stored notebooks say.

Directive ``{reproducibility} versions``, ``costs``, ``claims`` or ``numbers``. A number with a published
counterpart names it in its chapter's metadata: ``sdc.published = {"ch04-ftpt": {"table": ..., "metric": ..., ...}}``, columns
and values that pick exactly one row of ``sdclib/data/published.csv``.
"""

import csv
import re
from functools import cache

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from sdcbook import chapters, records
from sdcbook.build import ROOT
from sdclib.reporting import format_record

logger = logging.getLogger(__name__)

PUBLISHED = ROOT / "sdclib" / "data" / "published.csv"
PIN = re.compile(r"([\w.-]+)==([^;\s]+)")


def table(head, rows, numbers=()):
    """Lines of a Markdown table; columns of ``numbers`` are set to the right."""
    rule = ["---:" if name in numbers else "---" for name in head]
    cells = [[str(cell).replace("|", r"\|") for cell in row] for row in [head, rule, *rows]]
    return [f"| {' | '.join(row)} |" for row in cells]


def versions(stored):
    """The pinned packages that a reader meets by name, by what they serve."""
    lines, rows, part = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines(), [], ""
    for line in lines:
        if line.startswith("# "):
            part = line.removeprefix("# ")
        elif (pin := PIN.match(line)) and part in ("the library", "the book", "the tests"):
            rows.append([pin[1], pin[2], part])
    return table(["Package", "Version", "For"], rows)


def costs(stored):
    """What each chapter takes of a reader, and at most of a machine; the tests measure the latter."""
    rows = []
    for path, nb in stored:
        sdc = nb.metadata["sdc"]
        rows.append([link(path, nb), sdc["minutes"], len(records.exercises(nb)), sdc["seconds"], sdc["memory_mb"]])
    minutes, exercises, seconds, memory = ([row[i] for row in rows] for i in range(1, 5))
    whole = ["**all, one after the other**", sum(minutes), sum(exercises), sum(seconds), max(memory)]
    counted = ["Minutes", "Exercises", "Seconds", "MB"]
    return table(["Chapter", *counted], [*rows, whole], counted)


def claims(stored):
    """Every sentence that a cell checks."""
    lines = []
    for path, nb in stored:
        found = [claim for cell in records.code_cells(nb) for claim in records.claims(cell.source) if claim.text]
        lines += [f"**{link(path, nb)}**", "", *[f"- {claim.text}{' *(focus)*' if claim.focus else ''}" for claim in found], ""]
    return lines


def numbers(stored):
    """Every measured number, how far it may move, and the published figure where there is one."""
    lines = []
    for path, nb in stored:
        counterparts = nb.metadata["sdc"].get("published", {})
        found = records.all_measured(nb)
        for name in counterparts.keys() - found.keys():
            logger.warning("%s: a published figure is named for %s, which is no measured number", path.name, name)
        rows = []
        for name, record in found.items():
            tolerance = format_record({**record, "value": record["within"], "digits": max(record["digits"], 1)})
            theirs = published(path, name, counterparts[name]) if name in counterparts else ""
            rows.append([f"`{name}`", format_record(record), f"± {tolerance}", theirs])
        if rows:
            lines += [f"**{link(path, nb)}**", "", *table(["Number", "Here", "Within", "Published"], rows), ""]
    return lines


def published(path, name, wanted):
    """The one published figure that the columns in ``wanted`` pick."""
    found = [row for row in published_rows() if all(row.get(column) == str(value) for column, value in wanted.items())]
    if len(found) != 1:
        logger.warning("%s: %d published figures match %s of %s; it must be one", path.name, len(found), wanted, name)
        return ""
    return found[0]["value"] + (f" ({found[0]['note']})" if found[0]["note"] else "")


@cache
def published_rows():
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def link(path, nb):
    """A link to a chapter by its title."""
    return f"[{nb.metadata['sdc']['title']}](/chapters/{path.name})"


class Reproducibility(SphinxDirective):
    """One table or list of the appendix."""

    required_arguments = 1
    PARTS = {function.__name__: function for function in (versions, costs, claims, numbers)}

    def run(self):
        part = self.arguments[0]
        if part not in self.PARTS:
            raise self.error(f"unknown part {part!r}; choose one of {', '.join(self.PARTS)}")
        paths = chapters.find(ROOT / "chapters")
        for path in [*paths, PUBLISHED, ROOT / "requirements.txt"]:
            self.env.note_dependency(str(path))
        lines = self.PARTS[part]([(path, chapters.read(path)) for path in paths]) if paths or part == "versions" else ["There is no chapter yet."]
        holder = nodes.container()
        self.state.nested_parse(StringList(lines, source=self.env.docname), self.content_offset, holder)
        return holder.children


def setup(app):
    app.add_directive("reproducibility", Reproducibility)
