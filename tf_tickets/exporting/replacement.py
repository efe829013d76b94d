"""What an export may replace: an export of its format, and never anything else that a person has there."""

from __future__ import annotations

import os
import pathlib

from tf_tickets.exporting.formats import FORMATS

_NAMED = 3  # files of somebody else that a message names


def check_place(path: pathlib.Path, format: str, overwrite: bool) -> pathlib.Path:
    """Where an export for a path is written: the path, links in it resolved.

    Args:
        path: of the export.
        format: name in `FORMATS`.
        overwrite: whether an export of the format is replaced.

    Raises:
        FileExistsError: there is something, and it is not to be replaced.
    """
    place = pathlib.Path(os.path.realpath(path))
    if not os.path.lexists(place):
        for suffix in FORMATS[format].beside:
            if os.path.lexists(place.with_suffix(suffix)):
                raise FileExistsError(
                    f"{path.with_suffix(suffix)} exists without {path.name}, whose part it would be: it is "
                    "of something else. Choose another path, or move that away."
                )
        return place
    if not overwrite:
        raise FileExistsError(f"{path} exists. Pass overwrite=True to replace it.")
    here = pathlib.Path.cwd()
    if place == here or place in here.parents:
        raise FileExistsError(f"{path} is the current folder, or holds it. Choose another path.")
    foreign = FORMATS[format].foreign(place)
    if foreign:
        more = f" and {len(foreign) - _NAMED:,} more" if len(foreign) > _NAMED else ""
        raise FileExistsError(
            f"{path} is not replaced, since it holds what is no {format} export: "
            f"{', '.join(foreign[:_NAMED])}{more}. Choose another path, or move that away."
        )
    return place
