"""What an optimizer keeps for a weight, and how it forgets it where the weight is hidden."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers.masked_weight import MaskedWeight, set_masks
from tf_tickets.layers.variables import scope_of, value_of
from tf_tickets.support.short_reprs import short_fields


@dataclasses.dataclass(frozen=True)
class Slot:
    """One variable of an optimizer that belongs to a weight.

    Attributes:
        variable: momentum, second moment, average, ...
        fresh: its value for a weight that has not been trained yet.
    """

    variable: keras.Variable
    fresh: float

    __repr__ = short_fields


def slots_of(optimizer: keras.optimizers.Optimizer, weights: Sequence[keras.Variable]) -> list[list[Slot]]:
    """The slots of each weight in a built optimizer; none for a weight that it does not train."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    fresh = type(inner).from_config(inner.get_config())
    own = [tuple(variable.shape) for variable in inner._trainable_variables]
    fresh.build([keras.Variable(np.zeros(shape, np.float32)) for shape in own])
    where = {id(variable): index for index, variable in enumerate(inner._trainable_variables)}
    found = []
    for weight in weights:
        index = where.get(id(weight))
        slots = []
        for name, values in slot_lists(inner).items():
            variable = None if index is None else values[index]
            if variable is not None and variable.shape.num_elements() > 1:
                slots.append(Slot(variable, float(value_of(getattr(fresh, name)[index]).ravel()[0])))
        found.append(slots)
    return found


def slot_lists(optimizer: keras.optimizers.Optimizer) -> dict[str, Sequence[keras.Variable | None]]:
    """The optimizer's attributes that hold one variable for each of the variables that it trains."""
    count = len(optimizer._trainable_variables)
    return {
        name: value
        for name, value in vars(optimizer).items()
        if name not in ("_trainable_variables", "_variables") and _is_of_each(value, count)
    }


def put_masks(model: keras.Model, entries: Sequence[MaskedWeight], masks: Sequence[np.ndarray]) -> None:
    """Sets the masks of a model's weights; its optimizer forgets what it has learned of what they hide.

    Its momentum would go on moving weights that are hidden, and count in norms of whole variables.

    Raises:
        ValueError: the optimizer is Adafactor, and a mask hides a whole row or column of a weight.
    """
    _check_channels(getattr(model, "optimizer", None), entries, masks)
    set_masks(entries, masks)
    forget(model, [entry.weight for entry in entries], masks)


def forget(model: keras.Model, weights: Sequence[keras.Variable], kept: Sequence[np.ndarray]) -> None:
    """Has a model's optimizer forget what it has learned of parts of weights.

    Args:
        model: compiled or not.
        weights: of the model.
        kept: bool arrays, one a weight and of its shape: what is not to be forgotten.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not optimizer.built or not int(value_of(optimizer.iterations)):
        return
    for weight, mask, own in zip(weights, kept, slots_of(optimizer, weights), strict=True):
        for slot in own:
            if slot.variable.shape == weight.shape:
                with scope_of(slot.variable):
                    value = slot.variable.value
                    slot.variable.assign(tf.where(mask, value, tf.cast(slot.fresh, value.dtype)))


def _check_channels(
    optimizer: keras.optimizers.Optimizer | None,
    entries: Sequence[MaskedWeight],
    masks: Sequence[np.ndarray],
) -> None:
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if not isinstance(inner, keras.optimizers.Adafactor):
        return
    for entry, mask in zip(entries, masks, strict=True):
        if mask.ndim > 1 and not (mask.any(-1).all() and mask.any(-2).all()):
            raise ValueError(
                "Adafactor divides by averages over rows and columns, which are 0 / 0 for a channel of which "
                f"nothing is left, as in {entry.name}: the training would end in NaN. Keep one weight of "
                "each (preserve_flow=True), or compile with an optimizer such as SGD, Adam, Lamb or Lion."
            )


def _is_of_each(value: object, count: int) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == count
        and any(isinstance(part, keras.Variable) for part in value)
    )
