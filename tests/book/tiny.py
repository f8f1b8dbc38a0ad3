"""A book of tiny chapters in a folder of its own, to see that each check of the book can fail."""

import shutil
from pathlib import Path

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]

EXERCISE = """\
```{{exercise}} Chance
:label: {label}
How often does uniform attention over nine segments look at the right one?
```"""
SOLUTION = """\
````{{solution}} {label}
:label: sol-{label}
:class: dropdown
One in nine.
```python
chance = 1 / 9
```
````"""
CHECK = """\
def check_chance():
    assert chance is not None, "set chance"
    assert abs(chance - 1 / 9) < 1e-9, "one of nine segments is the right one"


attempt(check_chance)"""
FOCUS = """\
share = metrics.focus_hit(attention, foreground).mean()
measured("ch{n}-focus", share, within=0.01, digits=2)
claim("the model looks at the foreground", share > 0.9, focus=True)
claim("there are two mosaics", len(attention) == 2)"""
FIGURE = """\
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(2, 1.5))
_ = ax.plot([1, 2, 3])"""
WIDGET = """\
from sdclib import widgets

frames = []
for height in (1, 2):
    frame, ax = plt.subplots(figsize=(2, 1.5))
    ax.bar([0], [height])
    frames.append(frame)
alts = ["One bar that is one unit high.", "One bar that is two units high."]
widgets.frame_slider(frames, ["low", "high"], alts, description="Height")"""
ALT = "A line that rises from one to three in two steps."


def chapter(number="01", focus=FOCUS, **sdc):
    """A small whole chapter, not yet executed."""
    code, text = new_code_cell, new_markdown_cell
    setup = "import torch\n\nfrom sdclib import metrics\nfrom sdclib.reporting import attempt, claim, measured"
    data = "attention = torch.tensor([[0.8, 0.2], [0.1, 0.9]])\nforeground = torch.tensor([0, 1])"
    cells = [
        text("# Tiny"),
        code(setup),
        code(data),
        code(focus.format(n=number)),
        text(f"The model looks where it should: {{glue:text}}`ch{number}-focus`."),
        code(FIGURE, metadata={"mystnb": {"image": {"alt": ALT}}}),
        code(WIDGET),
        code(f'print("largest", 0.9)\nmeasured("ch{number}-largest", 0.9, within=0.1)', metadata={"tags": ["nbval-ignore-output"]}),
    ]
    for i in range(3):
        label = f"ex-{number}-chance{i}"
        mine = {"sdc": {"exercise": label}}
        cells += [
            text(EXERCISE.format(label=label)),
            code("chance = None  # your answer", metadata=mine | {"tags": ["exercise-stub"]}),
            code(CHECK, metadata=mine | {"tags": ["exercise-check", "hide-input"]}),
            text(SOLUTION.format(label=label)),
        ]
    stated = {
        "number": number,
        "title": "Tiny",
        "description": "A chapter that is as small as a whole chapter can be.",
        "goals": ["see each check pass", "see each check fail"],
        "minutes": 1,
        "seconds": 30,
        "memory_mb": 900,
        "prerequisites": [],
        "focus_claims": "focus=True" in focus,
    }
    return new_notebook(cells=cells, metadata={"sdc": stated | sdc})


def book(folder: Path) -> Path:
    """A root with a copy of the library and no chapters yet."""
    shutil.copytree(ROOT / "sdclib", folder / "sdclib", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "chapters").mkdir()
    return folder
