"""Plans: which kernel each layer of a model computes by, after a fixed rule or after what layers take."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from tf_tickets.compaction.graph import Graph
from tf_tickets.serving.convolution import Convolution
from tf_tickets.serving.execution import Execution
from tf_tickets.serving.kernels import DENSE, kernels_for, usual_kernel
from tf_tickets.serving.packed_arrays import pack
from tf_tickets.serving.stopwatch import milliseconds
from tf_tickets.serving.workbench import save_layers, shape_of

Plan = dict[str, str]

# For measuring single layers; what is written and loaded comes on top.
SECONDS = 10.0
# A layer of fewer weights takes as long as it takes to call it.
FEWEST_WEIGHTS = 2**12
# What single layers take tells little of what they take within a model, where others use the memory, too.
# So sparse kernels are taken to cost so many times what was measured, and models are measured as a whole.
FACTORS = (1.0, 0.7, 1.4)


@dataclasses.dataclass(frozen=True)
class SparseLayer:
    """A layer that sparse kernels could compute.

    Attributes:
        name: in the graph.
        convolutions: what it computes, in each of its calls.
        nonzeros: of its kernel.
    """

    name: str
    convolutions: list[Convolution]
    nonzeros: int


def sparse_layers(graph: Graph) -> list[SparseLayer]:
    """Layers of a graph whose kernels have zeros, enough of them to be packed."""
    layers = {call.name: call.layer for call in graph.calls}
    found = []
    for name, each in Execution(graph).convolutions.items():
        kernel = np.asarray(layers[name].kernel)
        if pack(kernel).is_smaller:
            found.append(SparseLayer(name, each, int(np.count_nonzero(kernel))))
    return found


def sparse_plan(layers: Sequence[SparseLayer], batch: int) -> Plan:
    """Sparse kernels wherever a fixed rule has them; see `kernels.usual_kernel`."""
    return {layer.name: usual_kernel(layer.convolutions, layer.nonzeros, batch) for layer in layers}


def proposed_plans(model: keras.Model, graph: Graph, layers: Sequence[SparseLayer], batch: int) -> list[Plan]:
    """Plans that are fast by what single layers and changes of the layout take, and that of the fixed rule.

    Args:
        model: of stock layers.
        graph: of the model.
        layers: of the graph, those that there is a choice for.
        batch: examples at a time.

    Returns:
        Plans, none where no sparse kernel could be of use.

    Raises:
        RuntimeError: they cannot be measured.
    """
    large = [layer for layer in layers if layer.convolutions[0].weights >= FEWEST_WEIGHTS]
    kernels = {layer.name: kernels_for(layer.convolutions, layer.nonzeros, batch) for layer in large}
    kernels = {name: each for name, each in kernels.items() if len(each) > 1}
    if not kernels:
        return []
    of_layers = {layer.name: layer for layer in layers}
    specs = [spec for spec in graph.specs if len(spec.shape) > 1 and spec.dtype == "float32"]
    shapes = list(dict.fromkeys(shape_of(spec, batch) for spec in specs))
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / "layers"
        choices = {name: (of_layers[name].convolutions[0], each) for name, each in kernels.items()}
        names = save_layers(model, graph, choices, shapes, batch, path)
        found = milliseconds([path], batch, SECONDS)
    costs = {key: statistics.median(found[str(path), name]) for key, name in names.items()}

    execution = Execution(graph)

    def cost(plan: Plan, factor: float) -> float:
        computing = sum(
            costs[name, kernel] * (1 if kernel == DENSE else factor) * len(of_layers[name].convolutions)
            for name, kernel in plan.items()
        )
        return computing + sum(costs[shape_of(graph.specs[n], batch)] for n in execution.steps(plan)[1])

    plans = [_cheapest(kernels, functools.partial(cost, factor=factor)) for factor in FACTORS]
    return [*plans, sparse_plan(layers, batch)]


def _cheapest(kernels: Mapping[str, Sequence[str]], cost: Callable[[Plan], float]) -> Plan:
    """The cheapest plan found by changing one layer after the other, from all dense and from all sparse."""
    found = []
    for start in (0, -1):
        plan = {name: each[start] for name, each in kernels.items()}
        before, now = float("inf"), cost(plan)
        while now < before:
            for name, each in kernels.items():
                costs = [cost({**plan, name: kernel}) for kernel in each]
                plan[name] = each[costs.index(min(costs))]
            before, now = now, cost(plan)
        found.append((now, plan))
    return min(found, key=lambda pair: pair[0])[1]
