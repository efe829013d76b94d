"""The weights of a model that are not pruned, and why."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras

from tf_tickets.layers.forward_order import sort_weights
from tf_tickets.layers.mask_selection import select_weights
from tf_tickets.layers.maskable import row_of
from tf_tickets.layers.masked_weight import MaskedWeight
from tf_tickets.layers.passed_over import NO_KERNEL, left_out_by_choice
from tf_tickets.layers.saved_weights import stock_weights
from tf_tickets.support.short_reprs import short_fields


@dataclasses.dataclass(frozen=True, eq=False)
class UnprunedWeight:
    """A weight of a model beside those that are pruned.

    Attributes:
        weight: the variable.
        layer: path of the layer that holds it; empty for the model itself.
        reason: why it is not pruned.
        is_kernel: whether it is a matrix or larger, and no bias or scale of a normalisation.
    """

    weight: keras.Variable
    layer: str
    reason: str
    is_kernel: bool

    __repr__ = short_fields


def unpruned_weights(
    model: keras.Model, entries: Sequence[MaskedWeight], data: Any = None
) -> list[UnprunedWeight]:
    """Every weight of a model that is none of the entries, each once, with the reason.

    Args:
        model: a built Keras model.
        entries: its `prunable_weights`.
        data: one batch, for a model that does not know its input shapes.
    """
    prunable = {id(entry.weight) for entry in entries}
    selected = select_weights(model, None, None)
    reasons = dict(selected.left_alone)
    if not any(entry.mask is not None for entry in entries):
        reasons |= dict(sort_weights(model, selected.chosen, data)[1])
    owners: dict[int, keras.Layer] = {}
    for layer in model._flatten_layers():
        for variable in layer._trainable_variables + layer._non_trainable_variables:
            owners.setdefault(id(variable), layer)
    found = []
    for weight in stock_weights(model):
        if id(weight) in prunable:
            continue
        layer = owners.get(id(weight), model)
        is_kernel = len(weight.shape) > 1 and not NO_KERNEL.search(weight.name)
        if layer.path in reasons or weight.path in reasons:
            reason = reasons.get(weight.path) or reasons[layer.path]
        elif not is_kernel:
            reason = "biases and other vectors of layers whose kernels can be pruned"
        elif id(layer) in left_out_by_choice(model):
            reason = "left out by include= or exclude="
        elif _on_request(layer, weight):
            reason = "a weight that is masked only where include= names it"
        else:
            reason = "carries no mask"
        found.append(UnprunedWeight(weight, layer.path, reason, is_kernel))
    return found


def _on_request(layer: keras.Layer, weight: keras.Variable) -> bool:
    row = row_of(layer)
    return row is not None and any(layer.__dict__.get(name) is weight for name in row.on_request)
