"""Weights that can get a parametrization: those of masked layers that have none."""

import keras

from tf_tickets.layers import MaskedWeight, mask_layers, nothing_to_prune


def unparametrized_weights(model: keras.Model, what: str) -> list[MaskedWeight]:
    """The model's masked weights, in forward order; layers without masks get all-true ones.

    Args:
        model: any built Keras model.
        what: is to get parametrizations, for messages.

    Raises:
        ValueError: there is nothing to prune, or a weight has a parametrization already.
    """
    entries = mask_layers(model).masked
    if not entries:
        raise ValueError(f"{what}: {nothing_to_prune(model)}")
    for entry in entries:
        known = entry.layer.parametrizations.get(entry.attribute)
        if known is not None:
            raise ValueError(
                f"{entry.name} is computed by {type(known).__name__} already. Call tf_tickets.fold(model) "
                f"before {what}."
            )
    return entries
