"""Before and after quantisation-aware training of a twin by tensorflow-model-optimization (tfmot)."""

from __future__ import annotations

from typing import Any

import numpy as np
import tf_keras

from tf_tickets.interop.tf_keras_layers import own_name
from tf_tickets.support.numbers import check_whole

# What tfmot calls the ranges of activations, which are moving averages. Those of weights are the last
# values, that of the input is the widest seen: these are right after one step.
PLACES = ("output", "pre_activation", "post_activation")
MOVING = tuple(f"{place}_{end}" for place in PLACES for end in ("min", "max"))
# What a moving average keeps at a step.
DECAY = 0.999


def calibrate(quantized: tf_keras.Model, inputs: Any, *, rounds: int = 4) -> tf_keras.Model:
    """Sets the ranges of a model for quantisation-aware training to what its activations are, in place.

    tfmot lets every range begin at [-6, 6] and go a thousandth of the way at a step, so that a short
    training is one under wrong ranges, and before the first step weights are rounded to steps of 0.05. Of
    the twin of a trained network nothing else has to be learned anew.

    Args:
        quantized: what `tfmot.quantization.keras.quantize_apply` has made of a twin.
        inputs: one batch in the model's own structure, some hundreds of training examples.
        rounds: how often ranges are taken, since those of deep layers depend on those before them.

    Returns:
        The same model. Only ranges have changed.

    Raises:
        TypeError: `quantized` is no model of tf_keras.
        ValueError: it has no ranges, or `rounds` is less than 1.
    """
    _check_twin(quantized, "calibrate")
    check_whole("rounds", rounds, 1)
    ranges = [x for x in quantized.weights if own_name(x) in MOVING]
    if not ranges:
        raise ValueError(
            f"Model '{quantized.name}' has no ranges of activations. calibrate takes what "
            "tfmot.quantization.keras.quantize_apply returns."
        )
    learned = [(x, x.numpy()) for x in quantized.weights if not own_name(x).endswith(("_min", "_max"))]
    for _ in range(rounds):
        before = [x.numpy() for x in ranges]
        quantized(inputs, training=True)
        for moving, old in zip(ranges, before, strict=True):
            moving.assign((moving.numpy() - DECAY * old) / (1 - DECAY))
    for variable, value in learned:  # statistics of batch normalisation
        variable.assign(value)
    return quantized


def lost_zeros(twin: tf_keras.Model, quantized: tf_keras.Model) -> dict[str, int]:
    """Counts the zeros of a twin's kernels that are none any more after quantisation-aware training.

    Args:
        twin: what `to_tf_keras` has made. `cluster_weights` changes the twin that it is given: compare with
            another.
        quantized: what tfmot made of it, trained or not.

    Returns:
        Name of a layer of `twin` -> zeros lost, for layers that have lost any: `{}` says that every one is
        there.

    Raises:
        TypeError: one of both is no model of tf_keras.
        ValueError: `quantized` has not the kernels of `twin`.
    """
    _check_twin(twin, "lost_zeros")
    _check_twin(quantized, "lost_zeros")
    trained = {getattr(layer, "layer", layer).name: layer for layer in quantized.layers}
    lost = {}
    for layer in twin.layers:
        kernels = _kernels(layer, layer)
        found = _kernels(trained[layer.name], layer) if layer.name in trained else []
        if [x.shape for x in found] != [x.shape for x in kernels]:
            raise ValueError(
                f"Model '{quantized.name}' has not the kernels of layer '{layer.name}', so that it was not "
                f"made of '{twin.name}'."
            )
        count = sum(
            int(np.count_nonzero(a.numpy()[b.numpy() == 0])) for a, b in zip(found, kernels, strict=True)
        )
        if count:
            lost[layer.name] = count
    return lost


def _kernels(layer: Any, of: Any) -> list[Any]:
    """Of a layer, or of what is wrapped around it, the weights of more than one axis that `of` has too."""
    labels = {own_name(x) for x in of.weights}
    return [x for x in layer.weights if len(x.shape) > 1 and own_name(x) in labels]


def _check_twin(model: Any, taker: str) -> None:
    if not isinstance(model, tf_keras.Model):
        raise TypeError(f"{taker} takes a model of tf_keras. Received: {type(model).__name__}")
