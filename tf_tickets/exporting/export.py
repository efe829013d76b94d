"""Writing a model as SavedModel, .keras or LiteRT, with its zeros baked in and no trace of tf_tickets."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import folded
from tf_tickets.storage.store import replacing


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
            compiled), or `"litert"` (sparse float32 LiteRT; its outputs are compared with the model's).
        overwrite: replace what is at `path`.

    Returns:
        The path.

    Raises:
        ValueError: unknown format, or a LiteRT model whose outputs differ.
        FileExistsError: `path` exists and `overwrite` is false.

    Example:
        >>> tt.export(model, "pruned")
        >>> pruned = tf.saved_model.load("pruned")
        >>> pruned.serve(x)
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
    # Without what it was compiled with: an optimizer of ours or a loss of the user's could not be loaded.
    with contextlib.ExitStack() as stack:
        for part in model._flatten_layers():
            if isinstance(part, keras.Model) and part.compiled:
                for name, value in (("compiled", False), ("optimizer", None)):
                    stack.callback(object.__setattr__, part, name, getattr(part, name))
                    object.__setattr__(part, name, value)
        model.save(str(path))


def _litert(model: keras.Model, path: pathlib.Path) -> None:
    # Through a SavedModel: converting a Keras 3 model's concrete function directly gave NaN without a word.
    with tempfile.TemporaryDirectory() as scratch:
        _saved_model(model, pathlib.Path(scratch) / "saved_model")
        converter = tf.lite.TFLiteConverter.from_saved_model(f"{scratch}/saved_model")
        converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
        path.write_bytes(converter.convert())
        _check_litert(tf.saved_model.load(f"{scratch}/saved_model"), path)


def _check_litert(saved_model: Any, path: pathlib.Path) -> None:
    """Raises ValueError if the LiteRT model's outputs are not those of the SavedModel that it was made of."""
    signature = saved_model.signatures["serving_default"]
    rng = np.random.default_rng(0)
    inputs = {name: _example(rng, spec) for name, spec in signature.structured_input_signature[1].items()}
    expected = signature(**{name: tf.constant(value) for name, value in inputs.items()})
    found = tf.lite.Interpreter(model_path=str(path)).get_signature_runner("serving_default")(**inputs)
    for name, tensor in expected.items():
        wanted = tensor.numpy()
        if not np.allclose(found[name], wanted, rtol=1e-3, atol=1e-3 * max(1.0, np.abs(wanted).max())):
            raise ValueError(
                "The LiteRT model's outputs differ from the model's by up to "
                f"{np.abs(found[name] - wanted).max():.3g}; it was not kept."
            )


def _example(rng: np.random.Generator, spec: tf.TensorSpec) -> np.ndarray:
    """One random example of an input; 0 and 1 where it is of integers, which may be ids."""
    shape = [1, *(size or 32 for size in spec.shape[1:])]
    values = rng.normal(size=shape) if spec.dtype.is_floating else rng.integers(0, 2, shape)
    return values.astype(spec.dtype.as_numpy_dtype)


FORMATS: dict[str, Callable[[keras.Model, pathlib.Path], None]] = {
    "saved_model": _saved_model,
    "keras": _keras,
    "litert": _litert,
}
