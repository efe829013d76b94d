"""Ratios that are given: one number a layer, by name, or those of a ticket. They make a rule of their own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tf_tickets.pruning.pours import clamp, water_fill
from tf_tickets.pruning.ratios import RATIOS, Rule, named_rule
from tf_tickets.pruning.reference_counts import Shape
from tf_tickets.pruning.ticket import Ticket
from tf_tickets.support.numbers import is_number

Ratios: TypeAlias = (
    str | Sequence[float] | np.ndarray | Mapping[str, float] | Ticket | Callable[[Sequence[Shape]], Any]
)
# Of each weight, its own name and its layer's.
Names: TypeAlias = Sequence[tuple[str, str]]


def rule_of(ratios: Ratios, shapes: Sequence[Shape], names: Names | None) -> Rule:
    """The row of a rule's name; ratios that are given make a row of their own.

    Args:
        ratios: what a user gave, see `keep_counts`.
        shapes: of the weights, in forward order.
        names: of the weights and their layers; None where only shapes are known.

    Raises:
        ValueError: an unknown name, or ratios that do not fit the shapes.
    """
    named = named_rule(ratios)
    if named is not None:
        return named
    values: list | None
    if isinstance(ratios, Ticket):
        values = _of_ticket(ratios, shapes)
    elif isinstance(ratios, Mapping):
        values = _by_name(ratios, names)
    else:
        values = items(ratios)
    if values is None:
        raise ValueError(
            f"ratios={ratios!r} is unknown. Choose one of: {', '.join(RATIOS)}. Or give one number in [0, 1] "
            "a layer, a mapping from names of weights or layers to such numbers, a Ticket, or a function of "
            "the shapes."
        )
    if len(values) != len(shapes):
        raise ValueError(
            f"ratios= takes one number a layer, and there are {len(shapes)} layers. Received: {len(values)}"
        )
    for layer, value in enumerate(values):
        if not is_number(value) or not 0 <= value <= 1:
            raise ValueError(f"ratios= takes numbers in [0, 1]. Received for layer {layer}: {value!r}")
    densities = np.array(values, np.float64)
    if not densities.any():
        raise ValueError("ratios= are all 0: nothing would be kept. Give at least one layer a ratio above 0.")
    return Rule(densities=lambda shapes, family: densities, pour=water_fill, clamped=clamp)


def ratios_as_json(ratios: Ratios) -> Any:
    """The ratios as JSON has them: a name, or numbers."""
    if isinstance(ratios, Ticket):
        return [layer.keep_ratio for layer in ratios.layers]
    if isinstance(ratios, Mapping):
        return {str(name): float(value) for name, value in ratios.items()}
    if callable(ratios):
        return getattr(ratios, "__name__", repr(ratios))
    return ratios if isinstance(ratios, str) else [float(value) for value in ratios]


def items(value: Any) -> list | None:
    """The items of a sequence or of a one-dimensional array; None of anything else."""
    if isinstance(value, np.ndarray):
        return list(value) if value.ndim == 1 else None
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else None


def _of_ticket(ticket: Ticket, shapes: Sequence[Shape]) -> list[float]:
    own = [layer.shape for layer in ticket.layers]
    if own != list(shapes):
        raise ValueError(
            f"ratios= is a Ticket for another network. Its weights have shapes {own}; here they are {shapes}."
        )
    return [layer.keep_ratio for layer in ticket.layers]


def _by_name(ratios: Mapping[str, float], names: Names | None) -> list[float]:
    """Each weight's ratio, under its own name or under its layer's."""
    if names is None:
        raise ValueError(
            "ratios= by name need a model; shapes have no names. Give one number a layer instead."
        )
    known = "The names here are " + ", ".join(f"{name!r} (layer {layer!r})" for name, layer in names) + "."
    unknown = [key for key in ratios if not any(key in pair for pair in names)]
    if unknown:
        raise ValueError(f"ratios= names what is no prunable weight or layer: {unknown}. {known}")
    found = [[key for key in dict.fromkeys(pair) if key in ratios] for pair in names]
    missing = [name for (name, _), keys in zip(names, found, strict=True) if not keys]
    if missing:
        raise ValueError(f"ratios= gives no number for {missing}: every prunable weight needs one. {known}")
    twice = [keys for keys in found if len(keys) > 1]
    if twice:
        raise ValueError(f"ratios= names a weight twice, as {' and as '.join(map(repr, twice[0]))}. {known}")
    return [ratios[key] for (key,) in found]
