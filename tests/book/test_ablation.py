"""The ablation reaches whatever a chapter measures attention with, and leaves no trace."""

import pytest
import torch
from sdcbook import ablation

from sdclib import distributions, evaluation, make_mosaics, metrics, models, reporting
from sdclib.evaluation import evaluate, predict
from sdclib.reporting import claim


@pytest.fixture
def off():
    yield
    while ablation._undo:
        ablation._undo.pop()()


def sharp_model():
    """A linear model that looks at the segment with the largest first feature."""
    model = models.build("linear", (2,), 3)
    layer = [m for m in model.focus.modules() if isinstance(m, torch.nn.Linear)][0]
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[20.0, 0.0]]))
    return model


@pytest.fixture
def segments():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(8, 5, 2, generator=generator)


def test_measures_and_models_see_uniform_attention(off, segments):
    model = sharp_model()
    foreground = segments[..., 0].argmax(1)
    before = model(segments)
    assert metrics.focus_hit(before.attention, foreground).mean() == 1
    ablation.begin()
    after = model(segments)
    assert torch.equal(after.attention, torch.full((8, 5), 0.2))
    assert torch.equal(after.logits, before.logits)
    # attention that was computed before is reached too, by the measure
    hits = metrics.focus_hit(before.attention, foreground)
    assert torch.allclose(hits, torch.full_like(hits, 0.2))
    assert ablation.end() == ["no claim with focus=True was reached"]
    assert metrics.focus_hit(before.attention, foreground).mean() == 1
    assert torch.equal(model(segments).attention, before.attention)
    assert reporting._recorder is None


def test_evaluation_sees_uniform_attention(off):
    data = make_mosaics(distributions.get("boxes_one_side"), n=60, m=4, seed=0)
    before = evaluate(sharp_model(), data)
    ablation.begin()
    assert torch.equal(predict(sharp_model(), data).attention, torch.full((60, 4), 0.25))
    after = evaluate(sharp_model(), data)
    assert before["ftpt"] + before["ftpf"] > 90
    assert after["ftpt"] + after["ftpf"] == pytest.approx(25)
    assert after["entropy_bits"] == pytest.approx(2)


def test_evaluation_of_large_segments_sees_uniform_attention(off, monkeypatch):
    data = make_mosaics(distributions.get("digits"), n=60, m=4)
    model = models.build("cnn-small", data.feature_shape, 3)
    monkeypatch.setattr(evaluation, "_MOST", 2**12)
    assert evaluation._large(data)
    before = predict(model, data)
    assert before.attention.std() > 0.01
    ablation.begin()
    after = predict(model, data)
    assert torch.equal(after.attention, torch.full((60, 4), 0.25)) and torch.equal(after.logits, before.logits)
    ablation.end()
    assert torch.equal(predict(model, data).attention, before.attention)


def test_hidden_segments_get_no_weight(off, segments):
    mask = torch.tensor([[True, True, False, False, True]]).expand(8, 5)
    ablation.begin()
    attention = sharp_model()(segments, mask).attention
    assert torch.allclose(attention, mask / 3)


def test_claims_are_recorded_and_judged(off, monkeypatch):
    monkeypatch.setenv("SDC_STORED_MEASURED", "a file that is not read")
    ablation.begin()
    claim("about focus and still true", True, focus=True)
    claim("about focus and false", False, focus=True)
    claim("about something else and false", False)
    reporting.measured("ch01-x", 1.0, within=0)  # compares with nothing
    assert ablation.end() == ["still holds with uniform attention: about focus and still true"]
    with pytest.raises(reporting.ClaimError):
        claim("raises again", False)


def test_it_is_never_on_twice(off):
    ablation.begin()
    with pytest.raises(RuntimeError, match="already on"):
        ablation.begin()
