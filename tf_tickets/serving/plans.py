"""Plans: which kernel each layer of a model computes by, all dense, by a fixed rule, or by measuring."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from tf_tickets.compaction.graph import Graph, functional_of, graph_of
from tf_tickets.serving.convolution import Convolution
from tf_tickets.serving.execution import convolutions, steps
from tf_tickets.serving.kernels import DENSE, kernels_for, usual_kernel
from tf_tickets.serving.packed_arrays import pack
from tf_tickets.serving.saved_model import ENDPOINT, save
from tf_tickets.serving.stopwatch import milliseconds
from tf_tickets.serving.workbench import save_layers, shape_of

Plan = dict[str, str]

# Seconds for measuring layers, and each of the finished models; what is written and loaded comes on top.
SECONDS_OF_LAYERS, SECONDS_OF_A_MODEL = 15.0, 5.0
# What single layers take tells little of what they take within a model, where others use the memory, too. So
# sparse kernels are taken to cost so many times what was measured, and each of the plans is measured as a whole.
WEIGHTS = (1.0, 0.7, 1.4)
# A plan must be faster than the dense one by more than chance, or it is not worth its complications.
LEAST_GAIN = 0.02


@dataclasses.dataclass(frozen=True)
class Choice:
    """What was chosen, and what it was chosen by.

    Attributes:
        plan: name of each layer that has a choice -> name in `KERNELS`.
        milliseconds: "dense" and "chosen" -> what a batch takes; empty where nothing was measured.
    """

    plan: Plan
    milliseconds: dict[str, float] = dataclasses.field(default_factory=dict)


def sparse_plan(graph: Graph, batch: int) -> Plan:
    """Sparse kernels wherever a fixed rule has them; see `kernels.usual_kernel`."""
    return {
        layer.name: usual_kernel(layer.convolutions, layer.nonzeros, batch) for layer in _sparse_layers(graph)
    }


def measured(model: keras.Model, path: pathlib.Path, batch: int) -> Choice:
    """Writes the fastest of some plans, the dense one among them.

    Args:
        model: as for `saved_model.save`.
        path: of the SavedModel.
        batch: examples that it is measured with.

    Raises:
        saved_model.NotItsWeightsAlone: nothing is written.
    """
    plans: list[Plan] = [{}]
    if functional_of(model) is not None:
        graph = graph_of(model)
        plans += [sparse_plan(graph, batch), *_proposed(model, graph, batch)]
    distinct = list({tuple(sorted((k, v) for k, v in p.items() if v != DENSE)): p for p in plans}.values())
    if len(distinct) == 1:
        save(model, path, {})
        return Choice({})
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        places = [pathlib.Path(scratch) / str(i) for i in range(len(distinct))]
        for place, plan in zip(places, distinct, strict=True):
            save(model, place, plan)
        found = milliseconds(places, batch, SECONDS_OF_A_MODEL * len(places))
        times = [np.array(found[str(place), ENDPOINT]) for place in places]
        # Turn by turn: what slows the machine down for a while is not in a ratio.
        ratios = [float(np.median(each / times[0])) for each in times]
        best = int(np.argmin(ratios))
        if ratios[best] > 1 - LEAST_GAIN:
            best = 0
        shutil.move(places[best], path)
    dense = statistics.median(times[0])
    return Choice(distinct[best], {"dense": dense, "chosen": dense * ratios[best]})


@dataclasses.dataclass(frozen=True)
class _Layer:
    """One that sparse kernels could compute."""

    name: str
    convolutions: list[Convolution]
    nonzeros: int


def _sparse_layers(graph: Graph) -> list[_Layer]:
    """Layers whose kernels are packed."""
    layers = {call.name: call.layer for call in graph.calls}
    found = []
    for name, each in convolutions(graph).items():
        kernel = np.asarray(layers[name].kernel)
        if pack(kernel).is_smaller:
            found.append(_Layer(name, each, int(np.count_nonzero(kernel))))
    return found


def _proposed(model: keras.Model, graph: Graph, batch: int) -> list[Plan]:
    """Plans that are fast by what single layers and changes of the layout take."""
    layers = {layer.name: layer for layer in _sparse_layers(graph)}
    kernels = {name: kernels_for(layer.convolutions, layer.nonzeros, batch) for name, layer in layers.items()}
    kernels = {name: each for name, each in kernels.items() if len(each) > 1}
    if not kernels:
        return []
    shapes = [
        shape_of(spec, batch) for spec in graph.specs if len(spec.shape) > 1 and spec.dtype == "float32"
    ]
    with tempfile.TemporaryDirectory() as scratch:
        choices = {name: (layers[name].convolutions[0], each) for name, each in kernels.items()}
        names = save_layers(model, graph, choices, list(dict.fromkeys(shapes)), batch, scratch)
        found = milliseconds([scratch], batch, SECONDS_OF_LAYERS)
    costs = {key: statistics.median(found[scratch, name]) for key, name in names.items()}

    def cost(plan: Plan, weight: float) -> float:
        of_layers = sum(
            costs[name, kernel] * (1 if kernel == DENSE else weight) for name, kernel in plan.items()
        )
        return of_layers + sum(costs[shape_of(graph.specs[n], batch)] for n in steps(graph, plan)[1])

    return [_cheapest(kernels, lambda plan, weight=weight: cost(plan, weight)) for weight in WEIGHTS]


def _cheapest(kernels: Mapping[str, Sequence[str]], cost: Callable[[Plan], float]) -> Plan:
    """The cheapest plan that is found by changing one layer after the other, from the dense one and others."""
    found = []
    for start in (0, -1):
        plan = {name: each[start] for name, each in kernels.items()}
        before = float("inf")
        while (now := cost(plan)) < before:
            before = now
            for name, each in kernels.items():
                plan[name] = min(each, key=lambda kernel, name=name: cost({**plan, name: kernel}))
        found.append((now, plan))
    return min(found, key=lambda pair: pair[0])[1]
