"""What is shipped, in each form that ways of shipping begin from, and how each is written."""

from __future__ import annotations

import functools
import pathlib
import warnings
from typing import Any

import keras

from tf_tickets import compaction
from tf_tickets.compaction.folded_model import folded_model
from tf_tickets.exporting import FORMATS, export
from tf_tickets.serving.kernels import DENSE


class Shipment:
    """A model in its forms, each made when it is first asked for.

    Args:
        model: any built Keras model, without masks, its zeros baked in.
        batch: size of batches that it is shipped for.
        data: sample inputs, as `export` takes them, or None.
    """

    def __init__(self, model: keras.Model, batch: int, data: Any) -> None:
        self.model, self.batch, self.data = model, batch, data

    @functools.cached_property
    def compact(self) -> keras.Model:
        """Without what can be removed; ValueError where the model is no graph of layers."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that nothing can be removed is told by numbers
            return compaction.compact(self.model)

    @functools.cached_property
    def why_not_compact(self) -> str | None:
        """Why there is no compact form; None where there is."""
        try:
            self.compact  # noqa: B018
        except ValueError as error:
            return str(error)
        return None

    @property
    def smallest(self) -> keras.Model:
        """The compact form, or the model where there is none."""
        return self.compact if self.why_not_compact is None else self.model


def write_by_keras(shipment: Shipment, path: pathlib.Path) -> tuple[str, ...]:
    """A SavedModel by Keras's exporter."""
    shipment.model.export(str(path), format="tf_saved_model", verbose=False)
    return ()


def write_folded(shipment: Shipment, path: pathlib.Path) -> tuple[str, ...]:
    """The same of the model with its batch normalisation folded, every channel still there."""
    folded_model(shipment.model).export(str(path), format="tf_saved_model", verbose=False)
    return ()


def write_compact(shipment: Shipment, path: pathlib.Path) -> tuple[str, ...]:
    """A SavedModel of the compact form, by dense kernels."""
    return export(shipment.compact, path, "saved_model", allow_dense=True, kernels="dense").notes


def write_sparse(shipment: Shipment, path: pathlib.Path) -> tuple[str, ...]:
    """A SavedModel of the compact form, by sparse kernels wherever they are faster."""
    choices: dict[str, Any] = {"kernels": "auto", "batch": shipment.batch, "compact": False}
    written = export(shipment.compact, path, "saved_model", allow_dense=True, **choices)
    sparse = sum(kernel != DENSE for kernel in written.kernels.values())
    return (f"sparse kernels in {sparse} of {len(written.kernels)} layers.", *written.notes)


def write_smallest(shipment: Shipment, path: pathlib.Path, *, format: str, **options: Any) -> tuple[str, ...]:
    """An export of the compact form, or of the model where there is none."""
    if shipment.data is not None and "data" in FORMATS[format].options:
        options["data"] = shipment.data
    return export(shipment.smallest, path, format, allow_dense=True, compact=False, **options).notes
