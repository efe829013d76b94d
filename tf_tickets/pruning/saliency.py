"""Scores from derivatives: SNIP, GraSP and OBD of the loss, SynFlow of the network without data."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import MaskedWeight, example_inputs, prunable_weights, wrapped_calls
from tf_tickets.pruning.derivatives import Batch, Loss, ScoringLoss, in_graphs, logits_of, stateless_in
from tf_tickets.pruning.paths import zero_at_zero
from tf_tickets.pruning.traces import kept_trace
from tf_tickets.support.numbers import is_whole

Arrays = list[np.ndarray]

# The identity where all is positive, but for a maximum; and what brings raw images to the numbers that a
# network works with, which may be below zero.
PASSED = (keras.layers.ReLU, keras.layers.Rescaling, keras.layers.Normalization)


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
        redraw_classifier: score with a Xavier-normal classifier (the last dense kernel), as the authors' code
            does: initial weights near zero have tiny gradients. The model keeps its own.
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
        values[-1] = _redrawn(weights[-1], values[-1], rng)
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
    if not is_whole(probes, 1):
        raise ValueError(f"probes is a whole number, 1 or more. Received: {probes!r}")
    if curvature not in CURVATURES:
        raise ValueError(f"curvature={curvature!r} is unknown. Choose one of: {', '.join(CURVATURES)}.")
    weights = prunable_weights(model)
    scoring = kept_trace(ScoringLoss, model, weights, batches, loss=loss, training=training)
    values = scoring.values()
    diagonal = [np.zeros(value.shape, value.dtype.as_numpy_dtype) for value in values]
    for _ in range(probes):
        for total, estimate in zip(diagonal, CURVATURES[curvature](scoring, values, rng), strict=True):
            total += estimate / probes
    return [w.numpy() ** 2 * h / 2 for w, h in zip(values, diagonal, strict=True)]


def _gauss_newton(scoring: ScoringLoss, values: Sequence[tf.Tensor], rng: np.random.Generator) -> Arrays:
    return [part.numpy() for part in scoring.gauss_newton_diagonal(values, int(rng.integers(2**62)))]


def _hutchinson(scoring: ScoringLoss, values: Sequence[tf.Tensor], rng: np.random.Generator) -> Arrays:
    signs = [tf.constant(rng.choice((-1.0, 1.0), value.shape), value.dtype) for value in values]
    return _products(signs, scoring.hessian_product(values, signs))


# Estimates of the diagonal, each from one vector of random signs.
CURVATURES: dict[str, Callable[[ScoringLoss, Sequence[tf.Tensor], np.random.Generator], Arrays]] = {
    "gauss_newton": _gauss_newton,
    "hessian": _hutchinson,
}


def synflow(model: keras.Model, batches: Any, rng: np.random.Generator) -> Arrays:
    """|w dR/dw|, R the sum of the outputs for inputs of one, every parameter replaced by its absolute value.

    No data is used. What flows is positive, where a ReLU is the identity; every other activation that is zero
    at zero is taken to be so too, as one that saturates would stop the flow. Layers that preprocess images
    pass the ones on, and a softmax or sigmoid at the end is left out. In float64: R is a product over all
    layers, which float32 cannot hold.

    Pruning by this score takes 100 rounds unless `rounds=` says otherwise; one round alone tends to remove
    whole layers. Many rounds keep every layer of a network whose layers come in a row. Queries and keys of
    attention, and the gates of squeeze-and-excitation, get next to no flow and are lost: pass `min_keep=`, or
    leave them alone (`mask_layers(exclude=...)`).

    Args:
        model: a built model.
        batches: not used.
        rng: not used.

    Reference: Tanaka et al., 2020, "Pruning neural networks without any data by iteratively conserving
    synaptic flow", eq. 4 and algorithm 1.
    """
    return kept_trace(_SynapticFlow, model, prunable_weights(model)).scores()


class _SynapticFlow:
    """R and its gradient, traced once."""

    def __init__(self, model: keras.Model, weights: Sequence[MaskedWeight]):
        self.model = model
        self.weights = weights
        with in_graphs(), _flowing(model):
            self._traced = tf.function(self._scores, autograph=False).get_concrete_function()

    def scores(self) -> Arrays:
        arrays = [array.numpy() for array in self._traced()]
        if not all(np.isfinite(array).all() for array in arrays):
            raise ValueError(
                f"SynFlow's score of model '{self.model.name}' is beyond float64: activations grow too fast."
            )
        return arrays

    def _scores(self) -> list[tf.Tensor]:
        absolute = {
            id(variable): tf.abs(tf.cast(tf.convert_to_tensor(variable), "float64"))
            for variable in self.model.variables
            if tf.as_dtype(variable.dtype).is_floating
        }
        values = [absolute[id(entry.weight)] for entry in self.weights]
        args, kwargs = example_inputs(self.model, tf.ones)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            with stateless_in(self.model, "float64", self.weights, values, absolute):
                outputs = self.model(*args, training=False, **kwargs)
            # A softmax at the end would make R the number of outputs, whatever the weights.
            logits = [logits_of(x)[0] for x in tf.nest.flatten(outputs) if x.dtype.is_floating]
            flow = tf.add_n([tf.reduce_sum(tf.cast(x, "float64")) for x in logits])
        gradient = tape.gradient(flow, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [tf.abs(w * g) for w, g in zip(values, gradient, strict=True)]


@contextlib.contextmanager
def _flowing(model: keras.Model) -> Iterator[None]:
    """For the duration, layers of `PASSED` and activations that are zero at zero are the identity."""
    layers = model._flatten_layers()
    with contextlib.ExitStack() as stack:
        for layer in layers:
            activation = layer.__dict__.get("activation")
            if zero_at_zero(activation):
                stack.callback(object.__setattr__, layer, "activation", activation)
                object.__setattr__(layer, "activation", keras.activations.linear)
        stack.enter_context(wrapped_calls((x for x in layers if isinstance(x, PASSED)), _cast_only))
        yield


def _cast_only(layer: keras.Layer, call: Callable) -> Callable:
    return lambda inputs: tf.cast(inputs, layer.compute_dtype)


def _products(values: Sequence[tf.Tensor], others: Sequence[tf.Tensor]) -> Arrays:
    return [(a * tf.cast(b, a.dtype)).numpy() for a, b in zip(values, others, strict=True)]


def _redrawn(entry: MaskedWeight, value: tf.Tensor, rng: np.random.Generator) -> tf.Tensor:
    """Xavier-normal values for a dense kernel; other classifiers stay as they are."""
    if len(entry.shape) != 2:
        return value
    deviation = np.sqrt(2 / sum(entry.shape))
    return tf.constant(rng.normal(0, deviation, entry.shape), value.dtype)
