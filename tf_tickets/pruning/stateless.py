"""A model as a function of its weights: called in a precision and with given values, and no state changes."""

import contextlib
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from tf_tickets.layers import MaskedWeight, computing_in, fresh_functions, kept_losses

Values = Sequence[tf.Tensor]


@contextlib.contextmanager
def stateless_in(
    model: keras.Model,
    precision: str,
    weights: Sequence[MaskedWeight],
    values: Values,
    others: Mapping[int, tf.Tensor] = types.MappingProxyType({}),
) -> Iterator[None]:
    """For the duration, the model computes in a precision, with these weights, and no state changes.

    Args:
        model: a built model.
        precision: a float dtype.
        weights: its prunable weights.
        values: tensors in their place, of any float dtype.
        others: values of other variables, by the variable's `id`.

    Raises:
        ValueError: a weight was not read, so that nothing depends on its value.
    """
    scope = _Recorder(weights)
    # Past the constructor, which would round the values to the variables' dtype.
    scope.state_mapping |= others
    scope.state_mapping |= {id(entry.weight): value for entry, value in zip(weights, values, strict=True)}
    with fresh_functions(model), kept_losses(model), computing_in(model, precision), scope:
        yield
    if scope.unread:
        raise ValueError(
            f"Model '{model.name}' reads {', '.join(sorted(scope.unread.values()))} only inside a "
            "tf.function traced before, where other values cannot be tried. Take tf.function off what "
            "the model calls, or make the whole `call` of a layer the tf.function."
        )


@contextlib.contextmanager
def functions_run(eagerly: bool) -> Iterator[None]:
    """For the duration, every `tf.function` runs step by step, or none does, whatever the user has chosen."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(eagerly)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def precision_of(weights: Sequence[MaskedWeight]) -> str:
    """The dtype to differentiate in: the widest of the weights', and at least float32."""
    return keras.backend.result_type("float32", *(entry.weight.dtype for entry in weights))


class _Recorder(keras.StatelessScope):
    """Names of the weights that nobody has read."""

    def __init__(self, weights: Sequence[MaskedWeight]):
        super().__init__(initialize_variables=False)
        self.unread = {id(entry.weight): entry.name for entry in weights}

    def get_current_value(self, variable: keras.Variable) -> Any:
        self.unread.pop(id(variable), None)
        return super().get_current_value(variable)
