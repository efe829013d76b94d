"""The slots of weights whose masks move: a weight that is hidden, or grows, starts afresh."""

import keras

from tf_tickets.layers import Slot, slot_lists, slots_of


def moving_slots(model: keras.Model, weights: list[keras.Variable]) -> list[list[Slot]]:
    """The slots of each weight in the model's optimizer, each of the weight's own shape.

    Args:
        model: a compiled model.
        weights: trainable variables of it.

    Raises:
        ValueError: there is no optimizer, it does not train one of the weights, or it keeps something for a
            weight that is not of its shape (as Adafactor's row and column averages), of which a single
            weight's part cannot be forgotten.
    """
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        raise ValueError("Masks move while a model trains: compile it first.")
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    known = {id(variable) for values in slot_lists(inner).values() for variable in values}
    for variable in inner.variables:
        if id(variable) not in known and variable.shape.num_elements() > 1:
            raise ValueError(_cannot_follow(inner, variable))
    trained = {id(variable) for variable in inner._trainable_variables}
    for weight in weights:
        if id(weight) not in trained:
            raise ValueError(
                f"{weight.path} is not trained by the optimizer, so its masks cannot move: leave out what is "
                "frozen by tf_tickets.mask_layers(model, exclude=...), or compile the model again after "
                "thawing it."
            )
    found = slots_of(optimizer, weights)
    for weight, slots in zip(weights, found, strict=True):
        for slot in slots:
            if tuple(slot.variable.shape) != tuple(weight.shape):
                raise ValueError(_cannot_follow(inner, slot.variable))
    return found


def _cannot_follow(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> str:
    return (
        f"{type(optimizer).__name__} keeps {variable.path}, of shape {tuple(variable.shape)}, which is not a "
        "value for each weight: when a weight grows, its part of that cannot start afresh. Use an optimizer "
        "such as SGD, Adam, AdamW, RMSprop, Lion or Nadam."
    )
