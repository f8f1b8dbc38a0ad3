"""What was published, as claims: differences between the published figures of dataset1."""

from dataclasses import dataclass, field

import numpy as np

from sdclib.experiments.comparison import published as published_figures

__all__ = ["QUESTIONS", "Claim", "claims"]

QUESTIONS = ("layer", "method", "weight")
_WEIGHTS = {0: 0.0005, 2: 0.005}  # by layer, for the rows of the record that state none: our choice


@dataclass(frozen=True)
class Claim:
    """A published difference: ``cell`` minus ``against`` (columns of a table and their values) in a measure of the training mosaics."""

    question: str
    name: str
    measure: str
    published: float
    runs: int  # behind each of the two published means
    cell: dict = field(hash=False)
    against: dict = field(hash=False)


def claims(measure, question=None, *, of_those=False):
    """The differences that the published figures of dataset1 make in a measure.

    Three questions: "layer" (softmax, averaging at a deeper layer minus layer 0), "method" (another method minus softmax at the same
    layer; an entropy term whose weight the record does not state stands beside ours of .0005 at layer 0 and .005 at layer 2) and "weight"
    (an entropy term of stated weight minus none).

    Args:
        measure: "ftpt", "accuracy", "n_active", "entropy_bits", ...
        question: one of the three; None = all.
        of_those: where the record has it, the figure of those runs alone whose accuracy is above 90 %.

    Returns:
        list of Claim; empty where the record does not have the measure.
    """
    figures = published_figures()
    found = []
    for table in ("sparsity-dataset1", "layers-entropy-dataset1"):
        rows = figures[(figures.table == table) & (figures.split == "train")]
        narrow = f"{measure}_of_those"
        rows = rows[rows.metric == (narrow if of_those and narrow in set(rows.metric) else measure)]
        base = rows[rows.method == "softmax"].set_index("averaging_layer").value
        for row in rows.itertuples():
            layer = int(row.averaging_layer)
            if row.method == "softmax":
                kind, name, cell, against = "layer", f"layer {layer}, not 0", _cell(layer), _cell(0)
            else:
                kind, name, cell, against = *_method(row.method, layer, row.entropy_weight), _cell(layer)
            if cell != against and question in (None, kind):
                size = round(row.value - base[against["average_at"]], 4)
                found.append(Claim(kind, name, measure, size, int(row.runs_averaged), cell, against))
    return sorted(found, key=lambda claim: QUESTIONS.index(claim.question))


def _cell(layer, activation="softmax", entropy_weight=0.0):
    return {"average_at": layer, "activation": activation, "entropy_weight": entropy_weight}


def _method(method, layer, weight):
    """The question, the name and the cell of ours that go with a method of the record."""
    if method != "entropy":
        return "method", f"{method.split('_')[0]}, layer {layer}", _cell(layer, method)
    if np.isnan(weight):
        return "method", f"entropy, layer {layer}", _cell(layer, entropy_weight=_WEIGHTS[layer])
    return "weight", f"weight {weight:g}, layer {layer}", _cell(layer, entropy_weight=weight)
