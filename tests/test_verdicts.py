"""Claims, paired differences, corrections, power and verdicts: examples whose answer is known by hand."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats
from statsmodels.stats.multitest import multipletests

from sdclib.experiments import published
from sdclib.experiments.claims import QUESTIONS, Claim, claims
from sdclib.experiments.verdicts import VERDICTS, complete, contrasts, holm, needed, paired, power, readable, scoreboard, verdict
from sdclib.intervals import bootstrap
from sdclib.plots import comparison

SOFT = {"activation": "softmax"}
SPARSE = {"activation": "sparsemax"}


def rows(sparse, soft, **columns):
    """A table of two cells: FTPT of each seed."""
    frames = []
    for activation, values in (("sparsemax", sparse), ("softmax", soft)):
        frame = pd.DataFrame({"train_ftpt": values, "seed": range(len(values)), "data_seed": 0, "activation": activation})
        frames.append(frame.assign(train_accuracy=99.0, error="", dataset="d", architecture="A", average_at=0, objective="soft", entropy_weight=0, dtype="f"))
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(hash=[f"h{i}" for i in range(len(frame))], **columns)


def claim(size, **changed):
    return Claim(**{"question": "method", "name": "sparsemax", "measure": "ftpt", "published": size, "runs": 5, "cell": SPARSE, "against": SOFT} | changed)


def test_holm_by_hand():
    # sorted .01, .02, .03, .04 times 4, 3, 2, 1 = .04, .06, .06, .04, made monotone
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9]) == pytest.approx([0.9])
    assert holm([0.6, 0.6]) == pytest.approx([1, 1])


def test_holm_is_what_statsmodels_gives():
    draws = np.random.default_rng(0).uniform(size=(6, 9)) ** 4  # statsmodels takes half a second for each
    draws[:, 3] = draws[:, 5]  # ties
    for p in draws:
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_passes_over_what_was_not_tested():
    found = holm([0.01, np.nan, 0.04])
    assert found[[0, 2]] == pytest.approx([0.02, 0.04])  # two tests, not three
    assert np.isnan(found[1])
    assert np.isnan(holm([np.nan])).all()


@pytest.mark.parametrize(("sd", "difference", "n"), [(1, 1, 10), (1, 0.8, 15), (1, 0.5, 34), (1, 0.2, 199), (2, -1, 34)])
def test_needed_is_what_the_tables_say(sd, difference, n):
    """Cohen (1988): for a paired t-test at .05, two-sided, with power .8."""
    assert needed(sd, difference) == n


def test_needed_at_its_ends():
    assert needed(0, 1) == 2
    assert needed(1, 1000) == 2
    assert needed(1, 0.5, chance=0.9) > needed(1, 0.5)
    with pytest.raises(ValueError, match="difference other than 0"):
        needed(1, 0)
    with pytest.raises(ValueError, match="chance must be in"):
        needed(1, 1, chance=1)


def test_power_is_a_chance_that_grows():
    for effect in (0, 0.1, 0.8, 3, 6, 20):
        found = [power(effect, n) for n in (2, 3, 5, 10, 16, 40, 135, 1000)]
        assert np.isfinite(found).all()
        assert (np.diff(found) > -1e-9).all()
        assert found == pytest.approx([power(-effect, n) for n in (2, 3, 5, 10, 16, 40, 135, 1000)])
    assert power(0, 10) == pytest.approx(0.05)
    assert power(6, 7) == pytest.approx(1)


def test_power_by_simulation():
    n = needed(1, 0.7)
    samples = np.random.default_rng(0).normal(0.7, 1, size=(4000, n))
    assert 0.78 < (stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05).mean() < 0.86


@pytest.mark.parametrize(
    ("mean", "published", "p", "p_published", "word"),
    [
        (2, 3, 0.01, 0.5, "holds"),
        (-2, -3, 0.01, 0.5, "holds"),
        (5, 3, 0.01, 0.01, "holds"),  # larger than published
        (1, 3, 0.01, 0.01, "holds in part"),
        (1, 3, 0.5, 0.5, "within noise"),
        (-1, 3, 0.5, 0.5, "within noise"),
        (0.1, 3, 0.5, 0.01, "does not hold"),
        (-2, 3, 0.01, 0.5, "does not hold"),
        (2, -3, 0.01, 0.01, "does not hold"),
        (1, 3, 0.05, 0.05, "within noise"),  # at the level is not below it
        (np.nan, 3, np.nan, np.nan, "too few runs"),
    ],
)
def test_the_rule(mean, published, p, p_published, word):
    assert word in VERDICTS
    assert verdict(mean, published, p, p_published) == word


def test_the_rule_wants_a_sign():
    with pytest.raises(ValueError, match="claims no sign"):
        verdict(1, 0, 0.01, 0.01)


def test_paired_differences_go_by_seed():
    table = rows([70, 80, 90], [60, 75, 95])
    found = paired(table.sample(frac=1, random_state=0), SPARSE, SOFT, "ftpt").sort_index()
    assert found.tolist() == [10, 5, -5]
    assert found.index.tolist() == [(0, 0), (0, 1), (0, 2)]


def test_paired_leaves_out_what_has_no_partner():
    table = rows([70, 80, 90], [60, 75, 95])
    table.loc[1, "error"] = "TrainingDiverged: nan"
    assert paired(table, SPARSE, SOFT, "ftpt").tolist() == [10, -5]
    assert paired(table.assign(train_accuracy=[1.0, 2, 3, 3, 2, 1]), SPARSE, SOFT, "accuracy").tolist() == [-2, 2]
    assert paired(table, SPARSE, SOFT, "accuracy", above=90).tolist() == [0, 0]
    table.loc[5, "train_accuracy"] = 90.0  # not above
    assert paired(table, SPARSE, SOFT, "ftpt", above=90).tolist() == [10]
    assert paired(table.assign(train_accuracy=30), SPARSE, SOFT, "ftpt", above=90).empty


@pytest.mark.parametrize("cell", [{"activation": "entmax15"}, {"average_at": 0}])
def test_paired_wants_one_run_a_seed(cell):
    with pytest.raises(ValueError, match="must name one run for each pair of seeds"):
        paired(rows([1, 2], [3, 4]), cell, SOFT, "ftpt")


def test_complete_keeps_the_seeds_that_all_cells_have():
    table = rows([70, 80, 90], [60, 75, 95])
    assert len(complete(table)) == 6
    assert complete(table.drop(index=1)).seed.tolist() == [0, 2, 0, 2]
    rates = table.assign(activation="softmax", lr=[0.1] * 3 + [0.2] * 3)  # cells may differ in any field of a run
    assert complete(rates.drop(index=1)).seed.tolist() == [0, 2, 0, 2]


def test_contrasts_by_hand():
    table = rows([70, 80, 90, 78], [60, 75, 95, 70])  # differences 10, 5, -5, 8
    found = contrasts(table, {"a": (SPARSE, SOFT), "b": (SOFT, SPARSE)}, "ftpt")
    assert found.n.tolist() == [4, 4]
    assert found["mean"].tolist() == [4.5, -4.5]
    t = 4.5 / (np.std([10, 5, -5, 8], ddof=1) / 2)
    assert found.p.tolist() == pytest.approx([2 * stats.t.sf(t, 3)] * 2)
    assert found.p_holm.tolist() == pytest.approx([4 * stats.t.sf(t, 3)] * 2)
    assert found.loc["a", ["low", "high"]].tolist() == list(bootstrap([10, 5, -5, 8])[1:])


def test_a_scoreboard_by_hand():
    """Differences of about 10 in every seed: clearly not 0, clearly less than 20, clearly of other sign than -1; 10.0 as published."""
    soft = np.linspace(50, 70, 12)
    table = rows(soft + 10 + np.tile([-1.0, 1.0], 6), soft)
    board = scoreboard(table, [claim(10.0), claim(20.0), claim(-1.0)])
    assert board.verdict.tolist() == ["holds", "holds in part", "does not hold"]
    assert board.needed.tolist() == [needed(board.sd[0], size) for size in (10, 20, 1)]
    alone = [stats.ttest_1samp(paired(table, SPARSE, SOFT, "ftpt"), size).pvalue for size in (10, 20, -1)]
    assert board.p_published.tolist() == pytest.approx(multipletests(alone, method="holm")[1], rel=1e-9, abs=0)
    assert board.n.tolist() == [12] * 3
    strict = scoreboard(table, [claim(10.0), claim(20.0)], alpha=1e-40)
    assert strict.verdict.tolist() == ["within noise"] * 2 and (strict.needed > board.needed[:2]).all()
    flat = scoreboard(rows(soft + np.tile([-9.0, 9.0], 6), soft), [claim(1.0), claim(30.0)])
    assert flat.verdict.tolist() == ["within noise", "does not hold"]


def test_a_scoreboard_without_spread_or_without_runs():
    board = scoreboard(rows([61, 71, 81], [60, 70, 80]), [claim(1.0), claim(2.0)])
    assert board.verdict.tolist() == ["holds", "holds in part"]
    few = scoreboard(rows([61, 71], [60, 70], train_accuracy=50.0), [claim(1.0)], above=90)
    assert few.verdict.tolist() == ["too few runs"]
    assert few.n.tolist() == [0]


def test_a_scoreboard_to_read():
    board = scoreboard(rows([61, 71, 81], [60, 70, 80]), [claim(1.0), claim(-2.0)])
    table = readable(board, digits=2)
    assert table.iloc[0].tolist() == ["holds", "+1.00 (5)", "+1.00 [+1.00, +1.00]", 3, "<.001", "2"]
    assert table.index.tolist() == ["sparsemax"] * 2
    few = readable(scoreboard(rows([61, 71], [60, 70], train_accuracy=50.0), [claim(1.0)], above=90))
    assert few.iloc[0].tolist() == ["too few runs", "+1.0 (5)", "", 0, "", ""]
    same = readable(scoreboard(rows([61, 69, 80, 80], [60, 70, 79, 81]), [claim(2.0)]))
    assert same.p.tolist() == ["1.000"]


def test_a_scoreboard_is_of_one_question():
    with pytest.raises(ValueError, match="of one question"):
        scoreboard(rows([1, 2], [3, 4]), [claim(1.0), claim(1.0, measure="accuracy")])
    with pytest.raises(ValueError, match="of one question"):
        scoreboard(rows([1, 2], [3, 4]), [])


def test_claims_are_differences_of_the_record():
    found = {(one.question, one.name, one.runs): one for one in claims("ftpt")}
    assert found["layer", "layer 2, not 0", 5].published == pytest.approx(86.83 - 77.5)
    assert found["layer", "layer 2, not 0", 10].published == pytest.approx(85.95 - 74.72)
    assert found["method", "spherical, layer 2", 5].published == pytest.approx(89.06 - 86.83)
    assert found["method", "entropy, layer 0", 5].cell == {"average_at": 0, "activation": "softmax", "entropy_weight": 0.0005}
    assert found["weight", "weight 0.02, layer 0", 10].published == pytest.approx(25.28 - 74.72)
    counts = [len(claims("ftpt", question)) for question in QUESTIONS]
    assert counts == [3, 6, 10]
    rows = published().query("table == 'layers-entropy-dataset1' and metric == 'ftpt' and method == 'entropy'")
    assert len(claims("ftpt", "weight")) == len(rows)


def test_claims_of_the_runs_that_trained():
    (plain,) = (one for one in claims("ftpt", "weight") if one.name == "weight 0.02, layer 0")
    (those,) = (one for one in claims("ftpt", "weight", of_those=True) if one.name == plain.name)
    assert those.published == pytest.approx(78.67 - 74.72)
    assert those.measure == "ftpt"
    assert claims("ftpt", "method", of_those=True) == claims("ftpt", "method")  # the record has one figure only
    assert claims("foreground_mass") == []


def test_every_claim_has_a_cell_in_our_tables():
    from sdclib.experiments import get_table

    cells = {
        question: [(c["average_at"], c.get("activation", "softmax"), c.get("entropy_weight", 0.0)) for c in get_table(name).cells]
        for question, name in (("layer", "dataset1-comparison"), ("method", "dataset1-comparison"), ("weight", "dataset1-entropy"))
    }
    for one in claims("ftpt"):
        assert tuple(one.cell.values()) in cells[one.question]
        assert tuple(one.against.values()) in cells[one.question]


def axes():
    return Figure().add_subplot()


def test_joined_draws_every_seed_and_the_mean():
    table = pd.DataFrame({"softmax": [60.0, 70.0, 80.0], "sparsemax": [65.0, 60.0, 10.0]})
    ax = comparison.joined(table, axes(), published={"softmax": [77.5, 74.7]}, failed=table < 20)
    dots = [sum(len(c.get_offsets()) for c in ax.collections[i : i + 2]) for i in (0, 2)]
    assert dots == [3, 3]
    assert len(ax.collections[3].get_offsets()) == 1  # the cross
    level = [line.get_ydata()[0] for line in ax.lines if line.get_color() == "black" and line.get_marker() == "None"]
    assert level == [70, 45]
    diamonds = [list(line.get_ydata()) for line in ax.lines if line.get_marker() == "D" and len(line.get_ydata())]
    assert diamonds == [[77.5, 74.7]]
    assert sum(line.get_color() == "#bbbbbb" for line in ax.lines) == 3


def test_a_drawn_scoreboard_has_its_colours_and_words():
    soft = np.linspace(50, 70, 12)
    board = scoreboard(rows(soft + 10 + np.tile([-1.0, 1.0], 6), soft), [claim(10.0), claim(-1.0)])
    ax = comparison.scoreboard(board, axes(), linthresh=1)
    assert [text.get_text() for text in ax.texts] == ["holds", "does not hold"]
    assert [line.get_color() for line in ax.lines if line.get_marker() == "o"] == [comparison.VERDICT[word] for word in board.verdict]
    assert [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "D"] == [10.0, -1.0]
    empty = scoreboard(rows([61, 71], [60, 70], train_accuracy=50.0), [claim(1.0)], above=90)
    assert [text.get_text() for text in comparison.scoreboard(empty, axes()).texts] == ["too few runs"]
    assert set(comparison.VERDICT) == set(VERDICTS)
