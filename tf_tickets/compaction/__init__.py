"""Compaction: a smaller stock model that computes what a pruned one does."""

from tf_tickets.compaction.changes import Compaction, LayerChange
from tf_tickets.compaction.compact import compact
from tf_tickets.compaction.removable import removable_outputs

__all__ = ["Compaction", "LayerChange", "compact", "removable_outputs"]
