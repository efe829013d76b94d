"""The weights of a model that are scored and pruned."""

from typing import Any

import keras
import tensorflow as tf

from tf_tickets.layers import (
    MaskedWeight,
    check_model,
    leaves_open,
    left_alone,
    note_inputs,
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
        reasons = [f"{path}: {reason}" for path, reason in left_alone(model)]
        raise ValueError(
            f"Model '{model.name}' has nothing to prune: no convolution or dense kernel that can be masked. "
            + "; ".join(reasons[:5] + ([f"{len(reasons) - 5} more"] if len(reasons) > 5 else []))
        )
    return weights


def _first_batch(data: Any) -> Any:
    """The first batch, or specs of it, where it can be seen without reading data that are read once."""
    if isinstance(data, tf.data.Dataset):
        return data.element_spec
    return data[0] if isinstance(data, list) and data else data
