"""A file of weights, looked at before Keras reads it: it points nowhere else, and holds what it claims."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import h5py


def check_weights_file(path: str | os.PathLike) -> None:
    """Refuses an HDF5 file that has links to elsewhere, anything but numbers, or arrays beyond its size.

    Raises:
        ValueError: for these reasons. What is damaged can raise anything that h5py does.
    """
    import h5py

    if not h5py.is_hdf5(path):
        raise ValueError("it is no HDF5 file, as model.save_weights writes a .weights.h5 file")
    rest = os.path.getsize(path)  # Keras writes arrays as they are, not compressed
    with h5py.File(path, "r") as file:
        _check_links(file)

        def check(name: str, item: h5py.Group | h5py.Dataset) -> None:
            nonlocal rest
            if isinstance(item, h5py.Group):
                _check_links(item)
                return
            if item.external or item.is_virtual:
                raise ValueError(f"{name} lies in another file")
            if item.dtype.hasobject or item.dtype.kind in "SUc":
                raise ValueError(f"{name} holds {item.dtype}, no weights")
            rest -= item.nbytes
            if rest < 0:
                raise ValueError(f"{name} claims shape {item.shape}, more than the file holds")

        file.visititems(check)


def _check_links(group: h5py.Group) -> None:
    import h5py

    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{group.name}: {name} is a link to elsewhere")
