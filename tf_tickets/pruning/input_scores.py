"""Scores by the inputs of layers, for networks that are not retrained: Wanda."""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import prunable_weights
from tf_tickets.pruning.layer_inputs import input_norms
from tf_tickets.pruning.scoring_examples import Batch
from tf_tickets.pruning.stateless import Values, precision_of


def wanda(model: keras.Model, batches: Sequence[Batch], rng: np.random.Generator) -> list[np.ndarray]:
    """|w| ||x||: the magnitude times the L2 norm of what the weight is multiplied with.

    The norm is over all calibration examples and positions (tokens, places of a convolution). Inputs are
    those of the network as it stands, in one forward pass; no label is looked at. In the paper a weight is
    compared with those of the same output.

    Args:
        model: a built, trained model, of layers whose inputs are known, see `input_views`.
        batches: calibration examples.
        rng: not used.

    Raises:
        ValueError: it is not known what a weight is multiplied with.

    Reference: Sun et al., 2023, "A simple and effective pruning approach for large language models", eq. 1.
    """
    weights = prunable_weights(model)
    values: Values = [tf.cast(tf.convert_to_tensor(x.weight), precision_of(weights)) for x in weights]
    norms = input_norms(model, weights, values, batches)
    return [
        np.abs(w.numpy()) * norm.astype(w.dtype.as_numpy_dtype) for w, norm in zip(values, norms, strict=True)
    ]
