"""What training minimises: functions (output, label) -> scalar loss, in nats."""

import torch

from sdclib import _checks

__all__ = ["get", "names", "soft"]


def soft(output, label, *, entropy_weight=0.0):
    """Soft attention: cross-entropy of the classified average, with k = ``entropy_weight`` also the entropy of the weights.

    (1 - k) * mean(-log softmax(logits)_label) + k * mean(-sum_j alpha_j log alpha_j)

    Args:
        output: a ModelOutput: logits (n, K), attention (n, m).
        label: (n,) int64 in 0 ... K-1.
        entropy_weight: k in [0, 1); natural logarithm.

    Returns:
        Scalar tensor, nats.

    Source: Pandey et al. (2022) and the authors' record for the weighting.
    """
    k = _checks.in_range("entropy_weight", entropy_weight, 0, 1, include_high=False)
    loss = torch.nn.functional.cross_entropy(output.logits, label)
    if k == 0:
        return loss
    # the clamp: the derivative of -a log a is infinite at an exact 0, where a weight that has underflowed should have no gradient
    attention = output.attention.clamp(min=torch.finfo(output.attention.dtype).tiny)
    return (1 - k) * loss + k * torch.special.entr(attention).sum(1).mean()


_OBJECTIVES = {"soft": soft}


def names():
    """The names that :func:`get` knows."""
    return tuple(_OBJECTIVES)


def get(name):
    """The objective of that name; a function is returned as it is."""
    return name if callable(name) else _OBJECTIVES[_checks.choice("objective", name, names())]
