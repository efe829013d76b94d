"""Three loops that call callbacks, and a callback that notes what was in force in each epoch."""

import keras  # before tensorflow_model_optimization, which would have its own way with tf.keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tf_tickets.layers import stock_values
from tf_tickets.training import Trainer


def by_fit(model, optimizer, epochs, callbacks, **arguments):
    """12 examples in 3 batches."""
    nets.compiled(model, optimizer)
    x, y = nets.inputs_of(model)
    model.fit(x, y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks, **arguments)


def by_trainer(model, optimizer, epochs, callbacks, initial_epoch=0):
    x, y = nets.inputs_of(model)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    numbers = range(initial_epoch, epochs)
    Trainer(model, optimizer).fit(lambda epochs, _: batches.repeat(len(epochs)), numbers, 3, callbacks)


def by_hooks(model, optimizer, epochs, callbacks, initial_epoch=0):
    """The hooks alone, and the optimizer's count of steps: nothing is trained."""
    model.compile(optimizer)
    model.optimizer.build(model.trainable_variables)
    hooks = keras.callbacks.CallbackList(callbacks, model=model, epochs=epochs, steps=3)
    hooks.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        hooks.on_epoch_begin(epoch)
        for batch in range(3):
            hooks.on_train_batch_begin(batch)
            model.optimizer.iterations.assign_add(1)
            hooks.on_train_batch_end(batch)
        hooks.on_epoch_end(epoch)
    hooks.on_train_end()


both_loops = pytest.mark.parametrize("loop", [by_fit, by_trainer])


class Watch(keras.callbacks.Callback):
    """What was in force in each epoch: rates, weights at its start, optimizer steps, kept weights."""

    any_pace = True

    def __init__(self):
        super().__init__()
        self.rates, self.weights, self.steps, self.kept = [], [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.rates.append(round(float(np.asarray(self.model.optimizer.learning_rate)), 6))
        self.weights.append(stock_values(self.model))
        self.steps.append(int(np.asarray(self.model.optimizer.iterations)))
        self.kept.append(sum(int(np.sum(entry.mask)) for entry in tt.masked_weights(self.model)))


def rates(optimizer, *callbacks, epochs=7, loop=by_hooks, **arguments):
    watch = Watch()
    loop(nets.build("sequential"), optimizer, epochs, [*callbacks, watch], **arguments)
    return watch.rates


def falling(epoch):
    return [0.4, 0.3, 0.2, 0.1][min(epoch, 3)]
