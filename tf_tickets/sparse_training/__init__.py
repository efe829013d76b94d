"""Searching for masks while a model trains: callbacks and layers."""

from tf_tickets.sparse_training.mask_updates import (
    SET,
    DropAndGrow,
    GradualMagnitudePruning,
    GraNet,
    MaskUpdates,
    RigL,
)
from tf_tickets.sparse_training.schedules import annealed_densities, cubic_density

__all__ = [
    "SET",
    "DropAndGrow",
    "GraNet",
    "GradualMagnitudePruning",
    "MaskUpdates",
    "RigL",
    "annealed_densities",
    "cubic_density",
]
