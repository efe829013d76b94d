"""What callbacks of a training say beyond Keras's hooks, and how often they want to be called."""

from collections.abc import Mapping, Sequence

import keras

_BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")


def has_batch_hooks(callbacks: Sequence[keras.callbacks.Callback]) -> bool:
    """Whether any callback wants to be called after every batch: it has hooks, and no `any_pace`."""
    return any(
        getattr(type(callback), hook) is not getattr(keras.callbacks.Callback, hook)
        for callback in callbacks
        for hook in _BATCH_HOOKS
        if not getattr(callback, "any_pace", False)
    )


def steps_until_calls(callbacks: Sequence[keras.callbacks.Callback]) -> list[int]:
    """Steps until a callback wants to be called next, of the callbacks that say it by `steps_alone()`."""
    return [callback.steps_alone() for callback in callbacks if hasattr(callback, "steps_alone")]


def tell_resumed(
    callbacks: Sequence[keras.callbacks.Callback], history: Sequence[Mapping[str, float]]
) -> None:
    """Tells callbacks that have `on_resume` of the epochs that were done before."""
    for callback in callbacks:
        getattr(callback, "on_resume", lambda history: None)(history)
