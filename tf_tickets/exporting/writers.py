"""Writers of models as SavedModel, .keras or LiteRT; what they are given has stock layers and its zeros."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tf_tickets.exporting.kernel_choices import BATCH, DEFAULT, KERNEL_CHOICES
from tf_tickets.exporting.quantization import QUANTIZATIONS
from tf_tickets.exporting.samples import sample_inputs
from tf_tickets.exporting.verification import check_litert, compare_saved_model

SPARSE = "EXPERIMENTAL_SPARSITY"


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
) -> None:
    """A LiteRT file; of a recurrent model one that stores zeros, for batches of one if it has a loop.

    Arguments as for `export`.

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
        check_litert(saved_model, path, examples[:1], row.tolerance)


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
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    return [
        keras.tree.map_structure(
            lambda x: tf.TensorSpec((1, *x.shape[1:]), x.dtype, name=x.name.replace("/", "_")), structure
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
    if not sparse and tf.lite.Optimize.EXPERIMENTAL_SPARSITY in converter.optimizations:
        raise ValueError(
            "converter_options ask for EXPERIMENTAL_SPARSITY together with quantize=, and such a model does "
            "not load, or gives other outputs. Choose one of the two."
        )
