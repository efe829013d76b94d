"""Scores from derivatives of the loss: SNIP, GraSP and OBD."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import MaskedWeight, classifiers_of, prunable_weights
from tf_tickets.pruning.model_loss import Loss
from tf_tickets.pruning.scoring_examples import Batch
from tf_tickets.pruning.scoring_loss import ScoringLoss
from tf_tickets.pruning.trace_cache import kept_trace

Arrays = list[np.ndarray]


def snip(
    model: keras.Model,
    batches: Sequence[Batch],
    rng: np.random.Generator,
    loss: Loss | None = None,
    training: bool = True,
) -> Arrays:
    """|w dL/dw|: what the loss changes, to first order, when the weight is scaled.

    Args:
        model: a built model.
        batches: whose gradients are summed before the absolute value is taken, see `ScoringLoss`.
        rng: not used.
        loss: `(y, outputs) -> scalar` instead of the model's own.
        training: whether batch normalisation uses the statistics of the batch, as the papers' code does.

    Reference: Lee et al., 2019, "SNIP: Single-shot network pruning based on connection sensitivity", eq. 6.
    """
    weights = prunable_weights(model)
    scoring = kept_trace(ScoringLoss, model, weights, batches, loss=loss, training=training)
    values = scoring.values()
    return [np.abs(x) for x in _products(values, scoring.gradient(values))]


def grasp(
    model: keras.Model,
    batches: Sequence[Batch],
    rng: np.random.Generator,
    temperature: float = 200.0,
    halves: bool = True,
    redraw_classifier: bool = True,
    loss: Loss | None = None,
    training: bool = True,
) -> Arrays:
    """-w (H g): what the gradient norm gains when the weight is removed. The largest are removed.

    Behind a weight that batch normalisation follows, a layer's scores sum to its squared gradient norm.

    Args:
        model: a built model.
        batches: see `ScoringLoss`. With several, g and H are their sums.
        rng: draws the classifier.
        temperature: divides the logits. Pass 1 for a loss that takes no logits.
        halves: cut every batch in two by position, which is by class where it is sorted, and sum gradients
            and Hessians of the halves, each normalised by its own statistics, as the authors' code does.
        redraw_classifier: score with Xavier-normal classifiers (dense kernels that feed an output), as the
            authors' code does: initial weights near zero have tiny gradients. The model keeps its own.
        loss: `(y, outputs) -> scalar` instead of the model's own.
        training: as for `snip`.

    Reference: Wang et al., 2020, "Picking winning tickets before training by preserving gradient flow",
    eq. 8.
    """
    weights = prunable_weights(model)
    scoring = kept_trace(
        ScoringLoss,
        model,
        weights,
        batches,
        loss=loss,
        temperature=temperature,
        training=training,
        halves=halves,
    )
    values = scoring.values()
    if redraw_classifier:
        for position in classifiers_of(model, weights).positions:
            values[position] = _redrawn(weights[position], values[position], rng)
    return [-x for x in _products(values, scoring.hessian_product(values))]


def obd(
    model: keras.Model,
    batches: Sequence[Batch],
    rng: np.random.Generator,
    curvature: str = "gauss_newton",
    probes: int = 64,
    loss: Loss | None = None,
    training: bool = False,
) -> Arrays:
    """w^2 h / 2, h the diagonal of the loss's Hessian: what the loss gains when the weight is removed.

    Of a network whose outputs are linear in each single weight (ReLU, max-pooling, normalisation that
    predicts) h is the diagonal of the Gauss-Newton matrix, of which `ScoringLoss.gauss_newton_diagonal` makes
    unbiased estimates with a relative error of at most 1.42 / sqrt(probes), whatever the size of the network.
    With other activations a term is left out, as the paper's own recursion leaves it out, so that h is not
    negative. `curvature="hessian"` keeps it: Hutchinson's estimate, the mean of v (H v) over random signs v.
    Its error for one weight is the root of the sum of the squares of that row's other elements, over
    sqrt(probes), which in a large network is many times h.

    Args:
        model: a built, trained model.
        batches: see `ScoringLoss`. For the Gauss-Newton matrix the loss is a mean over examples.
        rng: draws the signs.
        curvature: `"gauss_newton"` or `"hessian"`.
        probes: number of sign vectors, 1 or more.
        loss: `(y, outputs) -> scalar` instead of the model's own.
        training: the trained network is differentiated as it predicts; True takes the statistics of batches.

    Reference: LeCun et al., 1989, "Optimal brain damage", eq. 5.
    """
    weights = prunable_weights(model)
    scoring = kept_trace(ScoringLoss, model, weights, batches, loss=loss, training=training)
    values = scoring.values()
    diagonal = [np.zeros(value.shape, value.dtype.as_numpy_dtype) for value in values]
    for _ in range(probes):
        for total, estimate in zip(diagonal, ESTIMATES[curvature](scoring, values, rng), strict=True):
            total += estimate / probes
    return [w.numpy() ** 2 * h / 2 for w, h in zip(values, diagonal, strict=True)]


def _gauss_newton(scoring: ScoringLoss, values: Sequence[tf.Tensor], rng: np.random.Generator) -> Arrays:
    return [part.numpy() for part in scoring.gauss_newton_diagonal(values, int(rng.integers(2**62)))]


def _hutchinson(scoring: ScoringLoss, values: Sequence[tf.Tensor], rng: np.random.Generator) -> Arrays:
    signs = [tf.constant(rng.choice((-1.0, 1.0), value.shape), value.dtype) for value in values]
    return _products(signs, scoring.hessian_product(values, signs))


# Estimates of the diagonal, each from one vector of random signs.
ESTIMATES: dict[str, Callable[[ScoringLoss, Sequence[tf.Tensor], np.random.Generator], Arrays]] = {
    "gauss_newton": _gauss_newton,
    "hessian": _hutchinson,
}


def _products(values: Sequence[tf.Tensor], others: Sequence[tf.Tensor]) -> Arrays:
    return [(a * tf.cast(b, a.dtype)).numpy() for a, b in zip(values, others, strict=True)]


def _redrawn(entry: MaskedWeight, value: tf.Tensor, rng: np.random.Generator) -> tf.Tensor:
    """Xavier-normal values for a dense kernel; other classifiers stay as they are."""
    if len(entry.shape) != 2:
        return value
    deviation = np.sqrt(2 / sum(entry.shape))
    return tf.constant(rng.normal(0, deviation, entry.shape), value.dtype)
