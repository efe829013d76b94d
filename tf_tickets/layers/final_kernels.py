"""Which kernels feed the outputs of a model: in the graph of one call, none follows them on the way there."""

import collections
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeAlias

import tensorflow as tf

# A tensor of one frame: the frame's number, and its name there.
Place: TypeAlias = tuple[int, str]

# Operations by which weights of several axes mix channels, so that they count as a kernel, maskable or not.
MIXES = re.compile("MatMul|Conv|Einsum|Gather|RNN|LSTM|GRU|Dot")
# What they give depends on the shape of what they are given, and on none of its values.
OF_SHAPE = {"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"}
# Python code, which a graph does not show.
OPAQUE = {"EagerPyFunc", "PyFunc", "PyFuncStateless"}
# Operations that run other graphs: the attributes that hold these, and the operation's first input of theirs.
BODIES = {
    "PartitionedCall": (("f",), 0),
    "StatefulPartitionedCall": (("f",), 0),
    "While": (("body",), 0),
    "StatelessWhile": (("body",), 0),
    "If": (("then_branch", "else_branch"), 1),
    "StatelessIf": (("then_branch", "else_branch"), 1),
    "Case": (("branches",), 1),
    "StatelessCase": (("branches",), 1),
}
LOOPS = {"While", "StatelessWhile"}


def final_kernels(outputs: Sequence[tf.Tensor], kernels: Collection[int]) -> set[int] | None:
    """Ids of the handles of kernels that feed an output: between them and it no other kernel is applied.

    A kernel is applied where an operation brings it together with what depends on the model's inputs. Where
    ways of different length lead to one output, as around a residual block, the kernel that is nearest counts
    and not those before it. Weights of several axes that are not among `kernels`, as those of a layer that
    cannot be masked, are kernels too where they mix channels.

    Args:
        outputs: symbolic tensors, what one traced call returned.
        kernels: ids of the handles of the variables that are kernels.

    Returns:
        A set of ids, of kernels or of others; None where the graph does not tell.
    """
    if not outputs:
        return None
    try:
        return _Graph(outputs, kernels).final()
    except (KeyError, AttributeError, IndexError, _UnknownError):  # a kind of operation that is not known
        return None


class _UnknownError(Exception):
    """The graph does not tell."""


class _Frame:
    """A graph, and the operation that runs it, if it is not the outermost."""

    def __init__(self, number: int, graph: Any, parent: "_Frame | None" = None, call: Any = None):
        self.number, self.graph, self.parent, self.call = number, graph, parent, call
        self.inputs = {tensor.name: position for position, tensor in enumerate(graph.inputs)}


class _Graph:
    """The part of a graph that outputs depend on, and that of the graphs that it runs."""

    def __init__(self, outputs: Sequence[tf.Tensor], kernels: Collection[int]):
        graph = outputs[0].graph
        self.kernels = kernels
        self.captured = {inner.name: id(outer) for outer, inner in graph.captures}
        self.ranks = {id(variable.handle): variable.shape.rank or 0 for variable in graph.variables}
        self.outer = _Frame(0, graph)
        self.frames: dict[tuple, _Frame] = {}
        self.outputs = [self._place(self.outer, tensor) for tensor in outputs]
        self.operation: dict[Place, Any] = {}
        self.before: dict[Place, list[Place]] = {}
        self._explore(outputs)
        self.data = self._data()
        self._applied: dict[Place, frozenset[int]] = {}

    def final(self) -> set[int]:
        found: set[int] = set()
        for output in self.outputs:
            nearest = {}
            for place in self._walk([output], stop=True):
                if self.operation[place].type in OPAQUE:
                    raise _UnknownError
                if self.applied(place):
                    nearest[self._key(place)] = place
            starts = [x for place in nearest.values() for x in self.before[place]]
            followed = {self._key(place) for place in self._walk(starts)}
            for key, place in nearest.items():
                found |= self.applied(place) if key not in followed else frozenset()
        return found

    def applied(self, place: Place) -> frozenset[int]:
        """The kernels that the operation of a tensor applies to data."""
        if place not in self._applied:
            operation, inputs = self.operation[place], self.before[place]
            constants = [x for x in inputs if x not in self.data]
            passed_on = operation.type in BODIES or operation.type == "Placeholder"
            meets_data = not passed_on and len(constants) < len(inputs)
            handles = self._handles(constants) if meets_data else set()
            mixes = MIXES.search(operation.type)
            self._applied[place] = frozenset(
                x for x in handles if x in self.kernels or (mixes and self.ranks.get(x, 0) > 1)
            )
        return self._applied[place]

    def _walk(self, starts: Sequence[Place], stop: bool = False) -> Iterator[Place]:
        """Places of data on the way from the inputs to `starts`; with `stop` to the nearest kernels only."""
        stack, seen = list(starts), set(starts)
        while stack:
            place = stack.pop()
            if place not in self.data:
                continue
            yield place
            if not (stop and self.applied(place)):
                new = [x for x in self.before[place] if x not in seen]
                seen.update(new)
                stack.extend(new)

    def _handles(self, places: Sequence[Place]) -> set[int]:
        """Ids of what is captured from outside that these depend on."""
        stack, seen, found = list(places), set(places), set()
        while stack:
            place = stack.pop()
            if place[0] == 0 and place[1] in self.captured:
                found.add(self.captured[place[1]])
            new = [x for x in self.before[place] if x not in seen]
            seen.update(new)
            stack.extend(new)
        return found

    def _data(self) -> set[Place]:
        """Places whose values depend on the inputs of the model."""
        after = collections.defaultdict(list)
        for place, befores in self.before.items():
            for x in befores:
                after[x].append(place)
            for x in self._from_the_step_before(place):
                after[x].append(place)
        stack = [
            (0, name) for name in self.outer.inputs if name not in self.captured and (0, name) in self.before
        ]
        data = set(stack)
        while stack:
            new = [x for x in after[stack.pop()] if x not in data]
            data.update(new)
            stack.extend(new)
        return data

    def _explore(self, outputs: Sequence[tf.Tensor]) -> None:
        self.places: dict[Place, tuple[_Frame, Any]] = {}
        stack = [(self.outer, tensor) for tensor in outputs]
        while stack:
            frame, tensor = stack.pop()
            place = self._place(frame, tensor)
            if place in self.before:
                continue
            self.places[place] = (frame, tensor)
            self.operation[place] = tensor.op
            befores = self._inputs_of(frame, tensor)
            self.before[place] = [self._place(*x) for x in befores]
            stack.extend(befores)
            if self._looped(frame, tensor):
                stack.append((frame, frame.graph.outputs[frame.inputs[tensor.name]]))

    def _inputs_of(self, frame: _Frame, tensor: Any) -> list[tuple[_Frame, Any]]:
        """What a tensor is made of."""
        operation = tensor.op
        if tensor.name in frame.inputs:
            if frame.parent is None:
                return []
            first = BODIES[frame.call.type][1]
            return [(frame.parent, frame.call.inputs[first + frame.inputs[tensor.name]])]
        if operation.type not in BODIES:
            return [(frame, x) for x in operation.inputs if operation.type not in OF_SHAPE]
        found = []
        for body in self._bodies(frame, operation):
            found.append((body, body.graph.outputs[tensor.value_index]))
        if operation.type in LOOPS:
            found.append((frame, operation.inputs[tensor.value_index]))
        return found

    def _bodies(self, frame: _Frame, operation: Any) -> Iterator[_Frame]:
        for attribute in BODIES[operation.type][0]:
            functions = operation.get_attr(attribute)
            for function in functions if isinstance(functions, list) else [functions]:
                key = (frame.number, operation.name, function.name)
                if key not in self.frames:
                    graph = _function(operation.graph, function.name)
                    self.frames[key] = _Frame(len(self.frames) + 1, graph, frame, operation)
                yield self.frames[key]

    def _looped(self, frame: _Frame, tensor: Any) -> bool:
        return frame.parent is not None and frame.call.type in LOOPS and tensor.name in frame.inputs

    def _from_the_step_before(self, place: Place) -> list[Place]:
        """What an input of a loop's body is from the second step on."""
        frame, tensor = self.places[place]
        if not self._looped(frame, tensor):
            return []
        return [self._place(frame, frame.graph.outputs[frame.inputs[tensor.name]])]

    def _key(self, place: Place) -> Place:
        """The operation of a place, whichever of its outputs it is."""
        return place[0], self.operation[place].name

    @staticmethod
    def _place(frame: _Frame, tensor: Any) -> Place:
        return frame.number, tensor.name


def _function(graph: Any, name: str) -> Any:
    """The graph of a function that is called in a graph."""
    while graph is not None:
        function = graph._get_function(name)
        if function is not None:
            return function.graph
        graph = getattr(graph, "outer_graph", None)
    raise _UnknownError
