"""Writing of SavedModels, with kernels that are dense, sparse by a rule, or the fastest of those measured."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import statistics
import tempfile
from collections.abc import Callable, Mapping

import keras
import numpy as np

from tf_tickets.compaction.graph import functional_of, graph_of
from tf_tickets.serving.kernels import DENSE
from tf_tickets.serving.plans import Plan, SparseLayer, proposed_plans, sparse_layers, sparse_plan
from tf_tickets.serving.saved_model import ENDPOINT, NotItsWeightsAlone, save
from tf_tickets.serving.stopwatch import milliseconds

# For measuring each of the finished models; what is written and loaded comes on top.
SECONDS = 5.0
# A plan must be faster than the dense one by more than chance, or it is not worth its complications.
LEAST_GAIN = 0.02


@dataclasses.dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        kernels: name of each layer whose kernel is packed, and that sparse kernels could compute -> name in
            `serving.kernels.KERNELS`.
        milliseconds: "dense" and "chosen" -> processor time of one thread that a batch takes; empty where
            nothing was measured.
        notes: what people should know, a sentence each.
    """

    kernels: Mapping[str, str]
    milliseconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()


def write_dense(model: keras.Model, path: pathlib.Path, batch: int) -> Written:
    """Dense kernels everywhere, of packed weights.

    Args:
        model: built, of stock layers, its zeros baked in.
        path: of the SavedModel.
        batch: means nothing here.
    """
    return _or_by_keras(model, path, lambda: _saved(model, path, {}, _layers(model)))


def write_sparse(model: keras.Model, path: pathlib.Path, batch: int) -> Written:
    """Sparse kernels wherever a fixed rule has them for batches of a size; arguments as for `write_dense`."""

    def write() -> Written:
        layers = _layers(model)
        return _saved(model, path, sparse_plan(layers, batch), layers)

    return _or_by_keras(model, path, write)


def write_fastest(model: keras.Model, path: pathlib.Path, batch: int) -> Written:
    """Whatever is fastest on this machine, and dense kernels where nothing is faster than they.

    Finished models take turns in a process of their own, with one thread. Arguments as for `write_dense`.
    """
    return _or_by_keras(model, path, lambda: _fastest(model, path, batch))


def _fastest(model: keras.Model, path: pathlib.Path, batch: int) -> Written:
    layers = _layers(model)
    plans: list[Plan] = [{}]
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        try:
            if layers:
                plans += proposed_plans(model, graph_of(model), layers, batch)
            distinct = {tuple(sorted((k, v) for k, v in plan.items() if v != DENSE)): plan for plan in plans}
            plans = list(distinct.values())
            places = [pathlib.Path(scratch) / str(number) for number in range(len(plans))]
            for place, plan in zip(places, plans, strict=True):
                save(model, place, plan)
            found = milliseconds(places, batch, SECONDS * len(places)) if len(places) > 1 else {}
        except RuntimeError as error:
            note = f"Kernels are dense, since others could not be measured: {error}"
            return dataclasses.replace(_saved(model, path, {}, layers), notes=(note,))
        best, times = 0, {}
        if found:
            turns = [np.array(found[str(place), ENDPOINT]) for place in places]
            # Turn by turn: what slows the machine down for a while is in no ratio.
            ratios = [float(np.median(each / turns[0])) for each in turns]
            best = int(np.argmin(ratios))
            best = best if ratios[best] <= 1 - LEAST_GAIN else 0
            dense = statistics.median(found[str(places[0]), ENDPOINT])
            times = {"dense": dense, "chosen": dense * ratios[best]}
        shutil.move(places[best], path)
    return Written(_kernels(layers, plans[best]), times)


def _layers(model: keras.Model) -> list[SparseLayer]:
    """Those that there is a choice for; of a model that is no graph, none."""
    return [] if functional_of(model) is None else sparse_layers(graph_of(model))


def _saved(model: keras.Model, path: pathlib.Path, plan: Plan, layers: list[SparseLayer]) -> Written:
    save(model, path, plan)
    return Written(_kernels(layers, plan))


def _kernels(layers: list[SparseLayer], plan: Plan) -> Plan:
    return {layer.name: plan.get(layer.name, DENSE) for layer in layers}


def _or_by_keras(model: keras.Model, path: pathlib.Path, write: Callable[[], Written]) -> Written:
    try:
        return write()
    except NotItsWeightsAlone:
        shutil.rmtree(path, ignore_errors=True)
        model.export(str(path), format="tf_saved_model", verbose=False)
        return Written(
            {},
            notes=(
                "Written by Keras, its weights neither packed nor by sparse kernels: the model computes with "
                "more than its weights (a table of words, or a state that it changes).",
            ),
        )
