"""What serving a pruned model takes: SavedModels of it side by side; runs in a process of its own.

Masks are drawn at full size, of networks that were not trained and whose batch normalisation saw one batch:
what a product takes does not hang on the numbers.
"""

import json
import os
import pathlib
import statistics
import sys
import tempfile
import time
import warnings
from typing import Any

import numpy as np

SHAPE, CLASSES = (32, 32, 3), 10

# (model, method, sparsity, batch) -> how many times faster than Keras's export the best must be.
CASES = {
    ("vgg19", "random", 0.98, 32): 2.2,
    ("vgg19", "random", 0.98, 1): 2.0,
    ("vgg19", "uniform", 0.98, 32): 4.0,
    ("vgg19", "synflow", 0.98, 32): 3.3,
    ("resnet32", "random", 0.98, 32): 1.6,
    ("resnet32", "random", 0.98, 1): 1.0,
    ("resnet32", "random", 0.99, 32): 2.2,
    ("resnet32", "snip", 0.98, 32): 2.0,
}
# Nothing may be slower than folded dense by more than this.
LEAST_OF_FOLDED = 0.97


def pruned(model_name: str, method: str, sparsity: float) -> Any:
    """A stock Keras model with zeros."""
    import keras

    import tf_tickets as tt

    model = tt.models.build(model_name, SHAPE, CLASSES)
    rng = np.random.default_rng(0)
    data = rng.normal(size=(64, *SHAPE)).astype("float32"), rng.integers(0, CLASSES, 64)
    tt.prune(model, method, sparsity, data=data)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(data[0], training=True)
    return tt.fold(model)


def measure(model_name: str, method: str, sparsity: float, batch: int, seconds: float) -> dict[str, dict]:
    """Contender -> milliseconds of a batch, how many times faster than Keras's export, megabytes, seconds."""
    import tf_tickets as tt
    from tf_tickets.compaction.folded_model import folded_model
    from tf_tickets.serving.stopwatch import milliseconds

    model = pruned(model_name, method, sparsity)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dense, compact = folded_model(model), tt.compact(model)
    found: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        model.export(str(root / "keras"), verbose=False)
        found["keras"] = {}
        contenders = {
            "folded": (dense, "dense"),
            "compact": (compact, "dense"),
            "sparse": (dense, "auto"),
            "both": (compact, "auto"),
        }
        for name, (each, kernels) in contenders.items():
            began = time.perf_counter()
            written = tt.export(each, root / name, kernels=kernels, batch=batch, allow_dense=True)
            found[name] = {"export_s": time.perf_counter() - began, "kernels": _counts(written.kernels)}
        times = milliseconds([root / name for name in found], batch, seconds)
        turns = {name: np.array(times[str(root / name), "serve"]) for name in found}
        for name, row in found.items():
            row["ms"] = statistics.median(turns[name])
            row["faster"] = float(np.median(turns["keras"] / turns[name]))
            row["of_folded"] = float(np.median(turns["folded"] / turns[name]))
            row["mb"] = sum(path.stat().st_size for path in (root / name).rglob("*") if path.is_file()) / 1e6
            row["load_s"] = loading(root / name)
    return found


def loading(path: pathlib.Path) -> float:
    """Processor seconds of loading a SavedModel."""
    import tensorflow as tf

    began = time.process_time()
    tf.saved_model.load(path)
    return time.process_time() - began


def _counts(kernels: dict[str, str]) -> dict[str, int]:
    names = list(kernels.values())
    return {name: names.count(name) for name in dict.fromkeys(names)}


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")  # libraries may print to 1 as they like
    os.dup2(2, 1)
    model_name, method, sparsity, batch, seconds = sys.argv[1:]
    row = measure(model_name, method, float(sparsity), int(batch), float(seconds))
    print(json.dumps(row), file=answers, flush=True)
