"""What is kept of models that nobody uses any more: nothing."""

import gc
import weakref

import keras
import tensorflow as tf
from tensorflow.python.framework import ops

from tf_tickets.support.sessions import clear_session


def test_graphs_with_derivatives_of_their_own_are_forgotten(monkeypatch):
    # What other tests have traced stays theirs.
    monkeypatch.setattr(ops.gradient_registry, "_registry", dict(ops.gradient_registry._registry))
    monkeypatch.setattr(keras.utils, "clear_session", lambda free_memory: None)

    @tf.custom_gradient
    def doubled(x):
        return 2 * x, lambda upstream: 2 * upstream

    graph = weakref.ref(tf.function(lambda x: doubled(x)).get_concrete_function(tf.zeros(3)).graph)
    gc.collect()
    assert graph() is not None, "TensorFlow forgets it by itself: clear_session need not"
    clear_session()
    assert graph() is None
