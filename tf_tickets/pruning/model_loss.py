"""The loss of a model: whose it is, and in which precision it is computed."""

import contextlib
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from tf_tickets.pruning.logits import logits_of

Loss = Callable[[Any, Any], tf.Tensor]


def loss_of(model: keras.Model, loss: Loss | None, precision: str) -> tuple[Callable[..., tf.Tensor], bool]:
    """`(outputs, y, sample_weight) -> scalar`, and whether it is known to take logits.

    Args:
        model: a built model.
        loss: `(y, outputs) -> scalar` instead of the model's own, or None.
        precision: dtype that Keras's losses compute in.

    Raises:
        ValueError: the model has no loss that is known.
    """
    if loss is not None:
        return functools.partial(_own_loss, loss), False
    if type(model).compute_loss is not keras.Model.compute_loss:
        raise ValueError(
            f"Model '{model.name}' has a compute_loss of its own. Say which loss scores its weights: pass "
            "loss=(y, outputs) -> scalar."
        )
    if not getattr(model, "compiled", False):
        return _cross_entropy, True
    compiled = model._compile_loss
    if compiled is None:
        raise ValueError(
            f"Model '{model.name}' was compiled without a loss. Compile it with one, or pass "
            "loss=(y, outputs) -> scalar."
        )
    own = keras.tree.map_structure(functools.partial(_in_precision, precision), compiled._user_loss)
    # A copy, since it counts what it sees. Regularizers and `add_loss` are no part of it.
    copied = type(compiled)(own, compiled._user_loss_weights, compiled.reduction, compiled.output_names)

    def mean(outputs: Any, y: Any, *weight: Any) -> tf.Tensor:
        with _alone_in(precision):
            return copied(y, outputs, *weight)

    losses = [x for x in keras.tree.flatten(own) if x is not None]
    logits = all(isinstance(x, keras.Loss) and x.get_config().get("from_logits") for x in losses)
    return mean, logits


def _in_precision(precision: str, loss: Any) -> Any:
    """A Keras loss as one that does not round to the dtype it was made for."""
    if not isinstance(loss, keras.Loss):
        return loss
    # Keras copies by saving and loading, which classes that nobody has registered do not survive.
    copied = object.__new__(type(loss))
    vars(copied).update(vars(loss), _dtype_policy=keras.DTypePolicy(precision), _dtype=precision)
    return copied


@contextlib.contextmanager
def _alone_in(precision: str) -> Iterator[None]:
    """For the duration, losses that Keras makes have a precision and are not divided by the replicas."""
    floatx, strategy = keras.config.floatx(), tf.distribute.get_strategy
    keras.config.set_floatx(precision)
    tf.distribute.get_strategy = lambda: types.SimpleNamespace(num_replicas_in_sync=1)
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        tf.distribute.get_strategy = strategy


def _own_loss(loss: Loss, outputs: Any, y: Any, *weight: Any) -> tf.Tensor:
    if weight:
        raise ValueError(
            "A loss of your own is called as (y, outputs): leave sample weights out of the batches."
        )
    value = loss(y, outputs)
    if value is None:
        raise ValueError("loss(y, outputs) gives one number. Received: None")
    value = tf.convert_to_tensor(value)
    if value.shape.rank != 0:
        raise ValueError(f"loss(y, outputs) gives one number. Received shape: {value.shape}")
    return value


def _cross_entropy(outputs: Any, labels: Any, *weight: Any) -> tf.Tensor:
    """The mean cross-entropy; of probabilities that a softmax made, by its logits."""
    if not tf.is_tensor(outputs) or weight:
        raise ValueError(
            "A model that is not compiled is scored by the cross-entropy of its one output, without sample "
            "weights. Compile it with a loss, or pass loss=(y, outputs) -> scalar."
        )
    logits, _ = logits_of(outputs)
    if logits.shape.rank != 2 or not tf.as_dtype(labels.dtype).is_integer:
        raise ValueError(
            "A model that is not compiled is scored by the cross-entropy of integer labels and outputs "
            f"(batch, classes). Received labels {labels.dtype.name} and outputs {logits.shape}. "
            "Compile it with a loss, or pass loss=(y, outputs) -> scalar."
        )
    logits = tf.cast(logits, keras.backend.result_type(logits.dtype, "float32"))
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.reshape(labels, [-1]), logits))
