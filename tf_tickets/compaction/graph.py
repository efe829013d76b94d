"""A functional model as one flat list of calls, models within it taken apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
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
    """

    layer: Any
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    node: Any
    masks: tuple[int, ...] = ()

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
            inside = self._taken_apart(node)
            if inside is not None:
                known = [numbers[id(x)] for x in node.input_tensors]
                of_inside = dict(zip(map(id, inside._inputs), known, strict=True))
                self.add(inside, of_inside, (*within, node.operation.name))
                found = [self.numbers[id(x)] for x in inside._outputs]
            else:
                found = [self.tensor(x) for x in node.outputs]
                of_masks = _masks_of(node)
                known_masks = {id(x) for x in of_masks}
                taken = tuple(numbers[id(x)] for x in node.input_tensors if id(x) not in known_masks)
                masks = tuple(numbers[id(x)] for x in of_masks)
                name = self._name(node.operation, within)
                self.calls.append(Call(node.operation, name, taken, tuple(found), node, masks))
            numbers.update(zip(map(id, node.outputs), found, strict=True))
        self.numbers = numbers

    @staticmethod
    def _taken_apart(node: Any) -> Functional | None:
        """The model that a node calls, where it takes what the model names as its inputs and nothing else."""
        if not isinstance(node.operation, keras.Model):
            return None
        inside = functional_of(node.operation)
        # Keras notes `mask=None` and the like; `training=True` would be another computation.
        if inside is None or any(node.arguments.kwargs.values()):
            return None
        if len(node.input_tensors) != len(inside._inputs):
            return None
        given = keras.tree.flatten(node.arguments.args)
        return inside if all(isinstance(x, keras.KerasTensor) for x in given) else None

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
