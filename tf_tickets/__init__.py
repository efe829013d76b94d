"""Pruning for Keras 3, and the checks that pruning research owes itself. Import as `tt`."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_tickets import callbacks, data, layers, models, pruning, sanity, sparse_training, theory, training
    from tf_tickets.exporting import export
    from tf_tickets.laboratory import sanity_check
    from tf_tickets.layers import fold, mask_layers, masked_weights, register_maskable
    from tf_tickets.methods import METHODS, Method
    from tf_tickets.pruning import Ticket, keep_counts, prune, score

# Public name -> module that holds it; None is a module itself. TensorFlow is loaded at first use.
_PUBLIC = {
    "METHODS": "tf_tickets.methods",
    "Method": "tf_tickets.methods",
    "Ticket": "tf_tickets.pruning",
    "callbacks": None,
    "data": None,
    "export": "tf_tickets.exporting",
    "fold": "tf_tickets.layers",
    "keep_counts": "tf_tickets.pruning",
    "layers": None,
    "mask_layers": "tf_tickets.layers",
    "masked_weights": "tf_tickets.layers",
    "models": None,
    "prune": "tf_tickets.pruning",
    "pruning": None,
    "register_maskable": "tf_tickets.layers",
    "sanity": None,
    "sanity_check": "tf_tickets.laboratory",
    "score": "tf_tickets.pruning",
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


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tf_tickets' has no attribute {name!r}")
    module = _PUBLIC[name]
    value = (
        importlib.import_module(f"tf_tickets.{name}")
        if module is None
        else getattr(importlib.import_module(module), name)
    )
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
