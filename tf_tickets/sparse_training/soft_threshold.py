"""Soft threshold weight reparameterization (STR): layers learn below which magnitude a weight counts as 0."""

import keras
import tensorflow as tf

from tf_tickets.layers import (
    Parametrization,
    attach_parametrization,
    forget_traces,
    masked_value,
    replace_optimizer,
    scope_of,
)
from tf_tickets.sparse_training.unparametrized import unparametrized_weights
from tf_tickets.support.numbers import is_finite
from tf_tickets.support.short_reprs import ShortList

INITIAL_VALUE = -200.0


class SoftThreshold(Parametrization):
    """Computes with mask * sign(w) * relu(|w| - sigmoid(s)), where s is one trained number for the layer.

    The gradient by w is that of the effective weight where |w| > sigmoid(s) and the mask is true, and zero
    elsewhere: no straight-through.

    Args:
        weight: the masked weight.
        initial_value: of s. At -200 the threshold is 0 for any float, and only decay raises it.
        decay: L2 coefficient of s, added to its gradient as `decay * s` under any optimizer. It is added to
            what the optimizer does by itself: one that decays every variable, as
            `tf_tickets.training.SGD(weight_decay=...)` does, decays s too, whatever is said here. None or 0:
            nothing is added to that.

    Attributes:
        variables: `threshold`, the scalar s.

    Reference:

    - [Kusupati et al., 2020](https://arxiv.org/abs/2002.03231), equation 3
    """

    def __init__(
        self, weight: keras.Variable, initial_value: float = INITIAL_VALUE, decay: float | None = None
    ):
        with scope_of(weight):
            value = keras.Variable(float(initial_value), name="threshold", dtype=weight.dtype)
        if decay is not None:
            value.regularizer = keras.regularizers.L2(decay / 2)  # whose gradient is decay * s
        self.variables = {"threshold": value}

    def __call__(self, weight: keras.Variable, mask: keras.Variable) -> tf.Tensor:
        value = masked_value(weight, mask)
        threshold = tf.sigmoid(tf.cast(self.variables["threshold"], value.dtype))
        return tf.sign(value) * tf.nn.relu(tf.abs(value) - threshold)

    def effective_mask(self, weight: keras.Variable, mask: keras.Variable) -> tf.Tensor:
        """True where the magnitude is above the threshold and the mask is true."""
        return self(weight, mask) != 0


def soft_threshold(
    model: keras.Model, initial_value: float = INITIAL_VALUE, decay: float | None = None
) -> list[keras.Variable]:
    """Makes every masked layer learn a threshold of its own, in place; fit the model then as usual.

    Layers without masks get all-true ones. What the masks hide stays hidden, so after
    `tf_tickets.prune(model, "erk", ...)` this searches inside a random mask. How sparse the network becomes
    is decided by `initial_value`, the decay and the length of the training, not by a target:
    `tf_tickets.pruning.ticket_of(model, {})` says how sparse it is, and `fold` or an export bakes it in.

    A compiled model keeps its loss and metrics, and gets a fresh optimizer of the same config, which the new
    variables belong to.

    Args:
        model: any built Keras model.
        initial_value: of s, see `SoftThreshold`.
        decay: of s. Keras's optimizers decay in another way, or not at all: say it here. Where the optimizer
            decays every variable, as `tf_tickets.training.SGD(weight_decay=...)` does, the two add up; None
            and 0 then leave the optimizer's alone. The penalty decay / 2 * s^2 of every layer is part of the
            loss that Keras reports: at s = -200 and decay 5e-4 that is 10 a layer.

    Returns:
        The thresholds' variables s, in forward order; the thresholds are sigmoid(s).

    Raises:
        ValueError: a value that is no number, or layers that compute with their weights in another way
            already.

    Example:
        >>> tt.prune(model, "erk", sparsity=0.5)
        >>> tt.sparse_training.soft_threshold(model, initial_value=-5.0, decay=5e-4)
        >>> model.fit(x, y, epochs=30)
    """
    if not is_finite(initial_value):
        raise ValueError(f"initial_value= is a number. Received: {initial_value!r}")
    if decay is not None and not (is_finite(decay) and decay >= 0):
        raise ValueError(f"decay= is a number, 0 or more, or None. Received: {decay!r}")
    thresholds: list[keras.Variable] = ShortList()
    for entry in unparametrized_weights(model, "soft_threshold"):
        parametrization = SoftThreshold(entry.weight, initial_value, decay)
        attach_parametrization(entry.layer, entry.attribute, parametrization)
        thresholds.append(parametrization.variables["threshold"])
    replace_optimizer(model)
    forget_traces(model)
    return thresholds
