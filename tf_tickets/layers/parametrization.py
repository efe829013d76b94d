"""How a masked layer computes with a weight: the masked weight, or what a parametrization makes of it."""

from collections.abc import Mapping
from types import MappingProxyType

import keras
import tensorflow as tf

from tf_tickets.layers.maskable import mask_name
from tf_tickets.layers.variables import unlocked


class Parametrization:
    """How a masked layer computes with a weight, where that is more than hiding what is masked.

    A subclass says what the effective weight is; outside of the mask it is zero. Variables of its own belong
    to the layer while it is attached (`attach_parametrization`), are trained with the layer and saved with
    it, and are gone when the model is folded, which bakes the effective weight in.

    Attributes:
        variables: Keras variables by name.
    """

    variables: Mapping[str, keras.Variable] = MappingProxyType({})

    def __call__(self, weight: keras.Variable, mask: keras.Variable) -> tf.Tensor:
        """The effective weight, in the dtype of the running computation."""
        raise NotImplementedError

    def effective_mask(self, weight: keras.Variable, mask: keras.Variable) -> tf.Tensor:
        """Bool, where the effective weight takes part in the network: the mask, or less."""
        return tf.convert_to_tensor(mask.value)

    def attached(self, weight: keras.Variable) -> None:
        """Called when a layer gets the parametrization."""

    def detached(self, weight: keras.Variable) -> None:
        """Called when a layer is folded or gets another parametrization, to take back what `attached` did."""


def attach_parametrization(layer: keras.Layer, attribute: str, parametrization: Parametrization) -> None:
    """Makes a masked layer compute with what `parametrization` makes of the weight, instead of any before.

    What was traced of the model goes on with the one before: renew it by `forget_traces`.
    """
    detach_parametrization(layer, attribute)
    # Past Keras's tracking of attributes: one without variables leaves no trace in the layer's weights.
    layer.__dict__[parametrization_name(attribute)] = parametrization
    with unlocked(layer):
        for variable in parametrization.variables.values():
            layer._track_variable(variable)
    parametrization.attached(layer.__dict__[attribute])


def detach_parametrization(layer: keras.Layer, attribute: str) -> None:
    """Makes a masked layer compute again with the weight where its mask is true."""
    parametrization = layer.__dict__.pop(parametrization_name(attribute), None)
    if parametrization is None:
        return
    for variable in parametrization.variables.values():
        layer._untrack_variable(variable)
    parametrization.detached(layer.__dict__[attribute])


def effective_value(layer: keras.Layer, attribute: str) -> tf.Tensor:
    """What a masked layer computes with: the masked weight, or what its parametrization makes of it."""
    parametrization = layer.__dict__.get(parametrization_name(attribute), masked_value)
    return parametrization(layer.__dict__[attribute], layer.__dict__[mask_name(attribute)])


def masked_value(weight: keras.Variable, mask: keras.Variable) -> tf.Tensor:
    """The weight where `mask` is true and zero elsewhere, in the dtype of the running computation."""
    value = tf.convert_to_tensor(weight)
    return tf.where(mask.value, value, tf.zeros_like(value))


def parametrization_name(attribute: str) -> str:
    """Name under which a layer keeps that of a weight attribute: `_kernel` -> `kernel_parametrization`."""
    return f"{attribute.lstrip('_')}_parametrization"


def saved_name(attribute: str, variable: str) -> str:
    """Name under which files hold a variable of a parametrization: `_kernel`, `x` -> `kernel_reading_x`.

    The middle word is that of the first files, which go on to be read.
    """
    return f"{attribute.lstrip('_')}_reading_{variable}"
