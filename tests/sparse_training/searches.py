"""What tests of edge-popup share: a model that searches, and what it selects."""

import keras

import tf_tickets as tt
from tests.sparse_training.small import perceptron
from tf_tickets.sparse_training import edge_popup


def searching(sparsity=0.8, source=0.5, **arguments):
    model, x, y = perceptron(keras.optimizers.SGD(0.5, momentum=0.9), sparsity=source)
    edge_popup(model, sparsity, **arguments)
    return model, x, y


def parametrizations(model):
    return [entry.layer.parametrizations[entry.attribute] for entry in tt.masked_weights(model)]


def selected_counts(model):
    return [int(parametrization.variables["count"]) for parametrization in parametrizations(model)]
