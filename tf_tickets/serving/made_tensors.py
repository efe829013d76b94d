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
        make: gives them.
    """

    def __init__(self, name: str, dtype: tf.DType, make: Callable[[], Sequence[tf.Tensor]]) -> None:
        super().__init__()
        self._name, self._dtype, self._make = name, dtype, make

    def _create_resource(self) -> tf.Tensor:
        return tf.raw_ops.VarHandleOp(dtype=tf.variant, shape=[], shared_name=self._name)

    def _initialize(self) -> None:
        items = self._make()
        # Not a stack: their shapes differ, and TensorFlow breaks stacks of one variant.
        found = tf.raw_ops.TensorListReserve(
            element_shape=-1, num_elements=len(items), element_dtype=self._dtype
        )
        for position, item in enumerate(items):
            found = tf.raw_ops.TensorListSetItem(input_handle=found, index=position, item=item)
        tf.raw_ops.AssignVariableOp(resource=self.resource_handle, value=found)

    def _destroy_resource(self) -> None:
        tf.raw_ops.DestroyResourceOp(resource=self.resource_handle, ignore_lookup_error=True)

    def item(self, position: int, shape: Sequence[int]) -> tf.Tensor:
        """One of the tensors, in a graph."""
        made = tf.raw_ops.ReadVariableOp(resource=self.resource_handle, dtype=tf.variant)
        return tf.raw_ops.TensorListGetItem(
            input_handle=made, index=position, element_shape=shape, element_dtype=self._dtype
        )
