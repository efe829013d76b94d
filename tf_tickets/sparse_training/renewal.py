"""What layers must be before they get another way to compute with their weights."""

from collections.abc import Sequence

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
