"""Keras callbacks of the user's own, which listen to every training of a run."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from tf_tickets.support.own_code import own

_SET_RATES = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)


def make(names: Sequence[str]) -> list[keras.callbacks.Callback]:
    """The callbacks of names, new ones where a name is that of a class or a function.

    Raises:
        ValueError: one cannot be imported or made, is no callback, or does what no callback of a run may.
    """
    return [_checked(name, _made(name)) for name in names]


def _made(name: str) -> keras.callbacks.Callback:
    value = own("--callback", name)
    if isinstance(value, keras.callbacks.Callback):
        return value
    if not callable(value):
        raise ValueError(f"--callback={name} is no callback but {type(value).__name__}.")
    try:
        value = value()
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"--callback={name} failed: {type(error).__name__}: {error}. It is called without arguments."
        ) from error
    if isinstance(value, keras.callbacks.Callback):
        return value
    raise ValueError(
        f"--callback={name} is to return a keras.callbacks.Callback. Received: {type(value).__name__}"
    )


def _checked(name: str, callback: keras.callbacks.Callback) -> keras.callbacks.Callback:
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
