"""Which layers' outputs could be removed one by one, if they were constant."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

from tf_tickets.compaction.channel_analysis import Surroundings, surroundings_of
from tf_tickets.compaction.graph import graph_of
from tf_tickets.layers import folded


def removable_outputs(model: keras.Model, layers: Sequence[keras.Layer]) -> list[str | None]:
    """Why outputs of a layer cannot be removed by themselves; None for each whose outputs can.

    An output can be removed by itself if nothing pins it, as an output of the model or what a layer that is
    not known does with it would, and if no sum or product with another layer's outputs ties it to them.

    Args:
        model: a built Keras model, functional or Sequential, masked or not.
        layers: of the model, each with one kernel.

    Raises:
        ValueError: what the model computes is no graph of layers.
    """
    with folded(model):
        found = surroundings_of(graph_of(model))
        producers = _producers(found)
        return [_reason(found, producers, layer) for layer in layers]


def _producers(found: Surroundings) -> dict[int, list[str]]:
    """Number of a class of channels -> the calls (or the model's inputs) that its values come from."""
    producers: dict[int, list[str]] = {}
    for number in found.graph.inputs:
        for label in set(found.labels[number].tolist()):
            producers.setdefault(label, []).append("the model's inputs")
    for site in found.sites:
        given = {label for number in site.call.inputs for label in found.labels[number].tolist()}
        for number in site.call.outputs:
            for label in set(found.labels[number].tolist()) - given:
                producers.setdefault(label, []).append(site.call.name)
    return producers


def _reason(found: Surroundings, producers: dict[int, list[str]], layer: keras.Layer) -> str | None:
    sites = [site for site in found.sites if site.layer is layer]
    if len(sites) != 1:
        return "it is part of another layer" if not sites else "it is called more than once"
    (site,) = sites
    labels = np.concatenate([found.labels[number] for number in site.call.outputs])
    if not len(labels) or np.isin(labels, found.pinned).any():
        return "its outputs have to stay as they are"
    others = sorted({name for label in labels.tolist() for name in producers[label]} - {site.call.name})
    if others:
        shown = ", ".join(others[:2]) + (", ..." if len(others) > 2 else "")
        return f"sums tie its outputs to those of {shown}"
    return None
