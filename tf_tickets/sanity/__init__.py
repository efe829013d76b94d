"""Sanity checks: corruptions of the pruning data, attacks on tickets, and the statistics of the verdict."""

from typing import TYPE_CHECKING

from tf_tickets.support.late import late_names

if TYPE_CHECKING:
    from tf_tickets.sanity.attacks import rearrange, rearranged, reinitialize, shuffle_weights
    from tf_tickets.sanity.checks import CHECKS, Check
    from tf_tickets.sanity.corruptions import corrupted, half_dataset, random_labels, random_pixels
    from tf_tickets.sanity.statistics import Comparison, compare

# Public name -> module; the statistics need no TensorFlow, and do not load it.
_PUBLIC = {
    "CHECKS": "tf_tickets.sanity.checks:CHECKS",
    "Check": "tf_tickets.sanity.checks:Check",
    "Comparison": "tf_tickets.sanity.statistics:Comparison",
    "compare": "tf_tickets.sanity.statistics:compare",
    "corrupted": "tf_tickets.sanity.corruptions:corrupted",
    "half_dataset": "tf_tickets.sanity.corruptions:half_dataset",
    "random_labels": "tf_tickets.sanity.corruptions:random_labels",
    "random_pixels": "tf_tickets.sanity.corruptions:random_pixels",
    "rearrange": "tf_tickets.sanity.attacks:rearrange",
    "rearranged": "tf_tickets.sanity.attacks:rearranged",
    "reinitialize": "tf_tickets.sanity.attacks:reinitialize",
    "shuffle_weights": "tf_tickets.sanity.attacks:shuffle_weights",
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
