"""Measures quantisation-aware training of tickets by tfmot, and writes docs/laptop/quantization.json.

    python scripts/experiments/quantization.py
    python scripts/experiments/quantization.py --seeds=5-9 --file=elsewhere.json

Tickets are trained first, by runs that are taken up where they are. Each is given to tf_keras, trained on for
some epochs in each way of `WAYS`, and its zeros are counted; that of the recipe is converted to LiteRT, too.
"""

import dataclasses
import json
import pathlib
import statistics
import sys
from collections.abc import Sequence
from typing import Any

import keras  # before tfmot, which would have its own way with tf.keras
import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras
from absl import app, flags
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts import prune_preserve

import tf_tickets as tt
from tf_tickets.support.words import plural

FILE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "laptop" / "quantization.json"
SCHEME = prune_preserve.default_8bit_prune_preserve_quantize_scheme  # tfmot has no shorter name for it
SPARSITIES = (0.9, 0.98)
EXAMPLES = 512  # that ranges are taken of


@dataclasses.dataclass(frozen=True)
class Way:
    """How a twin is trained on.

    Attributes:
        name: what the page calls it.
        apply: makes of a twin what is trained.
        calibrated: whether ranges are set before.
        frozen: whether statistics of batch normalisation stay, and its scales.
        learning_rate: Adam's.
        epochs: of batches of 32.
        only: sparsities that it is tried at.
        seeds: how many of the seeds.
    """

    name: str
    apply: Any
    calibrated: bool = True
    frozen: bool = True
    learning_rate: float = 1e-4
    epochs: int = 3
    only: Sequence[float] = (0.98,)
    seeds: int = 3


def preserving(twin: tf_keras.Model) -> tf_keras.Model:
    """Quantised so that zeros of the weights stay."""
    annotated = tfmot.quantization.keras.quantize_annotate_model(twin)
    return tfmot.quantization.keras.quantize_apply(annotated, SCHEME.Default8BitPrunePreserveQuantizeScheme())


def clustered(twin: tf_keras.Model) -> tf_keras.Model:
    """Sixteen values for each kernel."""
    clustering = tfmot.clustering.keras
    start = clustering.CentroidInitialization.KMEANS_PLUS_PLUS
    return clustering.cluster_weights(twin, number_of_clusters=16, cluster_centroids_init=start)


RECIPE = Way("the recipe", preserving, only=SPARSITIES, seeds=sys.maxsize)
WAYS = (
    RECIPE,
    dataclasses.replace(RECIPE, name="not calibrated", calibrated=False, only=(0.98,), seeds=3),
    dataclasses.replace(RECIPE, name="statistics move", frozen=False, only=(0.98,), seeds=3),
    Way("plain QAT", tfmot.quantization.keras.quantize_model, only=SPARSITIES),
    Way("cluster_weights", clustered, calibrated=False),
)


def ticket(sparsity: float, seed: int, runs_dir: str) -> keras.Model:
    """A trained one, from a run that is taken up where it is."""
    given = {"method": "hybrid", "dataset": "digits", "model": "resnet8", "width": 0.5}
    return tt.run(**given, sparsity=sparsity, seed=seed, runs_dir=runs_dir).model


def correct(model: Any, x: np.ndarray, y: np.ndarray) -> int:
    """How many examples of a test set."""
    return int((np.argmax(model.predict(x, verbose=0), axis=-1) == y).sum())


def converted(model: tf_keras.Model) -> bytes:
    """In LiteRT's int8, with floats at its ends."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


class Interpreted:
    """A LiteRT file that predicts as a model does."""

    def __init__(self, content: bytes) -> None:
        self.interpreter = tf.lite.Interpreter(model_content=content)

    def predict(self, x: np.ndarray, verbose: int = 0) -> np.ndarray:
        (given,), (found,) = self.interpreter.get_input_details(), self.interpreter.get_output_details()
        self.interpreter.resize_tensor_input(given["index"], x.shape)
        self.interpreter.allocate_tensors()
        self.interpreter.set_tensor(given["index"], x)
        self.interpreter.invoke()
        return self.interpreter.get_tensor(found["index"])

    def zeros(self) -> int:
        """Of all kernels, the constants of more than one axis."""
        self.interpreter.allocate_tensors()
        kernels = [
            self.interpreter.get_tensor(each["index"])
            for each in self.interpreter.get_tensor_details()
            if each["dtype"] == np.int8 and "LastValueQuant" in each["name"] and "Bias" not in each["name"]
        ]
        return sum(int((kernel == 0).sum()) for kernel in kernels if kernel.ndim > 1)


def measured(way: Way, model: keras.Model, dataset: Any, seed: int) -> dict[str, Any]:
    """What a ticket loses by a way."""
    (x, y), (test_x, test_y) = dataset.train, dataset.test
    tf_keras.utils.set_random_seed(seed)
    twin, given = tt.interop.to_tf_keras(model), tt.interop.to_tf_keras(model)
    zeros = sum(int((x.numpy() == 0).sum()) for x in twin.weights if len(x.shape) > 1)
    for layer in given.layers:
        if isinstance(layer, tf_keras.layers.BatchNormalization):
            layer.trainable = not way.frozen
    quantized = way.apply(given)
    if way.calibrated:
        tt.interop.calibrate(quantized, x[:EXAMPLES])
    before = correct(quantized, test_x, test_y)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    quantized.compile(tf_keras.optimizers.Adam(way.learning_rate), loss)
    quantized.fit(x, y, epochs=way.epochs, batch_size=32, verbose=0)
    if way.apply is clustered:
        quantized = tfmot.clustering.keras.strip_clustering(quantized)
    found = {
        "float": correct(model, test_x, test_y),
        "before": before,
        "after": correct(quantized, test_x, test_y),
        "examples": len(test_y),
        "zeros": zeros,
        "lost": sum(tt.interop.lost_zeros(twin, quantized).values()),
    }
    if way is RECIPE:
        litert = Interpreted(converted(quantized))
        found["litert"] = correct(litert, test_x, test_y)
        found["litert_zeros"] = litert.zeros()
    return found


def main(argv: Sequence[str]) -> int:
    if argv[1:]:
        raise app.UsageError(f"There are flags only. Received: {argv[1]}")
    keras.config.disable_interactive_logging()
    first, _, last = flags.FLAGS.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    dataset = tt.data.load("digits")
    file = pathlib.Path(flags.FLAGS.file)
    rows = json.loads(file.read_text())["rows"] if file.exists() else []
    for way in WAYS:
        for sparsity in way.only:
            for seed in seeds[: way.seeds]:
                this = {"way": way.name, "sparsity": sparsity, "seed": seed}
                if not any(this.items() <= row.items() for row in rows):
                    model = ticket(sparsity, seed, flags.FLAGS.runs_dir)
                    rows.append({**this, **measured(way, model, dataset, seed)})
                    print(rows[-1], flush=True)
                    file.write_text(json.dumps({"ways": summaries(rows), "rows": rows}, indent=1) + "\n")
    print(f"{plural(len(rows), 'training')} in {file}")
    return 0


def summaries(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each way at each sparsity: means over the seeds, in points, and what zeros were lost in all."""
    found = []
    for way, sparsity in dict.fromkeys((row["way"], row["sparsity"]) for row in rows):
        of = [row for row in rows if (row["way"], row["sparsity"]) == (way, sparsity)]
        changes = [100 * (row["after"] - row["float"]) / row["examples"] for row in of]
        found.append(
            {
                "way": way,
                "sparsity": sparsity,
                "seeds": len(of),
                **{
                    name: statistics.mean(100 * row[name] / row["examples"] for row in of)
                    for name in ("float", "before", "after", "litert")
                    if name in of[0]
                },
                "change": statistics.mean(changes),
                "deviation": statistics.stdev(changes) if len(of) > 1 else None,
                "least": min(changes),
                "zeros": sum(row["zeros"] for row in of),
                "lost": sum(row["lost"] for row in of),
                "lost_in_litert": sum(max(0, row["zeros"] - row["litert_zeros"]) for row in of)
                if "litert_zeros" in of[0]
                else None,
            }
        )
    return found


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    flags.DEFINE_string("seeds", "0-4", "Seeds of tickets, such as 0-4.", flag_values=values)
    flags.DEFINE_string("runs_dir", "runs", "Where tickets are trained.", flag_values=values)
    flags.DEFINE_string("file", str(FILE), "What is written.", flag_values=values)


if __name__ == "__main__":
    define_flags()
    app.run(main)
