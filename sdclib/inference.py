"""From the weights and the classifier to a prediction: three ways, and a model that predicts in one of them.

Soft attention classifies the averaged input. Hard attention classifies one segment, the most attended; a latent-variable model mixes what
the classifier says of each segment. The same weights and the same classifier may be accurate in one way and not in another.
"""

import torch

from sdclib import _checks
from sdclib.models import AttentionModel, ModelOutput

__all__ = ["INFERENCES", "log_mixture", "logits_under", "output_of", "segment_logits_of", "under"]

INFERENCES = ("average", "attended", "mixture")


def logits_under(output, inference):
    """What a model predicts under one inference, as logits (n, K).

    ``average``: the classifier of the averaged input, as they are. ``attended``: log-probabilities of the most attended segment (in a tie
    the mean of the probabilities of those tied). ``mixture``: log sum_j alpha_j p(y | x_j).

    Args:
        output: a ModelOutput; for all but ``average`` with its ``segment_logits`` (n, m, K).
        inference: one of ``INFERENCES``.

    Raises:
        ValueError: another name, an output without segment_logits.
    """
    _checks.choice("inference", inference, INFERENCES)
    if inference == "average":
        return output.logits
    attention = output.attention
    if inference == "attended":
        attention = (attention == attention.amax(1, keepdim=True)).to(attention.dtype)
        attention = attention / attention.sum(1, keepdim=True)
    return log_mixture(attention, segment_logits_of(output).log_softmax(-1))


def log_mixture(attention, log_probability):
    """log sum_j alpha_j p_j, computed from log p_j.

    Finite, with finite derivatives, where weights are 0 or have underflowed: a weight below the smallest normal number of its type counts
    as 0 (and passes nothing back, as the activations themselves pass nothing back there).

    Args:
        attention: (n, m) weights.
        log_probability: (n, m) or (n, m, K).

    Returns:
        (n,) or (n, K).
    """
    tiny = torch.finfo(attention.dtype).tiny
    log_weight = torch.where(attention >= tiny, attention.clamp(min=tiny).log(), -torch.inf)
    log_weight = log_weight.reshape(log_weight.shape + (1,) * (log_probability.ndim - 2))
    return torch.logsumexp(log_weight + torch.where(log_weight.isneginf(), 0, log_probability), 1)  # where: -inf + NaN is NaN


def segment_logits_of(output):
    """The segment_logits of an output, or ValueError that says how to get them."""
    logits = getattr(output, "segment_logits", None)
    if logits is None:
        raise ValueError("the output has no segment_logits: call the model, or predict, with segment_logits=True")
    return logits


def output_of(model, segments, mask=None, segment_logits=False):
    """The output of any model of the small protocol, ``model(segments, mask=None)``; with ``segment_logits`` (n, m, K) also those.

    A model that does not give them itself classifies each segment as a mosaic of one.
    """
    masked = {} if mask is None else {"mask": mask}
    if not segment_logits:
        return model(segments, **masked)
    if isinstance(model, AttentionModel) and type(model).forward is AttentionModel.forward and "forward" not in vars(model):
        return model(segments, **masked, segment_logits=True)
    output, (n, m) = model(segments, **masked), segments.shape[:2]
    if mask is not None:  # what is hidden may be NaN, and no weight of 0 makes that a number again
        segments = segments.masked_fill(~mask.reshape(n, m, *[1] * (segments.ndim - 2)), 0)
    alone = model(segments.flatten(0, 1)[:, None]).logits.view(n, m, -1)
    return ModelOutput(output.logits, output.attention, getattr(output, "scores", None), alone)


def under(model, inference):
    """The model as it is used under one inference: a callable of the same small protocol, whose ``.logits`` are that inference's.

    >>> from sdclib import diagnose, models
    >>> model = models.build("A1", (2,), 3)
    >>> model(torch.zeros(5, 9, 2)).logits.shape == under(model, "attended")(torch.zeros(5, 9, 2)).logits.shape
    True
    """
    _checks.choice("inference", inference, INFERENCES)
    return model if inference == "average" else _Under(model, inference)


class _Under(torch.nn.Module):
    def __init__(self, model, inference):
        super().__init__()
        self.model, self.inference = model, inference

    def forward(self, segments, mask=None):
        output = output_of(self.model, segments, mask, segment_logits=True)
        return output._replace(logits=logits_under(output, self.inference))
