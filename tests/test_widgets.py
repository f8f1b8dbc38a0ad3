"""Interactive figures: small, described, linked in the browser and nowhere else."""

import io
import sys

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from sdclib import widgets

matplotlib.use("Agg")
ALTS = ["One bar, low.", "One bar, as high as it is wide.", "One bar, <high> & narrow."]
LABELS = ["low", "middle", "high"]


def figures(count=3, **settings):
    made = []
    for i in range(count):
        fig, ax = plt.subplots(**({"figsize": (2, 1.5)} | settings))
        ax.bar([0], [i + 1])
        made.append(fig)
    return made


def models(box):
    """Every model that the widget brings with it, and every link between models."""
    import ipywidgets

    found = {}

    def visit(widget):
        if widget.model_id in found:
            return
        found[widget.model_id] = widget
        for child in getattr(widget, "children", ()):
            visit(child)

    visit(box)
    every = ipywidgets.Widget._instances if hasattr(ipywidgets.Widget, "_instances") else ipywidgets.widgets.widget._instances
    links = [w for w in every.values() if w._model_name in ("LinkModel", "DirectionalLinkModel") and w.source[0].model_id in found]
    return found, links


def html_of(box):
    return [w.value for w in models(box)[0].values() if w._model_name == "HTMLModel"]


@pytest.mark.parametrize(
    ("kind", "control", "trait"),
    [
        ("slider", "SelectionSliderModel", "index"),
        ("dropdown", "DropdownModel", "index"),
        ("buttons", "ToggleButtonsModel", "index"),
        ("play", "IntSliderModel", "value"),
    ],
)
def test_a_control_is_linked_to_the_frames(kind, control, trait):
    box = widgets.frame_slider(figures(), LABELS, ALTS, description="Height", kind=kind)
    found, links = models(box)
    (slider,) = [w for w in found.values() if w._model_name == control]
    (stack,) = [w for w in found.values() if w._model_name == "StackModel"]
    ends = [(w.source[0], w.source[1], w.target[0], w.target[1]) for w in links]
    assert (slider, trait, stack, "selected_index") in ends
    assert slider.description == "Height"
    assert stack.selected_index == 0
    if kind == "play":
        (play,) = [w for w in found.values() if w._model_name == "PlayModel"]
        assert (play, "value", slider, "value") in ends
        assert (play.min, play.max, slider.max) == (0, 2, 2)
    else:
        assert slider._options_labels == tuple(LABELS)
    for widget in found.values():  # no callback of ours: only what ipywidgets itself observes
        assert all(not getattr(f, "__module__", "").startswith("sdclib") for f in widget._trait_notifiers.get("value", {}).get("change", []))


def test_frames_begin_with_their_alt_text_and_show_their_label():
    box = widgets.frame_slider(figures(), LABELS, ALTS, description="Height", kind="play")
    frames = html_of(box)
    assert len(frames) == 3
    assert '<img alt="One bar, &lt;high&gt; &amp; narrow." ' in frames[2]
    for frame, label in zip(frames, LABELS, strict=True):
        assert frame.index("alt=") < frame.index("src=")
        assert f">{label}</figcaption>" in frame
        assert "max-width:100%" in frame  # a phone is narrower than a figure


def test_what_is_displayed_is_the_first_frame_and_the_view(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.publish_display_data", lambda bundle: shown.append(bundle))
    box = widgets.frame_slider(figures(), LABELS, ALTS, description="Height")
    box._ipython_display_()
    first, view = shown
    assert first["text/html"].startswith('<div class="sdc-first-frame" style="display:none"><figure')
    assert '<img alt="One bar, low."' in first["text/html"]
    assert "Height: low, the first of 3 frames" in first["text/html"]
    assert view["application/vnd.jupyter.widget-view+json"]["model_id"] == box.model_id
    assert view["text/plain"] == "Interactive figure: Height, 3 frames from low to high"


def test_two_sliders_walk_a_grid():
    grid = [figures(3), figures(3)]
    alts = [[f"{i}{j} bars stand here" for j in range(3)] for i in range(2)]
    box = widgets.frame_grid(grid, ["first", "second"], LABELS, alts, descriptions=("Row", "Column"))
    found, links = models(box)
    stacks = [w for w in found.values() if w._model_name == "StackModel"]
    (outer,) = [s for s in stacks if s.children[0]._model_name == "StackModel"]
    row, column = [w for w in found.values() if w._model_name == "SelectionSliderModel"]
    assert (row.description, column.description) == ("Row", "Column")
    targets = {w.source[0]: [] for w in links}
    for link in links:
        targets[link.source[0]].append(link.target[0])
    assert targets == {row: [outer], column: list(outer.children)}
    assert "12 bars stand here" in outer.children[1].children[2].value


def test_figures_are_closed_and_png_bytes_pass():
    before = plt.get_fignums()
    png, width = widgets.to_png(figures(1)[0], dpi=100)
    assert plt.get_fignums() == before
    assert width == 192  # 2 inches of 96 pixels, however many the image has
    image = Image.open(io.BytesIO(png))
    assert (image.size, image.mode) == ((200, 150), "P")
    again, width = widgets.to_png(png)
    assert width == 200
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(again)).convert("RGB")), np.asarray(image.convert("RGB")))


def test_a_transparent_png_gets_a_white_ground():
    out = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(out, format="PNG")
    png, _ = widgets.to_png(out.getvalue())
    assert Image.open(io.BytesIO(png)).convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_the_palette_makes_frames_small():
    fig = figures(1, figsize=(5, 3.4))[0]
    full = io.BytesIO()
    fig.savefig(full, dpi=120)
    assert len(widgets.to_png(fig)[0]) < 0.6 * len(full.getvalue())


def test_too_many_bytes_are_refused_with_how_many_came():
    rng = np.random.default_rng(0)
    noise = []
    for _ in range(3):
        out = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (400, 400, 3), dtype=np.uint8)).save(out, format="PNG")
        noise.append(out.getvalue())
    with pytest.raises(ValueError, match=r"at most 300 kB as PNG; got \d{3} kB in 3 frames"):
        widgets.frame_slider(noise, LABELS, ALTS, description="Noise", colours=256)


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"kind": "knob"}, ValueError, "kind must be one of slider, play, dropdown, buttons; got 'knob'"),
        ({"description": " "}, ValueError, "description must be words"),
        ({"labels": ["a", "b"]}, ValueError, "must be as many, 2 or more; got 3, 2 and 3"),
        ({"labels": ["a", "b", ""]}, ValueError, "labels must be words"),
        ({"alts": ["a", "b", None]}, ValueError, "alts must be words"),
        ({"frames": [b"x", b"x", b"x"]}, ValueError, "frame must be a PNG"),
        ({"frames": ["a", "b", "c"]}, TypeError, "frame must be a matplotlib figure or PNG bytes"),
        ({"colours": 1}, ValueError, "colours must be from 2 to 256; got 1"),
    ],
)
def test_bad_arguments_are_refused(changed, error, says):
    arguments = {"frames": figures(), "labels": LABELS, "alts": ALTS, "description": "Height"} | changed
    with pytest.raises(error, match=says):
        widgets.frame_slider(arguments.pop("frames"), arguments.pop("labels"), arguments.pop("alts"), **arguments)
    plt.close("all")


def test_a_ragged_grid_is_refused():
    with pytest.raises(ValueError, match="as many, 2 or more; got 2, 3 and 3"):
        widgets.frame_grid([figures(3), figures(2)], ["a", "b"], LABELS, [ALTS, ALTS], descriptions=("Row", "Column"))
    plt.close("all")


def test_without_ipywidgets_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match="pip install ipywidgets"):
        widgets.frame_slider(figures(), LABELS, ALTS, description="Height")
