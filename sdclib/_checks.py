"""Checks of arguments that several modules share: each says what was wanted and what came."""

import math
import numbers

import numpy as np
import torch

__all__ = ["NotFiniteError", "at_least", "choice", "floating", "generator", "in_range", "instance", "is_true", "labels", "mask", "real_dtype"]

# One stream of random numbers a purpose, so that, say, a longer training does not change the data.
_STREAMS = {"pool": 0, "compose": 1, "recompose": 2, "fresh_pool": 3, "fresh_compose": 4, "init": 5, "order": 6, "sample": 7, "bootstrap": 8}
_STREAMS |= {"intervene": 9, "construct": 10, "sample_segments": 11, "dropout": 12}


class NotFiniteError(ValueError):
    """What a model computed is NaN or infinite: in training that is divergence, elsewhere a bad input."""


def generator(seed, purpose):
    """A NumPy Generator for one purpose (``pool``, ``compose``, ``init``, ``order``, ...): the same bytes on every processor."""
    seed = at_least("seed", seed, 0)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAMS[purpose],)))


def at_least(name, value, least):
    """``value`` as an int, or ValueError below ``least`` (TypeError if it is no whole number)."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number; got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}")
    return int(value)


def in_range(name, value, low, high, *, include_low=True, include_high=True):
    """``value`` as a float inside an interval, or ValueError."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number; got {value!r}")
    above = value >= low if include_low else value > low
    below = value <= high if include_high else value < high
    if not (above and below):
        left, right = "[" if include_low else "(", "]" if include_high and not math.isinf(high) else ")"
        raise ValueError(f"{name} must be in {left}{low:g}, {high:g}{right}; got {value}")
    return float(value)


def choice(name, value, choices):
    """``value`` if it is one of ``choices``, or ValueError that lists them."""
    if value not in choices:
        raise ValueError(f"unknown {name} {value!r}; choose one of {', '.join(map(str, choices))}")
    return value


def instance(name, value, kind, hint=""):
    """``value`` if it is a ``kind``, or TypeError."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {kind.__name__}{hint}; got {f'{value!r}' if isinstance(value, str) else type(value).__name__}")
    return value


def real_dtype(dtype):
    """A floating-point torch.dtype, or TypeError."""
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise TypeError(f"dtype must be a floating-point type; got {dtype!r}")
    return dtype


def floating(name, tensor, n_dims=None):
    """A floating-point tensor of the wanted number of axes, or TypeError/ValueError."""
    if not isinstance(tensor, torch.Tensor):
        raise TypeError(f"{name} must be a torch.Tensor; got {type(tensor).__name__}")
    if not tensor.is_floating_point():
        raise TypeError(f"{name} must be a floating-point tensor; got {tensor.dtype}")
    if n_dims is not None and tensor.ndim != n_dims:
        raise ValueError(f"{name} must have {n_dims} axes; got shape {tuple(tensor.shape)}")
    return tensor


def labels(name, tensor, n, stop=math.inf, *, what=""):
    """Whole numbers of shape (n,) in [0, stop), ``what`` says what the last one is, as an int64 tensor, or TypeError/ValueError."""
    try:
        tensor = torch.as_tensor(tensor)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name} must be whole numbers; got {type(tensor).__name__}") from None
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
        raise TypeError(f"{name} must be whole numbers; got {tensor.dtype}")
    if tensor.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), one a mosaic; got {tuple(tensor.shape)}")
    tensor = tensor.long()  # before any comparison: the bound may not fit into 8 bits
    if n and (tensor.min() < 0 or tensor.max() >= stop):
        worst = tensor.max() if tensor.max() >= stop else tensor.min()
        wanted = "0 or more" if math.isinf(stop) else f"in 0 ... {stop - 1} ({what})"
        raise ValueError(f"{name} must be {wanted}; got {int(worst)}")
    return tensor


def mask(tensor, shape):
    """Booleans of shape (n, m) with a real segment in every mosaic, or TypeError/ValueError."""
    if not isinstance(tensor, torch.Tensor) or tensor.dtype != torch.bool:
        raise TypeError(f"mask must be a boolean tensor; got {getattr(tensor, 'dtype', type(tensor).__name__)}")
    if tensor.shape != tuple(shape):
        raise ValueError(f"mask must have shape {tuple(shape)}; got {tuple(tensor.shape)}")
    if is_true((~tensor.any(1)).any()):
        raise ValueError("every mosaic needs at least one real segment; got one whose segments are all masked")
    return tensor


def is_true(condition):
    """Whether a one-element boolean tensor is True; False where values cannot be looked at (under ``torch.compile`` or ``vmap``)."""
    if torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(condition):
        return False
    return bool(condition)
