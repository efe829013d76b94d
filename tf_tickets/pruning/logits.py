"""Logits: what the outputs of a model were before a softmax or sigmoid at its end."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

# Numbers of outputs of one example whose Hessian is formed.
MOST_OUTPUTS = 4096

# What made outputs of logits, by the operation that is found behind them.
ACTIVATIONS = {"Softmax": keras.activations.softmax, "Sigmoid": keras.activations.sigmoid}


def logits_of(output: tf.Tensor) -> tuple[tf.Tensor, Callable | None]:
    """What a softmax or sigmoid at the end was given, and that activation; or the output itself, and None.

    Args:
        output: a tensor of a graph.
    """
    activation = ACTIVATIONS.get(output.op.type)
    return (output, None) if activation is None else (output.op.inputs[0], activation)


def flat_logits(outputs: Any) -> tuple[tf.Tensor, Callable[[tf.Tensor], Any]]:
    """All float outputs, or their logits, as one matrix `(batch, numbers)`, and what makes the outputs of it.

    Args:
        outputs: a structure of tensors of a graph.

    Raises:
        ValueError: more than `MOST_OUTPUTS` numbers an example, or an unknown number.
    """
    parts = keras.tree.flatten(outputs)
    found = [logits_of(part) for part in parts]
    sizes = [logits.shape[1:].num_elements() for logits, _ in found]
    if None in sizes or sum(sizes) > MOST_OUTPUTS:
        raise ValueError(
            f"The curvature of a loss is taken of outputs of at most {MOST_OUTPUTS:,} numbers an example. "
            f"Received shapes: {[tuple(part.shape) for part in parts]}. Pass curvature='hessian'."
        )
    flat = tf.concat(
        [tf.reshape(logits, (-1, size)) for (logits, _), size in zip(found, sizes, strict=True)], 1
    )

    def rebuild(flat: tf.Tensor) -> Any:
        rebuilt = []
        for part, (logits, activation), piece in zip(parts, found, tf.split(flat, sizes, 1), strict=True):
            piece = tf.reshape(piece, tf.shape(logits))
            piece.set_shape(logits.shape)
            piece = piece if activation is None else activation(piece)
            if hasattr(part, "_keras_mask"):
                piece._keras_mask = part._keras_mask
            rebuilt.append(piece)
        return keras.tree.pack_sequence_as(outputs, rebuilt)

    return flat, rebuild
