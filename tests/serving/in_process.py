"""What a SavedModel would compute, without writing one: traced, made and run in this process."""

import gc

import keras
import tensorflow as tf

from tf_tickets.serving.served import outputs_of
from tf_tickets.serving.stored_weights import ReadingPacked, StoredWeights


def function_of(model, plan):
    """A function (inputs) -> outputs by a plan."""
    weights = StoredWeights(model)

    @tf.function(autograph=False)
    def serve(inputs):
        with ReadingPacked(weights) as scope:
            return outputs_of(model, scope, plan, (inputs,))

    def call(inputs):
        concrete = serve.get_concrete_function(inputs)
        # Loaders would give each model names of its own; here, one that is forgotten takes these with it.
        gc.collect()
        for made in weights.made:
            made._initialize()
        return concrete(*keras.tree.flatten(inputs))

    return call
