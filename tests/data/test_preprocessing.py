"""From raw bytes to what the model sees."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tf_tickets.data import Preprocessing
from tf_tickets.data.preprocessing import mean_and_std, natural_scale


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 6, 5, 3), np.uint8)


def test_it_scales_and_normalises(images):
    cifar = Preprocessing(1 / 255, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    expected = (images / 255 - cifar.mean) / cifar.std
    x = cifar.normalise(images)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, expected, atol=1e-6)


def test_black_is_exactly_minus_mean_over_std():
    cifar = Preprocessing(1 / 255, (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    black = cifar.normalise(np.zeros((1, 1, 1, 3), np.uint8))[0, 0, 0]
    np.testing.assert_array_equal(black, np.float32([-0.4914 / 0.2023, -0.4822 / 0.1994, -0.4465 / 0.2010]))


def test_zero_mean_and_unit_std_leave_floats_as_they_are(images):
    x = images.astype(np.float32) / 7
    np.testing.assert_array_equal(Preprocessing(1.0, (0.0,), (1.0,)).normalise(x), x)


def test_statistics_of_images_are_per_channel(images):
    mean, std = mean_and_std(images, 1 / 255)
    np.testing.assert_allclose(mean, (images / 255).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, (images / 255).std((0, 1, 2)), rtol=1e-12)


def test_statistics_of_float_vectors_are_per_feature():
    x = np.random.default_rng(0).normal((0, 100), (1, 50), (500, 2)).astype(np.float32)
    mean, std = mean_and_std(x, 1.0)
    np.testing.assert_allclose(mean, x.mean(0, dtype=np.float64))
    np.testing.assert_allclose(std, x.std(0, dtype=np.float64))


def test_vectors_of_pixels_share_one_mean_and_std(images):
    pixels = images.reshape(20, -1)
    mean, std = mean_and_std(pixels, 1 / 255)
    np.testing.assert_allclose((mean[0], std[0]), ((pixels / 255).mean(), (pixels / 255).std()))
    assert len(mean) == len(std) == 1


@given(value=st.floats(-1e6, 1e6, width=32), n=st.integers(1, 50))
@settings(max_examples=50, deadline=None)
def test_a_constant_feature_becomes_zero_and_not_infinite(value, n):
    x = np.full((n, 2), value, np.float32)
    mean, std = mean_and_std(x, 1.0)
    np.testing.assert_allclose(Preprocessing(1.0, mean, std).normalise(x), 0, atol=0.2)


@pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 1 / 255), (np.uint16, 1 / 65535), (np.float32, 1.0)])
def test_unsigned_integers_are_scaled_to_one(dtype, scale):
    assert natural_scale(np.zeros((1, 1), dtype)) == scale


@pytest.mark.parametrize(
    "arguments",
    [
        (0.0, (0.0,), (1.0,)),
        (1.0, (0.0,), (0.0,)),
        (1.0, (float("nan"),), (1.0,)),
        (1.0, (0.0, 0.0), (1.0,)),
        (1.0, (0.0,), (1.0,), -1),
    ],
)
def test_impossible_values_are_refused(arguments):
    with pytest.raises(ValueError, match="Received"):
        Preprocessing(*arguments)
