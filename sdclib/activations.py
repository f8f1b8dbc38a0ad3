"""From scores to attention weights: maps from R^m onto the probability simplex.

Every activation is a function ``(scores, dim=-1, mask=None)``; ``mask`` is True where a segment is real. A hidden segment gets
weight exactly 0 and changes nothing for the others.
"""

from functools import partial

import torch

from sdclib import _checks, _entmax
from sdclib._closed_forms import HALF, Entmax15, Sparsemax, TransformedEntmax15, TransformedSparsemax, apply

__all__ = [
    "entmax",
    "entmax15",
    "get",
    "gumbel_softmax",
    "names",
    "softmax",
    "sparsemax",
    "spherical_softmax",
    "temperature_softmax",
    "topk_softmax",
]


def softmax(scores, dim=-1, mask=None):
    """Softmax: all weights positive, ratios given by differences of scores.

    alpha_j = exp(s_j) / sum_i exp(s_i)

    Args:
        scores: floating-point tensor of any shape.
        dim: the axis of the segments.
        mask: boolean tensor that broadcasts to ``scores``, True = real segment; None = all real.

    Returns:
        Weights of the shape of ``scores``: non-negative, sum 1 along ``dim``.

    Raises:
        TypeError: scores that are not floating point, or a mask that is not boolean.
        ValueError: NaN or +inf among the scores, a mask of the wrong shape, or no real segment along ``dim``.

    Source: Bridle (1990); as attention, Bahdanau, Cho and Bengio (2015).

    >>> softmax(torch.tensor([0.0, 0.0, 0.0, 0.0]))
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    return torch.softmax(_masked(scores, dim, mask), dim)


def sparsemax(scores, dim=-1, mask=None):
    """Sparsemax: the Euclidean projection of the scores onto the simplex; weights can be exactly 0.

    alpha_j = max(s_j - tau, 0), with tau such that the weights sum to 1

    Args, Returns, Raises: as :func:`softmax`. A segment whose weight is 0 passes no gradient; a single segment of weight 1 passes none at all.

    Source: Martins and Astudillo (2016), Algorithm 1. The derivative is written by hand, itself differentiable: first and
    second derivatives are exact wherever they exist.

    >>> sparsemax(torch.tensor([1.0, 0.5, -1.0]))
    tensor([0.7500, 0.2500, 0.0000])
    """
    return apply(Sparsemax, TransformedSparsemax, *_checked(scores, dim, mask), dim)


def entmax15(scores, dim=-1, mask=None):
    """1.5-entmax: between softmax and sparsemax; weights can be exactly 0, and the largest saturates later than sparsemax's.

    alpha_j = max(s_j / 2 - tau, 0)^2, with tau such that the weights sum to 1

    Args, Returns, Raises: as :func:`softmax`.

    Source: Peters, Niculae and Martins (2019), Algorithm 2. On the support tau is the smaller root of
    sum_j (s_j / 2 - tau)^2 = 1. The derivative is written by hand, itself differentiable: first and second derivatives are exact wherever they exist.

    >>> entmax15(torch.tensor([1.0, 0.0, -2.0]))
    tensor([0.8307, 0.1693, 0.0000])
    """
    return apply(Entmax15, TransformedEntmax15, *_checked(scores, dim, mask), dim)


def entmax(scores, dim=-1, mask=None, *, alpha=1.5):
    """Entmax with any alpha: 1 is softmax, 2 is sparsemax, more is sparser still.

    alpha_j = max((alpha - 1) s_j - tau, 0)^(1 / (alpha - 1)), with tau such that the weights sum to 1

    Args:
        scores, dim, mask: as for :func:`softmax`.
        alpha: a number, 1 or more; or a tensor above 1 that broadcasts to ``scores`` with size 1 along ``dim``: it may be learnt.

    Returns, Raises: as :func:`softmax`; ValueError for an alpha out of range.

    Source: Peters, Niculae and Martins (2019). The largest weight is found by bisection without gradients; two Newton steps at the solution, which
    leave its value alone, carry the derivatives: exact to second order, for the scores and for alpha (Correia, Niculae and Martins 2019 give the first).

    >>> entmax(torch.tensor([1.0, 0.5, -1.0]), alpha=2.0)
    tensor([0.7500, 0.2500, 0.0000])
    """
    learnt = isinstance(alpha, torch.Tensor)
    if not learnt and _checks.in_range("alpha", alpha, 1, float("inf"), include_high=False) == 1:
        return softmax(scores, dim, mask)
    if learnt and _checks.is_true((~(alpha > 1) | ~alpha.isfinite()).any()):
        raise ValueError(f"alpha must be above 1 and finite, where it is a tensor; got {alpha[~((alpha > 1) & alpha.isfinite())][0]:g}")
    scores, largest = _checked(scores, dim, mask)
    if learnt and not _broadcasts(alpha.shape, largest.shape):
        wanted = f"must broadcast to scores with size 1 along dim {dim}, {tuple(largest.shape)}"
        raise ValueError(f"alpha {wanted}; got {tuple(alpha.shape)}")
    if scores.dtype in HALF:
        return entmax(scores.float(), dim, alpha=alpha).to(scores.dtype)
    # minus 1 in the type of alpha, which may be the finer one
    slope = (alpha - 1).to(scores.dtype) if learnt else torch.full((), min(alpha - 1, torch.finfo(scores.dtype).max)).to(scores)
    return _entmax.weights(scores, largest, slope, dim, learnt)


def spherical_softmax(scores, dim=-1, mask=None):
    """Spherical softmax: weights in proportion to the squares of the scores. The scale of the scores does not matter, nor does their sign.

    alpha_j = s_j^2 / sum_i s_i^2

    Args, Returns: as :func:`softmax`. Where all scores are 0 the weights are equal and pass no gradient.

    Raises: as :func:`softmax`; a score of -inf, too.

    Source: de Brebisson and Vincent (2016); as attention, Laha et al. (2018) and Pandey et al. (2022).

    >>> spherical_softmax(torch.tensor([1.0, -2.0, 0.0]))
    tensor([0.2000, 0.8000, 0.0000])
    """
    masked = _masked(scores, dim, mask)  # the shared checks
    hidden = torch.zeros_like(masked, dtype=torch.bool) if mask is None else ~mask.expand(masked.shape)
    scores = masked.masked_fill(hidden, 0)
    if _checks.is_true(scores.isneginf().any()):
        raise _checks.NotFiniteError("spherical_softmax needs finite scores; got -inf")
    if scores.dtype in HALF:
        return spherical_softmax(scores.float(), dim, mask).to(scores.dtype)
    largest = scores.detach().abs().amax(dim, keepdim=True)
    equal = torch.where(hidden, 0.0, 1.0).to(scores.dtype)
    # divided by a constant first: squares neither overflow nor vanish, and no derivative changes, as the scale does not matter
    square = torch.where(largest == 0, equal, scores / torch.where(largest == 0, 1, largest)).square()
    return square / square.sum(dim, keepdim=True)


def temperature_softmax(scores, dim=-1, mask=None, *, temperature=1.0):
    """Softmax of the scores divided by a temperature: below 1 sharper, above 1 flatter.

    Args:
        scores, dim, mask: as for :func:`softmax`. temperature: above 0.

    >>> temperature_softmax(torch.tensor([1.0, 0.0]), temperature=0.1)[0] > 0.999
    tensor(True)
    """
    temperature = _checks.in_range("temperature", temperature, 0, float("inf"), include_low=False, include_high=False)
    scores, largest = _checked(scores, dim, mask)
    if scores.dtype in HALF:
        return temperature_softmax(scores.float(), dim, temperature=temperature).to(scores.dtype)
    limits = torch.finfo(scores.dtype)  # the largest score first: the quotient can overflow only to -inf; -inf / inf would be NaN
    return torch.softmax((scores - largest) / min(max(temperature, limits.tiny), limits.max), dim)


def topk_softmax(scores, dim=-1, mask=None, *, k=3):
    """Softmax over the k largest scores; all others get weight 0, and no gradient. Scores that tie with the k-th are kept, too.

    Args:
        scores, dim, mask: as for :func:`softmax`. k: 1 or more; from the number of segments on it is softmax.

    Source: as a gate, Shazeer et al. (2017).

    >>> topk_softmax(torch.tensor([1.0, 1.0, 0.0]), k=2)
    tensor([0.5000, 0.5000, 0.0000])
    """
    scores, k = _masked(scores, dim, mask), _checks.at_least("k", k, 1)
    if k >= scores.shape[dim]:
        return torch.softmax(scores, dim)
    least = scores.detach().topk(k, dim).values.amin(dim, keepdim=True)
    return torch.softmax(scores.masked_fill(scores < least, -torch.inf), dim)


def gumbel_softmax(scores, dim=-1, mask=None, *, temperature=1.0, straight_through=True, generator=None):
    """A random segment, drawn with the softmax of the scores as probabilities: for training only, as every call draws anew.

    With ``straight_through`` the weights are 1 and 0 and their derivatives are those of the relaxed weights, softmax((s + g) / temperature)
    with g standard Gumbel; without, the relaxed weights are returned.

    Args:
        scores, dim, mask: as for :func:`softmax`. temperature: above 0. generator: a torch.Generator; None = the global one.

    Source: Jang, Gu and Poole (2017); Maddison, Mnih and Teh (2017).

    >>> gumbel_softmax(torch.tensor([50.0, 0.0]), generator=torch.Generator().manual_seed(0))
    tensor([1., 0.])
    """
    scores, largest = _checked(scores, dim, mask)
    if scores.dtype in HALF:  # sums of so few digits would tie, and a tie is no draw
        settings = {"temperature": temperature, "straight_through": straight_through, "generator": generator}
        return gumbel_softmax(scores.float(), dim, **settings).to(scores.dtype)
    uniform = torch.rand(scores.shape, dtype=torch.float64, device=scores.device, generator=generator)
    tiny = torch.finfo(torch.float64).tiny
    gumbel = -(-uniform.clamp(min=tiny).log()).clamp(min=tiny).log()
    noisy = scores - largest + gumbel.to(scores.dtype)  # the largest first: beside a score of 1e8 the noise would be lost
    relaxed = temperature_softmax(noisy, dim, temperature=temperature)
    if not straight_through:
        return relaxed
    chosen = torch.zeros_like(relaxed).scatter(dim, noisy.argmax(dim, keepdim=True), 1)  # at a high temperature relaxed weights tie
    return chosen + (relaxed - relaxed.detach())  # exactly 1 and 0


_ACTIVATIONS = {
    "softmax": softmax,
    "sparsemax": sparsemax,
    "entmax15": entmax15,
    "entmax": entmax,
    "spherical_softmax": spherical_softmax,
    "temperature_softmax": temperature_softmax,
    "topk_softmax": topk_softmax,
}


def names():
    """The names that :func:`get` knows.

    >>> "sparsemax" in names()
    True
    """
    return tuple(_ACTIVATIONS)


def get(name, **settings):
    """The activation of that name, with other settings than its defaults if there are any; a function is returned as it is.

    >>> get("softmax") is softmax
    True
    >>> get("entmax", alpha=1.0)(torch.tensor([0.0, 0.0]))
    tensor([0.5000, 0.5000])
    """
    function = name if callable(name) else _ACTIVATIONS[_checks.choice("activation", name, names())]
    return partial(function, **settings) if settings else function


def _broadcasts(shape, wanted):
    """Whether a tensor of this shape broadcasts to the other, which stays as it is."""
    return len(shape) <= len(wanted) and all(size in (1, other) for size, other in zip(reversed(shape), reversed(wanted), strict=False))


def _masked(scores, dim, mask):
    """Scores with -inf where no segment is; the checks that all activations share."""
    return _checked(scores, dim, mask)[0]


def _checked(scores, dim, mask):
    """The same, and the largest score of each mosaic, a constant: shape as scores, with size 1 along ``dim``."""
    _checks.floating("scores", scores)
    if scores.ndim == 0 or not -scores.ndim <= dim < scores.ndim:
        raise ValueError(f"dim must name an axis of scores; got dim {dim} for shape {tuple(scores.shape)}")
    if scores.shape[dim] == 0:
        raise ValueError(f"scores must have at least one segment along dim {dim}; got shape {tuple(scores.shape)}")
    if mask is not None:
        if not isinstance(mask, torch.Tensor) or mask.dtype != torch.bool:
            raise TypeError(f"mask must be a boolean tensor; got {getattr(mask, 'dtype', type(mask).__name__)}")
        try:
            mask = mask.expand(scores.shape)
        except RuntimeError:
            raise ValueError(f"mask must broadcast to the shape of scores, {tuple(scores.shape)}; got {tuple(mask.shape)}") from None
        scores = scores.masked_fill(~mask, -torch.inf)
    largest = scores.detach().amax(dim, keepdim=True)  # NaN and +inf reach the maximum; it is -inf where nothing is left
    total = largest.sum()
    if _checks.is_true(total - total != 0) and not largest.isfinite().all():  # one number is quick to look at; it can overflow, too
        _complain(scores, dim, mask)
    return scores, largest


def _complain(scores, dim, mask):
    """Say which of the scores' faults it is."""
    if (scores.isnan() | scores.isposinf()).any():
        raise _checks.NotFiniteError("scores must not be NaN or +inf; got some that are")
    if mask is None or mask.any(dim).all():
        raise _checks.NotFiniteError(f"scores must not all be -inf; got a mosaic whose real segments along dim {dim} all are")
    raise ValueError(f"every mosaic needs at least one real segment; got one whose segments along dim {dim} are all masked")
