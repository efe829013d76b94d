"""What holds for every model: names, shapes, logits, seeds, widths and refusals."""

import functools
import random

import keras
import numpy as np
import pytest
from keras.src.random import seed_generator

from tf_tickets import models

# One small example of each family: name, input shape, and a width.
EXAMPLES = [
    ("vgg11", (16, 20, 1), 0.1),
    ("resnet8", (7, 9, 3), 0.25),
    ("resnet18_cifar", (8, 8, 1), 0.1),
    ("lenet_300_100", (8, 8, 1), 0.1),
    ("mlp_bn_12_7", (5,), 1.0),
    ("mlp_12_7", (5,), 1.0),
    ("keras:MobileNet", (32, 32, 3), 0.25),
]
each_example = pytest.mark.parametrize(("name", "shape", "width"), EXAMPLES)


@functools.cache
def built(name, shape, width, seed=0):
    """A model that no test changes."""
    return models.build(name, shape, 7, width, seed)


@functools.cache
def again(name, shape, width):
    """The same model built once more, and the global random state before and after."""
    before = global_random_state()
    return models.build(name, shape, 7, width), before, global_random_state()


def kernels(model):
    return [v.numpy() for v in model.trainable_variables if v.name == "kernel"]


def global_random_state():
    """What Python, NumPy and Keras would draw from next."""
    state = seed_generator.global_seed_generator().state
    return random.getstate(), tuple(np.random.get_state()[1]), tuple(state.numpy())  # noqa: NPY002


@pytest.mark.slow
@each_example
def test_a_model_gives_logits(name, shape, width):
    model = built(name, shape, width)
    logits = model(np.random.default_rng(0).normal(size=(3, *shape)).astype("float32")).numpy()
    assert logits.shape == (3, 7)
    assert logits.min() < 0
    assert model.inputs and model.outputs, "the model is functional"


@pytest.mark.slow
@each_example
def test_a_seed_gives_the_same_model_whatever_went_before(name, shape, width):
    first = built(name, shape, width)
    random.random()
    keras.random.normal((2,))
    second, _, _ = again(name, shape, width)
    assert all(map(np.array_equal, first.get_weights(), second.get_weights()))
    if not name.startswith("keras:"):
        assert [layer.name for layer in first.layers] == [layer.name for layer in second.layers]


@pytest.mark.slow
@each_example
def test_another_seed_gives_other_weights(name, shape, width):
    first, second = kernels(built(name, shape, width)), kernels(models.build(name, shape, 7, width, 1))
    assert first
    for a, b in zip(first, second, strict=True):
        assert not np.any(a == b), "every kernel is drawn anew"


@pytest.mark.slow
@each_example
def test_no_two_layers_draw_the_same_numbers(name, shape, width):
    """Two kernels drawn from one seed would be equal up to their scale."""
    ratios = [kernel.flat[1] / kernel.flat[0] for kernel in kernels(built(name, shape, width))]
    assert len(set(np.round(ratios, 4))) == len(ratios)


@pytest.mark.slow
@each_example
def test_building_leaves_the_global_random_state(name, shape, width):
    _, before, after = again(name, shape, width)
    assert after == before


@pytest.mark.slow
@each_example
def test_a_saved_model_loads(name, shape, width, tmp_path):
    model = built(name, shape, width)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg11", "resnet8", "lenet_300_100"])
def test_logits_keep_full_precision_under_mixed_precision(name):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = models.build(name, (16, 16, 3), 7, width=0.1)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.output.dtype == "float32"
    assert model.layers[2].compute_dtype == "float16"


class TestRefusals:
    def test_an_unknown_name(self):
        with pytest.raises(
            ValueError, match=r"no model 'vgg12'. Did you mean vgg19. Choose one of: vgg11, .*keras:{NAME}"
        ):
            models.build("vgg12", (32, 32, 3), 10)

    @pytest.mark.parametrize("name", ["resnet", "resnet2", "resnet33", "resnet0", "resnet032", "resnet-4"])
    def test_a_depth_that_no_resnet_has(self, name):
        with pytest.raises(ValueError, match=rf"no model '{name}'. The depth must be 6n\+2: resnet20"):
            models.build(name, (32, 32, 3), 10)

    @pytest.mark.parametrize("name", ["mlp_", "mlp_0", "mlp_3_", "mlp_3_x", "mlp_3.5"])
    def test_hidden_sizes_that_are_none(self, name):
        with pytest.raises(ValueError, match=rf"no model '{name}'. Choose lenet_300_100, or mlp_ and"):
            models.build(name, (4,), 10)

    def test_an_unknown_application(self):
        with pytest.raises(ValueError, match=r"has no 'ResNet51'\. After keras: choose .*ResNet50"):
            models.build("keras:ResNet51", (32, 32, 3), 10)

    @pytest.mark.parametrize("name", ["keras:applications", "keras:resnet50", "keras:__name__"])
    def test_what_is_in_keras_applications_but_no_constructor(self, name):
        with pytest.raises(ValueError, match=r"keras\.applications has no"):
            models.build(name, (32, 32, 3), 10)

    @pytest.mark.parametrize("name", ["vgg19", "vgg11"])
    def test_images_too_small_for_vgg(self, name):
        message = rf"{name} takes images of at least 16x16 .*input_shape=\(8, 8, 1\).*resnet20"
        with pytest.raises(ValueError, match=message):
            models.build(name, (8, 8, 1), 10)

    def test_images_too_small_for_an_application(self):
        message = r"keras:MobileNetV2 cannot take input_shape=\(8, 8, 1\): .*at least 32x32"
        with pytest.raises(ValueError, match=message):
            models.build("keras:MobileNetV2", (8, 8, 1), 10)

    @pytest.mark.parametrize("name", ["vgg19", "resnet32", "keras:MobileNetV2"])
    def test_vectors_where_images_are_wanted(self, name):
        with pytest.raises(ValueError, match=rf"{name} takes images .*input_shape=\(64,\).*lenet_300_100"):
            models.build(name, (64,), 10)

    def test_a_width_that_an_application_does_not_have(self):
        message = r"keras:ResNet50 has one width only. Received: width=0.5. .*keras:MobileNetV2"
        with pytest.raises(ValueError, match=message):
            models.build("keras:ResNet50", (32, 32, 3), 10, width=0.5)

    @pytest.mark.parametrize("width", [0, -1.0, float("nan"), float("inf"), "1", None])
    def test_a_width_that_is_no_positive_number(self, width):
        with pytest.raises(ValueError, match=r"width must be a positive number.*Received: "):
            models.build("resnet8", (8, 8, 1), 10, width=width)

    @pytest.mark.parametrize("num_classes", [0, -3, 2.5, None])
    def test_fewer_outputs_than_one(self, num_classes):
        with pytest.raises(ValueError, match=f"num_classes must be .* >= 1. Received: {num_classes}"):
            models.build("resnet8", (8, 8, 1), num_classes)

    @pytest.mark.parametrize("seed", [-1, 0.5, None])
    def test_a_seed_that_is_no_natural_number(self, seed):
        with pytest.raises(ValueError, match=f"seed must be .* >= 0. Received: {seed}"):
            models.build("resnet8", (8, 8, 1), 10, seed=seed)

    @pytest.mark.parametrize("shape", [(), (None, None, 3), (0, 8, 1), 32, None, "32"])
    def test_a_shape_that_is_not_known(self, shape):
        with pytest.raises(ValueError, match="input_shape must be the shape of one example"):
            models.build("resnet8", shape, 10)
