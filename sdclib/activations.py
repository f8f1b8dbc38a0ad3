"""From scores to attention weights: maps from R^m onto the probability simplex.

Every activation is a function ``(scores, dim=-1, mask=None)``; ``mask`` is True where a segment is real. A hidden segment gets
weight exactly 0 and changes nothing for the others.
"""

import torch

from sdclib import _checks

__all__ = ["get", "names", "softmax", "sparsemax"]


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

    Source: Martins and Astudillo (2016), Algorithm 1. The support is found without gradients; the closed form on it is plain autograd, so
    first and second derivatives are exact wherever they exist.

    >>> sparsemax(torch.tensor([1.0, 0.5, -1.0]))
    tensor([0.7500, 0.2500, 0.0000])
    """
    scores = _masked(scores, dim, mask)
    if scores.dtype in (torch.bfloat16, torch.float16):  # a cumulative sum in so few digits would miss sum 1 by a percent
        return sparsemax(scores.float(), dim).to(scores.dtype)
    scores = scores - scores.detach().amax(dim, keepdim=True)  # shift-invariant; keeps the cumulative sum accurate
    with torch.no_grad():
        ordered = scores.sort(dim, descending=True).values
        shape = [1] * scores.ndim
        shape[dim] = -1
        rank = torch.arange(1, scores.shape[dim] + 1, device=scores.device, dtype=scores.dtype).view(shape)
        total = ordered.cumsum(dim)
        size = (1 + rank * ordered > total).sum(dim, keepdim=True)
        support = scores > (total.gather(dim, size - 1) - 1) / size
    tau = (torch.where(support, scores, 0).sum(dim, keepdim=True) - 1) / support.sum(dim, keepdim=True)
    return torch.where(support, scores - tau, 0).clamp(min=0)


_ACTIVATIONS = {"softmax": softmax, "sparsemax": sparsemax}


def names():
    """The names that :func:`get` knows.

    >>> "sparsemax" in names()
    True
    """
    return tuple(_ACTIVATIONS)


def get(name):
    """The activation of that name; a function is returned as it is.

    >>> get("softmax") is softmax
    True
    """
    if callable(name):
        return name
    return _ACTIVATIONS[_checks.choice("activation", name, names())]


def _masked(scores, dim, mask):
    """Scores with -inf where no segment is; the checks that all activations share."""
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
    if _checks.is_true((scores.isnan() | scores.isposinf()).any()):
        raise _checks.NotFiniteError("scores must not be NaN or +inf; got some that are")
    if _checks.is_true((scores.amax(dim) == -torch.inf).any()):
        if mask is None or mask.any(dim).all():
            raise _checks.NotFiniteError(f"scores must not all be -inf; got a mosaic whose real segments along dim {dim} all are")
        raise ValueError(f"every mosaic needs at least one real segment; got one whose segments along dim {dim} are all masked")
    return scores
