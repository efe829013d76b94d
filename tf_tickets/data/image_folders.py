"""Images in folders by class: `images:DIR`."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tf_tickets.data.examples import Examples
from tf_tickets.data.holdout import TEST_FRACTION, TEST_NOTE, hold_out
from tf_tickets.data.resizing import resize
from tf_tickets.data.splits import Splits
from tf_tickets.storage.user_paths import user_path
from tf_tickets.support.memory import aligned_empty, check_memory
from tf_tickets.support.words import plural

TRAIN = "train"
TESTS = ("test", "val", "validation")  # the first that is there is the test set
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
FORMATS = ("PNG", "JPEG", "BMP", "GIF")
_GREY = ("1", "L", "LA", "I", "I;16", "I;16B")  # Pillow's names of what has no colour
_ALPHA = ("LA", "RGBA", "PA")
_DEEP = ("I", "I;16", "I;16B")
_BYTES_AT_WORK = 16  # of a pixel that is decoded and resized: float32 in four channels


def read(directory: str, data_dir: str | None, image_size: tuple[int, int] | None) -> Splits:
    """Reads `DIR/train/CLASS/...` and `DIR/test/CLASS/...`, or `DIR/CLASS/...`.

    Labels are the places of the class folders' names in sorted order. Where there is no `test`, `val` or
    `validation` is the test set; where there are classes alone, a fifth of each is, the same whatever the
    seed. Files in folders within a class are of that class. Images that are all grey have one channel, others
    three: grey ones are repeated, alpha is left out. Of animations the first image is taken, and orientations
    in EXIF are not looked at. Images are bytes, in the order of classes and names, and must be of one size
    unless `image_size` resizes them, as they are read.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the folders are not those, a file is damaged, sizes differ, or the images are larger than
            the memory that is free.
    """
    source = f"images:{directory}"
    root = user_path(source, directory)
    if not root.is_dir():
        raise FileNotFoundError(
            f"{source}: there is no such folder. Expected images:DIR, where DIR holds {TRAIN}/ and "
            f"{TESTS[0]}/ with a folder of images for each class, or these alone."
        )
    found = _Found(root)
    parts = _parts(source, root)
    listings = [found.classes_of(part) for part in parts]
    names = _class_names(source, parts, listings)
    looks = [[_look(path) for _, path in _files(listing)] for listing in listings]
    size, channels, notes = _agreed(source, [look for part in looks for look in part], image_size)
    labels = {name: label for label, name in enumerate(names)}
    examples = [_decoded(listing, labels, size, channels, image_size) for listing in listings]
    if len(examples) == 1:
        if round(TEST_FRACTION * len(examples[0])) < 1:
            raise ValueError(f"{source}: too few to be split, {plural(len(examples[0]), 'image')}.")
        examples = list(hold_out(examples[0], TEST_FRACTION, seed=0, reuse=True))
        notes += (TEST_NOTE,)
    elif parts[1].name != TESTS[0]:
        notes += (f"test set: {parts[1].name}/",)
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    notes = (f"labels: {len(names)} folders in the order of the alphabet, {shown}", *notes, *found.notes)
    train, test = examples
    return Splits(train, test, len(names), notes=notes)


@dataclasses.dataclass(frozen=True)
class _Look:
    """What a file's first bytes say of its image."""

    path: Path
    size: tuple[int, int]  # (height, width)
    mode: str


class _Found:
    """Lists images, and remembers what was passed over."""

    def __init__(self, root: Path):
        self.root = root
        self.hidden = 0
        self.foreign: list[str] = []

    def classes_of(self, folder: Path) -> dict[str, list[Path]]:
        """Class -> its images in the order of their names, of all folders in one."""
        classes: dict[str, list[Path]] = {}
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.name.startswith("."):
                self.hidden += 1
            elif entry.is_dir():
                classes[entry.name] = self._images_in(Path(entry.path))
            else:
                self.foreign.append(entry.name)
        return classes

    def _images_in(self, folder: Path) -> list[Path]:
        images = []
        for place, folders, files in os.walk(folder):
            self.hidden += sum(name.startswith(".") for name in (*folders, *files))
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if name.startswith("."):
                    continue
                if name.lower().endswith(SUFFIXES):
                    images.append(Path(place, name))
                else:
                    self.foreign.append(name)
        return images

    @property
    def notes(self) -> tuple[str, ...]:
        """What was passed over, for people."""
        notes = []
        if self.hidden:
            notes.append(
                f"left out: {plural(self.hidden, 'hidden file or folder', 'hidden files and folders')}"
            )
        if self.foreign:
            shown = ", ".join(self.foreign[:3]) + (", ..." if len(self.foreign) > 3 else "")
            notes.append(f"left out: {plural(len(self.foreign), 'file')} not named as images are: {shown}")
        return tuple(notes)


def _parts(source: str, root: Path) -> list[Path]:
    """The folders of classes: of training and of test, or one for both."""
    train = root / TRAIN
    # A class may be called train, too.
    if not train.is_dir() or not any(
        entry.is_dir() and not entry.name.startswith(".") for entry in os.scandir(train)
    ):
        return [root]
    for name in TESTS:
        if (root / name).is_dir():
            return [train, root / name]
    raise ValueError(
        f"{source}: there is {TRAIN}/, but no {' or '.join(f'{name}/' for name in TESTS)}. Put the test "
        f"images there, or name images:{train}, of which a fifth is taken for the test."
    )


def _class_names(source: str, parts: list[Path], listings: list[dict[str, list[Path]]]) -> list[str]:
    names = sorted(listings[0])
    if len(names) < 2:
        raise ValueError(
            f"{source}: at least 2 classes are needed, each a folder of images in {parts[0]}. Found: "
            f"{', '.join(names) or 'none'}"
        )
    empty = [name for name in names if not listings[0][name]]
    if empty:
        raise ValueError(
            f"{source}: no image of {', '.join(empty[:3])} in {parts[0]}. Images are files that end in "
            f"{', '.join(SUFFIXES)}."
        )
    if unknown := sorted(set(listings[-1]) - set(names)):
        raise ValueError(f"{source}: {parts[-1]} has classes that {TRAIN}/ lacks: {', '.join(unknown[:3])}.")
    if not any(listings[-1].values()):
        raise ValueError(f"{source}: there is no image in {parts[-1]}.")
    return names


def _files(listing: dict[str, list[Path]]) -> list[tuple[str, Path]]:
    return [(name, path) for name in sorted(listing) for path in listing[name]]


def _look(path: Path) -> _Look:
    """Reads no more of a file than says what it is: a small one can hold a huge image."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # memory is asked for before work
            with Image.open(path, formats=FORMATS) as image:
                kind, mode, (width, height) = image.format, image.mode, image.size
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path}: {error}") from error
    except (OSError, ValueError, SyntaxError) as error:  # of formats' parsers
        raise ValueError(
            f"{path} is no {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file, or a damaged one."
        ) from error
    if kind == "BMP" and mode in ("1", "P"):
        raise ValueError(
            f"{path} is a BMP file with a palette, which TensorFlow does not read. Save it as PNG."
        )
    return _Look(path, (height, width), "RGB" if kind == "GIF" else mode)


def _agreed(
    source: str, looks: list[_Look], image_size: tuple[int, int] | None
) -> tuple[tuple[int, int], int, tuple[str, ...]]:
    """(height and width, channels, notes) of all images together."""
    sizes = Counter(look.size for look in looks)
    if image_size is None and len(sizes) > 1:
        shown = ", ".join(f"{h}x{w} ({count})" for (h, w), count in sizes.most_common(3))
        raise ValueError(
            f"{source}: the images are of {len(sizes)} sizes, {shown}{', ...' if len(sizes) > 3 else ''}. "
            "--image_size says which one they are resized to."
        )
    size = image_size or looks[0].size
    grey = sum(look.mode in _GREY for look in looks)
    channels = 1 if grey == len(looks) else 3
    check_memory(
        source,
        float(len(looks)) * size[0] * size[1] * channels
        + max(look.size[0] * look.size[1] for look in looks) * _BYTES_AT_WORK,
        "Choose a smaller --image_size, or fewer images.",
    )
    counts = (
        (grey if channels == 3 else 0, "is grey", "are grey", "put into three channels"),
        (sum(look.mode in _ALPHA for look in looks), "has alpha", "have alpha", "left out"),
        (sum(look.mode in _DEEP for look in looks), "is of 16 bits", "are of 16 bits", "of which 8 are kept"),
    )
    said = (
        f"{plural(count, 'image')} {one if count == 1 else many}, {done}"
        for count, one, many, done in counts
        if count
    )
    return size, channels, (*said, *([f"resized from {len(sizes)} sizes"] if len(sizes) > 1 else []))


def _decoded(
    listing: dict[str, list[Path]],
    labels: dict[str, int],
    size: tuple[int, int],
    channels: int,
    image_size: tuple[int, int] | None,
) -> Examples:
    import tensorflow as tf

    def decode(path: Any) -> Any:
        image = tf.io.decode_image(tf.io.read_file(path), expand_animations=False)
        image.set_shape([None, None, None])
        return image if image_size is None else resize(image, image_size)

    files = _files(listing)
    images = aligned_empty((len(files), *size, channels), np.uint8)
    dataset = tf.data.Dataset.from_tensor_slices([str(path) for _, path in files])
    dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    decoded = dataset.prefetch(tf.data.AUTOTUNE).as_numpy_iterator()
    for position, (_, path) in enumerate(files):
        try:
            image = next(decoded)
        except (tf.errors.OpError, OSError) as error:
            raise ValueError(f"{path} cannot be decoded. Is it damaged?") from error
        if image.shape[:2] != size:
            raise ValueError(f"{path} says that it is of {size[0]}x{size[1]}, but is of {image.shape[:2]}.")
        colours = image[..., : 1 if image.shape[-1] < 3 else 3]  # the second or fourth is alpha
        images[position] = colours  # grey ones go into all three
    return Examples(images, np.array([labels[name] for name, _ in files]))
