"""SynFlow: synaptic flow through the network, without data."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import (
    MaskedWeight,
    example_inputs,
    ones,
    open_lengths,
    own_precision_where_needed,
    prunable_weights,
    unfused,
    wrapped_calls,
)
from tf_tickets.pruning.activations import linear_activations
from tf_tickets.pruning.logits import logits_of
from tf_tickets.pruning.recurrent_flow import summed_gates, two_steps
from tf_tickets.pruning.stateless import functions_run, stateless_in
from tf_tickets.pruning.trace_cache import kept_trace

Arrays = list[np.ndarray]

# The identity where all is positive, but for a maximum; and what brings raw images to the numbers that a
# network works with, which may be below zero.
PASSED = (keras.layers.ReLU, keras.layers.Rescaling, keras.layers.Normalization)


def synflow(model: keras.Model, batches: Any, rng: np.random.Generator) -> Arrays:
    """|w dR/dw|, R the sum of the outputs for inputs of one, every parameter replaced by its absolute value.

    No data is used. What flows is positive, where a ReLU is the identity; every other activation that is zero
    at zero is taken to be so too, as one that saturates would stop the flow. Layers that preprocess images
    pass the ones on, and a softmax or sigmoid at the end is left out. In float64: R is a product over all
    layers, which float32 cannot hold. (A call of the user's own that works in float32 alone is given that.)

    A recurrent layer is looked at over two steps, whatever the length of the sequence: each place takes its
    input, and the state that the input before it alone leads to. So a path crosses the recurrent kernel once
    at most. The gates of LSTM, GRU and ConvLSTM are added up: each takes in its part of the flow, and none
    stops or multiplies it. A cell of the user's own is called as it is, its `activation` linear.

    Pruning by this score takes 100 rounds unless `rounds=` says otherwise; one round alone tends to remove
    whole layers. Many rounds keep every layer of a network whose layers come in a row. Queries and keys of
    attention, and the gates of squeeze-and-excitation, get next to no flow and are lost: pass `min_keep=`, or
    leave them alone (`mask_layers(exclude=...)`).

    Args:
        model: a built model.
        batches: not used.
        rng: not used.

    Reference: Tanaka et al., 2020, "Pruning neural networks without any data by iteratively conserving
    synaptic flow", eq. 4 and algorithm 1.
    """
    return kept_trace(_SynapticFlow, model, prunable_weights(model)).scores()


class _SynapticFlow:
    """R and its gradient, traced once."""

    def __init__(self, model: keras.Model, weights: Sequence[MaskedWeight]):
        self.model = model
        self.weights = weights
        self._traced: Callable[[], list[tf.Tensor]] | None = None

    def scores(self) -> Arrays:
        """The scores of the weights under the masks as they are now.

        Raises:
            ValueError: the model cannot be called on ones, or the scores are beyond float64.
        """
        found = self._first() if self._traced is None else self._traced()
        arrays = [array.numpy() for array in found]
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError(
                f"SynFlow's score of model '{self.model.name}' is beyond float64: activations grow too fast."
            )
        return arrays

    def _first(self) -> list[tf.Tensor]:
        failures = []
        for length in open_lengths(self.model):
            try:
                with functions_run(eagerly=False), _flowing(self.model):
                    traced = tf.function(self._scores, autograph=False).get_concrete_function(length)
                found = traced()
            except (tf.errors.ResourceExhaustedError, MemoryError):
                raise
            except Exception as error:  # of TensorFlow, or whatever a model's own call raises
                failures.append(error)
            else:
                self._traced = traced
                return found
        if isinstance(failures[0], ValueError):
            raise failures[0]
        raise ValueError(
            f"SynFlow calls a model on an input of ones, and model '{self.model.name}' cannot be called so: "
            f"{type(failures[0]).__name__}: {failures[0]}"
        ) from failures[0]

    def _scores(self, length: int) -> list[tf.Tensor]:
        absolute = {
            id(variable): tf.abs(tf.cast(tf.convert_to_tensor(variable), "float64"))
            for variable in self.model.variables
            if tf.as_dtype(variable.dtype).is_floating
        }
        values = [absolute[id(entry.weight)] for entry in self.weights]
        args, kwargs = example_inputs(self.model, ones, open_length=length)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            with stateless_in(self.model, "float64", self.weights, values, absolute):
                outputs = self.model(*args, training=False, **kwargs)
            # A softmax at the end would make R the number of outputs, whatever the weights.
            logits = [logits_of(x)[0] for x in tf.nest.flatten(outputs) if x.dtype.is_floating]
            flow = tf.add_n([tf.reduce_sum(tf.cast(x, "float64")) for x in logits])
        gradient = tape.gradient(flow, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [tf.abs(w * g) for w, g in zip(values, gradient, strict=True)]


@contextlib.contextmanager
def _flowing(model: keras.Model) -> Iterator[None]:
    """For the duration, calls are those of `_flow`, and activations that are zero at zero the identity."""
    layers = model._flatten_layers()
    with (
        linear_activations(layers),
        unfused(layers),
        wrapped_calls(layers, _flow),
        own_precision_where_needed(model),
    ):
        yield


def _flow(layer: keras.Layer, call: Callable) -> Callable:
    """What stands in for the call of a layer."""
    if isinstance(layer, PASSED):
        return lambda inputs: tf.cast(inputs, layer.compute_dtype)
    if isinstance(layer, keras.layers.MaxPooling3D):
        return _axis_by_axis(layer)
    if isinstance(layer, keras.layers.RNN):
        return two_steps(layer, call)
    return summed_gates(layer, call) or call


def _axis_by_axis(layer: Any) -> Callable:
    """Max pooling of volumes as two of planes: TensorFlow has none of volumes in float64."""

    def pool(inputs: tf.Tensor) -> tf.Tensor:
        first = layer.data_format == "channels_first"
        x = tf.transpose(inputs, (0, 2, 3, 4, 1)) if first else inputs
        padding, size, strides = layer.padding.upper(), layer.pool_size, layer.strides
        count, depth, height, width, channels = x.shape
        planes = tf.reshape(x, (count * depth, height, width, channels))
        planes = tf.nn.max_pool2d(planes, size[1:], strides[1:], padding)
        _, height, width, _ = planes.shape
        columns = tf.reshape(planes, (count, depth, height * width, channels))
        columns = tf.nn.max_pool2d(columns, (size[0], 1), (strides[0], 1), padding)
        x = tf.reshape(columns, (count, columns.shape[1], height, width, channels))
        return tf.transpose(x, (0, 4, 1, 2, 3)) if first else x

    return pool
