"""A model with its batch normalisation folded, and nothing removed."""

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests import nets
from tf_tickets.compaction.folded_model import folded_model
from tf_tickets.layers import prunable_weights


@pytest.mark.parametrize("name", ["functional", "nested", "shared", "attention"])
def test_outputs_and_channels_are_those_of_the_model(name):
    model = nets.hide(nets.build(name))
    x, _ = nets.inputs_of(model)
    whole = folded_model(model)
    np.testing.assert_allclose(nets.outputs(whole, x), nets.outputs(model, x), rtol=1e-5, atol=1e-6)
    shapes = [entry.shape for entry in tt.masked_weights(model)]
    assert [entry.shape for entry in prunable_weights(whole)] == shapes
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in whole.layers)


def test_dead_channels_stay():
    """The whole second half of a layer, with the biases that it gives."""
    model = nets.build("sequential")
    first, last = (layer.kernel.numpy() for layer in model.layers)
    first[:, 4:], last[4:] = 0, 0
    model.layers[0].kernel.assign(first)
    model.layers[1].kernel.assign(last)
    whole = folded_model(model)
    nets.assert_equal(whole.get_weights(), model.get_weights())
    assert tt.compact(model).count_params() < whole.count_params()


def test_a_model_that_is_no_graph_is_refused():
    with pytest.raises(ValueError, match="backwards"):
        folded_model(nets.build("subclassed"))
