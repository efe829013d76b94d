"""Which weights of a model are to be masked: by default, or as include= and exclude= say."""

import collections
import dataclasses
import difflib
from collections.abc import Callable, Iterable
from typing import TypeAlias

import keras

from tf_tickets.layers.maskable import present, row_of, why_not_maskable
from tf_tickets.layers.masked import Masked
from tf_tickets.layers.symbolic_call import check_built

Selection: TypeAlias = Callable[[keras.Layer], bool] | type | keras.Layer | str | Iterable
# Of a layer and the name of a weight attribute.
Predicate: TypeAlias = Callable[[keras.Layer, str], bool]

# Names that an error lists.
MOST_NAMES = 30


@dataclasses.dataclass(frozen=True)
class Selected:
    """What is to be masked.

    Attributes:
        chosen: (layer, attribute) pairs, unordered.
        left_alone: (path, reason) of layers with weights of which none is chosen.
        by_choice: ids of layers with a weight that `include=` or `exclude=` leaves out.
    """

    chosen: list[tuple[keras.Layer, str]]
    left_alone: list[tuple[str, str]]
    by_choice: frozenset[int]


def select_weights(model: keras.Model, include: Selection | None, exclude: Selection | None) -> Selected:
    """The weights to mask: those of the table by default, and those with masks in any case.

    Raises:
        TypeError: a selection of no accepted form.
        ValueError: a model that is not built, an unknown name, or an `include=` that matches nothing
            maskable.
    """
    check_built(model)
    layers = model._flatten_layers()
    included = None if include is None else _predicate(include, "include", layers)
    excluded = _predicate(() if exclude is None else exclude, "exclude", layers)
    chosen: list[tuple[keras.Layer, str]] = []
    left_alone: list[tuple[str, str]] = []
    by_choice: set[int] = set()
    taken = False
    holders = collections.Counter(
        id(variable)
        for layer in layers
        for variable in layer._trainable_variables + layer._non_trainable_variables
    )
    for layer in layers:
        row = row_of(layer)
        if row is None:
            if excluded(layer, "") or (included is not None and not included(layer, "")):
                by_choice.add(id(layer))
            if layer._trainable_variables or layer._non_trainable_variables:
                left_alone.append((layer.path, f"{type(layer).__name__} has no maskable weight"))
            continue
        masked = tuple(layer.masks) if isinstance(layer, Masked) else ()
        reason = why_not_maskable(layer)
        if any(holders[id(layer.__dict__.get(name))] > 1 for name in row.attributes):
            # SpectralNormalization, for one, would go on reading and writing what the mask hides.
            reason = reason or "another layer holds its weight too"
        attributes, choices = [], []
        for name in present(layer, row) if row.may_lack else row.attributes:
            choice = _choice(layer, name, included, excluded, by_default=name in row.weights)
            taken |= included is not None and not reason and included(layer, name)
            if name in masked or not (reason or choice):
                attributes.append(name)
            elif choice in ("excluded", "not included"):
                by_choice.add(id(layer))
            choices.append(choice)
        chosen += [(layer, name) for name in attributes]
        if choices and not attributes:
            left_alone.append((layer.path, str(reason or choices[-1])))
    if included is not None and not taken:
        raise ValueError(f"include={include!r} matches nothing that can be masked. {_what_there_is(layers)}")
    return Selected(chosen, left_alone, frozenset(by_choice))


def kernels_in(model: keras.Model) -> list[keras.Variable]:
    """The masked weights of a model, or, of one without masks, those that would be masked; in no order."""
    layers = model._flatten_layers()
    masked = [x.__dict__[name] for x in layers if isinstance(x, Masked) for name in x.masks]
    return masked or [layer.__dict__[name] for layer, name in select_weights(model, None, None).chosen]


def _choice(
    layer: keras.Layer, name: str, included: Predicate | None, excluded: Predicate, by_default: bool
) -> str | None:
    """Why a weight that can be masked is not to be, or None."""
    if excluded(layer, name):
        return "excluded"
    if included is not None:
        return None if included(layer, name) else "not included"
    return None if by_default else f"{type(layer).__name__} is masked only where include= names it"


def _predicate(selection: Selection, argument: str, layers: list[keras.Layer]) -> Predicate:
    if isinstance(selection, str):
        return _named(selection, argument, layers)
    if isinstance(selection, keras.Layer):
        return _inside([selection])
    if isinstance(selection, type):
        # As a layer is taken with all that it contains, so is each layer of a class.
        return _inside([layer for layer in layers if isinstance(layer, selection)])
    if callable(selection):
        # The kernels of an LSTM are those of its cell.
        cells = _inside([layer for layer in layers if _encloses(layer) and selection(layer)])
        return lambda layer, name: bool(selection(layer)) or cells(layer, name)
    if isinstance(selection, Iterable) and not isinstance(selection, bytes):
        parts = [_predicate(part, argument, layers) for part in selection]
        return lambda layer, name: any(part(layer, name) for part in parts)
    raise TypeError(
        f"{argument}= takes a layer, a layer class, a name of a layer or weight, a predicate of a layer, or "
        f"an iterable of these. Received: {selection!r}"
    )


def _encloses(layer: keras.Layer) -> bool:
    row = row_of(layer)
    return row is not None and row.encloses


def _inside(layers: list[keras.Layer]) -> Predicate:
    ids = {id(part) for layer in layers for part in layer._flatten_layers()}
    return lambda layer, name: id(layer) in ids


def _named(name: str, argument: str, layers: list[keras.Layer]) -> Predicate:
    """The weights of a name, or those in the layers of that name."""
    weights = {
        (id(layer), attribute)
        for layer, attribute in _maskable(layers)
        if layer.__dict__[attribute].path == name
    }
    if weights:
        return lambda layer, attribute: (id(layer), attribute) in weights
    found = [layer for layer in layers if name in (layer.name, layer.path)]
    if found:
        return _inside(found)
    # The model itself has no path.
    known = [known for layer in layers for known in (layer.name, layer.path) if known]
    known += [layer.__dict__[attribute].path for layer, attribute in _maskable(layers)]
    close = difflib.get_close_matches(name, known, n=1)
    raise ValueError(
        f"{argument}= names no layer or weight of the model. Received: {name!r}."
        + (f" Did you mean {close[0]!r}? " if close else " ")
        + _what_there_is(layers)
    )


def _maskable(layers: Iterable[keras.Layer]) -> list[tuple[keras.Layer, str]]:
    rows = [(layer, row_of(layer)) for layer in layers]
    return [(layer, name) for layer, row in rows if row is not None for name in present(layer, row)]


def _what_there_is(layers: Iterable[keras.Layer]) -> str:
    names = [
        f"{layer.__dict__[attribute].path!r} (layer {layer.name!r})"
        for layer, attribute in _maskable(layers)
        if why_not_maskable(layer) is None
    ]
    if not names:
        return "The model has no weight that can be masked."
    more = f", and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"The weights that can be masked are {', '.join(names[:MOST_NAMES])}{more}."
