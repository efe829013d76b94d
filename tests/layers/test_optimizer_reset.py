"""An optimizer that starts afresh."""

import keras  # before tensorflow_model_optimization, which would have its own way with tf.keras
import numpy as np
import pytest
import tensorflow as tf

from tests import nets
from tf_tickets.callbacks import (
    reset_optimizer,
)
from tf_tickets.training import SGD

OPTIMIZERS = {
    "ours": lambda: SGD(0.1, momentum=0.9),
    "adam, averaged": lambda: keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5),
    "nadam": lambda: keras.optimizers.Nadam(0.1),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1, momentum=0.9), 8.0),
    "accumulating": lambda: keras.optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_reset_optimizer_is_a_fresh_one_but_for_its_rate(name):
    """Not every slot starts at zero: the product in Nadam is one at first, and so are others."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(OPTIMIZERS[name]())
    optimizer, fresh = model.optimizer, OPTIMIZERS[name]()
    reset_optimizer(model)  # not built: as fresh as can be
    for part in (optimizer, fresh):
        part.build(model.trainable_variables)
    for step in range(5):
        optimizer.apply([tf.ones((2, 1)) * (step + 1.0), tf.ones(1)], model.trainable_variables)
    optimizer.learning_rate = 0.03125
    before = model.get_weights()
    reset_optimizer(model)
    nets.assert_equal(model.get_weights(), before)
    assert float(optimizer.learning_rate) == 0.03125
    fresh.learning_rate = 0.03125
    for found, expected in zip(optimizer.variables, fresh.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected), err_msg=found.path)
