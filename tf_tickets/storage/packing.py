"""Packing of run directories: what another process needs to go on from there, as bytes."""

from __future__ import annotations

import io
import shutil
import zipfile

from tf_tickets.storage.directories import DONOR, Directory

# What a run writes into its directory, and does not write anew in place of an older one.
_WRITTEN = (
    "config.json",
    "stages.json",
    "result.json",
    "metrics.jsonl",
    "ticket.npz",
    "start_ticket.npz",
    "*.weights.h5",
    "round_[0-9]*",
    DONOR,
    "checkpoints",
)


def pack(directory: Directory) -> bytes:
    """Packs all that another process needs to go on from a directory into a ZIP archive."""
    packed = io.BytesIO()
    over = directory.noted("ticket") is not None  # then what led to it is of no use
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(directory.path.rglob("*")):
            name = path.relative_to(directory.path)
            unused = any(part.startswith("." if not over else (".", "round_", DONOR)) for part in name.parts)
            if path.suffix in (".json", ".npz", ".h5") and not unused:
                archive.write(path, name.as_posix())
    return packed.getvalue()


def unpack(packed: bytes, directory: Directory) -> None:
    """Unpacks what `pack` gave into a directory, in place of what a run wrote into it before.

    Files of somebody else stay.
    """
    for path in directory.path.iterdir():
        if any(path.match(pattern) for pattern in _WRITTEN):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(directory.path)
