"""What an output without weights still gives: its bias, and the shift of the normalisation behind it."""

import keras
import numpy as np

from tf_tickets.compaction.graph import graph_of
from tf_tickets.layers import MaskedWeight, folded, masked_weights, value_of
from tf_tickets.pruning.channels import channel_axes


def silence_removed_outputs(model: keras.Model) -> int:
    """Sets to zero what outputs of which no weight is kept still give, before a training goes on.

    That is their biases, and the shift and the mean of a batch normalisation that reads them alone; where the
    layer's own activation makes something of zeros, nothing is changed. A network
    that was trained before it was pruned has such constants, and a smaller one would need channels to carry
    them. What is silent stays so behind a ReLU, as nothing flows back through its zero.

    Args:
        model: a built Keras model, functional or Sequential, in which masks hold.

    Returns:
        How many outputs gave another value than zero.

    Raises:
        ValueError: what the model computes is no graph of layers.
    """
    removed = {id(entry.layer): _removed(entry) for entry in masked_weights(model)}
    silenced = 0
    with folded(model):
        graph = graph_of(model)
        calls_of = graph.calls_of()
        of_tensor: dict[int, np.ndarray] = {}
        gave: dict[int, np.ndarray] = {}
        for call in graph.calls:
            layer, alone = call.layer, len(calls_of[id(call.layer)]) == 1
            if alone and id(layer) in removed and _keeps_zero(layer):
                outputs, shifts = removed[id(layer)], [getattr(layer, "bias", None)]
                before = np.zeros(len(outputs), bool)
            elif alone and isinstance(layer, keras.layers.BatchNormalization) and call.inputs[0] in of_tensor:
                outputs, shifts = of_tensor[call.inputs[0]], [layer.beta, layer.moving_mean]
                before = gave.pop(call.inputs[0])
            else:
                continue
            of_tensor[call.outputs[0]] = outputs
            gave[call.outputs[0]] = before | _zeroed(shifts, outputs)
        silenced = sum(int(each.sum()) for each in gave.values())
    return silenced


def _keeps_zero(layer: keras.Layer) -> bool:
    """Whether the layer's own activation makes zeros of zeros."""
    activation = getattr(layer, "activation", None)
    return activation is None or not np.any(value_of(activation(keras.ops.zeros((1, 2)))))


def _removed(entry: MaskedWeight) -> np.ndarray:
    """Of each output of a layer, whether the mask keeps none of its weights."""
    mask = value_of(entry.mask)
    outputs = {axis % mask.ndim for axis in channel_axes(entry).outputs}
    return ~mask.any(axis=tuple(set(range(mask.ndim)) - outputs)).reshape(-1)


def _zeroed(shifts: list[keras.Variable | None], outputs: np.ndarray) -> np.ndarray:
    """Which of the outputs had a shift; they have none afterwards."""
    had = np.zeros(len(outputs), bool)
    for variable in shifts:
        if variable is not None and tuple(variable.shape) == outputs.shape:
            value = value_of(variable)
            had |= outputs & (value != 0)
            variable.assign(np.where(outputs, 0, value))
    return had
