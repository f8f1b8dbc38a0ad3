"""Names of widgets say where a widget stands, so that naming again changes nothing."""

import copy
import json
import random

import nbformat
import pytest
import tiny
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from sdcbook import chapters, execute, normalise, stamp

GRID = """\
from sdclib import widgets


def frame(height):
    fig, ax = plt.subplots(figsize=(1.5, 1))
    ax.bar([0], [height])
    return fig


alts = [[f"One bar, {i + j} units high." for j in range(2)] for i in range(3)]
frames = [[frame(i + j) for j in range(2)] for i in range(3)]
widgets.frame_grid(frames, ["low", "mid", "high"], ["even", "odd"], alts, descriptions=("Height", "More"))"""


def reference(model_id):
    return f"IPY_MODEL_{model_id}"


def two_grids(seed):
    """A notebook as a kernel leaves it: two figures, each of a slider linked to three stacks; random ids, in random order."""
    rng = random.Random(seed)
    state, cells = {}, [new_markdown_cell("# Two grids")]

    def model(name, **content):
        model_id = f"{rng.getrandbits(128):032x}"
        state[model_id] = {"model_name": name, "model_module": "controls", "state": content}
        return reference(model_id)

    for figure in range(2):
        slider = model("SelectionSliderModel", layout=model("LayoutModel", width="100%", height=None), description=f"slider {figure}")
        stacks = [model("StackModel", children=[], titles=[f"stack {figure} {i}"]) for i in range(3)]
        box = model("VBoxModel", children=[slider, *stacks])
        for stack in stacks:
            model("DirectionalLinkModel", source=[slider, "index"], target=[stack, "selected_index"])
        model("LinkModel", source=[slider, "disabled"], target=[stacks[1], "disabled"])
        model("HTMLModel", value="shown nowhere")
        view = {normalise.VIEW: {"version_major": 2, "version_minor": 0, "model_id": box.removeprefix("IPY_MODEL_")}}
        cells.append(new_code_cell(f"figure({figure})", execution_count=figure + 1, outputs=[new_output("display_data", data=view)]))
    listed = list(state.items())
    rng.shuffle(listed)
    whole = {"state": dict(listed), "version_major": 2, "version_minor": 0}
    return nbformat.from_dict(new_notebook(cells=cells, metadata={"widgets": {normalise.STATE: whole}}))


def stored(nb):
    return nbformat.reads(nbformat.writes(nb), as_version=4)


def of_widgets(nb):
    return nb.metadata.widgets[normalise.STATE]["state"]


@pytest.mark.parametrize("seed", range(5))
def test_normalising_again_changes_nothing(seed):
    nb = two_grids(seed)
    normalise.normalise(nb)
    first = copy.deepcopy(nb)
    normalise.normalise(nb)
    assert nb == first
    nb = stored(nb)
    normalise.normalise(nb)
    assert nb == stored(first)
    assert nbformat.writes(nb) == nbformat.writes(first)


def test_names_do_not_depend_on_the_kernels_ids_nor_on_their_order():
    written = set()
    for seed in range(20):
        nb = two_grids(seed)
        normalise.normalise(nb)
        written.add(nbformat.writes(nb))
    assert len(written) == 1


def test_every_model_that_is_shown_is_named_and_its_links_join_what_they_joined():
    nb = two_grids(0)
    normalise.normalise(nb)
    state = of_widgets(nb)
    assert sorted(model["model_name"] for model in state.values()) == sorted(
        2 * [*3 * ["StackModel", "DirectionalLinkModel"], "LayoutModel", "LinkModel", "SelectionSliderModel", "VBoxModel"]
    )
    assert not set(normalise.references(json.dumps(state))) - set(state)

    def called(end):
        content = state[end.removeprefix("IPY_MODEL_")]["state"]
        return content.get("description") or content["titles"][0]

    links = [model["state"] for model in state.values() if "Link" in model["model_name"]]
    joined = sorted((called(link["source"][0]), link["source"][1], called(link["target"][0])) for link in links)
    wanted = [(f"slider {f}", "index", f"stack {f} {i}") for f in range(2) for i in range(3)]
    assert joined == sorted(wanted + [(f"slider {f}", "disabled", f"stack {f} 1") for f in range(2)])


def test_what_refers_to_a_model_that_is_gone_is_left_to_the_checks():
    nb = two_grids(0)
    state = of_widgets(nb)
    gone = next(model_id for model_id, model in state.items() if model["model_name"] == "StackModel")
    del state[gone]
    normalise.normalise(nb)
    assert gone in normalise.references(json.dumps(of_widgets(nb)))


@pytest.mark.parametrize("path", chapters.find(tiny.ROOT / "chapters"), ids=lambda path: path.stem)
def test_a_stored_chapters_outputs_are_normal(path):
    nb = chapters.read(path)
    before = stamp.hash_outputs(nb)
    normalise.normalise(nb)
    assert stamp.hash_outputs(nb) == before


def test_an_edit_of_text_renames_no_widget_and_keeps_the_stamp(tmp_path):
    root = tiny.book(tmp_path)
    path = root / "chapters" / "01-tiny.ipynb"
    nb = tiny.chapter()
    at = next(i for i, cell in enumerate(nb.cells) if "import matplotlib" in cell.source) + 1
    nb.cells[at:at] = [new_code_cell(GRID), new_code_cell(GRID)]
    chapters.write(nb, path)
    assert execute.main([], root=root) == 0
    before = chapters.read(path)
    assert len([model for model in of_widgets(before).values() if model["model_name"] == "DirectionalLinkModel"]) == 2 * 4 + 1

    edited = copy.deepcopy(before)
    prose = next(i for i, cell in enumerate(edited.cells) if cell.source.startswith("The model looks"))
    edited.cells[prose].source += "\n\nA sentence more.   "
    edited.cells.insert(3, new_markdown_cell("A cell more."))
    chapters.write(edited, path)
    assert execute.main([], root=root) == 0
    after = chapters.read(path)
    assert after.cells[prose + 1].source.endswith("A sentence more.")
    assert after.metadata == before.metadata  # widgets and stamp
    assert [c.outputs for c in after.cells if c.cell_type == "code"] == [c.outputs for c in before.cells if c.cell_type == "code"]
    assert stamp.why_stale(after, root) == []
