"""Checks of the epochs at which callbacks act."""

from typing import Any

import keras

from tf_tickets.support.numbers import is_whole


def check_epoch(argument: str, value: Any) -> int:
    """The value as an int; ValueError if it is no epoch."""
    if not is_whole(value, 0):
        raise ValueError(f"{argument}= is a 0-based epoch. Received: {value!r}")
    return int(value)


def check_within(callback: keras.callbacks.Callback, epochs: int | None, epoch: int) -> None:
    """Raises ValueError if the callback is to act at an epoch that a training of so many does not reach."""
    if epochs is not None and epoch >= epochs:
        raise ValueError(
            f"{type(callback).__name__} is to act at the start of epoch {epoch}, but training ends after "
            f"epoch {epochs - 1}. (Epochs count from 0.)"
        )
