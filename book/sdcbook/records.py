"""What a stored chapter says: its measured numbers, claims and exercises."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from IPython.core.inputtransformer2 import TransformerManager

_CELL_MAGIC = re.compile(r"\A\s*%%.*")  # IPython would make one string of the whole cell
_LABEL = re.compile(r"^\s*:label:\s*(\S+)\s*$", re.MULTILINE)
_EXERCISE = re.compile(r"^(`{3,}|:{3,})\{exercise(?:-start)?\}", re.MULTILINE)
_SOLUTION = re.compile(r"^(?:`{3,}|:{3,})\{solution(?:-start)?\}\s*(\S+)\s*$", re.MULTILINE)
_FENCE = re.compile(r"^(`{3,}|~{3,})(?:python|\{code(?:-block)?\}\s*python)\s*\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Claim:
    text: str | None  # None where the text is computed
    focus: bool


@dataclass
class Exercise:
    label: str
    stubs: list[str]
    checks: list[str]
    solutions: list[str]
    posed: bool  # an {exercise} directive has this label


def code_cells(nb) -> list:
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def start(cell) -> str:
    """What a report calls a cell: its number and the beginning of its first line."""
    return f"cell [{cell.execution_count}] {cell.source.splitlines()[0][:50] if cell.source else ''!r}"


def measured(cell) -> list[dict]:
    """The records that one cell's outputs carry."""
    found = [o.get("metadata", {}).get("sdc", {}).get("measured") for o in cell.get("outputs", [])]
    return [record for record in found if record is not None]


def all_measured(nb) -> dict[str, dict]:
    return {record["name"]: record for cell in code_cells(nb) for record in measured(cell)}


def parse(source: str) -> ast.Module:
    """The syntax tree of a cell; magics and shell lines are the calls that IPython makes of them."""
    return ast.parse(TransformerManager().transform_cell(_CELL_MAGIC.sub("", source)))


def claims(source: str) -> list[Claim]:
    """The claims that a cell's source makes, wherever in it they stand."""
    found = []
    for node in ast.walk(parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name != "claim":
            continue
        given = {k.arg: k.value for k in node.keywords}
        text = node.args[0] if node.args else given.get("text")
        focus = given.get("focus")
        found.append(
            Claim(
                text.value if isinstance(text, ast.Constant) else None,
                focus is not None and not (isinstance(focus, ast.Constant) and focus.value is False),
            )
        )
    return found


def has_focus_claim(source: str) -> bool:
    return any(claim.focus for claim in claims(source))


def exercises(nb) -> dict[str, Exercise]:
    """Every exercise of the chapter by label, with what there is of it, complete or not."""
    found: dict[str, Exercise] = {}

    def at(label: str) -> Exercise:
        return found.setdefault(label, Exercise(label, [], [], [], False))

    for cell in nb.cells:
        if cell.cell_type == "code":
            tags = cell.metadata.get("tags", [])
            label = cell.metadata.get("sdc", {}).get("exercise")
            if label and "exercise-stub" in tags:
                at(label).stubs.append(cell.source)
            if label and "exercise-check" in tags:
                at(label).checks.append(cell.source)
        elif cell.cell_type == "markdown":
            if _EXERCISE.search(cell.source):
                for label in _LABEL.findall(cell.source):
                    if not label.startswith("sol-"):
                        at(label).posed = True
            solution = _SOLUTION.search(cell.source)
            code = _FENCE.search(cell.source, solution.end()) if solution else None
            if code:
                at(solution.group(1)).solutions.append(code.group(2))
    return found
