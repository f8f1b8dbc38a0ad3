"""Each check of a stored chapter can fail: one thing is broken, and the check that guards it says so."""

import copy
import re

import pytest
import tiny
from sdcbook import chapters, checks, checks_numbers, execute, normalise, stamp

CHECKS = {check.__name__: check for check in (*checks.CHECKS, checks_numbers.prose_numbers)}


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    root = tiny.book(tmp_path_factory.mktemp("book"))
    path = root / "chapters" / "01-tiny.ipynb"
    chapters.write(tiny.chapter(), path)
    assert execute.main([], root=root) == 0
    return path, root


@pytest.fixture
def chapter(executed):
    """A stored chapter to break; what a test does to it no other test sees."""
    return copy.deepcopy(chapters.Chapter.load(*executed))


def the(chapter, words):
    """The one code cell with these words."""
    (cell,) = [cell for cell in chapter.code if words in cell.source]
    return cell


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_a_whole_chapter_passes(chapter, check):
    assert check(chapter) == []


def change_a_cell(c):
    the(c, "foreground = ").source += "\nforeground = foreground + 0"


def remove_the_stamp(c):
    del c.sdc["stamp"]


def edit_an_output(c):
    the(c, '"largest"').outputs[0].text = "largest 0.8\n"


def alter_a_measured_number(c):
    the(c, "ch01-focus").outputs[0].metadata.sdc.measured.value = 0.5


def cite_a_number_that_is_not_there(c):
    c.nb.cells[1].source += "{glue:text}`ch01-nothing`"


def cite_another_chapters_number_that_is_not_there(c):
    c.nb.cells[1].source += "{glue:text}`02-other.ipynb::ch02-nothing`"


def use_the_wrong_glue_role(c):
    for cell in c.nb.cells:
        cell.source = cell.source.replace("{glue:text}", "{glue:}")


def remove_the_picture(c):
    cell = the(c, "plt.subplots(figsize=(2, 1.5))\n_")
    cell.outputs = [o for o in cell.outputs if "image/png" not in o.get("data", {})]


def remove_the_picture_only(c):
    cell = the(c, "plt.subplots(figsize=(2, 1.5))\n_")
    del cell.metadata["mystnb"]
    (output,) = cell.outputs
    del output.data["image/png"]


def remove_the_alt_text(c):
    del the(c, "plt.subplots(figsize=(2, 1.5))\n_").metadata["mystnb"]


def name_a_file_as_alt_text(c):
    the(c, "plt.subplots(figsize=(2, 1.5))\n_").metadata["mystnb"]["image"]["alt"] = "see the picture in _images/4f2a11.png here"


def shorten_the_alt_text(c):
    the(c, "plt.subplots(figsize=(2, 1.5))\n_").metadata["mystnb"]["image"]["alt"] = "a figure"


def remove_alt_texts_in_a_widget(c):
    state = c.nb.metadata.widgets[normalise.STATE]["state"]
    for model in state.values():
        if model["model_name"] == "HTMLModel":
            model["state"]["value"] = re.sub(' alt="[^"]*"', "", model["state"]["value"])


def remove_the_widget_state(c):
    del c.nb.metadata["widgets"]


def remove_one_frames_state(c):
    state = c.nb.metadata.widgets[normalise.STATE]["state"]
    del state[next(i for i, model in state.items() if model["model_name"] == "HTMLModel")]


def observe_a_widget(c):
    the(c, '"largest"').source += "\nslider.observe(print)"


def use_interact(c):
    the(c, '"largest"').source += "\nwidgets.interact(print, x=3)"


def show_an_unheld_number(c):
    the(c, '"largest"').outputs[0].text = "largest 0.9, smallest 0.125\n"


def show_more_digits_than_measured(c):
    the(c, '"largest"').outputs[0].text = "largest 0.93\n"


def show_an_unheld_number_in_html(c):
    output = the(c, "plt.subplots(figsize=(2, 1.5))\n_").outputs[0]
    output.data["text/html"] = "<td>0.77</td>"
    the(c, '"largest"').outputs.append(output)


def skip_a_cell(c):
    the(c, '"largest"').metadata.tags.append("nbval-skip")


def run_out_of_order(c):
    the(c, "foreground = ").execution_count = 9


def leave_a_cell_unrun(c):
    the(c, "foreground = ").execution_count = None


def let_a_cell_raise(c):
    the(c, '"largest"').metadata.tags.append("raises-exception")


def edit_the_header(c):
    c.nb.cells[1].source = c.nb.cells[1].source.replace("1 minutes", "2 minutes")


def remove_the_header(c):
    del c.nb.cells[1]


def state_too_much_time(c):
    c.sdc["seconds"] = 61


def need_a_chapter_that_is_not_there(c):
    c.sdc["prerequisites"] = ["00"]


def forget_the_goals(c):
    del c.sdc["goals"]


def remove_a_solution(c):
    c.nb.cells.remove([cell for cell in c.nb.cells if "{solution} ex-01-chance2" in cell.source][0])


def remove_an_exercise(c):
    c.nb.cells = [cell for cell in c.nb.cells if "ex-01-chance2" not in cell.source + str(cell.metadata)]


def check_without_attempt(c):
    cell = [cell for cell in c.code if cell.source.endswith("attempt(check_chance)")][0]
    cell.source = cell.source.replace("attempt(check_chance)", "check_chance()")


def stop_claiming_focus(c):
    cell = the(c, "ch01-focus")
    cell.source = cell.source.replace(", focus=True", "")


def write_a_long_cell(c):
    the(c, "foreground = ").source += "\nx = 1" * 30


def name_a_path_of_this_machine(c):
    the(c, "foreground = ").source += '\nopen("/home/me/data.csv")'


MUTATIONS = [
    (change_a_cell, "fresh"),
    (remove_the_stamp, "fresh"),
    (edit_an_output, "fresh"),
    (remove_the_widget_state, "fresh"),
    (alter_a_measured_number, "measured_text"),
    (cite_a_number_that_is_not_there, "prose_numbers"),
    (cite_another_chapters_number_that_is_not_there, "prose_numbers"),
    (use_the_wrong_glue_role, "prose_numbers"),
    (remove_the_picture, "figures"),
    (remove_the_picture_only, "figures"),
    (remove_the_alt_text, "figures"),
    (name_a_file_as_alt_text, "figures"),
    (shorten_the_alt_text, "figures"),
    (remove_alt_texts_in_a_widget, "figures"),
    (remove_the_widget_state, "widget_state"),
    (remove_one_frames_state, "widget_state"),
    (observe_a_widget, "widgets_without_kernel"),
    (use_interact, "widgets_without_kernel"),
    (show_an_unheld_number, "ignored_numbers"),
    (show_more_digits_than_measured, "ignored_numbers"),
    (show_an_unheld_number_in_html, "ignored_numbers"),
    (skip_a_cell, "skipped"),
    (run_out_of_order, "executed"),
    (leave_a_cell_unrun, "executed"),
    (let_a_cell_raise, "executed"),
    (edit_the_header, "header_agrees"),
    (remove_the_header, "header_agrees"),
    (state_too_much_time, "metadata"),
    (need_a_chapter_that_is_not_there, "metadata"),
    (forget_the_goals, "metadata"),
    (remove_a_solution, "exercises"),
    (remove_an_exercise, "exercises"),
    (check_without_attempt, "exercises"),
    (stop_claiming_focus, "focus_claims"),
    (write_a_long_cell, "short_cells"),
    (name_a_path_of_this_machine, "no_absolute_paths"),
]


def test_every_check_has_a_chapter_that_it_finds():
    assert {check for _, check in MUTATIONS} == set(CHECKS)


@pytest.mark.parametrize(("broken", "check"), MUTATIONS, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_chapter_is_found(chapter, broken, check):
    broken(chapter)
    assert CHECKS[check](chapter) != []


def test_another_look_of_the_figures_is_found(chapter, tmp_path, monkeypatch):
    other = tmp_path / "matplotlibrc"
    other.write_text("lines.linewidth: 3\n", encoding="utf-8")
    monkeypatch.setattr(stamp, "MATPLOTLIBRC", other)
    assert checks.fresh(chapter) == ["stale, run `make notebooks`: the settings of matplotlib changed"]


def test_another_chapters_number_may_be_cited(chapter):
    cite_another_chapters_number_that_is_not_there(chapter)
    assert checks_numbers.prose_numbers(chapter, ["ch02-nothing"]) == []


@pytest.mark.parametrize(
    ("change", "stale"),
    [
        (lambda source: source.replace(">= 0.5", ">= 0.51"), ["module sdclib.metrics changed"]),
        (lambda source: source + "\n# a comment\n", []),
        (lambda source: source.replace("Focus true:", "Focus is true:"), []),  # a docstring
    ],
    ids=["code", "comment", "docstring"],
)
def test_a_changed_library_makes_stale(chapter, change, stale):
    path = chapter.root / "sdclib" / "metrics.py"
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    path.write_text(after, encoding="utf-8")
    try:
        assert stamp.why_stale(chapter.nb, chapter.root) == stale
    finally:
        path.write_text(before, encoding="utf-8")


def test_executing_again_changes_nothing(executed):
    path, root = executed
    before = path.read_bytes()
    assert execute.main(["01"], root=root) == 0  # fresh: nothing runs
    assert execute.main(["01", "--force"], root=root) == 0
    assert path.read_bytes() == before


def test_a_cell_that_fails_leaves_the_stored_chapter(executed, capsys):
    path, root = executed
    nb = tiny.chapter("02")
    nb.cells[2].source = "one = 1\none / 0"
    broken = path.with_name("02-broken.ipynb")
    chapters.write(nb, broken)
    before = broken.read_bytes()
    try:
        assert execute.main(["02"], root=root) == 1
        assert broken.read_bytes() == before
        said = capsys.readouterr().err
        assert "one / 0" in said
        assert "ZeroDivisionError" in said
        assert [p.name for p in path.parent.iterdir() if p.suffix == ".tmp"] == []
    finally:
        broken.unlink()


def test_a_chapter_that_costs_more_than_it_states_is_warned_of(executed, capsys):
    path, root = executed
    costly = path.with_name("03-costly.ipynb")
    chapters.write(tiny.chapter("03", memory_mb=1), costly)
    try:
        assert execute.main(["03"], root=root) == 0
        assert "WARNING: over the stated ceiling of 1 MB" in capsys.readouterr().out
    finally:
        costly.unlink()


def test_a_stored_result_that_a_chapter_read_makes_it_stale(executed):
    path, root = executed
    (root / "results").mkdir()
    table = root / "results" / "table.csv"
    table.write_text("a\n1\n", encoding="utf-8")
    nb = tiny.chapter("04")
    nb.cells[2].source += '\nimport pandas\n\nwide = pandas.read_csv("../results/table.csv")'
    reading = path.with_name("04-reading.ipynb")
    chapters.write(nb, reading)
    try:
        assert execute.main(["04"], root=root) == 0
        stored = chapters.read(reading)
        assert stamp.why_stale(stored, root) == []
        table.write_text("a\n2\n", encoding="utf-8")
        assert stamp.why_stale(stored, root) == ["results/table.csv changed"]
        table.unlink()
        assert stamp.why_stale(stored, root) == ["results/table.csv is gone"]
    finally:
        reading.unlink()
