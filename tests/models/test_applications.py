"""keras.applications by name: logits, own seeds, images as our datasets give them."""

import keras
import numpy as np
import pytest

from tf_tickets import models


@pytest.mark.slow
def test_width_is_alpha():
    narrow = models.build("keras:MobileNet", (32, 32, 3), 5, width=0.25)
    wide = models.build("keras:MobileNet", (32, 32, 3), 5, width=0.5)
    expected = keras.applications.MobileNet((32, 32, 3), alpha=0.25, weights=None, classes=5)
    assert narrow.count_params() == expected.count_params() < wide.count_params()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNetV3Small"])
def test_the_last_activation_is_none(name):
    model = models.build(f"keras:{name}", (32, 32, 3), 5)
    assert model.layers[-1].get_config().get("activation", "linear") == "linear"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["EfficientNetB0", "MobileNetV3Small"])
def test_pixels_are_not_rescaled(name):
    model = models.build(f"keras:{name}", (32, 32, 3), 5)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Rescaling):
            assert (layer.scale, layer.offset) == (1.0, 0.0)


@pytest.mark.slow
def test_dropout_has_its_seed_from_ours():
    first, second = (models.build("keras:MobileNetV3Small", (32, 32, 3), 5, seed=9) for _ in range(2))
    states = [v.numpy() for v in first.variables if "seed" in v.name]
    assert states
    np.testing.assert_array_equal(states, [v.numpy() for v in second.variables if "seed" in v.name])


@pytest.mark.slow
def test_mobilenet_v2_is_a_function_of_the_seed():
    weights = [
        models.build("keras:MobileNetV2", (32, 32, 3), 5, seed=seed).get_weights() for seed in (1, 1, 2)
    ]
    assert all(map(np.array_equal, weights[0], weights[1]))
    assert not all(map(np.array_equal, weights[0], weights[2]))


@pytest.mark.slow
def test_one_channel_is_enough():
    assert models.build("keras:MobileNet", (32, 32, 1), 5, width=0.25).input_shape == (
        None,
        32,
        32,
        1,
    )
