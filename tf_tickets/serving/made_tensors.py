"""Tensors that a SavedModel makes once, when it is loaded, out of what is in the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf


class Made(tf.saved_model.experimental.TrackableResource):
    """A list of tensors of any shapes, which loaders of SavedModels make before the first call.

    It is one resource for all weights, since each takes a loader as long as a small model does. The process
    that writes the file never makes it. Loaders give what they load names of its own, so that two models do
    not meet in one process.

    Args:
        name: unique in the model.
        dtype: of the tensors.
        make: (numbers) -> one of the tensors.
        rows: the numbers of each, lists of one length; asked for when all are known.
    """

    def __init__(
        self,
        name: str,
        dtype: tf.DType,
        make: Callable[[tf.Tensor], tf.Tensor],
        rows: Callable[[], Sequence[Sequence[int]]],
    ) -> None:
        super().__init__()
        self._name, self._dtype, self._make, self._rows = name, dtype, make, rows

    def _create_resource(self) -> tf.Tensor:
        return tf.raw_ops.VarHandleOp(dtype=tf.variant, shape=[], shared_name=self._name)

    def _initialize(self) -> None:
        rows = self._rows()
        numbers = tf.constant(rows, tf.int64, [len(rows), len(rows[0]) if rows else 0])
        # Not a stack: their shapes differ, and TensorFlow breaks stacks of one variant.
        found = tf.raw_ops.TensorListReserve(
            element_shape=-1, num_elements=len(rows), element_dtype=self._dtype
        )
        # A loop: a graph that is a hundred times as long would be written, and optimized when it is loaded.
        if rows:
            _, found = tf.while_loop(
                lambda i, _: i < len(rows),
                lambda i, found: (
                    i + 1,
                    tf.raw_ops.TensorListSetItem(input_handle=found, index=i, item=self._make(numbers[i])),
                ),
                (0, found),
                parallel_iterations=1,
            )
        tf.raw_ops.AssignVariableOp(resource=self.resource_handle, value=found)

    def _destroy_resource(self) -> None:
        tf.raw_ops.DestroyResourceOp(resource=self.resource_handle, ignore_lookup_error=True)

    def item(self, position: int, shape: Sequence[int]) -> tf.Tensor:
        """One of the tensors, in a graph."""
        made = tf.raw_ops.ReadVariableOp(resource=self.resource_handle, dtype=tf.variant)
        return tf.raw_ops.TensorListGetItem(
            input_handle=made, index=position, element_shape=shape, element_dtype=self._dtype
        )
