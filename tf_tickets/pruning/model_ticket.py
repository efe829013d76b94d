"""The ticket that a model carries, whoever set its masks."""

from collections.abc import Mapping
from typing import Any

import keras

from tf_tickets.layers import effective_mask, masked_weights
from tf_tickets.pruning.paths import path_counts
from tf_tickets.pruning.ticket import Ticket


def ticket_of(model: keras.Model, origin: Mapping[str, Any]) -> Ticket:
    """The model's masks as a Ticket; where layers compute with less than their masks keep, what is left.

    Args:
        model: a masked model.
        origin: JSON-able facts of where the masks come from.

    Raises:
        ValueError: the model has no masks.
    """
    entries = masked_weights(model)
    if not entries:
        raise ValueError(f"Model '{model.name}' has no masks.")
    masks = tuple(effective_mask(entry) for entry in entries)
    return Ticket(
        masks=masks,
        names=tuple(entry.name for entry in entries),
        origin=origin,
        on_path=path_counts(model, masks),
    )
