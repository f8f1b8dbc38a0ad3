"""Images as segments: one's own arrays or folders, and the data sets with a name."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np

from sdclib import _checks
from sdclib._distribution import Distribution
from sdclib._image_files import DamagedFile, scaled

__all__ = ["LabelledImages", "digits"]

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
_GATHERED = WeakKeyDictionary()  # LabelledImages -> {fresh: images of that split}, as long as mosaics use them


@dataclass(frozen=True, eq=False)
class LabelledImages(Distribution):
    """Images with class labels: some classes are the foreground, all others the background.

    Args:
        images: (N, *feature) array, taken as it is. The data sets with a name, and ``from_folder``, give values in [-1, 1]; unsigned bytes
            0 ... 255 would reach the networks unscaled: give ``images.astype("float32") / 127.5 - 1``.
        labels: (N,) whole numbers, the class of each image.
        foreground: the classes that are foreground, in the order of the mosaic labels 0 ... K-1.
        held_out: (N,) booleans, the images kept for fresh mosaics; None = none kept.
        name: for messages and tables.
        class_names: words for the classes, by class number.
        source: where the images come from; results that rest on them keep it.

    The arrays are not copied. Mosaics of float32 images share them where the held-out ones stand together, and elsewhere share one copy
    of each split: do not write into them.

    Raises:
        TypeError: one class for foreground, labels or classes that are no whole numbers.
        ValueError: shapes that do not fit, NaN or infinity, a foreground class with no image, fewer than two foreground classes, no background image.
    """

    images: np.ndarray
    labels: np.ndarray
    foreground: tuple
    held_out: np.ndarray | None = None
    name: str = "images"
    class_names: tuple = ()
    source: str = "own arrays"
    classes: tuple = field(init=False)

    def __post_init__(self):
        images, labels = np.asarray(self.images), np.asarray(self.labels)
        if images.ndim < 2 or labels.shape != images.shape[:1]:
            raise ValueError(f"wanted images (N, *feature) and labels (N,); got shapes {images.shape} and {labels.shape}")
        held_out = np.zeros(len(labels), dtype=bool) if self.held_out is None else np.asarray(self.held_out, dtype=bool)
        if held_out.shape != labels.shape:
            raise ValueError(f"held_out must have shape {labels.shape}; got {held_out.shape}")
        if labels.dtype.kind not in "iu":
            raise TypeError(f"labels must be whole numbers, the class of each image; got {labels.dtype}")
        present = set(labels.tolist())
        if images.dtype.kind not in "fiub" or not all(np.isfinite(part).all() for part in np.array_split(images, 1 + len(images) // 4096)):
            raise ValueError("images must be finite numbers; got NaN, infinity or no numbers")
        if not np.iterable(self.foreground) or isinstance(self.foreground, str):
            raise TypeError(f"foreground must be several classes, say (1, 4, 7); got {self.foreground!r}")
        foreground = tuple(_checks.at_least("a foreground class", c, min(present, default=0)) for c in self.foreground)
        if min(images.strides) < 0 or not images.dtype.isnative:  # PyTorch takes neither
            images = images.astype(images.dtype.newbyteorder("="), order="C")
        if len(set(foreground)) != len(foreground) or not set(foreground) <= present:
            raise ValueError(f"foreground must name different classes out of {sorted(present)}; got {foreground}")
        classes = foreground + tuple(sorted(present - set(foreground)))
        for name, value in (("images", images), ("labels", labels), ("held_out", held_out), ("foreground", foreground), ("classes", classes)):
            object.__setattr__(self, name, value)
        _checks.at_least("foreground classes", self.n_classes, 2)
        _checks.at_least("background classes", self.n_components - self.n_classes, 1)

    @property
    def n_classes(self):
        return len(self.foreground)

    @property
    def n_components(self):
        return len(self.classes)

    @property
    def feature_shape(self):
        return self.images.shape[1:]

    def sample_pool(self, seed=0, *, fresh=False):
        """All training images (or, with ``fresh``, all held-out ones); ``seed`` changes nothing: the images are given.

        Returns:
            points (N, *feature), shared with ``images`` or with earlier calls: do not write into them; component (N,) int64 array.
        """
        _checks.at_least("seed", seed, 0)
        keep = np.flatnonzero(self.held_out == fresh)
        if not len(keep):
            raise ValueError(f"{self.name} has no held-out images; give held_out to compose fresh mosaics")
        if keep[-1] - keep[0] + 1 == len(keep):  # a view: images may be most of the memory
            keep = slice(keep[0], keep[-1] + 1)
            points = _writable(self.images[keep])
        else:
            gathered = _GATHERED.setdefault(self, WeakValueDictionary())
            points = gathered.get(fresh)
            if points is None:
                points = gathered[fresh] = self.images[keep]
        by_class = np.argsort(self.classes)
        component = by_class[np.searchsorted(np.array(self.classes)[by_class], self.labels[keep])]
        return points, component.astype(np.int64)

    @classmethod
    def from_folder(cls, path, foreground, *, size=None, gray=False, held_out=0.25, seed=0):
        """Images in a folder with one folder a class, as torchvision's ImageFolder reads them, scaled to [-1, 1].

        Args:
            path: the folder; PNG, JPEG, BMP, GIF, TIFF and WebP files of 8 bits a channel directly in the folders of the classes. Files and
                folders whose names begin with "." are left out.
            foreground: names of the folders that are foreground classes, in the order of the mosaic labels.
            size: (height, width) that all images are resized to; None = they must be of one size.
            gray: one channel in place of three.
            held_out: share of each class' images kept for fresh mosaics, in [0, 1); which, the seed decides.

        Returns:
            A LabelledImages of feature shape (3 or 1, height, width), ``class_names`` the folders; the held-out images come last. Pictures
            are turned as their EXIF orientation says, and transparent ones are laid on white.

        Raises:
            FileNotFoundError, ValueError: no such folder, no images in it, a class that is no folder, images of several sizes, a gray
                image of 16 or 32 bits or of floating-point numbers.
            DamagedFile: a file that is no image, or one of more pixels than Pillow opens.
        """
        path, held_out = Path(path), _checks.in_range("held_out", held_out, 0, 1, include_high=False)
        if isinstance(foreground, str) or not np.iterable(foreground):
            raise TypeError(f"foreground must be the names of several folders; got {foreground!r}")
        if not path.is_dir():
            raise FileNotFoundError(f"{path} is no folder")
        if size is not None:
            if not isinstance(size, (tuple, list)) or len(size) != 2:
                raise TypeError(f"size must be (height, width); got {size!r}")
            size = tuple(_checks.at_least("height and width", side, 1) for side in size)
        folders = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
        files = {folder.name: sorted(f for f in folder.iterdir() if f.suffix.lower() in _SUFFIXES and f.name[0] != ".") for folder in folders}
        names = tuple(name for name, of_class in files.items() if of_class)
        unknown = [name for name in foreground if name not in names]
        if unknown:
            raise ValueError(f"{path} has folders with images {', '.join(names) or '(none)'}; got {', '.join(map(repr, unknown))} for foreground")
        labels = np.repeat(np.arange(len(names)), [len(files[name]) for name in names])
        kept, files = _held_out(labels, held_out, seed), [file for name in names for file in files[name]]
        order = np.argsort(kept, kind="stable")  # each split in one piece, so that mosaics need no copy of it
        images = [_read_image(files[i], size, gray) for i in order]
        if len({image.shape for image in images}) > 1:
            raise ValueError(f"the images in {path} have several sizes, say {images[0].shape[1:]} and others; give size=(height, width)")
        places = tuple(map(names.index, foreground))
        return cls(np.stack(images), labels[order], places, kept[order], name=path.name, class_names=names, source=f"the folder {path.name}")


def digits(foreground=(1, 4, 7), held_out=0.25):
    """The 1,797 handwritten digits of 8x8 pixels that scikit-learn ships, scaled to [-1, 1].

    Args:
        foreground: the digits that are foreground classes, in the order of the mosaic labels.
        held_out: share of each digit's images kept for fresh mosaics, in (0, 1); always the same images.

    Returns:
        A LabelledImages of feature shape (1, 8, 8).

    Source: Alpaydin and Kaynak (1998), UCI Optical Recognition of Handwritten Digits (CC BY 4.0), test part, as shipped by scikit-learn.
    """
    held_out = _checks.in_range("held_out", held_out, 0, 1, include_low=False, include_high=False)
    from sklearn.datasets import load_digits

    data = load_digits()
    images, kept = data.images[:, None] / 8 - 1, _held_out(data.target, held_out, 0)
    return LabelledImages(images, data.target, foreground, kept, "digits", tuple("0123456789"), "the digits that scikit-learn ships")


def _held_out(labels, share, seed):
    """Booleans: that share of the images of each class, by chance."""
    rng, kept = _checks.generator(seed, "fresh_pool"), np.zeros(len(labels), dtype=bool)
    for label in range(labels.max() + 1):
        of_label = np.flatnonzero(labels == label)
        kept[rng.permutation(of_label)[: round(share * len(of_label))]] = True
    return kept


def _writable(view):
    """The view, writable where its memory is: PyTorch shares memory that is read-only too, but warns."""
    if not view.flags.writeable:
        with suppress(ValueError):  # the memory itself is read-only
            view.flags.writeable = True
    return view


def _read_image(file, size, gray):
    """The picture in a file: (3 or 1, height, width) float32 in [-1, 1].

    Raises:
        DamagedFile: a file that Pillow cannot read, or will not for its many pixels.
        ValueError: a gray picture of 16 or 32 bits or of floating-point numbers, which Pillow would clip to 8 bits.
    """
    from PIL import Image

    try:
        with Image.open(file) as image:
            mode = image.mode
            pixels = None if mode == "F" or mode.startswith("I") else _pixels(image, size, gray)
    except Exception as error:  # a damaged file may raise almost anything
        raise DamagedFile(f"{file} is no whole image that can be read: {type(error).__name__}: {error}") from error
    if pixels is None:
        raise ValueError(f"{file} must be an image of 8 bits a channel; got Pillow's mode {mode!r}: scale it to 0 ... 255 and save it again")
    return scaled(pixels)


def _pixels(image, size, gray):
    """Unsigned bytes (3 or 1, height, width) of an opened image, upright and opaque."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if gray else "RGB")
    image = image if size is None else image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image)[None] if gray else np.asarray(image).transpose(2, 0, 1)
