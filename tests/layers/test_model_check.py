"""Models that are none for this package: each error says what is the matter, and what to do."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets

TAKERS = {
    "prune": lambda model: tt.prune(model, "random", 0.5),
    "score": lambda model: tt.score(model, "magnitude"),
    "mask_layers": tt.mask_layers,
    "masked_weights": tt.masked_weights,
    "fold": tt.fold,
    "export": lambda model: tt.export(model, "nowhere"),
    "Ticket.apply": lambda model: tt.Ticket((np.ones((4, 3), bool),), ("kernel",)).apply(model),
}


@pytest.mark.parametrize("taker", TAKERS)
def test_a_model_of_keras_2_is_named_as_such(taker):
    tf_keras = pytest.importorskip("tf_keras")
    model = tf_keras.Sequential([tf_keras.layers.Dense(3, input_shape=(4,))])
    with pytest.raises(TypeError, match=r" a keras.Model. Received: Sequential of tf_keras, .*Keras 3"):
        TAKERS[taker](model)


@pytest.mark.parametrize("taker", TAKERS)
def test_so_is_what_is_no_model(taker):
    with pytest.raises(TypeError, match=r" a keras.Model. Received: Dense$"):
        TAKERS[taker](keras.layers.Dense(3))


class Adversaries(keras.Model):
    """A model that trains its parts by hand."""

    def __init__(self):
        super().__init__()
        self.generator, self.critic = nets.build("sequential"), nets.build("sequential")

    def train_step(self, data):
        return {}


def test_of_a_model_without_a_call_the_parts_are_named():
    model = Adversaries()
    with pytest.raises(ValueError, match=r"no `call` of its own.*model.generator, model.critic"):
        tt.prune(model, "random", 0.5)
    assert tt.prune(model.generator, "random", 0.5).kept == 36


class Eager(keras.Model):
    """A call that looks at values."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, x):
        return self.dense(x) if tf.reduce_sum(x).numpy() < 9 else x


def test_a_call_that_works_only_eagerly_is_said_to():
    model, x = Eager(), np.zeros((1, 4), "float32")
    model(x)
    with pytest.raises(ValueError, match=r"works only eagerly leaves no shapes behind"):
        tt.prune(model, "random", 0.5)
    with pytest.raises(ValueError, match=r"(?s)could not be traced.*no .numpy.., no Python condition"):
        tt.mask_layers(model, data=x)


def test_why_there_is_nothing_to_prune():
    model = nets.build("sequential")
    model.quantize("int8")
    with pytest.raises(ValueError, match=r"nothing to prune: .*dense.*: quantized .int8.\. Prune the f"):
        tt.prune(model, "random", 0.5)


def test_a_masked_model_is_not_quantized():
    model = nets.hide(nets.build("sequential"))
    with pytest.raises(ValueError, match=r"is masked, and .*fold.model. first"):
        model.quantize("int8")
    tt.fold(model).quantize("int8")
