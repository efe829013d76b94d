"""The weights of a model that are scored and pruned."""

from typing import Any

import keras
import tensorflow as tf

from tf_tickets.layers import (
    MaskedWeight,
    check_model,
    leaves_open,
    note_inputs,
    nothing_to_prune,
    prunable_weights,
)


def weights_to_score(model: keras.Model, data: Any = None) -> list[MaskedWeight]:
    """The model's prunable weights; refuses what is no model, or has none.

    Args:
        model: a built Keras model.
        data: as a score takes it; shapes of its inputs are used where the model leaves its own open.
    """
    check_model(model, "Pruning takes")
    sample = _first_batch(data) if data is not None and leaves_open(model) else None
    if isinstance(sample, (tuple, list)) and sample:
        note_inputs(model, sample[0])
    weights = prunable_weights(model)
    if not weights:
        raise ValueError(nothing_to_prune(model))
    return weights


def _first_batch(data: Any) -> Any:
    """The first batch, or specs of it, where it can be seen without reading data that are read once."""
    if isinstance(data, tf.data.Dataset):
        return data.element_spec
    return data[0] if isinstance(data, list) and data else data
