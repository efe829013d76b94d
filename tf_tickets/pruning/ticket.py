"""A ticket: which weights of a network are kept, and how they were found."""

import dataclasses
import hashlib
import json
import math
import os
import pathlib
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import mask_layers, prunable_weights
from tf_tickets.store import replacing

FORMAT = "tf_tickets.ticket"
FORMAT_VERSION = 1
# What deflate can at most make of a byte.
DEFLATE_LIMIT = 1032


@dataclasses.dataclass(frozen=True)
class TicketLayer:
    """One masked weight of a ticket: label, shape in Keras layout, and counts."""

    name: str
    shape: tuple[int, ...]
    kept: int
    total: int

    @property
    def keep_ratio(self) -> float:
        """Fraction of the weights that is kept."""
        return self.kept / self.total


@dataclasses.dataclass(frozen=True, eq=False)
class Ticket:
    """Masks of a network in forward order, with where they come from.

    Attributes:
        masks: bool arrays, one a masked weight, shaped like it; true is kept.
        names: labels of the weights. The position is the key, names are for people.
        origin: JSON-able facts: method, sparsity asked, seed, score, ratios, rounding, ...
        notes: sentences a reader of the numbers should know.

    Example:
        >>> ticket = tt.prune(model, "random", sparsity=0.98)
        >>> print(ticket.summary())
        >>> ticket.save("ticket.npz")
    """

    masks: tuple[np.ndarray, ...]
    names: tuple[str, ...]
    origin: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        if not self.masks or len(self.masks) != len(self.names):
            raise ValueError(
                f"A ticket has one name a mask, and at least one. Received: {len(self.masks)} masks, "
                f"{len(self.names)} names."
            )
        for name, mask in zip(self.names, self.masks, strict=True):
            if mask.dtype != bool:
                raise ValueError(f"Masks are bool arrays. Received for {name}: {mask.dtype}.")

    @property
    def layers(self) -> tuple[TicketLayer, ...]:
        """Name, shape, kept and total of each masked weight, in forward order."""
        return tuple(
            TicketLayer(name, mask.shape, int(np.count_nonzero(mask)), mask.size)
            for name, mask in zip(self.names, self.masks, strict=True)
        )

    @property
    def kept(self) -> int:
        """Number of weights kept."""
        return sum(int(np.count_nonzero(mask)) for mask in self.masks)

    @property
    def total(self) -> int:
        """Number of masked weights, kept or not."""
        return sum(mask.size for mask in self.masks)

    @property
    def sparsity(self) -> float:
        """The sparsity reached: 1 - kept / total (section 2.2)."""
        return 1 - self.kept / self.total

    @property
    def sha256(self) -> str:
        """Hash of the masks with their shapes and order."""
        return masks_sha256(self.masks)

    def summary(self) -> str:
        """A table of the layers, the total, and the notes, as plain text."""
        rows = [
            (x.name, str(x.shape), f"{x.kept:,}", f"{x.total:,}", f"{x.keep_ratio:.2%}") for x in self.layers
        ]
        rows.append(("total", "", f"{self.kept:,}", f"{self.total:,}", f"{self.kept / self.total:.2%}"))
        head = ("layer", "shape", "kept", "of", "keep-ratio")
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(5)]
        lines = [
            "  ".join(
                cell.ljust(width) if i < 2 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in [head, *rows]
        ]
        empty = [x.name for x in self.layers if not x.kept]
        if empty:
            lines.append(f"collapsed: nothing is kept of {', '.join(empty)}")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def apply(self, model: keras.Model) -> keras.Model:
        """Masks the model's layers, where they are not masked yet, and sets the masks, in place.

        Weights are left as they are, also where the mask hides them.

        Args:
            model: a model with the same masked shapes in the same forward order.

        Returns:
            The same model.

        Raises:
            TypeError: `model` is no Keras model.
            ValueError: the shapes differ; nothing is changed then.
        """
        if not isinstance(model, keras.Model):
            raise TypeError(f"A ticket applies to a keras.Model. Received: {type(model).__name__}")
        entries = prunable_weights(model)
        shapes, own = [entry.shape for entry in entries], [mask.shape for mask in self.masks]
        if shapes != own:
            raise ValueError(f"The ticket is for another model: {_first_difference(own, shapes)}")
        # A model that has masks keeps its choice of layers.
        if entries[0].mask is None:
            entries = mask_layers(model).masked
        for entry, mask in zip(entries, self.masks, strict=True):
            assert entry.mask is not None
            entry.mask.assign(mask)
        return model

    def save(self, path: str | os.PathLike, overwrite: bool = False) -> None:
        """Writes the ticket as a NumPy .npz file (no pickle), whole or not at all.

        Args:
            path: where to; taken as it is, no suffix is added.
            overwrite: replace an existing file.

        Raises:
            FileExistsError: the file exists and `overwrite` is false.
            IsADirectoryError: the path is a directory, which is never replaced.
        """
        path = pathlib.Path(path)
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a directory. A ticket is a file.")
        if path.exists() and not overwrite:
            raise FileExistsError(f"{path} exists. Pass overwrite=True to replace it.")
        header = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "names": list(self.names),
            "shapes": [list(mask.shape) for mask in self.masks],
            "origin": dict(self.origin),
            "notes": list(self.notes),
            "sha256": masks_sha256(self.masks),
        }
        arrays: dict[str, Any] = {"header": np.array(json.dumps(header))}
        arrays |= {f"mask_{i:04d}": np.packbits(mask) for i, mask in enumerate(self.masks)}
        with replacing(path) as new, open(new, "wb") as file:
            np.savez_compressed(file, **arrays)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Ticket":
        """Reads a ticket that `save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not a ticket, of a newer format, or damaged.
        """
        try:
            _check_sizes(path)
            with np.load(path, allow_pickle=False) as file:
                header = json.loads(str(file["header"]))
                if header.get("format") != FORMAT:
                    raise ValueError("it has another header")
                if header["version"] > FORMAT_VERSION:
                    raise ValueError(
                        f"it has format version {header['version']}; "
                        f"this release reads up to {FORMAT_VERSION}"
                    )
                masks = tuple(
                    _unpack(file[f"mask_{i:04d}"], tuple(shape)) for i, shape in enumerate(header["shapes"])
                )
            if masks_sha256(masks) != header["sha256"]:
                raise ValueError("its masks do not match its hash")
            return cls(masks, tuple(header["names"]), header["origin"], tuple(header["notes"]))
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


def _check_sizes(path: str | os.PathLike) -> None:
    """Refuses an .npz file in which an array claims another size than it has: NumPy would allocate it."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.file_size > DEFLATE_LIMIT * os.path.getsize(path):
                raise ValueError(f"{member.filename} claims {member.file_size:,} bytes")
            with archive.open(member) as file:
                if np.lib.format.read_magic(file) != (1, 0):
                    raise ValueError(f"{member.filename} is an array of another format")
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                if math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
                    raise ValueError(f"{member.filename} claims shape {shape} and holds another size")


def _unpack(bits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if not all(isinstance(size, int) and size > 0 for size in shape):
        raise ValueError(f"a mask has shape {shape}")
    size = math.prod(shape)
    if bits.dtype != np.uint8 or bits.size != -(-size // 8):
        raise ValueError(f"a mask of shape {shape} has {bits.size} bytes of {bits.dtype}")
    return np.unpackbits(bits, count=size).astype(bool).reshape(shape)


def _first_difference(own: list, other: list) -> str:
    for position, (a, b) in enumerate(zip(own, other, strict=False)):
        if a != b:
            return f"weight {position} has shape {a} in the ticket and {b} in the model."
    return f"{len(own)} masks in the ticket, {len(other)} prunable weights in the model."
