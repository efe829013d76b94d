"""Writing a model as SavedModel, .keras or LiteRT, with its zeros baked in and no trace of tf_tickets."""

import os
import pathlib
import tempfile
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import folded
from tf_tickets.store import replacing


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
        format: `"saved_model"` (serving signature `serve`), `"keras"` (loads in Keras's safe mode), or
            `"litert"` (sparse float32 LiteRT; its outputs are compared with the model's).
        overwrite: replace what is at `path`.

    Returns:
        The path.

    Raises:
        ValueError: unknown format, or a LiteRT model whose outputs differ.
        FileExistsError: `path` exists and `overwrite` is false.

    Example:
        >>> tt.export(model, "pruned")
        >>> tf.saved_model.load("pruned").serve(x)
    """
    if format not in FORMATS:
        raise ValueError(f"format={format!r} is unknown. Choose one of: {', '.join(FORMATS)}.")
    path = pathlib.Path(path)
    if format == "keras" and path.suffix != ".keras":
        raise ValueError(f"A Keras file ends in .keras. Received: {path}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists. Pass overwrite=True to replace it.")
    with folded(model), replacing(path) as new:
        FORMATS[format](model, new)
    return path


def _saved_model(model: keras.Model, path: pathlib.Path) -> None:
    model.export(str(path), format="tf_saved_model", verbose=False)


def _keras(model: keras.Model, path: pathlib.Path) -> None:
    model.save(str(path))


def _litert(model: keras.Model, path: pathlib.Path) -> None:
    # Through a SavedModel: converting a Keras 3 model's concrete function directly gave NaN without a word.
    with tempfile.TemporaryDirectory() as scratch:
        _saved_model(model, pathlib.Path(scratch) / "saved_model")
        converter = tf.lite.TFLiteConverter.from_saved_model(f"{scratch}/saved_model")
        converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
        path.write_bytes(converter.convert())
    _check_litert(model, path)


def _check_litert(model: keras.Model, path: pathlib.Path) -> None:
    """Raises ValueError if the LiteRT model's outputs are not the model's."""
    interpreter = tf.lite.Interpreter(model_path=str(path))
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1 or len(outputs) != 1:
        return
    shape = [1, *(size if size > 0 else 1 for size in inputs[0]["shape_signature"][1:])]
    x = np.random.default_rng(0).normal(size=shape).astype(inputs[0]["dtype"])
    interpreter.resize_tensor_input(inputs[0]["index"], shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(inputs[0]["index"], x)
    interpreter.invoke()
    found, expected = (
        interpreter.get_tensor(outputs[0]["index"]),
        np.asarray(model(x, training=False)),
    )
    if not np.allclose(found, expected, rtol=1e-3, atol=1e-3 * max(1.0, np.abs(expected).max())):
        raise ValueError(
            f"The LiteRT model's outputs differ from the model's by up to {np.abs(found - expected).max():.3g}; "
            "it was not kept."
        )


FORMATS: dict[str, Callable[[keras.Model, pathlib.Path], None]] = {
    "saved_model": _saved_model,
    "keras": _keras,
    "litert": _litert,
}
