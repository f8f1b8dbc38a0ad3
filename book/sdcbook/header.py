"""The cell under a chapter's title: what it gives and what it takes, written from the metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping

import nbformat

TAG = "chapter-header"
_TITLE = re.compile(r"(\(.+\)=\s*\n)*# .+")


def header_source(sdc: Mapping, chapters: Mapping[str, Mapping]) -> str:
    """The cell's Markdown. `chapters` has title and file of each chapter, by number.

    Plain Markdown, so that it reads the same in Jupyter and on the page.
    """
    before = [_link(number, chapters) for number in sdc["prerequisites"]]
    goals = "\n".join(f"- {goal}" for goal in sdc["goals"])
    return (
        f"*{sdc['description']}*\n\n"
        f"**After this chapter you will be able to**\n\n{goals}\n\n"
        f"**It takes** {sdc['minutes']} minutes to read · {sdc['seconds']} seconds to run on one "
        f"core · {sdc['memory_mb']} MB of memory\n\n"
        f"**Read before:** {', '.join(before) if before else 'nothing'}"
    )


def _link(number: str, chapters: Mapping[str, Mapping]) -> str:
    if number not in chapters:
        raise ValueError(f"prerequisite {number!r} is no chapter; there are {sorted(chapters)}")
    return f"[{number} {chapters[number]['title']}]({chapters[number]['file']})"


def is_header(cell) -> bool:
    return cell.cell_type == "markdown" and TAG in cell.metadata.get("tags", [])


def write_header(nb, chapters: Mapping[str, Mapping]) -> None:
    """Put the header right after the title cell, in place of the one that is there."""
    source = header_source(nb.metadata["sdc"], chapters)
    nb.cells = [cell for cell in nb.cells if not is_header(cell)]
    if not nb.cells or not _TITLE.fullmatch(nb.cells[0].source.strip()):
        raise ValueError("the first cell must hold the title ('# ...', a label before it) alone")
    cell = nbformat.v4.new_markdown_cell(source, metadata={"tags": [TAG]})
    nb.cells.insert(1, cell)
