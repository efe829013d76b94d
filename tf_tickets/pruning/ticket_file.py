"""The file of a ticket: a NumPy .npz archive without pickle, with a header and a hash of the masks."""

import hashlib
import json
import math
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from tf_tickets.storage.atomic_files import replacing
from tf_tickets.storage.npz_archives import check_npz
from tf_tickets.storage.user_paths import user_path

FORMAT = "tf_tickets.ticket"
FORMAT_VERSION = 1

T = TypeVar("T")


def save_ticket(
    path: str | os.PathLike,
    masks: Sequence[np.ndarray],
    names: Sequence[str],
    origin: Mapping[str, Any],
    notes: Sequence[str],
    on_path: Sequence[int] | None,
    overwrite: bool,
) -> None:
    """Writes a ticket, whole or not at all.

    Args:
        path: where to, `~` expanded; no suffix is added.
        masks, names, origin, notes, on_path: the ticket's, see `Ticket`.
        overwrite: replace an existing file.

    Raises:
        FileExistsError: the file exists and `overwrite` is false.
        IsADirectoryError: the path is a directory, which is never replaced.
    """
    path = user_path(str(path), path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a directory. A ticket is a file.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists. Pass overwrite=True to replace it.")
    header = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "names": list(names),
        "shapes": [list(mask.shape) for mask in masks],
        "origin": dict(origin),
        "notes": list(notes),
        "sha256": masks_sha256(masks),
        "on_path": None if on_path is None else list(on_path),
    }
    arrays: dict[str, Any] = {"header": np.array(json.dumps(header))}
    arrays |= {f"mask_{i:04d}": np.packbits(mask) for i, mask in enumerate(masks)}
    with replacing(path) as new, open(new, "wb") as file:
        np.savez_compressed(file, **arrays)
        file.flush()
        os.fsync(file.fileno())


def load_ticket(path: str | os.PathLike, make: Callable[..., T]) -> T:
    """Reads a ticket that `save_ticket` wrote.

    Args:
        path: of the file.
        make: (masks, names, origin, notes, on_path) -> the ticket; what it refuses is no ticket.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a ticket, of a newer format, or damaged.
    """
    path = user_path(str(path), path)
    try:
        check_npz(path)
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            if header.get("format") != FORMAT:
                raise ValueError("it has another header")
            if header["version"] > FORMAT_VERSION:
                raise ValueError(
                    f"it has format version {header['version']}; this release reads up to {FORMAT_VERSION}"
                )
            masks = tuple(
                _unpack(file[f"mask_{i:04d}"], tuple(shape)) for i, shape in enumerate(header["shapes"])
            )
        if masks_sha256(masks) != header["sha256"]:
            raise ValueError("its masks do not match its hash")
        # Tickets of the first release have no such entry.
        on_path = header.get("on_path")
        if not isinstance(header["origin"], dict):
            raise ValueError("its origin is no mapping")
        return make(
            masks,
            tuple(str(name) for name in header["names"]),
            header["origin"],
            tuple(str(note) for note in header["notes"]),
            None if on_path is None else tuple(operator.index(count) for count in on_path),
        )
    except FileNotFoundError:
        raise FileNotFoundError(f"No ticket at {path}.") from None
    except Exception as error:  # zip, deflate and JSON each have errors of their own
        raise ValueError(f"{path} is not a readable ticket: {error}") from error


def masks_sha256(masks: Sequence[np.ndarray]) -> str:
    """Hash of the masks with their shapes and order."""
    digest = hashlib.sha256()
    for mask in masks:
        digest.update(json.dumps(list(mask.shape)).encode())
        digest.update(np.packbits(mask).tobytes())
    return digest.hexdigest()


def _unpack(bits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if not all(isinstance(size, int) and size > 0 for size in shape):
        raise ValueError(f"a mask has shape {shape}")
    size = math.prod(shape)
    if bits.dtype != np.uint8 or bits.size != -(-size // 8):
        raise ValueError(f"a mask of shape {shape} has {bits.size} bytes of {bits.dtype}")
    return np.unpackbits(bits, count=size).astype(bool).reshape(shape)
