"""The rules of :mod:`sdclib.diagnosis`: from shares and limits to a mode and the reason for it."""

from dataclasses import dataclass

import pandas as pd
import torch

__all__ = ["Evidence", "verdict"]


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the rules look at: shares in percent, one entry a class where they are tensors (K,).

    n: mosaics. accuracy, chance (of a guess: the largest class), chance_weight (mean of 1 / real segments). looked, absent, read: percent
    of the class's mosaics that are right, by what made them so; elsewhere = absent + read (absent and read are None without
    interventions). mass: mean weight of the foreground; mass_elsewhere: over all mosaics that are right without looking (NaN: none).
    n_new: new mosaics, and right_new: percent of these that are right (both None if there are none).
    """

    n: torch.Tensor
    accuracy: float
    chance: float
    chance_weight: float
    looked: torch.Tensor
    elsewhere: torch.Tensor
    absent: torch.Tensor | None
    read: torch.Tensor | None
    mass: torch.Tensor
    mass_elsewhere: float
    n_new: torch.Tensor | None
    right_new: torch.Tensor | None

    @classmethod
    def gather(cls, right, hit, mass, label, n_classes, real, stays=None, new=None):
        """From one value a mosaic: right, hit, mass and stays in [0, 1] (n,), label (n,), real = segments in the mosaic (n,); new: right
        and label of the new mosaics."""
        n, n_new = (None if given is None else torch.bincount(given, minlength=n_classes) for given in (label, new and new[1]))

        def share(values, label=label, n=n):
            return 100 * torch.zeros(n_classes, dtype=torch.float64).index_add_(0, label, values.double()) / n.clamp(min=1)

        elsewhere = right * (1 - hit)
        return cls(
            n=n,
            accuracy=100 * float(right.mean()),
            chance=100 * int(n.max()) / int(n.sum()),  # as Python divides: tensors of whole numbers divide in single precision
            chance_weight=float((1 / real.double()).mean()),
            looked=share(right * hit),
            elsewhere=share(elsewhere),
            absent=None if stays is None else share(elsewhere * stays),
            read=None if stays is None else share(elsewhere * (1 - stays)),
            mass=share(mass) / 100,
            mass_elsewhere=float((mass * elsewhere).sum() / elsewhere.sum()),
            n_new=n_new,
            right_new=None if new is None else share(*new, n_new),
        )

    def per_class(self):
        """A DataFrame, one row a class; NaN where the class has no mosaics."""
        columns = {"looked": self.looked}
        columns |= {"elsewhere": self.elsewhere} if self.absent is None else {"absent": self.absent, "read": self.read}
        columns |= {"wrong": 100 - self.looked - self.elsewhere, "foreground_mass": self.mass}
        columns = {name: values.masked_fill(self.n == 0, torch.nan) for name, values in columns.items()}
        return pd.DataFrame({name: values.numpy() for name, values in ({"mosaics": self.n} | columns).items()}).rename_axis("class")

    def total(self, share, n=None):
        """Of all mosaics (of n of each class), percent."""
        n = self.n if n is None else n
        return float((share * n).sum() / n.sum())


def verdict(evidence, found, limits):
    """(mode, reason). ``found`` holds what else was measured: "new mosaics", "focused segment alone" (percent), or lacks it."""
    few = int(evidence.n.argmin())
    if evidence.n[few] < limits.per_class:
        return "undetermined", f"Too few mosaics of class {few} for an answer: {int(evidence.n[few])} (wanted {limits.per_class})."
    if evidence.accuracy < limits.accurate:
        return "not accurate", f"Right on {evidence.accuracy:.1f} % of the mosaics (wanted {limits.accurate:g})."
    if evidence.accuracy <= evidence.chance:
        return "not accurate", f"Right on {evidence.accuracy:.1f} % of the mosaics, and so is a constant answer ({evidence.chance:.1f} %)."
    return _memorising(evidence, found, limits) or _interpretable(evidence, found, limits) or _elsewhere(evidence, found, limits)


def _memorising(evidence, found, limits):
    """Compared class by class, in the shares that the mosaics have: new mosaics of other shares are no harder or easier for it."""
    if evidence.n_new is None:
        return None
    n = evidence.n * (evidence.n_new >= limits.per_class)
    compared = int((n > 0).sum())
    if compared < 2:
        few = f"of {limits.per_class} or more in {compared} {'class' if compared == 1 else 'classes'} (wanted two classes)"
        return "undetermined", f"Too few new mosaics to tell whether it knows these by heart: {few}."
    accuracy, new, chance = evidence.total(evidence.looked + evidence.elsewhere, n), evidence.total(evidence.right_new, n), 100 * int(n.max()) / int(n.sum())
    kept = 100 * (new - chance) / (accuracy - chance) if accuracy > chance else 100.0  # nothing to lose: right on others than these classes
    if kept >= limits.learnt:
        return None
    reason = f"Right on {evidence.accuracy:.1f} % of the mosaics, but on {found['new mosaics']:.1f} % of new ones (a constant answer: {evidence.chance:.1f} %)"
    if abs(new - found["new mosaics"]) >= 5:  # less is how labels happen to fall: nothing to explain
        reason += f", {new:.1f} % if these had as many of each class"
    if kept < limits.memorised:
        return "memorising", reason + "."
    return "undetermined", reason + ": it has learnt some of the task and some mosaics by heart."


def _interpretable(evidence, found, limits):
    of_right = 100 * evidence.looked / (evidence.looked + evidence.elsewhere)  # NaN for a class that is never right
    unlooked = of_right < limits.interpretable
    if unlooked.any():
        most = float((evidence.elsewhere * evidence.n / 100)[unlooked].max())
        if most > limits.strays or limits.interpretable == 100:
            return None
        return "undetermined", f"In class {_names(unlooked)} at most {most:.3g} mosaics are right without looking: too few to tell an error mode from overlap."
    looked, mass = 100 * evidence.total(evidence.looked) / evidence.accuracy, evidence.total(evidence.mass)
    reason = f"Of the right predictions {looked:.1f} % looked at the foreground, in every class at least {of_right[~of_right.isnan()].min():.1f} %"
    if of_right.isnan().any():
        reason += f" (class {_names(of_right.isnan())} is never right)"
    enough = found.get("focused segment alone", 100.0)
    if enough >= limits.sufficient:
        return "interpretable", reason + "."
    reason += f"; but the segment looked at alone gives the same prediction in only {enough:.1f} %"
    if mass < limits.majority:
        return "mixture", f"{reason}, and it has {mass:.2f} of the weight: it is the average that is read."
    return "undetermined", reason + ", though it has most of the weight."


def _elsewhere(evidence, found, limits):
    """Right without looking: was the foreground needed? Every class counts the same here, as absence can be the name of one only:
    in mosaics that are nearly all of one class, most of what any model reads would pass for its absence.
    """
    reason = f"{evidence.total(evidence.elsewhere):.1f} % of the mosaics are right though the largest weight is not on the foreground; "
    if evidence.absent is not None:
        absent = 100 * float(evidence.absent.sum() / evidence.elsewhere.sum())
        reason += f"{absent:.0f} % of these, over classes alike, stay right when the foreground is taken away"
        # what is said without foreground is right for shares of the classes that sum to 100; of n mosaics one varies by 50 / sqrt(n) at most
        if evidence.absent.sum() > 100 + 3 * 50 * float((1 / evidence.n).sum()) ** 0.5:
            return "undetermined", f"{reason}, in more classes than absence can explain: the background tells the label, or is known by heart."
        needed = "elimination" if absent >= limits.absent else "read" if absent <= limits.read else None
    else:
        needed, why = _without_interventions(evidence, limits)
        reason += why
    if needed is None:
        return "undetermined", f"{reason}: neither absence nor reading is shown to explain them."
    if needed == "elimination":
        classes = _names(evidence.elsewhere > evidence.looked)
        named = f": class {classes} is what is said when nothing else was found" if classes else ""
        return "elimination", f"{reason}{named}."
    mass = evidence.total(evidence.mass)
    reason += f". The foreground's mean weight is {mass:.3f}, and {evidence.mass_elsewhere:.3f} in these (chance {evidence.chance_weight:.3f})"
    by_heart = "" if "new mosaics" in found else " (unless it knows these mosaics by heart: only new ones would tell)"
    if mass >= limits.of_chance * evidence.chance_weight:
        return "mixture", f"{reason}: the classifier reads it off the average{by_heart}."
    return "looking away", f"{reason}: the classifier reads what little leaks past the focus{by_heart}."


def _without_interventions(evidence, limits):
    """("elimination", "read" or None, why). A mosaic without foreground does not know its class, so whatever is said of such mosaics
    is right for 100 % of one class, or 60 % of one and 40 % of another: the shares that absence explains sum to 100 at most.
    """
    most = 100 * min(1.0, 100 / float(evidence.elsewhere.sum()))
    mass, chance = evidence.mass_elsewhere, evidence.chance_weight
    weight = f"there the foreground has a mean weight of {mass:.4f} (chance {chance:.3f})"
    if most <= limits.read:
        return "read", f"at most {most:.0f} % of these, over classes alike, can be right by absence"
    if mass < limits.leak and mass >= limits.of_chance * chance:  # of many segments every one has so little
        return None, f"{weight}: little, but no less than others have, and without replacing it nothing tells whether it was needed"
    if most >= limits.absent and mass < limits.leak:
        return "elimination", f"absence can explain {most:.0f} % of these, and {weight}, nothing to read"
    if mass >= limits.of_chance * chance:
        return "read", f"{weight}, enough to be read"
    return None, f"absence can explain {most:.0f} % of these; {weight}, and without replacing it nothing tells whether it was needed"


def _names(which):
    return ", ".join(str(k) for k in which.nonzero()[:, 0].tolist())
