"""Images of one's own: pools that are gathered once, folders read with care, damaged files named. The files are made here."""

import gc
import pickle
import zipfile

import numpy as np
import pytest
from PIL import Image

from sdclib import distributions, image_sets, images, make_mosaics
from sdclib._image_files import DamagedFile, DataNotFound, checksum
from sdclib.distributions import LabelledImages

pytestmark = pytest.mark.usefixtures("no_images_at_hand")
SPLITS = ("train", "recomposed", "fresh")


def folder_of(path, n=8):
    """Three classes of gray pictures; the shade of each tells the class and the number."""
    for label, name in enumerate(("cat", "dog", "tree")):
        (path / name).mkdir(parents=True)
        for i in range(n):
            Image.new("L", (4, 4), 20 * label + i).save(path / name / f"{i}.png")
    return path


def shades(points):
    return np.rint((np.asarray(points)[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist()


def one_picture(path, picture, suffix=".png", **options):
    """The first class of a folder whose pictures are all that one."""
    for name in ("cat", "dog", "tree"):
        (path / name).mkdir()
        picture.save(path / name / f"it{suffix}", **options)
    return path


def own(path, **change):
    arrays = {"images": np.zeros((20, 28, 28), np.uint8), "labels": np.arange(20) % 10, "is_test": np.arange(20) > 9}
    np.savez(path, **arrays | change)
    return path


# ---- pools


def test_mosaics_of_a_folder_copy_no_images(tmp_path):
    base = LabelledImages.from_folder(folder_of(tmp_path / "pictures"), ("cat", "dog"), gray=True)
    for split in SPLITS:
        assert np.shares_memory(make_mosaics(base, n=5, split=split).pool.points.numpy(), base.images)
    assert base.held_out.tolist() == [False] * 18 + [True] * 6
    assert [shade // 20 for shade in shades(base.images)] == base.labels.tolist()
    for fresh in (False, True):  # the order of the names within each split
        found = shades(base.sample_pool(fresh=fresh)[0])
        assert found == sorted(found)
    other = LabelledImages.from_folder(tmp_path / "pictures", ("cat", "dog"), gray=True, seed=1)
    assert shades(other.sample_pool(fresh=True)[0]) != shades(base.sample_pool(fresh=True)[0])


def test_held_out_images_that_lie_apart_are_gathered_once_a_split():
    pictures = np.random.default_rng(0).normal(size=(60, 1, 4, 4)).astype(np.float32)
    base = LabelledImages(pictures, np.arange(60) % 3, (0, 1), np.arange(60) % 4 == 3)
    train, recomposed, fresh = (make_mosaics(base, n=5, split=split).pool.points for split in SPLITS)
    assert train.data_ptr() == recomposed.data_ptr() != fresh.data_ptr()
    np.testing.assert_array_equal(train, pictures[~base.held_out])
    np.testing.assert_array_equal(fresh, pictures[base.held_out])
    again = pickle.loads(pickle.dumps(base))
    np.testing.assert_array_equal(again.sample_pool()[0], train)
    assert len(images._GATHERED[base]) == 2
    del train, recomposed, fresh
    gc.collect()
    assert len(images._GATHERED[base]) == 0  # kept no longer than mosaics use them


def test_images_are_taken_as_they_are():
    base = LabelledImages(np.full((6, 2), 255, np.uint8), np.arange(6) % 3, (0, 1))
    assert make_mosaics(base, n=2).pool.points.max() == 255


def test_the_arrays_of_a_data_set_with_a_name_cannot_be_changed(tmp_path):
    base = distributions.get("fashion_mnist", path=own(tmp_path / "own.npz"))
    for array in (base.images, base.labels, base.held_out):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 1
    assert distributions.get("fashion_mnist", path=tmp_path / "own.npz").images.max() == -1
    for fresh in (False, True):  # PyTorch warns where it shares what is read-only, and shares it all the same
        points, _ = base.sample_pool(fresh=fresh)
        assert points.flags.writeable and np.shares_memory(points, base.images)


def test_own_arrays_stay_as_they_were_given():
    pictures = np.zeros((6, 2), np.float32)
    base = LabelledImages(pictures, np.arange(6) % 3, (0, 1))
    assert base.images is pictures and pictures.flags.writeable
    pictures.flags.writeable = False
    assert not base.sample_pool()[0].flags.writeable


# ---- folders


def test_hidden_files_and_folders_are_left_out(tmp_path):
    folder_of(tmp_path / "pictures", 4)
    (tmp_path / "pictures" / ".ipynb_checkpoints").mkdir()
    Image.new("L", (9, 9)).save(tmp_path / "pictures" / ".ipynb_checkpoints" / "0-checkpoint.png")
    (tmp_path / "pictures" / "cat" / "._0.png").write_bytes(b"no image")
    base = LabelledImages.from_folder(tmp_path / "pictures", ("cat", "dog"))
    assert base.class_names == ("cat", "dog", "tree") and len(base.images) == 12


@pytest.mark.parametrize(("dtype", "suffix", "mode"), [("uint16", ".png", "I"), ("uint16", ".tif", "I;16"), ("int32", ".tif", "I"), ("float32", ".tif", "F")])
def test_images_of_more_than_8_bits_are_refused(tmp_path, dtype, suffix, mode):
    one_picture(tmp_path, Image.fromarray(np.full((4, 4), 1000, dtype)), suffix)
    with pytest.raises(ValueError, match=rf"it{suffix} must be an image of 8 bits a channel; got Pillow's mode '{mode}") as caught:
        LabelledImages.from_folder(tmp_path, ("cat", "dog"))
    assert not isinstance(caught.value, DamagedFile)


def test_pictures_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    pixels = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
    one_picture(tmp_path, Image.fromarray(pixels), exif=exif)
    base = LabelledImages.from_folder(tmp_path, ("cat", "dog"), gray=True)
    np.testing.assert_allclose(base.images[0, 0], np.rot90(pixels, -1) / 127.5 - 1, atol=1e-6)


def half_clear(mode):
    """Black, the left half of it transparent."""
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:, 2:, 3] = 255
    picture = Image.fromarray(pixels)
    if mode != "P":
        return picture.convert(mode)
    picture = Image.fromarray(np.where(pixels[..., 3] > 0, 0, 1).astype(np.uint8)).convert("P")
    picture.info["transparency"] = 1
    return picture


@pytest.mark.parametrize(("mode", "suffix"), [("RGBA", ".png"), ("LA", ".png"), ("P", ".gif"), ("RGBA", ".webp")])
@pytest.mark.parametrize("gray", [False, True])
def test_transparent_pictures_are_laid_on_white(tmp_path, mode, suffix, gray):
    one_picture(tmp_path, half_clear(mode), suffix, **({"lossless": True} if suffix == ".webp" else {}))
    base = LabelledImages.from_folder(tmp_path, ("cat", "dog"), gray=gray)
    assert (base.images[0, :, :, :2] == 1).all() and (base.images[0, :, :, 2:] <= -0.99).all()


def test_a_picture_of_too_many_pixels_is_named(tmp_path, monkeypatch):
    one_picture(tmp_path, Image.new("L", (40, 40)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DamagedFile, match=r"it\.png is no whole image that can be read: DecompressionBombError"):
        LabelledImages.from_folder(tmp_path, ("cat", "dog"))


# ---- files of data sets


HEADERS = {
    "an open bracket": "{'descr': '|u1', 'fortran_order': False, 'shape': (20, 28,",
    "no Python": "{'descr': '|u1' 'fortran_order'; !",
    "an indent": "  {'descr'\n :\n   1}\n 2",
    "an absurd shape": f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({2**50}, 28, 28), }}",
    "a shape beyond all numbers": f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({2**90}, 28, 28), }}",
    "another type": "{'descr': 7, 'fortran_order': False, 'shape': (1,), }",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_damaged_header_in_own_arrays_is_named(tmp_path, header):
    header = header.encode() + b"\n"
    with zipfile.ZipFile(own(tmp_path / "own.npz")) as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    members["images.npy"] = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(100)
    with zipfile.ZipFile(tmp_path / "own.npz", "w") as damaged:
        for name, content in members.items():
            damaged.writestr(name, content)
    with pytest.raises(DamagedFile, match=r"own\.npz is cut off or no \.npz file of plain arrays: \w+: "):
        distributions.get("fashion_mnist", path=tmp_path / "own.npz")


def test_own_arrays_are_taken_with_or_without_verify(tmp_path):
    own(tmp_path / "own.npz", note="drawn by hand")
    for verify in (True, False):
        assert distributions.get("fashion_mnist", path=tmp_path / "own.npz", verify=verify).source.startswith("own arrays, own.npz, SHA-256 ")


@pytest.mark.parametrize(("name", "file"), [("cifar10", "cifar-10-python.tar.gz"), ("fashion_mnist", "fashion-mnist/train-images-idx3-ubyte.gz")])
def test_a_damaged_download_is_named_where_no_new_one_can_be_had(tmp_path, name, file):
    path = tmp_path / "cache" / file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"truncated")
    with pytest.raises(DataNotFound) as caught:
        distributions.get(name)
    message = str(caught.value)
    assert message.startswith(f"{name}: {path} is damaged (its MD5 is {checksum(b'truncated')}, wanted ")
    assert "could not be downloaded again (ConnectionError)" in message and f"SDCLIB_{name.upper()}" in message
    assert path.read_bytes() == b"truncated"


def test_the_places_to_download_from_stand_one_a_line():
    with pytest.raises(DataNotFound) as caught:
        distributions.get("fashion_mnist")
    lines = str(caught.value).splitlines()
    assert lines[1:5] == [f"http://127.0.0.1:9/{name}.gz" for name in image_sets._FASHION] and len(lines) == 6
