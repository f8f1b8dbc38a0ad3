"""Which error mode is an attention model in? An answer with its evidence, for any model and mosaics whose foreground is known.

A model can be right for several reasons, and the four-way table does not tell them apart. :func:`diagnose` divides the right predictions
by what made them right:

- *looked*: the largest weight was on the foreground;
- *absent*: it was not, and the prediction stays right when the foreground is taken away: nothing of it was needed;
- *read*: it was not, but without the foreground the prediction goes wrong: the classifier got it out of the average.
"""

from dataclasses import dataclass, replace

import pandas as pd
import torch

from sdclib import _checks, interventions, metrics
from sdclib._verdict import Evidence, verdict
from sdclib.evaluation import predict
from sdclib.models import ModelOutput
from sdclib.mosaics import Mosaics

__all__ = ["MODES", "Diagnosis", "Limits", "diagnose", "diagnose_stored"]

MODES = ("interpretable", "elimination", "mixture", "looking away", "memorising", "not accurate", "undetermined")


@dataclass(frozen=True)
class Limits:
    """Where the answers part, each with its reason. All but the last five are percentages.

    Args:
        accurate: below this a model is "not accurate". The error modes are about models that one would have trusted. Every mosaic counts
            alike: where nearly all are of one class little is asked of the others, but never less than a constant answer has right.
        interpretable: so many of the right predictions must have looked at the foreground, in every class. Not 100: clusters overlap, and a
            mosaic or two on the wrong side of a boundary is no error mode. In every class, because one class of ten that is never looked at
            costs only 10 % over all.
        sufficient: so often must the focused segment alone give the prediction of the whole mosaic; else the largest weight is on the
            foreground but it is the average that is read.
        memorised, learnt: the share of its accuracy above that of a constant answer that the model keeps on new mosaics. Below ``memorised`` it has learnt its
            mosaics by heart; above ``learnt`` it has learnt the task; in between both, and the answer is "undetermined".
        absent, read: the share of predictions that are right without looking and need no foreground (every class counted alike): at least
            ``absent``: elimination; at most ``read``: the average is read. Every model says something when there is no foreground, so a model
            that reads two classes off the average with equal ease has 50 here: ``read`` must lie above that.
        of_chance: the foreground's mean weight over all mosaics, as a multiple of chance, 1/m. Weights that have nothing to do with the
            foreground give it 1, on average; below this the focus avoids it. Not 1: a network that was never trained also prefers some
            clusters to others. A model that looks at some classes and away from others is judged by both together.
        majority: the weight above which the foreground outweighs all other segments together. A foreground that is looked at with less, and
            does not suffice alone, is read off the average.
        leak: a foreground weight, in [0, 1], below which nothing is left to read: what the measures of sparsity do not count as active either.
            It decides only where nothing can be replaced (:func:`diagnose_stored`), and not against ``of_chance``: one of 300 segments
            has less by chance alone.
        per_class: so many mosaics of every class must there be for an answer; classes with fewer new mosaics are not compared on these.
        strays: so many mosaics of a class that are right without looking prove nothing: in a class of ten, two on the wrong side of a boundary
            are 20 %. Where ``interpretable`` is 100 none is let pass.
    """

    accurate: float = 90.0
    interpretable: float = 90.0
    sufficient: float = 80.0
    memorised: float = 25.0
    learnt: float = 75.0
    absent: float = 80.0
    read: float = 60.0
    of_chance: float = 0.75
    majority: float = 0.5
    leak: float = 0.01
    per_class: int = 10
    strays: int = 2

    def __post_init__(self):
        _checks.at_least("per_class", self.per_class, 1)
        _checks.at_least("strays", self.strays, 0)
        _checks.in_range("accurate", self.accurate, 0, 100, include_low=False)  # of what is never right nobody can ask why
        _checks.in_range("of_chance", self.of_chance, 0, float("inf"), include_high=False)
        for name in ("interpretable", "sufficient", "memorised", "learnt", "absent", "read"):
            _checks.in_range(name, getattr(self, name), 0, 100)
        for name in ("majority", "leak"):
            _checks.in_range(name, getattr(self, name), 0, 1)
        for low, high in (("memorised", "learnt"), ("read", "absent")):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} must be at most {high}; got {getattr(self, low):g} and {getattr(self, high):g}")


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """A mode and what speaks for it.

    Attributes:
        mode: one of ``MODES``.
        reason: a sentence or two with the numbers that decided.
        table: FocusTable of the mosaics.
        per_class: DataFrame, one row a class: mosaics; looked, absent, read (percent of its mosaics that are right, by what made them
            so; without interventions absent and read are missing and "elsewhere" is their sum); wrong; foreground_mass in [0, 1]. NaN for
            a class that has no mosaics.
        confusion: DataFrame (K, K): percent of the mosaics of a class (rows) that are given each label (columns); labels with equal logits
            share a mosaic. NaN in the row of a class that has no mosaics.
        concentration: dict with the measures of :func:`sdclib.metrics.sparsity` and foreground_mass (chance: what it would be by chance).
        interventions: Series of percentages, see :func:`diagnose`; empty if only stored outputs were seen.
        limits: the Limits used.
        evidence: the shares that the rules looked at; :meth:`under` asks them again.
    """

    mode: str
    reason: str
    table: metrics.FocusTable
    per_class: pd.DataFrame
    confusion: pd.DataFrame
    concentration: dict
    interventions: pd.Series
    limits: Limits
    evidence: object  # an Evidence; the reference page has no entry for it

    def under(self, limits):
        """The same evidence judged by other Limits: a Diagnosis. Nothing is measured again, so moving a limit costs no time."""
        mode, reason = verdict(self.evidence, self.interventions.to_dict(), _limits(limits))
        return replace(self, mode=mode, reason=reason, limits=_limits(limits))

    def __str__(self):
        concentration = self.concentration
        parts = [
            f"mode: {self.mode}\n{self.reason}",
            str(self.table),
            f"mean weight of the foreground {concentration['foreground_mass']:.3f} (chance {concentration['chance']:.3f}), "
            f"entropy {concentration['entropy_bits']:.2f} bits, {concentration['n_active']:.1f} weights above 0.01",
            "what made the predictions right, percent of each class\n" + self.per_class.round(3).to_string(float_format="{:.4g}".format),
        ]
        if len(self.interventions):
            parts.append("interventions, percent\n" + self.interventions.to_string(float_format="{:.1f}".format))
        return "\n\n".join(parts)


def diagnose(model, mosaics, *, new=None, draws=5, seed=0, limits=None):
    """Tell which error mode a model is in.

    What it cannot tell: why training led there; whether the model would be in the same mode on other data; which of the unlooked-at
    segments a prediction was read from; of two classes that are not looked at, whether the one that is said when there is no foreground is
    read too; anything of a model that is not accurate. New compositions do not show that the segments themselves are known by heart: only
    mosaics of other segments do. It takes for granted that the background has nothing to do with the label: without ``new``, a model that
    reads the label off the background passes for memorising. A segment alone, and a mosaic without foreground, are inputs that the model was
    not trained on: what it does there is evidence, not proof.

    Args:
        model: an AttentionModel or anything that for ``model(segments, mask=None)`` gives .logits (n, K) and .attention (n, m), m free.
        mosaics: Mosaics whose foreground is known; those that the model was trained on, or memorising cannot be seen.
        new: Mosaics that the model has not seen (their foreground need not be known, nor their classes be in the same shares); None = new
            compositions of the segments of ``mosaics``.
        draws: how often each random replacement is drawn.
        seed: of the replacements; other seeds draw others.
        limits: Limits; None = the defaults.

    Returns:
        Diagnosis. Its ``interventions``, in percent: "new mosaics" (accuracy on ``new``), "another foreground" (predictions that follow the
        class of a foreground put in the place of the old one), "no foreground" (right predictions that stay when a background segment replaces the
        foreground), "another focused segment" and "another background segment" (the same for the segment with the largest weight and for a
        background segment without it), "foreground alone" (accuracy), "focused segment alone" (same prediction as for the mosaic). NaN
        where there is nothing to replace, or nothing was right.

    Raises:
        ValueError, TypeError: foreground unknown, no mosaic, one segment only, ``new`` of other classes or segments, outputs of the wrong
            shape or that are no weights, limits out of range.

    Source: modes after Pandey et al. (2022); the division by interventions and the limits are this project's.
    """
    limits = _limits(limits)
    draws, seed = _checks.at_least("draws", draws, 1), _checks.at_least("seed", seed, 0)
    mosaics = _measurable("mosaics", mosaics)
    if new is not None:
        _fits(new, mosaics)
    output = predict(model, mosaics)
    right = _prediction(output, mosaics)
    focused, other, has_other = _places(output.attention, mosaics, seed)

    def hits(intervention, which=mosaics, repeats=draws):
        """(n,): how often the prediction is right after an intervention that takes a seed."""
        changed = (intervention(which, seed * draws + draw) for draw in range(repeats))
        return torch.stack([_prediction(predict(model, part), part) for part in changed]).mean(0)

    stays = hits(interventions.without_foreground)
    single = predict(model, interventions.alone(mosaics, focused)).logits
    if single.isnan().any():
        raise _checks.NotFiniteError("logits must not be NaN; got some that are for the focused segment alone")
    on_new = hits(interventions.recompose) if new is None else hits(lambda *_: new, repeats=1)
    found = {
        "new mosaics": on_new.mean(),
        "another foreground": hits(interventions.swap_foreground).mean() if len(mosaics.label.unique()) > 1 else float("nan"),
        "no foreground": _mean(stays, right),
        "another focused segment": _mean(hits(lambda which, s: interventions.with_background(which, focused, s)), right),
        "another background segment": float("nan"),
        "foreground alone": hits(lambda which, _: interventions.alone(which, which.foreground), repeats=1).mean(),
        "focused segment alone": (single.argmax(1) == output.logits.argmax(1)).double().mean(),
    }
    if has_other.any():  # with two segments a model that looks at the background leaves none that it does not look at
        which = mosaics[has_other]
        found["another background segment"] = _mean(
            hits(lambda part, s: interventions.with_background(part, other[has_other], s), which), right[has_other.cpu()]
        )
    found = {name: 100 * float(value) for name, value in found.items()}
    return _diagnosis(output, mosaics, found, limits, stays, (on_new, (mosaics if new is None else new).label.cpu()))


def diagnose_stored(attention, logits, label, foreground, *, mask=None, new_logits=None, new_label=None, limits=None):
    """What attention and logits that were stored somewhere tell, without the model.

    Nothing can be replaced here, so what made a prediction right without looking is inferred. Without its foreground a mosaic does not know
    its class (if, as in SDC, the background has nothing to do with it), so what is then said is right for one class, or for shares of
    several that sum to one whole class. Where more than that is right without looking, it is read. Else it counts as absent if the
    foreground has less than ``limits.leak`` of the weight there, as read if it has ``limits.of_chance`` times chance or more: enough to be
    read, which does not prove that it was. In between the answer is "undetermined", where :func:`diagnose` would replace the foreground.

    What it cannot tell: memorising, if no ``new_logits`` are given (such a model is then taken for one that reads, and the reason says
    so); whether the background tells the label (what is read there passes for read off the average); whether the segment looked at would
    suffice alone; one class by absence from one class read, where its foreground has much weight.

    Args:
        attention: (n, m) weights. logits: (n, K). label: (n,) in 0 ... K-1. foreground: (n,) in 0 ... m-1. mask: (n, m) or None.
        new_logits, new_label: (n', K) and (n',), of mosaics that the model was not trained on; both or neither.
        limits: Limits; None = the defaults.

    Returns:
        Diagnosis.

    Raises:
        ValueError, TypeError: as :func:`sdclib.metrics.focus_table`; one segment only; one of ``new_logits`` and ``new_label`` without the other.
    """
    limits = _limits(limits)
    attention, logits, new_logits = (part.detach() if isinstance(part, torch.Tensor) else part for part in (attention, logits, new_logits))
    metrics.focus_table(attention, logits, label, foreground, mask)  # all the checks of shapes, types and ranges
    if (new_logits is None) != (new_label is None):
        raise ValueError(f"new_logits and new_label belong together; got only {'new_label' if new_logits is None else 'new_logits'}")
    n, m = attention.shape
    # nothing looks at the segments of these mosaics: they only say which label, foreground and mask go together
    mosaics = Mosaics.from_segments(torch.zeros(n, m, 1), label, foreground, mask=mask, n_classes=logits.shape[1])
    found, new = {}, None
    if new_logits is not None:
        if _checks.floating("new_logits", new_logits, 2).shape[1] != logits.shape[1] or len(new_logits) < 1:
            wanted = f"one row or more and {logits.shape[1]} columns, the classes of logits"
            raise ValueError(f"new_logits must have {wanted}; got shape {tuple(new_logits.shape)}")
        new_label = _checks.labels("new_label", new_label, *new_logits.shape, what="the last class")
        new = metrics.prediction_hit(new_logits, new_label).double().cpu(), new_label.cpu()
        found["new mosaics"] = 100 * float(new[0].mean())
    return _diagnosis(ModelOutput(logits.cpu(), attention.cpu(), None), _measurable("attention", mosaics), found, limits, new=new)


def _diagnosis(output, mosaics, found, limits, stays=None, new=None):
    attention, logits, label, mask = output.attention, output.logits, mosaics.label, mosaics.mask
    hit = metrics.focus_hit(attention, mosaics.foreground, mask).double().cpu()
    mass = metrics.foreground_mass(attention, mosaics.foreground, mask).double().cpu()
    real = torch.full((mosaics.n,), mosaics.m) if mask is None else mask.sum(1).cpu()
    evidence = Evidence.gather(_prediction(output, mosaics), hit, mass, label.cpu(), mosaics.n_classes, real, stays, new)
    mode, reason = verdict(evidence, found, limits)
    return Diagnosis(
        mode=mode,
        reason=reason,
        table=metrics.focus_table(attention, logits, label, mosaics.foreground, mask),
        per_class=evidence.per_class(),
        confusion=_confusion(logits, label),
        concentration={"foreground_mass": float(mass.mean()), "chance": evidence.chance_weight, **metrics.sparsity(attention, mask)},
        interventions=pd.Series(found, dtype=float, name="percent"),
        limits=limits,
        evidence=evidence,
    )


def _measurable(name, mosaics):
    """Mosaics that can be diagnosed, or TypeError/ValueError."""
    _some(name, mosaics)
    if mosaics.foreground is None:
        raise ValueError(f"{name} must have a known foreground, or nothing says where the model should have looked; got foreground=None")
    if mosaics.m < 2:
        raise ValueError(f"{name} must have two segments or more, or there is nowhere else to look; got m = {mosaics.m}")
    if mosaics.mask is not None and mosaics.mask.sum(1).max() < 2:
        raise ValueError(f"{name} must have two real segments or more, or there is nowhere else to look; got masks that leave one in every mosaic")
    return mosaics


def _fits(new, mosaics):
    """New mosaics that a model of these can be asked about, or TypeError/ValueError."""
    _some("new", new)
    for name, wanted, got in (("classes", mosaics.n_classes, new.n_classes), ("shape of a segment", mosaics.feature_shape, new.feature_shape)):
        if got != wanted:
            raise ValueError(f"new must have the {name} of mosaics, {wanted}; got {got}")


def _some(name, mosaics):
    _checks.instance(name, mosaics, Mosaics, " (Mosaics.from_segments makes them of one's own segments)")
    if mosaics.n < 1:
        raise ValueError(f"{name} must hold at least one mosaic; got none")


def _limits(limits):
    return Limits() if limits is None else _checks.instance("limits", limits, Limits)


def _prediction(output, mosaics):
    """(n,) float64 on the CPU, wherever the model put its output: whether the prediction is right."""
    return metrics.prediction_hit(output.logits, mosaics.label).double().cpu()


def _places(attention, mosaics, seed):
    """(place of the largest weight (n,), place of a background segment that has not got it (n,), whether there is one (n,)).

    Which of several that tie, and which background segment, is drawn.
    """
    device, attention = mosaics.index.device, metrics._weights(attention, mosaics.mask)  # as every measure sees it
    order = torch.from_numpy(_checks.generator(seed, "intervene").random(attention.shape)).to(device)
    top = (attention == attention.amax(1, keepdim=True)).to(device)
    focused = order.masked_fill(~top, -1.0).argmax(1)
    if mosaics.mask is not None:
        order = order.masked_fill(~mosaics.mask, -1.0)
    for taken in (mosaics.foreground, focused):
        order = order.scatter(1, taken[:, None], -1.0)
    return focused, order.argmax(1), order.amax(1) >= 0


def _mean(values, weight):
    """Mean of the values with weights (NaN if all are 0)."""
    return (values * weight).sum() / weight.sum()


def _confusion(logits, label):
    given = (logits == logits.amax(1, keepdim=True)).double().cpu()
    given /= given.sum(1, keepdim=True)
    count = torch.zeros(given.shape[1], given.shape[1], dtype=torch.float64).index_add_(0, label.cpu(), given)
    share = 100 * count / count.sum(1, keepdim=True)
    return pd.DataFrame(share.numpy()).rename_axis("class").rename_axis("predicted", axis=1)
