"""What a model needs when its layers get or lose trainable variables."""

import contextlib
from collections.abc import Sequence

import keras

from tf_tickets.layers import MaskedWeight


def check_free(entries: Sequence[MaskedWeight], what: str) -> None:
    """Raises ValueError if there is nothing to change, or layers have readings already."""
    if not entries:
        raise ValueError(f"{what} finds nothing to prune in the model.")
    for entry in entries:
        known = entry.layer.readings.get(entry.attribute)
        if known is not None:
            raise ValueError(
                f"{entry.name} is computed by {type(known).__name__} already. Call tf_tickets.fold(model) "
                f"before {what}."
            )


def renew_optimizer(model: keras.Model) -> None:
    """Gives a compiled model a fresh optimizer of the same config if it had one for other variables."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not optimizer.built:
        return
    strategy = getattr(model, "distribute_strategy", None)
    with strategy.scope() if strategy is not None else contextlib.nullcontext():
        model.optimizer = type(optimizer).from_config(optimizer.get_config())
