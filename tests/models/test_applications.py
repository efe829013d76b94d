"""keras.applications by name: logits, own seeds, images as our datasets give them."""

import functools

import keras
import numpy as np
import pytest

from tf_tickets import models


@functools.cache
def built(name):
    """An application that no test changes, of the seed 0."""
    return models.build(f"keras:{name}", (32, 32, 3), 5)


@pytest.mark.slow
def test_width_is_alpha():
    narrow = models.build("keras:MobileNet", (32, 32, 3), 5, width=0.25)
    wide = models.build("keras:MobileNet", (32, 32, 3), 5, width=0.5)
    expected = keras.applications.MobileNet((32, 32, 3), alpha=0.25, weights=None, classes=5)
    assert narrow.count_params() == expected.count_params() < wide.count_params()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNetV3Small"])
def test_the_last_activation_is_none(name):
    model = built(name)
    assert model.layers[-1].get_config().get("activation", "linear") == "linear"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["EfficientNetB0", "MobileNetV3Small"])
def test_pixels_are_not_rescaled(name):
    model = built(name)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Rescaling):
            assert (layer.scale, layer.offset) == (1.0, 0.0)


@pytest.mark.slow
def test_weights_and_the_seeds_of_dropout_are_functions_of_the_seed():
    first = built("MobileNetV3Small")
    same, other = (models.build("keras:MobileNetV3Small", (32, 32, 3), 5, seed=seed) for seed in (0, 1))
    assert any("seed" in v.name for v in first.variables)
    assert all(map(np.array_equal, first.get_weights(), same.get_weights()))
    states, others = ([v.numpy() for v in model.variables if "seed" in v.name] for model in (first, same))
    np.testing.assert_array_equal(states, others)
    assert not all(map(np.array_equal, first.get_weights(), other.get_weights()))


@pytest.mark.slow
def test_one_channel_is_enough():
    assert models.build("keras:MobileNet", (32, 32, 1), 5, width=0.25).input_shape == (
        None,
        32,
        32,
        1,
    )
