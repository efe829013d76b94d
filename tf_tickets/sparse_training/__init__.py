"""Searching for masks while a model trains: callbacks and layers."""

from tf_tickets.sparse_training.edge_popup import AnnealedDensity, EdgePopup, edge_popup
from tf_tickets.sparse_training.iterative_pruning import IterativeMagnitudePruning
from tf_tickets.sparse_training.mask_updates import (
    SET,
    DropAndGrow,
    GradualMagnitudePruning,
    GraNet,
    MaskUpdates,
    RigL,
)
from tf_tickets.sparse_training.schedules import annealed_densities, cubic_density
from tf_tickets.sparse_training.soft_threshold import SoftThreshold, soft_threshold

__all__ = [
    "SET",
    "AnnealedDensity",
    "DropAndGrow",
    "EdgePopup",
    "GraNet",
    "GradualMagnitudePruning",
    "IterativeMagnitudePruning",
    "MaskUpdates",
    "RigL",
    "SoftThreshold",
    "annealed_densities",
    "cubic_density",
    "edge_popup",
    "soft_threshold",
]
