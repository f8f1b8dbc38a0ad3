"""Files of image data sets: found, downloaded, checked and read; nothing that a file says is ever executed."""

import gzip
import hashlib
import os
import pickle
import tarfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np

__all__ = ["DamagedFile", "DataNotFound", "cache_folder", "checksum", "damage", "download", "read_idx", "read_npz", "scaled", "unpickle_batch"]


class DataNotFound(FileNotFoundError):
    """A data set is not on this machine and could not be downloaded; the message says what to do."""


class DamagedFile(ValueError):
    """A file is cut off, altered, or not what its name says; the message names it."""


def cache_folder():
    """Where downloads are kept: the folder in SDCLIB_DATA or else the system's place for caches."""
    import pooch

    return Path(os.environ.get("SDCLIB_DATA") or pooch.os_cache("sdclib"))


def checksum(data, algorithm="md5"):
    """Hexadecimal checksum of a file (a path) or of bytes."""
    if isinstance(data, bytes):
        return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
    with open(data, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def download(url, md5, folder):
    """Download a file into a folder unless it is there and whole; return its path. A download that was cut off goes on where it ended.

    Raises:
        DamagedFile: what came has another checksum.
        DataNotFound: the file is there but damaged, and could not be downloaded anew.
        OSError: no network, an answer that is an error, no right to write.
    """
    import pooch
    import requests
    from filelock import FileLock
    from tqdm import tqdm

    name = url.rsplit("/", 1)[1]
    part = folder / f"{name}.part"

    def go_on(url, output, _):
        have = part.stat().st_size if part.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=30) as answer:
            if answer.status_code != 416:  # 416: there is nothing after what we have; the checksum tells whether that is the file
                answer.raise_for_status()
                resumed = answer.status_code == 206
                total = int(answer.headers.get("Content-Length", 0)) + (have if resumed else 0)
                bar = {"total": total, "initial": have * resumed, "desc": name, "unit": "B", "unit_scale": True, "disable": None}
                with part.open("ab" if resumed else "wb") as file, tqdm(**bar) as bar:
                    for chunk in answer.iter_content(1 << 18):
                        file.write(chunk)
                        bar.update(len(chunk))
        os.replace(part, output)

    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{name}.lock"):
        try:
            return Path(pooch.retrieve(url, f"md5:{md5}", name, folder, downloader=go_on))
        except OSError as error:
            there = folder / name
            if there.is_file() and (found := checksum(there)) != md5:
                message = f"{there} is damaged (its MD5 is {found}, wanted {md5}) and could not be downloaded again ({type(error).__name__})"
                raise DataNotFound(message) from error
            raise
        except ValueError as error:  # how pooch says that the checksum differs; requests' own ValueErrors are OSErrors, taken above
            raise DamagedFile(f"what was downloaded from {url} is not the file of MD5 {md5}: {error}") from None


@contextmanager
def damage(path):
    """What cannot be read in a file becomes DamagedFile, with the file's name."""
    try:
        yield
    except DamagedFile:
        raise
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
        raise DamagedFile(f"{path} is cut off or damaged: {error}") from error


def read_idx(path, n_axes):
    """The array of unsigned bytes in an IDX file (as those of MNIST), gzipped or not, and the SHA-256 of the uncompressed file.

    Raises:
        DamagedFile: a file that is cut off, has bytes too many, or is no IDX file of unsigned bytes with so many axes.
    """
    with damage(path):
        data = gzip.decompress(Path(path).read_bytes()) if str(path).endswith(".gz") else Path(path).read_bytes()
    start = 4 + 4 * n_axes
    if data[:4] != bytes([0, 0, 8, n_axes]) or len(data) < start:
        raise DamagedFile(f"{path} is no IDX file of unsigned bytes with {n_axes} axes: it begins with {data[:4].hex(' ') or 'nothing'}")
    shape = tuple(np.frombuffer(data, ">u4", n_axes, 4).tolist())
    if len(data) - start != np.prod(shape, dtype=np.int64):
        raise DamagedFile(f"{path} should hold an array of shape {shape}, {np.prod(shape, dtype=np.int64):,} bytes; it holds {len(data) - start:,}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape), checksum(data, "sha256")


def read_npz(path, feature_shape):
    """Own arrays in place of the official files: ``images`` (N, height, width[, channels]) of unsigned bytes, ``labels`` (N,) in 0 ... 9,
    ``is_test`` (N,) booleans and, if it is there, ``note``, a sentence on where they come from.

    Returns:
        images, labels, is_test, source.

    Raises:
        DamagedFile: an archive that is cut off or damaged, lacks an array, or has one of another type or shape or too large for the memory.
    """
    import zipfile

    try:
        with zipfile.ZipFile(path):  # np.load takes a single array for an .npz too
            pass
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except Exception as error:  # a damaged header may raise almost anything, MemoryError for an absurd shape too
        raise DamagedFile(f"{path} is cut off or no .npz file of plain arrays: {type(error).__name__}: {error}") from error
    missing = [name for name in ("images", "labels", "is_test") if name not in found]
    if missing:
        raise DamagedFile(f"{path} must hold the arrays images, labels and is_test; it lacks {', '.join(missing)}")
    images, labels, is_test = found["images"], found["labels"], found["is_test"]
    fits = images.dtype == np.uint8 and images.shape[1:] == feature_shape and images.ndim > 1 and labels.shape == is_test.shape == images.shape[:1]
    if not fits or labels.dtype.kind not in "iu" or is_test.dtype.kind not in "biu":
        shapes = ", ".join(f"{name} {found[name].dtype} {found[name].shape}" for name in ("images", "labels", "is_test"))
        wanted = ", ".join(map(str, feature_shape))
        raise DamagedFile(f"{path} must hold images of unsigned bytes (N, {wanted}), and whole labels and booleans is_test one an image; it holds {shapes}")
    if len(labels) and not 0 <= labels.min() <= labels.max() <= 9:
        raise DamagedFile(f"{path} must hold labels in 0 ... 9; it holds {labels.min()} ... {labels.max()}")
    note = str(found.get("note", "no note in the file"))
    return images, labels.astype(np.int64), is_test.astype(bool), f"own arrays, {Path(path).name}, SHA-256 {checksum(path, 'sha256')[:16]}: {note}"


class _Plain(pickle.Unpickler):
    """Reads what the official batches are made of, NumPy arrays in a dict, and nothing else: a pickle can otherwise run any program."""

    _HARMLESS = {(module, name) for module in ("numpy.core.multiarray", "numpy._core.multiarray") for name in ("_reconstruct",)}
    _HARMLESS |= {("numpy", "ndarray"), ("numpy", "dtype")}

    def find_class(self, module, name):
        if (module, name) not in self._HARMLESS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no file of images needs")
        return super().find_class(module.replace("numpy.core", "numpy._core") if hasattr(np, "_core") else module, name)


def unpickle_batch(file, where):
    """Images (n, 3, 32, 32) of unsigned bytes and labels (n,) in 0 ... 9 of an opened batch of CIFAR-10's Python version.

    Raises:
        DamagedFile: a batch that is cut off, asks for anything but arrays, or holds something else.
    """
    try:
        batch = _Plain(file, encoding="bytes").load()
        data, labels = np.asarray(batch[b"data"]), np.array(batch[b"labels"])
    except Exception as error:  # a damaged pickle may raise almost anything
        raise DamagedFile(f"{where} is cut off or no batch of CIFAR-10: {type(error).__name__}: {error}") from error
    if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        raise DamagedFile(f"{where} must hold data of unsigned bytes, (n, 3072); it holds {data.dtype} {data.shape}")
    if labels.dtype.kind != "i" or labels.shape != data.shape[:1] or (len(labels) and not 0 <= labels.min() <= labels.max() <= 9):
        raise DamagedFile(f"{where} must hold {len(data)} labels in 0 ... 9; it holds {labels.dtype} {labels.shape}")
    return data.reshape(-1, 3, 32, 32), labels.astype(np.int64)


def scaled(images):
    """Bytes as float32 in [-1, 1]."""
    values = np.multiply(images, np.float32(2 / 255), dtype=np.float32)
    values -= 1
    return values
