"""Take out of an executed notebook what is random or belongs to one machine.

After this, executing an unchanged chapter again on the same machine gives the same file, and
normalising it again, as after an edit of its text, changes nothing that the stamp covers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable

STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}
_KEPT_METADATA = ("scrapbook", "sdc")  # of an output; the rest is noise of one tool or another
_ID = re.compile("(?<=IPY_MODEL_)[0-9a-f]{32}")
_PLAIN_MODELS = ("LayoutModel", "DescriptionStyleModel")  # dozens of settings, nearly all null


def normalise(nb) -> None:
    """Make the notebook the same after every execution; changes it in place."""
    kept = {key: nb.metadata[key] for key in ("sdc", "widgets") if key in nb.metadata}
    nb.metadata = type(nb.metadata)({**kept, "kernelspec": KERNELSPEC, "language_info": LANGUAGE})
    nb.nbformat, nb.nbformat_minor = 4, 5
    for cell in nb.cells:
        cell.source = cell.source.rstrip()
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if "metadata" in output:
                given = output.metadata
                output.metadata = type(given)({k: given[k] for k in _KEPT_METADATA if k in given})
    _name_cells(nb)
    rename_widgets(nb)


def _name_cells(nb) -> None:
    """Ids from the contents: a cell that does not change keeps its id, however it was written."""
    seen: dict[str, int] = {}
    for cell in nb.cells:
        key = hashlib.sha256(f"{cell.cell_type}\0{cell.source}".encode()).hexdigest()[:12]
        seen[key] = seen.get(key, 0) + 1
        cell.id = key if seen[key] == 1 else f"{key}-{seen[key]}"


def views(nb):
    """The widget models that the outputs show, in order."""
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            view = output.get("data", {}).get(VIEW)
            if view:
                yield view


def rename_widgets(nb) -> None:
    """Number the widget models in order of appearance, and drop those that no page can show."""
    state = nb.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    order = _reachable(state, [view["model_id"] for view in views(nb)])
    if not order:
        nb.metadata.pop("widgets", None)
        return
    # a new name says the place in this order and nothing else, so naming again gives the same names
    names = {old: hashlib.sha256(f"widget {i}".encode()).hexdigest()[:32] for i, old in enumerate(order)}
    for view in views(nb):
        # an id without state stays as it is: a check says so
        view["model_id"] = names.get(view["model_id"], view["model_id"])
    renamed = {}
    for old in order:
        model = state[old]
        if model["model_name"] in _PLAIN_MODELS:
            model["state"] = {k: v for k, v in model["state"].items() if v is not None}
        text = json.dumps(model)
        # all at once: in a notebook that was renamed before, one model's new name is another's old one
        renamed[names[old]] = json.loads(_ID.sub(lambda match: names.get(match[0], match[0]), text))
    whole = {"state": renamed, "version_major": 2, "version_minor": 0}
    nb.metadata["widgets"] = {STATE: whole}


def _reachable(state: dict, shown: list[str]) -> list[str]:
    order: dict[str, None] = {}

    def visit(model_id: str) -> None:
        if model_id in order or model_id not in state:
            return
        order[model_id] = None
        for other in references(json.dumps(state[model_id], sort_keys=True)):
            visit(other)

    for model_id in shown:
        visit(model_id)
    for model_id in _links(state, order):
        visit(model_id)
    return list(order)


def _links(state: dict, order: Iterable[str]) -> list[str]:
    """The links between models in `order`: nobody refers to them, and the page needs them.

    They go by the places of what they join, since the order in which a state lists its models
    is lost in a stored file; two that join the same models go by the rest of their text.
    """
    place = {model_id: i for i, model_id in enumerate(order)}
    found = []
    for model_id, model in state.items():
        text = json.dumps(model, sort_keys=True)
        ends = references(text)
        if model["model_name"] in ("LinkModel", "DirectionalLinkModel") and place.keys() >= set(ends):
            found.append(([place[end] for end in ends], _ID.sub("", text), model_id))
    return [model_id for *_, model_id in sorted(found)]


def references(text: str) -> list[str]:
    """The ids that a model's state names, each once, in order."""
    return list(dict.fromkeys(_ID.findall(text)))
