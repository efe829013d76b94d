"""Label smoothing: Keras's loss while training, the plain cross-entropy in evaluation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_tickets.training import SGD, Trainer

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0], [-3.0, 4.0, 30.0], [1.0, 2.0, 3.0]], "float32")
LABELS = np.array([0, 2, 1, 2], "int32")


def biases_alone(policy="float32"):
    """Logits are the input and a bias: their gradients can be written down."""
    x = keras.Input((3,))
    kernel = keras.initializers.Identity()
    return keras.Model(x, keras.layers.Dense(3, kernel_initializer=kernel, dtype=policy)(x))


def one_step(smoothing, policy="float32"):
    """The losses of training and of evaluation before the step, and the bias after it."""
    trainer = Trainer(biases_alone(policy), SGD(1.0), label_smoothing=smoothing)
    batches = tf.data.Dataset.from_tensor_slices((LOGITS, LABELS)).batch(4)
    plain = trainer.evaluate(batches, 1)["loss"]
    (row,) = trainer.fit(lambda epochs, _: batches, [0], 1)
    return row["loss"], plain, trainer.model.layers[-1].bias.numpy()


def keras_loss(smoothing):
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
    return float(loss(np.eye(3)[LABELS], LOGITS))


@pytest.mark.slow
@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_the_loss_is_that_of_keras(smoothing):
    training, plain, _ = one_step(smoothing)
    assert training == pytest.approx(keras_loss(smoothing), rel=1e-5)
    assert plain == pytest.approx(keras_loss(0.0), rel=1e-5)
    assert training != pytest.approx(plain, rel=1e-2)


@pytest.mark.slow
def test_gradients_draw_logits_towards_the_smoothed_labels():
    softmax = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    wanted = 0.9 * np.eye(3)[LABELS] + 0.1 / 3
    _, _, bias = one_step(0.1)
    np.testing.assert_allclose(bias, (wanted - softmax).mean(0), atol=1e-6)


@pytest.mark.slow
def test_the_sums_are_those_of_float32_under_mixed_precision():
    assert one_step(0.1, "mixed_float16")[0] == pytest.approx(keras_loss(0.1), rel=1e-3)


@pytest.mark.slow
def test_none_is_the_plain_cross_entropy():
    training, plain, _ = one_step(0.0)
    assert training == plain
