"""Models as users write them, each with a batch of its data: what scoring and pruning must be right on."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tf_tickets as tt

CLASSES = 3
LOGITS = {"from_logits": True}


@dataclasses.dataclass(frozen=True)
class Case:
    """A model and its data.

    Attributes:
        build: makes the model.
        inputs: `(rng, count) -> x`.
        masked: how many weights `mask_layers` masks.
        labels: `(rng, count) -> y`; by default classes.
        compile: arguments of `Model.compile` beside the optimizer.
        temperature: what GraSP can divide the logits by.
        alone: whether the model treats examples one by one in training.
    """

    build: Callable[[], keras.Model]
    inputs: Callable[[np.random.Generator, int], Any]
    masked: int
    labels: Callable[[np.random.Generator, int], Any] = lambda rng, count: np.sort(np.arange(count) % CLASSES)
    compile: dict[str, Any] = dataclasses.field(default_factory=lambda: {"loss": cross_entropy()})
    temperature: float = 200.0
    alone: bool = True


def cross_entropy(**options) -> keras.Loss:
    return keras.losses.SparseCategoricalCrossentropy(**(options or LOGITS))


def vectors(rng, count):
    return rng.normal(size=(count, 6)).astype("float32")


def images(rng, count):
    return rng.normal(size=(count, 8, 8, 2)).astype("float32")


def words(rng, count):
    x = rng.integers(1, 9, (count, 5))
    x[:, 3:] = 0
    return x.astype("int32")


def one_hot(rng, count):
    return np.eye(CLASSES, dtype="float32")[np.sort(np.arange(count) % CLASSES)]


def column(rng, count):
    return np.sort(np.arange(count) % CLASSES)[:, None]


def sequential():
    return keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(CLASSES)])


def functional():
    inputs = x = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.SeparableConv2D(5, 3)(x)
    x = keras.layers.MaxPooling2D(2)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(x))


def nested():
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, "relu")])
    inputs = keras.Input((6,))
    block = keras.Model(inputs, keras.layers.Dense(4, "relu")(inner(inputs)))
    return keras.Sequential([keras.Input((6,)), block, keras.layers.Dense(CLASSES)])


class Backwards(keras.Model):
    """Attributes in another order than data meets them, and a call without a training argument."""

    def __init__(self):
        super().__init__()
        self.last = keras.layers.Dense(CLASSES)
        self.middle = keras.layers.Dense(5, "relu")
        self.stem = keras.layers.Dense(7, "relu")

    def call(self, inputs):
        return self.last(self.middle(self.stem(inputs)))


class Decorated(Backwards):
    """Its call is a function that TensorFlow traces once."""

    @tf.function
    def call(self, inputs, training=False):
        if tf.reduce_sum(inputs) > 1e6:
            inputs = inputs * 0
        return self.last(self.middle(self.stem(inputs)))


class DictInputs(keras.Model):
    """Takes a dict, gives a list."""

    def __init__(self):
        super().__init__()
        self.heads = [keras.layers.Dense(CLASSES), keras.layers.Dense(1)]
        self.body = keras.layers.Dense(5, "tanh")

    def call(self, inputs, training=None):
        h = self.body(keras.ops.concatenate([inputs["a"], inputs["b"]], -1))
        return [head(h) for head in self.heads]


def called(model, x):
    """The model, built by a call, as subclassed models are."""
    model(x)
    return model


def shared():
    inputs = keras.Input((6,))
    twice = keras.layers.Dense(6, "tanh")
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(twice(twice(inputs))))


def dicts():
    inputs = {name: keras.Input((3,), name=name) for name in ("a", "b")}
    h = keras.layers.Dense(5, "tanh")(keras.layers.Concatenate()(list(inputs.values())))
    outputs = {
        "kind": keras.layers.Dense(CLASSES, name="kind")(h),
        "size": keras.layers.Dense(1, name="size")(h),
    }
    return keras.Model(inputs, outputs)


def halves_of_vectors(rng, count):
    x = vectors(rng, count)
    return {"a": x[:, :3], "b": x[:, 3:]}


def kind_and_size(rng, count):
    return {
        "kind": np.sort(np.arange(count) % CLASSES),
        "size": rng.normal(size=(count, 1)).astype("float32"),
    }


def transformer():
    inputs = keras.Input((5,), dtype="int32")
    x = keras.layers.Embedding(9, 6, mask_zero=True)(inputs)
    x = keras.layers.LayerNormalization()(x + keras.layers.MultiHeadAttention(2, 3, dropout=0.1)(x, x))
    x = keras.layers.LayerNormalization()(x + keras.layers.Dense(6, "gelu")(x))
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(x))


def tagger():
    """One label a place, places that are masked left out of the loss."""
    inputs = keras.Input((5,), dtype="int32")
    x = keras.layers.Embedding(9, 6, mask_zero=True)(inputs)
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(keras.layers.Dense(6, "tanh")(x)))


def recurrent():
    inputs = keras.Input((5,), dtype="int32")
    x = keras.layers.Embedding(9, 6, mask_zero=True)(inputs)
    x = keras.layers.GRU(4, return_sequences=True)(x)
    x = keras.layers.Flatten()(keras.layers.Dense(5)(x))
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(x))


class Gated(keras.layers.Layer):
    """A user's own layer of two weights."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], self.units), name="w")
        self.v = self.add_weight(shape=(shape[-1], self.units), name="v")

    def call(self, inputs):
        return keras.ops.matmul(inputs, self.w) * keras.ops.sigmoid(keras.ops.matmul(inputs, self.v))


tt.register_maskable(Gated, weights=("w", "v"))


def own_layer():
    return keras.Sequential([keras.Input((6,)), Gated(5), keras.layers.Dense(CLASSES)])


def normalizations():
    inputs = x = keras.Input((8, 8, 2))
    x = keras.layers.Conv2D(4, 3)(x)
    x = keras.layers.GroupNormalization(2)(x)
    x = keras.layers.Conv2D(4, 3, activation="relu")(x)
    frozen = keras.layers.BatchNormalization()
    frozen.trainable = False
    x = keras.layers.RMSNormalization()(keras.layers.Conv2D(4, 3)(frozen(x)))
    x = keras.layers.UnitNormalization()(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(keras.layers.Flatten()(x)))


def dropout():
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.5), keras.layers.GaussianNoise(0.1)]
    return keras.Sequential([keras.Input((6,)), *layers, keras.layers.Dense(CLASSES)])


def pixels():
    inputs = x = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = keras.layers.Conv2D(4, 3, activation="relu")(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(keras.layers.Flatten()(x)))


class AddsLoss(keras.layers.Layer):
    """Adds a loss of its own."""

    def call(self, inputs):
        self.add_loss(keras.ops.mean(inputs**2))
        return inputs


def with_losses():
    hidden = keras.layers.Dense(8, "tanh", activity_regularizer="l2", kernel_regularizer="l2")
    return keras.Sequential([keras.Input((6,)), hidden, AddsLoss(), keras.layers.Dense(CLASSES)])


def operations():
    """Operations between layers, some with dtypes that they captured."""
    inputs = keras.Input((6,))
    x = keras.layers.Dense(8)(inputs)
    x = keras.ops.where(x > 0, x, 0.1 * x) + keras.ops.cast(x > 1, x.dtype)
    x = keras.layers.Lambda(lambda t: t * tf.constant(2.0, t.dtype))(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES)(keras.ops.tanh(x)))


def softmax():
    return keras.Sequential(
        [keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(CLASSES, "softmax")]
    )


CASES: dict[str, Case] = {
    "sequential": Case(sequential, vectors, 2),
    "functional": Case(functional, images, 3, alone=False),
    "nested": Case(nested, vectors, 3),
    "subclassed": Case(lambda: called(Backwards(), np.zeros((1, 6), "float32")), vectors, 3),
    "decorated by tf.function": Case(lambda: called(Decorated(), np.zeros((1, 6), "float32")), vectors, 3),
    "shared layer": Case(shared, vectors, 2),
    "dicts in and out": Case(
        dicts,
        halves_of_vectors,
        3,
        kind_and_size,
        {"loss": {"kind": cross_entropy(), "size": "mse"}, "loss_weights": {"kind": 1.0, "size": 0.5}},
        temperature=1,
    ),
    "dict in, list out": Case(
        lambda: called(DictInputs(), {name: np.zeros((1, 3), "float32") for name in "ab"}),
        halves_of_vectors,
        3,
        lambda rng, count: list(kind_and_size(rng, count).values()),
        {"loss": [cross_entropy(), "mse"]},
        temperature=1,
    ),
    "transformer": Case(transformer, words, 6, alone=False),
    "masked places": Case(
        tagger, words, 2, lambda rng, count: np.arange(count * 5).reshape(count, 5) % CLASSES, alone=False
    ),
    "recurrent": Case(recurrent, words, 4),
    "own layer": Case(own_layer, vectors, 3),
    "normalizations": Case(normalizations, images, 4),
    "dropout": Case(dropout, vectors, 2, alone=False),
    "uint8 pixels": Case(
        pixels, lambda rng, count: rng.integers(0, 256, (count, 8, 8, 3)).astype("uint8"), 2, column
    ),
    "losses of layers": Case(with_losses, vectors, 2),
    "operations": Case(operations, vectors, 2),
    "softmax": Case(softmax, vectors, 2, one_hot, {"loss": "categorical_crossentropy", "jit_compile": True}),
}


def data(case: Case, count: int = 6, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return case.inputs(rng, count), case.labels(rng, count)


def compiled(case: Case, optimizer: keras.Optimizer | None = None, **arguments: Any) -> keras.Model:
    """The case's model, compiled."""
    model = case.build()
    model.compile(optimizer or keras.optimizers.SGD(0.01, momentum=0.9), **{**case.compile, **arguments})
    return model
