"""Entmax for any alpha above 1: what :mod:`sdclib.activations` applies after its checks.

With s = alpha - 1, z = scores - largest score and p the largest weight, alpha_j = p (1 + s z_j / p^s)^(1 / s). Written so, and with log p to be found,
nothing cancels: neither where s is tiny (the limit is softmax) nor where it is large (p^s is minute).
"""

import math

import torch

__all__ = ["weights"]

_SERIES_TO = 0.02  # below it a series for log(1 + x) / x, whose derivatives the quotient would lose to rounding
_TERMS = 10


def weights(scores, largest, slope, dim, learnt):
    """Weights from scores, the largest of them, ``slope`` = alpha - 1 (a tensor; ``learnt``: with derivatives) and the axis.

    log p is found by bisection without gradients; two Newton steps at the solution, which leave its value alone, carry the derivatives.
    """
    below = scores - largest
    with torch.no_grad():
        high, width = torch.zeros_like(largest), math.log(scores.shape[dim])  # p is at least 1 / m
        for _ in range(60 if scores.dtype == torch.float64 else 30):
            width = width / 2
            enough = _at(high - width, below, slope, None)[0].sum(dim, keepdim=True) >= 1
            high = torch.where(enough, high - width, high)
        support = 1 + _excess(high, below, slope)[1] > 0
    below = torch.where(support, below, 0)  # before the product with the slope: 0 times -inf is NaN
    log_top = high
    for _ in range(2):
        value, steep = _at(log_top, below, slope, support, learnt)
        log_top = log_top - (value.sum(dim, keepdim=True) - 1) / steep.sum(dim, keepdim=True)
    value = _at(high + (log_top - log_top.detach()), below, slope, support, learnt)[0]
    return value / value.sum(dim, keepdim=True).detach()  # bisection leaves the sum a rounding error beside 1


def _excess(log_top, below, slope):
    """y = z / p^s, and x = s y: the weight is p (1 + x)^(1 / s)."""
    limits = torch.finfo(below.dtype)
    y = below * torch.exp((-slope * log_top).clamp(max=math.log(limits.max) - 1))
    return y, (slope * y).clamp(min=limits.min)


def _at(log_top, below, slope, support, learnt=False):
    """The weights for a log p, and their derivatives by it; ``support`` None: none is needed, as no derivative is."""
    y, x = _excess(log_top, below, slope)
    if support is None:
        return (log_top + torch.log1p(x.clamp(min=-1)) / slope).exp(), None
    x = x.clamp(min=torch.finfo(x.dtype).eps - 1)  # a Newton step may end just outside of the support
    value = torch.where(support, (log_top + (y * _log1p_over(x) if learnt else torch.log1p(x) / slope)).exp(), 0)
    return value, value / (1 + x)


def _log1p_over(x):
    """log(1 + x) / x, 1 at 0, with derivatives that are exact there, too."""
    small = x.abs() < _SERIES_TO
    near, far = torch.where(small, x, 0), torch.where(small, 1, x)
    series = torch.zeros_like(x)
    for k in range(_TERMS, -1, -1):
        series = (-1) ** k / (k + 1) + near * series
    return torch.where(small, series, torch.log1p(far) / far)
