"""Measures of focus: slow twins, scikit-learn and scipy, chance, ties, and what is refused."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score, confusion_matrix
from strategies import masks, outputs

from sdclib import FocusTable, focus_table, metrics

FIELDS = ("ftpt", "ffpt", "ftpf", "ffpf")


def slow_hit(values, place):
    """One mosaic: a hit, shared by those that tie."""
    best = max(values)
    winners = [j for j, value in enumerate(values) if value == best]
    return 1 / len(winners) if place in winners else 0.0


def slow_table(attention, logits, label, foreground):
    """The focus table, one mosaic after the other."""
    sums = dict.fromkeys(FIELDS, 0.0)
    for weights, scores, y, place in zip(attention.tolist(), logits.tolist(), label.tolist(), foreground.tolist(), strict=True):
        focus, prediction = slow_hit(weights, place), slow_hit(scores, y)
        sums["ftpt"] += focus * prediction
        sums["ffpt"] += (1 - focus) * prediction
        sums["ftpf"] += focus * (1 - prediction)
        sums["ffpf"] += (1 - focus) * (1 - prediction)
    return {name: 100 * value / len(label) for name, value in sums.items()}


def slow_measures(weights):
    """Sparsity of one mosaic's weights, by the words of their definitions."""
    top = weights.index(max(weights))
    return {
        "n_active": sum(weight > 0.01 for weight in weights),
        "corner_distance": math.sqrt(sum((weight - (j == top)) ** 2 for j, weight in enumerate(weights))),
        "entropy_bits": sum(-weight * math.log2(weight) for weight in weights if weight > 0),
        "largest_weight": max(weights),
    }


@given(outputs())
def test_focus_table_is_the_slow_loop(output):
    table = focus_table(**output)
    assert {name: getattr(table, name) for name in FIELDS} == pytest.approx(slow_table(**output), abs=1e-9)
    assert sum(getattr(table, name) for name in FIELDS) == pytest.approx(100, abs=1e-9)
    assert table.accuracy == pytest.approx(table.ftpt + table.ffpt, abs=1e-9)
    assert table.focus_true == pytest.approx(table.ftpt + table.ftpf, abs=1e-9)
    assert table.n == len(output["label"])


@given(outputs())
def test_sparsity_is_the_slow_loop(output):
    wanted = [slow_measures(row) for row in output["attention"].tolist()]
    for name in wanted[0]:
        np.testing.assert_allclose(getattr(metrics, name)(output["attention"]), [one[name] for one in wanted], atol=1e-9)
    summary = metrics.sparsity(output["attention"])
    for name in ("n_active", "corner_distance", "entropy_bits"):
        assert summary[name] == pytest.approx(np.mean([one[name] for one in wanted]), abs=1e-9)
    assert summary["majority"] == pytest.approx(100 * np.mean([one["largest_weight"] >= 0.5 for one in wanted]))


def test_focus_table_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    attention, logits = torch.softmax(torch.from_numpy(rng.normal(size=(2000, 9))), 1), torch.from_numpy(rng.normal(size=(2000, 4)))
    label, foreground = torch.from_numpy(rng.integers(4, size=2000)), torch.from_numpy(rng.integers(9, size=2000))
    table = focus_table(attention, logits, label, foreground)
    focus, prediction = attention.argmax(1) == foreground, logits.argmax(1) == label
    (ffpf, ffpt), (ftpf, ftpt) = 100 * confusion_matrix(focus, prediction, normalize="all")
    assert [table.ftpt, table.ffpt, table.ftpf, table.ffpf] == pytest.approx([ftpt, ffpt, ftpf, ffpf])
    assert table.accuracy == pytest.approx(100 * accuracy_score(label, logits.argmax(1)))


@given(outputs())
def test_entropy_agrees_with_scipy(output):
    np.testing.assert_allclose(metrics.entropy_bits(output["attention"]), stats.entropy(output["attention"], base=2, axis=1), atol=1e-9)


@given(outputs())
def test_ranges(output):
    attention, m = output["attention"], output["attention"].shape[1]
    for name, low, high in [
        ("n_active", 1, m), ("corner_distance", 0, math.sqrt(1 - 1 / m)), ("entropy_bits", 0, math.log2(m)), ("largest_weight", 1 / m, 1),
    ]:  # fmt: skip
        values = getattr(metrics, name)(attention)
        assert values.shape == (len(attention),)
        assert (values >= low - 1e-9).all() and (values <= high + 1e-9).all(), name


@given(outputs(), st.data())
def test_the_order_of_segments_does_not_matter(output, data):
    order = torch.tensor(data.draw(st.permutations(range(output["attention"].shape[1]))))
    moved = {**output, "attention": output["attention"][:, order], "foreground": order.argsort()[output["foreground"]]}
    assert focus_table(**moved).as_dict() == pytest.approx(focus_table(**output).as_dict(), abs=1e-9)
    torch.testing.assert_close(
        metrics.foreground_mass(moved["attention"], moved["foreground"]), metrics.foreground_mass(output["attention"], output["foreground"])
    )
    assert metrics.sparsity(moved["attention"]) == pytest.approx(metrics.sparsity(output["attention"]), abs=1e-9)


@given(outputs(), st.data())
def test_hiding_a_segment_equals_deleting_it(output, data):
    attention, foreground = output["attention"], output["foreground"]
    n, m = attention.shape
    mask = data.draw(masks(n, m))
    mask[torch.arange(n), foreground] = True
    kept = attention.masked_fill(~mask, 0)
    kept = torch.where(kept.sum(1, keepdim=True) > 0, kept / kept.sum(1, keepdim=True), mask / mask.sum(1, keepdim=True))
    for name in ("n_active", "corner_distance", "entropy_bits", "largest_weight", "focus_hit", "foreground_mass"):
        measure, places = getattr(metrics, name), name in ("focus_hit", "foreground_mass")
        hidden = measure(kept, foreground, mask) if places else measure(kept, mask)
        for i in range(n):
            place = mask[i, : foreground[i]].sum()[None]
            deleted = measure(kept[i : i + 1, mask[i]], place) if places else measure(kept[i : i + 1, mask[i]])
            torch.testing.assert_close(hidden[i : i + 1], deleted)


@given(outputs())
def test_uniform_attention_scores_chance(output):
    n, m = output["attention"].shape
    uniform = metrics.uniform_attention(n, m)
    for measure in (metrics.focus_hit, metrics.foreground_mass):
        assert (measure(uniform, output["foreground"]) == torch.tensor(1 / m)).all(), measure.__name__
    table = focus_table(uniform, output["logits"], output["label"], output["foreground"])
    assert table.focus_true == pytest.approx(100 / m, rel=1e-6)
    assert table.ftpt == pytest.approx(table.accuracy / m, rel=1e-6)
    assert metrics.entropy_bits(uniform).tolist() == pytest.approx([math.log2(m)] * n, abs=1e-5)


@given(outputs(), st.data())
def test_uniform_over_real_segments_scores_one_over_their_number(output, data):
    n, m = output["attention"].shape
    mask = data.draw(masks(n, m))
    mask[torch.arange(n), output["foreground"]] = True
    uniform = metrics.uniform_attention(n, m, mask)
    for measure in (metrics.focus_hit, metrics.foreground_mass):
        assert (measure(uniform, output["foreground"], mask) == 1 / mask.sum(1)).all()


def test_ties_are_shared():
    attention = torch.tensor([[0.4, 0.4, 0.2], [0.4, 0.2, 0.4], [0.2, 0.4, 0.4]])
    torch.testing.assert_close(metrics.focus_hit(attention, torch.tensor([0, 0, 0])), torch.tensor([0.5, 0.5, 0.0]))
    logits = torch.tensor([[1.0, 1.0, 1.0], [0.0, 2.0, 2.0]])
    torch.testing.assert_close(metrics.prediction_hit(logits, torch.tensor([2, 1])), torch.tensor([1 / 3, 0.5]))
    table = focus_table(torch.full((1, 4), 0.25), torch.zeros(1, 2), torch.tensor([0]), torch.tensor([1]))
    assert [table.ftpt, table.ffpt, table.ftpf, table.ffpf] == [12.5, 37.5, 12.5, 37.5]


def test_thresholds_are_the_records():
    """Active: above 0.01, and 0.01 itself is not. A majority: 0.5 and more."""
    attention = torch.tensor([[0.01, 0.0101, 0.015, 0.4649, 0.5], [0.2, 0.2, 0.2, 0.2, 0.2]], dtype=torch.float64)
    assert metrics.n_active(attention).tolist() == [4, 5]
    assert metrics.n_active(attention, threshold=0.2).tolist() == [2, 0]
    assert metrics.sparsity(attention)["majority"] == 50


def test_reference_tables():
    logits, label, foreground = torch.eye(3)[[0, 1, 2, 0]], torch.tensor([0, 1, 2, 1]), torch.tensor([0, 1, 2, 3])
    reference = metrics.reference_tables(logits, label, foreground, m=4)
    assert reference["oracle"] == FocusTable(75, 0, 25, 0, n=4)
    assert reference["uniform"] == FocusTable(18.75, 56.25, 6.25, 18.75, n=4)
    mask = torch.ones(4, 4, dtype=bool)
    mask[:, 0] = torch.tensor([True, False, False, False])
    assert metrics.reference_tables(logits, label, foreground, 4, mask)["uniform"].focus_true == pytest.approx(100 * (1 / 4 + 3 / 3) / 4)


def test_weights_that_rounding_made_negative_count_as_zero():
    """What the check lets through must not turn into -infinity bits."""
    attention = torch.tensor([[1.0, -1e-9], [0.5, 0.5]])
    assert metrics.entropy_bits(attention).tolist() == pytest.approx([0, 1], abs=1e-6)
    assert metrics.sparsity(attention)["entropy_bits"] == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_attention_of_few_digits_is_welcome(dtype):
    attention = torch.softmax(torch.randn(50, 9, generator=torch.Generator().manual_seed(0)), 1).to(dtype)
    assert metrics.sparsity(attention)["entropy_bits"] == pytest.approx(
        metrics.sparsity(attention.double() / attention.double().sum(1, True))["entropy_bits"], rel=0.01
    )
    table = focus_table(attention, torch.randn(50, 2), torch.zeros(50, dtype=int), torch.zeros(50, dtype=int))
    assert sum(getattr(table, name) for name in FIELDS) == pytest.approx(100)


def test_what_a_reader_sees():
    assert str(FocusTable(60.0, 15.0, 5.0, 20.0, n=200)).splitlines() == [
        "               prediction true  prediction false               sum",
        "focus true              60.0 %             5.0 %            65.0 %",
        "focus false             15.0 %            20.0 %            35.0 %",
        "sum                     75.0 %            25.0 %           100.0 %",
        "n = 200 mosaics",
    ]
    assert FocusTable(60.0, 15.0, 5.0, 20.0, n=200).as_dict() == {"accuracy": 75.0, "ftpt": 60.0, "ffpt": 15.0, "ftpf": 5.0, "ffpf": 20.0}


GOOD = {"attention": torch.full((2, 4), 0.25), "logits": torch.zeros(2, 3), "label": torch.tensor([0, 2]), "foreground": torch.tensor([3, 0])}
REFUSED = {
    "NaN attention": ({"attention": torch.full((2, 4), torch.nan)}, ValueError, "attention must be finite; got NaN or infinity"),
    "infinite attention": ({"attention": torch.tensor([[torch.inf, -torch.inf, 0, 0]] * 2)}, ValueError, "attention must be finite"),
    "scores for attention": ({"attention": torch.tensor([[1.0, 2.0, -2.0, 0.0]] * 2)}, ValueError, "sum 1 a mosaic; got a smallest weight -2"),
    "attention of another sum": ({"attention": torch.full((2, 4), 0.3)}, ValueError, "sum 1 a mosaic; got a smallest weight 0.3 and a sum 1.2"),
    "attention of one axis": ({"attention": torch.full((4,), 0.25)}, ValueError, r"attention must have 2 axes; got shape \(4,\)"),
    "attention of no mosaic": ({"attention": torch.zeros(0, 4)}, ValueError, r"n and m at least 1; got shape \(0, 4\)"),
    "attention of no segment": ({"attention": torch.zeros(2, 0)}, ValueError, r"n and m at least 1; got shape \(2, 0\)"),
    "attention of whole numbers": ({"attention": torch.tensor([[1, 0, 0, 0]] * 2)}, TypeError, "attention must be a floating-point tensor; got torch.int64"),
    "attention as array": ({"attention": np.full((2, 4), 0.25)}, TypeError, "attention must be a torch.Tensor; got ndarray"),
    "NaN logits": ({"logits": torch.full((2, 3), torch.nan)}, ValueError, "logits must not be NaN"),
    "logits of one class": ({"logits": torch.zeros(2, 1)}, ValueError, r"K at least 2; got shape \(2, 1\)"),
    "logits of one axis": ({"logits": torch.zeros(2)}, ValueError, r"logits must have 2 axes; got shape \(2,\)"),
    "more logits": ({"logits": torch.zeros(3, 3), "label": torch.tensor([0, 1, 2])}, ValueError, "as many mosaics; got 2 and 3"),
    "more labels": ({"label": torch.tensor([0, 1, 2])}, ValueError, r"label must have shape \(2,\), one a mosaic; got \(3,\)"),
    "a label beyond K": ({"label": torch.tensor([0, 3])}, ValueError, r"label must be in 0 ... 2 \(the last class\); got 3"),
    "a label that is not whole": ({"label": torch.tensor([0.0, 1.0])}, TypeError, "label must be whole numbers; got torch.float32"),
    "a place beyond m": ({"foreground": torch.tensor([0, 4])}, ValueError, r"foreground must be in 0 ... 3 \(the last place\); got 4"),
    "a place below 0": ({"foreground": torch.tensor([0, -1])}, ValueError, r"foreground must be in 0 ... 3 \(the last place\); got -1"),
    "unknown foreground": ({"foreground": None}, ValueError, "foreground must be known to measure focus; got None"),
    "a mask of another shape": ({"mask": torch.ones(2, 3, dtype=bool)}, ValueError, r"mask must have shape \(2, 4\); got \(2, 3\)"),
    "a mask of numbers": ({"mask": torch.ones(2, 4, dtype=int)}, TypeError, "mask must be a boolean tensor; got torch.int64"),
    "a mask as list": ({"mask": [[True] * 4] * 2}, TypeError, "mask must be a boolean tensor; got list"),
    "weight on the hidden": ({"mask": torch.tensor([[True, True, True, False]] * 2)}, ValueError, "attention must be 0 on masked segments"),
}  # fmt: skip


@pytest.mark.parametrize(("wrong", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_named(wrong, error, message):
    with pytest.raises(error, match=message):
        focus_table(**GOOD | wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: metrics.one_hot_attention(torch.tensor([0, 4]), 4), r"place must be in 0 ... 3 .*; got 4"),
        (lambda: metrics.uniform_attention(0, 4), "n must be at least 1; got 0"),
        (lambda: metrics.uniform_attention(2, 0), "m must be at least 1; got 0"),
        (lambda: metrics.uniform_attention(1, 2, torch.zeros(1, 2, dtype=bool)), "at least one real segment"),
        (lambda: metrics.uniform_attention(2, 2, torch.ones(1, 2, dtype=bool)), r"mask must have shape \(2, 2\); got \(1, 2\)"),
        (lambda: metrics.reference_tables(torch.zeros(2, 3), torch.tensor([0, 1]), torch.tensor([0, 5]), 4), r"foreground must be in 0 ... 3 .*; got 5"),
    ],
)
def test_bad_references_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


@pytest.mark.parametrize("name", ["focus_hit", "foreground_mass", "largest_weight", "n_active", "corner_distance", "entropy_bits"])
def test_every_measure_passes_its_attention_through_the_same_gate(name, monkeypatch):
    """The chapters' claims are tried with uniform attention put in at this one place."""
    monkeypatch.setattr(metrics, "_weights", lambda attention, mask=None: metrics.uniform_attention(*attention.shape, mask, attention.dtype))
    attention = torch.tensor([[0.97, 0.01, 0.02, 0.0]])
    arguments = (torch.tensor([0]),) if name in ("focus_hit", "foreground_mass") else ()
    wanted = {"focus_hit": 0.25, "foreground_mass": 0.25, "largest_weight": 0.25, "n_active": 4, "corner_distance": math.sqrt(0.75), "entropy_bits": 2}
    assert getattr(metrics, name)(attention, *arguments).item() == pytest.approx(wanted[name])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_uniform_attention_is_at_chance_to_the_last_digit(dtype):
    table = focus_table(torch.full((300, 9), 1 / 9, dtype=dtype), torch.eye(3).repeat(100, 1), torch.arange(3).repeat(100), torch.arange(300) % 9)
    assert table.ftpt == pytest.approx(100 / 9, abs=1e-12) and table.accuracy == pytest.approx(100, abs=1e-12)
    hits = metrics.focus_hit(torch.full((2, 9), 1 / 9, dtype=dtype), torch.tensor([0, 1]))
    assert hits.dtype == torch.float32 and hits.tolist() == [torch.tensor(1 / 9).item()] * 2


def test_many_small_weights_are_none_active():
    assert metrics.n_active(metrics.uniform_attention(1, 100, dtype=torch.float64)).item() == 0
    assert metrics.n_active(metrics.uniform_attention(1, 99, dtype=torch.float64)).item() == 99


def test_references_without_foreground_or_type_are_named():
    with pytest.raises(ValueError, match="foreground must be known to measure focus; got None"):
        metrics.reference_tables(torch.zeros(2, 3), torch.tensor([0, 1]), None, 4)
    with pytest.raises(TypeError, match="label must be whole numbers; got NoneType"):
        metrics.prediction_hit(torch.zeros(2, 3), None)
    with pytest.raises(TypeError, match="dtype must be a floating-point type; got 'float32'"):
        metrics.uniform_attention(2, 3, dtype="float32")
