"""Masks that a ticket stays inside."""

from collections.abc import Iterable, Sequence

import numpy as np

from tf_tickets.layers import MaskedWeight
from tf_tickets.pruning.ticket import Ticket

Within = Ticket | Sequence[np.ndarray]


def masks_of(given: Within, entries: Sequence[MaskedWeight], argument: str = "within") -> list[np.ndarray]:
    """The bool masks of a Ticket or list, checked against the weights that they are for.

    Args:
        given: what a user gave.
        entries: the model's prunable weights.
        argument: its name, for messages.

    Raises:
        ValueError: it is nothing like masks, or masks for other weights.
    """
    if not isinstance(given, (Ticket, Iterable)):
        raise ValueError(f"{argument}= takes a Ticket or a list of bool masks. Received: {given!r}")
    masks = [np.asarray(mask) for mask in (given.masks if isinstance(given, Ticket) else given)]
    if [mask.shape for mask in masks] != [entry.shape for entry in entries]:
        raise ValueError(
            f"{argument}= has masks of shapes {[mask.shape for mask in masks]}, and the model's prunable "
            f"weights {[entry.shape for entry in entries]}."
        )
    if any(mask.dtype != bool for mask in masks):
        kinds = sorted({mask.dtype.name for mask in masks})
        raise ValueError(f"{argument}= takes bool masks. Received: {kinds}")
    return masks
