"""`folded_model`: a model with its batch normalisation folded, and every channel that it had."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from tf_tickets.compaction.channel_analysis import analyse
from tf_tickets.compaction.graph import graph_of
from tf_tickets.compaction.normalization_folding import fold_normalization
from tf_tickets.compaction.rebuilding import rebuilt
from tf_tickets.layers import check_model, folded


def folded_model(model: keras.Model) -> keras.Model:
    """A stock model with equal outputs: what `compact` makes of one in which nothing can be removed.

    Args:
        model: a functional or Sequential model, masked or not; it stays as it is.

    Raises:
        ValueError: the model is code rather than a graph of layers, or has a layer that cannot be made from
            its config.
    """
    check_model(model, "folded_model takes")
    with folded(model):
        found = fold_normalization(graph_of(model))
        analysis = analyse(found.graph, found.weights)
        everything = tuple(np.ones_like(stays) for stays in analysis.stays)
        whole, _ = rebuilt(
            found.graph, dataclasses.replace(analysis, stays=everything, carriers={}), model.name
        )
        return whole
