"""Pruning for Keras 3, and the checks that pruning research owes itself. Import as `tt`."""

from typing import TYPE_CHECKING

from tf_tickets.support.late import late_names

if TYPE_CHECKING:
    from tf_tickets import callbacks, data, layers, models, pruning, sanity, sparse_training, theory, training
    from tf_tickets.exporting import export
    from tf_tickets.laboratory import sanity_check
    from tf_tickets.layers import fold, mask_layers, masked_weights, register_maskable
    from tf_tickets.methods import METHODS, Method
    from tf_tickets.methods.prune import prune
    from tf_tickets.pruning import Ticket, keep_counts, score

# Public name -> where it is. TensorFlow is loaded at first use.
_PUBLIC = {
    "METHODS": "tf_tickets.methods:METHODS",
    "Method": "tf_tickets.methods:Method",
    "Ticket": "tf_tickets.pruning:Ticket",
    "callbacks": "tf_tickets.callbacks",
    "data": "tf_tickets.data",
    "export": "tf_tickets.exporting:export",
    "fold": "tf_tickets.layers:fold",
    "keep_counts": "tf_tickets.pruning:keep_counts",
    "layers": "tf_tickets.layers",
    "mask_layers": "tf_tickets.layers:mask_layers",
    "masked_weights": "tf_tickets.layers:masked_weights",
    "models": "tf_tickets.models",
    "prune": "tf_tickets.methods.prune:prune",
    "pruning": "tf_tickets.pruning",
    "register_maskable": "tf_tickets.layers:register_maskable",
    "sanity": "tf_tickets.sanity",
    "sanity_check": "tf_tickets.laboratory:sanity_check",
    "score": "tf_tickets.pruning:score",
    "sparse_training": "tf_tickets.sparse_training",
    "theory": "tf_tickets.theory",
    "training": "tf_tickets.training",
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
