"""Checks of a stored chapter that need no execution. Each returns what is wrong, in words.

`CHECKS` lists them; a test runs each on every chapter, and another shows that each can fail.
"""

from __future__ import annotations

import ast
import html
import re

from sdcbook import chapters, checks_numbers, header, normalise, records, stamp
from sdcbook.chapters import Chapter
from sdcbook.kernel import HARD

LINES, HIDDEN_LINES = 25, 40  # of a code cell that is shown, and of one that is folded
_NEEDS_KERNEL = {"interact", "interactive", "interact_manual", "Output", "observe", "on_click", "on_trait_change"}
_IMG = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_ALT = re.compile(r"\balt=([\"'])(.*?)\1", re.IGNORECASE | re.DOTALL)
_ABSOLUTE = re.compile(r"(?:^|[\s\"'(=])(?:/(?:[\w.~-]+/)+[\w.~-]+|[A-Za-z]:\\\w)", re.MULTILINE)


def fresh(chapter: Chapter) -> list[str]:
    return [f"stale, run `make notebooks`: {why}" for why in stamp.why_stale(chapter.nb, chapter.root)]


def executed(chapter: Chapter) -> list[str]:
    wrong = []
    counts = [cell.execution_count for cell in chapter.code]
    if counts != list(range(1, len(counts) + 1)):
        wrong.append(f"the code cells did not run once each in order: {counts}")
    for cell in chapter.code:
        if not cell.source.strip():
            wrong.append("a code cell is empty")
        for output in cell.outputs:
            if output.output_type == "error":
                wrong.append(f"{records.start(cell)}: it raised {output.ename}")
            if output.output_type == "stream" and output.name == "stderr":
                wrong.append(f"{records.start(cell)}: it wrote to stderr: {output.text[:80]!r}")
            if "raises-exception" in cell.metadata.get("tags", []):
                wrong.append(f"{records.start(cell)}: the tag raises-exception is not used here: catch the error and print it")
    return wrong


def widget_state(chapter: Chapter) -> list[str]:
    widgets = chapter.nb.metadata.get("widgets", {})
    state = widgets.get(normalise.STATE, {}).get("state", {})
    shown = [view["model_id"] for view in normalise.views(chapter.nb)]
    wrong = [f"the output shows widget {i} and the notebook has no state of it" for i in shown if i not in state]
    for model_id, model in state.items():
        for other in normalise.references(str(model)):
            if other not in state:
                wrong.append(f"widget {model_id} refers to {other}, of which there is no state")
    return wrong


def widgets_without_kernel(chapter: Chapter) -> list[str]:
    wrong = []
    for cell in chapter.code:
        tree = records.parse(cell.source)
        used = {getattr(n, "attr", getattr(n, "id", "")) for n in ast.walk(tree) if isinstance(n, ast.Attribute | ast.Name)}
        wrong += [f"{records.start(cell)}: {name} does nothing on a page without a kernel" for name in sorted(used & _NEEDS_KERNEL)]
    return wrong


def figures(chapter: Chapter) -> list[str]:
    wrong = []
    for cell in chapter.code:
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt")
        pngs = [o for o in cell.outputs if "image/png" in o.get("data", {})]
        lost = [o for o in cell.outputs if "<Figure size" in o.get("data", {}).get("text/plain", "") and o not in pngs]
        if alt is not None and not pngs:
            wrong.append(f"{records.start(cell)}: it has alt text and its picture is gone")
        if lost:
            wrong.append(f"{records.start(cell)}: it has a figure's text form and the picture is gone")
        if len(pngs) > 1:
            wrong.append(f"{records.start(cell)}: {len(pngs)} pictures in one cell, and one alt text for all: one each")
        if pngs:
            wrong += [f"{records.start(cell)}: {why}" for why in bad_alt(alt)]
    for text in _html_parts(chapter.nb):
        for tag in _IMG.findall(text):
            found = _ALT.search(tag)
            wrong += [f"an <img>: {why}" for why in bad_alt(html.unescape(found.group(2)) if found else None)]
    return wrong


def bad_alt(alt: str | None) -> list[str]:
    """What is wrong with an alt text: it says what is to be seen, in words."""
    if alt is None:
        return ["no alt text (cell metadata mystnb.image.alt)"]
    wrong = []
    if len(alt) < 20 or len(re.findall(r"[^\W\d_]{2,}", alt)) < 4:
        wrong.append(f"the alt text is too short to say what is seen: {alt!r}")
    if re.search(r"_images/|\.(?:png|svg|jpe?g)\b|<Figure", alt):
        wrong.append(f"the alt text is a file's name: {alt[:80]!r}")
    return wrong


def header_agrees(chapter: Chapter) -> list[str]:
    found = [i for i, cell in enumerate(chapter.nb.cells) if header.is_header(cell)]
    if found != [1]:
        return [f"one header cell must stand right after the title; found at {found}"]
    try:
        wanted = header.header_source(chapter.sdc, chapter.known)
    except (KeyError, ValueError) as error:
        return [f"no header can be written from the metadata: {error}"]
    return [] if chapter.nb.cells[1].source == wanted else ["the header differs from the metadata: run `make notebooks`"]


def metadata(chapter: Chapter) -> list[str]:
    sdc = chapter.sdc
    missing = [name for name in chapters.FIELDS if name not in sdc]
    if missing:
        return [f"metadata sdc lacks {', '.join(missing)}"]
    wrong = []
    if chapter.path.name.split("-")[0] != sdc["number"]:
        wrong.append(f"number {sdc['number']!r} is not that of the file's name {chapter.path.name}")
    if f"# {sdc['title']}" not in chapter.nb.cells[0].source.splitlines():
        wrong.append(f"title {sdc['title']!r} is not the first cell's")
    if not re.fullmatch(r"[A-Z].{30,}[.?]", sdc["description"]):
        wrong.append(f"description must be a sentence; got {sdc['description']!r}")
    if not 2 <= len(sdc["goals"]) <= 6:
        wrong.append(f"goals must be 2 to 6; got {len(sdc['goals'])}")
    for name in ("minutes", "seconds", "memory_mb"):
        if not isinstance(sdc[name], int) or sdc[name] < 1:
            wrong.append(f"{name} must be a whole number above 0; got {sdc[name]!r}")
        elif sdc[name] > HARD.get(name, 60):
            wrong.append(f"{name} must be at most {HARD.get(name, 60)}; got {sdc[name]}")
    wrong += [f"prerequisite {p!r} is no earlier chapter" for p in sdc["prerequisites"] if p not in chapter.known or p >= sdc["number"]]
    return wrong


def exercises(chapter: Chapter) -> list[str]:
    found = records.exercises(chapter.nb)
    wrong = [] if len(found) >= 3 else [f"a chapter has 3 exercises or more; found {sorted(found)}"]
    for label, e in found.items():
        if not label.startswith(f"ex-{chapter.sdc.get('number')}-"):
            wrong.append(f"{label} must start with ex-{chapter.sdc.get('number')}-")
        if not e.posed:
            wrong.append(f"{label} has no {{exercise}} with this label")
        for name, parts in (("stub", e.stubs), ("check", e.checks), ("solution", e.solutions)):
            if len(parts) != 1:
                wrong.append(f"{label} must have one {name}; found {len(parts)}")
        if e.checks and not re.search(r"^attempt\(\w+\)\s*\Z", e.checks[-1], re.MULTILINE):
            wrong.append(f"{label}: its check must end in attempt(check_...)")
    return wrong


def focus_claims(chapter: Chapter) -> list[str]:
    has = any(records.has_focus_claim(cell.source) for cell in chapter.code)
    declares = bool(chapter.sdc.get("focus_claims", False))
    if has == declares:
        return []
    return [f"metadata says focus_claims: {declares}, and the chapter {'has some' if has else 'has none'}"]


def short_cells(chapter: Chapter) -> list[str]:
    wrong = []
    for cell in chapter.code:
        folded = {"hide-input", "hide-cell", "remove-input", "remove-cell"} & set(cell.metadata.get("tags", []))
        lines, most = len(cell.source.splitlines()), HIDDEN_LINES if folded else LINES
        if lines > most:
            wrong.append(f"{records.start(cell)}: {lines} lines of code, at most {most}: move machinery to sdclib")
    return wrong


def no_absolute_paths(chapter: Chapter) -> list[str]:
    wrong = []
    for cell in chapter.code:
        texts = [cell.source, *(o.get("text", "") for o in cell.outputs)]
        texts += [o.get("data", {}).get("text/plain", "") for o in cell.outputs]
        wrong += [f"{records.start(cell)}: a path of one machine: {m.group().strip()!r}" for t in texts for m in _ABSOLUTE.finditer(t)]
    return wrong


def _html_parts(nb):
    for cell in records.code_cells(nb):
        for output in cell.outputs:
            yield output.get("data", {}).get("text/html", "")
    for model in nb.metadata.get("widgets", {}).get(normalise.STATE, {}).get("state", {}).values():
        if model.get("model_name") == "HTMLModel":
            yield model["state"].get("value", "")


CHECKS = (  # of one chapter by itself; prose_numbers needs the names of the whole book
    fresh,
    executed,
    widget_state,
    widgets_without_kernel,
    figures,
    header_agrees,
    metadata,
    exercises,
    focus_claims,
    short_cells,
    no_absolute_paths,
    checks_numbers.ignored_numbers,
    checks_numbers.skipped,
    checks_numbers.measured_text,
)
