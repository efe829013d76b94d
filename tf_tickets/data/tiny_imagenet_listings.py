"""Listings of Tiny ImageNet's unpacked archive: its classes, and which files are of which."""

from __future__ import annotations

from pathlib import Path

FOLDER = "tiny-imagenet-200"
IMAGE_SHAPE = (64, 64, 3)

Listing = list[tuple[Path, int]]  # (image file, label)


def class_names_of(folder: Path) -> list[str]:
    """WordNet ids of the classes, in the order of their labels."""
    names = _text(folder / "wnids.txt").split()
    if len(names) < 2 or len(set(names)) != len(names):
        raise ValueError(
            f"{folder / 'wnids.txt'} must list at least 2 different classes, one on a line. "
            f"Received: {len(names)} names, {len(set(names))} of them different"
        )
    for name in names:
        _check_plain(name, folder / "wnids.txt")
    return names


def train_listing(folder: Path, class_names: list[str]) -> Listing:
    """Files and labels of `train/ID/images/*.JPEG`, class by class."""
    listing: Listing = []
    for label, name in enumerate(class_names):
        images = sorted((folder / "train" / name / "images").glob("*.JPEG"))
        if not images:
            raise FileNotFoundError(
                f"{folder / 'train' / name / 'images'} holds no *.JPEG file, but wnids.txt lists "
                f"the class {name}. Unpack the archive again."
            )
        listing += [(path, label) for path in images]
    return listing


def test_listing(folder: Path, class_names: list[str]) -> Listing:
    """Files and labels of `val/images`, as `val/val_annotations.txt` lists them."""
    annotations = folder / "val" / "val_annotations.txt"
    labels = {name: label for label, name in enumerate(class_names)}
    listing: Listing = []
    for number, line in enumerate(_text(annotations).splitlines(), start=1):
        fields = line.split("\t")
        if len(fields) < 2 or fields[1] not in labels:
            raise ValueError(
                f"{annotations}, line {number}: expected a file name and a class of wnids.txt, "
                f"separated by a tab. Received: {line!r}"
            )
        _check_plain(fields[0], annotations)
        path = folder / "val" / "images" / fields[0]
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing, but {annotations.name} lists it. Unpack the archive again."
            )
        listing.append((path, labels[fields[1]]))
    if not listing:
        raise ValueError(f"{annotations} lists no image.")
    return listing


def _check_plain(name: str, listing: Path) -> None:
    """Refuses a name that would lead out of the folder."""
    if not name.isprintable() or name in ("", ".", "..") or set(name) & set("/\\"):
        raise ValueError(f"{listing}: {name[:80]!r} is no name of a file within the folder.")


def _text(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. Unpack the archive again.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file. Unpack the archive again.") from error
