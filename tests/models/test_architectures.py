"""The networks of the papers: layers, order, padding, counts and initial weights."""

import json
import math

import keras
import numpy as np
import pytest

from tests.smallnet import FIXTURES
from tf_tickets import models
from tf_tickets.layers import BatchNormalization, classifiers_of, forward_order, prunable_weights

SMART_RATIOS = json.loads((FIXTURES / "smart_ratios.json").read_text())
# Prunable weights and all trainable parameters.
COUNTS = [
    ("vgg19", 10, 20_024_000, 20_040_522),
    ("vgg19", 200, 20_121_280, 20_137_992),
    ("resnet32", 10, 1_855_584, 1_860_522),
]


@pytest.fixture(scope="module")
def published():
    """The two networks as published, for CIFAR-10."""
    return {name: models.build(name, (32, 32, 3), 10) for name in ("vgg19", "resnet32")}


@pytest.fixture(scope="module")
def read(published):
    """(layer name, kernel) in the order in which a call of each reads them."""
    return {name: in_forward_order(model) for name, model in published.items()}


def kernels(model):
    return [v for v in model.trainable_variables if v.name == "kernel"]


def in_forward_order(model):
    """(layer name, kernel) in the order in which a call reads the kernels."""
    weights = kernels(model)
    owner = {id(layer.kernel): layer.name for layer in model.layers if hasattr(layer, "kernel")}
    return [(owner[id(weights[i])], weights[i]) for i in forward_order(model, weights)]


def hwio(oihw):
    """A PyTorch shape in Keras order; a dense kernel is (in, out)."""
    return tuple(oihw[axis] for axis in ((2, 3, 1, 0) if len(oihw) == 4 else (1, 0)))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "classes", "prunable", "trainable"), COUNTS)
def test_parameters_are_as_many_as_in_the_papers_code(name, classes, prunable, trainable, published):
    model = published[name] if classes == 10 else models.build(name, (32, 32, 3), classes)
    assert sum(math.prod(v.shape) for v in kernels(model)) == prunable
    assert sum(math.prod(v.shape) for v in model.trainable_variables) == trainable


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg19", "resnet32"])
def test_kernels_are_read_in_the_order_of_the_papers_code(name, read):
    reference = SMART_RATIOS[name]["10"]
    expected = [hwio(shape) for shape in reference["oihw_shapes"]]
    assert [tuple(kernel.shape) for _, kernel in read[name]] == expected


@pytest.mark.slow
def test_the_shortcut_is_read_after_the_block(read):
    order = [name for name, _ in read["resnet32"]]
    assert order[11:14] == [
        "stage2_block1_conv1",
        "stage2_block1_conv2",
        "stage2_block1_shortcut_conv",
    ]
    assert order[24] == "stage3_block1_shortcut_conv"
    assert (order[0], order[-1]) == ("stem_conv", "classifier")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet32", "vgg19"])
def test_the_last_weight_is_the_one_classifier(name, published):
    entries = prunable_weights(published[name])
    assert classifiers_of(published[name], entries).positions == (len(entries) - 1,)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "weighted_layers"), [("vgg11", 9), ("vgg13", 11), ("vgg16", 14), ("vgg19", 17)]
)
def test_vgg_has_its_layers_and_four_pools(name, weighted_layers):
    model = models.build(name, (32, 32, 3), 10, width=0.1)
    pools = [layer for layer in model.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    assert len(kernels(model)) == weighted_layers
    assert len(pools) == 4
    assert model.get_layer("average").input.shape[1:3] == (2, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "weighted_layers"), [(8, 10), (20, 22)])
def test_resnet_has_its_layers(depth, weighted_layers):
    model = models.build(f"resnet{depth}", (8, 8, 1), 10, width=0.1)
    assert len(kernels(model)) == weighted_layers


@pytest.mark.slow
def test_vgg_has_biases_and_resnet_none_but_the_classifiers(published):
    for layer in published["vgg19"].layers:
        assert getattr(layer, "use_bias", True)
    biased = [x.name for x in published["resnet32"].layers if getattr(x, "use_bias", False)]
    assert biased == ["classifier"]


@pytest.mark.slow
def test_a_convolution_of_stride_two_is_padded_by_one_on_every_side(published):
    model = published["resnet32"]
    strided = [x for x in model.layers if isinstance(x, keras.layers.Conv2D) and x.strides == (2, 2)]
    assert [x.kernel_size for x in strided] == [(3, 3), (1, 1)] * 2
    assert all(x.padding == "valid" for x in strided)
    for name in ("stage2_block1_conv1_pad", "stage3_block1_conv1_pad"):
        assert model.get_layer(name).padding == ((1, 1), (1, 1))


def test_batch_normalization_is_the_papers(published):
    for model in published.values():
        layers = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
        assert len(layers) in (16, 33)
        for layer in layers:
            assert type(layer) is BatchNormalization
            assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "fan_axes"), [("vgg19", (0, 1, 2)), ("resnet32", (0, 1, 3))])
def test_convolutions_start_as_kaiming_normal(name, fan_axes, published):
    """Fan-in for VGG, fan-out for ResNet; not truncated, so some lie beyond three deviations."""
    *convolutions, classifier = kernels(published[name])
    drawn = []
    for kernel in convolutions:
        deviation = math.sqrt(2 / math.prod(kernel.shape[axis] for axis in fan_axes))
        drawn.append(kernel.numpy().ravel() / deviation)
        if drawn[-1].size > 5000:
            assert drawn[-1].std() == pytest.approx(1, rel=0.05)
    everything = np.concatenate(drawn)
    assert everything.std() == pytest.approx(1, rel=0.005)
    assert np.mean(np.abs(everything) > 3) == pytest.approx(0.0027, rel=0.1)
    assert classifier.numpy().std() == pytest.approx(0.01, rel=0.1)


def test_biases_and_normalizations_start_neutral(published):
    start = {"bias": 0, "beta": 0, "gamma": 1, "moving_mean": 0, "moving_variance": 1}
    for model in published.values():
        for variable in model.variables:
            if variable.name in start:
                assert np.all(variable.numpy() == start[variable.name])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "width", "channels"),
    [
        ("resnet8", 0.5, (16, 32, 64)),
        ("resnet8", 0.001, (1, 1, 1)),
        ("resnet8", 0.14, (4, 9, 18)),
        ("vgg11", 0.5, (32, 64, 128, 256)),
    ],
)
def test_width_scales_the_channels(name, width, channels):
    model = models.build(name, (16, 16, 3), 10, width)
    assert tuple(sorted({k.shape[-1] for k in kernels(model)[:-1]})) == tuple(sorted(set(channels)))


def test_lenet_is_300_100():
    model = models.build("lenet_300_100", (28, 28, 1), 10)
    assert [tuple(k.shape) for k in kernels(model)] == [(784, 300), (300, 100), (100, 10)]
    for kernel in kernels(model):
        limit = math.sqrt(6 / sum(kernel.shape))
        assert 0.98 * limit < np.abs(kernel.numpy()).max() <= limit


@pytest.mark.parametrize(
    ("name", "width", "shapes"),
    [
        ("mlp_30_20_10", 1.0, [(6, 30), (30, 20), (20, 10), (10, 4)]),
        ("mlp_30", 0.1, [(6, 3), (3, 4)]),
        ("lenet_300_100", 0.01, [(6, 3), (3, 1), (1, 4)]),
    ],
)
def test_a_perceptron_has_the_sizes_of_its_name(name, width, shapes):
    model = models.build(name, (2, 3), 4, width)
    assert [tuple(k.shape) for k in kernels(model)] == shapes
    assert [layer.activation.__name__ for layer in model.layers[2:]] == ["relu"] * (len(shapes) - 1) + [
        "linear"
    ]
