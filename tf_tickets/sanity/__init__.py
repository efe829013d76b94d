"""Sanity checks: corruptions of the pruning data, attacks on tickets, and the statistics of the verdict."""

from typing import TYPE_CHECKING

from tf_tickets.late_names import late_names

if TYPE_CHECKING:
    from tf_tickets.sanity.attacks import rearrange, rearranged, reinitialize, shuffle_weights
    from tf_tickets.sanity.checks import CHECKS, Check
    from tf_tickets.sanity.corruptions import corrupted, half_dataset, random_labels, random_pixels
    from tf_tickets.sanity.statistics import Comparison, compare

# Public name -> module; the statistics need no TensorFlow, and do not load it.
_PUBLIC: dict[str, str | None] = {
    "CHECKS": "checks",
    "Check": "checks",
    "Comparison": "statistics",
    "compare": "statistics",
    "corrupted": "corruptions",
    "half_dataset": "corruptions",
    "random_labels": "corruptions",
    "random_pixels": "corruptions",
    "rearrange": "attacks",
    "rearranged": "attacks",
    "reinitialize": "attacks",
    "shuffle_weights": "attacks",
}

__all__ = [
    "CHECKS",
    "Check",
    "Comparison",
    "compare",
    "corrupted",
    "half_dataset",
    "random_labels",
    "random_pixels",
    "rearrange",
    "rearranged",
    "reinitialize",
    "shuffle_weights",
]

__getattr__, __dir__ = late_names(__name__, _PUBLIC)
