"""`compact`: a smaller stock model that computes what a pruned one does."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import keras

from tf_tickets.compaction.changes import Compaction, LayerChange
from tf_tickets.compaction.channel_analysis import Analysis, analyse
from tf_tickets.compaction.graph import graph_of
from tf_tickets.compaction.normalization_folding import Folded, fold_normalization
from tf_tickets.compaction.output_difference import largest_difference
from tf_tickets.compaction.rebuilding import rebuilt
from tf_tickets.compaction.rule import Shrunk
from tf_tickets.layers import (
    Masked,
    check_model,
    folded,
    kept_losses,
    model_macs,
)

# How far outputs may be apart, as a part of the largest; of models that compute in 16 bits, the second.
TOLERANCE, COARSE = 1e-4, 0.05


def compact(model: keras.Model, *, fold_batch_normalization: bool = True, data: Any = None) -> keras.Model:
    """Makes a smaller stock Keras model with equal outputs; the model itself stays as it is, masks and all.

    Removed are channels and units without an incoming or an outgoing weight, exactly: also through residual
    sums, concatenations, pooling, depthwise and grouped convolutions, recurrent layers and the values of
    attention. What a dead channel still gives, a constant that is often not zero, goes into biases, or into
    one constant channel that stays where padding makes it depend on the position. Layers that are not known
    keep all channels around them.

    Args:
        model: a functional or Sequential model, masked or with zeros. Models inside it are taken apart, so
            that the new one is flat.
        fold_batch_normalization: fold what directly follows a kernel into it, too.
        data: a batch of inputs to compare outputs on, in the model's own structure; random ones by default.

    Returns:
        The new model, not compiled. Its attribute `compaction` is a `Compaction`: what was removed where,
        and which layers kept all their channels and why. A stock model in which nothing was found to do is
        returned as it is, with a warning.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: the model is code rather than a graph of layers, keeps state between calls, has a layer
            that cannot be made from its config, fails on random inputs, or the outputs differ or are random.

    Example:
        >>> ticket = tt.prune(model, "synflow", sparsity=0.95)
        >>> small = tt.compact(model)
        >>> print(small.compaction)
        >>> written = tt.export(small, "small", allow_dense=True)
    """
    check_model(model, "compact takes")
    stateful = [layer.name for layer in model._flatten_layers() if getattr(layer, "stateful", False)]
    if stateful:
        raise ValueError(
            f"Model '{model.name}' keeps state between calls ({', '.join(stateful)}: stateful=True), which a "
            "new model would not have. Build these layers with stateful=False."
        )
    masked = any(isinstance(layer, Masked) for layer in model._flatten_layers())
    with folded(model), kept_losses(model):
        graph = graph_of(model)
        found = fold_normalization(graph) if fold_batch_normalization else Folded(graph, {}, ())
        analysis = analyse(found.graph, found.weights)
        small, shrunk = rebuilt(found.graph, analysis, model.name)
        difference = largest_difference(model, small, data)
        limit = COARSE if computes_in_16_bits(model) else TOLERANCE
        if not difference <= limit and not largest_difference(model, model, data) <= limit:
            raise ValueError(
                f"Outputs of model '{model.name}' are random, so that those of a compacted one cannot be "
                "compared with them."
            )
        compaction = Compaction(
            layers=_changes(analysis, shrunk),
            folded=found.layers,
            pinned=dict(analysis.pins),
            carriers=sum(len(set(of[of >= 0])) for of in analysis.carriers.values()),
            parameters=(model.count_params(), small.count_params()),
            macs=(model_macs(model), model_macs(small)),
            largest_difference=difference,
        )
    if not difference <= limit:
        raise ValueError(
            f"Outputs of the compacted model differ from those of '{model.name}' by {difference:.3g} of the "
            f"largest (allowed: {limit:g}), on {'data=' if data is not None else 'random inputs'}. The model "
            "is not to be trusted with rounding; pass data= of the kind that it was trained on, or "
            "fold_batch_normalization=False."
        )
    if not compaction.removed:
        warnings.warn(
            f"Nothing can be removed from model '{model.name}': every channel that is not pinned has weights "
            f"that enter and weights that leave it.{_of_pins(analysis)}",
            stacklevel=2,
        )
        if not (masked or compaction.folded):
            small = model
    if not model.trainable:
        small.trainable = False
    object.__setattr__(small, "compaction", compaction)
    return small


def _changes(analysis: Analysis, shrunk: Mapping[str, Shrunk]) -> tuple[LayerChange, ...]:
    """Of each layer that has weights, how many of its outputs stay, and of what is inside it."""
    found: dict[str, LayerChange] = {}
    for site in analysis.sites:
        if getattr(site.layer, "weights", None) and site.call.outputs:
            stays = analysis.stays[site.call.outputs[0]]
            if len(stays):
                kind = type(site.layer).__name__
                found[site.call.name] = LayerChange(site.call.name, kind, len(stays), int(stays.sum()))
                for name, counts in shrunk[site.call.name].inside.items():
                    inside = f"{site.call.name}: {name}"
                    found[inside] = LayerChange(inside, kind, *counts)
    return tuple(found.values())


def _of_pins(analysis: Analysis) -> str:
    if not analysis.pins:
        return ""
    return " Pinned around: " + "; ".join(f"{name} ({why})" for name, why in analysis.pins.items()) + "."


def computes_in_16_bits(model: keras.Model) -> bool:
    """Whether any layer does."""
    return any("16" in layer.compute_dtype for layer in model._flatten_layers() if layer.compute_dtype)
