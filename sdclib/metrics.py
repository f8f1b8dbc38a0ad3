"""Where a model looked, and whether it was right: measures of attention against the known foreground.

Every measure returns one number a mosaic; averaging is the caller's. A tie is shared: if the foreground is one of t segments that
have the largest weight, that is a hit worth 1/t, so uniform attention scores exactly chance. Ties are exact equality.
"""

from dataclasses import asdict, dataclass

import torch

from sdclib import _checks

__all__ = [
    "FocusTable",
    "corner_distance",
    "entropy_bits",
    "focus_hit",
    "focus_table",
    "foreground_mass",
    "largest_weight",
    "n_active",
    "one_hot_attention",
    "prediction_hit",
    "reference_tables",
    "sparsity",
    "uniform_attention",
]


def focus_hit(attention, foreground, mask=None):
    """Focus true: 1 where the largest weight is on the foreground (1/t in a tie of t), else 0.

    Range [0, 1]; higher is better; chance is 1/m.

    Args:
        attention: (n, m) weights. foreground: (n,) whole numbers 0 ... m-1. mask: (n, m), True = real segment, or None.

    Returns:
        (n,) tensor.

    Raises:
        TypeError, ValueError: attention that is not (n, m) finite non-negative weights of sum 1; a foreground of the wrong shape or out of range.

    Source: Pandey et al. (2022); the same as the pointing game of Zhang et al. (2018) with segments for pixels.

    >>> focus_hit(torch.tensor([[0.7, 0.3], [0.5, 0.5], [0.1, 0.9]]), torch.tensor([0, 0, 0]))
    tensor([1.0000, 0.5000, 0.0000])
    """
    attention = _weights(attention, mask)
    return _few_digits(_hit(attention, _places("foreground", foreground, attention, "the last place")), attention)


def prediction_hit(logits, label):
    """Prediction true: 1 where the largest logit is the label's (1/t in a tie of t), else 0.

    Range [0, 1]; higher is better. logits (n, K), label (n,) whole numbers 0 ... K-1; returns (n,).
    """
    return _few_digits(_prediction(logits, label), logits)


def _prediction(logits, label):
    """:func:`prediction_hit` in float64."""
    logits = _checks.floating("logits", logits, 2)
    if logits.shape[1] < 2:
        raise ValueError(f"logits must be (n, K) with K at least 2; got shape {tuple(logits.shape)}")
    if logits.isnan().any():
        raise _checks.NotFiniteError("logits must not be NaN; got some that are")
    return _hit(logits, _places("label", label, logits, "the last class"))


def foreground_mass(attention, foreground, mask=None):
    """The weight on the foreground segment. Range [0, 1]; higher is better; chance is 1/m.

    Arguments and errors as :func:`focus_hit`. Also called relevance mass accuracy (Arras, Osman and Samek 2022).
    """
    attention = _weights(attention, mask)
    return attention.gather(1, _places("foreground", foreground, attention, "the last place")[:, None])[:, 0]


def largest_weight(attention, mask=None):
    """The largest weight. Range [1/m, 1]; higher is more concentrated, on whatever segment."""
    return _weights(attention, mask).amax(1)


def n_active(attention, mask=None, threshold=0.01):
    """Number of weights above ``threshold``. Range 0 ... m (0 where m weights are all small); lower is sparser."""
    return (_weights(attention, mask) > threshold).sum(1).to(attention.dtype)


def corner_distance(attention, mask=None):
    """Distance to the simplex corner at the largest weight, ||alpha - e_argmax||_2. Range [0, sqrt(1 - 1/m)]; lower is sparser."""
    attention = _weights(attention, mask)
    corner = torch.zeros_like(attention).scatter_(1, attention.argmax(1, keepdim=True), 1)
    return (attention - corner).norm(dim=1)


def entropy_bits(attention, mask=None):
    """Entropy -sum alpha_j log2 alpha_j, with 0 log 0 = 0. Range [0, log2 m] bits; lower is sparser."""
    attention = _weights(attention, mask).clamp(min=0)  # entr of a weight that rounding put below 0 is -inf
    return torch.special.entr(attention).sum(1) / torch.log(torch.tensor(2.0, dtype=attention.dtype))


def sparsity(attention, mask=None):
    """The sparsity measures of the paper's record, averaged over mosaics: a dict.

    n_active (weights above 0.01), corner_distance, entropy_bits, and majority (percent of mosaics whose largest weight is at least 0.5).
    """
    return {
        "n_active": float(n_active(attention, mask).double().mean()),
        "corner_distance": float(corner_distance(attention, mask).double().mean()),
        "entropy_bits": float(entropy_bits(attention, mask).double().mean()),
        "majority": 100 * float((largest_weight(attention, mask) >= 0.5).double().mean()),
    }


@dataclass(frozen=True)
class FocusTable:
    """Focus true or false against prediction true or false, in percent of n mosaics; the four sum to 100.

    ftpt: right, and looked at the foreground. ffpt: right, but looked elsewhere. ftpf: looked at the foreground, but wrong. ffpf: neither.
    """

    ftpt: float
    ffpt: float
    ftpf: float
    ffpf: float
    n: int

    @property
    def accuracy(self):
        """Prediction true, percent: ftpt + ffpt."""
        return self.ftpt + self.ffpt

    @property
    def focus_true(self):
        """Focus true, percent: ftpt + ftpf."""
        return self.ftpt + self.ftpf

    def as_dict(self):
        """The four percentages and the accuracy, by name."""
        return {"accuracy": self.accuracy, **{name: value for name, value in asdict(self).items() if name != "n"}}

    def __str__(self):
        rows = [("", "prediction true", "prediction false", "sum")]
        rows += [("focus true", self.ftpt, self.ftpf, self.focus_true), ("focus false", self.ffpt, self.ffpf, 100 - self.focus_true)]
        rows += [("sum", self.accuracy, 100 - self.accuracy, 100.0)]
        cells = [[cell if isinstance(cell, str) else f"{cell:.1f} %" for cell in row] for row in rows]
        return "\n".join(f"{row[0]:<12}" + "".join(f"{cell:>18}" for cell in row[1:]) for row in cells) + f"\nn = {self.n} mosaics"


def focus_table(attention, logits, label, foreground, mask=None):
    """FTPT, FFPT, FTPF and FFPF of a model's output, in percent.

    Args:
        attention: (n, m) weights. logits: (n, K). label: (n,) in 0 ... K-1. foreground: (n,) in 0 ... m-1. mask: (n, m) or None.

    Returns:
        FocusTable.

    Raises:
        TypeError, ValueError: wrong types, shapes that do not fit together, values out of range, NaN, no mosaic.

    Source: Pandey et al. (2022). Ties count as in the module's docstring.
    """
    if foreground is None:
        raise ValueError("foreground must be known to measure focus; got None")
    attention = _weights(attention, mask)
    focus, prediction = _hit(attention, _places("foreground", foreground, attention, "the last place")), _prediction(logits, label)
    if len(focus) != len(prediction):
        raise ValueError(f"attention and logits must have as many mosaics; got {len(focus)} and {len(prediction)}")
    parts = (focus * prediction, (1 - focus) * prediction, focus * (1 - prediction), (1 - focus) * (1 - prediction))
    return FocusTable(*(100 * float(part.mean()) for part in parts), n=len(focus))


def uniform_attention(n, m, mask=None, dtype=torch.float32):
    """Equal weights on the real segments: (n, m)."""
    shape, dtype = (_checks.at_least("n", n, 1), _checks.at_least("m", m, 1)), _checks.real_dtype(dtype)
    real = torch.ones(shape, dtype=dtype) if mask is None else _checks.mask(mask, shape).to(dtype)
    return real / real.sum(1, keepdim=True)


def one_hot_attention(place, m, dtype=torch.float32):
    """All weight on one place a mosaic: place (n,) in 0 ... m-1, returns (n, m)."""
    place = _checks.labels("place", place, len(place), _checks.at_least("m", m, 1), what="the last place")
    return torch.nn.functional.one_hot(place, m).to(dtype)


def reference_tables(logits, label, foreground, m, mask=None):
    """What the same predictions would score with other attention: the rows to read a FocusTable against.

    oracle: all weight on the foreground (FTPT = accuracy: the most that these predictions allow). uniform: equal weights, so focus is
    at chance (FTPT = accuracy / m).

    Args:
        logits: (n, K). label, foreground: (n,). m: segments in a mosaic. mask: (n, m) or None.

    Returns:
        dict name -> FocusTable.
    """
    if foreground is None:
        raise ValueError("foreground must be known to measure focus; got None")
    n, m = len(_checks.floating("logits", logits, 2)), _checks.at_least("m", m, 1)
    place = _checks.labels("foreground", foreground, n, m, what="the last place")
    attention = {"oracle": one_hot_attention(place, m), "uniform": uniform_attention(n, m, mask).to(place.device)}
    return {name: focus_table(weights, logits, label, foreground, mask) for name, weights in attention.items()}


def _weights(attention, mask=None):
    """Attention that has been checked: every measure passes here."""
    attention = _checks.floating("attention", attention, 2)
    if min(attention.shape) < 1:
        raise ValueError(f"attention must be (n, m) with n and m at least 1; got shape {tuple(attention.shape)}")
    if not attention.isfinite().all():
        raise _checks.NotFiniteError("attention must be finite; got NaN or infinity")
    tolerance = 1e-2 if attention.dtype in (torch.bfloat16, torch.float16) else 1e-4
    if attention.min() < -tolerance or (attention.sum(1) - 1).abs().max() > tolerance:
        worst = attention.sum(1)[(attention.sum(1) - 1).abs().argmax()]
        raise ValueError(f"attention must be non-negative with sum 1 a mosaic; got a smallest weight {attention.min():.4g} and a sum {worst:.4g}")
    if mask is not None and attention[~_checks.mask(mask, attention.shape)].any():
        raise ValueError("attention must be 0 on masked segments; got some that is not")
    return attention


def _hit(values, place):
    """1/t where ``place`` is among the t largest of its row, else 0; in float64, as 1/t has more digits than the values may have."""
    top = values == values.amax(1, keepdim=True)
    return top.gather(1, place[:, None])[:, 0].double() / top.sum(1)


def _few_digits(hits, values):
    """Hits in the type of the values, but never in half precision: a mean of those would keep three digits."""
    return hits.to(torch.promote_types(values.dtype, torch.float32))


def _places(name, place, values, what):
    return _checks.labels(name, place, *values.shape, what=what).to(values.device)
