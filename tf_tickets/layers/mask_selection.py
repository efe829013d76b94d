"""Which weights of a model are to be masked: by default, or as include= and exclude= say."""

import collections
from collections.abc import Callable, Iterable
from typing import TypeAlias

import keras

from tf_tickets.layers.maskable import maskable, why_not_maskable
from tf_tickets.layers.masked import Masked
from tf_tickets.layers.symbolic_call import check_built

Selection: TypeAlias = Callable[[keras.Layer], bool] | type | keras.Layer | Iterable


def select_weights(
    model: keras.Model, include: Selection | None, exclude: Selection | None
) -> tuple[list[tuple[keras.Layer, str]], list[tuple[str, str]]]:
    """(layer, attribute) pairs to mask, unordered, and (path, reason) for what is left alone."""
    check_built(model)
    included = None if include is None else _predicate(include, "include")
    excluded = _predicate(() if exclude is None else exclude, "exclude")
    chosen: list[tuple[keras.Layer, str]] = []
    left_alone: list[tuple[str, str]] = []
    layers = model._flatten_layers()
    holders = collections.Counter(
        id(variable)
        for layer in layers
        for variable in layer._trainable_variables + layer._non_trainable_variables
    )
    for layer in layers:
        row = maskable(type(layer))
        if row is None:
            if layer._trainable_variables or layer._non_trainable_variables:
                left_alone.append((layer.path, f"{type(layer).__name__} has no maskable weight"))
            continue
        present = tuple(layer.masks) if isinstance(layer, Masked) else ()
        reason = why_not_maskable(layer)
        if any(holders[id(layer.__dict__.get(name))] > 1 for name in row.attributes):
            # SpectralNormalization, for one, would go on reading and writing what the mask hides.
            reason = reason or "another layer holds its weight too"
        if excluded(layer):
            reason = reason or "excluded"
        elif included is not None and not included(layer):
            reason = reason or "not included"
        elif included is None and not row.weights:
            reason = reason or f"{type(layer).__name__} is masked only where include= names it"
        wanted = row.attributes if included is not None else row.weights
        attributes = [name for name in row.attributes if name in present or (name in wanted and not reason)]
        chosen += [(layer, name) for name in attributes]
        if not attributes:
            left_alone.append((layer.path, str(reason)))
    return chosen, left_alone


def kernels_in(model: keras.Model) -> list[keras.Variable]:
    """The masked weights of a model, or, of one without masks, those that would be masked; in no order."""
    layers = model._flatten_layers()
    masked = [x.__dict__[name] for x in layers if isinstance(x, Masked) for name in x.masks]
    return masked or [layer.__dict__[name] for layer, name in select_weights(model, None, None)[0]]


def left_alone(model: keras.Model) -> list[tuple[str, str]]:
    """(path, reason) of the layers with weights that are not masked by default."""
    return select_weights(model, None, None)[1]


def _predicate(selection: Selection, argument: str) -> Callable[[keras.Layer], bool]:
    if isinstance(selection, keras.Layer):
        inside = {id(layer) for layer in selection._flatten_layers()}
        return lambda layer: id(layer) in inside
    if isinstance(selection, type):
        return lambda layer: isinstance(layer, selection)
    if callable(selection):
        return selection
    if isinstance(selection, Iterable) and not isinstance(selection, (str, bytes)):
        parts = [_predicate(part, argument) for part in selection]
        return lambda layer: any(part(layer) for part in parts)
    raise TypeError(
        f"{argument}= takes a layer, a layer class, a predicate of a layer, or an iterable of these. "
        f"Received: {selection!r}"
    )
