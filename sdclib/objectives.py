"""What training minimises: functions (output, label) -> scalar loss, in nats.

=============  ==================================================  ==========================
objective      loss of a mosaic                                    inference that belongs to it
=============  ==================================================  ==========================
``soft``       -log p(y | sum_j alpha_j x_j)                       ``average``
``entropy``    (1 - k) * soft + k * entropy of alpha               ``average``
``hard``       sum_j alpha_j (-log p(y | x_j)), exactly            ``attended``
``reinforce``  the same, from sampled segments                     ``attended``
``marginal``   -log sum_j alpha_j p(y | x_j)                       ``mixture``
``hybrid``     soft first, then hard or marginal                   of the second
=============  ==================================================  ==========================

All take ``entropy_weight`` k, which mixes in the entropy of the weights: (1 - k) * loss + k * entropy.
"""

import math
import numbers
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from sdclib import _checks
from sdclib.inference import INFERENCES, log_mixture, segment_logits_of

__all__ = ["BASELINES", "Objective", "entropy", "get", "hard", "hybrid", "marginal", "names", "reinforce", "soft"]

_NO_LABEL = torch.iinfo(torch.int64).min
BASELINES = ("none", "mean", "leave_one_out")


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
    # no label is to be left out: -100, PyTorch's default for that, is an error as every other label out of range
    return _with_entropy(torch.nn.functional.cross_entropy(output.logits, label, ignore_index=_NO_LABEL), output, entropy_weight)


def entropy(output, label, *, entropy_weight):
    """:func:`soft` with an entropy weight that must be given and above 0."""
    k = _checks.in_range("entropy_weight", entropy_weight, 0, 1, include_low=False, include_high=False)
    return soft(output, label, entropy_weight=k)


def hard(output, label, *, entropy_weight=0.0):
    """Hard attention, exactly: the loss of a segment drawn with the weights, in expectation, sum_j alpha_j (-log p(y | x_j)).

    Args:
        output: a ModelOutput with segment_logits (n, m, K) and attention (n, m).
        label, entropy_weight: as for :func:`soft`.

    Returns:
        Scalar tensor, nats.

    Source: Xu et al. (2015), whose hard attention samples what is enumerated here; Vashisht and Ramaswamy (2023).
    """
    attention, log_probability = output.attention, _log_probability(output, label)
    # 0 times an infinite loss is NaN; where the loss is finite its product stays, as it has a derivative by the weight
    log_probability = torch.where((attention == 0) & ~log_probability.isfinite(), 0, log_probability)
    return _with_entropy((attention * -log_probability).sum(1).mean(), output, entropy_weight)


def marginal(output, label, *, entropy_weight=0.0):
    """The latent variable's marginal likelihood: the segment is unknown and summed over, -log sum_j alpha_j p(y | x_j).

    At most :func:`hard` for the same output, by Jensen's inequality. Arguments and result as :func:`hard`.

    Source: Vashisht and Ramaswamy (2023), there LVML.
    """
    return _with_entropy(-log_mixture(output.attention, _log_probability(output, label)).mean(), output, entropy_weight)


def reinforce(output, label, *, entropy_weight=0.0, samples=1, baseline="mean", generator=None):
    """Hard attention from samples: the score-function (REINFORCE) estimate of the gradient of :func:`hard`.

    The value is the mean loss of the sampled segments. Its gradient is that of mean_s (l_s + (l_s - b_s) log alpha_s), where neither the loss in
    the bracket nor the baseline b_s is differentiated: without bias whatever the baseline, because b_s depends on other samples only.

    Args:
        output, label, entropy_weight: as for :func:`hard`.
        samples: segments drawn for each mosaic, with replacement.
        baseline: what is subtracted from a sample's loss: "none"; "mean", the mean loss of the other mosaics of the batch (needs two
            mosaics); "leave_one_out", the mean loss of the mosaic's other samples (needs two samples).
        generator: torch.Generator of the samples; None = PyTorch's own.

    Returns:
        Scalar tensor, nats.

    Raises:
        ValueError: an unknown baseline, too few samples or mosaics for it.

    Source: Williams (1992); Kool, van Hoof and Welling (2019) for the leave-one-out baseline.
    """
    samples = _checks.at_least("samples", samples, 1)
    _check_baseline(baseline, samples)
    attention, log_probability = output.attention, _log_probability(output, label)
    n = len(label)
    drawn = torch.multinomial(attention.detach(), samples, replacement=True, generator=generator)
    loss = -log_probability.gather(1, drawn)
    log_weight = attention.gather(1, drawn).clamp(min=torch.finfo(attention.dtype).tiny).log()
    with torch.no_grad():
        if baseline == "none":
            of_others = 0.0
        elif baseline == "leave_one_out":
            of_others = (loss.sum(1, keepdim=True) - loss) / (samples - 1)
        elif n < 2:
            hint = ": choose another batch_size, as the last batch of an epoch has what is left over" if n else ""
            raise ValueError(f"baseline 'mean' is that of the other mosaics: it needs 2 mosaics or more in a batch; got {n}{hint}")
        else:
            of_others = (loss.sum() - loss.sum(1, keepdim=True)) / ((n - 1) * samples)
        advantage = loss - of_others
    value = loss + advantage * (log_weight - log_weight.detach())  # what is added is 0 and has the score function's gradient
    return _with_entropy(value.mean(), output, entropy_weight)


def hybrid(output, label, *, entropy_weight=0.0, epoch, then="hard", schedule=100):
    """:func:`soft` first, :func:`hard` or :func:`marginal` later: (1 - w) * soft + w * then, with w of the epoch.

    Args:
        output, label, entropy_weight: as for :func:`hard`.
        epoch: the epoch that is being trained, from 1.
        then: "hard" or "marginal".
        schedule: w: an epoch E (0 up to and with E, 1 after it), a pair (A, B) (from 0 at A to 1 at B, linearly), or a function of the
            epoch into [0, 1]; it is asked about epoch 0, before training, and about math.inf, after it, too.

    Returns:
        Scalar tensor, nats.

    Source: the idea is Vashisht and Ramaswamy's (2023); the schedules are ours.
    """
    weight, second = _weight(schedule, epoch), _THEN[_checks.choice("then", then, tuple(_THEN))]
    if weight == 0:
        return soft(output, label, entropy_weight=entropy_weight)
    later = second(output, label, entropy_weight=entropy_weight)
    return later if weight == 1 else (1 - weight) * soft(output, label, entropy_weight=entropy_weight) + weight * later


_THEN = {"hard": hard, "marginal": marginal}


@dataclass(frozen=True)
class Objective:
    """A loss with what training must know of it; :func:`get` makes one.

    Attributes:
        loss: function ``(output, label, *, entropy_weight)`` to a scalar; it also gets the keywords named in ``takes``.
        segment_logits: whether it needs the output's segment_logits.
        inference: how a model that was trained by it predicts, "average", "attended" or "mixture": :mod:`sdclib.inference`.
        takes: which of "epoch" and "generator" the loss takes.
        exact: the loss that is reported and that the stop rule looks at, where ``loss`` samples; None = ``loss``.
        settled: function (epoch) -> whether the stop rule counts; None = always.
    """

    loss: Callable
    segment_logits: bool = False
    inference: str = "average"
    takes: frozenset = frozenset()
    exact: Callable | None = None
    settled: Callable | None = None

    def __post_init__(self):
        if not callable(self.loss):
            raise TypeError(f"loss must be a function (output, label, *, entropy_weight); got {self.loss!r}")
        _checks.choice("inference", self.inference, INFERENCES)
        unknown = set(self.takes) - {"epoch", "generator"}
        if isinstance(self.takes, str) or unknown:
            raise ValueError(f"takes must be a set of 'epoch' and 'generator', or of one of them; got {self.takes!r}")

    def __call__(self, output, label, *, entropy_weight=0.0, epoch=1, generator=None):
        given = {"epoch": epoch, "generator": generator}
        return self.loss(output, label, entropy_weight=entropy_weight, **{name: given[name] for name in self.takes})

    def may_stop(self, epoch):
        """Whether the stop rule counts after an epoch: a hybrid's not before its schedule has come to its end."""
        return self.settled is None or self.settled(epoch)

    def warn_if_unsettled(self, epochs):
        """Warn where a hybrid would still be under way after its last epoch: perhaps it never leaves :func:`soft`."""
        if epochs and not self.may_stop(epochs):
            schedule = getattr(self.loss, "keywords", {}).get("schedule")
            message = f"the schedule of the hybrid has not come to its end after {epochs} epochs, and the stop rule waits for that; got schedule {schedule}"
            warnings.warn(message, UserWarning, stacklevel=3)

    def reported(self, output, label, *, entropy_weight=0.0, epoch=1):
        """The loss without sampling: the same output gives the same value."""
        if self.exact is not None:
            return self.exact(output, label, entropy_weight=entropy_weight)
        return self(output, label, entropy_weight=entropy_weight, epoch=epoch)


def _reinforce(samples=1, baseline="mean"):
    _check_baseline(baseline, _checks.at_least("samples", samples, 1))
    loss = partial(reinforce, samples=samples, baseline=baseline)
    return Objective(loss, True, "attended", frozenset({"generator"}), exact=hard)


def _hybrid(then="hard", schedule=100):
    _weight(schedule, 1)
    loss = partial(hybrid, then=_checks.choice("then", then, tuple(_THEN)), schedule=schedule)
    return Objective(loss, True, get(then).inference, frozenset({"epoch"}), settled=lambda epoch: _weight(schedule, epoch) == 1)


_OBJECTIVES = {
    "soft": lambda: Objective(soft),
    "entropy": lambda: Objective(entropy),
    "hard": lambda: Objective(hard, True, "attended"),
    "reinforce": _reinforce,
    "marginal": lambda: Objective(marginal, True, "mixture"),
    "hybrid": _hybrid,
}


def names():
    """The names that :func:`get` knows."""
    return tuple(_OBJECTIVES)


def get(objective, **options):
    """An :class:`Objective`: by name, with its options; a function ``(output, label, *, entropy_weight)`` becomes one; an Objective stays as it is.

    Options are those of :func:`reinforce` (``samples``, ``baseline``) and :func:`hybrid` (``then``, ``schedule``).

    Raises:
        ValueError, TypeError: an unknown name, options that it does not have or that are out of range.

    >>> get("reinforce", samples=4, baseline="leave_one_out").inference
    'attended'
    """
    if isinstance(objective, Objective) or callable(objective):
        if options:
            raise TypeError(f"options are for objectives by name; got {', '.join(options)} with {objective!r}")
        return objective if isinstance(objective, Objective) else Objective(objective)
    make = _OBJECTIVES[_checks.choice("objective", objective, names())]
    known = make.__code__.co_varnames[: make.__code__.co_argcount]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise ValueError(f"objective {objective!r} has {'the options ' + ', '.join(known) if known else 'no options'}; got {', '.join(unknown)}")
    return make(**options)


def _with_entropy(loss, output, entropy_weight):
    k = _checks.in_range("entropy_weight", entropy_weight, 0, 1, include_high=False)
    if k == 0:
        return loss
    # the derivative of -a log a is infinite at an exact 0, where a weight that has underflowed should have no gradient; 1 adds nothing to the sum
    attention = output.attention
    attention = torch.where(attention >= torch.finfo(attention.dtype).tiny, attention, 1)
    return (1 - k) * loss + k * torch.special.entr(attention).sum(1).mean()


def _log_probability(output, label):
    """log p(y | x_j) of every segment, (n, m)."""
    log_probability = segment_logits_of(output).log_softmax(-1)
    if label.shape != log_probability.shape[:1]:
        raise ValueError(f"label must have shape ({len(log_probability)},), one a mosaic; got {tuple(label.shape)}")
    return log_probability.gather(2, label[:, None, None].expand(-1, log_probability.shape[1], 1))[..., 0]


def _check_baseline(baseline, samples):
    _checks.choice("baseline", baseline, BASELINES)
    if baseline == "leave_one_out" and samples < 2:
        raise ValueError(f"baseline 'leave_one_out' is the mean of a mosaic's other samples: it needs 2 samples or more; got {samples}")


def _weight(schedule, epoch):
    """The weight of a hybrid's second loss in an epoch."""
    if callable(schedule):
        return _checks.in_range("the schedule's weight", schedule(epoch), 0, 1)
    if isinstance(schedule, (tuple, list)):
        if len(schedule) != 2 or not all(isinstance(epoch, numbers.Real) for epoch in schedule) or not 0 <= schedule[0] < schedule[1] < math.inf:
            raise ValueError(f"schedule must be an epoch, a pair (A, B) with 0 <= A < B, or a function of the epoch; got {schedule!r}")
        first, last = schedule
        return min(max((epoch - first) / (last - first), 0.0), 1.0)
    return float(epoch > _checks.at_least("schedule", schedule, 0))
