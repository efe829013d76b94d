"""A functional model as one flat list of calls, models within it taken apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
from keras.src.backend import get_keras_mask
from keras.src.models.functional import Functional


@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer (or of an operation of `keras.ops`) on tensors of the graph.

    Attributes:
        layer: what is called. A layer that is shared is that of several calls.
        name: of the layer, unique in the graph.
        inputs: numbers of the tensors among its arguments, in the order of `keras.tree.flatten`.
        masks: numbers of those that are Keras's masks (`mask=`, `attention_mask=`, ...), no inputs.
        outputs: numbers of the tensors that it gives, flattened likewise.
        node: Keras's record of the call, which holds the other arguments.
        given_masks: those masks that are computed with: all but what Keras finds beside the inputs.
    """

    layer: Any
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    node: Any
    masks: tuple[int, ...] = ()
    given_masks: tuple[int, ...] = ()

    def arguments(self, values: Mapping[int, Any]) -> tuple[tuple, dict[str, Any]]:
        """Positional and keyword arguments, with values in the place of tensors.

        Args:
            values: number of a tensor -> what stands for it; a mask without a value is None.
        """
        masks = _masks_of(self.node)
        given = {id(x): values.get(number) for x, number in zip(masks, self.masks, strict=True)}
        known = {id(x) for x in masks}
        inputs = [x for x in self.node.input_tensors if id(x) not in known]
        given.update((id(x), values[number]) for x, number in zip(inputs, self.inputs, strict=True))
        return self.node.arguments.fill_in(given)


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """What a model computes: calls in an order in which they can be made.

    Attributes:
        calls: of layers, in order; inputs of models are no calls.
        specs: of each tensor, by number: a `keras.KerasTensor` with its shape (batch first) and dtype.
        inputs: numbers of the model's inputs, flattened.
        outputs: numbers of its outputs, flattened.
        input_structure: the model's own structure, of numbers.
        output_structure: likewise.
    """

    calls: tuple[Call, ...]
    specs: tuple[keras.KerasTensor, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    input_structure: Any
    output_structure: Any

    def calls_of(self) -> dict[int, list[Call]]:
        """`id` of each layer -> its calls."""
        found: dict[int, list[Call]] = {}
        for call in self.calls:
            found.setdefault(id(call.layer), []).append(call)
        return found

    def beside(self) -> frozenset[int]:
        """`id` of each call that no output depends on: what it gives are masks that Keras passes along."""
        wanted, found = set(self.outputs), set()
        for call in reversed(self.calls):
            if wanted.isdisjoint(call.outputs):
                found.add(id(call))
            else:
                wanted.update(call.inputs, call.given_masks)
        return frozenset(found)

    def readers(self) -> dict[int, list[Call]]:
        """Number of each tensor -> the calls that take it."""
        found: dict[int, list[Call]] = {number: [] for number in range(len(self.specs))}
        for call in self.calls:
            for number in dict.fromkeys(call.inputs):
                found[number].append(call)
        return found


def _masks_of(node: Any) -> list[Any]:
    """The tensors that a call takes as masks, which Keras finds and passes along by itself."""
    named = {name: x for name, x in node.arguments.kwargs.items() if name == "mask" or name.endswith("_mask")}
    return [x for x in keras.tree.flatten(named) if isinstance(x, keras.KerasTensor)]


def _found_beside(x: Any, node: Any) -> bool:
    """Whether a mask is that of one of the inputs, which Keras finds by itself."""
    return any(x is get_keras_mask(given) for given in node.input_tensors)


def functional_of(model: keras.Model) -> Functional | None:
    """The functional model that computes what `model` does; None where its `call` is code."""
    if isinstance(model, keras.Sequential):
        plain = type(model).call is keras.Sequential.call
        return model._functional if plain else None
    plain = isinstance(model, Functional) and type(model).call is Functional.call
    return model if plain else None


def graph_of(model: keras.Model) -> Graph:
    """Takes a functional or Sequential model apart.

    Args:
        model: built; models inside it (functional or Sequential too) are taken apart likewise, others stay
            one call.

    Raises:
        ValueError: what the model computes is not a graph of layers but code of its own, or it was not built.
    """
    functional = functional_of(model)
    if functional is None:
        raise ValueError(
            f"Model '{model.name}' ({type(model).__name__}) is no graph of layers that could be taken apart: "
            "what it computes is code, its `call`, or it was not built. Functional and Sequential models are "
            "graphs; parts of this one may be: keras.Model(inputs, outputs)."
        )
    builder = _Builder()
    inputs = tuple(builder.tensor(x) for x in functional._inputs)
    builder.names.update((id(x), x.name) for x in functional._inputs)
    builder.add(functional, dict(zip(map(id, functional._inputs), inputs, strict=True)), ())
    of_outputs = tuple(builder.numbers[id(x)] for x in functional._outputs)
    structures = [
        keras.tree.pack_sequence_as(structure, list(numbers))
        for structure, numbers in (
            (functional._inputs_struct, inputs),
            (functional._outputs_struct, of_outputs),
        )
    ]
    return Graph(tuple(builder.calls), tuple(builder.specs), inputs, of_outputs, *structures)


class _Builder:
    """Lists the calls of a model, and of those inside it in the places where they are called."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.specs: list[keras.KerasTensor] = []
        self.numbers: dict[int, int] = {}  # of the tensors of the outermost model, at the end
        self.names: dict[int, str] = {}

    def tensor(self, spec: keras.KerasTensor) -> int:
        self.specs.append(spec)
        return len(self.specs) - 1

    def add(self, functional: Functional, numbers: dict[int, int], within: tuple[str, ...]) -> None:
        """Adds the calls of a model whose inputs have these numbers, and notes the numbers of its tensors."""
        depths = functional._nodes_by_depth
        for node in (node for depth in sorted(depths, reverse=True) for node in depths[depth]):
            if node.is_input or any(id(x) not in numbers for x in node.input_tensors):
                continue
            apart = self._taken_apart(node)
            if apart is not None:
                inside, given = apart
                known = [
                    self._as(x.dtype, numbers[id(of)], within)
                    for x, of in zip(inside._inputs, given, strict=True)
                ]
                of_inside = dict(zip(map(id, inside._inputs), known, strict=True))
                self.add(inside, of_inside, (*within, node.operation.name))
                found = [self.numbers[id(x)] for x in inside._outputs]
            else:
                found = [self.tensor(x) for x in node.outputs]
                of_masks = _masks_of(node)
                known_masks = {id(x) for x in of_masks}
                taken = tuple(numbers[id(x)] for x in node.input_tensors if id(x) not in known_masks)
                masks = tuple(numbers[id(x)] for x in of_masks)
                given_masks = tuple(numbers[id(x)] for x in of_masks if not _found_beside(x, node))
                name = self._name(node.operation, within)
                self.calls.append(Call(node.operation, name, taken, tuple(found), node, masks, given_masks))
            numbers.update(zip(map(id, node.outputs), found, strict=True))
        self.numbers = numbers

    @staticmethod
    def _taken_apart(node: Any) -> tuple[Functional, list[keras.KerasTensor]] | None:
        """The model that a node calls, and what it takes for its inputs; None where it takes more or less."""
        inside = functional_of(node.operation) if isinstance(node.operation, keras.Model) else None
        if inside is None or len(node.arguments.args) != 1:
            return None
        # Keras notes masks that it passes along; `training=True` would be another computation.
        others = [x for x in keras.tree.flatten(node.arguments.kwargs) if x is not None and x is not False]
        if not all(isinstance(x, keras.KerasTensor) and _found_beside(x, node) for x in others):
            return None
        (given,), structure = node.arguments.args, inside._inputs_struct
        if isinstance(given, dict) and not isinstance(structure, dict):
            given = [given.get(x.name) for x in keras.tree.flatten(structure)]
        elif isinstance(given, dict) and given.keys() != structure.keys():
            return None
        given = keras.tree.flatten(given)
        alike = len(given) == len(inside._inputs) and all(
            isinstance(x, keras.KerasTensor)
            and (len(x.shape), x.sparse, x.ragged) == (len(of.shape), of.sparse, of.ragged)
            for x, of in zip(given, inside._inputs, strict=True)
        )
        return (inside, given) if alike else None

    def _as(self, dtype: str, number: int, within: tuple[str, ...]) -> int:
        """The tensor that a model inside makes of one of another dtype; layers cast between floats."""
        spec = self.specs[number]
        if spec.dtype == dtype or all(map(keras.backend.is_float_dtype, (spec.dtype, dtype))):
            return number
        cast = keras.ops.cast(keras.KerasTensor(spec.shape, spec.dtype), dtype)
        node = cast._keras_history.operation._inbound_nodes[0]
        found = self.tensor(cast)
        self.calls.append(Call(node.operation, self._name(node.operation, within), (number,), (found,), node))
        return found

    def _name(self, layer: Any, within: tuple[str, ...]) -> str:
        if id(layer) not in self.names:
            taken = set(self.names.values())
            name = layer.name
            for outer in (*reversed(within), "again"):
                if name not in taken:
                    break
                name = f"{outer}_{name}"
            while name in taken:
                name += "_"
            self.names[id(layer)] = name
        return self.names[id(layer)]
