"""Sanity checks: corruptions of the pruning data, attacks on tickets, and the statistics of the verdict."""

from typing import TYPE_CHECKING

from tf_tickets.support.late import late_names

if TYPE_CHECKING:  # `X as X`: type checkers take it as public
    from tf_tickets.sanity.attacks import rearrange as rearrange
    from tf_tickets.sanity.attacks import rearranged as rearranged
    from tf_tickets.sanity.attacks import reinitialize as reinitialize
    from tf_tickets.sanity.attacks import shuffle_weights as shuffle_weights
    from tf_tickets.sanity.channel_counts import rearranged_per_channel as rearranged_per_channel
    from tf_tickets.sanity.checks import CHECKS as CHECKS
    from tf_tickets.sanity.checks import Check as Check
    from tf_tickets.sanity.corruptions import corrupted as corrupted
    from tf_tickets.sanity.corruptions import half_dataset as half_dataset
    from tf_tickets.sanity.corruptions import random_labels as random_labels
    from tf_tickets.sanity.corruptions import random_pixels as random_pixels
    from tf_tickets.sanity.statistics import Comparison as Comparison
    from tf_tickets.sanity.statistics import compare as compare

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
    "rearranged_per_channel": "tf_tickets.sanity.channel_counts:rearranged_per_channel",
    "reinitialize": "tf_tickets.sanity.attacks:reinitialize",
    "shuffle_weights": "tf_tickets.sanity.attacks:shuffle_weights",
}

__all__ = list(_PUBLIC)

__getattr__, __dir__ = late_names(__name__, _PUBLIC)
