"""The weights of a model that are masked, or could be: one entry each, in forward order."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.layers.forward_order import Classifiers, Pair, sort_weights
from tf_tickets.layers.forward_order import classifiers_of as _classifiers_of_pairs
from tf_tickets.layers.mask import Mask
from tf_tickets.layers.mask_selection import select_weights
from tf_tickets.layers.masked import Masked
from tf_tickets.layers.model_check import check_model
from tf_tickets.layers.variables import value_of
from tf_tickets.support.html_table import html_table
from tf_tickets.support.short_reprs import ShortList


@dataclasses.dataclass(frozen=True, eq=False)
class MaskedWeight:
    """One prunable weight of a model. Two entries are equal if they hold the same variables.

    Attributes:
        layer: the layer that owns it.
        attribute: the layer's attribute that holds it.
        name: label for people (the variable's path); the position in forward order is the key.
        weight: the variable; zero where the mask is false, unless somebody has put other values there.
        mask: bool variable of the same shape; None on a model that is not masked yet.
    """

    layer: keras.Layer
    attribute: str
    name: str
    weight: keras.Variable
    mask: Mask | None

    def __eq__(self, other: object) -> bool:
        # Comparing variables would compare their values.
        if not isinstance(other, MaskedWeight):
            return NotImplemented
        return self.weight is other.weight and self.mask is other.mask

    def __hash__(self) -> int:
        return id(self.weight)

    def __repr__(self) -> str:
        # Neither values nor counts: a repr is shown in the middle of a graph, too.
        return f"MaskedWeight({self.name}, {self.shape}, {'masked' if self.mask is not None else 'no mask'})"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the weight, in Keras layout."""
        return tuple(self.weight.shape)

    @property
    def size(self) -> int:
        """Number of weights."""
        return self.weight.shape.num_elements()


class MaskedWeights(ShortList[MaskedWeight]):
    """A list of entries in forward order; in a notebook it is a table."""

    def _repr_html_(self) -> str:
        rows = [
            (
                entry.name,
                entry.shape,
                f"{entry.size:,}",
                "" if entry.mask is None else f"{np.count_nonzero(value_of(entry.mask)):,}",
            )
            for entry in self
        ]
        return html_table(("weight", "shape", "weights", "kept by the mask"), rows)


def masked_weights(model: keras.Model) -> list[MaskedWeight]:
    """The model's masked weights, in forward order; empty for a model without masks.

    Raises:
        TypeError: `model` is no Keras model.
    """
    check_model(model, "masked_weights takes")
    ordered, _ = sort_weights(model, _masked_pairs(model), None)
    return MaskedWeights(entry_of(*pair) for pair in ordered)


def prunable_weights(model: keras.Model, data: Any = None) -> list[MaskedWeight]:
    """The masked weights, or, of a model without masks, those that `mask_layers` would mask."""
    entries = masked_weights(model)
    if entries:
        return entries
    ordered, _ = sort_weights(model, select_weights(model, None, None).chosen, data)
    return MaskedWeights(entry_of(*pair) for pair in ordered)


def kernels_of(model: keras.Model) -> list[MaskedWeight]:
    """The masked weights, or those of maskable layers, in no order: the model is not traced for one."""
    pairs = _masked_pairs(model) or select_weights(model, None, None).chosen
    return MaskedWeights(entry_of(*pair) for pair in pairs)


def _masked_pairs(model: keras.Model) -> list[Pair]:
    return [
        (layer, attribute)
        for layer in model._flatten_layers()
        if isinstance(layer, Masked)
        for attribute in layer.masks
    ]


def classifiers_of(model: keras.Model, entries: Sequence[MaskedWeight]) -> Classifiers:
    """Which of a model's entries feed its outputs: their results reach one without passing another kernel.

    That kernel may be masked or not. So where the true head of a network is left alone no entry is a
    classifier, with two heads both are, and so is the head of an auxiliary output.

    Args:
        model: a built Keras model.
        entries: of `prunable_weights` or `masked_weights`, all of them.
    """
    return _classifiers_of_pairs(model, [(entry.layer, entry.attribute) for entry in entries])


def effective_mask(entry: MaskedWeight) -> np.ndarray:
    """Bool, where a masked weight takes part in the network: the mask, or what a parametrization leaves."""
    assert entry.mask is not None
    parametrization = entry.layer.parametrizations.get(entry.attribute)
    if parametrization is None:
        return value_of(entry.mask)
    return value_of(parametrization.effective_mask(entry.weight, entry.mask))


def layer_densities(entries: Sequence[MaskedWeight]) -> dict[str, float]:
    """Label of each masked weight -> the part of it that takes part in the network now, in forward order.

    Where two weights have one label, the later ones get their number behind it.
    """
    found: dict[str, float] = {}
    for entry in entries:
        name, number = entry.name, 2
        while name in found:
            name, number = f"{entry.name} {number}", number + 1
        found[name] = np.count_nonzero(effective_mask(entry)) / entry.size
    return found


def set_masks(entries: Sequence[MaskedWeight], masks: Sequence[np.ndarray]) -> None:
    """Sets the masks of weights that have masks; what they hide is taken out of the weights."""
    for entry, mask in zip(entries, masks, strict=True):
        assert entry.mask is not None
        entry.mask.set(mask)


def cover(entries: Sequence[MaskedWeight], masks: Sequence[np.ndarray]) -> None:
    """Sets the masks of `borrowed_masks`, where the weights stay whole under them."""
    for entry, mask in zip(entries, masks, strict=True):
        assert entry.mask is not None
        entry.mask.cover(mask)


def entry_of(layer: keras.Layer, attribute: str) -> MaskedWeight:
    """The entry of a layer's weight, with its mask if it has one."""
    weight = layer.__dict__[attribute]
    mask = layer.masks.get(attribute) if isinstance(layer, Masked) else None
    return MaskedWeight(layer=layer, attribute=attribute, name=weight.path, weight=weight, mask=mask)
