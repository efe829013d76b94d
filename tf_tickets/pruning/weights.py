"""The weights of a model that are scored and pruned."""

import keras

from tf_tickets.layers import MaskedWeight, passed_over, prunable_weights


def weights_to_score(model: keras.Model) -> list[MaskedWeight]:
    """The model's prunable weights; refuses what is no model, or has none."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"Pruning takes a keras.Model. Received: {type(model).__name__}")
    weights = prunable_weights(model)
    if not weights:
        reason = passed_over(model).warning
        raise ValueError(
            f"Model '{model.name}' has nothing to prune: no kernel of a convolution, dense or recurrent "
            "layer." + (f" {reason}." if reason else "")
        )
    return weights
