"""Edge-popup: a search for a good subnetwork of random weights that are not trained themselves."""

import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import (
    Parametrization,
    attach_parametrization,
    forget_traces,
    hide_again,
    replace_optimizer,
    scope_of,
    stock_weights,
    value_of,
)
from tf_tickets.pruning.choices import check_choice
from tf_tickets.pruning.counts import counts_inside
from tf_tickets.pruning.given_ratios import Ratios
from tf_tickets.pruning.sparsity import check_sparsity
from tf_tickets.sparse_training.traced_ranking import top_k_masks
from tf_tickets.sparse_training.unparametrized import unparametrized_weights
from tf_tickets.support.random_streams import stream

WEIGHTS = ("signed_constant", "kaiming_normal", "own")


class EdgePopup(Parametrization):
    """Computes with the weights whose scores are the largest; the scores are trained, the weights are not.

    The mask is 1 for the `count` largest |score| inside the layer's own mask. Backpropagation goes straight
    through it: d loss / d score = sign(score) * w * d loss / d (effective weight), for every weight of the
    layer's mask, selected or not.

    Args:
        weight: the masked weight.
        count: how many weights are selected.
        scores: their first values, shaped like the weight.
        ratios: by which counts were divided among the layers, as in `tf_tickets.keep_counts`.

    Attributes:
        variables: `scores`, trained, and `count`.
        target: the count that was asked for; an annealed search has others before it, by the same `ratios`.
        frozen: what is not trained while the layer computes like this.

    Reference:

    - [Ramanujan et al., 2020](https://arxiv.org/abs/1911.13299), section 3
    """

    def __init__(self, weight: keras.Variable, count: int, scores: np.ndarray, ratios: Ratios = "uniform"):
        with scope_of(weight):
            self.variables = {
                "scores": keras.Variable(scores, name="scores", dtype=weight.dtype),
                "count": keras.Variable(count, trainable=False, name="count", dtype="int64"),
            }
        self.target = count
        self.ratios = ratios
        self.frozen: list[keras.Variable] = []

    def __call__(self, weight: keras.Variable, mask: keras.Variable) -> tf.Tensor:
        value = tf.convert_to_tensor(weight)
        selected = self.effective_mask(weight, mask)

        @tf.custom_gradient
        def popup(scores: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            def gradient(slope: tf.Tensor) -> tf.Tensor:
                return tf.where(mask.value, tf.sign(scores) * value * slope, tf.zeros_like(scores))

            return tf.where(selected, value, tf.zeros_like(value)), gradient

        return popup(tf.cast(self.variables["scores"], value.dtype))

    def effective_mask(self, weight: keras.Variable, mask: keras.Variable) -> tf.Tensor:
        """True for the largest scores inside the mask."""
        scores = tf.convert_to_tensor(self.variables["scores"].value)
        (selected,) = top_k_masks([tf.abs(scores)], self.variables["count"].value, [mask.value])
        return selected

    def attached(self, weight: keras.Variable) -> None:
        for variable in self.frozen:
            variable.trainable = False

    def detached(self, weight: keras.Variable) -> None:
        for variable in self.frozen:
            variable.trainable = True


def edge_popup(
    model: keras.Model,
    sparsity: float,
    ratios: Ratios = "uniform",
    weights: str = "signed_constant",
    scale_by_density: bool = False,
    seed: int = 0,
) -> None:
    """Freezes a model's weights and lets scores be trained instead, in place; fit the model then as usual.

    Every variable of the model is frozen, biases and normalisation too; moving statistics go on. What
    the masks hide cannot be selected, so after `tf_tickets.prune(model, "erk", ...)` the strong ticket is
    searched inside a random mask. `fold` or an export leaves a plain network with the selected weights,
    which are those that it had before the training, bit for bit.

    Args:
        model: any built Keras model. A compiled one keeps its loss and metrics, and gets a fresh optimizer of
            the same config for the scores.
        sparsity: fraction of all prunable weights, also of those the masks hide, that is not selected, in
            [0, 1).
        ratios: how many of each layer, see `tf_tickets.keep_counts`; a layer selects no more than its mask
            has, and the others share what it cannot.
        weights: `"signed_constant"` makes the weights +-sqrt(2 / fan_in) by their signs, `"kaiming_normal"`
            draws them anew from N(0, sqrt(2 / fan_in)), `"own"` leaves them as they are.
        scale_by_density: divide their standard deviation by the square root of the layer's density.
        seed: of weights that are drawn, and of the scores, which are uniform in +-1/sqrt(fan_in).

    Raises:
        ValueError: a value that is not accepted, a sparsity below that of the masks, or a layer that is
            frozen already (`trainable=False`), whose scores would never be trained.

    Example:
        >>> tt.prune(model, "erk", sparsity=0.5)
        >>> tt.sparse_training.edge_popup(model, sparsity=0.8)
        >>> model.fit(x, y, epochs=30, callbacks=[tt.callbacks.AnnealedDensity(start=0.4)])

    Reference:

    - [Ramanujan et al., 2020](https://arxiv.org/abs/1911.13299)
    """
    sparsity = check_sparsity(sparsity)
    check_choice("weights", weights, WEIGHTS)
    entries = unparametrized_weights(model, "edge_popup")
    for entry in entries:
        if not entry.layer.trainable:
            raise ValueError(
                f"Layer '{entry.layer.name}' is frozen (trainable=False), so the scores of {entry.name} "
                "would never be trained. Thaw it before edge_popup, which freezes the weights by itself."
            )
    counts = counts_inside(model, sparsity, ratios, [value_of(entry.mask) for entry in entries])
    rng = stream(seed, "score", "edge_popup")
    frozen = [variable for variable in stock_weights(model) if variable.trainable]
    for position, (entry, count) in enumerate(zip(entries, counts, strict=True)):
        fan_in = math.prod(entry.shape[:-1])
        deviation = math.sqrt(2 / fan_in) / (math.sqrt(count / entry.size) if scale_by_density else 1)
        if weights == "signed_constant":
            entry.weight.assign(deviation * np.where(value_of(entry.weight) < 0, -1.0, 1.0))
        elif weights == "kaiming_normal":
            entry.weight.assign(rng.normal(0, deviation, entry.shape))
        bound = 1 / math.sqrt(fan_in)
        scores = rng.uniform(-bound, bound, entry.shape)
        parametrization = EdgePopup(entry.weight, count, scores, ratios)
        parametrization.frozen = frozen if position == 0 else []
        attach_parametrization(entry.layer, entry.attribute, parametrization)
    hide_again(model)
    replace_optimizer(model)
    forget_traces(model)
