"""The function that a SavedModel serves: a model's calls, each by the kernel that a plan has for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tf_tickets.compaction.elementwise import not_elementwise
from tf_tickets.compaction.graph import functional_of, graph_of
from tf_tickets.serving.convolution import Convolution
from tf_tickets.serving.execution import Execution
from tf_tickets.serving.kernels import DENSE, KERNELS
from tf_tickets.serving.layouts import BATCH_FIRST, BATCH_LAST, Activations
from tf_tickets.serving.sparse_convolution import convolve
from tf_tickets.serving.stored_weights import ReadingPacked


def outputs_of(model: keras.Model, weights: ReadingPacked, plan: Mapping[str, str], inputs: tuple) -> Any:
    """Outputs of a model in inference, in a graph.

    Args:
        model: built, of stock layers.
        weights: scope that this is called in.
        plan: name of a layer -> name in `KERNELS`; without any but the dense one the model is called as it
            is, and may be any.
        inputs: what the model is called with.
    """
    functional = functional_of(model)
    if functional is None or set(plan.values()) <= {DENSE}:
        return model(*inputs)
    graph = graph_of(model)
    values = dict(zip(graph.inputs, map(Activations, functional._standardize_inputs(*inputs)), strict=True))
    for step in Execution(graph).steps(plan)[0]:
        call = step.call
        given = {n: values[n].to(step.layout) for n in call.inputs}
        given.update((n, values[n].to(BATCH_FIRST)) for n in call.masks if n in values)
        arguments, keywords = call.arguments(given)
        if step.convolution is not None:
            (taken,) = keras.tree.flatten((arguments, keywords))[:1]
            outputs = [convolved(call.layer, step.convolution, step.kernel, weights, taken)]
        elif step.last is not None:
            outputs = [Activations(step.last(call.layer, arguments, keywords), BATCH_LAST)]
        else:
            outputs = list(map(Activations, keras.tree.flatten(call.layer(*arguments, **keywords))))
        values.update(zip(call.outputs, outputs, strict=True))
    found = [values[number].to(BATCH_FIRST) for number in graph.outputs]
    return keras.tree.pack_sequence_as(graph.output_structure, found)


def convolved(
    layer: Any,
    convolution: Convolution,
    kernel: str,
    weights: ReadingPacked,
    inputs: tf.Tensor,
) -> Activations:
    """Outputs of a layer by a sparse kernel.

    Args:
        layer: of `convolution.LAYERS`.
        convolution: what it computes.
        kernel: name in `KERNELS`.
        weights: scope that this is called in.
        inputs: with the batch last.
    """
    unrolled = KERNELS[kernel].unrolled or 0
    matrix = weights.matrix(layer.kernel, convolution, unrolled)
    outputs = convolve(inputs, matrix, convolution, unrolled)
    if layer.use_bias:
        shape = [-1] + [1] * (outputs.shape.rank - 1)
        outputs += tf.reshape(tf.convert_to_tensor(layer.bias.value), shape)
    if layer.activation is None:
        return Activations(outputs, BATCH_LAST)
    if not_elementwise(layer.activation) is None:
        return Activations(layer.activation(outputs), BATCH_LAST)
    return Activations(layer.activation(Activations(outputs, BATCH_LAST).to(BATCH_FIRST)))
