"""Checkpoints: whole and of this training, or refused by name."""

import numpy as np
import pytest
import torch

from sdclib import distributions, fit, make_mosaics, models
from sdclib.training import Snapshots

DATA = make_mosaics(distributions.get("boxes_one_side"), n=60)


def train(path, epochs=2, **settings):
    model = models.build("linear", DATA.feature_shape, DATA.n_classes)
    fit(model, DATA, epochs=epochs, checkpoint=path, progress=False, **settings)
    return model


def test_a_training_that_has_ended_is_given_back(tmp_path):
    before, after = train(tmp_path / "state"), train(tmp_path / "state")
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))


def test_an_altered_checkpoint_is_named(tmp_path):
    path = tmp_path / "state"
    train(path)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=f"{path} is no whole checkpoint"):
            train(path)


@pytest.mark.parametrize("junk", [b"", b"\x80\x02.", b"text\nmore text", b"\n"])
def test_what_is_no_checkpoint_is_named(tmp_path, junk):
    (tmp_path / "state").write_bytes(junk)
    with pytest.raises(ValueError, match="is no whole checkpoint"):
        train(tmp_path / "state")


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(IsADirectoryError, match="must be a file"):
        train(tmp_path)


def test_a_training_that_has_ended_calls_back_for_its_last_epoch(tmp_path):
    first, again = Snapshots([0, 1]), Snapshots([0, 1])
    train(tmp_path / "state", callback=first)
    train(tmp_path / "state", callback=again)
    assert list(first) == [0, 1, 2] and list(again) == [2]
    assert all(torch.equal(first[2][name], again[2][name]) for name in first[2])
