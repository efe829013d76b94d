"""Whether a training has diverged, and the error that says so."""

import keras
import numpy as np
import tensorflow as tf

_ADVICE = "training diverged. Lower the learning rate, or look for bad values in the data."


class TrainingDiverged(ArithmeticError):
    """The loss or a weight is not finite any more."""


def check_loss(loss: float, optimizer: keras.optimizers.Optimizer, where: str) -> None:
    """Raises TrainingDiverged if the loss is NaN or infinite.

    Args:
        loss: mean over the epoch so far.
        optimizer: that it was reached with.
        where: epoch and step, for people.
    """
    if not np.isfinite(loss):
        rate = float(np.asarray(optimizer.learning_rate))
        raise TrainingDiverged(f"The loss is {loss} in {where}, at learning rate {rate:.3g}: {_ADVICE}")


def check_weights(model: keras.Model, epoch: int) -> None:
    """Raises TrainingDiverged if a trainable weight holds NaN or an infinite value.

    TensorFlow's fused kernels take the ReLU of NaN for 0, so NaN weights can hide behind a finite loss.
    """
    for variable in model.trainable_variables:
        if not tf.reduce_all(tf.math.is_finite(variable.value)):
            raise TrainingDiverged(
                f"{variable.path} holds values that are no finite numbers after epoch {epoch}: {_ADVICE}"
            )
