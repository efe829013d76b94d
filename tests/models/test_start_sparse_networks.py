"""The networks of the second paper, on random pruning: layers, order, densities, a first step."""

import json
import math

import keras
import numpy as np
import pytest

from tests.smallnet import FIXTURES
from tf_tickets import models
from tf_tickets.layers import BatchNormalization, prunable_weights
from tf_tickets.models.architectures import model_row
from tf_tickets.pruning.counts import keep_densities
from tf_tickets.training import SGD

NETWORKS = {"resnet18_cifar": 10, "resnet50_cifar": 100, "vgg16": 10}

# Prunable layers, their weights, and all trainable parameters of the official code's networks.
COUNTS = {
    "resnet18_cifar": (21, 11_164_352, 11_173_962),
    "resnet50_cifar": (54, 23_652_032, 23_705_252),
    "vgg16": (14, 14_715_584, 14_728_266),
}

# The density of a whole network under the official code's balanced rule, which loses what a full layer cannot
# hold. It depends on the size of every layer.
BALANCED = {
    "vgg16": {0.5: 0.324, 0.3: 0.210, 0.2: 0.147, 0.1: 0.079, 0.05: 0.042, 0.01: 0.0090},
    "resnet18_cifar": {0.5: 0.266, 0.3: 0.190, 0.2: 0.138, 0.1: 0.079, 0.05: 0.044, 0.01: 0.0097},
    "resnet50_cifar": {0.5: 0.334, 0.3: 0.224, 0.2: 0.160, 0.1: 0.088, 0.05: 0.047, 0.01: 0.0099},
}


class Made(dict):
    """What a function makes of the name of a network, where it is asked for: the largest takes seconds."""

    def __init__(self, make):
        super().__init__()
        self.make = make

    def __missing__(self, name):
        return self.setdefault(name, self.make(name))


@pytest.fixture(scope="module")
def published():
    """The networks as published."""
    return Made(lambda name: models.build(name, (32, 32, 3), NETWORKS[name]))


@pytest.fixture(scope="module")
def weights(published):
    """The prunable weights in forward order, (layer, shape), by network."""
    return Made(
        lambda name: [
            (entry.name.removesuffix("/kernel"), tuple(entry.weight.shape))
            for entry in prunable_weights(published[name])
        ]
    )


@pytest.fixture(scope="module")
def shapes(weights):
    return Made(lambda name: [shape for _, shape in weights[name]])


def slow_or_not(name):
    """The marks of a test of a network."""
    return (pytest.mark.slow,) if name == "resnet50_cifar" else ()


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_layers_and_weights_are_as_many_as_in_the_official_code(name, shapes, published):
    trainable = sum(math.prod(variable.shape) for variable in published[name].trainable_variables)
    assert (len(shapes[name]), sum(map(math.prod, shapes[name])), trainable) == COUNTS[name]


@pytest.mark.slow
def test_vgg16_has_the_shapes_of_the_official_code(shapes):
    layers = json.loads((FIXTURES / "er_ratios.json").read_text())["models"]["vgg16_cifar10"]["layers"]
    assert shapes["vgg16"] == [(*shape[2:], shape[1], shape[0]) for shape in (x["shape"] for x in layers)]


def test_resnet18_has_two_basic_blocks_in_each_of_four_stages(shapes):
    expected = [(3, 3, 3, 64)]
    before = 64
    for channels in (64, 128, 256, 512):
        expected += [(3, 3, before, channels), (3, 3, channels, channels)]
        expected += [(1, 1, before, channels)] * (before != channels)
        expected += [(3, 3, channels, channels)] * 2
        before = channels
    assert shapes["resnet18_cifar"] == [*expected, (512, 10)]


@pytest.mark.slow
def test_resnet50_has_bottlenecks_of_expansion_four(shapes):
    expected = [(3, 3, 3, 64)]
    before = 64
    for channels, blocks in zip((64, 128, 256, 512), (3, 4, 6, 3), strict=True):
        for block in range(blocks):
            expected += [
                (1, 1, before, channels),
                (3, 3, channels, channels),
                (1, 1, channels, 4 * channels),
            ]
            expected += [(1, 1, before, 4 * channels)] * (block == 0)
            before = 4 * channels
    assert shapes["resnet50_cifar"] == [*expected, (2048, 100)]


@pytest.mark.parametrize(
    ("name", "convolutions"),
    [("resnet18_cifar", 2), pytest.param("resnet50_cifar", 3, marks=pytest.mark.slow)],
)
def test_a_shortcut_is_read_after_its_block(name, convolutions, weights):
    order = [layer for layer, _ in weights[name]]
    first = order.index("stage2_block1_conv1")
    block = [f"stage2_block1_conv{i}" for i in range(1, convolutions + 1)]
    assert order[first : first + convolutions + 1] == [*block, "stage2_block1_shortcut_conv"]
    assert (order[0], order[-1]) == ("stem_conv", "classifier")


@pytest.mark.parametrize(
    ("name", "density"),
    [pytest.param(name, p, marks=slow_or_not(name)) for name, row in BALANCED.items() for p in row],
)
def test_the_official_balanced_density_is_met(name, density, shapes):
    densities = keep_densities(shapes[name], 1 - density, "balanced", redistribute=False)
    sizes = [math.prod(shape) for shape in shapes[name]]
    expected = BALANCED[name][density]
    assert np.dot(densities, sizes) / sum(sizes) == pytest.approx(
        expected, abs=6e-4 if density > 0.01 else 6e-5
    )


def test_densities_of_resnet18_that_depend_on_shapes_and_order(shapes):
    found = shapes["resnet18_cifar"]
    sizes = [math.prod(shape) for shape in found]
    clamped = keep_densities(found, 0.5, "erk", redistribute=False)
    assert np.dot(clamped, sizes) / sum(sizes) == pytest.approx(0.389, abs=5e-4)
    pyramid = keep_densities(found, 0.99, "pyramidal")
    assert pyramid[0] == pytest.approx(0.69838, abs=1e-5)
    assert pyramid[-1] * 5120 == pytest.approx(2.7, abs=0.03)


@pytest.mark.slow
def test_resnets_shrink_images_at_three_stages_only(published):
    """No stride in the stem and no max pool; the stride of a bottleneck is in its 3x3 convolution."""
    for name, strided in (("resnet18_cifar", "conv1"), ("resnet50_cifar", "conv2")):
        model = published[name]
        found = [x for x in model.layers if getattr(x, "strides", None) == (2, 2)]
        stages = [f"stage{stage}_block1_" for stage in (2, 3, 4)]
        assert sorted(x.name for x in found) == sorted(
            stage + conv for stage in stages for conv in (strided, "shortcut_conv")
        )
        assert model.get_layer("average").input.shape[1:3] == (4, 4)
        for stage in stages:
            assert model.get_layer(f"{stage}{strided}_pad").padding == ((1, 1), (1, 1))


@pytest.mark.slow
def test_every_convolution_is_normalized_and_has_no_bias(published):
    for name in ("resnet18_cifar", "resnet50_cifar"):
        model = published[name]
        convolutions = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
        normalizations = [x for x in model.layers if type(x) is BatchNormalization]
        assert len(convolutions) == len(normalizations) == COUNTS[name][0] - 1
        assert [x.name for x in model.layers if getattr(x, "use_bias", False)] == ["classifier"]


def test_all_weights_start_as_kaiming_normal_of_the_fan_in(published):
    for entry in prunable_weights(published["resnet18_cifar"]):
        deviation = math.sqrt(2 / math.prod(entry.weight.shape[:-1]))
        drawn = entry.weight.numpy().ravel() / deviation
        assert drawn.std() == pytest.approx(1, abs=4 / math.sqrt(2 * drawn.size)), entry.name


def test_resnet50_is_still_the_one_of_depth_6n_plus_2():
    """Names of earlier runs go on meaning what they meant."""
    assert model_row("resnet50") is models.MODELS["resnet{6n+2}"]
    with pytest.raises(ValueError, match=r"There is no model 'resnet18'\. .* resnet18_cifar"):
        models.build("resnet18", (32, 32, 3), 10)


@pytest.mark.slow
def test_normalized_perceptron_normalizes_after_every_relu():
    model = models.build("mlp_bn_256_256_256", (16,), 2)
    assert [layer.name for layer in model.layers] == [
        *("features", "flatten"),
        *("dense1", "bn1", "dense2", "bn2", "dense3", "bn3"),
        "classifier",
    ]
    assert [tuple(entry.weight.shape) for entry in prunable_weights(model)] == [
        (16, 256),
        (256, 256),
        (256, 256),
        (256, 2),
    ]
    hidden = [model.get_layer(f"dense{i}") for i in (1, 2, 3)]
    assert {layer.activation.__name__ for layer in hidden} == {"relu"}
    assert all(type(model.get_layer(f"bn{i}")) is BatchNormalization for i in (1, 2, 3))


@pytest.mark.parametrize("name", ["mlp_bn", "mlp_bn_", "mlp_bn_0", "mlp_bn_8_bn"])
def test_normalized_perceptrons_have_hidden_sizes(name):
    with pytest.raises(ValueError, match=rf"no model '{name}'.*mlp_bn_512_256"):
        models.build(name, (4,), 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shape"),
    [("resnet18_cifar", (8, 8, 3)), ("mlp_bn_12_7", (16,))],
)
def test_a_step_moves_every_weight(name, shape):
    model = models.build(name, shape, 3, width=0.1)
    x, y = np.random.default_rng(0).normal(size=(8, *shape)).astype("float32"), np.arange(8) % 3
    before = [entry.weight.numpy() for entry in prunable_weights(model)]
    model.compile(SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    assert np.isfinite(model.train_on_batch(x, y))
    for start, entry in zip(before, prunable_weights(model), strict=True):
        assert np.any(start != entry.weight.numpy()), entry.name
