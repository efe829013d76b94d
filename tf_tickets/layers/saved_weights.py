"""A model's weights without its masks: in memory, and in files that know of none."""

import contextlib
import os
from collections.abc import Iterator, Sequence

import keras
import numpy as np

from tf_tickets.layers.mask import Mask
from tf_tickets.layers.masked import Masked, stock_layers
from tf_tickets.layers.variables import value_of
from tf_tickets.layers.weights_file import check_weights_file


def stock_weights(model: keras.Model) -> list[keras.Variable]:
    """The model's weights without its masks: the variables of `model.get_weights()` before masking."""
    added = {
        id(variable)
        for layer in model._flatten_layers()
        if isinstance(layer, Masked)
        for variable in layer.added_variables.values()
    }
    return [weight for weight in model.weights if id(weight) not in added]


def stock_values(model: keras.Model) -> list[np.ndarray]:
    """Copies of the weights without masks, with what those hide: what `restore_weights` takes."""
    masks = {id(mask.weight): mask for mask in _masks(model)}
    return [
        masks[id(weight)].full_value() if id(weight) in masks else value_of(weight)
        for weight in stock_weights(model)
    ]


def hide_again(model: keras.Model) -> None:
    """Takes what the masks hide out of weights that were assigned as if there were no masks."""
    for mask in _masks(model):
        mask.set_full_value(value_of(mask.weight))


def restore_weights(model: keras.Model, weights: Sequence[np.ndarray] | str | os.PathLike) -> None:
    """Sets a model's weights, masked or not, to what they were when it had no masks. Masks stay.

    Args:
        model: a built Keras model.
        weights: arrays, as `model.get_weights()` gave them, or a Keras `.weights.h5` file.

    Raises:
        ValueError: the file is damaged, of another model, or not only of weights; names it. Some of the
            model's weights may be the file's then.
    """
    if isinstance(weights, (str, os.PathLike)):
        try:
            check_weights_file(weights)
            with stock_layers(model._flatten_layers()), _without_optimizer(model):
                model.load_weights(os.fspath(weights))
            hide_again(model)
        except Exception as error:  # of Keras, h5py and HDF5, each with errors of their own
            raise ValueError(f"{weights} does not hold weights of this model: {error}") from error
        return
    for variable, array in zip(stock_weights(model), weights, strict=True):
        variable.assign(array)
    hide_again(model)


def save_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Writes the weights to a Keras `.weights.h5` file as if the model had no masks, folded or not.

    Only the weights: Keras would write the optimizer's slots beside them.
    """
    with stock_layers(model._flatten_layers()), _without_optimizer(model):
        model.save_weights(os.fspath(path))


@contextlib.contextmanager
def _without_optimizer(model: keras.Model) -> Iterator[None]:
    optimizer = model.__dict__.pop("optimizer", None)
    try:
        yield
    finally:
        if optimizer is not None:
            model.__dict__["optimizer"] = optimizer


def _masks(model: keras.Model) -> list[Mask]:
    return [mask for x in model._flatten_layers() if isinstance(x, Masked) for mask in x.masks.values()]
