"""Edge-popup: a search for a good subnetwork of random weights that are not trained themselves."""

import contextlib
import math
import warnings

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import (
    Reading,
    attach_reading,
    forget_traces,
    mask_layers,
    masked_weights,
    stock_weights,
)
from tf_tickets.layers.convert import renew_optimizer
from tf_tickets.pruning.ratios import Ratios, check_choice, check_sparsity, counts_inside
from tf_tickets.sparse_training.renewal import check_free
from tf_tickets.sparse_training.schedules import annealed_densities
from tf_tickets.sparse_training.selection import keep_largest
from tf_tickets.support.numbers import is_number, is_whole
from tf_tickets.support.random_streams import stream

WEIGHTS = ("signed_constant", "kaiming_normal", "own")


class EdgePopup(Reading):
    """Computes with the weights whose scores are the largest; the scores are trained, the weights are not.

    The mask is 1 for the `count` largest |score| inside the layer's own mask. Backpropagation goes straight
    through it: d loss / d score = sign(score) * w * d loss / d (effective weight), for every weight of the
    layer's mask, selected or not.

    Args:
        weight: the masked weight.
        count: how many weights are selected.
        scores: their first values, shaped like the weight.
        ratios: by which the count was shared out, as in `tf_tickets.keep_counts`.

    Attributes:
        variables: `scores`, trained, and `count`.
        target: the count that was asked for; an annealed search has others before it, by the same `ratios`.
        frozen: what is not trained while the layer computes like this.

    Reference:

    - [Ramanujan et al., 2020](https://arxiv.org/abs/1911.13299), section 3
    """

    def __init__(self, weight: keras.Variable, count: int, scores: np.ndarray, ratios: Ratios = "uniform"):
        strategy = getattr(weight._value, "distribute_strategy", None)
        with strategy.scope() if strategy is not None else contextlib.nullcontext():
            self.variables = {
                "scores": keras.Variable(scores, name="scores", dtype=weight.dtype),
                "count": keras.Variable(count, trainable=False, name="count", dtype="int64"),
            }
        self.target = count
        self.ratios = ratios
        self.frozen: list[keras.Variable] = []

    def __call__(self, weight: keras.Variable, mask: keras.Variable) -> tf.Tensor:
        value = tf.convert_to_tensor(weight)
        selected = self.kept(weight, mask)

        @tf.custom_gradient
        def popup(scores):
            def gradient(slope):
                return tf.where(mask.value, tf.sign(scores) * value * slope, tf.zeros_like(scores))

            return tf.where(selected, value, tf.zeros_like(value)), gradient

        return popup(tf.cast(self.variables["scores"], value.dtype))

    def kept(self, weight: keras.Variable, mask: keras.Variable) -> tf.Tensor:
        """True for the largest scores inside the mask."""
        scores = tf.convert_to_tensor(self.variables["scores"].value)
        (selected,) = keep_largest([tf.abs(scores)], self.variables["count"].value, [mask.value])
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
    entries = mask_layers(model).masked
    check_free(entries, "edge_popup")
    for entry in entries:
        if not entry.layer.trainable:
            raise ValueError(
                f"Layer '{entry.layer.name}' is frozen (trainable=False), so the scores of {entry.name} "
                "would never be trained. Thaw it before edge_popup, which freezes the weights by itself."
            )
    counts = counts_inside(model, sparsity, ratios, [np.asarray(entry.mask) for entry in entries])
    rng = stream(seed, "score", "edge_popup")
    frozen = [variable for variable in stock_weights(model) if variable.trainable]
    for position, (entry, count) in enumerate(zip(entries, counts, strict=True)):
        fan_in = math.prod(entry.shape[:-1])
        deviation = math.sqrt(2 / fan_in) / (math.sqrt(count / entry.size) if scale_by_density else 1)
        if weights == "signed_constant":
            entry.weight.assign(deviation * np.where(np.asarray(entry.weight) < 0, -1.0, 1.0))
        elif weights == "kaiming_normal":
            entry.weight.assign(rng.normal(0, deviation, entry.shape))
        bound = 1 / math.sqrt(fan_in)
        reading = EdgePopup(entry.weight, count, rng.uniform(-bound, bound, entry.shape), ratios)
        reading.frozen = frozen if position == 0 else []
        attach_reading(entry.layer, entry.attribute, reading)
    renew_optimizer(model)
    forget_traces(model)


class AnnealedDensity(keras.callbacks.Callback):
    """Lets a search by edge-popup begin with a dense selection, and takes it to the target in levels.

    The training is cut into levels of equal length; level k selects (target / start)^(1 / levels) times what
    the level before did, never more than the masks have, and the last the target. Of more levels than epochs
    some are passed over, never the last.

    Args:
        start: density before the first level, in (0, 1], not below the target's.
        levels: how many.

    Raises:
        ValueError: a value out of range; at the start of training, a model without edge-popup layers, or a
            start below the target's density.
    """

    def __init__(self, start: float = 0.6, levels: int = 5):
        super().__init__()
        if not is_number(start) or not 0 < start <= 1:
            raise ValueError(f"start= is a density in (0, 1]. Received: {start!r}")
        if not is_whole(levels, 1):
            raise ValueError(f"levels= is a whole number, 1 or more. Received: {levels!r}")
        self.start = float(start)
        self.levels = levels
        self._readings: list[EdgePopup] = []
        self._counts: list[list[int]] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        entries = masked_weights(self.model)
        readings = [entry.layer.readings.get(entry.attribute) for entry in entries]
        self._readings = [reading for reading in readings if isinstance(reading, EdgePopup)]
        if not self._readings or len(self._readings) < len(entries):
            raise ValueError(
                f"Model '{self.model.name}' does not search by edge-popup: call "
                "tf_tickets.sparse_training.edge_popup(model, sparsity) first."
            )
        masks = [np.asarray(entry.mask) for entry in entries]
        total = sum(mask.size for mask in masks)
        source = sum(int(mask.sum()) for mask in masks) / total
        target = [reading.target for reading in self._readings]
        last = sum(target) / total
        if round(self.start * total) < sum(target):
            raise ValueError(
                f"start={self.start} is below the density that the search ends at, {last:.6g}: levels go "
                "down. Raise start=, or give edge_popup a higher sparsity."
            )
        densities = annealed_densities(max(self.start, last), last, self.levels, source)
        ratios = self._readings[0].ratios
        self._counts = [
            *(counts_inside(self.model, 1 - density, ratios, masks) for density in densities[:-1]),
            target,
        ]

    def on_train_end(self, logs: dict | None = None) -> None:
        total = sum(entry.size for entry in masked_weights(self.model))
        counts = [int(np.asarray(reading.variables["count"])) for reading in self._readings]
        if counts != self._counts[-1]:
            warnings.warn(
                f"AnnealedDensity did not reach its target: the training ended at a density of "
                f"{sum(counts) / total:.6g}, and {sum(self._counts[-1]) / total:.6g} was asked for. The "
                "selection is left as it is.",
                stacklevel=2,
            )

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        epochs = self.params.get("epochs") or 1
        level = min(-(-(epoch + 1) * self.levels // epochs), self.levels) - 1
        for reading, count in zip(self._readings, self._counts[level], strict=True):
            reading.variables["count"].assign(count)
