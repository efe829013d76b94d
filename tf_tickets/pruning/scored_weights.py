"""The weights of a model that are scored and pruned."""

import keras

from tf_tickets.layers import MaskedWeight, nothing_to_prune, prunable_weights


def weights_to_score(model: keras.Model) -> list[MaskedWeight]:
    """The model's prunable weights; refuses what is no model, or has none."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"Pruning takes a keras.Model. Received: {type(model).__name__}")
    weights = prunable_weights(model)
    if not weights:
        raise ValueError(nothing_to_prune(model))
    return weights
