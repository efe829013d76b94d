"""Pruning for Keras 3, and the checks that pruning research owes itself. Import as `tt`."""

from typing import TYPE_CHECKING

from tf_tickets.late_names import late_names

if TYPE_CHECKING:
    from tf_tickets import callbacks, data, layers, models, pruning, sanity, sparse_training, theory, training
    from tf_tickets.exporting import export
    from tf_tickets.laboratory import sanity_check
    from tf_tickets.layers import fold, mask_layers, masked_weights, register_maskable
    from tf_tickets.methods import METHODS, Method
    from tf_tickets.pruning import Ticket, keep_counts, prune, score

# Public name -> module that holds it; None is a module itself. TensorFlow is loaded at first use.
_PUBLIC: dict[str, str | None] = {
    "METHODS": "methods",
    "Method": "methods",
    "Ticket": "pruning",
    "callbacks": None,
    "data": None,
    "export": "exporting",
    "fold": "layers",
    "keep_counts": "pruning",
    "layers": None,
    "mask_layers": "layers",
    "masked_weights": "layers",
    "models": None,
    "prune": "pruning",
    "pruning": None,
    "register_maskable": "layers",
    "sanity": None,
    "sanity_check": "laboratory",
    "score": "pruning",
    "sparse_training": None,
    "theory": None,
    "training": None,
}

__all__ = [
    "METHODS",
    "Method",
    "Ticket",
    "callbacks",
    "data",
    "export",
    "fold",
    "keep_counts",
    "layers",
    "mask_layers",
    "masked_weights",
    "models",
    "prune",
    "pruning",
    "register_maskable",
    "sanity",
    "sanity_check",
    "score",
    "sparse_training",
    "theory",
    "training",
]

__getattr__, __dir__ = late_names(__name__, _PUBLIC)
