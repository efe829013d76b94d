"""Activations that look at one value at a time."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

NAMES = (
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish",
    "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "mish", "relu", "relu6", "selu", "sigmoid",
    "silu", "soft_shrink", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "squareplus",
    "swish", "tanh", "tanh_shrink",
)  # fmt: skip
# Of the versions that have them.
ELEMENTWISE = tuple(getattr(keras.activations, name) for name in NAMES if hasattr(keras.activations, name))


def not_elementwise(activation: Any) -> str | None:
    """Why channels may not be taken out from under an activation; None where they may."""
    if activation is None or activation in ELEMENTWISE or type(activation) in _layers():
        return None
    name = getattr(activation, "__name__", type(activation).__name__)
    return f"its activation, {name}, is none that is known to look at one value at a time"


def activated(activation: Any, values: np.ndarray, dtype: str) -> np.ndarray:
    """Values `(channels,)` behind an activation, computed in the dtype that the layer computes in."""
    if activation is None:
        return values.astype(np.float32)
    with np.errstate(all="ignore"):
        given = tf.cast(tf.constant(values[None].astype(np.float32)), dtype)
    return keras.ops.convert_to_numpy(tf.cast(activation(given), "float32"))[0]


def _layers() -> tuple[type, ...]:
    """Layers that may stand for an activation."""
    return keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU
