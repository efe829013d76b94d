"""Tiny models for what must hold of any Keras model, and the means to hide and to poison weights."""

import keras
import numpy as np
import tensorflow as tf

import tf_tickets as tt
from tf_tickets.layers import value_of

POISON = 1e6


@keras.saving.register_keras_serializable(package="tests")
class Backwards(keras.Model):
    """Its attributes, and so its variables, stand in another order than data meets them."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.last = keras.layers.Dense(3)
        self.middle = [keras.layers.Dense(5, "relu"), keras.layers.Dense(4, "relu")]
        self._stem = keras.layers.Dense(7, "relu")

    def call(self, inputs):
        x = self._stem(inputs)
        for layer in self.middle:
            x = layer(x)
        return self.last(x)


def sequential():
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3)], name="sequential"
    )


def functional():
    inputs = x = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(x)
    x = tt.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.SeparableConv2D(4, 3)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3)(x), name="functional")


def nested():
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, "relu", name="inmost")], name="inner")
    inputs = keras.Input((6,))
    block = keras.Model(inputs, keras.layers.Dense(4, "relu", name="mid")(inner(inputs)), name="block")
    return keras.Sequential([keras.Input((6,)), block, keras.layers.Dense(3, name="out")], name="nested")


def subclassed():
    model = Backwards(name="backwards")
    model(np.zeros((1, 6), "float32"))
    return model


def shared():
    inputs = keras.Input((6,))
    twice = keras.layers.Dense(6, "relu", name="twice")
    outputs = keras.layers.Dense(3, name="out")(twice(twice(inputs)))
    return keras.Model(inputs, outputs, name="shared")


def attention():
    inputs = keras.Input((5, 6))
    x = keras.layers.MultiHeadAttention(2, 3, name="attention")(inputs, inputs)
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.LayerNormalization()(x))
    return keras.Model(inputs, keras.layers.Dense(3)(x), name="attentive")


# name -> (builder, shapes of what is masked by default, in forward order)
NETS = {
    "sequential": (sequential, [(6, 8), (8, 3)]),
    "functional": (functional, [(3, 3, 2, 4), (1, 1, 4, 4), (4, 3)]),
    "nested": (nested, [(6, 5), (5, 4), (4, 3)]),
    "subclassed": (subclassed, [(6, 7), (7, 5), (5, 4), (4, 3)]),
    "shared": (shared, [(6, 6), (6, 3)]),
    "attention": (attention, [(6, 2, 3), (6, 2, 3), (6, 2, 3), (2, 3, 6), (6, 3)]),
}


def build(name):
    """A net of the table, with the same weights every time and no unit that is dead from the start."""
    model = NETS[name][0]()
    rng = np.random.default_rng(42)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape) * 0.5 + (0.5 if variable.shape.rank == 1 else 0))
    return model


def inputs_of(model, count=12, seed=0):
    """Normal images or rows, and labels for the three classes that every net here tells apart."""
    rng = np.random.default_rng(seed)
    shape = getattr(model, "input_shape", None) or (None, 6)
    return rng.normal(size=(count, *shape[1:])).astype("float32"), rng.integers(0, 3, count)


def hide(model, keep=0.5, seed=0):
    """Masks the model and hides a random half of every masked weight."""
    rng = np.random.default_rng(seed)
    tt.mask_layers(model)
    for entry in tt.masked_weights(model):
        entry.mask.set(rng.random(entry.shape) < keep)
    return model


def poison(model, value=POISON):
    """Overwrites what the masks hide."""
    for entry in tt.masked_weights(model):
        entry.weight.assign(np.where(entry.mask, entry.weight, value))
    return model


def masks(model):
    return [value_of(entry.mask) for entry in tt.masked_weights(model)]


def kernels(model):
    """What the masked weights amount to: their values where kept, zero elsewhere."""
    return [np.where(entry.mask, entry.weight, 0) for entry in tt.masked_weights(model)]


def outputs(model, x):
    return np.asarray(model(x, training=False))


def gradients(model, x):
    """Of a curved loss, for every trainable variable."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(tf.cast(model(x, training=False), "float32")))
    found = tape.gradient(loss, model.trainable_variables)
    return [tf.convert_to_tensor(gradient).numpy() for gradient in found]


def assert_equal(found, expected, **tolerance):
    """Of two lists of arrays: the same, to the bit or to a tolerance."""
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        if tolerance:
            np.testing.assert_allclose(a, b, **tolerance)
        else:
            np.testing.assert_array_equal(a, b)


def compiled(model, optimizer=None, **arguments):
    """Without XLA, unless asked for: for a few steps, its compiler takes longest."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.SGD(0.1), loss, **{"jit_compile": False, **arguments})
    return model
