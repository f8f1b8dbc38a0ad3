"""The chapter on pictures runs on other pictures too: on files of Fashion-MNIST's shape, given by path."""

import struct

import numpy as np
import pytest
import torch
from sdcbook import chapters
from sdcbook.build import ROOT

from sdclib import _image_files, image_sets

CHAPTER = ROOT / "chapters" / "17-image-mosaics.ipynb"


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def clothes(tmp_path, monkeypatch):
    """A folder with the four files, of images that show their class (a bright bar at its height); their checksums pass for the official ones."""
    rng, sums = np.random.default_rng(0), {}
    for part, n in (("train", 600), ("t10k", 200)):
        labels = np.arange(n, dtype=np.uint8) % 10
        # noise in blocks: of single pixels it would not compress as pictures do, and a widget has a limit of bytes
        images = rng.integers(0, 120, (n, 7, 7), dtype=np.uint8).repeat(4, 1).repeat(4, 2)
        for image, label in zip(images, labels, strict=True):
            image[2 * label + 3 : 2 * label + 7] += 120
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            name, content = f"{part}-{kind}-ubyte", idx(array)
            (tmp_path / name).write_bytes(content)
            sums[name] = ("no MD5", _image_files.checksum(content, "sha256"))
    monkeypatch.setattr(image_sets, "_FASHION", sums)
    monkeypatch.setenv("SDCLIB_FASHION_MNIST", str(tmp_path))


def test_every_cell_runs_on_files_given_by_path(clothes, monkeypatch):
    monkeypatch.chdir(CHAPTER.parent)
    monkeypatch.setenv("MPLBACKEND", "agg")
    cells = [cell.source for cell in chapters.read(CHAPTER).cells if cell.cell_type == "code"]
    whole = "\n".join(cells)
    for old in ('DATA = "digits"', "epochs=10", "n=9000"):
        assert old in whole, f"the chapter no longer says {old}"
    names = {"__name__": "__main__"}
    for source in cells:  # one epoch: what is asked here is whether the cells run, not what the models learn
        source = source.replace('DATA = "digits"', 'DATA = "fashion_mnist"').replace("epochs=10", "epochs=1").replace("n=9000", "n=900")
        exec(compile(source, "cell", "exec"), names)
    assert names["base"].name == "fashion_mnist" and names["base"].source == "Fashion-MNIST, the official files"
    assert names["fresh"].feature_shape == (1, 28, 28)
    assert names["NAMES"] == list(names["base"].class_names[:3])
    assert list(names["wrong"]) == list(names["CELLS"])
    assert list(names["n_used"].index) == ["looks", "looks, stays", "eliminates", "reads"]
    # what one epoch teaches differs from processor to processor: the models may be right about everything, and a situation may have no mosaic
    names["wrong"] = {name: table[:0] for name, table in names["wrong"].items()}
    names["needed"] = lambda model: (torch.zeros(300, dtype=torch.bool), torch.ones(300, dtype=torch.bool))
    marks = ("the focus's errors", 'measured("ch17-found"', "of_kind", 'f"ch17-count-')
    rest = [source for source in cells if any(mark in source for mark in marks)]
    assert len(rest) == len(marks)
    for source in rest:
        exec(compile(source.replace('DATA == "digits"', "False"), "cell", "exec"), names)
    assert names["top"] == 1 and set(names["n_used"]) == {0} and names["situations"].empty
