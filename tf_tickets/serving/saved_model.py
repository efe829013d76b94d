"""SavedModels of pruned models: packed weights, and what Keras's own export offers under the same names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.export.export_utils import get_input_signature, make_tf_tensor_spec

from tf_tickets.serving.served import outputs_of
from tf_tickets.serving.stored_weights import ReadingPacked, StoredWeights

ENDPOINT = "serve"
DEFAULT = "serving_default"  # which signature TensorFlow Serving takes where none is named


class NotItsWeightsAlone(Exception):
    """What a model computes with is more than its weights: a table of words, a state that it changes."""


def save(model: keras.Model, path: str | os.PathLike, plan: Mapping[str, str]) -> None:
    """Writes a model as a SavedModel with the endpoint `serve`.

    What `tf.saved_model.load` gives has `variables`, those that are stored as they are, and `packed`, all
    other weights without their zeros (see `stored_weights.PackedWeights`).

    Args:
        model: built, of stock layers, its zeros baked in.
        path: of the folder.
        plan: name of a layer in `compaction.graph` -> name in `KERNELS`.

    Raises:
        NotItsWeightsAlone: nothing is written.
    """
    weights = StoredWeights(model)
    signature = keras.tree.map_structure(make_tf_tensor_spec, get_input_signature(model))
    function = traced(lambda scope, *inputs: outputs_of(model, scope, plan, inputs), weights, signature)
    save_functions({ENDPOINT: function, DEFAULT: function}, weights, path)


def traced(call: Callable, weights: StoredWeights, signature: Sequence[Any]) -> Any:
    """A function that computes with stored weights; it is traced when it is saved.

    Args:
        call: takes the scope that it is called in and tensors.
        weights: stored.
        signature: of the function, a list of tensor specifications or structures of them.
    """
    known = set(map(id, weights.handles))

    def serve(*inputs: Any) -> Any:
        with ReadingPacked(weights) as scope:
            outputs = call(scope, *inputs)
        if scope.wrote or {id(x) for x, _ in tf.compat.v1.get_default_graph().captures} - known:
            raise NotItsWeightsAlone
        return outputs

    return tf.function(serve, input_signature=signature, autograph=False)


def save_functions(functions: Mapping[str, Any], weights: StoredWeights, path: str | os.PathLike) -> None:
    """Writes functions that `traced` gave, each a signature, as one SavedModel; the first is an endpoint.

    Raises:
        NotItsWeightsAlone: see `save`.
    """
    root = tf.__internal__.tracking.AutoTrackable()
    root.variables, root.packed, root.made = weights.plain, weights.packed, weights.made
    name, function = next(iter(functions.items()))
    setattr(root, name, function)
    # They are traced in there, once: before, they would be traced, and stored, for a second time.
    tf.saved_model.save(root, os.fspath(path), signatures=dict(functions))
