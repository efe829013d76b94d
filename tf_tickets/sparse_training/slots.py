"""What an optimizer keeps for a weight, and how it forgets it: a weight that grows starts afresh."""

import dataclasses

import keras
import numpy as np

from tf_tickets.layers import value_of


@dataclasses.dataclass(frozen=True)
class Slot:
    """One variable of an optimizer, shaped like the weight that it belongs to.

    Attributes:
        variable: momentum, second moment, average, ...
        fresh: its value for a weight that has not been trained yet.
    """

    variable: keras.Variable
    fresh: float


def slots_of(model: keras.Model, weights: list[keras.Variable]) -> list[list[Slot]]:
    """The slots of each weight in the model's optimizer.

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
    fresh = type(inner).from_config(inner.get_config())
    own = [tuple(variable.shape) for variable in inner._trainable_variables]
    fresh.build([keras.Variable(np.zeros(shape, np.float32)) for shape in own])
    lists = {
        name: value
        for name, value in vars(inner).items()
        if name not in ("_trainable_variables", "_variables") and _is_of_each(value, len(own))
    }
    known = {id(variable) for values in lists.values() for variable in values}
    where = {id(variable): index for index, variable in enumerate(inner._trainable_variables)}
    for variable in inner.variables:
        if id(variable) not in known and variable.shape.num_elements() > 1:
            raise ValueError(_cannot_follow(inner, variable))
    found = []
    for weight in weights:
        index = where.get(id(weight))
        if index is None:
            raise ValueError(
                f"{weight.path} is not trained by the optimizer, so its masks cannot move: leave out what is "
                "frozen by tf_tickets.mask_layers(model, exclude=...), or compile the model again after "
                "thawing it."
            )
        slots = []
        for name, values in lists.items():
            variable = values[index]
            if variable is None or variable.shape.num_elements() <= 1:
                continue
            if tuple(variable.shape) != tuple(weight.shape):
                raise ValueError(_cannot_follow(inner, variable))
            start = value_of(getattr(fresh, name)[index]).ravel()
            slots.append(Slot(variable, float(start[0])))
        found.append(slots)
    return found


def _is_of_each(value: object, count: int) -> bool:
    """Whether the value is a list of one variable for each trainable variable."""
    return (
        isinstance(value, (list, tuple))
        and len(value) == count
        and any(isinstance(part, keras.Variable) for part in value)
    )


def _cannot_follow(optimizer: keras.optimizers.Optimizer, variable: keras.Variable) -> str:
    return (
        f"{type(optimizer).__name__} keeps {variable.path}, of shape {tuple(variable.shape)}, which is not a "
        "value for each weight: when a weight grows, its part of that cannot start afresh. Use an optimizer "
        "such as SGD, Adam, AdamW, RMSprop, Lion or Nadam."
    )
