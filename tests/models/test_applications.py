"""keras.applications by name: logits, own seeds, images as our datasets give them."""

import functools

import keras
import numpy as np
import pytest

from tf_tickets import models

pytestmark = pytest.mark.slow  # its networks


@functools.cache
def built(name, width=1.0):
    """An application that no test changes, of the seed 0."""
    return models.build(f"keras:{name}", (32, 32, 3), 5, width)


def test_width_is_alpha():
    expected = keras.applications.MobileNet((32, 32, 3), alpha=0.25, weights=None, classes=5)
    assert built("MobileNet", 0.25).count_params() == expected.count_params()


@pytest.mark.parametrize(("name", "width"), [("MobileNet", 0.25), ("MobileNetV3Small", 1.0)])
def test_the_last_activation_is_none(name, width):
    model = built(name, width)
    assert model.layers[-1].get_config().get("activation", "linear") == "linear"


def test_pixels_are_not_rescaled():
    for layer in built("MobileNetV3Small").layers:
        if isinstance(layer, keras.layers.Rescaling):
            assert (layer.scale, layer.offset) == (1.0, 0.0)


def test_weights_and_the_seeds_of_dropout_are_functions_of_the_seed():
    first = built("MobileNet", 0.25)
    same, other = (models.build("keras:MobileNet", (32, 32, 3), 5, 0.25, seed) for seed in (0, 1))
    assert any("seed" in v.name for v in first.variables)
    assert all(map(np.array_equal, first.get_weights(), same.get_weights()))
    states, others = ([v.numpy() for v in model.variables if "seed" in v.name] for model in (first, same))
    np.testing.assert_array_equal(states, others)
    assert not all(map(np.array_equal, first.get_weights(), other.get_weights()))


def test_one_channel_is_enough():
    assert models.build("keras:MobileNet", (32, 32, 1), 5, width=0.25).input_shape == (None, 32, 32, 1)
