"""Data sets of images from files: read right, and every way in which a file can be wrong is named. The files are made here."""

import gzip
import http.server
import io
import os
import pickle
import struct
import tarfile
import threading

import numpy as np
import pytest
from PIL import Image

from sdclib import _image_files, distributions, image_sets, make_mosaics
from sdclib._image_files import DamagedFile, DataNotFound
from sdclib.distributions import LabelledImages

pytestmark = pytest.mark.usefixtures("no_images_at_hand")
RNG = np.random.default_rng(0)
BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


class Python2Pickler(pickle._Pickler):
    """Writes bytes and words as Python 2 did, as the official batches are."""

    dispatch = dict(pickle._Pickler.dispatch)

    def _string(self, value):
        value = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = _string


def batch(n=20, seed=0, **other):
    rng = np.random.default_rng(seed)
    labels = [*range(10), *rng.integers(0, 10, n - 10).tolist()]
    return {b"data": rng.integers(0, 256, (n, 3072), dtype=np.uint8), b"labels": labels, b"batch_label": b"one of six"} | other


def pickled(content):
    buffer = io.BytesIO()
    Python2Pickler(buffer, 2).dump(content)
    return buffer.getvalue()


def batches(**other):
    return {name: pickled(batch(seed=seed)) for seed, name in enumerate(BATCHES)} | other


def archive_of(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def fashion_files(n=(30, 20)):
    files = {}
    for part, size in zip(("train", "t10k"), n, strict=True):
        files[f"{part}-images-idx3-ubyte"] = idx(RNG.integers(0, 256, (size, 28, 28), dtype=np.uint8))
        files[f"{part}-labels-idx1-ubyte"] = idx(np.arange(size, dtype=np.uint8) % 10)
    return files


def fashion_folder(path, files=None, zipped=True):
    path.mkdir(exist_ok=True)
    for name, content in (files or fashion_files()).items():
        (path / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(content) if zipped else content)
    return path


# ---- what is right is read right


@pytest.mark.parametrize("form", ["archive", "folder", "folder with the archive", "folder with the folder", "environment"])
def test_the_official_layout_of_cifar10_is_read(tmp_path, monkeypatch, form):
    members, path = batches() | {"readme.html": b"<html>"}, tmp_path / "data"
    path.mkdir()
    if form.endswith("folder") and form.startswith("folder"):
        folder = path if form == "folder" else path / "cifar-10-batches-py"
        folder.mkdir(exist_ok=True)
        for name, content in members.items():
            (folder / name).write_bytes(content)
    else:
        archive = archive_of(path / "cifar-10-python.tar.gz", members)
        path = path if form == "folder with the archive" else archive
    if form == "environment":
        monkeypatch.setenv("SDCLIB_CIFAR10", str(path))
        path = None
    base = distributions.get("cifar10", path=path, verify=False)
    assert base.images.shape == (120, 3, 32, 32) and base.images.dtype == np.float32
    assert base.held_out.tolist() == [False] * 100 + [True] * 20
    third = batch(seed=2)
    np.testing.assert_allclose(base.images[40:60], third[b"data"].reshape(-1, 3, 32, 32) / 127.5 - 1, atol=1e-6)
    assert base.labels[40:60].tolist() == third[b"labels"]
    assert base.foreground == (0, 1, 2) and base.class_names[:3] == ("airplane", "automobile", "bird")
    assert "not the official ones" in base.source
    assert make_mosaics(base, n=5, split="fresh").pool.points.shape == (20, 3, 32, 32)


def test_the_batches_stand_in_an_archive_in_any_order(tmp_path):
    there = archive_of(tmp_path / "there.tar.gz", batches())
    back = archive_of(tmp_path / "back.tar.gz", dict(reversed(batches().items())))
    found = [distributions.get("cifar10", path=path, verify=False) for path in (there, back)]
    for name in ("images", "labels", "held_out"):
        np.testing.assert_array_equal(*(getattr(base, name) for base in found))


@pytest.mark.parametrize("zipped", [True, False])
def test_the_official_layout_of_fashion_mnist_is_read(tmp_path, zipped):
    files = fashion_files()
    base = distributions.get("fashion_mnist", path=fashion_folder(tmp_path / "files", files, zipped), verify=False, foreground=(9, 3))
    pixels = np.frombuffer(files["t10k-images-idx3-ubyte"], np.uint8, offset=16).reshape(20, 1, 28, 28)
    np.testing.assert_allclose(base.images[30:], pixels / 127.5 - 1, atol=1e-6)
    assert base.held_out.sum() == 20 and base.labels[30:].tolist() == [*range(10)] * 2
    assert base.foreground == (9, 3) and base.class_names[9] == "ankle boot"


def test_files_with_the_known_checksums_are_the_official_ones(tmp_path, monkeypatch):
    files = fashion_files()
    sums = {name: ("no MD5", _image_files.checksum(content, "sha256")) for name, content in files.items()}
    monkeypatch.setattr(image_sets, "_FASHION", sums)
    assert distributions.get("fashion_mnist", path=fashion_folder(tmp_path / "files", files)).source == "Fashion-MNIST, the official files"
    folder = fashion_folder(tmp_path / "zipped")
    monkeypatch.setattr(image_sets, "_FASHION", {name: (_image_files.checksum(folder / f"{name}.gz"), "no SHA-256") for name in IDX})
    assert distributions.get("fashion_mnist", path=folder).source == "Fashion-MNIST, the official files"
    path = archive_of(tmp_path / "a.tar.gz", batches())
    monkeypatch.setattr(image_sets, "_CIFAR_MD5", _image_files.checksum(path))
    assert distributions.get("cifar10", path=path).source == "CIFAR-10, the official archive"


def test_the_checksums_are_those_of_debians_package(monkeypatch):
    """Where the package is installed, its files are the official ones."""
    monkeypatch.undo()
    if not os.path.isdir(image_sets._FASHION_PACKAGE):
        assert image_sets._FASHION_PACKAGE == "/usr/share/datasets/fashion-mnist"
        return
    base = distributions.get("fashion_mnist")
    assert base.images.shape == (70_000, 1, 28, 28) and base.source == "Fashion-MNIST, the official files"
    assert np.bincount(base.labels).tolist() == [7000] * 10


@pytest.mark.parametrize(("name", "feature"), [("fashion_mnist", (28, 28)), ("cifar10", (32, 32, 3))])
def test_own_arrays_in_place_of_the_official_files(tmp_path, name, feature):
    images = RNG.integers(0, 256, (40, *feature), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(40) % 10, is_test=np.arange(40) >= 30, note="pressed as JPEG")
    base = distributions.get(name, path=tmp_path / "own.npz")
    wanted = images[:, None] if name == "fashion_mnist" else images.transpose(0, 3, 1, 2)
    np.testing.assert_allclose(base.images, wanted / 127.5 - 1, atol=1e-6)
    assert "own.npz" in base.source and base.source.endswith("pressed as JPEG")


def test_a_changed_file_is_read_again(tmp_path):
    for value in (0, 255):
        np.savez(tmp_path / "own.npz", images=np.full((20, 28, 28), value, np.uint8), labels=np.arange(20) % 10, is_test=np.arange(20) >= 10)
        os.utime(tmp_path / "own.npz", ns=(value, value))
        assert distributions.get("fashion_mnist", path=tmp_path / "own.npz").images.mean() == (1 if value else -1)


def test_a_file_that_is_changed_in_place_in_its_folder_is_read_again(tmp_path):
    files = fashion_files()
    for value in (0, 255):
        files[IDX[0]] = idx(np.full((30, 28, 28), value, np.uint8))
        folder = fashion_folder(tmp_path / "files", files, zipped=False)
        for file in (folder, *folder.iterdir()):
            os.utime(file, ns=(0, value if file.name == IDX[0] else 0))
        assert distributions.get("fashion_mnist", path=folder, verify=False).images[:30].mean() == (1 if value else -1)


def test_a_folder_of_images(tmp_path):
    pixels = {}
    for name, n in {"cat": 4, "dog": 8, "tree": 4}.items():
        (tmp_path / name).mkdir()
        for i in range(n):
            pixels[name, i] = RNG.integers(0, 256, (6, 5, 3), dtype=np.uint8)
            Image.fromarray(pixels[name, i]).save(tmp_path / name / f"{i}.png")
    (tmp_path / "notes.txt").write_text("no class")
    base = LabelledImages.from_folder(tmp_path, ("dog", "cat"))
    assert base.class_names == ("cat", "dog", "tree") and base.foreground == (1, 0) and base.feature_shape == (3, 6, 5)
    assert [int(base.held_out[base.labels == label].sum()) for label in range(3)] == [1, 2, 1]
    for label, name in enumerate(base.class_names):
        found = {image.tobytes() for image in np.rint((base.images[base.labels == label] + 1) * 127.5).astype(np.uint8)}
        assert found == {value.transpose(2, 0, 1).tobytes() for (of, _), value in pixels.items() if of == name}
    assert LabelledImages.from_folder(tmp_path, ("dog", "cat"), size=(8, 8), gray=True, held_out=0).feature_shape == (1, 8, 8)


# ---- what is wrong is named


def damaged_cifar(tmp_path, **members):
    return archive_of(tmp_path / "cifar.tar.gz", batches(**members))


class Hostile:
    def __reduce__(self):
        return (os.system, ("echo pwned > pwned",))


def hostile(protocol):
    return pickle.dumps([Hostile()], protocol)


WRONG_CIFAR = {
    "a batch of another shape": (
        lambda: {"data_batch_3": pickled(batch() | {b"data": np.zeros((20, 3071), np.uint8)})},
        r"data_batch_3 .*\(n, 3072\); it holds uint8 \(20, 3071\)",
    ),
    "a batch of numbers that are no bytes": (lambda: {"test_batch": pickled(batch() | {b"data": np.zeros((20, 3072))})}, "unsigned bytes.*it holds float64"),
    "labels too few": (lambda: {"data_batch_1": pickled(batch() | {b"labels": [1, 2]})}, r"20 labels in 0 ... 9; it holds int64 \(2,\)"),
    "halves for labels": (lambda: {"data_batch_1": pickled(batch() | {b"labels": [0.5] * 20})}, r"20 labels in 0 ... 9; it holds float64 \(20,\)"),
    "a label out of range": (lambda: {"data_batch_1": pickled(batch() | {b"labels": [10] * 20})}, "20 labels in 0 ... 9"),
    "a batch that is cut off": (lambda: {"data_batch_2": pickled(batch())[:-3000]}, "data_batch_2 in .* is cut off or no batch of CIFAR-10"),
    "an empty batch": (lambda: {"data_batch_2": b""}, "cut off or no batch of CIFAR-10: EOFError"),
    "a batch without labels": (lambda: {"data_batch_2": pickled({b"data": np.zeros((2, 3072), np.uint8)})}, "KeyError"),
    "no dict": (lambda: {"data_batch_2": pickled([1, 2])}, "cut off or no batch of CIFAR-10: TypeError"),
    **{
        f"a hostile pickle, protocol {p}": (lambda p=p: {"test_batch": hostile(p)}, r"it asks for (posix|nt)\.system, which no file of images needs")
        for p in range(6)
    },
    "a pickle that asks for eval": (lambda: {"test_batch": b"cbuiltins\neval\n(S'1'\ntR."}, "it asks for builtins.eval"),
    "a pickle that asks for a name of NumPy's": (lambda: {"test_batch": b"cnumpy\nload\n(S'x'\ntR."}, "it asks for numpy.load"),
}


@pytest.mark.parametrize(("members", "message"), WRONG_CIFAR.values(), ids=WRONG_CIFAR)
def test_a_wrong_batch_is_named(tmp_path, monkeypatch, members, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DamagedFile, match=message):
        distributions.get("cifar10", path=damaged_cifar(tmp_path, **members()), verify=False)
    assert not (tmp_path / "pwned").exists()


def test_the_hostile_pickle_would_have_done_harm(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(hostile(2))
    assert (tmp_path / "pwned").exists()


def test_a_wrong_archive_is_named(tmp_path):
    whole = damaged_cifar(tmp_path).read_bytes()
    path = tmp_path / "cifar-10-python.tar.gz"
    for content, verify, message in (
        (whole, True, "cifar-10-python.tar.gz is not the official file: MD5 [0-9a-f]{32}, wanted c58f30108f718f92721af3b95e74349a"),
        (whole[: len(whole) // 2], False, "cut off or damaged|is cut off or no batch"),
        (b"no archive", False, "cut off or damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(DamagedFile, match=message):
            distributions.get("cifar10", path=path, verify=verify)
    path = archive_of(tmp_path / "less.tar.gz", {name: content for name, content in batches().items() if name != "data_batch_4"})
    with pytest.raises(DamagedFile, match="it lacks data_batch_4"):
        distributions.get("cifar10", path=path, verify=False)


def test_a_link_in_an_archive_leads_nowhere(tmp_path):
    with tarfile.open(tmp_path / "links.tar.gz", "w:gz") as tar:
        for name in BATCHES:
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)
    with pytest.raises(DamagedFile, match="it lacks data_batch_1"):
        distributions.get("cifar10", path=tmp_path / "links.tar.gz", verify=False)


WRONG_FASHION = {
    "cut off": (lambda files: {IDX[0]: files[IDX[0]][:-1]}, r"should hold an array of shape \(30, 28, 28\), 23,520 bytes; it holds 23,519"),
    "too long": (lambda files: {IDX[3]: files[IDX[3]] + b"x"}, "20 bytes; it holds 21"),
    "no IDX": (lambda files: {IDX[1]: b"hello world"}, "is no IDX file of unsigned bytes with 1 axes: it begins with 68 65 6c 6c"),
    "empty": (lambda files: {IDX[1]: b""}, "it begins with nothing"),
    "numbers that are no bytes": (lambda files: {IDX[1]: bytes([0, 0, 13, 1]) + files[IDX[1]][4:]}, "no IDX file of unsigned bytes"),
    "images for labels": (lambda files: {IDX[1]: files[IDX[0]]}, "with 1 axes"),
    "images of another size": (lambda files: {IDX[2]: idx(np.zeros((20, 27, 28), np.uint8))}, r"files t10k-\* in .* must hold images \(n, 28, 28\)"),
    "more images than labels": (lambda files: {IDX[0]: idx(np.zeros((31, 28, 28), np.uint8))}, r"files train-\* .* got \(31, 28, 28\) and \(30,\)"),
    "a label out of range": (lambda files: {IDX[1]: idx(np.full(30, 10, np.uint8))}, r"files train-\* .* labels 0 ... 9"),
}


@pytest.mark.parametrize(("change", "message"), WRONG_FASHION.values(), ids=WRONG_FASHION)
def test_a_wrong_idx_file_is_named(tmp_path, change, message):
    files = fashion_files()
    with pytest.raises(DamagedFile, match=message):
        distributions.get("fashion_mnist", path=fashion_folder(tmp_path / "files", files | change(files)), verify=False)


def test_a_gzipped_file_that_is_cut_off_or_altered_is_named(tmp_path):
    folder = fashion_folder(tmp_path / "files")
    with pytest.raises(DamagedFile, match="train-images-idx3-ubyte.gz is not the official file: SHA-256 of its content"):
        distributions.get("fashion_mnist", path=folder)
    path = folder / f"{IDX[2]}.gz"
    whole = path.read_bytes()
    for content in (whole[:-100], whole[:50] + bytes(20) + whole[70:], b"plain"):
        path.write_bytes(content)
        with pytest.raises(DamagedFile, match="t10k-images-idx3-ubyte.gz is cut off or damaged"):
            distributions.get("fashion_mnist", path=folder, verify=False)


def test_wrong_own_arrays_are_named(tmp_path):
    good = {"images": np.zeros((20, 28, 28), np.uint8), "labels": np.arange(20) % 10, "is_test": np.arange(20) > 9}
    for change, message in (
        ({"images": good["images"].astype(float)}, "it holds images float64"),
        ({"images": np.zeros((20, 28, 27), np.uint8)}, r"unsigned bytes \(N, 28, 28\).* it holds images uint8 \(20, 28, 27\)"),
        ({"labels": np.arange(19)}, r"labels int64 \(19,\)"),
        ({"labels": np.arange(20) / 2}, "labels float64"),
        ({"labels": np.arange(20)}, r"must hold labels in 0 ... 9; it holds 0 ... 19"),
        ({"is_test": np.full(20, np.nan)}, "is_test float64"),
        ({"labels": None}, "no .npz file of plain arrays: ValueError: Object arrays cannot be loaded"),
        ({"is_test": ...}, "it lacks is_test"),
    ):
        arrays = {name: value for name, value in (good | change).items() if value is not ...}
        np.savez(tmp_path / "own.npz", **arrays)
        os.utime(tmp_path / "own.npz", ns=(len(message), len(message)))
        with pytest.raises(DamagedFile, match=message):
            distributions.get("fashion_mnist", path=tmp_path / "own.npz")
    (tmp_path / "own.npz").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(DamagedFile, match="own.npz is cut off"):
        distributions.get("fashion_mnist", path=tmp_path / "own.npz")
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, good["images"])
    with pytest.raises(DamagedFile, match="one.npz is cut off or no .npz file"):
        distributions.get("fashion_mnist", path=tmp_path / "one.npz")


def test_a_wrong_folder_of_images_is_named(tmp_path):
    for name, size in {"cat": 4, "dog": 5, "tree": 4}.items():
        (tmp_path / name).mkdir()
        Image.new("RGB", (size, size)).save(tmp_path / name / "0.png")
    with pytest.raises(ValueError, match=r"several sizes.*give size="):
        LabelledImages.from_folder(tmp_path, ("cat", "dog"))
    with pytest.raises(ValueError, match="has folders with images cat, dog, tree; got 'bird' for foreground"):
        LabelledImages.from_folder(tmp_path, ("cat", "bird"))
    with pytest.raises(TypeError, match="names of several folders; got 'cat'"):
        LabelledImages.from_folder(tmp_path, "cat")
    for size, error in ((4, TypeError), ((4,), TypeError), ((0, 4), ValueError), ((4.0, 4), TypeError)):
        with pytest.raises(error, match="size must be|height and width must be") as caught:
            LabelledImages.from_folder(tmp_path, ("cat", "dog"), size=size)
        assert not isinstance(caught.value, DamagedFile)  # no file is to blame
    with pytest.raises(FileNotFoundError, match="nowhere is no folder"):
        LabelledImages.from_folder(tmp_path / "nowhere", ("cat", "dog"))
    (tmp_path / "dog" / "1.png").write_bytes((tmp_path / "dog" / "0.png").read_bytes()[:40])
    with pytest.raises(DamagedFile, match="1.png is no whole image"):
        LabelledImages.from_folder(tmp_path, ("cat", "dog"), size=(4, 4))


# ---- no file, no network


@pytest.mark.parametrize(("name", "what"), [("cifar10", "cifar-10-python.tar.gz"), ("fashion_mnist", "train-images-idx3-ubyte")])
def test_without_file_and_network_the_message_says_what_to_do(name, what):
    with pytest.raises(DataNotFound, match=rf"(?s)^{name} is not on this machine and could not be downloaded .*{what}.*path=.*SDCLIB_{name.upper()}"):
        distributions.get(name)


@pytest.mark.parametrize("name", ["cifar10", "fashion_mnist"])
def test_a_path_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(DataNotFound, match=f"{name}: there is no .*nowhere"):
        distributions.get(name, path=tmp_path / "nowhere")
    with pytest.raises(DataNotFound, match=f"{name}: there is no (data_batch_1|train-images).* in "):
        distributions.get(name, path=tmp_path)


class Server(http.server.BaseHTTPRequestHandler):
    """Serves one file; the first ``cuts`` answers break off half-way through what they send."""

    content, cuts, ranges, asked = b"", 0, True, []

    def do_GET(self):
        wanted = self.headers.get("Range")
        type(self).asked = [*self.asked, wanted]
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        part = self.content[start:]
        if start and not part:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if self.cuts:
            type(self).cuts -= 1
            self.wfile.write(part[: len(part) // 2])
        else:
            self.wfile.write(part)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    handler = type("OneFile", (Server,), {"content": RNG.bytes(1_500_000), "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        handler.url = f"http://127.0.0.1:{running.server_port}/file.bin"
        yield handler
        running.shutdown()


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_goes_on_where_it_was_cut_off(tmp_path, server, ranges):
    server.cuts, server.ranges, md5 = 2, ranges, _image_files.checksum(server.content)
    for _ in range(2):
        with pytest.raises(OSError, match="IncompleteRead|[Cc]onnection"):
            _image_files.download(server.url, md5, tmp_path)
        assert not (tmp_path / "file.bin").exists()
    assert _image_files.download(server.url, md5, tmp_path).read_bytes() == server.content
    assert server.asked[0] is None and server.asked[1].startswith("bytes=")
    if ranges:
        assert int(server.asked[2][6:-1]) > int(server.asked[1][6:-1]) > 0
    assert _image_files.download(server.url, md5, tmp_path).exists() and len(server.asked) == 3  # the fourth asks nobody
    assert {path.name for path in tmp_path.iterdir()} - {"file.bin.lock"} == {"file.bin"}


def test_a_download_that_stopped_at_the_very_end_is_finished(tmp_path, server):
    (tmp_path / "file.bin.part").write_bytes(server.content)
    assert _image_files.download(server.url, _image_files.checksum(server.content), tmp_path).read_bytes() == server.content


def test_a_download_of_another_content_is_refused_and_forgotten(tmp_path, server):
    with pytest.raises(DamagedFile, match="is not the file of MD5 " + "0" * 32):
        _image_files.download(server.url, "0" * 32, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"file.bin.lock"}
    (tmp_path / "file.bin").write_bytes(b"an old file, damaged since")
    assert _image_files.download(server.url, _image_files.checksum(server.content), tmp_path).read_bytes() == server.content
