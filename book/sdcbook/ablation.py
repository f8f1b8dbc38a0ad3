"""Run cells again with uniform attention in place of the model's.

A claim about where a model looks is worth something only if it can fail. Between `begin` and
`end` every measure of `sdclib.metrics` and every `AttentionModel` answers as if the model looked at all
real segments alike; the claims of a cell run here are recorded, not raised.

This module is imported inside a chapter's kernel.
"""

from __future__ import annotations

import os

STORED = "SDC_STORED_MEASURED"


def uniform(attention, mask=None):
    """Weights of the same shape, equal over the real segments and zero elsewhere."""
    real = attention.new_ones(attention.shape) if mask is None else mask.to(attention.dtype)
    return (real / real.sum(-1, keepdim=True)).expand_as(attention).clone()


_undo: list = []
_seen: list[tuple[str, bool, bool]] = []


def begin() -> None:
    """From here on attention is uniform and claims are recorded."""
    from sdclib import evaluation, metrics, models, reporting

    if _undo:
        raise RuntimeError("the ablation is already on")
    weights, combine, in_parts = metrics._weights, models.AttentionModel.combine, evaluation._in_parts

    def no_weights(attention, mask=None):
        return uniform(weights(attention, mask), mask)

    # the averaging layer, through which `forward` and the faster evaluation pass
    def no_combine(self, scores, values, mask=None):
        out = combine(self, scores, values, mask)
        return out._replace(attention=uniform(out.attention, mask))

    def no_parts(*arguments):  # and the evaluation of large segments, which averages by itself and takes no mask
        out = in_parts(*arguments)
        return out._replace(attention=uniform(out.attention))

    def undo():
        metrics._weights, models.AttentionModel.combine, evaluation._in_parts = weights, combine, in_parts
        reporting._recorder = None
        if stored is not None:
            os.environ[STORED] = stored

    _undo.append(undo)
    _seen.clear()
    stored = os.environ.pop(STORED, None)  # ablated numbers differ from the stored ones: rightly
    metrics._weights, models.AttentionModel.combine, evaluation._in_parts = no_weights, no_combine, no_parts
    reporting._recorder = _seen


def end() -> list[str]:
    """Everything is as before; returns `verdict` on the claims made in between."""
    _undo.pop()()
    return verdict(_seen)


def verdict(seen: list[tuple[str, bool, bool]]) -> list[str]:
    """What is wrong with the focus claims that were recorded; empty when all of them failed."""
    focus = [(text, holds) for text, holds, about_focus in seen if about_focus]
    if not focus:
        return ["no claim with focus=True was reached"]
    return [f"still holds with uniform attention: {text}" for text, holds in focus if holds]
