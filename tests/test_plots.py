"""Figures: what a style may change and what it must leave, and that what is drawn is what was given."""

import copy
from dataclasses import replace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from sdclib import AttentionModel, Mosaics, constructed, diagnose, distributions, fit, make_mosaics, models, plots
from sdclib.diagnosis import diagnose_stored
from sdclib.evaluation import evaluate, predict
from sdclib.intervals import over_seeds
from sdclib.metrics import FocusTable
from sdclib.training import Snapshots
from sdclib.widgets import frame_slider

PLANE = {"xlim": (-1.0, 4.0), "ylim": (-2.0, 3.0)}


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(scope="module")
def trained():
    """A model on the plane, trained a little, and its mosaics."""
    data = make_mosaics(distributions.get("boxes_one_side"), n=200, seed=0)
    model = models.build("mlp-8-8", data.feature_shape, data.n_classes)
    fit(model, data, lr=0.01, epochs=3, progress=False)
    return model, data


def color(artist):
    return to_hex(artist.get_facecolor()[0] if np.ndim(artist.get_facecolor()) == 2 else artist.get_facecolor())


def test_style_puts_back_what_it_changed():
    before = dict(mpl.rcParams)
    with pytest.raises(KeyError), plots.style():
        assert mpl.rcParams["figure.constrained_layout.use"] and not before["figure.constrained_layout.use"]
        raise KeyError
    assert dict(mpl.rcParams) == before


def test_style_keeps_interactive_mode_when_the_first_figure_turned_it_on():
    # a notebook's backend is loaded, and turns this on, by the first figure: often inside the block
    mpl.interactive(False)
    try:
        with plots.style():
            mpl.interactive(True)
        assert mpl.is_interactive()
    finally:
        mpl.interactive(False)


def frames(ax, edge):
    """Place (x, y) -> line width of the frames of one colour."""
    return {p.get_xy(): p.get_linewidth() for p in ax.patches if isinstance(p, Rectangle) and to_hex(p.get_edgecolor()) == edge.lower()}


def test_a_mosaic_frames_its_segments_by_their_weights(ax):
    attention = torch.tensor([0.1, 0.6, 0.001, 0.299])
    plots.mosaic(torch.rand(4, 5, 6), ax, attention=attention)
    # columns of width 6 and rows of height 5, with gaps: place 1 is to the right of place 0, place 2 below it
    x, y = 6 + 2.2, 5 + 2.2
    widths = frames(ax, plots.CLASSES[0])
    assert widths == pytest.approx({(0, 0): 0.8 + 3.2 * 0.1, (x, 0): 0.8 + 3.2 * 0.6, (x, y): 0.8 + 3.2 * 0.299})
    assert [text.get_text() for text in ax.texts] == ["10 %", "60 %", "0 %", "30 %"]
    assert [text.get_position()[0] for text in ax.texts] == pytest.approx([3, x + 3, 3, x + 3])


@pytest.mark.parametrize(("place", "corner"), [(0, (0, 0)), (1, (7.3, 0)), (5, (14.6, 6.3))])
def test_a_mosaic_marks_its_foreground_and_nothing_else(ax, place, corner):
    segments = torch.rand(6, 1, 5, 6)
    plots.mosaic(segments, ax, foreground=place, columns=3)
    (mark,) = [patch for patch in ax.patches if isinstance(patch, Polygon)]
    assert tuple(mark.get_xy()[0]) == pytest.approx(corner)
    assert color(mark) == plots.CLASSES[1].lower()
    assert not frames(ax, plots.CLASSES[0])
    left, right, bottom, top = ax.images[place].get_extent()
    assert (left, top) == pytest.approx(corner) and (right - left, bottom - top) == pytest.approx((6, 5))
    assert np.array_equal(ax.images[place].get_array(), segments[place, 0].numpy())


def test_weights_are_the_bars_heights(ax):
    attention = torch.tensor([0.2, 0.5, 0.3])
    plots.weights(attention, ax, foreground=2)
    assert [bar.get_height() for bar in ax.patches] == pytest.approx(attention.tolist())
    assert [color(bar) for bar in ax.patches] == [c.lower() for c in (plots.CLASSES[0], plots.CLASSES[0], plots.CLASSES[1])]
    assert list(ax.lines[0].get_ydata()) == pytest.approx([1 / 3, 1 / 3])


def test_base_points_lie_where_the_pool_has_them(ax):
    pool = make_mosaics(distributions.get("dataset1"), n=5, seed=0).pool
    plots.base_points(pool, ax, names=["a", "b", "c"])
    background, *classes = ax.collections
    assert [c.get_label() for c in ax.collections] == ["background", "a", "b", "c"]
    assert np.allclose(background.get_offsets(), pool.points[~pool.is_foreground])
    for k, drawn in enumerate(classes):
        assert np.allclose(drawn.get_offsets(), pool.points[pool.component == k])
        assert color(drawn) == plots.CLASSES[k].lower()


def test_points_that_lie_on_no_plane_are_refused(ax):
    pool = make_mosaics(distributions.get("dataset2"), n=5, seed=0).pool
    with pytest.raises(ValueError, match="needs points on the plane"):
        plots.base_points(pool, ax)


def test_focus_contours_are_darker_where_the_score_is_higher(ax, trained):
    model, _ = trained
    plots.focus_contours(model, ax, **PLANE, levels=6, resolution=40)
    filled, lines = ax.collections
    x, y = np.meshgrid(np.linspace(*PLANE["xlim"], 40), np.linspace(*PLANE["ylim"], 40))
    grid = torch.tensor(np.stack([x, y], -1), dtype=torch.float32)
    with torch.no_grad():
        scores = model.focus(grid).squeeze(-1).numpy()
    assert np.all(np.diff(filled.levels) > 0) and filled.levels[0] <= scores.min() and filled.levels[-1] >= scores.max()
    brightness = [sum(rgba[:3]) for rgba in filled.to_rgba(filled.cvalues)]
    assert np.all(np.diff(brightness) < 0)
    assert np.array_equal(lines.levels, filled.levels)
    # a contour is where the score has its level: between grid points it is interpolated
    for level, path in zip(lines.levels, lines.get_paths(), strict=True):
        if len(path.vertices):
            with torch.no_grad():
                there = model.focus(torch.tensor(path.vertices, dtype=torch.float32)).numpy()
            assert np.abs(there - level).max() < 0.05 * np.ptp(scores)
    assert ax.get_xlim() == PLANE["xlim"] and ax.get_ylim() == PLANE["ylim"]


def test_decision_regions_are_the_classes_of_a_segment_alone(ax, trained):
    model, _ = trained
    plots.decision_regions(model, ax, **PLANE, resolution=30)
    (mesh,) = ax.collections
    x, y = np.meshgrid(np.linspace(*PLANE["xlim"], 30), np.linspace(*PLANE["ylim"], 30))
    points = torch.tensor(np.stack([x.ravel(), y.ravel()], 1), dtype=torch.float32)
    with torch.no_grad():
        expected = model.segment_logits(points[:, None]).argmax(-1).reshape(30, 30).numpy()
    assert len(np.unique(expected)) > 1, "the figure must have something to tell apart"
    assert np.array_equal(np.asarray(mesh.get_array()).reshape(30, 30), expected)
    for k in np.unique(expected):
        assert mesh.cmap(mesh.norm(k))[:3] == pytest.approx(to_rgba(plots.CLASSES[k])[:3])


def test_averaged_points_are_the_weighted_means_by_label(ax, trained):
    model, data = trained
    plots.averaged_points(model, data, ax)
    means = (predict(model, data).attention[..., None] * data.segments).sum(1)
    assert len(ax.collections) == data.n_classes
    for k, drawn in enumerate(ax.collections):
        assert np.allclose(drawn.get_offsets(), means[data.label == k], atol=1e-5)
        assert color(drawn) == plots.CLASSES[k].lower()
    deep = models.build("mlp-8-8", data.feature_shape, data.n_classes, average_at=1)
    with pytest.raises(ValueError, match="average_at=0 only"):
        plots.averaged_points(deep, data, ax)


def test_four_way_bars_have_the_widths_order_and_labels_of_the_tables(ax):
    tables = {"first": FocusTable(50.0, 30.0, 17.0, 3.0, n=100), "second": {"ftpt": 10.0, "ffpt": 20.0, "ftpf": 30.0, "ffpf": 40.0}}
    plots.four_way(tables, ax)
    bars = ax.patches
    assert [bar.get_width() for bar in bars] == [50, 30, 17, 3, 10, 20, 30, 40]
    assert [bar.get_x() for bar in bars] == [0, 50, 80, 97, 0, 10, 30, 60]
    assert [color(bar) for bar in bars] == [c.lower() for c in plots.FOUR_WAY.values()] * 2
    assert [text.get_text() for text in ax.texts] == ["50", "30", "17", "10", "20", "30", "40"]  # 3 is too narrow for a number
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["first", "second"]
    middle = [bar.get_y() + bar.get_height() / 2 for bar in bars]
    assert middle == pytest.approx([0] * 4 + [1] * 4) and ax.yaxis_inverted()  # the first on top
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["right, right place", "right, wrong place", "wrong, right place", "wrong, wrong place"]


def test_seeds_shows_every_value_and_the_interval_of_the_mean(ax):
    frame = pd.DataFrame({"name": list("abcd"), "accuracy": [90.0, 99.0, 95.0, 92.0], "ftpt": [10.0, 80.0, 40.0, 60.0]})
    plots.seeds(frame, ax, names=["right", "both right"])
    summary = over_seeds(frame[["accuracy", "ftpt"]])
    dots = [c for c in ax.collections if isinstance(c, PathCollection)]
    for place, (column, drawn, bar) in enumerate(zip(["accuracy", "ftpt"], dots, ax.containers, strict=True)):
        assert sorted(drawn.get_offsets()[:, 1]) == sorted(frame[column])
        assert np.abs(drawn.get_offsets()[:, 0] - place).max() < 0.5
        mean, _, (interval,) = bar.lines
        assert mean.get_ydata()[0] == pytest.approx(summary.loc[column, "mean"])
        assert interval.get_segments()[0][:, 1] == pytest.approx(summary.loc[column, ["low", "high"]].to_numpy(dtype=float))
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["right", "both right"] and ax.get_ylabel() == "%"


# Figures of a diagnosis and of training.


@pytest.fixture(scope="module")
def case():
    return constructed.draw("elimination", seed=7)


@pytest.fixture(scope="module")
def found(case):
    return diagnose(case.model, case.mosaics)


@pytest.fixture(scope="module")
def stored(case):
    output = predict(case.model, case.mosaics)
    return diagnose_stored(output.attention, output.logits, case.mosaics.label, case.mosaics.foreground)


def words(texts):
    return [text.get_text() for text in texts]


@pytest.mark.parametrize("which", ["found", "stored"])
def test_why_right_stacks_the_shares_of_every_class(ax, request, which):
    diagnosis = request.getfixturevalue(which)
    assert plots.why_right(diagnosis, ax) is ax
    keys = ["looked", "absent", "read", "wrong"] if which == "found" else ["looked", "elsewhere", "wrong"]
    table = diagnosis.per_class
    assert len(ax.containers) == len(keys)
    for key, bars in zip(keys, ax.containers, strict=True):
        assert [bar.get_width() for bar in bars] == pytest.approx(table[key].tolist())
        assert {color(bar) for bar in bars} == {plots.WHY[key].lower()}
    for row in range(len(table)):  # end to end, from 0 to 100
        ends = [0, *table.loc[row, keys].cumsum()]
        assert [bars[row].get_x() for bars in ax.containers] == pytest.approx(ends[:-1]) and ends[-1] == pytest.approx(100)
    assert words(ax.get_yticklabels()) == [f"class {k}" for k in range(len(table))] and ax.yaxis_inverted()
    assert sorted(words(ax.texts)) == sorted(f"{value:.0f}" for value in table[keys].to_numpy().ravel() if value >= 8)
    assert len(words(ax.get_legend().get_texts())) == len(keys) and ax.get_xlim() == (0, 100)


def test_interventions_are_bars_with_their_names(ax, found):
    assert plots.interventions(found, ax) is ax
    shown = found.interventions.dropna()
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(shown.tolist())
    assert words(ax.get_yticklabels()) == list(shown.index) and words(ax.texts) == [f"{value:.0f}" for value in shown]
    assert ax.get_xlim() == (0, 100) and ax.yaxis_inverted()


def test_an_intervention_that_could_not_be_made_has_no_bar(ax, found):
    unknown = replace(found, interventions=found.interventions.where(found.interventions.index != "new mosaics"))
    plots.interventions(unknown, ax)
    assert "new mosaics" not in words(ax.get_yticklabels()) and len(ax.patches) == unknown.interventions.notna().sum() < len(found.interventions)


def test_no_interventions_to_draw_is_named(ax, stored):
    with pytest.raises(ValueError, match="interventions need a diagnosis that made some; got one of stored outputs"):
        plots.interventions(stored, ax)


def test_confusion_shows_every_share(ax, found):
    assert plots.confusion(found, ax) is ax
    table = found.confusion.to_numpy()
    assert np.array_equal(ax.images[0].get_array(), table) and ax.images[0].get_clim() == (0, 100)
    assert {tuple(text.get_position()): text.get_text() for text in ax.texts} == {(j, i): f"{value:.0f}" for (i, j), value in np.ndenumerate(table)}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "class")


@pytest.mark.parametrize("draw", [plots.why_right, plots.confusion])
def test_classes_may_have_names_one_each(ax, found, draw):
    names = [f"name {k}" for k in range(len(found.per_class))]
    draw(found, ax, names=names)
    assert words(ax.get_yticklabels()) == names
    with pytest.raises(ValueError, match=f"names must be {len(names)}, one a class; got 1"):
        draw(found, ax, names=["only"])


def test_a_diagnosis_is_a_figure_of_two_parts(found, stored):
    figure = Figure()
    assert plots.diagnosis(found, figure) is figure
    above, below = figure.axes
    assert len(above.containers) == 4 and len(below.patches) == found.interventions.notna().sum()
    assert figure.get_suptitle() == f"elimination: accuracy {found.table.accuracy:.1f} %, FTPT {found.table.ftpt:.1f} %"
    only = plots.diagnosis(stored, Figure())
    assert len(only.axes) == 1 and only.get_suptitle().startswith("elimination: ")
    made = plots.diagnosis(found)
    assert isinstance(made, Figure)
    plt.close(made)


def test_four_way_over_epochs_is_stacked(ax):
    history = pd.DataFrame({"epoch": [0, 5, 10], "ftpt": [10.0, 40, 70], "ffpt": [20.0, 30, 20], "ftpf": [30.0, 20, 10], "ffpf": [40.0, 10, 0]})
    assert plots.four_way_epochs(history, ax) is ax
    assert [color(area) for area in ax.collections] == [c.lower() for c in plots.FOUR_WAY.values()]
    for area, top in zip(ax.collections, history[list(plots.FOUR_WAY)].cumsum(axis=1).to_numpy().T, strict=True):
        corners = {tuple(point) for point in area.get_paths()[0].vertices}
        assert set(zip(history["epoch"], top, strict=True)) <= corners
    assert words(ax.get_legend().get_texts()) == ["right, right place", "right, wrong place", "wrong, right place", "wrong, wrong place"]
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 10), (0, 100))
    with pytest.raises(ValueError, match="history must have the columns epoch, ftpt, ffpt, ftpf, ffpf .*; it lacks ffpt, ftpf"):
        plots.four_way_epochs(history.drop(columns=["ftpf", "ffpt"]), ax)


def test_inside_shows_both_halves_in_one_frame(trained):
    model, data = trained
    axes = Figure().subplots(1, 2)
    assert plots.inside(model, data, axes, n_averages=50) is axes
    low, high = data.pool.points.amin(0), data.pool.points.amax(0)
    for ax in axes:
        (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
        assert left < low[0] and high[0] < right and bottom < low[1] and high[1] < top, "all base points are seen"
    assert axes[0].get_xlim() == axes[1].get_xlim() and axes[0].get_ylim() == axes[1].get_ylim()
    dots = [c for c in axes[1].collections if isinstance(c, PathCollection)]
    assert sum(len(c.get_offsets()) for c in dots) == 50
    plots.inside(model, data, axes, xlim=(0, 1), ylim=(2, 4), aspect="auto")
    assert (axes[0].get_xlim(), axes[1].get_ylim(), axes[0].get_aspect()) == ((0, 1), (2, 4), "auto")


@pytest.fixture(scope="module")
def snapshots():
    data = make_mosaics(distributions.get("boxes_one_side"), n=200, seed=0)
    model, taken = models.build("mlp-8-8", data.feature_shape, data.n_classes), Snapshots([0, 2])
    fit(model, data, lr=0.01, epochs=4, progress=False, callback=taken)
    return model, taken, data


def test_training_frames_are_what_the_slider_takes(snapshots):
    model, taken, data = snapshots
    before, mode = {name: value.clone() for name, value in model.state_dict().items()}, model.training
    open_figures = plt.get_fignums()
    made = plots.training_frames(model, taken, data, n_averages=50, figsize=(4, 2))
    assert plt.get_fignums() == open_figures, "however many frames: pyplot keeps none of them"
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items()) and model.training == mode
    assert made["labels"] == ["epoch 0", "epoch 2", "epoch 4"]
    assert [tuple(frame.get_size_inches()) for frame in made["frames"]] == [(4, 2)] * 3
    for epoch, frame, alt in zip((0, 2, 4), made["frames"], made["alts"], strict=True):
        then = copy.deepcopy(model)
        then.load_state_dict(taken[epoch])
        measured = evaluate(then, data)
        title = f"accuracy {measured['accuracy']:.0f} %, FTPT {measured['ftpt']:.0f} %"
        assert frame.axes[1].get_title() == title and title in alt and f"foreground weight {measured['foreground_mass']:.2f}" in alt
        assert frame.axes[0].get_title() == f"epoch {epoch}" and alt.startswith(f"Epoch {epoch}: ")
        dots = np.concatenate([c.get_offsets() for c in frame.axes[1].collections if isinstance(c, PathCollection)])
        means = (predict(then, data[:50]).attention[..., None] * data[:50].segments).sum(1)
        assert np.allclose(dots[np.lexsort(dots.T)], means[np.lexsort(means.numpy().T)], atol=1e-5), "the averages of that epoch"
    assert frame_slider(**made, description="Epoch") is not None


def test_training_frames_name_what_they_cannot_show(snapshots):
    model, taken, data = snapshots
    with pytest.raises(ValueError, match="snapshots must hold at least one; got none"):
        plots.training_frames(model, Snapshots([0]), data)
    with pytest.raises(TypeError, match=r"snapshots must be Snapshots \(fit.*\); got dict"):
        plots.training_frames(model, dict(taken), data)
    with pytest.raises(TypeError, match="model must be AttentionModel; got Linear"):
        plots.training_frames(torch.nn.Linear(2, 2), taken, data)
    with pytest.raises(ValueError, match="shows models of average_at=0; got 1"):
        plots.training_frames(models.build("mlp-8-8", (2,), 3, average_at=1), taken, data)


# What is easily drawn wrong without a word.


@pytest.fixture
def hidden():
    """Mosaics on the plane, half of them with a hidden segment that is NaN."""
    rng = np.random.default_rng(0)
    segments, mask = torch.from_numpy(rng.normal(size=(60, 4, 2))).float(), torch.ones(60, 4, dtype=torch.bool)
    mask[:30, 3] = False
    return Mosaics.from_segments(segments.masked_fill(~mask[..., None], torch.nan), torch.arange(60) % 3, torch.zeros(60, dtype=int), mask=mask)


def test_averages_of_mosaics_with_hidden_segments_are_all_drawn(trained, hidden):
    model, axes = trained[0], Figure().subplots(1, 2)
    plots.inside(model, hidden, axes)
    drawn = [np.ma.filled(c.get_offsets(), np.nan) for c in axes[1].collections if isinstance(c, PathCollection)]
    means = (predict(model, hidden).attention[..., None] * hidden.segments.nan_to_num()).sum(1)
    for k, points in enumerate(drawn):
        assert np.allclose(points, means[hidden.label == k], atol=1e-5)
    assert sum(map(len, drawn)) == 60 and np.isfinite([*axes[0].get_xlim(), *axes[0].get_ylim()]).all()


def test_a_figure_asks_the_model_in_evaluation_mode_and_leaves_it_as_it_was(ax):
    focus = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.9), torch.nn.Linear(8, 1))
    model = AttentionModel(focus, torch.nn.Sequential(torch.nn.Dropout(0.9), torch.nn.Linear(2, 3))).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    plots.focus_contours(model, ax, **PLANE, resolution=10)
    plots.decision_regions(model, ax, **PLANE, resolution=10)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state), "dropout was off"
    assert all(module.training for module in model.modules())


def test_a_model_without_parameters_is_drawn(ax):
    model = AttentionModel(lambda points: points[:, :1], lambda averages: torch.cat([averages, averages[:, :1]], 1))
    plots.focus_contours(model, ax, **PLANE)
    plots.decision_regions(model, ax, **PLANE)


@pytest.mark.parametrize("draw", [plots.focus_contours, plots.decision_regions])
def test_a_model_whose_networks_nobody_knows_is_refused(ax, draw):
    with pytest.raises(TypeError, match="model must be AttentionModel; got function"):
        draw(lambda segments, mask=None: None, ax, **PLANE)
    with pytest.raises(TypeError, match="model must be AttentionModel; got function"):
        plots.averaged_points(lambda segments, mask=None: None, None, ax)


def test_a_mosaic_with_a_hidden_segment_keeps_its_grey_scale(ax):
    images = torch.arange(80.0).reshape(4, 4, 5)
    images[3] = torch.nan
    plots.mosaic(images, ax)
    assert [image.get_clim() for image in ax.images] == [(0, 59)] * 4


def test_half_precision_is_drawn(ax):
    plots.weights(torch.tensor([0.25, 0.75], dtype=torch.bfloat16), ax)
    assert [bar.get_height() for bar in ax.patches] == [0.25, 0.75]
    plots.mosaic(torch.rand(4, 5, 5).bfloat16(), ax)


WRONG = {
    "colour": (lambda ax: plots.mosaic(torch.rand(4, 3, 5, 5), ax), r"segments must be images \(m, h, w\) or \(m, 1, h, w\); got shape \(4, 3, 5, 5\)"),
    "one image": (lambda ax: plots.mosaic(torch.rand(5, 5), ax), r"got shape \(5, 5\)"),
    "few weights": (lambda ax: plots.mosaic(torch.rand(4, 5, 5), ax, attention=torch.ones(3) / 3), "attention must be 4 weights, one a segment; got 3"),
    "many weights": (lambda ax: plots.mosaic(torch.rand(4, 5, 5), ax, attention=torch.ones(9) / 9), "attention must be 4 weights, one a segment; got 9"),
    "place": (lambda ax: plots.mosaic(torch.rand(4, 5, 5), ax, foreground=4), r"foreground must be in 0 ... 3 \(the last place\); got 4"),
    "place of a weight": (lambda ax: plots.weights(torch.ones(4) / 4, ax, foreground=-1), r"foreground must be in 0 ... 3 \(the last place\); got -1"),
    "one epoch": (lambda ax: plots.four_way_epochs(pd.DataFrame(dict.fromkeys(["epoch", *plots.FOUR_WAY], [0.0])), ax), "two rows or more.*; got 1"),
}


@pytest.mark.parametrize(("draw", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_drawn_is_named(ax, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(ax)


def test_a_class_without_mosaics_has_a_row_and_no_bar(ax, case):
    found = diagnose(case.model, case.mosaics[case.mosaics.label != 0], draws=1)
    plots.confusion(found, ax)
    n = len(found.confusion)
    assert words(ax.texts)[:n] == ["–"] * n and "–" not in words(ax.texts)[n:]
    figure = plots.diagnosis(found, Figure())
    figure.canvas.draw()
    heights = [[bar.get_width() for bar in bars] for bars in figure.axes[0].containers]
    assert np.isnan(np.array(heights)[:, 0]).all() and np.isfinite(np.array(heights)[:, 1:]).all()
