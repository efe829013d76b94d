"""Keras callbacks of the user's own, which listen to every training of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from tf_tickets.config import Config
from tf_tickets.support.object_hash import at_work
from tf_tickets.support.own_code import failures_told, own
from tf_tickets.support.scale import Scale
from tf_tickets.training.metrics import scale_of

_SET_RATES = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)


def make(config: Config) -> list[keras.callbacks.Callback]:
    """The callbacks of a run, new ones where a name is that of a class or a function.

    Those that monitor a number and are not told which way is better are told it: Keras does not know
    validation_loss.

    Args:
        config: of the run.

    Raises:
        ValueError: one cannot be imported or made, is no callback, or does what no callback of a run may.
    """
    made = [_checked(name, _made(name), config.validation_fraction > 0) for name in config.callbacks]
    scale = scale_of(config.recipe.metric_name)
    with at_work(made):
        for callback in made:
            if getattr(callback, "mode", None) == "auto":
                callback.mode = _better(getattr(callback, "monitor", None), scale) or callback.mode
    return made


def _better(monitored: Any, scale: Scale) -> str | None:
    """`"min"` or `"max"` of a number of an epoch; None of one that nobody here knows."""
    number = str(monitored).removeprefix("validation_")
    if number == "loss":
        return "min"
    if number == scale.metric:
        return "max" if scale.higher_is_better else "min"
    return None


def _made(name: str) -> keras.callbacks.Callback:
    value = own("--callback", name)
    if isinstance(value, keras.callbacks.Callback):
        return value
    if not callable(value):
        raise ValueError(f"--callback={name} is no callback but {type(value).__name__}.")
    with failures_told(f"--callback={name}", ". It is called without arguments."):
        value = value()
    if isinstance(value, keras.callbacks.Callback):
        return value
    raise ValueError(
        f"--callback={name} is to return a keras.callbacks.Callback. Received: {type(value).__name__}"
    )


def _checked(name: str, callback: keras.callbacks.Callback, validates: bool) -> keras.callbacks.Callback:
    if isinstance(callback, _SET_RATES):
        raise ValueError(
            f"--callback={name} is a {type(callback).__name__}: a run sets its rates itself, at the "
            "beginning of every epoch. Write them as --schedule=file.py:name."
        )
    monitored = getattr(callback, "monitor", None)
    if isinstance(monitored, str) and monitored.startswith("test_"):
        raise ValueError(
            f"--callback={name} monitors {monitored}: the test set never selects anything. Hold out a "
            f"--validation_fraction, and monitor {monitored.replace('test_', 'validation_', 1)}."
        )
    if isinstance(monitored, str) and monitored.startswith("val_"):
        raise ValueError(
            f"--callback={name} monitors {monitored}, which runs call validation_{monitored[4:]}: "
            "say so by monitor=, and hold out a --validation_fraction."
        )
    if isinstance(monitored, str) and monitored.startswith("validation_") and not validates:
        raise ValueError(
            f"--callback={name} monitors {monitored}: say --validation_fraction=0.1, or so, too."
        )
    return callback


def can_go_on(callbacks: Sequence[keras.callbacks.Callback]) -> bool:
    """Whether all can be told of the epochs before, by `on_resume(history)`.

    Of any other nobody knows what it has counted or kept: a training that has one begins anew instead.
    """
    return all(hasattr(callback, "on_resume") for callback in callbacks)


class NameOfTraining(keras.callbacks.Callback):
    """Adds to the `params`, which all callbacks of a training share, which training it is.

    Args:
        title: such as `"dense"` or `"retrain"`.
        where: the directory of the training.
    """

    def __init__(self, title: str, where: str):
        super().__init__()
        self._facts = {"training": title, "directory": where}

    def set_params(self, params: dict) -> None:
        """Before any callback is told that the training begins."""
        params.update(self._facts)
        super().set_params(params)
