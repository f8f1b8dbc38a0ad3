"""The data sets of images that are downloaded, or read from the files of those who have them."""

import os
import tarfile
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np

from sdclib._image_files import DamagedFile, DataNotFound, cache_folder, checksum, damage, download, read_idx, read_npz, scaled, unpickle_batch
from sdclib.images import LabelledImages

__all__ = ["DamagedFile", "DataNotFound", "cifar10", "fashion_mnist"]

_FASHION_NAMES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
_FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_FASHION_PACKAGE = "/usr/share/datasets/fashion-mnist"  # Debian's and Ubuntu's package dataset-fashion-mnist
_FASHION = {  # file -> (MD5 of the official gzipped file, SHA-256 of what is in it)
    "train-images-idx3-ubyte": ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
    "train-labels-idx1-ubyte": ("25c81989df183df01b3e8a0aad5dffbe", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
    "t10k-images-idx3-ubyte": ("bef4ecab320f06d8554ea6380940ec79", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
    "t10k-labels-idx1-ubyte": ("bb300cfdad3c16e7a12a480ee83cd310", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
}
_CIFAR_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
_CIFAR_MD5 = "c58f30108f718f92721af3b95e74349a"
_CIFAR = {  # batch -> MD5; the last holds the test images
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


def fashion_mnist(foreground=(0, 1, 2), path=None, verify=True):
    """Fashion-MNIST: 70,000 pictures of clothes of 28x28 pixels in ten classes, scaled to [-1, 1]; the 10,000 test images are held out.

    Args:
        foreground: the classes that are foreground, in the order of the mosaic labels (0 T-shirt, 1 trouser, 2 pullover, 3 dress, 4 coat,
            5 sandal, 6 shirt, 7 sneaker, 8 bag, 9 ankle boot).
        path: folder with the four official files, gzipped or not, or an .npz file of one's own (arrays images (N, 28, 28), labels, is_test
            and a note). None = what the environment variable SDCLIB_FASHION_MNIST says, Debian's package dataset-fashion-mnist if it is
            installed, or else a download of 31 MB, once, into the cache (the folder in SDCLIB_DATA, if set).
        verify: whether files in the official layout that are not the official ones are an error; False takes them, and ``source`` says so.
            An .npz file of one's own is always taken, and ``source`` names it, with its checksum and its note.

    Returns:
        A LabelledImages of feature shape (1, 28, 28). Its arrays cannot be written into: whoever asks again gets the same.

    Raises:
        DataNotFound: the files are not there, or damaged in the cache, and could not be downloaded; the message says what to do.
        DamagedFile: a file that is cut off, altered, of another shape or, with ``verify``, not the official one.

    Source: Xiao, Rasul and Vollgraf (2017), MIT licence.
    """
    path = path or os.environ.get("SDCLIB_FASHION_MNIST") or (_FASHION_PACKAGE if Path(_FASHION_PACKAGE).is_dir() else None)
    with _found("fashion_mnist", path, [f"{_FASHION_URL}{name}.gz" for name in _FASHION], "a folder with these files"):
        if path is None:
            for name, (md5, _) in _FASHION.items():
                path = download(f"{_FASHION_URL}{name}.gz", md5, cache_folder() / "fashion-mnist").parent
        *arrays, source = _fashion(str(path), _changed(path), verify)
    images, labels, kept = map(_read_only, arrays)
    return LabelledImages(images, labels, foreground, kept, "fashion_mnist", _FASHION_NAMES, source)


def cifar10(foreground=(0, 1, 2), path=None, verify=True):
    """CIFAR-10: 60,000 colour pictures of 32x32 pixels in ten classes, scaled to [-1, 1]; the 10,000 test images are held out.

    Args:
        foreground: the classes that are foreground, in the order of the mosaic labels (0 airplane, 1 automobile, 2 bird, 3 cat, 4 deer,
            5 dog, 6 frog, 7 horse, 8 ship, 9 truck); the paper's are the first three.
        path: the official archive cifar-10-python.tar.gz, the folder it unpacks to, a folder with one of them, or an .npz file of one's own
            (arrays images (N, 32, 32, 3), labels, is_test and a note). None = what the environment variable SDCLIB_CIFAR10 says, or else a
            download of 170 MB, once, into the cache (the folder in SDCLIB_DATA, if set).
        verify: whether files in the official layout that are not the official ones are an error; False takes them, and ``source`` says so.
            An .npz file of one's own is always taken, and ``source`` names it, with its checksum and its note.

    Returns:
        A LabelledImages of feature shape (3, 32, 32), 740 MB. Its arrays cannot be written into: whoever asks again gets the same.

    Raises:
        DataNotFound: the archive is not there, or damaged in the cache, and could not be downloaded; the message says what to do.
        DamagedFile: a file that is cut off, altered, of another shape or, with ``verify``, not the official one. Its pickles are read by
            a loader that knows arrays and nothing else.

    Source: Krizhevsky (2009), "Learning multiple layers of features from tiny images"; no licence is stated by its makers.
    """
    path = path or os.environ.get("SDCLIB_CIFAR10")
    with _found("cifar10", path, [_CIFAR_URL], "the archive"):
        path = path or download(_CIFAR_URL, _CIFAR_MD5, cache_folder())
        *arrays, source = _cifar(str(path), _changed(path), verify)
    images, labels, kept = map(_read_only, arrays)
    return LabelledImages(images, labels, foreground, kept, "cifar10", _CIFAR_NAMES, source)


def _read_only(array):
    """A view that cannot be written into: what was read once is shared by all who ask for it."""
    view = array.view()
    view.flags.writeable = False
    return view


@contextmanager
def _found(name, path, urls, what):
    """A file that is missing or damaged in the cache, or a download that failed, becomes DataNotFound, which says what to do."""
    todo = "On a machine with a network, download\n" + "".join(f"{url}\n" for url in urls)
    todo += f"and give the place: distributions.get({name!r}, path=...), {what}, or the same in SDCLIB_{name.upper()}"
    try:
        yield
    except FileNotFoundError as error:
        raise DataNotFound(f"{name}: {error.args[-1]}. {todo}") from error
    except OSError as error:
        if path is not None:
            raise
        raise DataNotFound(f"{name} is not on this machine and could not be downloaded ({type(error).__name__}). {todo}") from error


def _changed(path):
    """When a file, or what is in a folder, was last changed: what was read from it before then counts no longer."""
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no {path}")
    inside = sorted(Path(path).glob("cifar-10-batches-py/*")) + sorted(Path(path).glob("*")) if Path(path).is_dir() else []
    return tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in (Path(path), *inside) if file.exists())


@lru_cache(maxsize=1)
def _fashion(path, changed, verify):
    """Images, labels, held-out flags and the source of the files in a folder, or of an .npz file."""
    if path.endswith(".npz"):
        images, labels, is_test, source = read_npz(path, (28, 28))
        return scaled(images[:, None]), labels, is_test, source
    arrays, official = [], True
    for name, (md5, sha256) in _FASHION.items():
        file = next((f for f in (Path(path, f"{name}.gz"), Path(path, name)) if f.exists()), None)
        if file is None:
            raise FileNotFoundError(f"there is no {name}.gz (nor {name}) in {path}")
        array, found = read_idx(file, 3 if "images" in name else 1)
        if found != sha256 and checksum(file) != md5:
            official = False
            if verify:
                raise DamagedFile(f"{file} is not the official file: SHA-256 of its content {found}, wanted {sha256} (verify=False takes it)")
        arrays.append(array)
    for images, labels, part in ((*arrays[:2], "train"), (*arrays[2:], "t10k")):
        if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1] or labels.max(initial=0) > 9:
            raise DamagedFile(f"the files {part}-* in {path} must hold images (n, 28, 28) and as many labels 0 ... 9; got {images.shape} and {labels.shape}")
    is_test = np.repeat([False, True], [len(arrays[1]), len(arrays[3])])
    source = "Fashion-MNIST, the official files" if official else f"files that are not the official ones, in {Path(path).name}"
    return scaled(np.concatenate(arrays[::2])[:, None]), np.concatenate(arrays[1::2]).astype(np.int64), is_test, source


@lru_cache(maxsize=1)
def _cifar(path, changed, verify):
    """Images, labels, held-out flags and the source of an archive, a folder or an .npz file."""
    if path.endswith(".npz"):
        images, labels, is_test, source = read_npz(path, (32, 32, 3))
        return scaled(images.transpose(0, 3, 1, 2)), labels, is_test, source
    path, official = Path(path), True
    if path.is_dir():
        path = next((p for p in (path / "cifar-10-python.tar.gz", path / "cifar-10-batches-py") if p.exists()), path)
    if path.is_dir():
        missing = [name for name in _CIFAR if not (path / name).exists()]
        if missing:
            raise FileNotFoundError(f"there is no {missing[0]} in {path}")
        sums = {path / name: (checksum(path / name), md5) for name, md5 in _CIFAR.items()}
    else:
        sums = {path: (checksum(path), _CIFAR_MD5)}
    for file, (found, wanted) in sums.items():
        if found != wanted:
            official = False
            if verify:
                raise DamagedFile(f"{file} is not the official file: MD5 {found}, wanted {wanted} (cut off, or altered? verify=False takes it)")
    if path.is_dir():
        batches = {}
        for name in _CIFAR:
            with (path / name).open("rb") as file:
                batches[name] = unpickle_batch(file, path / name)
    else:
        batches = _batches_in(path)
    counts = [len(labels) for _, labels in batches.values()]
    is_test = np.repeat([name == "test_batch" for name in batches], counts)
    source = "CIFAR-10, the official archive" if official else f"files that are not the official ones, {path.name}"
    return scaled(np.concatenate([images for images, _ in batches.values()])), np.concatenate([labels for _, labels in batches.values()]), is_test, source


def _batches_in(archive):
    """The batches in the official archive, by name; nothing is unpacked to disk."""
    batches = {}
    with damage(archive), tarfile.open(archive) as tar:
        for member in tar:
            name = member.name.rsplit("/", 1)[-1]
            if member.isfile() and name in _CIFAR:
                batches[name] = unpickle_batch(tar.extractfile(member), f"{member.name} in {archive}")
    missing = [name for name in _CIFAR if name not in batches]
    if missing:
        raise DamagedFile(f"{archive} is cut off or no archive of CIFAR-10: it lacks {', '.join(missing)}")
    return {name: batches[name] for name in _CIFAR}
