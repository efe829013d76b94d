"""The weights of a model as a SavedModel holds them: packed where that is smaller, each once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.serving.convolution import Convolution
from tf_tickets.serving.made_tensors import Made
from tf_tickets.serving.packed_arrays import Packed, pack, positions_in, unpacked
from tf_tickets.serving.sparse_convolution import matrix, matrix_numbers


class PackedWeights(tf.Module):
    """All weights of a model that are packed, one after the other.

    A SavedModel that was loaded has these attributes, too.

    Attributes:
        values: float32 variable, values that are not zero.
        gaps: uint8 variable; see `packed_arrays.Packed`. They begin anew with each weight.
        counts: int64 variable `(weights,)`, how many of the values each weight has.
        shapes: int64 variable `(weights, axes)`, the shape of each weight; zeros stand before a shorter one.
    """

    def __init__(self, packed: list[Packed]) -> None:
        super().__init__()
        longest = max((len(one.shape) for one in packed), default=0)
        shapes = [[0] * (longest - len(one.shape)) + list(one.shape) for one in packed]
        arrays = {
            "values": np.concatenate([np.zeros(0, np.float32), *(one.values for one in packed)]),
            "gaps": np.concatenate([np.zeros(0, np.uint8), *(one.gaps for one in packed)]),
            "counts": np.array([len(one.values) for one in packed], np.int64),
            "shapes": np.array(shapes, np.int64).reshape(len(packed), longest),
        }
        for name, array in arrays.items():
            setattr(self, name, tf.Variable(array, trainable=False, name=f"packed/{name}"))


class StoredWeights:
    """Which weights are packed, and what stands for them in a graph.

    Attributes:
        packed: all that are.
        plain: variables that are stored as they are.
        made: what loaders make of those that are packed.
        handles: all that a graph of the weights may refer to.

    Args:
        model: built, of stock layers, its zeros baked in.
    """

    def __init__(self, model: keras.Model) -> None:
        variables = list({id(variable): variable for variable in model.variables}.values())
        found: dict[int, Packed] = {}
        for variable in variables:
            # Zeros of integers are not those of pruning; of a bias, a few bytes at most could be saved.
            if variable.dtype == "float32" and len(variable.shape) > 1:
                packed = pack(np.asarray(variable))
                if packed.is_smaller:
                    found[id(variable)] = packed
        self._variables = variables  # whose ids must stay theirs
        self._bounds: dict[int, list[int]] = {}
        of_values = of_gaps = 0
        for key, one in found.items():
            self._bounds[key] = [of_values, len(one.values), of_gaps, len(one.gaps)]
            of_values, of_gaps = of_values + len(one.values), of_gaps + len(one.gaps)
        self.packed = PackedWeights(list(found.values()))
        self.plain = [variable.value for variable in variables if id(variable) not in found]
        # Which are wanted in what form, and in which order: known when a graph was traced.
        self._arrays: dict[int, int] = {}
        self._matrices: dict[tuple[int, tuple[int, ...]], int] = {}
        self.made = [
            Made("tf_tickets/arrays", tf.float32, self._make_arrays),
            Made("tf_tickets/matrices", tf.variant, self._make_matrices),
        ]
        # All that a graph of these weights may refer to. What is made gets its handle now, outside of any.
        self.handles = [made.resource_handle for made in self.made]
        for variable in self.plain:  # of a strategy, there is one for each device
            parts = variable.values if isinstance(variable, tf.distribute.DistributedValues) else [variable]
            self.handles += [part.handle for part in parts]

    def is_packed(self, variable: Any) -> bool:
        """Whether a variable is."""
        return id(variable) in self._bounds

    def array(self, variable: Any) -> tf.Tensor:
        """A packed variable with its zeros, in a graph."""
        position = self._arrays.setdefault(id(variable), len(self._arrays))
        return self.made[0].item(position, variable.shape)

    def matrix(self, variable: Any, convolution: Convolution, unrolled: int) -> tf.Tensor:
        """A packed variable as a sparse matrix, in a graph; arguments as for `ReadingPacked.matrix`."""
        key = (id(variable), tuple(matrix_numbers(convolution, unrolled)))
        return self.made[1].item(self._matrices.setdefault(key, len(self._matrices)), ())

    def _make_arrays(self) -> list[tf.Tensor]:
        shapes = {id(variable): tuple(variable.shape) for variable in self._variables}
        return self._make(_array, [(key, shapes[key]) for key in self._arrays])

    def _make_matrices(self) -> list[tf.Tensor]:
        return self._make(_matrix, list(self._matrices))

    def _make(self, function: Callable, keys: list[tuple[int, tuple[int, ...]]]) -> list[tf.Tensor]:
        values, gaps = self.packed.values.value(), self.packed.gaps.value()
        return [
            function(values, gaps, tf.constant([*self._bounds[key], *numbers], tf.int64))
            for key, numbers in keys
        ]


# One graph of each for all weights: a file holds it once. Numbers begin with the bounds of the weight.
_SIGNATURE = [
    tf.TensorSpec([None], tf.float32),
    tf.TensorSpec([None], tf.uint8),
    tf.TensorSpec([None], tf.int64),
]


@tf.function(autograph=False, input_signature=_SIGNATURE, experimental_attributes={"_noinline": True})
def _array(values: tf.Tensor, gaps: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    return unpacked(*_parts(values, gaps, numbers), numbers[4:])


@tf.function(autograph=False, input_signature=_SIGNATURE, experimental_attributes={"_noinline": True})
def _matrix(values: tf.Tensor, gaps: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    return matrix(*_parts(values, gaps, numbers), numbers[4:])


def _parts(values: tf.Tensor, gaps: tf.Tensor, numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Values of one weight, and their positions."""
    parts = [
        tf.slice(all_, numbers[i : i + 1], numbers[i + 1 : i + 2]) for i, all_ in ((0, values), (2, gaps))
    ]
    return parts[0], positions_in(parts[1])


class ReadingPacked(keras.StatelessScope):
    """A scope, of one graph, in which packed variables have their arrays when a layer asks for them.

    Attributes:
        wrote: whether something in the scope has written to a variable. What it wrote is lost.
    """

    def __init__(self, weights: StoredWeights) -> None:
        super().__init__()
        self._weights = weights
        self._graph = tf.compat.v1.get_default_graph()
        self.wrote = False
        self._read: dict[int, tf.Tensor] = {}
        self._empty: tf.Tensor | None = None

    def add_update(self, update: tuple) -> None:
        self.wrote = True
        super().add_update(update)

    def get_current_value(self, variable: Any) -> Any:
        found = super().get_current_value(variable)
        if found is None and self._weights.is_packed(variable):
            if id(variable) not in self._read:
                # A layer may ask in a graph of its own: that of a loop, or of what XLA compiles.
                with self._graph.as_default():
                    self._read[id(variable)] = self._weights.array(variable)
            found = self._read[id(variable)]
        return found

    def matrix(self, variable: Any, convolution: Convolution, unrolled: int) -> tf.Tensor:
        """A packed variable as a sparse matrix, a variant.

        Args:
            variable: the kernel.
            convolution: that it is the kernel of.
            unrolled: see `sparse_convolution`.
        """
        if self._empty is None:
            self._empty = _empty_matrix()
        # What is read of a list has lost what it is a variant of, and the product of it cannot be saved. In a
        # stack with another sparse matrix it has that matrix's type.
        return tf.stack([self._weights.matrix(variable, convolution, unrolled), self._empty])[0]


def _empty_matrix() -> tf.Tensor:
    """A sparse matrix of a shape that a graph does not know, so that it may stand for any."""
    shape = tf.fill(tf.raw_ops.PlaceholderWithDefault(input=[2], shape=[None]), tf.constant(1, tf.int64))
    return tf.raw_ops.SparseTensorToCSRSparseMatrix(
        indices=tf.zeros([0, 2], tf.int64), values=tf.zeros([0], tf.float32), dense_shape=shape
    )
