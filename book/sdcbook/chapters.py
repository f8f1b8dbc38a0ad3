"""Find, read and write the chapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from sdcbook import records
from sdclib._files import write_atomically

FIELDS = ("number", "title", "description", "goals", "minutes", "seconds", "memory_mb", "prerequisites")


def find(folder: Path, names: list[str] | None = None) -> list[Path]:
    """The chapters in order; `names` picks some by number ("04") or by file name."""
    every = sorted(folder.glob("*.ipynb"))
    if not names:
        return every
    chosen = []
    for name in names:
        stem = Path(name).stem
        found = [p for p in every if stem in (p.stem, p.stem.split("-")[0])]
        if not found:
            raise ValueError(f"no chapter {name!r}; there are {', '.join(p.stem for p in every)}")
        chosen += found
    return chosen


def read(path: Path):
    return nbformat.read(path, as_version=4)


def titles(folder: Path) -> dict[str, dict]:
    """Title and file of every chapter, by number."""
    found = {}
    for path in find(folder):
        sdc = read(path).metadata.get("sdc", {})
        if "number" in sdc and "title" in sdc:
            found[sdc["number"]] = {"title": sdc["title"], "file": path.name}
    return found


def write(nb, path: Path) -> bool:
    """Write whole or not at all; say whether the file changed."""
    nbformat.validate(nb)
    text = nbformat.writes(nb) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    write_atomically(path, text)
    return True


@dataclass
class Chapter:
    """A stored chapter and what surrounds it."""

    path: Path
    root: Path
    nb: object
    known: Mapping[str, Mapping] = field(default_factory=dict)  # title and file by number

    @classmethod
    def load(cls, path: Path, root: Path) -> Chapter:
        return cls(path, root, read(path), titles(path.parent))

    @property
    def sdc(self) -> Mapping:
        return self.nb.metadata.get("sdc", {})

    @property
    def code(self) -> list:
        return records.code_cells(self.nb)
