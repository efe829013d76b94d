"""The ticket that a model carries, whoever set its masks."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import effective_mask, masked_weights
from tf_tickets.pruning.paths import affordable_path_counts
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
        on_path=affordable_path_counts(model, masks),
    )


def carried(ticket: Ticket | None, model: keras.Model) -> Ticket | None:
    """The ticket, if the model still carries it; else what it carries now, with a note that says so."""
    if ticket is None:
        return None
    masks = [effective_mask(entry) for entry in masked_weights(model)]
    if not masks or all(np.array_equal(a, b) for a, b in zip(masks, ticket.masks, strict=True)):
        return ticket
    now = ticket_of(model, ticket.origin)
    note = (
        f"the masks that were found keep {ticket.kept:,} weights; somebody has set others since, as by "
        "restoring weights of another moment"
    )
    return dataclasses.replace(now, notes=(*now.notes, note))
