"""Searching for masks while a model trains: callbacks and layers."""

from tf_tickets.sparse_training.annealed_density import AnnealedDensity
from tf_tickets.sparse_training.density_schedules import annealed_densities, cubic_density
from tf_tickets.sparse_training.drop_and_grow import SET, DropAndGrow, RigL
from tf_tickets.sparse_training.edge_popup import EdgePopup, edge_popup
from tf_tickets.sparse_training.gradual_pruning import GradualMagnitudePruning
from tf_tickets.sparse_training.granet import GraNet
from tf_tickets.sparse_training.iterative_pruning import IterativeMagnitudePruning
from tf_tickets.sparse_training.mask_updates import MaskUpdates
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
