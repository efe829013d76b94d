"""Tiny networks to prune, and their state in plain arrays."""

import keras
import numpy as np

import tf_tickets as tt
from tf_tickets.layers import prunable_weights, stock_values


def functional(sizes=(6, 8, 5, 3), seed=0, **arguments) -> keras.Model:
    """Dense layers with biases in a row, one after each size but the first."""
    inputs = x = keras.Input((sizes[0],))
    for position, size in enumerate(sizes[1:]):
        x = dense(size, seed + position, **arguments)(x)
    return keras.Model(inputs, x)


def sequential(sizes=(6, 8, 5, 3), seed=0) -> keras.Model:
    """The same as a Sequential model."""
    layers = [dense(size, seed + position) for position, size in enumerate(sizes[1:])]
    return keras.Sequential([keras.Input((sizes[0],)), *layers])


def convolutional(seed=0) -> keras.Model:
    """Two convolutions with batch normalization between, and a classifier."""
    inputs = x = keras.Input((5, 5, 2))
    x = keras.layers.Conv2D(4, 3, kernel_initializer=drawn(seed), use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Conv2D(6, 2, kernel_initializer=drawn(seed + 1), activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, dense(3, seed + 2)(x))


def dense(size, seed, **arguments) -> keras.layers.Layer:
    return keras.layers.Dense(size, kernel_initializer=drawn(seed), bias_initializer=drawn(seed), **arguments)


def drawn(seed) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.3, seed=seed)


def examples(model, count=6, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Inputs for a model and integer labels, every class of its outputs in turn."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, *model.input_shape[1:])).astype("float32")
    return x, np.sort(np.arange(count) % model.output_shape[-1])


def kernels(model) -> list[np.ndarray]:
    """All values of the prunable weights, masked or not, in forward order."""
    return [entry.weight.numpy() for entry in prunable_weights(model)]


def masks(model) -> list[np.ndarray]:
    """The masks that the model carries."""
    return [entry.mask.numpy() for entry in tt.masked_weights(model)]


def values(model) -> list[np.ndarray]:
    """All weights but the masks, with what those hide."""
    return stock_values(model)


def state(model) -> dict:
    """Everything that pruning could change: values, masks, layer classes, the optimizer."""
    optimizer = getattr(model, "optimizer", None)
    return {
        "values": values(model),
        "masks": masks(model),
        "classes": [type(layer) for layer in model._flatten_layers()],
        "optimizer": [] if optimizer is None else [variable.numpy() for variable in optimizer.variables],
    }


def forgotten(optimizer: list[np.ndarray], masks) -> list[np.ndarray]:
    """An optimizer's state with zeros where masks hide the weight; shapes of masked weights are their own."""
    by_shape = {mask.shape: mask for mask in masks}
    return [np.where(by_shape[a.shape], a, 0) if a.shape in by_shape else a for a in optimizer]


def assert_same(one, other) -> None:
    """Equal to the last bit, for arrays, lists of arrays and states."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other


def magnitudes(model, batches, rng) -> list[np.ndarray]:
    """A score of a user's own."""
    return [np.abs(kernel) for kernel in kernels(model)]
