"""The order of callbacks in a `fit`."""

import gc

import keras

from tf_tickets.layers.masked_weight import masked_weights


def check_backup_comes_later(callback: keras.callbacks.Callback) -> None:
    """Refuses a BackupAndRestore that stands before the callback which gives the model its masks.

    After an interruption it would restore weights with masks into a model that has none yet.

    Args:
        callback: that is about to mask its model, in `on_train_begin`.
    """
    if masked_weights(callback.model):
        return
    # Keras tells a callback nothing of the others; the list that fit goes through refers to it.
    for callbacks in gc.get_referrers(callback):
        if not isinstance(callbacks, list):
            continue
        before = callbacks[: callbacks.index(callback)]
        if any(isinstance(each, keras.callbacks.BackupAndRestore) for each in before):
            name = type(callback).__name__
            raise ValueError(
                f"BackupAndRestore stands before {name} in callbacks=, and would restore a backup with masks "
                f"before {name} gives the model masks. Put it after {name}, or call "
                "tf_tickets.mask_layers(model) before fit."
            )
