"""MNIST-1D: the published construction, number by number."""

import numpy as np
import pytest

from tf_tickets import data
from tf_tickets.data import mnist1d

# Of the authors' program with its own seed: the first training example, at every tenth value, and labels.
THEIRS = [-0.332006, -1.521431, 1.593488, 0.268608]
LABELS = [2, 6, 4, 5, 6, 6, 6, 0, 3, 1]


@pytest.fixture(scope="module")
def dataset():
    return data.load("mnist1d")


@pytest.mark.slow
def test_it_is_the_authors_own_data(dataset):
    train, test = dataset.splits["train"], dataset.splits["test"]
    np.testing.assert_allclose(train.images[0, ::10], THEIRS, atol=1e-5)
    np.testing.assert_array_equal(train.labels[:10], LABELS)
    np.testing.assert_array_equal(np.bincount(test.labels), [102, 104, 89, 106, 106, 98, 99, 96, 98, 102])


def test_signals_of_forty_values_in_ten_classes_are_the_models_input_as_they_are(dataset):
    assert (dataset.input_shape, dataset.num_classes) == ((40,), 10)
    assert [len(dataset.splits[split]) for split in ("train", "test")] == [4000, 1000]
    x, _ = dataset.train
    np.testing.assert_array_equal(x, dataset.splits["train"].images)
    np.testing.assert_allclose((x.mean(), x.std()), (0, 1), atol=0.01)


@pytest.mark.slow
def test_it_is_made_alike_each_time(dataset):
    assert data.load("mnist1d", seed=7).fingerprint == dataset.fingerprint


def test_a_digit_begins_at_zero_and_has_one_deviation():
    digits = mnist1d._digits()
    np.testing.assert_array_equal(digits[:, 0], 0)
    np.testing.assert_allclose(digits.std(axis=1), 1 / 6)


def test_noise_is_smoothed_by_a_gaussian_as_scipy_does_it():
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0).normal(size=72)
    np.testing.assert_allclose(mnist1d._smoothed(noise), gaussian_filter(noise, 2), atol=1e-12)
