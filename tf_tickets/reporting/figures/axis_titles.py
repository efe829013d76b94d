"""What stands beside an axis: a quantity, and its unit in brackets; the ticks are bare numbers."""

from __future__ import annotations

from tf_tickets.results import Experiment

SPARSITY = "sparsity (%)"
DENSITY = "weights kept (%)"
MULTIPLY_ADDS = "multiply-adds kept (%)"
LAYER = "layer, in forward order"
EPOCH = "epoch of retraining"
LOSS = "training loss (per example)"


def accuracy_title(experiment: Experiment) -> str:
    """The quality that an experiment's figures show."""
    return "test accuracy (%)"
