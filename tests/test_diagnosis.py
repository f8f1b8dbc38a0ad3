"""The diagnosis: right on constructed models, calm on ideal ones, clear about bad input, and consistent with itself."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import settings
from torch import nn

from sdclib import AttentionModel, Mosaics, constructed, interventions, metrics
from sdclib.diagnosis import MODES, Limits, diagnose, diagnose_stored
from sdclib.evaluation import predict

SEEDS = range(5000, 5200)  # none of these was looked at when the limits were set


class Answer(NamedTuple):
    mode: str
    case: constructed.Case
    found: object
    stored: object
    without_new: object


@pytest.fixture(scope="module")
def answers():
    """The diagnoses of 200 constructed models, the modes in turn."""
    answers = []
    for seed in SEEDS:
        mode = constructed.CONSTRUCTED[seed % len(constructed.CONSTRUCTED)]
        case = constructed.draw(mode, seed)
        data, new = case.mosaics, interventions.recompose(case.mosaics, seed)
        output, on_new = predict(case.model, data), predict(case.model, new)
        stored = (output.attention, output.logits, data.label, data.foreground)
        with_new = diagnose_stored(*stored, new_logits=on_new.logits, new_label=new.label)
        answers.append(Answer(mode, case, diagnose(case.model, data), with_new, diagnose_stored(*stored)))
    return answers


def table_of(pairs):
    """Constructed modes by diagnosed ones."""
    counts = Counter(pairs)
    rows = [[counts[mode, other] for other in MODES] for mode in constructed.CONSTRUCTED]
    return pd.DataFrame(rows, constructed.CONSTRUCTED, MODES)


def mistaken(table):
    """How many models in one mode are said to be in another: undetermined is no mistake."""
    return int(table.drop(columns="undetermined").to_numpy().sum() - np.trace(table.to_numpy()))


def test_confusion_of_constructed_models(answers):
    table = table_of((answer.mode, answer.found.mode) for answer in answers)
    print(f"\n{table.to_string()}")
    assert table.to_numpy().sum() == 200 and table.sum(axis=1).min() >= 33
    assert table.loc["interpretable", "interpretable"] == table.loc["interpretable"].sum(), f"an ideal model was called something else\n{table.to_string()}"
    assert mistaken(table) == 0, f"a mode was mistaken for another\n{table.to_string()}"
    assert table["undetermined"].sum() <= 0.05 * 200, f"too often undetermined\n{table.to_string()}"


def test_confusion_from_stored_outputs(answers):
    table = table_of((answer.mode, answer.stored.mode) for answer in answers)
    print(f"\n{table.to_string()}")
    assert mistaken(table) == 0, f"a mode was mistaken for another\n{table.to_string()}"
    unclear = table.pop("undetermined")
    assert unclear.drop("elimination").sum() == 0, f"what made one class right may be unclear, and nothing else\n{table.to_string()}"
    assert unclear["elimination"] <= 8, f"too often undetermined: {unclear['elimination']}\n{table.to_string()}"


def test_without_new_mosaics_stored_outputs_do_not_show_memorising_and_say_so(answers):
    for answer in answers:
        if answer.mode == "memorising":
            assert answer.without_new.mode in ("looking away", "mixture", "undetermined")
            assert "by heart" in answer.without_new.reason
        else:
            assert answer.without_new.mode == answer.stored.mode


def test_the_evidence_is_consistent_with_itself(answers):
    for answer in answers:
        found, table = answer.found, answer.found.per_class
        np.testing.assert_allclose(table[["looked", "absent", "read", "wrong"]].sum(axis=1), 100)
        assert (table[["looked", "absent", "read", "wrong"]] >= -1e-9).all(axis=None)
        share = table["mosaics"] / table["mosaics"].sum()
        assert (share * (table["looked"] + table["absent"] + table["read"])).sum() == pytest.approx(found.table.accuracy)
        assert (share * table["looked"]).sum() == pytest.approx(found.table.ftpt)
        assert (share * table["foreground_mass"]).sum() == pytest.approx(found.concentration["foreground_mass"])
        assert found.concentration["chance"] == pytest.approx(1 / answer.case.mosaics.m, abs=1e-12)
        np.testing.assert_allclose(found.confusion.sum(axis=1), 100)
        np.testing.assert_allclose(np.diag(found.confusion), 100 - table["wrong"])
        pd.testing.assert_frame_equal(answer.stored.per_class.drop(columns="elsewhere"), table.drop(columns=["absent", "read"]))
        np.testing.assert_allclose(answer.stored.per_class["elsewhere"], table["absent"] + table["read"])
        assert found.interventions.dropna().between(0, 100).all()
        unknown = set(found.interventions.index[found.interventions.isna()])
        assert unknown <= {"another background segment"} or found.table.accuracy == 0


def test_absence_explains_one_class_at_most(answers):
    """Without its foreground a mosaic has no class (unless its background is known by heart): what is said of it is right for shares of the
    classes that sum to one, up to chance: five deviations."""
    for answer in answers:
        table = answer.found.per_class
        assert answer.mode == "memorising" or table["absent"].sum() <= 100 + 5 * 100 * (0.25 / table["mosaics"]).sum() ** 0.5


# A world in which all is known: one direction a class, one for all background, and noise.


class Output(NamedTuple):
    logits: torch.Tensor
    attention: torch.Tensor


def world(k=3, m=5, n=300, noise=0.0, seed=0, dtype=torch.float64, masked=False, share=None):
    """Mosaics of one's own segments: foreground of class y is the unit vector y, background the last unit vector."""
    rng = np.random.default_rng(seed)
    label = np.arange(n) % k if share is None else rng.choice(k, n, p=share)
    place = rng.integers(m, size=n)
    segments = noise * rng.normal(size=(n, m, k + 1))
    component = np.full((n, m), k)
    component[np.arange(n), place] = label
    segments += np.eye(k + 1)[component]
    mask = None
    if masked:
        mask = rng.random((n, m)) < 0.6
        mask[np.arange(n), place] = mask[np.arange(n), (place + 1) % m] = True
        segments[~mask] = np.nan
        mask = torch.from_numpy(mask)
    return Mosaics.from_segments(torch.from_numpy(segments).to(dtype), torch.from_numpy(label), torch.from_numpy(place), mask=mask)


def model_of(score, read=None, seen=None):
    """A reader's model, a plain function: ``score`` of segments to (n, m), ``read`` of averages to logits."""

    def model(segments, mask=None):
        if seen is not None:
            seen.append((tuple(segments.shape), mask is not None))
        scores = score(segments)
        if mask is not None:
            segments, scores = segments.masked_fill(~mask[..., None], 0), scores.masked_fill(~mask, -torch.inf)
        attention = torch.softmax(scores, 1)
        average = (attention[..., None] * segments).sum(1)
        return Output(average[:, :-1] if read is None else read(average), attention)

    return model


def foreground(segments):
    """High on whatever is no background."""
    return 20 * (segments[..., :-1].amax(-1) - segments[..., -1])


def evenly(segments):
    return torch.zeros_like(segments[..., 0])


def all_but(k):
    """High on every class but one, which is below the background."""
    return lambda segments: 20 * (segments[..., :-1].sum(-1) - 2 * segments[..., k])


def else_say(k, threshold=0.5):
    """The class whose direction the average has, and k if it has none."""

    def read(average):
        logits = average[:, :-1].clone()
        logits[:, k] = threshold
        return logits

    return read


IDEAL = {
    "three classes": {},
    "two segments, two classes": {"k": 2, "m": 2},
    "many": {"k": 8, "m": 20, "n": 800},
    "single precision": {"dtype": torch.float32},
    "masks": {"masked": True},
    "masks, two classes": {"masked": True, "k": 2, "m": 9},
    "few": {"n": 30},
    "unequal classes": {"share": [0.9, 0.06, 0.04], "n": 1000},
}


@pytest.mark.parametrize("options", IDEAL.values(), ids=IDEAL)
def test_an_ideal_model_of_ones_own(options):
    data, seen = world(**options), []
    found = diagnose(model_of(foreground, seen=seen), data)
    assert found.mode == "interpretable", str(found)
    assert (found.per_class["looked"] == 100).all() and found.interventions["focused segment alone"] == 100
    assert found.interventions["another foreground"] == found.interventions["another background segment"] == found.interventions["new mosaics"] == 100
    assert found.interventions["no foreground"] == found.interventions["another focused segment"]
    assert ((data.n, data.m, data.n_classes + 1), data.mask is not None) in seen
    assert ((data.n, 1, data.n_classes + 1), False) in seen, "a segment alone is a mosaic of one, without mask"


class AsClass:
    """A reader's model that is no nn.Module and whose mask is not optional in name only."""

    def __call__(self, segments, mask=None):
        return model_of(foreground)(segments, mask=mask)


def test_a_class_will_do_as_well_as_a_function():
    data = world()
    assert str(diagnose(AsClass(), data)) == str(diagnose(model_of(foreground), data))


@settings(max_examples=20)
@given(st.integers(2, 5), st.integers(2, 12), st.floats(0, 0.35), st.integers(0, 10_000))
def test_no_false_alarm_on_an_ideal_model_with_noise(k, m, noise, seed):
    """The noise puts some segments on the wrong side: then the best model looks and errs there, and is still in no error mode."""
    data = world(k=k, m=m, n=120 * k, noise=noise, seed=seed)
    found = diagnose(model_of(foreground), data)
    trusted = found.table.accuracy >= 90 and (found.per_class["looked"] / (100 - found.per_class["wrong"])).min() >= 0.9
    assert trusted or noise > 0.15, "so little noise makes no difference"
    if trusted:
        assert found.mode == "interpretable", str(found)


def test_ties_are_shared_evenly():
    """Even weights: every segment is looked at with probability 1/m. All background is the same, so what is said without foreground is known: class 0."""
    data = world(k=4, m=5, n=400)
    found = diagnose(model_of(evenly), data)
    assert found.mode == "mixture", str(found)
    np.testing.assert_allclose(found.per_class["looked"], 20)
    # without foreground all logits are equal: a quarter of a hit for each class
    np.testing.assert_allclose(found.per_class["absent"], 80 / 4)
    np.testing.assert_allclose(found.per_class["read"], 80 * 3 / 4)
    found = diagnose(model_of(evenly, lambda average: average[:, :-1] + torch.tensor([0.1, 0, 0, 0])), data)
    np.testing.assert_allclose(found.per_class["absent"], [80, 0, 0, 0])
    np.testing.assert_allclose(found.per_class["read"], [0, 80, 80, 80])
    assert found.mode == "mixture" and found.interventions["no foreground"] == pytest.approx(25)
    np.testing.assert_allclose(diagnose(model_of(evenly, lambda average: 0 * average[:, :-1]), data).confusion, 25)


def test_which_of_several_with_the_largest_weight_is_looked_at_is_drawn():
    """Even weights, the foreground always first: alone it would give every prediction, the others give class 0."""
    data = world(k=4, m=5, n=400)
    segments = data.segments.scatter(1, data.foreground[:, None, None].expand(-1, 1, 5), data.segments[:, :1])
    segments[:, 0] = data.segments[torch.arange(400), data.foreground]
    first = Mosaics.from_segments(segments, data.label, 0 * data.label)
    found = diagnose(model_of(evenly, lambda average: average[:, :-1] + torch.tensor([0.1, 0, 0, 0])), first)
    assert found.table.accuracy == 100
    assert found.interventions["focused segment alone"] == pytest.approx(100 * (1 / 4 + 3 / 4 / 5), abs=5 * 2.5)


def test_elimination_of_ones_own():
    for k, m, gone in ((2, 2, 1), (2, 9, 0), (3, 4, 2), (5, 3, 1)):
        data = world(k=k, m=m, n=100 * k)
        found = diagnose(model_of(all_but(gone), else_say(gone)), data)
        assert found.mode == "elimination", str(found)
        np.testing.assert_allclose(found.per_class["absent"], [100 * (c == gone) for c in range(k)])
        assert f"class {gone} is what is said" in found.reason
        assert found.interventions["no foreground"] == pytest.approx(100 / k)


def test_what_is_read_off_a_heavy_class_is_no_absence():
    """Nine mosaics in ten are of class 0, which is also what is said without foreground: most right predictions need none, and yet all weights are even."""
    data = world(k=2, m=5, n=1000, share=[0.9, 0.1])
    found = diagnose(model_of(evenly, lambda average: average[:, :-1] + torch.tensor([0.1, 0])), data)
    assert found.interventions["no foreground"] > 85
    assert found.mode == "mixture", str(found)


def test_looked_at_but_read_off_the_average():
    """The foreground has the largest weight, a little larger than the others; the classifier knows that amount and takes all of it for another class."""
    amount = float(torch.softmax(torch.tensor([0.7, 0, 0, 0, 0, 0, 0, 0, 0]), 0)[0])
    model = model_of(lambda segments: foreground(segments) * 0.35 / 20, lambda average: -(average[:, :-1] - amount).abs())
    data = world(m=9)
    found = diagnose(model, data)
    assert found.table.ftpt == 100 and found.interventions["focused segment alone"] < 50
    assert found.mode == "mixture" and "alone gives the same prediction in only" in found.reason
    assert diagnose(model, data, limits=Limits(majority=amount / 2)).mode == "undetermined"
    assert diagnose(model, data, limits=Limits(sufficient=0)).mode == "interpretable"


def at_layer_1(weight):
    """An AttentionModel that averages tanh(3 x); its focus prefers foreground by that weight."""
    hidden, score, classifier = nn.Linear(4, 4).double(), nn.Linear(4, 1).double(), nn.Linear(4, 3).double()
    with torch.no_grad():
        hidden.weight.copy_(3 * torch.eye(4))
        score.weight.copy_(weight * torch.tensor([[1, 1, 1, -1]]))
        classifier.weight.copy_(torch.eye(4)[:3])
        for layer in (hidden, score, classifier):
            layer.bias.zero_()
    return AttentionModel(nn.Sequential(hidden, nn.ReLU(), score), nn.Sequential(nn.Dropout(0.9), classifier), average_at=1)


@pytest.mark.parametrize("masked", [False, True])
def test_averages_of_a_hidden_layer(masked):
    data = world(masked=masked)
    assert diagnose(at_layer_1(5.0), data).mode == "interpretable"
    assert diagnose(at_layer_1(0.0), data).mode == "mixture"
    assert diagnose(at_layer_1(-0.5), data).mode == "looking away"


def test_the_model_is_left_as_it_was():
    """In training mode, with dropout: it is off while the model is diagnosed, and on again afterwards."""
    model, data = at_layer_1(5.0).train(), world()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    index, label = data.index.clone(), data.label.clone()
    found = diagnose(model, data)
    assert found.mode == "interpretable" and found.table.accuracy == 100
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(data.index, index) and torch.equal(data.label, label)


# Invariances. Each draws constructed models with seeds of its own.

CASES = st.tuples(st.sampled_from(constructed.CONSTRUCTED), st.integers(20_000, 30_000))


@settings(max_examples=8)
@given(CASES)
def test_the_order_of_segments_does_not_matter(which):
    case = constructed.draw(*which)
    data, rng = case.mosaics, np.random.default_rng(0)
    order = torch.from_numpy(rng.permuted(np.tile(np.arange(data.m), (data.n, 1)), axis=1))
    moved = Mosaics(data.pool, data.index.gather(1, order), data.label, (order == data.foreground[:, None]).long().argmax(1))
    found, other = diagnose(case.model, data), diagnose(case.model, moved)
    assert found.mode == other.mode
    pd.testing.assert_frame_equal(found.per_class[["looked", "wrong", "foreground_mass"]], other.per_class[["looked", "wrong", "foreground_mass"]])
    assert found.interventions["foreground alone"] == pytest.approx(other.interventions["foreground alone"]), "in which nothing is drawn"


@settings(max_examples=8)
@given(CASES, st.integers(0, 100))
def test_the_names_of_classes_do_not_matter(which, seed):
    case = constructed.draw(*which)
    data = case.mosaics
    name = torch.from_numpy(np.random.default_rng(seed).permutation(data.n_classes))

    def model(segments, mask=None):
        output = case.model(segments)
        return Output(output.logits[:, name.argsort()], output.attention)

    renamed = Mosaics.from_segments(data.segments, name[data.label], data.foreground)
    found, other = diagnose(case.model, data), diagnose(model, renamed)
    assert found.mode == other.mode
    columns = ["mosaics", "looked", "wrong", "foreground_mass"]
    np.testing.assert_allclose(other.per_class.loc[name.numpy(), columns], found.per_class[columns], atol=1e-9)
    np.testing.assert_allclose(other.confusion.to_numpy()[np.ix_(name, name)], found.confusion, atol=1e-9)


@settings(max_examples=8)
@given(CASES)
def test_the_same_mosaics_twice_change_nothing(which):
    case = constructed.draw(*which)
    found, twice = diagnose(case.model, case.mosaics), diagnose(case.model, case.mosaics[torch.arange(case.mosaics.n).repeat(2)])
    assert found.mode == twice.mode
    columns = ["looked", "wrong", "foreground_mass"]
    np.testing.assert_allclose(found.per_class[columns], twice.per_class[columns])
    np.testing.assert_allclose(2 * found.per_class["mosaics"], twice.per_class["mosaics"])


def test_same_seed_same_answer_and_each_seed_draws_its_own():
    case = constructed.draw("looking away", 43)
    first, again, other = (diagnose(case.model, case.mosaics, seed=seed, draws=1) for seed in (0, 0, 1))
    assert str(first) == str(again)
    assert first.interventions["no foreground"] != other.interventions["no foreground"]
    # two draws of one seed are draws that no other seed has: else an interval over seeds would be too narrow
    both = [diagnose(case.model, case.mosaics, seed=seed, draws=2).interventions["no foreground"] for seed in (0, 1)]
    one = [diagnose(case.model, case.mosaics, seed=seed, draws=1).interventions["no foreground"] for seed in range(4)]
    assert one[1] != one[3] and both == pytest.approx([np.mean(one[:2]), np.mean(one[2:])])


def test_interventions_are_what_a_loop_over_mosaics_finds():
    """Even weights over one kind of background: what is put in its place is known, so every percentage can be counted."""
    data, model = world(k=3, m=4, n=90, noise=0.0), model_of(all_but(2), else_say(2))
    found = diagnose(model, data).interventions
    background = torch.eye(4, dtype=torch.float64)[3]
    counts = dict.fromkeys(("no foreground", "another focused segment", "foreground alone", "focused segment alone"), 0)
    for segments, label, place in zip(data.segments, data.label, data.foreground, strict=True):
        output = model(segments[None])
        said, focused = int(output.logits.argmax()), int(output.attention.argmax())
        assert said == label
        for name, where in (("no foreground", int(place)), ("another focused segment", focused)):
            changed = segments.clone()
            changed[where] = background
            counts[name] += int(model(changed[None]).logits.argmax()) == said
        counts["foreground alone"] += int(model(segments[None, place, None]).logits.argmax()) == int(label)
        counts["focused segment alone"] += int(model(segments[None, focused, None]).logits.argmax()) == said
    assert {name: found[name] for name in counts} == pytest.approx({name: 100 * count / 90 for name, count in counts.items()})
    assert counts["no foreground"] == counts["another focused segment"] == 30 and counts["foreground alone"] == 90


def test_another_background_segment_needs_one_that_is_not_looked_at():
    """With two segments a model that looks at the background looks at all of it."""
    found = diagnose(model_of(lambda segments: -foreground(segments) / 10), world(m=2))
    assert found.table.focus_true == 0 and np.isnan(found.interventions["another background segment"])
    assert found.mode == "looking away"
    assert "NaN" in str(found)


def test_new_mosaics_show_what_was_learnt_by_heart():
    """New mosaics need no known foreground, only labels."""
    data = world()
    new = Mosaics.from_segments(world(seed=1).segments, world(seed=1).label)
    assert diagnose(model_of(foreground), data, new=new).mode == "interpretable"
    other_labels = Mosaics.from_segments(new.segments, (new.label + 1) % 3)
    found = diagnose(model_of(foreground), data, new=other_labels)
    assert found.mode == "memorising" and found.interventions["new mosaics"] == 0


def test_uniform_weights_in_place_of_the_models_change_the_answer(monkeypatch):
    """The choke point of all measures: a claim that a model is interpretable must fail without its attention."""
    data = world()
    before = diagnose(model_of(foreground), data)
    whole = metrics._weights
    monkeypatch.setattr(metrics, "_weights", lambda attention, mask=None: torch.full_like(whole(attention, mask), 1 / attention.shape[1]))
    after = diagnose(model_of(foreground), data)
    assert before.mode == "interpretable" != after.mode
    assert after.interventions["another focused segment"] > before.interventions["another focused segment"] + 30, "any segment, not the model's"


# Bad input.

DATA = world()
GOOD = model_of(foreground)
OUTPUT = GOOD(DATA.segments)
STORED = (OUTPUT.attention, OUTPUT.logits, DATA.label, DATA.foreground)
UNKNOWN = Mosaics.from_segments(DATA.segments, DATA.label)


def giving(**parts):
    """A model whose output has these parts and not its own."""
    return lambda segments, mask=None: GOOD(segments)._replace(**{name: change(segments) for name, change in parts.items()})


REFUSED = {
    "no mosaics": (
        lambda: diagnose(GOOD, DATA.segments),
        TypeError,
        "mosaics must be Mosaics (Mosaics.from_segments makes them of one's own segments); got Tensor",
    ),
    "no model": (lambda: diagnose("A1", DATA), TypeError, "model must be callable, as AttentionModel is; got 'A1'"),
    "empty": (lambda: diagnose(GOOD, DATA[:0]), ValueError, "mosaics must hold at least one mosaic; got none"),
    "foreground unknown": (lambda: diagnose(GOOD, UNKNOWN), ValueError, "mosaics must have a known foreground, or nothing says where the model"),
    "one segment": (
        lambda: diagnose(GOOD, interventions.alone(DATA, DATA.foreground)),
        ValueError,
        "mosaics must have two segments or more, or there is nowhere else to look; got m = 1",
    ),
    "logits": (lambda: diagnose(giving(logits=lambda x: torch.zeros(len(x), 2)), DATA), ValueError, ".logits of shape (300, 3); got shape (300, 2)"),
    "attention": (lambda: diagnose(giving(attention=lambda x: torch.ones(len(x), 2)), DATA), ValueError, ".attention of shape (300, 5); got shape (300, 2)"),
    "m not free": (
        lambda: diagnose(giving(attention=lambda x: torch.full((len(x), 5), 0.2)), DATA),
        ValueError,
        ".attention of shape (300, 1); got shape (300, 5)",
    ),
    "no weights": (
        lambda: diagnose(giving(attention=lambda x: torch.ones(x.shape[:2])), DATA),
        ValueError,
        "attention must be non-negative with sum 1 a mosaic",
    ),
    "NaN attention": (lambda: diagnose(giving(attention=lambda x: torch.full(x.shape[:2], torch.nan)), DATA), ValueError, "attention must be finite; got NaN"),
    "NaN logits": (lambda: diagnose(giving(logits=lambda x: torch.full((len(x), 3), torch.nan)), DATA), ValueError, "logits must not be NaN"),
    "new is no mosaics": (lambda: diagnose(GOOD, DATA, new=3), TypeError, "new must be Mosaics"),
    "new is empty": (lambda: diagnose(GOOD, DATA, new=DATA[:0]), ValueError, "new must hold at least one mosaic; got none"),
    "new of other classes": (lambda: diagnose(GOOD, DATA, new=world(k=4)), ValueError, "new must have the classes of mosaics, 3; got 4"),
    "new of other segments": (
        lambda: diagnose(GOOD, DATA, new=Mosaics.from_segments(torch.zeros(9, 5, 2), torch.arange(9) % 3)),
        ValueError,
        "new must have the shape of a segment of mosaics, (4,); got (2,)",
    ),
    "draws": (lambda: diagnose(GOOD, DATA, draws=0), ValueError, "draws must be at least 1; got 0"),
    "seed": (lambda: diagnose(GOOD, DATA, seed=-1), ValueError, "seed must be at least 0; got -1"),
    "limits": (lambda: diagnose(GOOD, DATA, limits={"accurate": 80}), TypeError, "limits must be Limits; got dict"),
    "stored: one segment": (
        lambda: diagnose_stored(torch.ones(300, 1), OUTPUT.logits, DATA.label, 0 * DATA.label),
        ValueError,
        "attention must have two segments or more",
    ),
    "stored: foreground unknown": (lambda: diagnose_stored(*STORED[:3], None), ValueError, "foreground must be known to measure focus; got None"),
    "stored: fewer logits": (
        lambda: diagnose_stored(STORED[0], STORED[1][1:], STORED[2][1:], STORED[3]),
        ValueError,
        "attention and logits must have as many mosaics; got 300 and 299",
    ),
    "stored: fewer labels": (
        lambda: diagnose_stored(*STORED[:2], DATA.label[1:], DATA.foreground),
        ValueError,
        "label must have shape (300,), one a mosaic; got (299,)",
    ),
    "stored: labels out of range": (
        lambda: diagnose_stored(*STORED[:2], DATA.label + 1, DATA.foreground),
        ValueError,
        "label must be in 0 ... 2 (the last class); got 3",
    ),
    "stored: places out of range": (lambda: diagnose_stored(*STORED[:3], DATA.foreground + 5), ValueError, "foreground must be in 0 ... 4 (the last place)"),
    "stored: empty": (
        lambda: diagnose_stored(*(part[:0] for part in STORED)),
        ValueError,
        "attention must be (n, m) with n and m at least 1; got shape (0, 5)",
    ),
    "stored: a list": (lambda: diagnose_stored([[0.5, 0.5]], *STORED[1:]), TypeError, "attention must be a torch.Tensor; got list"),
    "stored: only new_logits": (
        lambda: diagnose_stored(*STORED, new_logits=OUTPUT.logits),
        ValueError,
        "new_logits and new_label belong together; got only new_logits",
    ),
    "stored: only new_label": (
        lambda: diagnose_stored(*STORED, new_label=DATA.label),
        ValueError,
        "new_logits and new_label belong together; got only new_label",
    ),
    "stored: new of other classes": (
        lambda: diagnose_stored(*STORED, new_logits=torch.zeros(4, 2), new_label=torch.zeros(4).long()),
        ValueError,
        "new_logits must have one row or more and 3 columns, the classes of logits; got shape (4, 2)",
    ),
    "stored: new is empty": (
        lambda: diagnose_stored(*STORED, new_logits=torch.zeros(0, 3), new_label=torch.zeros(0).long()),
        ValueError,
        "new_logits must have one row or more and 3 columns, the classes of logits; got shape (0, 3)",
    ),
    "stored: new lengths": (
        lambda: diagnose_stored(*STORED, new_logits=torch.zeros(4, 3), new_label=torch.zeros(5).long()),
        ValueError,
        "new_label must have shape (4,), one a mosaic; got (5,)",
    ),
    "stored: new is a list": (lambda: diagnose_stored(*STORED, new_logits=[1.0], new_label=[0]), TypeError, "new_logits must be a torch.Tensor; got list"),
    "stored: hidden foreground": (
        lambda: diagnose_stored(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2), [0], [1], mask=torch.tensor([[True, False]])),
        ValueError,
        "the foreground must be a real segment; got a mosaic whose foreground is masked",
    ),
}


@pytest.mark.parametrize(("ask", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_named(ask, kind, message):
    with pytest.raises(kind) as error:
        ask()
    assert message in str(error.value)


def test_a_diagnosis_reads_as_text():
    text = str(diagnose(model_of(all_but(2), else_say(2)), DATA))
    assert text.startswith("mode: elimination\n33.3 % of the mosaics are right though the largest weight is not on the foreground; 100 % of these")
    assert "focus false             33.3 %             0.0 %            33.3 %" in text
    for words in (
        "class 2 is what is said when nothing else was found.",
        "(chance 0.200)",
        "looked  absent  read  wrong",
        "foreground alone",
        "n = 300 mosaics",
    ):
        assert words in text
    stored = diagnose_stored(*STORED)
    assert str(stored).startswith("mode: interpretable") and "elsewhere" in str(stored) and "interventions" not in str(stored)
    assert len(stored.interventions) == 0 and stored.limits == Limits()
