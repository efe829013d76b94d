"""Writers of models as SavedModel, .keras or LiteRT; what they are given has stock layers and its zeros."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile

import keras
import tensorflow as tf

from tf_tickets.exporting.verification import check_litert


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
        check_litert(tf.saved_model.load(f"{scratch}/saved_model"), path)
