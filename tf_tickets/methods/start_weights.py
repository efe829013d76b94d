"""The weights that a retraining starts from: what the user gave, read and checked."""

import os
from collections.abc import Iterable, Sequence

import keras
import numpy as np

from tf_tickets.layers import restore_weights, stock_values, stock_weights
from tf_tickets.storage.user_paths import user_path


def start_weights(model: keras.Model, source: Sequence[np.ndarray] | str | os.PathLike) -> list[np.ndarray]:
    """The weights to go back to, as arrays that fit the model; the model keeps its own.

    Args:
        model: a built Keras model, masked or not.
        source: arrays, as `model.get_weights()` gave them before masking, or a `.weights.h5` file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: they are no weights of this model, or hold NaN or infinite values.
    """
    if isinstance(source, (str, os.PathLike)):
        source = user_path("init_weights=", source)
        if not os.path.isfile(source):
            raise FileNotFoundError(f"No weights file at {source}.")
        return _checked(model, _read_through(model, source))
    if not isinstance(source, Iterable):
        raise ValueError(f"init_weights= takes a list of arrays or a .weights.h5 file. Received: {source!r}")
    arrays = [np.array(array) for array in source]
    shapes = [tuple(weight.shape) for weight in stock_weights(model)]
    if shapes != [array.shape for array in arrays]:
        raise ValueError(
            f"init_weights= has {len(arrays)} arrays that do not fit the model's {len(shapes)} weights: take "
            "model.get_weights() before masking, or save_weights() to a .weights.h5 file."
        )
    return _checked(model, arrays)


def _checked(model: keras.Model, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The arrays, if a network can be trained from them."""
    for array, weight in zip(arrays, stock_weights(model), strict=True):
        # Other kinds are whole numbers, as states of random generators are; bfloat16 is one of none.
        if array.dtype.kind in "fV" and not np.isfinite(array.astype(np.float64)).all():
            raise ValueError(f"init_weights= has NaN or infinite values, those for {weight.path} among them.")
    return arrays


def _read_through(model: keras.Model, path: str | os.PathLike) -> list[np.ndarray]:
    """Arrays of a weights file. Only a model can read one, so this one does, and gets its own values back."""
    own = stock_values(model)
    try:
        restore_weights(model, path)
        return stock_values(model)
    except ValueError as error:
        raise ValueError(f"init_weights={error}") from error
    finally:
        restore_weights(model, own)
