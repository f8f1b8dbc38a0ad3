"""Figures of mosaics, of models on the plane, of a diagnosis, and of results over seeds. Each takes ``ax`` and returns it."""

from sdclib.plots.evidence import confusion, diagnosis, interventions, why_right
from sdclib.plots.frames import training_frames
from sdclib.plots.look import BACKGROUND, CLASSES, FOUR_WAY, WHY, style
from sdclib.plots.plane import averaged_points, base_points, decision_regions, focus_contours, inside
from sdclib.plots.tables import four_way, four_way_epochs, mosaic, seeds, weights

__all__ = [
    "BACKGROUND",
    "CLASSES",
    "FOUR_WAY",
    "WHY",
    "averaged_points",
    "base_points",
    "confusion",
    "decision_regions",
    "diagnosis",
    "focus_contours",
    "four_way",
    "four_way_epochs",
    "inside",
    "interventions",
    "mosaic",
    "seeds",
    "style",
    "training_frames",
    "weights",
    "why_right",
]
