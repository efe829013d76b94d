"""`idx:DIR`: the four files of the MNIST family."""

import gzip

import numpy as np
import pytest

from tests.data.formats import idx_bytes, labelled_bytes, write_idx_folder
from tf_tickets import data

TRAIN = labelled_bytes(30, (28, 28), 3, seed=0)
TEST = labelled_bytes(9, (28, 28), 3, seed=1)


@pytest.fixture
def folder(tmp_path):
    return write_idx_folder(tmp_path / "mnist", TRAIN, TEST)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", ["{part}-{what}-idx{ndim}-ubyte", "{part}-{what}.idx{ndim}-ubyte"])
def test_every_spelling_of_the_four_files_is_read(tmp_path, name, compress):
    folder = write_idx_folder(tmp_path / "mnist", TRAIN, TEST, name, compress)
    dataset = data.load(f"idx:{folder}")
    for split, (images, labels) in (("train", TRAIN), ("test", TEST)):
        np.testing.assert_array_equal(dataset.splits[split].images[..., 0], images)
        np.testing.assert_array_equal(dataset.splits[split].labels, labels)
    assert (dataset.input_shape, dataset.num_classes) == ((28, 28, 1), 3)


def test_it_is_trained_as_mnist_is_and_normalised_by_its_own_statistics(folder):
    dataset = data.load(f"idx:{folder}")
    recipe = dataset.recipe
    assert (recipe.model, recipe.epochs, recipe.batch_size) == ("lenet_300_100", 12, 128)
    assert not recipe.augment
    x, _ = dataset.train
    np.testing.assert_allclose((x.mean(), x.std()), (0, 1), atol=1e-5)


def test_digits_may_be_cropped_but_never_mirrored(folder):
    preprocessing = data.load(f"idx:{folder}").preprocessing
    assert preprocessing.crop
    assert not preprocessing.flip


def damaged(folder, name, content):
    (folder / name).write_bytes(content)


def refused(folder, *parts):
    with pytest.raises(ValueError) as error:
        data.load(f"idx:{folder}")
    for part in parts:
        assert part in str(error.value)


IMAGES = "train-images-idx3-ubyte"


def test_a_truncated_file_names_expected_and_found_bytes(folder):
    damaged(folder, IMAGES, idx_bytes(TRAIN[0])[:-100])
    refused(folder, IMAGES, "30 x 28 x 28", "23536 bytes were expected", "23436 were found")


def test_trailing_bytes_are_an_error_too(folder):
    damaged(folder, IMAGES, idx_bytes(TRAIN[0]) + b"x")
    refused(folder, IMAGES, "23536 bytes were expected", "23537 were found")


def test_a_file_of_another_kind_is_told_by_its_header(folder):
    damaged(folder, IMAGES, b"<html>not found</html>")
    refused(folder, IMAGES, "begins with 00000803", "found 3c68746d in 22 bytes")
    damaged(folder, IMAGES, b"")
    refused(folder, IMAGES, "found nothing in 0 bytes")
    damaged(folder, IMAGES, idx_bytes(TRAIN[1]))
    refused(folder, IMAGES, "found 00000801")


def test_a_header_that_promises_nothing_is_refused(folder):
    damaged(folder, IMAGES, idx_bytes(TRAIN[0][:0]))
    refused(folder, IMAGES, "0 x 28 x 28")


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[:-20],
        lambda whole: whole[:100] + bytes(50) + whole[150:],
        lambda whole: b"plain text",
        lambda whole: b"",
        lambda whole: whole[:5],
    ],
)
def test_a_damaged_gzip_file_is_named(tmp_path, damage):
    folder = write_idx_folder(tmp_path / "mnist", TRAIN, TEST, compress=True)
    damaged(folder, IMAGES + ".gz", damage(gzip.compress(idx_bytes(TRAIN[0]))))
    refused(folder, IMAGES + ".gz", "")


def test_images_and_labels_must_be_as_many(folder):
    damaged(folder, "train-labels-idx1-ubyte", idx_bytes(TRAIN[1][:-1]))
    refused(folder, IMAGES, "30 images", "29 labels")


def test_training_and_test_images_must_be_of_one_size(folder):
    damaged(folder, "t10k-images-idx3-ubyte", idx_bytes(TEST[0][:, 1:]))
    refused(folder, "(28, 28)", "(27, 28)")


def test_labels_must_be_zero_to_k_minus_one(folder):
    damaged(folder, "train-labels-idx1-ubyte", idx_bytes(TRAIN[1] + 1))
    refused(folder, "1 to 3 without 0", "Renumber")
    damaged(folder, "train-labels-idx1-ubyte", idx_bytes(TRAIN[1] * 2))
    refused(folder, "0 to 4 without 1")
    damaged(folder, "train-labels-idx1-ubyte", idx_bytes(TRAIN[1] * 0))
    refused(folder, "at least 2 classes")
    damaged(folder, "train-labels-idx1-ubyte", idx_bytes(TRAIN[1]))
    damaged(folder, "t10k-labels-idx1-ubyte", idx_bytes(TEST[1] + 1))
    refused(folder, "test labels", "0 to 2. Received: 3")


def test_a_missing_file_or_folder_is_named(folder):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        data.load(f"idx:{folder}/elsewhere")
    (folder / IMAGES).unlink()
    with pytest.raises(FileNotFoundError, match=rf"none of {IMAGES}, {IMAGES}\.gz, train-images\."):
        data.load(f"idx:{folder}")
