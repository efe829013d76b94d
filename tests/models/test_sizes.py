"""Models that cannot be trained here are refused before their weights are drawn."""

import keras
import pytest

from tf_tickets import models
from tf_tickets.models.sizes import activations
from tf_tickets.support import memory


@pytest.fixture
def small_machine(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 1e6)


@pytest.mark.parametrize("name", ["mlp_100000_100000", "resnet20", "vgg19", "keras:MobileNetV2"])
def test_too_large_a_model_is_refused(small_machine, name):
    add_weight = keras.layers.Layer.add_weight
    shape = (32, 32, 3)
    with pytest.raises(
        ValueError, match=rf"To train {name} at width 1, of [\d,]+ weights at least, needs .*can be had"
    ):
        models.build(name, shape, 10)
    assert keras.layers.Layer.add_weight is add_weight


def test_a_width_that_makes_it_too_large_is_named(small_machine):
    with pytest.raises(ValueError, match=r"lenet_300_100 at width 100, .* or a smaller width"):
        models.build("lenet_300_100", (8, 8, 1), 10, width=100)


def test_one_that_fits_is_built(small_machine):
    assert models.build("mlp_24_16", (8, 8, 1), 10).count_params() == 2130


@pytest.mark.parametrize(
    ("name", "message"),
    [("resnet60002", "deeper than resnet1202"), ("mlp" + "_1" * 1001, "More than 1000 layers")],
)
def test_depths_that_nobody_means_are_refused(name, message):
    with pytest.raises(ValueError, match=message):
        models.build(name, (8, 8, 1), 10)


def test_activations_are_counted_layer_by_layer():
    model = models.build("mlp_24_16", (8, 8, 1), 10)
    assert activations(model) == 64 + 64 + 24 + 16 + 10  # the input, flattened, and the layers


def test_activations_of_what_is_not_functional_are_not_known():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = keras.layers.Dense(3)

        def call(self, x):
            return self.head(x)

    model = Own()
    model(keras.ops.zeros((1, 4)))
    assert activations(model) == 0
