"""What an output without weights still gives: its bias, and the shift of the normalisation behind it."""

from collections.abc import Sequence

import keras
import numpy as np

from tf_tickets.compaction.channel_analysis import constants_of
from tf_tickets.compaction.graph import Call, graph_of
from tf_tickets.compaction.site import Facts, channels_of
from tf_tickets.layers import MaskedWeight, folded, forget, masked_weights, scope_of, value_of
from tf_tickets.pruning.channels import channel_axes

# What makes of each channel a multiple of it, and adds to that.
CHANNELWISE = (
    keras.layers.BatchNormalization,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
)


def silence_removed_outputs(model: keras.Model) -> int:
    """Sets to zero what outputs of which no weight is kept still give, before a training goes on.

    That are their biases, and behind them the shifts and means of batch normalisation and the biases of
    depthwise convolutions. A network that was trained before it was pruned has such constants, and a smaller
    one would need channels to carry them. The model's optimizer forgets what it has learned of them. What is
    silent stays so behind a ReLU, as nothing flows back through its zero; behind other activations a training
    may make new constants. What cannot be made zero, as of a sigmoid, stays, and so do outputs of the model.

    Args:
        model: a built Keras model, functional or Sequential, in which masks hold.

    Returns:
        How many constants there were that are zero now.

    Raises:
        ValueError: what the model computes is no graph of layers.
    """
    removed = {id(entry.layer): _removed(entry) for entry in masked_weights(model)}
    silenced, changed = 0, []
    with folded(model):
        graph = graph_of(model)
        calls_of = graph.calls_of()
        facts = {number: Facts.varying(channels_of(graph.specs[number])) for number in graph.inputs}
        for call in graph.calls:
            given = [facts[number] for number in call.inputs]
            found = constants_of(graph, call, given)
            alone = len(calls_of[id(call.layer)]) == len(call.outputs) == 1
            if alone and call.outputs[0] not in graph.outputs:
                there = _constants(call, given, found[0], removed.get(id(call.layer)))
                if there.any():
                    changed += _zeroed(call, given, there)
                    found = constants_of(graph, call, given)
                    silenced += int((there & ~found[0].nonzero).sum())
            facts.update(zip(call.outputs, found, strict=True))
    forget(model, [variable for variable, _ in changed], [kept for _, kept in changed])
    return silenced


def _removed(entry: MaskedWeight) -> np.ndarray:
    """Of each output of a layer, whether the mask keeps none of its weights."""
    mask = value_of(entry.mask)
    outputs = {axis % mask.ndim for axis in channel_axes(entry).outputs}
    return ~mask.any(axis=tuple(set(range(mask.ndim)) - outputs)).reshape(-1)


def _constants(call: Call, given: Sequence[Facts], found: Facts, removed: np.ndarray | None) -> np.ndarray:
    """Which channels of a call are constant and not zero since they, or those before them, were removed."""
    nonzero = found.nonzero
    because = np.zeros(len(nonzero), bool)
    if removed is not None and len(removed) == len(nonzero):
        because |= removed
    if isinstance(call.layer, CHANNELWISE) and given and len(given[0].constant):
        because |= np.repeat(given[0].constant, len(nonzero) // len(given[0].constant))
    return nonzero & because


def _zeroed(call: Call, given: Sequence[Facts], there: np.ndarray) -> list[tuple[keras.Variable, np.ndarray]]:
    """Takes the shifts of some channels away; returns the variables, and what of them has stayed."""
    layer, instead = call.layer, np.zeros(len(there), np.float32)
    shifts = {"bias": instead, "beta": instead}
    if isinstance(layer, keras.layers.BatchNormalization):
        shifts["moving_mean"] = given[0].value  # which is what it normalises
    changed = []
    for name, value in shifts.items():
        variable = getattr(layer, name, None)
        if isinstance(variable, keras.Variable) and tuple(variable.shape) == there.shape:
            with scope_of(variable):
                variable.assign(np.where(there, value, value_of(variable)))
            changed.append((variable, ~there))
    return changed
