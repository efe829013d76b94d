"""Models of the user's own: built by a function of theirs, or loaded from a `.keras` file."""

from __future__ import annotations

import inspect
import traceback
from typing import Any

import keras

from tf_tickets.layers import check_model
from tf_tickets.models.initial_weights import drawing_from
from tf_tickets.storage.user_paths import user_path
from tf_tickets.support.own_code import own_function
from tf_tickets.support.sessions import names_from_the_start

FUNCTION = "(input_shape, num_classes, seed) -> keras.Model"


def build(name: str, input_shape: tuple[int, ...], num_classes: int, width: float, seed: int) -> keras.Model:
    """Builds the model that a function of the user's makes.

    What the function does not seed is drawn from `seed`, as far as Keras draws it; what it does not name has
    the names of a new process, so that tickets and tables of several runs name the same layers.

    Args:
        name: `"module:function"` or `"file.py:function"`, a function of (input_shape, num_classes, seed), and
            of width, if it has one. It may call num_classes outputs, as where there are no classes.
        input_shape, num_classes, seed: handed over.
        width: handed over to a function that has such an argument; 1.0 for others.

    Raises:
        ValueError: there is no such function, it cannot be called so, or what it returns is no model from
            `(batch, *input_shape)` to `(batch, num_classes)`.
    """
    function = own_function("model", name)
    if isinstance(function, keras.Model):
        return _checked(_copy(function, name, width), name, input_shape, num_classes)
    options: dict[str, Any] = {"input_shape": input_shape, "seed": seed}
    try:
        accepted = inspect.signature(function)
        options["outputs" if "outputs" in accepted.parameters else "num_classes"] = num_classes
        if "width" in accepted.parameters:
            options["width"] = width
        elif width != 1.0:
            raise ValueError(
                f"model={name!r} has one width only, as it takes no width. Received: width={width}"
            )
        accepted.bind(**options)
    except TypeError as error:
        raise ValueError(f"model={name!r} is called as {FUNCTION}, and cannot be: {error}.") from error
    try:
        with drawing_from(seed), names_from_the_start():
            model = function(**options)
    except (Exception, SystemExit) as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise ValueError(
            f"model={name!r} failed: {type(error).__name__}: {error} ({where.filename}, line {where.lineno})"
        ) from error
    return _checked(model, name, input_shape, num_classes)


def _copy(model: keras.Model, name: str, width: float) -> keras.Model:
    """A model like one that is there, with its weights; what is done to it is not done to that one."""
    if width != 1.0:
        raise ValueError(f"model={name} has one width only. Received: width={width}")
    try:
        with drawing_from(0):
            copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
    except (ValueError, TypeError, NotImplementedError, AttributeError) as error:
        raise ValueError(
            f"model={name} cannot be copied, which each run does: {error}. Pass a function {FUNCTION} that "
            "makes it."
        ) from error
    return copy


def load(name: str, input_shape: tuple[int, ...], num_classes: int, width: float, seed: int) -> keras.Model:
    """Loads the model of a `.keras` file, in Keras's safe mode; its weights are the initial ones of any seed.

    Arguments as for `build`; there is one width.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no model, or another one than is asked for.
    """
    path = user_path(f"model={name}", name)
    if not path.is_file():
        raise FileNotFoundError(f"model={name}: there is no such file.")
    if width != 1.0:
        raise ValueError(f"model={name} has one width only. Received: width={width}")
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, OSError) as error:
        raise ValueError(f"model={name} cannot be loaded: {error}") from error
    return _checked(model, name, input_shape, num_classes)


def _checked(model: Any, name: str, input_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    try:
        check_model(model, f"model={name!r} is to return")
    except TypeError as error:
        raise ValueError(str(error)) from error
    examples = keras.KerasTensor((2, *input_shape))
    try:
        outputs = (
            model.compute_output_spec(examples) if model.built else model(keras.ops.zeros((2, *input_shape)))
        )
        shape = getattr(outputs, "shape", None)
    except Exception as error:  # whatever the user's layers raise
        raise ValueError(f"model={name!r} cannot take inputs of shape {input_shape}: {error}") from error
    if shape is None or tuple(shape) != (2, num_classes):
        raise ValueError(
            f"model={name!r}: its output for two examples is to have the shape {(2, num_classes)}: logits of "
            f"classes or labels, or numbers. Received: {shape}"
        )
    return model
