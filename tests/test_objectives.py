"""What training minimises: against its formula, derivatives, the corners where logarithms break, and what is refused."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import outputs, scores

from sdclib import activations, objectives
from sdclib.models import ModelOutput


def slow_soft(attention, logits, label, k):
    """The soft objective, one mosaic after the other."""
    total = 0.0
    for weights, row, y in zip(attention.tolist(), logits.tolist(), label.tolist(), strict=True):
        cross_entropy = math.log(sum(math.exp(z) for z in row)) - row[y]
        entropy = sum(-weight * math.log(weight) for weight in weights if weight > 0)
        total += (1 - k) * cross_entropy + k * entropy
    return total / len(label)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@settings(max_examples=500)
@given(output=outputs(), k=st.one_of(st.just(0.0), st.floats(0, 0.99)))
def test_soft_is_the_slow_loop(dtype, output, k):
    logits, attention = output["logits"].to(dtype), output["attention"].to(dtype)
    wanted = slow_soft(attention, logits, output["label"], k)
    near = {torch.float32: {"rel": 1e-5, "abs": 1e-5}, torch.float64: {"abs": 1e-9}}[dtype]
    assert objectives.soft(ModelOutput(logits, attention, None), output["label"], entropy_weight=k).item() == pytest.approx(wanted, **near)


@pytest.mark.parametrize("k", [0.0, 0.05])
@pytest.mark.parametrize("activation", activations.names())
def test_first_and_second_derivatives(k, activation):
    rng = torch.Generator().manual_seed(1)
    drawn, logits = (torch.randn(3, size, dtype=torch.float64, generator=rng, requires_grad=True) for size in (5, 4))
    label = torch.tensor([0, 3, 1])

    def loss(drawn, logits):
        return objectives.soft(ModelOutput(logits, activations.get(activation)(drawn), drawn), label, entropy_weight=k)

    assert torch.autograd.gradcheck(loss, (drawn, logits))
    assert torch.autograd.gradgradcheck(loss, (drawn, logits))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("activation", activations.names())
@settings(max_examples=500)
@given(drawn=scores())
def test_weights_of_exactly_zero_have_finite_gradients(dtype, activation, drawn):
    """Scores far apart underflow softmax; sparsemax gives exact zeros; masked segments always do."""
    drawn = (1e4 * drawn).to(dtype).requires_grad_()
    attention = activations.get(activation)(drawn)
    loss = objectives.soft(ModelOutput(attention.new_zeros(len(drawn), 2), attention, drawn), torch.zeros(len(drawn), dtype=int), entropy_weight=0.5)
    assert loss.isfinite()
    assert torch.autograd.grad(loss, drawn)[0].isfinite().all()


def test_entropy_is_that_of_the_weights():
    """Uniform weights: log m nats; a corner: none. Cross-entropy of equal logits: log K."""
    for attention, entropy in ((torch.full((2, 8), 1 / 8), math.log(8)), (torch.eye(8)[:2], 0.0)):
        loss = objectives.soft(ModelOutput(torch.zeros(2, 3), attention, None), torch.tensor([0, 1]), entropy_weight=0.25)
        assert loss.item() == pytest.approx(0.75 * math.log(3) + 0.25 * entropy, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_weights_of_exactly_zero_have_no_entropy(dtype):
    """However many they are: the smallest normal number of float16 in place of each would give half a nat."""
    output = ModelOutput(torch.zeros(2, 2, dtype=dtype), torch.eye(1000, dtype=dtype)[:2], None)
    loss = objectives.soft(output, torch.tensor([0, 1]), entropy_weight=0.5)
    assert loss.item() == pytest.approx(0.5 * math.log(2), rel=4e-3)


@pytest.mark.parametrize("label", [[0, -100], [0, -1], [0, 2]])
def test_a_label_out_of_range_is_an_error(label):
    """-100 as well, which PyTorch's cross-entropy would silently leave out."""
    output = ModelOutput(torch.zeros(2, 2), torch.full((2, 3), 1 / 3), None, torch.zeros(2, 3, 2))
    for name in ("soft", "hard", "marginal"):
        with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
            objectives.get(name)(output, torch.tensor(label))


def test_get():
    assert objectives.get("soft").loss is objectives.soft
    assert objectives.get(max).loss is max
    assert "soft" in objectives.names()
    with pytest.raises(ValueError, match="unknown objective 'hard-ish'; choose one of soft"):
        objectives.get("hard-ish")


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        (1.5, ValueError, r"entropy_weight must be in \[0, 1\); got 1.5"),
        (1.0, ValueError, r"entropy_weight must be in \[0, 1\); got 1.0"),
        (-0.1, ValueError, r"entropy_weight must be in \[0, 1\); got -0.1"),
        (math.nan, ValueError, r"entropy_weight must be in \[0, 1\); got nan"),
        ("a", TypeError, "entropy_weight must be a number; got 'a'"),
    ],
)
def test_bad_weights_are_named(weight, error, message):
    with pytest.raises(error, match=message):
        objectives.soft(ModelOutput(torch.zeros(1, 2), torch.ones(1, 1), None), torch.tensor([0]), entropy_weight=weight)
