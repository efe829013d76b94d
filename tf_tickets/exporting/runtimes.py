"""What runs exports: for each format a function that loads one and gives back what computes its outputs.

It imports nothing of ours, so that a process that knows no tf_tickets can be given this file.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

# Inputs by name, in the model's order, to outputs in the order of `keras.tree.flatten`.
Run = Callable[[Mapping[str, np.ndarray]], list[np.ndarray]]


def saved_model(path: str | os.PathLike, threads: int | None = None) -> Run:
    """A SavedModel, by its signature `serving_default`.

    Args:
        path: of the export.
        threads: to compute with; None: as many as there are cores. Of TensorFlow they are set once a process.
    """
    import tensorflow as tf

    _settle(tf, threads)
    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures["serving_default"]
    names = list(signature.structured_input_signature[1])

    def run(inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        found = signature(**{name: tf.constant(array) for name, array in _named(names, inputs).items()})
        return [found[name].numpy() for name in _in_order(found)]

    run.loaded = loaded  # type: ignore[attr-defined]  # else its variables are gone
    return run


def keras(path: str | os.PathLike, threads: int | None = None) -> Run:
    """A .keras file; arguments as for `saved_model`."""
    import tensorflow as tf

    _settle(tf, threads)
    from keras import saving, tree

    model = saving.load_model(path, compile=False)
    several = len(getattr(model, "inputs", None) or ()) > 1

    def run(inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        arrays = list(inputs.values())
        packed = tree.pack_sequence_as(model.input, arrays) if several else arrays[0]
        return [np.asarray(found) for found in tree.flatten(model(packed, training=False))]

    return run


def litert(path: str | os.PathLike, threads: int | None = None) -> Run:
    """A LiteRT file; one for batches of one computes others one by one. Arguments as for the others."""
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it moves to a package of its own
        interpreter = tf.lite.Interpreter(model_path=str(path), num_threads=threads)
    runner = interpreter.get_signature_runner("serving_default")
    takes, gives = runner.get_input_details(), runner.get_output_details()
    ones = any(len(x["shape_signature"]) and x["shape_signature"][0] == 1 for x in takes.values())
    shapes: dict[str, tuple[int, ...]] = {}

    def run(inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        arrays = _named(list(takes), inputs)
        if ones and len(next(iter(arrays.values()))) > 1:
            count = len(next(iter(arrays.values())))
            parts = [run({name: x[i : i + 1] for name, x in arrays.items()}) for i in range(count)]
            return [np.concatenate(pieces) for pieces in zip(*parts, strict=True)]
        if shapes != {name: array.shape for name, array in arrays.items()}:
            for name, array in arrays.items():
                interpreter.resize_tensor_input(takes[name]["index"], array.shape)
                shapes[name] = array.shape
            interpreter.allocate_tensors()
        for name, array in arrays.items():
            interpreter.set_tensor(takes[name]["index"], array)
        interpreter.invoke()
        return [interpreter.get_tensor(gives[name]["index"]) for name in _in_order(gives)]

    return run


def onnx(path: str | os.PathLike, threads: int | None = None) -> Run:
    """An ONNX file, by ONNX Runtime; arguments as for the others."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [x.name for x in session.get_inputs()]
    return lambda inputs: session.run(None, _named(names, inputs))


def openvino(path: str | os.PathLike, threads: int | None = None) -> Run:
    """OpenVINO's two files, computed in float32 and compiled for each size of batch.

    Of itself OpenVINO computes in bfloat16 where the processor can; outputs then have two digits.
    """
    import openvino as ov

    core, compiled = ov.Core(), {}
    options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    model = core.read_model(str(path))
    names = [x.any_name for x in model.inputs]

    def run(inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        arrays = _named(names, inputs)
        shapes = tuple(array.shape for array in arrays.values())
        if shapes not in compiled:
            model.reshape(dict(zip(arrays, map(list, shapes), strict=True)))
            compiled[shapes] = core.compile_model(model, "CPU", options)
        return [np.array(found) for found in compiled[shapes](arrays).values()]

    return run


def _settle(tf: Any, threads: int | None) -> None:
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def _named(names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Inputs under the names that a file has for them; by their places where the names are others."""
    if set(names) == set(inputs):
        return {name: inputs[name] for name in names}
    return dict(zip(names, inputs.values(), strict=True))


def _in_order(names: Any) -> list[str]:
    """Names of outputs, as `keras.tree.flatten` would have their tensors: output_10 comes after output_9."""
    return sorted(names, key=lambda name: (int(name[7:]) if name[7:].isdigit() else -1, name))
