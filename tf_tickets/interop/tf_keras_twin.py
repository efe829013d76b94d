"""`to_tf_keras`: the model of tf_keras that computes what a pruned one of Keras 3 does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import tf_keras

from tf_tickets.compaction.compact import COARSE, computes_in_16_bits
from tf_tickets.compaction.graph import Call, Graph, graph_of
from tf_tickets.compaction.output_difference import difference_of, inputs_and_outputs, outputs_of
from tf_tickets.interop.tf_keras_layers import LAYERS, Untranslatable, own_name, twin_layer
from tf_tickets.layers import check_model, folded, kept_losses

# How far outputs may be apart, as a part of the largest.
TOLERANCE = 1e-5


def to_tf_keras(model: keras.Model, *, data: Any = None) -> tf_keras.Model:
    """Makes the tf_keras twin of a model: the same layers and weights, zeros and all, in Keras 2.

    That is the Keras of tensorflow-model-optimization, whose quantisation-aware training goes on from the
    twin. The model itself stays as it is, masks and all. Layers keep their names, and what their configs
    say: epsilon and momentum, padding, regularizers, what is frozen; only initializers are left out. Outputs
    of both are compared before the twin is returned.

    Args:
        model: a functional or Sequential model, masked or with zeros, of layers that tf_keras has too.
            Models inside it are taken apart, so that the twin is flat.
        data: a batch of inputs to compare outputs on, in the model's own structure; random ones by default.

    Returns:
        A functional model of tf_keras, not compiled.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: the model is code rather than a graph of layers; tf_keras has no equal of one of its
            layers, or not all that its config asks for; or outputs differ by more than 1e-5 of the largest
            (0.05 where a layer computes in 16 bits).

    Example:
        >>> ticket = tt.prune(model, "hybrid", sparsity=0.95)
        >>> twin = tt.interop.to_tf_keras(model)
        >>> [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
        True
    """
    check_model(model, "to_tf_keras takes")
    with folded(model), kept_losses(model):
        graph = graph_of(model)
        layers = _twin_layers(model, graph)
        twin = _assembled(graph, layers, model.name)
        for call in graph.calls:
            _take_weights(call, layers[id(call.layer)])
        _verify(model, twin, graph, layers, data)
    return twin


def _twin_layers(model: keras.Model, graph: Graph) -> dict[int, Any]:
    """`id` of each layer -> its twin; of a layer that is shared, one."""
    made: dict[int, Any] = {}
    problems = []
    for call in graph.calls:
        if id(call.layer) in made:
            continue
        made[id(call.layer)] = None
        try:
            if call.given_masks:
                raise Untranslatable("it is called with a mask")
            made[id(call.layer)] = twin_layer(call.layer, call.name)
        except Untranslatable as problem:
            problems.append(f"'{call.name}' ({type(call.layer).__name__}): {problem}")
    if problems:
        raise ValueError(
            f"Model '{model.name}' has no twin in tf_keras. {'; '.join(problems)}. Layers that can be "
            f"converted: {', '.join(sorted(LAYERS))}."
        )
    return made


def _assembled(graph: Graph, layers: Mapping[int, Any], name: str) -> tf_keras.Model:
    specs = graph.specs
    tensors = {
        number: tf_keras.Input(
            specs[number].shape[1:],
            batch_size=specs[number].shape[0],
            dtype=specs[number].dtype,
            name=specs[number]._keras_history.operation.name,
        )
        for number in graph.inputs
    }
    for call in graph.calls:
        results = _called(call, layers[id(call.layer)], tensors)
        tensors.update(zip(call.outputs, results, strict=True))
    inputs, outputs = (
        keras.tree.map_structure(tensors.get, structure)
        for structure in (graph.input_structure, graph.output_structure)
    )
    return tf_keras.Model(inputs, outputs, name=name)


def _called(call: Call, layer: Any, values: Mapping[int, Any]) -> Sequence[Any]:
    """What a twin makes of the inputs of a call; masks it finds by itself."""
    args, kwargs = call.arguments(values)
    kwargs = {name: x for name, x in kwargs.items() if not (name == "mask" or name.endswith("_mask"))}
    try:
        return keras.tree.flatten(layer(*args, **kwargs))
    except Exception as error:
        raise ValueError(
            f"Layer '{call.name}' ({type(call.layer).__name__}) cannot be called as one of tf_keras: {error}"
        ) from error


def _take_weights(call: Call, layer: Any) -> None:
    weights = call.layer.weights
    found, wanted = ([_label(x) for x in each] for each in (layer.weights, weights))
    # What Keras 3 calls the kernel of a depthwise convolution is a depthwise_kernel there.
    if len(found) != len(wanted) or not all(
        a.endswith(b) and shape == other for (a, shape), (b, other) in zip(found, wanted, strict=True)
    ):
        raise ValueError(
            f"Layer '{call.name}' ({type(call.layer).__name__}) has other weights in tf_keras: "
            f"{found}, not {wanted}."
        )
    layer.set_weights([keras.ops.convert_to_numpy(x) for x in weights])


def _label(weight: Any) -> tuple[str, tuple[int, ...]]:
    """A weight's own name, as both write it, and its shape."""
    return own_name(weight), tuple(weight.shape)


def _verify(
    model: keras.Model, twin: tf_keras.Model, graph: Graph, layers: Mapping[int, Any], data: Any
) -> None:
    """Raises ValueError where outputs are apart, and says at which layer that begins."""
    limit = COARSE if computes_in_16_bits(model) else TOLERANCE
    inputs, expected = inputs_and_outputs(model, data)
    difference = difference_of(expected, outputs_of(twin, inputs))
    if difference <= limit:
        return
    worst = sorted(_by_layer(graph, layers, inputs), key=lambda pair: -pair[1])[:3]
    where = ", ".join(f"{name} {apart:.3g}" for name, apart in worst)
    raise ValueError(
        f"Outputs of the twin in tf_keras differ from those of '{model.name}' by {difference:.3g} of the "
        f"largest (allowed: {limit:g}), on {'data=' if data is not None else 'random inputs'}. Of single "
        f"layers, each on the inputs that it has in the model, most: {where}."
    )


def _by_layer(graph: Graph, layers: Mapping[int, Any], inputs: Any) -> Iterator[tuple[str, float]]:
    """(name, difference) of each call of a layer on the inputs that it has in the model."""
    values = dict(zip(graph.inputs, keras.tree.flatten(inputs), strict=True))
    for call in graph.calls:
        args, kwargs = call.arguments(values)
        with keras.StatelessScope():
            expected = keras.tree.flatten(call.layer(*args, **kwargs))
        yield call.name, difference_of(expected, _called(call, layers[id(call.layer)], values))
        values.update(zip(call.outputs, expected, strict=True))
