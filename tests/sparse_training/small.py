"""A network of two layers whose every step can be followed by hand, and a callback that follows it."""

import dataclasses
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tf_tickets.layers import value_of
from tf_tickets.sparse_training.slots import moving_slots

FIXTURES = pathlib.Path(__file__).parents[1] / "fixtures"


def fixture(name):
    """Numbers that the authors' code computed."""
    return json.loads((FIXTURES / f"{name}.json").read_text())


def perceptron(optimizer=None, sparsity=0.5, **arguments):
    """6 -> 8 -> 3 units with random masks, and data in one batch of 12; untraced, for that takes longest."""
    model = nets.build("sequential")
    if sparsity:
        tt.prune(model, "er", sparsity=sparsity)
    return nets.compiled(model, optimizer, run_eagerly=True, **arguments), *nets.inputs_of(model)


def fit(model, x, y, *callbacks, steps=4, size=12, epochs=1, **arguments):
    """So many steps an epoch, by default all of the data in each; what Keras returns as history."""
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(size).repeat().take(steps)
    return model.fit(data, epochs=epochs, verbose=0, callbacks=list(callbacks), **arguments).history


def masks(model):
    return [value_of(entry.mask) for entry in tt.masked_weights(model)]


def counts(masks):
    return [int(mask.sum()) for mask in masks]


def weights(model):
    return [value_of(entry.weight) for entry in tt.masked_weights(model)]


@dataclasses.dataclass
class Seen:
    """A model at the end of a batch."""

    step: int
    masks: list
    weights: list
    biases: list
    slots: list


def moved(callback):
    """Steps of the optimizer after which the callback moves masks, filled in as it does."""
    steps, update = [], callback.update

    def noting(step):
        steps.append(int(np.asarray(callback.model.optimizer.iterations)))
        update(step)

    callback.update = noting
    return steps


class Watch(keras.callbacks.Callback):
    """Notes what the model is after every batch: before another callback, or after it."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.slots = []

    def on_train_batch_end(self, batch, logs=None):
        entries = tt.masked_weights(self.model)
        self.slots = self.slots or moving_slots(self.model, [entry.weight for entry in entries])
        self.seen.append(
            Seen(
                int(np.asarray(self.model.optimizer.iterations)),
                masks(self.model),
                weights(self.model),
                [None if entry.layer.bias is None else value_of(entry.layer.bias) for entry in entries],
                [[value_of(slot.variable) for slot in own] for own in self.slots],
            )
        )

    @property
    def moves(self):
        """Steps after which the masks were others than after the call before."""
        pairs = zip(self.seen, self.seen[1:], strict=False)
        return [
            b.step for a, b in pairs if any((m != n).any() for m, n in zip(a.masks, b.masks, strict=True))
        ]


def dense_gradients(kernels, biases, x, y):
    """d loss / d kernel of the network in which nothing hides a gradient, written out."""
    kernels = [tf.constant(kernel) for kernel in kernels]
    with tf.GradientTape() as tape:
        tape.watch(kernels)
        hidden = tf.nn.relu(x @ kernels[0] + biases[0])
        logits = hidden @ kernels[1] + biases[1]
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
    return [gradient.numpy() for gradient in tape.gradient(loss, kernels)]
