"""Why no weight of a model can be masked, and what to do about it."""

import keras

from tf_tickets.layers.forward_order import sort_weights
from tf_tickets.layers.mask_selection import Selection, select_weights

MOST_NAMES = 3

# What to do, by a part of the reason why a layer is left alone.
REMEDIES = {
    "LoRA is enabled": "model.save_weights(path) writes kernels with their adapters merged: load it into a "
    "model without LoRA, and prune that.",
    "quantized": "Prune the float model, fold it, and quantize then.",
    "its call was replaced": "Take back what replaced the call, and prune before it is put there.",
    "not built": "Call the model on a batch of data first.",
    "not included": "Choose other layers by include=.",
    "excluded": "Choose other layers by exclude=.",
    "only where include= names it": "Name it by mask_layers(model, include=...) first.",
    "has no maskable weight": "Name the weights of a layer of your own by register_maskable.",
    "outside its layer's call": "Read the weight in the call of the layer that owns it.",
}


def nothing_to_prune(
    model: keras.Model, include: Selection | None = None, exclude: Selection | None = None
) -> str:
    """The message for a model of which no weight can be masked: each reason, where it holds, what to do.

    Args:
        model: a built Keras model.
        include: which layers were to be masked, as in `mask_layers`.
        exclude: which were not.
    """
    selected = select_weights(model, include, exclude)
    left_alone = selected.left_alone + sort_weights(model, selected.chosen)[1]
    paths: dict[str, list[str]] = {}
    for path, reason in left_alone:
        paths.setdefault(reason, []).append(path)
    message = f"Model '{model.name}' has nothing to prune: no convolution, dense or recurrent kernel"
    if not paths:
        return f"{message}, nor any other weight."
    reasons = "; ".join(f"{_listed(names)}: {reason}" for reason, names in paths.items())
    advice = [text for part, text in REMEDIES.items() if any(part in reason for reason in paths)]
    return " ".join([f"{message} that can be masked. Left alone: {reasons}.", *advice])


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
