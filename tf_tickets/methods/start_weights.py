"""The weights that a retraining starts from: what the user gave, read and checked."""

import os
from collections.abc import Iterable, Sequence

import keras
import numpy as np

from tf_tickets.layers import restore_weights, stock_values, stock_weights


def start_weights(model: keras.Model, source: Sequence[np.ndarray] | str | os.PathLike) -> list[np.ndarray]:
    """The weights to go back to, as arrays that fit the model; the model keeps its own.

    Args:
        model: a built Keras model, masked or not.
        source: arrays, as `model.get_weights()` gave them before masking, or a `.weights.h5` file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: they are no weights of this model.
    """
    if isinstance(source, (str, os.PathLike)):
        if not os.path.isfile(source):
            raise FileNotFoundError(f"No weights file at {source}.")
        return _read_through(model, source)
    if not isinstance(source, Iterable):
        raise ValueError(f"init_weights= takes a list of arrays or a .weights.h5 file. Received: {source!r}")
    arrays = [np.array(array) for array in source]
    shapes = [tuple(weight.shape) for weight in stock_weights(model)]
    if shapes != [array.shape for array in arrays]:
        raise ValueError(
            f"init_weights= has {len(arrays)} arrays that do not fit the model's {len(shapes)} weights: take "
            "model.get_weights() before masking, or save_weights() to a .weights.h5 file."
        )
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
