"""The order in which data meets a model's weights, found by watching one symbolic call."""

import collections
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras

from tf_tickets.layers.final_kernels import final_kernels
from tf_tickets.layers.maskable import row_of
from tf_tickets.layers.masked import Masked
from tf_tickets.layers.retracing import fresh_functions
from tf_tickets.layers.symbolic_call import symbolic_call, wrapped_calls
from tf_tickets.layers.variables import parts_of

Pair: TypeAlias = tuple[keras.Layer, str]


@dataclasses.dataclass(frozen=True)
class Classifiers:
    """Which of a model's prunable weights feed its outputs.

    Attributes:
        positions: in forward order; none where another layer feeds the outputs, masked or not.
        known: False where the model's graph does not tell. Then it is the last weight in forward order, if
            that is the last of all kernels of the model, also of those that are not to be masked; or none.
    """

    positions: tuple[int, ...]
    known: bool = True


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
    known = _known(model)
    if {(id(layer), name) for layer, name in known.pairs} == {(id(layer), name) for layer, name in pairs}:
        return known.pairs, []
    order, outside, final = reads(
        model, [(layer, layer.__dict__[name]) for layer, name in pairs], inputs, _others(model, pairs)
    )
    last = order[-1:]
    order = [position for position in order if position < len(pairs)]
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
    order = [position for position in order if position not in reasons]
    ends = set(last) if final is None else final
    classifiers = tuple(place for place, position in enumerate(order) if position in ends)
    ordered = tuple(pairs[position] for position in order)
    memory = _ForwardOrder(ordered, Classifiers(classifiers, known=final is not None))
    object.__setattr__(model, "_forward_order", memory)
    return ordered, unmaskable


def classifiers_of(model: keras.Model, pairs: Sequence[Pair]) -> Classifiers:
    """Which of the (layer, attribute) pairs, as `sort_weights` has ordered them, feed the model's outputs.

    A weight feeds an output where what its layer gives reaches it without passing another kernel, of any
    layer that could be masked, whether it is or not.
    """
    sort_weights(model, pairs)
    return _known(model).classifiers


def reads(
    model: keras.Model,
    weights: Sequence[tuple[keras.Layer, keras.Variable]],
    inputs: Any = None,
    others: Sequence[keras.Variable] = (),
) -> tuple[list[int], set[int], set[int] | None]:
    """What one call of the model reads.

    Args:
        model: a built Keras model.
        weights: variables to watch, with their layers.
        inputs: as for `forward_order`.
        others: all other kernels of the model.

    Returns:
        The `forward_order` of the weights and the others behind them; those of the weights that are read
        while their layer is not called (a mask acts while its layer is called, or one that encloses it by the
        table: it does not reach another parent which reads the kernel by itself, as tied weights do); and
        those of `final_kernels`, or None.
    """
    watched = [*(weight for _, weight in weights), *others]
    owners, enclosing = [layer for layer, _ in weights], _enclosing(model)
    recorder = _ReadRecorder(watched, owners, enclosing)
    with fresh_functions(model), wrapped_calls([*owners, *enclosing], recorder.calling):
        outputs = symbolic_call(model, inputs, scope=recorder)
    handles = {id(part.handle): i for i, variable in enumerate(watched) for part in parts_of(variable)}
    final = final_kernels(outputs, handles.keys())
    return (
        list(recorder.order),
        recorder.outside,
        None if final is None else {handles[x] for x in final if x in handles},
    )


def _enclosing(model: keras.Model) -> list[keras.Layer]:
    rows = [(layer, row_of(layer)) for layer in model._flatten_layers()]
    return [layer for layer, row in rows if row is not None and row.encloses]


@dataclasses.dataclass(frozen=True)
class _ForwardOrder:
    """What a model remembers of its order; no bare tuple, which Keras would walk when it saves."""

    pairs: tuple[Pair, ...] = ()
    classifiers: Classifiers = Classifiers(())


def _known(model: keras.Model) -> _ForwardOrder:
    return model.__dict__.get("_forward_order", _ForwardOrder())


def _others(model: keras.Model, pairs: Sequence[Pair]) -> list[keras.Variable]:
    """The kernels of all other layers of the maskable classes, whether they can be masked as they stand."""
    given = {(id(layer), name) for layer, name in pairs}
    rows = [(layer, row_of(layer)) for layer in model._flatten_layers()]
    found = [
        layer.__dict__.get(name)
        for layer, row in rows
        for name in (row.attributes if row is not None else ())
        if (id(layer), name) not in given
    ]
    return [variable for variable in found if isinstance(variable, keras.Variable)]


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
            if position < len(self.owners) and not self._called[id(self.owners[position])]:
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
