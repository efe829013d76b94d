"""How each call of a model is computed by a plan of kernels: by which, and in which layout."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import keras
from keras.src.backend import get_keras_mask

from tf_tickets.compaction.elementwise import not_elementwise
from tf_tickets.compaction.graph import Call, Graph
from tf_tickets.serving import batch_last
from tf_tickets.serving.convolution import Convolution, convolution_of
from tf_tickets.serving.kernels import DENSE
from tf_tickets.serving.layouts import BATCH_FIRST, BATCH_LAST


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """One call.

    Attributes:
        call: of the graph.
        kernel: name in `KERNELS`.
        layout: that it takes its tensors in.
        gives: the layout of its outputs.
        convolution: what it computes, where it has a sparse kernel.
        last: how it is called with the batch last, where it has none.
    """

    call: Call
    kernel: str
    layout: str
    gives: str
    convolution: Convolution | None = None
    last: batch_last.Call | None = None


class Execution:
    """What can be done with each call of a graph.

    Attributes:
        convolutions: name of each layer that sparse kernels could compute -> what it computes, in each of its
            calls.

    Args:
        graph: of the model.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._convolutions = [_convolution_of(call, graph) for call in graph.calls]
        self._last = [_call_with_the_batch_last(call, graph) for call in graph.calls]
        each: dict[str, list[Convolution | None]] = {}
        for call, convolution in zip(graph.calls, self._convolutions, strict=True):
            each.setdefault(call.name, []).append(convolution)
        self.convolutions: dict[str, list[Convolution]] = {
            name: known for name, some in each.items() if len(known := [x for x in some if x]) == len(some)
        }

    def steps(self, plan: Mapping[str, str]) -> tuple[list[Step], list[int]]:
        """Steps of a plan.

        A call that can be computed in both layouts is where most of its tensors are already.

        Args:
            plan: name of a layer -> name in `KERNELS`; the dense one where it is silent.

        Returns:
            Steps in order, and the numbers of the tensors that have to be transposed.
        """
        there: dict[int, set[str]] = {number: {BATCH_FIRST} for number in self._graph.inputs}
        found, transposed = [], []

        def take(number: int, layout: str) -> None:
            if layout not in there[number]:
                there[number].add(layout)
                transposed.append(number)

        for position, call in enumerate(self._graph.calls):
            step = self._step(position, plan.get(call.name, DENSE), there)
            for number in call.inputs:
                take(number, step.layout)
            there.update((number, {step.gives}) for number in call.outputs)
            found.append(step)
        for number in self._graph.outputs:
            take(number, BATCH_FIRST)
        return found, transposed

    def _step(self, position: int, kernel: str, there: Mapping[int, set[str]]) -> Step:
        call, last = self._graph.calls[position], self._last[position]
        convolution = self._convolutions[position]
        if kernel != DENSE and convolution is not None:
            gives = BATCH_FIRST if not_elementwise(call.layer.activation) else BATCH_LAST
            return Step(call, kernel, BATCH_LAST, gives, convolution)
        are_last = sum(BATCH_LAST in there[number] for number in call.inputs)
        if last is not None and 2 * are_last >= len(call.inputs):
            return Step(call, DENSE, BATCH_LAST, BATCH_LAST, last=last)
        return Step(call, DENSE, BATCH_FIRST, BATCH_FIRST)


def _convolution_of(call: Call, graph: Graph) -> Convolution | None:
    if len(call.inputs) != 1 or call.masks or not _may_be_last(graph, call.inputs[0]):
        return None
    return convolution_of(call.layer, tuple(graph.specs[call.inputs[0]].shape))


def _call_with_the_batch_last(call: Call, graph: Graph) -> batch_last.Call | None:
    numbers = (*call.inputs, *call.outputs)
    if not call.inputs or call.masks or not all(_may_be_last(graph, number) for number in numbers):
        return None
    ranks = [len(graph.specs[number].shape) for number in call.inputs]
    given = keras.tree.flatten((call.node.arguments.args, call.node.arguments.kwargs))
    return batch_last.call_of(call.layer, ranks, [x for x in given if not isinstance(x, keras.KerasTensor)])


def _may_be_last(graph: Graph, number: int) -> bool:
    """Whether a tensor has a batch and channels, numbers that sparse kernels know, and no mask of Keras."""
    spec = graph.specs[number]
    return len(spec.shape) > 1 and spec.dtype == "float32" and get_keras_mask(spec) is None
