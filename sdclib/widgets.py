"""Interactive figures that work on the static page, with no kernel and no network.

Every frame is drawn beforehand; the browser itself links the control to the frame on show
(`jsdlink`), so no Python function is called when a reader moves a slider. The first frame is
also given as a plain image, for print and for readers without JavaScript.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

__all__ = ["frame_grid", "frame_slider", "to_png"]

MOST_BYTES = 300_000  # of all frames of one widget, as PNG: a page stays quick on a phone
KINDS = ("slider", "play", "dropdown", "buttons")
_PIXELS_PER_INCH = 96  # what CSS calls an inch
_PNG = b"\x89PNG\r\n\x1a\n"


def frame_slider(
    frames: Sequence,
    labels: Sequence[str],
    alts: Sequence[str],
    *,
    description: str,
    kind: str = "slider",
    interval: int = 500,
    dpi: int = 120,
    colours: int = 64,
):
    """One control that chooses which of several frames is on show.

    Args:
        frames: matplotlib figures (closed afterwards) or PNG bytes, all at most 300 kB
        labels: what the control and the caption call each frame: "epoch 20"
        alts: what is to be seen in each frame, in words
        description: the control's name, shown beside it and read aloud: "Epoch"
        kind: "slider", "play" (with a button that runs through the frames, one every
            `interval` milliseconds), "dropdown" or "buttons"
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}")
    _check_words(description, "description")
    count = _check_counts(frames, labels, alts)
    pngs, widths = _pictures(frames, dpi, colours)
    w = _ipywidgets()
    # Play's slider does not say its label; the other controls do, and saying it twice is noise
    captions = labels if kind == "play" else [""] * count
    stack = _stack(w, [_picture(w, *f) for f in zip(pngs, widths, alts, captions, strict=True)])
    control, row = _control(w, kind, labels, description, interval)
    w.jsdlink((control, "value" if kind == "play" else "index"), (stack, "selected_index"))
    text = f"Interactive figure: {description}, {count} frames from {labels[0]} to {labels[-1]}"
    first = f"{description}: {labels[0]}, the first of {count} frames"
    return _figure(w, [row, stack], text, _framed(_image(pngs[0], widths[0], alts[0]), first))


def frame_grid(
    frames: Sequence[Sequence],
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    alts: Sequence[Sequence[str]],
    *,
    descriptions: tuple[str, str],
    dpi: int = 120,
    colours: int = 64,
):
    """Two sliders over a grid: `frames[i][j]` is shown at row i and column j.

    descriptions are the names of the row slider and of the column slider; the rest as in
    `frame_slider`.
    """
    for description in descriptions:
        _check_words(description, "descriptions")
    _check_counts(frames, row_labels, alts)
    for row, row_alts in zip(frames, alts, strict=True):
        _check_counts(row, column_labels, row_alts)
    flat = [frame for row in frames for frame in row]
    pngs, widths = _pictures(flat, dpi, colours)
    flat_alts = [alt for row in alts for alt in row]
    w = _ipywidgets()
    shown = [_picture(w, *f) for f in zip(pngs, widths, flat_alts, [""] * len(flat), strict=True)]
    step = len(column_labels)
    inner = [_stack(w, shown[i : i + step]) for i in range(0, len(shown), step)]
    outer = _stack(w, inner)
    first, first_row = _control(w, "slider", row_labels, descriptions[0])
    second, second_row = _control(w, "slider", column_labels, descriptions[1])
    w.jsdlink((first, "index"), (outer, "selected_index"))
    for stack in inner:
        w.jsdlink((second, "index"), (stack, "selected_index"))
    text = f"Interactive figure: {descriptions[0]} by {descriptions[1]}, {len(flat)} frames"
    caption = f"{descriptions[0]}: {row_labels[0]}, {descriptions[1]}: {column_labels[0]}, the first of {len(flat)} frames"
    image = _framed(_image(pngs[0], widths[0], flat_alts[0]), caption)
    return _figure(w, [first_row, second_row, outer], text, image)


def to_png(frame, *, dpi: int = 120, colours: int = 64) -> tuple[bytes, int]:
    """A small PNG of a figure or of PNG bytes, and the width in CSS pixels to show it at.

    The PNG has a palette of `colours` (2 to 256), a third of the size of full colour with no
    loss that shows in a plot. A figure is closed.
    """
    from PIL import Image

    if not 2 <= colours <= 256:
        raise ValueError(f"colours must be from 2 to 256; got {colours!r}")
    if isinstance(frame, bytes):
        if not frame.startswith(_PNG):
            raise ValueError(f"frame must be a PNG; got bytes that begin with {frame[:8]!r}")
        raw, width = frame, None
    elif hasattr(frame, "savefig"):
        import matplotlib.pyplot as plt

        buffer = io.BytesIO()
        frame.savefig(buffer, format="png", dpi=dpi, facecolor="white")
        raw, width = buffer.getvalue(), round(frame.get_figwidth() * _PIXELS_PER_INCH)
        plt.close(frame)
    else:
        raise TypeError(f"frame must be a matplotlib figure or PNG bytes; got {type(frame)!r}")
    image = Image.open(io.BytesIO(raw)).convert("RGBA")
    opaque = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    small = opaque.quantize(colours, dither=Image.Dither.NONE)
    out = io.BytesIO()
    small.save(out, format="PNG", optimize=True)
    return out.getvalue(), width or image.width


def _pictures(frames: Sequence, dpi: int, colours: int) -> tuple[list[bytes], list[int]]:
    pngs, widths = zip(*(to_png(f, dpi=dpi, colours=colours) for f in frames), strict=True)
    total = sum(map(len, pngs))
    if total > MOST_BYTES:
        raise ValueError(
            f"the frames of one widget must be at most {MOST_BYTES // 1000} kB as PNG; got "
            f"{total / 1000:.0f} kB in {len(pngs)} frames: fewer frames, a smaller figure, "
            f"a lower dpi (now {dpi}) or fewer colours (now {colours})"
        )
    return list(pngs), list(widths)


def _check_words(text, what: str) -> None:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{what} must be words, not empty; got {text!r}")


def _check_counts(frames: Sequence, labels: Sequence, alts: Sequence) -> int:
    if not len(frames) == len(labels) == len(alts) or len(frames) < 2:
        raise ValueError(f"frames, labels and alts must be as many, 2 or more; got {len(frames)}, {len(labels)} and {len(alts)}")
    for label in labels:
        _check_words(label, "labels")
    return len(frames)


def _ipywidgets():
    try:
        import ipywidgets
    except ImportError as error:
        raise ImportError("interactive figures need ipywidgets: pip install ipywidgets") from error
    return ipywidgets


def _image(png: bytes, width: int, alt: str) -> str:
    _check_words(alt, "alts")
    # the alt text first: a screen reader and a stored text form of the cell both begin with it
    data = base64.b64encode(png).decode("ascii")
    return f'<img alt="{html.escape(alt)}" width="{width}" style="max-width:100%;height:auto" src="data:image/png;base64,{data}">'


def _framed(image: str, caption: str) -> str:
    below = f'<figcaption class="sdc-caption">{html.escape(caption)}</figcaption>' if caption else ""
    return f'<figure class="sdc-frame" style="margin:0;max-width:100%;line-height:1.4">{image}{below}</figure>'


def _picture(w, png: bytes, width: int, alt: str, caption: str):
    return w.HTML(_framed(_image(png, width, alt), caption), layout=w.Layout(width="100%", margin="0"))


def _stack(w, children: Sequence):
    return w.Stack(children, selected_index=0, layout=w.Layout(width="100%", height="auto"))


def _control(w, kind: str, labels: Sequence[str], description: str, interval: int = 500):
    """The widget whose `index` (`value` for play) chooses the frame, and what to show of it."""
    choices = [(label, i) for i, label in enumerate(labels)]  # labels may repeat, indices not
    common = {
        "description": description,
        "style": {"description_width": "initial"},
        "layout": w.Layout(width="100%", max_width="560px"),
    }
    if kind == "slider":
        control = w.SelectionSlider(options=choices, **common)
        return control, control
    if kind == "dropdown":
        control = w.Dropdown(options=choices, **common)
        return control, control
    if kind == "buttons":
        common["style"] = {"description_width": "initial", "button_width": "auto"}
        control = w.ToggleButtons(options=choices, tooltips=list(labels), **common)
        return control, control
    last = len(labels) - 1
    play = w.Play(min=0, max=last, interval=interval, tooltip=description)
    play.layout = w.Layout(flex="0 0 auto")
    common["layout"] = w.Layout(flex="1 1 14em", width="auto", min_width="0")
    control = w.IntSlider(min=0, max=last, readout=False, **common)  # the caption says the label
    w.jslink((play, "value"), (control, "value"))
    wide = w.Layout(width="100%", max_width="560px", flex_flow="row wrap", align_items="center")
    return control, w.HBox([play, control], layout=wide)


def _figure(w, children: Sequence, text: str, first_image: str):
    class Figure(w.VBox):
        """A box that also shows its first frame as a plain image, for print and no JavaScript."""

        def _ipython_display_(self):
            from IPython.display import publish_display_data

            # hidden here; the page's style sheet shows it in print and without JavaScript
            first = f'<div class="sdc-first-frame" style="display:none">{first_image}</div>'
            publish_display_data({"text/html": first, "text/plain": text})
            view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
            publish_display_data({"text/plain": text, "application/vnd.jupyter.widget-view+json": view})

    box = Figure(children, layout=w.Layout(width="100%", max_width="100%"))
    box.add_class("sdc-widget")
    return box
