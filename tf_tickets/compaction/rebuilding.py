"""The smaller model: each layer made anew with the channels that stay."""

from __future__ import annotations

import inspect
import itertools
import tempfile
from typing import Any

import keras
import numpy as np

from tf_tickets.compaction.channel_analysis import Analysis
from tf_tickets.compaction.graph import Graph
from tf_tickets.compaction.rule import Shrunk, attribute_of
from tf_tickets.compaction.site import Site


def rebuilt(graph: Graph, analysis: Analysis, name: str) -> tuple[keras.Model, dict[str, Shrunk]]:
    """A functional model of stock layers, of which none is one of the graph's; and how each was made.

    Raises:
        ValueError: a layer cannot be made from its config, or has other weights then.
    """
    tensors: dict[int, Any] = {number: _input_like(graph.specs[number]) for number in graph.inputs}
    made: dict[int, tuple[Any, Shrunk]] = {}
    for site, rule in zip(analysis.sites, analysis.rules, strict=True):
        args, kwargs = site.call.arguments(tensors)
        if id(site.layer) in made:
            results = made[id(site.layer)][0](*args, **kwargs)
        else:
            given = [analysis.facts[number] for number in site.call.inputs]
            shrunk = rule.shrink(site, given, analysis.kept(site))
            layer = _made_anew(site, shrunk)
            results = layer(*args, **kwargs)  # which builds it
            _give_weights(site, layer, shrunk)
            # Arrays that it has now are not kept a second time.
            made[id(site.layer)] = (layer, Shrunk(shrunk.config, {}, shrunk.inside))
        tensors.update(zip(site.call.outputs, keras.tree.flatten(results), strict=True))
    shrunk_of = {site.call.name: made[id(site.layer)][1] for site in analysis.sites}
    inputs, outputs = (
        keras.tree.map_structure(tensors.get, structure)
        for structure in (graph.input_structure, graph.output_structure)
    )
    return keras.Model(inputs, outputs, name=name), shrunk_of


def _input_like(spec: keras.KerasTensor) -> keras.KerasTensor:
    return keras.Input(batch_shape=spec.shape, dtype=spec.dtype, name=spec.name, sparse=spec.sparse)


def _made_anew(site: Site, shrunk: Shrunk) -> Any:
    layer = site.layer
    if not isinstance(layer, keras.Layer):
        # An operation has no state, but a name, and knows the calls of it.
        again = object.__new__(type(layer))
        again.__dict__.update(vars(layer))
        again.name, again._inbound_nodes, again._outbound_nodes = site.call.name, [], []
        return again
    try:
        nameless = _nameless_functions(layer)
        config = {**layer.get_config(), **nameless, **shrunk.config, "name": site.call.name}
        if shrunk.weights:
            config.update(_of_any_shape(layer, config))
        again = type(layer)(**config) if nameless else _from_config(type(layer), config)
    except Exception as error:  # of a class of the user's
        raise ValueError(
            f"Layer '{site.call.name}' ({type(layer).__name__}) cannot be made again from its config: "
            f"{error} Give it a get_config, and register what it holds: "
            "keras.saving.register_keras_serializable."
        ) from error
    if hasattr(layer, "save_assets"):
        # What a layer keeps beside its weights, such as a vocabulary.
        with tempfile.TemporaryDirectory() as folder:
            layer.save_assets(folder)
            again.load_assets(folder)
    return again


def _from_config(cls: type[keras.Layer], config: dict[str, Any]) -> keras.Layer:
    """A layer of a config, which may tell more than the class takes: what a layer has worked out, say.

    That it is the same layer is seen of its weights, and of the outputs, which `compact` compares.
    """
    try:
        return cls.from_config(config)
    except TypeError:
        made_by = [vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base)]
        taken = {name for init in made_by for name in inspect.signature(init).parameters}
        fewer = {name: value for name, value in config.items() if name in taken}
        if len(fewer) == len(config):
            raise
        return cls.from_config(fewer)


def _nameless_functions(layer: keras.Layer) -> dict[str, Any]:
    """Functions that a layer was given and that no config stands for, as those of files must not."""
    found = {name: getattr(layer, name, None) for name in ("function", "output_shape", "activation")}
    return {name: value for name, value in found.items() if getattr(value, "__name__", "") == "<lambda>"}


def _of_any_shape(layer: keras.Layer, config: dict[str, Any]) -> dict[str, Any]:
    """Zeros for initial values that are an array: of as many channels as there were."""
    own = {name: getattr(layer, name, None) for name in config if name.endswith("_initializer")}
    return {name: "zeros" for name, value in own.items() if np.ndim(getattr(value, "value", 0))}


def _give_weights(site: Site, layer: Any, shrunk: Shrunk) -> None:
    if not isinstance(layer, keras.Layer):
        return
    if not shrunk.weights:
        pairs = list(itertools.zip_longest(layer.weights, site.layer.weights))
        if not all(new is not None and old is not None and new.shape == old.shape for new, old in pairs):
            raise ValueError(
                f"Layer '{site.call.name}' ({type(site.layer).__name__}), made again from its config, has "
                f"other weights ({_shapes(layer)}) than before ({_shapes(site.layer)}). Its get_config has "
                "to say all that they depend on. What quantization and LoRA add inside a layer it may "
                "not say: compact first, and quantize what is smaller."
            )
        for new, old in pairs:
            new.assign(old)
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()
        return
    for name, value in shrunk.weights.items():
        variable = attribute_of(layer, name)
        variable.assign(
            np.reshape(value, variable.shape).astype(keras.backend.standardize_dtype(variable.dtype))
        )


def _shapes(layer: keras.Layer) -> str:
    return ", ".join(f"{x.name} {tuple(x.shape)}" for x in layer.weights) or "none"
