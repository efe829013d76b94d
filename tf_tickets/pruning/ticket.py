"""A ticket: which weights of a network are kept, and how they were found."""

import dataclasses
import hashlib
import json
import os
import pathlib
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import mask_layers
from tf_tickets.store import replacing

FORMAT = "tf_tickets.ticket"
FORMAT_VERSION = 1


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
            ValueError: the shapes differ; nothing is changed then but for masks of all true.
        """
        entries = mask_layers(model).masked
        shapes, own = [entry.shape for entry in entries], [mask.shape for mask in self.masks]
        if shapes != own:
            raise ValueError(f"The ticket is for another model: {_first_difference(own, shapes)}")
        for entry, mask in zip(entries, self.masks, strict=True):
            entry.mask.assign(mask)
        return model

    def save(self, path: str | os.PathLike, overwrite: bool = False) -> None:
        """Writes the ticket as a NumPy .npz file (no pickle), whole or not at all.

        Args:
            path: where to; taken as it is, no suffix is added.
            overwrite: replace an existing file.

        Raises:
            FileExistsError: the file exists and `overwrite` is false.
        """
        path = pathlib.Path(path)
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
        arrays = {f"mask_{i:04d}": np.packbits(mask) for i, mask in enumerate(self.masks)}
        with replacing(path) as new, open(new, "wb") as file:
            np.savez_compressed(file, header=np.array(json.dumps(header)), **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Ticket":
        """Reads a ticket that `save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not a ticket, of a newer format, or damaged.
        """
        try:
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
            return cls(masks, tuple(header["names"]), header["origin"], tuple(header["notes"]))
        except FileNotFoundError:
            raise FileNotFoundError(f"No ticket at {path}.") from None
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            OSError,
            EOFError,
            zipfile.BadZipFile,
        ) as error:
            raise ValueError(f"{path} is not a readable ticket: {error}") from error


def masks_sha256(masks: Sequence[np.ndarray]) -> str:
    """Hash of the masks with their shapes and order."""
    digest = hashlib.sha256()
    for mask in masks:
        digest.update(json.dumps(list(mask.shape)).encode())
        digest.update(np.packbits(mask).tobytes())
    return digest.hexdigest()


def _unpack(bits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    size = int(np.prod(shape, dtype=np.int64))
    if bits.dtype != np.uint8 or bits.size != -(-size // 8):
        raise ValueError(f"a mask of shape {shape} has {bits.size} bytes of {bits.dtype}")
    return np.unpackbits(bits, count=size).astype(bool).reshape(shape)


def _first_difference(own: list, other: list) -> str:
    for position, (a, b) in enumerate(zip(own, other, strict=False)):
        if a != b:
            return f"weight {position} has shape {a} in the ticket and {b} in the model."
    return f"{len(own)} masks in the ticket, {len(other)} prunable weights in the model."
