"""The rules of the diagnosis, on outputs written by hand: every limit decides where it stands, and no rule says more than stored outputs can tell."""

import pytest
import torch

from sdclib.diagnosis import Limits, diagnose_stored
from sdclib.metrics import one_hot_attention


def outputs(*groups, k=3, m=4):
    """What a model gave for groups of mosaics (how many, class, what is said, weight of the foreground; the rest goes to one other place)."""
    attention, said, label = [], [], []
    for n, of_class, answer, weight in groups:
        attention += [[weight, 1 - weight] + [0.0] * (m - 2)] * n
        said += [answer] * n
        label += [of_class] * n
    logits = one_hot_attention(torch.tensor(said), k, dtype=torch.float64)
    return torch.tensor(attention, dtype=torch.float64), logits, torch.tensor(label), torch.zeros(len(label), dtype=int)


def mode(*groups, limits=None, new=None, **sizes):
    """The diagnosis of such outputs; ``new``: of so many in 100 new mosaics of two classes the label is said."""
    given = outputs(*groups, **sizes)
    extra = {}
    if new is not None:
        label = torch.arange(100) % 2
        logits = one_hot_attention(torch.where(torch.arange(100) < new, label, 1 - label), given[1].shape[1])
        extra = {"new_logits": logits, "new_label": label}
    return diagnose_stored(*given, limits=None if limits is None else Limits(**limits), **extra).mode


LOOKED = [(100, k, k, 1.0) for k in range(3)]
TWO = {"k": 2}


def test_accurate():
    groups = [(90, 0, 0, 1.0), (10, 0, 1, 1.0), (90, 1, 1, 1.0), (10, 1, 0, 1.0)]
    assert mode(*groups, **TWO) == "interpretable"
    assert mode(*groups, (1, 1, 0, 1.0), **TWO) == "not accurate"
    assert mode(*groups, limits={"accurate": 90.1}, **TWO) == "not accurate"
    assert mode((50, 0, 1, 1.0), (50, 1, 0, 1.0), limits={"accurate": 1e-9}, **TWO) == "not accurate", "of what is never right nobody asks why"


def test_interpretable_in_every_class():
    """One class of ten that is looked at in less than nine of ten."""
    looked = [(100, k, k, 1.0) for k in range(9)]
    assert mode(*looked, (90, 9, 9, 1.0), (10, 9, 9, 0.0), k=10) == "interpretable"
    assert mode(*looked, (89, 9, 9, 1.0), (11, 9, 9, 0.0), k=10) == "elimination"
    assert mode(*looked, (89, 9, 9, 1.0), (11, 9, 9, 0.0), k=10, limits={"interpretable": 89}) == "interpretable"
    assert mode(*looked, (50, 9, 9, 1.0), (50, 9, 0, 0.0), k=10) == "interpretable", "of the right predictions"


@pytest.mark.parametrize(("n", "wanted"), [(10, "interpretable"), (9, "undetermined"), (0, "undetermined")])
def test_too_few_mosaics_of_a_class(n, wanted):
    groups = [(100, 0, 0, 1.0), (100, 1, 1, 1.0), (n, 2, 2, 1.0)]
    found = diagnose_stored(*outputs(*groups))
    assert found.mode == wanted
    assert wanted == "interpretable" or f"Too few mosaics of class 2 for an answer: {n} (wanted 10)" in found.reason
    assert mode(*groups, limits={"per_class": 1}) == ("interpretable" if n else "undetermined")


def test_memorised_and_learnt():
    """Two classes, all right: of the 50 % above chance, new mosaics keep a share."""
    groups = [(50, 0, 0, 1.0), (50, 1, 1, 1.0)]
    wanted = {50: "memorising", 62: "memorising", 63: "undetermined", 87: "undetermined", 88: "interpretable", 100: "interpretable"}
    assert {new: mode(*groups, new=new, **TWO) for new in wanted} == wanted
    assert mode(*groups, new=62, limits={"memorised": 20}, **TWO) == "undetermined"
    assert mode(*groups, new=87, limits={"learnt": 70}, **TWO) == "interpretable"
    assert mode(*groups, new=30, **TWO) == "memorising", "worse than chance on new ones"


def test_two_classes_that_are_not_looked_at_are_read():
    """Absence explains at most one of them, half of these."""
    for weight, wanted in ((0.24, "mixture"), (0.001, "looking away")):
        found = diagnose_stored(*outputs((100, 0, 0, weight), (100, 1, 1, weight), k=2))
        assert found.mode == wanted and "at most 50 % of these" in found.reason
        assert "unless it knows these mosaics by heart" in found.reason


def test_of_chance():
    groups = [(100, 0, 0, 0.2), (100, 1, 1, 0.2)]
    assert mode(*groups, **TWO) == "mixture"
    assert mode(*groups, limits={"of_chance": 0.81}, **TWO) == "looking away"


def test_one_class_that_is_not_looked_at_depends_on_its_weight():
    """Chance is 0.25: nothing there is absence, 0.75 of chance is enough to be read, in between nobody knows without replacing it."""
    wanted = {0.0: "elimination", 0.0099: "elimination", 0.0101: "undetermined", 0.187: "undetermined", 0.188: "mixture", 0.4: "mixture"}
    assert {weight: mode(*LOOKED[:2], (100, 2, 2, weight)) for weight in wanted} == wanted
    assert mode(*LOOKED[:2], (100, 2, 2, 0.05), limits={"leak": 0.06}) == "elimination"
    assert mode(*LOOKED[:2], (100, 2, 2, 0.05), limits={"of_chance": 0.2}) == "mixture"
    assert mode(*LOOKED[:2], (100, 2, 2, 0.05), limits={"absent": 80, "read": 80}) == "undetermined", "also where both limits are one"


def test_a_class_that_is_looked_at_half_of_the_time():
    """What counts is the weight where it is not looked at: the mean weight of the class, a half, says nothing."""
    assert mode(*LOOKED[:2], (50, 2, 2, 1.0), (50, 2, 2, 0.0)) == "elimination"


def test_two_classes_looked_at_half_of_the_time_may_both_be_absence():
    """Half of each is what can be right if half of what has no foreground is called 1 and half 2."""
    groups = [LOOKED[0], *((50, k, k, weight) for k in (1, 2) for weight in (1.0, 0.001))]
    assert mode(*groups) == "elimination"
    groups = [LOOKED[0], *((50, k, k, weight) for k in (1, 2) for weight in (1.0, 0.05))]
    assert mode(*groups) == "undetermined"


def test_sizes_of_classes_do_not_decide():
    """Two classes are read, and nine in ten mosaics are of one of them."""
    assert mode((900, 0, 0, 0.001), (100, 1, 1, 0.001), **TWO) == "looking away"


def test_between_absence_and_reading():
    """Absence could be 1 / 1.4 = 71 % of it: more than the limit of reading, less than that of absence, and no weight to read."""
    groups = [(100, 0, 0, 0.0), (40, 1, 1, 0.0), (60, 1, 1, 1.0), LOOKED[2]]
    assert mode(*groups) == "undetermined"
    assert mode(*groups, limits={"absent": 70}) == "elimination"
    assert mode(*groups, limits={"read": 75}) == "mixture"


def test_masked_segments_count_in_chance():
    """Two of four segments are real: chance is a half."""
    attention, logits, label, foreground = outputs((100, 0, 0, 0.3), (100, 1, 1, 0.3), k=2)
    mask = torch.tensor([[True, True, False, False]]).repeat(200, 1)
    found, masked = diagnose_stored(attention, logits, label, foreground), diagnose_stored(attention, logits, label, foreground, mask=mask)
    assert (found.mode, found.concentration["chance"]) == ("mixture", 0.25)
    assert (masked.mode, masked.concentration["chance"]) == ("looking away", 0.5)


REFUSED = {
    "below": ({"accurate": -1}, ValueError, r"accurate must be in \(0, 100\]; got -1"),
    "nothing": ({"accurate": 0}, ValueError, r"accurate must be in \(0, 100\]; got 0"),
    "above": ({"sufficient": 101}, ValueError, r"sufficient must be in \[0, 100\]; got 101"),
    "a share": ({"majority": 50}, ValueError, r"majority must be in \[0, 1\]; got 50"),
    "a leak": ({"leak": -0.1}, ValueError, r"leak must be in \[0, 1\]; got -0.1"),
    "multiple": ({"of_chance": float("inf")}, ValueError, r"of_chance must be in \[0, inf\); got inf"),
    "NaN": ({"absent": float("nan")}, ValueError, r"absent must be in \[0, 100\]; got nan"),
    "word": ({"read": "60"}, TypeError, "read must be a number; got '60'"),
    "count": ({"per_class": 0}, ValueError, "per_class must be at least 1; got 0"),
    "fewer than no strays": ({"strays": -1}, ValueError, "strays must be at least 0; got -1"),
    "half a mosaic": ({"per_class": 2.5}, TypeError, "per_class must be a whole number; got 2.5"),
    "memorised above learnt": ({"memorised": 80}, ValueError, "memorised must be at most learnt; got 80 and 75"),
    "read above absent": ({"absent": 50}, ValueError, "read must be at most absent; got 60 and 50"),
    "unknown": ({"accuracy": 90}, TypeError, "accuracy"),
}


@pytest.mark.parametrize(("limits", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_limits_are_named(limits, kind, message):
    with pytest.raises(kind, match=message):
        Limits(**limits)
