"""Writers of models in each format; what they are given has stock layers and its zeros."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from tf_tickets.exporting import runtimes
from tf_tickets.exporting.kernel_choices import BATCH, DEFAULT, KERNEL_CHOICES
from tf_tickets.exporting.quantization import QUANTIZATIONS
from tf_tickets.exporting.samples import first_inputs, sample_inputs
from tf_tickets.exporting.verification import COMPARED, check_litert, check_outputs, compare_saved_model
from tf_tickets.layers.symbolic_call import structure_of

SPARSE = "EXPERIMENTAL_SPARSITY"
SPARSE_IS_WRONG = "Its zeros are stored, too: of its sparse layers LiteRT computes other outputs."


def write_saved_model(
    model: keras.Model, path: pathlib.Path, kernels: str = DEFAULT, batch: int = BATCH
) -> dict[str, Any]:
    """A folder with the signature `serve`, its weights packed; arguments as for `export`.

    Raises:
        ValueError: its outputs are not the model's.
    """
    written = KERNEL_CHOICES[kernels].write(model, path, batch)
    notes = (*written.notes, *compare_saved_model(model, path))
    return {
        "kernels": dict(written.kernels),
        "milliseconds": dict(written.milliseconds),
        "batch": batch,
        "notes": notes,
    }


def write_keras(model: keras.Model, path: pathlib.Path) -> None:
    """A .keras file that loads in safe mode, not compiled."""
    # Without what it was compiled with: an optimizer of ours or a loss of the user's could not be loaded.
    with contextlib.ExitStack() as stack:
        for part in model._flatten_layers():
            if isinstance(part, keras.Model) and part.compiled:
                for name, value in (("compiled", False), ("optimizer", None)):
                    stack.callback(object.__setattr__, part, name, getattr(part, name))
                    object.__setattr__(part, name, value)
        model.save(str(path))


def write_litert(
    model: keras.Model,
    path: pathlib.Path,
    quantize: str | None = None,
    data: Any = None,
    converter_options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A LiteRT file; of a recurrent model one that stores zeros, for batches of one if it has a loop.

    Arguments as for `export`.

    Returns:
        The notes of `Exported`.

    Raises:
        ValueError: its outputs are not the model's, or LiteRT lacks what the model computes with.
    """
    row = QUANTIZATIONS[quantize]
    recurrent = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]
    looped = [layer.path for layer in recurrent if not layer.unroll]
    if looped and not row.takes_loops:
        takers = [repr(name) for name, other in QUANTIZATIONS.items() if other.takes_loops]
        raise ValueError(
            f"quantize={quantize!r} takes no loop over time, which these layers have: {', '.join(looped)}. "
            f"Build them with unroll=True, or choose one of: {', '.join(takers)}."
        )
    # Through a SavedModel: converting a Keras 3 model's concrete function directly gave NaN without a word.
    with tempfile.TemporaryDirectory() as scratch:
        if looped:
            # LiteRT has lists of tensors, which a loop collects its steps in, where their shapes are known.
            signature = _signature_of_one(model)
            model.export(
                f"{scratch}/saved_model", format="tf_saved_model", verbose=False, input_signature=signature
            )
        else:
            model.export(f"{scratch}/saved_model", format="tf_saved_model", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(f"{scratch}/saved_model")
        converter.optimizations = [
            getattr(tf.lite.Optimize, name)
            for name in row.optimizations
            # Of a kernel that is stored as a sparse one and used in several steps, LiteRT makes another.
            if not (recurrent and name == SPARSE)
        ]
        if row.types:
            converter.target_spec.supported_types = [getattr(tf.dtypes, name) for name in row.types]
        if row.ops:
            converter.target_spec.supported_ops = [getattr(tf.lite.OpsSet, name) for name in row.ops]
        saved_model = tf.saved_model.load(f"{scratch}/saved_model")
        examples = [] if data is None else sample_inputs(model, saved_model, data)
        if row.needs_data:
            converter.representative_dataset = lambda: iter(examples)
        _set_options(converter, converter_options or {}, sparse=quantize is None)
        path.write_bytes(_converted(converter, model.name))
        compared = examples[: COMPARED if quantize is None else 1]
        try:
            check_litert(saved_model, path, compared, row.tolerance)
        except ValueError:
            if [name.name for name in converter.optimizations] != [SPARSE]:
                raise
            # LiteRT's sparse kernel is wrong for some small layers, by their shape and where their zeros are.
            converter.optimizations = []
            path.write_bytes(_converted(converter, model.name))
            check_litert(saved_model, path, compared, row.tolerance)
            return {"notes": (SPARSE_IS_WRONG,)}
    return {}


def write_onnx(model: keras.Model, path: pathlib.Path, data: Any = None) -> None:
    """An ONNX file for any size of batch, by Keras's exporter; run by ONNX Runtime, and compared.

    Raises:
        ValueError: its outputs are not the model's, or it cannot be had.
    """
    _keras_export(model, path, "onnx", "ONNX", runtimes.onnx, data)


def write_openvino(model: keras.Model, path: pathlib.Path, data: Any = None) -> None:
    """OpenVINO's .xml, and the .bin beside it, by Keras's exporter; run in float32, and compared.

    Raises:
        ValueError: its outputs are not the model's, or it cannot be had: of loops over time, for example.
    """
    _keras_export(model, path, "openvino", "OpenVINO", runtimes.openvino, data)


def _keras_export(
    model: keras.Model,
    path: pathlib.Path,
    format: str,
    what: str,
    run: Callable[[pathlib.Path], runtimes.Run],
    data: Any,
) -> None:
    x = first_inputs(model, data)
    try:
        # tf2onnx asks NumPy for names that it has no more, and is warned each time.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            model.export(str(path), format=format, verbose=False, input_signature=_signature_of_any(model))
    except Exception as error:  # of the converters, which have their classes to themselves
        reasons = [line.strip() for line in str(error).splitlines() if "No conversion rule" in line]
        reason = reasons[0] if reasons else _first_line(error)
        looped = [x.path for x in model._flatten_layers() if isinstance(x, keras.layers.RNN) and not x.unroll]
        hint = f" Build layers that loop over time with unroll=True: {', '.join(looped)}." if looped else ""
        raise ValueError(f"{what} does not take model '{model.name}': {reason}.{hint}") from error
    check_outputs(model, run(path), f"The {what} model", x)


def _signature_of_any(model: keras.Model) -> list | None:
    """The model's inputs, any number of examples; None where it does not know them, and Keras must."""
    if not getattr(model, "inputs", None):
        return None
    return [
        keras.tree.map_structure(
            lambda x: keras.InputSpec(shape=x.shape, dtype=x.dtype, name=x.name), structure_of(model)
        )
    ]


def _converted(converter: Any, name: str) -> bytes:
    try:
        return converter.convert()
    except Exception as error:  # of the converter, which has its classes to itself
        raise ValueError(
            f"LiteRT's built-in operations do not make up model '{name}': {_first_line(error)} "
            "Export it as a saved_model, and convert that with select TensorFlow operations "
            "(tf.lite.OpsSet.SELECT_TF_OPS), which the device must have then too."
        ) from error


def _signature_of_one(model: keras.Model) -> list:
    """The model's inputs, one example at a time."""
    if not getattr(model, "inputs", None):
        raise ValueError(
            f"LiteRT takes a loop over time only with a batch size that is known, and model '{model.name}' "
            "does not know its inputs. Call it on a keras.Input, and export keras.Model(inputs, outputs)."
        )
    return [
        keras.tree.map_structure(
            lambda x: tf.TensorSpec((1, *x.shape[1:]), x.dtype, name=x.name.replace("/", "_")),
            structure_of(model),
        )
    ]


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]


def _set_options(converter: Any, options: Mapping[str, Any], sparse: bool) -> None:
    """Sets attributes of the converter; refuses those that it has not, and sparse integers."""
    for name, value in options.items():
        if name.startswith("_") or not hasattr(converter, name):
            known = ", ".join(sorted(key for key in vars(converter) if not key.startswith("_")))
            raise ValueError(f"converter_options has {name!r}, which the converter has not. It has: {known}.")
        setattr(converter, name, value)
    # Names of them the converter would pass over without a word.
    unknown = [x for x in converter.optimizations if not isinstance(x, tf.lite.Optimize)]
    if unknown:
        raise ValueError(
            f"converter_options: optimizations are members of tf.lite.Optimize. Received: {unknown[0]!r}"
        )
    if not sparse and tf.lite.Optimize.EXPERIMENTAL_SPARSITY in converter.optimizations:
        raise ValueError(
            "converter_options ask for EXPERIMENTAL_SPARSITY together with quantize=, and such a model does "
            "not load, or gives other outputs. Choose one of the two."
        )
