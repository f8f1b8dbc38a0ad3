"""The same evidence judged by other limits."""

import pytest

from sdclib import constructed
from sdclib.diagnosis import Limits, diagnose, diagnose_stored
from sdclib.evaluation import predict


@pytest.mark.parametrize("limits", [Limits(absent=100, read=100), Limits(absent=0, read=0), Limits(accurate=100), Limits(of_chance=50)])
@pytest.mark.parametrize("mode", ["elimination", "mixture", "not accurate"])
def test_other_limits_give_what_they_would_have_given(mode, limits):
    case = constructed.draw(mode, seed=5)
    found, wanted = diagnose(case.model, case.mosaics).under(limits), diagnose(case.model, case.mosaics, limits=limits)
    assert (found.mode, found.reason, found.limits) == (wanted.mode, wanted.reason, limits)
    assert str(found) == str(wanted)


def test_a_limit_moves_the_answer_and_back():
    case = constructed.draw("mixture", seed=5)
    found = diagnose(case.model, case.mosaics)
    moved = found.under(Limits(of_chance=1000))
    assert (found.mode, moved.mode) == ("mixture", "looking away")
    assert moved.under(Limits()).reason == found.reason and moved.under(None).mode == "mixture"


def test_of_stored_outputs():
    case = constructed.draw("elimination", seed=5)
    output = predict(case.model, case.mosaics)
    found = diagnose_stored(output.attention, output.logits, case.mosaics.label, case.mosaics.foreground)
    assert found.under(Limits(leak=0, of_chance=0)).mode == "mixture" != found.mode


def test_what_are_no_limits_is_named():
    case = constructed.draw("elimination", seed=5)
    with pytest.raises(TypeError, match="limits must be"):
        diagnose(case.model, case.mosaics).under({"absent": 50})
