"""Batch normalisation whose second derivatives are right and whose training step is fast."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

FUSED_DTYPES = ("float32", "float16", "bfloat16")

_twice: contextvars.ContextVar[bool] = contextvars.ContextVar("differentiated_twice", default=False)


@contextlib.contextmanager
def differentiated_twice() -> Iterator[None]:
    """For the duration, what `BatchNormalization` computes has cheap second derivatives and no third ones.

    TensorFlow's own second derivative of the fused kernel is exact too, but takes some forty passes over the
    images. Training does better without: the wrapper keeps the kernel from being fused with what follows.
    """
    token = _twice.set(True)
    try:
        yield
    finally:
        _twice.reset(token)


@keras.saving.register_keras_serializable(package="tf_tickets")
class BatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation as the pruning papers' code computes it.

    It differs from `keras.layers.BatchNormalization` in training mode and in its defaults;
    inference is Keras's own:

    - **Second derivatives are exact.** Keras takes the variance around `stop_gradient(mean)`: the
      gradient is right, a Hessian-vector product is not, and a GraSP score is a Hessian-vector
      product. Here no gradient is stopped.
    - **A fused kernel** normalizes float32, float16 and bfloat16 images
      `(batch, height, width, channels)`. Every other input (float64, another rank or axis) goes
      through plain moments.
    - **The moving variance** takes in the unbiased batch variance, `n / (n - 1)` times the biased
      one, as PyTorch's does; for `n = 1` the biased one, which is zero.
    - **Defaults** are `momentum=0.9` and `epsilon=1e-5`.

    It keeps no state beyond the stock layer's, so that giving an instance the class
    `keras.layers.BatchNormalization` makes it that layer.

    An empty batch leaves the moving statistics as they are. Under a `tf.distribute` strategy each
    replica normalizes with the statistics of its own examples and keeps its own moving ones, as in
    Keras; those of the first replica are read and saved.

    With `renorm=True`, `synchronized=True` or a mask, training mode is Keras's too: biased moving
    variance, and second derivatives as Keras has them.

    Args:
        axis: integer, the axis of the channels. Defaults to `-1`.
        momentum: float, the fraction of a moving statistic that survives one batch. Defaults to `0.9`.
        epsilon: float, added to the variance. Defaults to `1e-5`.
        **kwargs: the other arguments of `keras.layers.BatchNormalization`.

    Example:

    >>> layer = BatchNormalization()
    >>> layer(keras.ops.ones((2, 4, 4, 3)), training=True).shape
    TensorShape([2, 4, 4, 3])

    Reference:

    - [Ioffe and Szegedy, 2015](https://arxiv.org/abs/1502.03167), algorithm 1.
    """

    def __init__(self, axis: int = -1, momentum: float = 0.9, epsilon: float = 1e-5, **kwargs: Any) -> None:
        super().__init__(axis=axis, momentum=momentum, epsilon=epsilon, **kwargs)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> tf.Tensor:
        # Keras 3.12 has no renorm yet.
        as_keras = mask is not None or self.synchronized or getattr(self, "renorm", False)
        if as_keras or not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        inputs = tf.convert_to_tensor(inputs)
        normalize = self._normalize_fused if self._has_fused_kernel(inputs) else self._normalize
        outputs, mean, variance = normalize(inputs)
        self._move(self.moving_mean, mean, inputs)
        self._move(self.moving_variance, variance, inputs)
        return tf.cast(outputs, self.compute_dtype)

    def _has_fused_kernel(self, inputs: tf.Tensor) -> bool:
        channels_last = len(inputs.shape) == 4 and self.axis in (-1, 3)
        return channels_last and inputs.dtype in FUSED_DTYPES and self.variable_dtype != "float64"

    def _normalize_fused(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Outputs, mean and unbiased variance by the kernel, whose parameters are float32."""
        channels = inputs.shape[-1]
        gamma = tf.cast(self.gamma, tf.float32) if self.scale else tf.ones(channels)
        beta = tf.cast(self.beta, tf.float32) if self.center else tf.zeros(channels)
        if _twice.get() and inputs.dtype == tf.float32:
            return _fused_twice(inputs, gamma, beta, self.epsilon)
        outputs, mean, variance, *_ = _fused(inputs, gamma, beta, self.epsilon)
        return outputs, mean, variance

    def _normalize(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Outputs, mean and unbiased variance by plain moments, around the mean itself."""
        x = tf.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        axes = [axis for axis in range(len(x.shape)) if axis != self.axis % len(x.shape)]
        mean = tf.reduce_mean(x, axes, keepdims=True)
        centred = x - mean
        variance = tf.reduce_mean(tf.square(centred), axes, keepdims=True)

        outputs = centred * tf.math.rsqrt(variance + self.epsilon)
        if self.scale:
            outputs *= tf.reshape(tf.cast(self.gamma, x.dtype), tf.shape(mean))
        if self.center:
            outputs += tf.reshape(tf.cast(self.beta, x.dtype), tf.shape(mean))

        count = tf.cast(tf.size(x) / tf.size(mean), x.dtype)
        unbiased = variance * count / tf.maximum(count - 1.0, 1.0)
        return outputs, tf.reshape(mean, [-1]), tf.reshape(unbiased, [-1])

    def _move(self, moving: keras.Variable, batch: tf.Tensor, inputs: tf.Tensor) -> None:
        old = tf.cast(moving, batch.dtype)
        new = old * self.momentum + batch * (1.0 - self.momentum)
        # A replica can be handed no example at all. The mean of nothing is NaN, and would stay.
        moving.assign(tf.where(tf.size(inputs) > 0, new, old))


def _fused(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float) -> tuple[tf.Tensor, ...]:
    nothing = tf.zeros(0)
    return tf.raw_ops.FusedBatchNormV3(
        x=x, scale=gamma, offset=beta, mean=nothing, variance=nothing, epsilon=epsilon, is_training=True
    )


def _fused_twice(
    x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The fused kernel, its gradient (a kernel too) and that gradient's gradient (the same kernel again).

    With z the normalized x, s the inverse standard deviation and P(u) = u - E[u] - z E[z u] over one channel,
    the gradient is gamma s P(dy), and in the direction v of that gradient

        d/d(dy) = gamma s P(v)
        d/dx = -s (E[z dy] gamma s P(v) + E[z v] gamma s P(dy)) - s^3 (x - E[x]) E[v gamma P(dy)].
    """

    @tf.custom_gradient
    def normalize(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> tuple[tuple[tf.Tensor, ...], Callable]:
        outputs, mean, variance, *saved = _fused(x, gamma, beta, epsilon)
        count = tf.cast(tf.size(x) / tf.size(gamma), tf.float32)
        # The kernel hands out the unbiased variance; what it keeps for itself differs between devices.
        s = tf.math.rsqrt(variance * tf.maximum(count - 1.0, 1.0) / count + epsilon)

        def backward(dy: tf.Tensor, scale: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=dy,
                x=x,
                scale=scale,
                reserve_space_1=saved[0],
                reserve_space_2=saved[1],
                reserve_space_3=saved[2],
                epsilon=epsilon,
                is_training=True,
            )[:3]

        @tf.custom_gradient
        def gradient(dy: tf.Tensor, x: tf.Tensor, gamma: tf.Tensor) -> tuple[tuple[tf.Tensor, ...], Callable]:
            dx, dgamma, dbeta = backward(dy, gamma)

            def second(v: tf.Tensor, vgamma: tf.Tensor, vbeta: tf.Tensor) -> tuple[tf.Tensor, ...]:
                to_dy, v_z, _ = backward(v, gamma)
                v_dx = tf.reduce_sum(v * dx, [0, 1, 2])
                to_x = [
                    to_dy * (-s * dgamma / count),
                    dx * (-s * v_z / count),
                    (x - mean) * (-s * s * v_dx / count),
                ]
                unscaled = backward(dy, tf.ones_like(gamma))[0]
                if not _is_zero(vgamma):
                    to_dy += (x - mean) * (s * vgamma)
                    to_x.append(unscaled * vgamma)
                if not _is_zero(vbeta):
                    to_dy += vbeta
                return to_dy, tf.add_n(to_x), tf.reduce_sum(v * unscaled, [0, 1, 2])

            return (dx, dgamma, dbeta), second

        return (outputs, mean, variance), lambda dy, *_: gradient(dy, x, gamma)

    return normalize(x, gamma, beta)


def _is_zero(vector: tf.Tensor) -> bool:
    """Whether a derivative is known to be zero before anything is computed."""
    value = tf.get_static_value(vector)
    return value is not None and not value.any()
