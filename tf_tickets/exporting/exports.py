"""Exports: a model with its zeros baked in and no trace of tf_tickets, written in one of the formats."""

from __future__ import annotations

import os
import pathlib

import keras

from tf_tickets.exporting.formats import FORMATS
from tf_tickets.layers import folded
from tf_tickets.storage.atomic_files import replacing


def export(
    model: keras.Model,
    path: str | os.PathLike,
    format: str = "saved_model",
    overwrite: bool = False,
) -> pathlib.Path:
    """Exports a model that loads without tf_tickets; the model itself stays as it is, masks and all.

    Args:
        model: a built Keras model, masked or not.
        path: a folder for `"saved_model"`, a file for the others (`"keras"` wants the suffix .keras).
        format: `"saved_model"` (serving signature `serve`), `"keras"` (loads in Keras's safe mode; not
            compiled), or `"litert"` (sparse float32 LiteRT; its outputs are compared with the model's; of
            a model with recurrent layers its zeros are stored, and where these are not unrolled it takes
            batches of one).
        overwrite: replace what is at `path`.

    Returns:
        The path.

    Raises:
        ValueError: unknown format, or a LiteRT model whose outputs differ or that cannot be had.
        FileExistsError: `path` exists and `overwrite` is false.

    Example:
        >>> tt.export(model, "pruned")
        >>> pruned = tf.saved_model.load("pruned")
        >>> pruned.serve(x)
    """
    if format not in FORMATS:
        raise ValueError(f"format={format!r} is unknown. Choose one of: {', '.join(FORMATS)}.")
    path = pathlib.Path(path)
    row = FORMATS[format]
    if row.suffix and path.suffix != row.suffix:
        raise ValueError(f"An export of format {format} ends in {row.suffix}. Received: {path}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists. Pass overwrite=True to replace it.")
    with folded(model), replacing(path) as new:
        row.write(model, new)
    return path
