"""Taking a model's masks away again: for good, with the zeros baked in, or for a while."""

import contextlib
from collections.abc import Iterator

import keras
import numpy as np

from tf_tickets.layers.batch_normalization import BatchNormalization
from tf_tickets.layers.mask_holder import MaskHolder, release_holders
from tf_tickets.layers.mask_variables import remove_masks
from tf_tickets.layers.masked import Masked, give_mask
from tf_tickets.layers.masked_weight import MaskedWeight, masked_weights
from tf_tickets.layers.masking import mask_layers
from tf_tickets.layers.model_check import check_model
from tf_tickets.layers.optimizer_reset import replace_optimizer
from tf_tickets.layers.parametrization import attach_parametrization
from tf_tickets.layers.retracing import forget_traces, kept_functions, models_in
from tf_tickets.layers.variables import value_of

# Layers of ours that `fold` turns into what Keras ships, beside the masked ones.
FOLDED = {BatchNormalization: keras.layers.BatchNormalization}


def fold(model: keras.Model) -> keras.Model:
    """Bakes the zeros into the weights and gives every layer its stock Keras class back, in place.

    What is saved or exported afterwards needs no tf_tickets to load (a file that holds an optimizer of ours
    does: load it with `compile=False`, or write it by `export`). The inverse of `mask_layers`, except that
    masked weights are now zero.

    A compiled model stays compiled. Where layers had trained thresholds or scores, it gets a fresh optimizer
    of the same config, since other variables are trained from now on.

    Args:
        model: any Keras model; without masks it is returned as it is.

    Returns:
        The same model.

    Raises:
        TypeError: `model` is no Keras model.
    """
    check_model(model, "fold takes")
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, Masked)]
    trains_others = any(x.variables for layer in layers for x in layer.parametrizations.values())
    changed = _fold(model)
    if trains_others:
        replace_optimizer(model)
    if changed:
        forget_traces(model)
    return model


@contextlib.contextmanager
def folded(model: keras.Model) -> Iterator[keras.Model]:
    """For the duration, the model is what `fold` makes of it; afterwards it is what it was, masks and all."""
    layers = model._flatten_layers()
    classes = [
        (layer, type(layer)) for layer in layers if type(layer) in FOLDED or isinstance(layer, MaskHolder)
    ]
    state = [
        (layer, attribute, mask, layer.parametrizations.get(attribute), _lost(layer, attribute))
        for layer in layers
        if isinstance(layer, Masked)
        for attribute, mask in layer.masks.items()
    ]
    memories = [(part, dict(part.__dict__)) for part in models_in(model)]
    try:
        with kept_functions(model):
            _fold(model)
            yield model
    finally:
        for layer, cls in classes:
            object.__setattr__(layer, "__class__", cls)
        for layer, attribute, mask, parametrization, value in state:
            give_mask(layer, attribute, mask)
            if value is not None:
                layer.__dict__[attribute].assign(value)
            if parametrization is not None:
                attach_parametrization(layer, attribute, parametrization)
        for part, before in memories:
            for name in ("save", "quantize", "_forward_order"):
                if name in before:
                    object.__setattr__(part, name, before[name])


@contextlib.contextmanager
def borrowed_masks(model: keras.Model) -> Iterator[list[MaskedWeight]]:
    """For the duration the model carries masks, its own or new ones; afterwards it is what it was.

    The weights are whole meanwhile, and the masks are to be set by `cover`.
    """
    had_masks = bool(masked_weights(model))
    masked_before = {id(layer) for layer in model._flatten_layers() if isinstance(layer, Masked)}
    entries = masked_weights(model) if had_masks else mask_layers(model).masked
    masks = [entry.mask for entry in entries if entry.mask is not None]
    values = [value_of(mask) for mask in masks]
    for mask, value in zip(masks, values, strict=True):
        mask.set(np.ones_like(value))
        mask.cover(value)
    try:
        yield entries
    finally:
        for mask, value in zip(masks, values, strict=True):
            mask.set(value if had_masks else np.ones_like(value))
        if not had_masks:
            # All true now, so that nothing is baked in.
            for layer in model._flatten_layers():
                if isinstance(layer, Masked) and id(layer) not in masked_before:
                    remove_masks(layer)
            _forget_masks(model)
            forget_traces(model)


def _lost(layer: Masked, attribute: str) -> np.ndarray | None:
    """The weight as it is, if folding changes it: a large model's are not to be there twice for nothing."""
    value = value_of(layer.__dict__[attribute])
    changes = attribute in layer.parametrizations
    return value if changes or np.any(value, where=~value_of(layer.masks[attribute])) else None


def _fold(model: keras.Model) -> bool:
    """Whether that changed anything."""
    changed = False
    for layer in model._flatten_layers():
        if isinstance(layer, Masked):
            remove_masks(layer)
            changed = True
        elif type(layer) in FOLDED:
            object.__setattr__(layer, "__class__", FOLDED[type(layer)])
            changed = True
    if changed:
        _forget_masks(model)
    return changed


def _forget_masks(model: keras.Model) -> None:
    """Removes what the model itself remembers of having masks."""
    release_holders(model)
    for part in models_in(model):
        part.__dict__.pop("_forward_order", None)
        part.__dict__.pop("save", None)
        part.__dict__.pop("quantize", None)
