"""Writing a model as SavedModel, .keras or LiteRT; what it is given has stock layers and its zeros."""

import contextlib
import pathlib
import tempfile
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def write_saved_model(model: keras.Model, path: pathlib.Path) -> None:
    """A folder with the signature `serve`."""
    model.export(str(path), format="tf_saved_model", verbose=False)


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


def write_litert(model: keras.Model, path: pathlib.Path) -> None:
    """A sparse float32 LiteRT file; raises ValueError if its outputs are not the model's."""
    # Through a SavedModel: converting a Keras 3 model's concrete function directly gave NaN without a word.
    with tempfile.TemporaryDirectory() as scratch:
        write_saved_model(model, pathlib.Path(scratch) / "saved_model")
        converter = tf.lite.TFLiteConverter.from_saved_model(f"{scratch}/saved_model")
        converter.optimizations = [tf.lite.Optimize.EXPERIMENTAL_SPARSITY]
        path.write_bytes(converter.convert())
        _check_litert(tf.saved_model.load(f"{scratch}/saved_model"), path)


def _check_litert(saved_model: Any, path: pathlib.Path) -> None:
    """Raises ValueError if the LiteRT model's outputs are not those of the SavedModel that it was made of."""
    signature = saved_model.signatures["serving_default"]
    rng = np.random.default_rng(0)
    inputs = {name: _example(rng, spec) for name, spec in signature.structured_input_signature[1].items()}
    expected = signature(**{name: tf.constant(value) for name, value in inputs.items()})
    found = tf.lite.Interpreter(model_path=str(path)).get_signature_runner("serving_default")(**inputs)
    for name, tensor in expected.items():
        wanted = tensor.numpy()
        if not np.allclose(found[name], wanted, rtol=1e-3, atol=1e-3 * max(1.0, np.abs(wanted).max())):
            raise ValueError(
                "The LiteRT model's outputs differ from the model's by up to "
                f"{np.abs(found[name] - wanted).max():.3g}; it was not kept."
            )


def _example(rng: np.random.Generator, spec: tf.TensorSpec) -> np.ndarray:
    """One random example of an input; 0 and 1 where it is of integers, which may be ids."""
    shape = [1, *(size or 32 for size in spec.shape[1:])]
    values = rng.normal(size=shape) if spec.dtype.is_floating else rng.integers(0, 2, shape)
    return values.astype(spec.dtype.as_numpy_dtype)
