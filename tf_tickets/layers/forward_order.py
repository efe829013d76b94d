"""The order in which data meets a model's weights, found by watching one symbolic call."""

import collections
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras

from tf_tickets.layers.maskable import row_of
from tf_tickets.layers.masked import Masked
from tf_tickets.layers.retracing import fresh_functions
from tf_tickets.layers.symbolic_call import symbolic_call, wrapped_calls

Pair: TypeAlias = tuple[keras.Layer, str]


def forward_order(model: keras.Model, weights: Sequence[keras.Variable], inputs: Any = None) -> list[int]:
    """Positions, in `weights`, of the weights that a forward pass reads, in the order of first reading.

    Attribute order is not depth order in a subclassed model, and smart ratios need depth. So the model
    is traced once, in inference mode, without running it and without changing any of its state.

    Args:
        model: a built Keras model.
        weights: variables to watch.
        inputs: a batch (arrays or tensors, in the model's own structure) to take shapes and dtypes from; a
            tuple where `call` takes several arguments. Needed only where the model does not know its own.

    Returns:
        List of positions. A weight that the forward pass never reads is absent.

    Raises:
        ValueError: the model is not built, or could not be traced.
    """
    recorder = _ReadRecorder(weights)
    symbolic_call(model, inputs, scope=recorder)
    return list(recorder.order)


def sort_weights(
    model: keras.Model, pairs: Sequence[Pair], inputs: Any = None
) -> tuple[tuple[Pair, ...], list[tuple[str, str]]]:
    """(layer, attribute) pairs in forward order, and (path, reason) of those that a mask would not reach.

    The model remembers the order, so that only other pairs have it traced again.
    """
    if not pairs:
        return (), []
    known = model.__dict__.get("_forward_order", _ForwardOrder(()))
    if {(id(layer), name) for layer, name in known.pairs} == {(id(layer), name) for layer, name in pairs}:
        return known.pairs, []
    order, outside = reads(model, [(layer, layer.__dict__[name]) for layer, name in pairs], inputs)
    reasons = dict.fromkeys(sorted(set(range(len(pairs))) - set(order)), "never read by the forward pass")
    for position in sorted(outside):
        layer, name = pairs[position]
        if not (isinstance(layer, Masked) and name in layer.masks):
            reasons[position] = "read outside its layer's call, where a mask does not act"
    paths = [layer.__dict__[name].path for layer, name in pairs]
    unmaskable = [(paths[position], reason) for position, reason in reasons.items()]
    # Layers by their first read, and within a layer by its row: there a masked weight is read where `call`
    # names it, and one without a mask where `call` uses it.
    first: dict[int, int] = {}
    for rank, position in enumerate(order):
        first.setdefault(id(pairs[position][0]), rank)
    order.sort(key=lambda position: (first[id(pairs[position][0])], position))
    ordered = tuple(pairs[position] for position in order if position not in reasons)
    object.__setattr__(model, "_forward_order", _ForwardOrder(ordered))
    return ordered, unmaskable


def reads(
    model: keras.Model, weights: Sequence[tuple[keras.Layer, keras.Variable]], inputs: Any = None
) -> tuple[list[int], set[int]]:
    """The `forward_order` of weights with their layers, and those read while their layer is not called.

    A mask acts while its layer is called, or one that encloses it by the table: it does not reach another
    parent which reads the kernel by itself, as tied weights do.
    """
    owners = [layer for layer, _ in weights]
    enclosing = _enclosing(model)
    recorder = _ReadRecorder([weight for _, weight in weights], owners, enclosing)
    with fresh_functions(model), wrapped_calls([*owners, *enclosing], recorder.calling):
        symbolic_call(model, inputs, scope=recorder)
    return list(recorder.order), recorder.outside


def _enclosing(model: keras.Model) -> list[keras.Layer]:
    rows = [(layer, row_of(layer)) for layer in model._flatten_layers()]
    return [layer for layer, row in rows if row is not None and row.encloses]


@dataclasses.dataclass(frozen=True)
class _ForwardOrder:
    """What a model remembers of its order; no bare tuple, which Keras would walk when it saves."""

    pairs: tuple[Pair, ...]


class _ReadRecorder(keras.StatelessScope):
    """Notes which of the watched variables are read, in the order of the first reading."""

    def __init__(
        self,
        weights: Sequence[keras.Variable],
        owners: Sequence[keras.Layer] = (),
        enclosing: Sequence[keras.Layer] = (),
    ):
        super().__init__(initialize_variables=False)
        self.inside = {
            id(layer): [id(part) for part in layer._flatten_layers()] for layer in (*owners, *enclosing)
        }
        self.position = {id(weight): i for i, weight in enumerate(weights)}
        self.owners = owners
        self.order: dict[int, None] = {}
        self.outside: set[int] = set()
        self._called: collections.Counter[int] = collections.Counter()

    def get_current_value(self, variable: keras.Variable) -> Any:
        position = self.position.get(id(variable))
        if position is not None:
            self.order.setdefault(position)
            if self.owners and not self._called[id(self.owners[position])]:
                self.outside.add(position)
        return super().get_current_value(variable)

    def calling(self, layer: keras.Layer, call: Callable) -> Callable:
        def watched(*args: Any, **kwargs: Any) -> Any:
            self._called.update(self.inside[id(layer)])
            try:
                return call(*args, **kwargs)
            finally:
                self._called.subtract(self.inside[id(layer)])

        return watched
