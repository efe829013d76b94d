"""Networks as they are shipped, beside Keras's own export: how many times as fast, how large, how exact.

Runs in a process of its own; each way to ship a network has another, with one thread, and they take turns.
Weights are untrained, but where accuracy is asked: what a network computes says nothing of its speed, once
its batch normalisation is that of what it sees. Reading the table loads no TensorFlow.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

import tf_tickets as tt
from tf_tickets.deployments import timing
from tf_tickets.deployments.ways import FOLDED, KERAS

if TYPE_CHECKING:
    import keras

    Made = tuple[keras.Model, Any]

COMPACT, SPARSE, INT8, LITERT = "compact", "sparse", "LiteRT int8", "LiteRT"
# Of dense layers in LiteRT, one example at a time: pattern, sparsity, and what is asked.
DENSE_LAYERS: dict[str, tuple[str, float, float]] = {
    "dense layers 98 % in LiteRT one by one": ("unstructured", 0.98, 5.0),
    "dense layers 98 % 4x1 in LiteRT one by one": ("4x1", 0.98, 9.0),
    "dense layers 90 % 4x1 in LiteRT one by one": ("4x1", 0.9, 3.0),
    "dense layers 50 % 2:4 in LiteRT one by one": ("2:4", 0.5, 0.0),
}
SIZE = 2048  # of each of them: of half of it, zeros and all fit into a processor's cache


@dataclasses.dataclass(frozen=True)
class Case:
    """A network in a way to ship it, and what is asked of that.

    Attributes:
        make: -> the network, and samples with labels or None.
        batch: examples at a time.
        way: name in `WAYS`.
        over: the way that it is compared with.
        at_least: times as fast.
        most_bytes: on disk.
        most_lost: of accuracy.
    """

    make: Callable[[], Made]
    batch: int
    way: str
    at_least: float
    over: str = KERAS
    most_bytes: float | None = None
    most_lost: float | None = None


def untrained(name: str, method: str, sparsity: float) -> Callable[[], Made]:
    """A network of 32x32 images, pruned, its normalisation calibrated on noise."""

    def make() -> Made:
        model = tt.models.build(name, (32, 32, 3), 10, seed=0)
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(100, 32, 32, 3)).astype("float32"), np.arange(100) % 10
        tt.prune(model, method, sparsity, data=(x, y) if method == "snip" else None)
        for _ in range(50):
            model(x, training=True)
        return model, x

    return make


def trained(method: str, sparsity: float, **settings: Any) -> Callable[[], Made]:
    """ResNet20 at half its width on scikit-learn's digits, with its test set."""

    def make() -> Made:
        with tempfile.TemporaryDirectory() as folder:
            scale = {"model": "resnet20", "width": 0.5, "dataset": "digits"}
            run = tt.run(method, sparsity, **scale, **settings, export=(), run_dir=f"{folder}/run")
            return run.model, tt.data.load("digits").test

    return make


CHANNELS = trained("hybrid", 0.5, pattern="channel", ratios="uniform")
CASES = {
    "VGG19 random 98 %": Case(untrained("vgg19", "random", 0.98), 32, SPARSE, 2.2, most_bytes=2.4e6),
    "VGG19 uniform 98 %": Case(untrained("vgg19", "uniform", 0.98), 32, SPARSE, 4.0),
    "VGG19 synflow 98 %": Case(untrained("vgg19", "synflow", 0.98), 32, SPARSE, 3.3),
    "VGG19 random 98 % one by one": Case(untrained("vgg19", "random", 0.98), 1, SPARSE, 2.0),
    "ResNet32 random 98 %": Case(untrained("resnet32", "random", 0.98), 32, SPARSE, 1.6),
    "ResNet32 random 99 %": Case(untrained("resnet32", "random", 0.99), 32, SPARSE, 2.2),
    "ResNet32 snip 98 %": Case(untrained("resnet32", "snip", 0.98), 32, SPARSE, 2.0),
    "ResNet32 random 98 % one by one": Case(
        untrained("resnet32", "random", 0.98), 1, SPARSE, 0.97, over=FOLDED
    ),
    "ResNet20 half of its channels trained": Case(CHANNELS, 32, COMPACT, 1.7, over=FOLDED),
    "ResNet20 half of its channels trained in LiteRT": Case(CHANNELS, 32, LITERT, 1.7, over=FOLDED),
    "VGG19 synflow 98 % as integers": Case(untrained("vgg19", "synflow", 0.98), 32, INT8, 8.0),
    "ResNet20 obd 98 % trained as integers": Case(trained("obd", 0.98), 32, INT8, 2.5, most_lost=0.005),
}
NAMES = (*CASES, *DENSE_LAYERS)


def measure(case: Case) -> dict[str, Any]:
    """What a case comes to, and whether that is what is asked."""
    from tf_tickets.deployments.deploying import measured_deployment
    from tf_tickets.exporting.answers import accuracies

    model, data = case.make()

    def right(run: Any) -> tuple[float, float] | None:
        return accuracies(model, run, data) if isinstance(data, tuple) else None

    wanted = list(dict.fromkeys((KERAS, FOLDED, case.way)))
    found = measured_deployment(model, case.batch, wanted, {}, data, right, "")
    row = found[case.way]
    times = row.faster if case.over == KERAS else row.faster_than_folded
    lost = None if row.accuracy is None else found.accuracy - row.accuracy
    kept = [times >= case.at_least]
    kept += [row.bytes <= case.most_bytes] if case.most_bytes else []
    kept += [lost <= case.most_lost] if case.most_lost else []
    return {
        "faster": times,
        "at_least": case.at_least,
        "over": case.over,
        "milliseconds": {name: found[name].cpu.median for name in wanted},
        "bytes": row.bytes,
        "error": row.error,
        "accuracy_lost": lost,
        "met": all(kept),
    }


def dense_layers(pattern: str, sparsity: float, at_least: float) -> dict[str, Any]:
    """LiteRT's sparse kernel of dense layers, beside the same file with its zeros stored."""
    import keras

    layers = [keras.layers.Dense(SIZE, "relu") for _ in range(3)]
    model = keras.Sequential([keras.Input((SIZE,), name="rows"), *layers])
    tt.prune(model, "uniform", sparsity, pattern=pattern)
    x = {"rows": np.random.default_rng(0).normal(size=(1, SIZE)).astype("float32")}
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sparse = tt.export(model, folder / "sparse.tflite", compact=False)
        dense = tt.export(
            model, folder / "dense.tflite", compact=False, converter_options={"optimizations": []}
        )
        timed = timing.interleaved(
            {
                name: stack.enter_context(timing.timekeeper_of("litert", written.path, x))
                for name, written in (("sparse", sparse), ("dense", dense))
            }
        )
        size = sparse.path.stat().st_size
    times = timing.faster(timed["sparse"], than=timed["dense"])
    milliseconds = {name: timing.Spread.of(found.cpu).median for name, found in timed.items()}
    return {
        "faster": times,
        "at_least": at_least,
        "over": "its zeros stored",
        "milliseconds": milliseconds,
        "bytes": size,
        "error": None,
        "accuracy_lost": None,
        "met": times >= at_least,
    }


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")  # libraries may print to 1 as they like
    os.dup2(2, 1)
    name = sys.argv[1]
    found = dense_layers(*DENSE_LAYERS[name]) if name in DENSE_LAYERS else measure(CASES[name])
    print(json.dumps(found), file=answers, flush=True)
