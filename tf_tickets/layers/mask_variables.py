"""The mask variables of a layer: created, put beside their weights, and taken away."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tf_tickets.layers.mask import Mask
from tf_tickets.layers.maskable import mask_name
from tf_tickets.layers.parametrization import detach_parametrization, effective_value
from tf_tickets.layers.regularizers import unwrap_regularizers, wrap_regularizers
from tf_tickets.layers.variables import scope_of, unlocked, value_of


def add_masks(layer: keras.Layer, attributes: tuple[str, ...]) -> None:
    """Creates an all-true mask beside each of the layer's weights named (layer of a `Masked` class)."""
    for attribute in attributes:
        weight = layer.__dict__[attribute]
        # Under tf.distribute a mask must be mirrored wherever its weight is.
        with unlocked(layer), scope_of(weight):
            mask = layer.add_weight(
                name=mask_name(attribute),
                shape=weight.shape,
                dtype="bool",
                initializer="ones",
                trainable=False,
            )
        attach_mask(layer, attribute, Mask.of(mask, weight))


def attach_mask(layer: keras.Layer, attribute: str, mask: keras.Variable) -> None:
    """Puts a mask variable beside the layer's weight (layer of a `Masked` class)."""
    with unlocked(layer):
        setattr(layer, mask_name(attribute), mask)
    wrap_regularizers(layer.__dict__[attribute], mask)


def take_mask_from(mask: Mask, other: keras.Variable | None) -> None:
    """Sets a mask that was just created to the value of another of its shape; to nothing new without one."""
    if other is None or other.shape != mask.shape:
        return
    with tf.init_scope():
        value = value_of(other)
    if mask._value is None:
        # Keras creates the variables later: those of layers that are built while a model is traced.
        mask._initializer = lambda shape, dtype: tf.constant(value, dtype)
    else:
        with tf.init_scope():  # a layer may be built where a function is traced
            mask.set(value)
            mask.forget()


def remove_masks(layer: keras.Layer) -> None:
    """Bakes the zeros into the weights, removes the masks and gives the layer its stock class."""
    drop_masks(layer, list(layer.masks))
    layer.__dict__.pop("_written", None)
    object.__setattr__(layer, "__class__", type(layer).stock)


def drop_masks(layer: keras.Layer, attributes: Sequence[str]) -> None:
    """Bakes the zeros into the weights named and removes their masks."""
    for attribute in attributes:
        mask = layer.masks[attribute]
        weight = layer.__dict__[attribute]
        weight.assign(effective_value(layer, attribute))
        detach_parametrization(layer, attribute)
        unwrap_regularizers(weight)
        layer._untrack_variable(mask)
        # Past keras.Layer.__delattr__, which collects garbage after every variable.
        super(keras.Layer, layer).__delattr__(mask_name(attribute))
