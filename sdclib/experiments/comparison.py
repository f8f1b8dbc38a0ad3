"""Our rows beside the published figures: like with like."""

from importlib.resources import files

import pandas as pd

from sdclib.experiments.runs import LATER, Run
from sdclib.intervals import over_seeds

__all__ = ["compare", "published", "summarise"]

SPLIT = {"train": "train", "test": "recomposed"}  # the record's name -> ours: its test mosaics are new compositions of the training points
_SHOWN = {
    "train": ("accuracy", "ftpt", "ffpt", "n_active", "corner_distance", "entropy_bits"),
    "recomposed": ("accuracy", "ftpt"),
    "fresh": ("accuracy", "ftpt"),
}
_SEEDS = ("data_seed", "seed")
_CELL = tuple(name for name in Run.__dataclass_fields__ if name not in _SEEDS)
# What the record did and its table of figures has no column for. A run that differs here is compared with nothing.
_PROTOCOL = {"dataset1": {"m": 9, "n": 3000, "optimizer": "adam", "batch_size": 250, "init": "paper", "stop_below": 0.01}}
_PROTOCOL["cifar10"] = _PROTOCOL["dataset1"] | {"n": 30_000, "stop_below": None}
for _protocol in _PROTOCOL.values():
    _protocol |= {name: getattr(Run, name) for name in LATER}
_LIMIT = {"dataset1": {False: 2500, True: 3000}}  # its limit of epochs, without and with an entropy term
_DTYPE_NOTE = "the record is float64, ours float32"
_NAMED = {"cnn": "CNN"}  # our names of architectures that the record calls otherwise
_OFFICIAL = {"cifar10": "CIFAR-10, the official archive"}  # what a table's provenance says of the record's images
_UNKNOWN = "images of an unknown source"  # rows that come without their provenance
_NOTE = {"cifar10": "batch normalisation differs (sdclib.models.build)"}


def published():
    """The published figures, one a row, with their sources and what is odd about them (columns ``source`` and ``note``).

    From the public experiment record of Pandey, Vashisht and Ramaswamy, "On the Interpretability of Attention Networks" (ACML 2022).
    """
    with files("sdclib").joinpath("data", "published.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def compare(rows):
    """Ours beside the published, a line for each cell (settings but for the seeds), split and measure.

    A published figure stands beside ours if dataset, architecture, averaging layer, method, entropy weight, learning rate and split
    are the same and ours kept to the record's protocol, trained up to its limit of epochs or ended before by the stop rule. Figures of
    single runs are averaged. The record computed in float64; where ours did not, the note says so, and where the images were not the
    official ones or, as in rows that come without :func:`load_table`, are not known.

    Args:
        rows: DataFrame of :func:`load_table`, or the rows of :func:`execute`.

    Returns:
        DataFrame: cell, split, measure; n, mean, sd, low, high (95 % interval of the mean over seeds); published, published_n (runs
        behind it), published_table, note. Where nothing was published, these are missing. A measure published twice has two lines.
    """
    frame, images = pd.DataFrame(rows), getattr(rows, "attrs", {}).get("images", {})
    lines = []
    for settings, ours in _cells(frame):
        summary = summarise(ours)
        batches = ours["batch"].unique() if "batch" in ours else [""]
        theirs = _matching(settings, ours, {images.get(batch, _UNKNOWN) for batch in batches})
        measures = [(split, name) for split, names in _SHOWN.items() for name in names]
        measures += [pair for pair in theirs.index.unique() if pair not in measures and pair in summary.index]
        for pair in measures:
            line = {"cell": _label(settings, frame), "split": pair[0], "measure": pair[1], **summary.loc[pair]}
            beside = theirs.loc[[pair]].to_dict("records") if pair in theirs.index else [{}]
            lines += [line | found for found in beside]
    columns = ["cell", "split", "measure", "n", "mean", "sd", "low", "high", "published", "published_n", "published_table", "note"]
    return pd.DataFrame(lines, columns=columns).astype({"n": int})


def summarise(rows):
    """n, mean, sd, low, high, min and max over seeds of every measure of one cell; index (split, measure).

    The record also gives the accuracy and FTPT of those runs alone whose training accuracy is above 90 %, and how many they are:
    ``accuracy_of_those``, ``ftpt_of_those``, ``runs_above_90`` (here in percent of the runs). Runs that diverged count in that percentage
    only.
    """
    frame = pd.DataFrame(rows)
    trained = frame[frame.error == ""]
    parts = []
    for split in ("train", "recomposed", "fresh"):
        measures = trained.filter(regex=f"^{split}_").rename(columns=lambda name: name.split("_", 1)[1])
        if len(trained):
            measures = measures.dropna(axis=1, how="all")  # what a table stored before these measures came does not have
        those = trained.train_accuracy > 90
        of_those = measures.loc[those, ["accuracy", "ftpt"]].add_suffix("_of_those")
        above = pd.DataFrame({"runs_above_90": 100.0 * those.reindex(frame.index, fill_value=False)})
        for part in (measures, of_those, above):
            summary = _over_seeds(part)
            parts.append(summary.set_index(pd.MultiIndex.from_product([[split], summary.index], names=["split", "measure"])))
    return pd.concat(parts)


def _over_seeds(frame):
    """As :func:`sdclib.intervals.over_seeds`, also for one row (no spread) and for none (no mean)."""
    if len(frame) >= 2:
        return over_seeds(frame.astype(float))
    columns = ["n", "mean", "sd", "low", "high", "min", "max"]
    value = frame.iloc[0] if len(frame) else pd.Series(float("nan"), frame.columns)
    rows = {name: dict.fromkeys(columns, float("nan")) | {"n": len(frame), "mean": value[name], "min": value[name], "max": value[name]} for name in frame}
    return pd.DataFrame(rows, index=columns).T


def _cells(frame):
    for _, ours in frame.groupby(list(_CELL), dropna=False, sort=False):
        yield Run.from_row(ours.iloc[0]).as_dict(), ours


def _label(settings, frame):
    """What names a cell: data set and architecture, and whatever else differs within the table."""
    kinds = frame.groupby(["dataset", "architecture"])
    differing = [name for name in _CELL[2:] if kinds[name].nunique(dropna=False).max() > 1]
    return " ".join([settings["dataset"], settings["architecture"], *(f"{name}={settings[name]}" for name in differing)])


def _method(settings):
    """The record's name for what a cell trains with; None if it has none."""
    if settings["entropy_weight"] > 0:
        return "entropy" if settings["objective"] in ("soft", "entropy") and settings["activation"] == "softmax" else None
    return settings["activation"] if settings["objective"] == "soft" else settings["objective"]


def _as_long(settings, ours):
    """Whether the record, with its limit of epochs, would have ended a cell's runs where they ended."""
    if settings["dataset"] not in _LIMIT:
        return True
    limit, trained = _LIMIT[settings["dataset"]][settings["entropy_weight"] > 0], ours[ours.error == ""]
    return settings["epochs"] == limit or bool((trained.stopped_at < min(limit, settings["epochs"])).all())


def _matching(settings, ours, images=()):
    """The published figures for a cell and its rows, index (our split, measure): published, published_n, published_table, note."""
    protocol = _PROTOCOL.get(settings["dataset"], {})
    frame = published()
    like = (
        (frame.dataset == settings["dataset"])
        & (frame.architecture == _NAMED.get(settings["architecture"], settings["architecture"]))
        & (frame.averaging_layer == settings["average_at"])
        & (frame.method == _method(settings))
        & ((frame.learning_rate == settings["lr"]) | (frame.learning_rate.isna() & (settings["dataset"] == "cifar10")))
        & ((frame.entropy_weight == settings["entropy_weight"]) | ((frame.method != "entropy") & frame.entropy_weight.isna()))
        & frame.split.isin(SPLIT)
    )
    found = frame[like & (all(settings[name] == value for name, value in protocol.items()) and _as_long(settings, ours))]
    found = found.assign(split=found.split.map(SPLIT), note=found.note.fillna(""))
    # the record counts runs above 90 % accuracy; ours is a share of the runs
    found = found.assign(value=found.value.where(found.metric != "runs_above_90", 100 * found.value / found.runs_averaged))
    grouped = found.groupby(["split", "metric", "table"], sort=False)
    theirs = grouped.agg(published=("value", "mean"), published_n=("runs_averaged", "sum"), note=("note", lambda notes: "; ".join(sorted({*notes} - {""}))))
    notes = [_DTYPE_NOTE] * (settings["dtype"] != "float64") + [note for name, note in _NOTE.items() if name == settings["dataset"]]
    notes += [f"ours on {source}" for source in sorted(images) if source != _OFFICIAL.get(settings["dataset"], source)]
    unknown = found[found.learning_rate.isna()].table.unique()
    rate = dict.fromkeys(unknown, "its learning rate is not recorded")
    theirs["note"] = ["; ".join(filter(None, [note, *notes, rate.get(table)])) for (_, _, table), note in theirs.note.items()]
    return theirs.reset_index("table").rename(columns={"table": "published_table"}).rename_axis(index=["split", "measure"])
