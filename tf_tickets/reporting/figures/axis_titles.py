"""What stands beside an axis: a quantity, and its unit in brackets; the ticks are bare numbers."""

from __future__ import annotations

import textwrap

from tf_tickets.support.scale import Scale

SPARSITY = "sparsity (%)"
DENSITY = "weights kept (%)"
MULTIPLY_ADDS = "multiply-adds kept (%)"
LAYER = "layer, in forward order"
EPOCH = "epoch of retraining"
LOSS = "training loss (per example)"
SIZE = "size on disk (MB)"
LONGEST = 24  # letters of a line that fit beside the lowest panels


def metric_title(scale: Scale) -> str:
    """What an experiment's runs are judged by: `test accuracy (%)`; a long one takes two lines or more."""
    title = f"test {scale.words} ({scale.unit})" if scale.unit else f"test {scale.words}"
    return "\n".join(textwrap.wrap(title, LONGEST))


def latency_title(batch: int) -> str:
    """What a batch of a size takes of the processor."""
    return f"processor time, batch of {batch} (ms)"
