"""Verification of exports: each is loaded back, and its outputs are compared with the model's."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.compaction.compact import COARSE, TOLERANCE, computes_in_16_bits
from tf_tickets.compaction.output_difference import largest_difference
from tf_tickets.exporting.runtimes import Run
from tf_tickets.exporting.samples import named_inputs, random_sample
from tf_tickets.support.short_reprs import short_fields
from tf_tickets.support.startup import ALONE

COMPARED = 16  # examples of a LiteRT model, whose faults not every example shows

# Runs alone.
_PROGRAM = """
import gc, json, os
os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
import numpy as np
gc.disable()  # imports make no garbage, and looking for it takes a fifth of their time
import tensorflow as tf
gc.enable()
path, scratch = sys.argv[1:]
x = np.load(os.path.join(scratch, "x.npy"), allow_pickle=False)
loaded = tf.saved_model.load(path)
np.save(os.path.join(scratch, "y.npy"), np.asarray(loaded.serve(x)), allow_pickle=False)
counts = [[list(v.shape), int(np.count_nonzero(v.numpy()))] for v in loaded.variables]
packed = getattr(loaded, "packed", None)
if packed is not None:
    shapes = [[n for n in shape if n] for shape in packed.shapes.numpy().tolist()]
    counts += [[shape, count] for shape, count in zip(shapes, packed.counts.numpy().tolist())]
json.dump(counts, open(os.path.join(scratch, "counts.json"), "w"))
"""


@dataclasses.dataclass(frozen=True)
class Verification:
    """What a fresh process found in an export.

    Attributes:
        largest_difference: of the outputs, absolute, over the batch given.
        nonzeros: (shape, number of non-zero values) of every weight, those that are stored packed last.
    """

    largest_difference: float
    nonzeros: list[tuple[tuple[int, ...], int]]

    __repr__ = short_fields


def verify_saved_model(model: keras.Model, path: str | os.PathLike, x: np.ndarray) -> Verification:
    """Runs a SavedModel on a batch in a fresh process without tf_tickets, and compares with the model.

    Args:
        model: the model that was exported.
        path: the SavedModel.
        x: inputs `(batch, *input_shape)`.

    Raises:
        RuntimeError: it does not load or run there; the message holds the end of its output.
    """
    with tempfile.TemporaryDirectory() as scratch:
        np.save(os.path.join(scratch, "x.npy"), x, allow_pickle=False)
        done = subprocess.run(
            [sys.executable, "-c", ALONE + _PROGRAM, str(pathlib.Path(path).resolve()), scratch],
            cwd=scratch,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"The export at {path} does not load by itself: {done.stderr[-2000:]}")
        outputs = np.load(os.path.join(scratch, "y.npy"), allow_pickle=False)
        counts = json.loads(pathlib.Path(scratch, "counts.json").read_text())
    expected = np.asarray(model(x, training=False))
    return Verification(
        largest_difference=float(np.abs(outputs - expected).max()),
        nonzeros=[(tuple(shape), count) for shape, count in counts],
    )


def check_saved_model(model: keras.Model, path: pathlib.Path, x: np.ndarray) -> dict[str, Any]:
    """Facts about a SavedModel that was written of the model; arguments as for `verify_saved_model`.

    Raises:
        RuntimeError: its outputs are others than the model's.
    """
    found = verify_saved_model(model, path, x)
    scale = max(1.0, float(np.abs(np.asarray(model(x, training=False))).max()))
    if found.largest_difference > 1e-4 * scale:
        raise RuntimeError(f"The export's outputs differ by {found.largest_difference:.3g}.")
    return {
        "largest_difference": found.largest_difference,
        "nonzeros": sum(count for _, count in found.nonzeros),
    }


def compare_saved_model(model: keras.Model, path: pathlib.Path) -> tuple[str, ...]:
    """Runs a SavedModel on random inputs, and compares with the model that it was made of.

    Args:
        model: of stock layers, its zeros baked in.
        path: of the SavedModel.

    Returns:
        Why it was not compared, a sentence; nothing if it was.

    Raises:
        ValueError: its outputs are others than the model's.
    """
    try:
        own = largest_difference(model, model)
    except Exception as error:  # of the user's layers, on inputs that are not what they are made for
        return (f"Not compared with the model, which takes no random inputs: {str(error)[:200]}",)
    limit = COARSE if computes_in_16_bits(model) else TOLERANCE
    if own > limit:
        return ("Not compared with the model, whose outputs are random.",)
    loaded = tf.saved_model.load(str(path))
    difference = largest_difference(model, lambda inputs, training: loaded.serve(inputs))
    if not difference <= limit:
        raise ValueError(
            f"The SavedModel's outputs differ from the model's by {difference:.3g} of the largest (allowed: "
            f"{limit:g}); it was not kept."
        )
    return ()


def check_litert(
    saved_model: Any,
    path: pathlib.Path,
    examples: Sequence[Mapping[str, np.ndarray]] = (),
    tolerance: float = 1e-3,
) -> None:
    """Runs a LiteRT model on examples, and compares with the SavedModel that it was made of.

    Args:
        saved_model: as `tf.saved_model.load` gives it.
        path: of the LiteRT model.
        examples: inputs by name; a few random ones by default.
        tolerance: how far outputs may be apart, as a part of the largest (of 1, where that is less).

    Raises:
        ValueError: it does not load, or its outputs are others than the SavedModel's.
    """
    signature = saved_model.signatures["serving_default"]
    specs = signature.structured_input_signature[1].items()
    rng = np.random.default_rng(0)
    random = (
        {name: random_sample(rng, (1, *spec.shape[1:]), spec.dtype) for name, spec in specs}
        for _ in range(COMPARED)
    )
    try:
        runner = tf.lite.Interpreter(model_path=str(path)).get_signature_runner("serving_default")
        for inputs in examples or random:
            expected = signature(**{name: tf.constant(value) for name, value in inputs.items()})
            found = runner(**inputs)
            for name, tensor in expected.items():
                _check_close("The LiteRT model", tensor.numpy(), found[name], tolerance)
    except RuntimeError as error:
        raise ValueError(f"The LiteRT model does not run; it was not kept: {error}") from error


def check_outputs(model: keras.Model, run: Run, what: str, x: Any, tolerance: float = 1e-4) -> None:
    """Computes a batch with what was written of a model, and compares.

    Args:
        model: that was written.
        run: computes what was written.
        what: was written, for people.
        x: inputs in the model's own structure.
        tolerance: how far outputs may be apart, as a part of the largest (of 1, where that is less).

    Raises:
        ValueError: it does not run, or its outputs are others.
    """
    expected = [np.asarray(output) for output in keras.tree.flatten(model(x, training=False))]
    try:
        found = run(named_inputs(model, x))
    except RuntimeError as error:
        raise ValueError(f"{what} does not run; it was not kept: {error}") from error
    for ours, theirs in zip(expected, found, strict=False):  # OpenVINO shows what is within a layer, too
        _check_close(what, ours, theirs, tolerance)


def _check_close(what: str, expected: np.ndarray, found: np.ndarray, tolerance: float) -> None:
    apart = tolerance * max(1.0, float(np.abs(expected).max()))
    if expected.shape != found.shape:
        raise ValueError(
            f"{what}'s outputs have shape {found.shape}, the model's {expected.shape}; it was not kept."
        )
    if not np.allclose(found, expected, rtol=tolerance, atol=apart):
        raise ValueError(
            f"{what}'s outputs differ from the model's by up to {np.abs(found - expected).max():.3g}; it was "
            "not kept."
        )
