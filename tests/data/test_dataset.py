"""Examples and datasets: what they promise and refuse."""

import keras
import numpy as np
import pytest

from tf_tickets.data import Dataset, Examples, Preprocessing, Recipe


def examples(n=10, shape=(4, 4, 1), classes=2):
    rng = np.random.default_rng(0)
    return Examples(rng.integers(0, 256, (n, *shape), np.uint8), np.arange(n) % classes)


@pytest.fixture
def dataset():
    return Dataset(
        name="example",
        input_shape=(4, 4, 1),
        num_classes=2,
        recipe=Recipe(model="lenet_300_100", epochs=1, augment=False),
        preprocessing=Preprocessing(1 / 255, (0.5,), (0.25,)),
        splits={"train": examples(10), "test": examples(4)},
    )


@pytest.mark.slow
def test_train_and_test_are_ready_for_keras(dataset):
    x, y = dataset.train
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((10, 4, 4, 1), np.float32, (10,), np.int32)
    np.testing.assert_allclose(x, (dataset.splits["train"].images / 255 - 0.5) / 0.25, atol=1e-6)
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss, run_eagerly=True, jit_compile=False)
    model.fit(x, y, verbose=0)
    batches = dataset.batches("train", 4)
    history = model.fit(batches, validation_data=dataset.test, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_changing_what_train_returned_changes_nothing_else(dataset):
    x, y = dataset.train
    x[:], y[:] = 0, 0
    assert dataset.train[0].any()
    assert dataset.train[1].any()
    with pytest.raises(ValueError, match="read-only"):
        dataset.splits["train"].images[:] = 0


@pytest.mark.slow
def test_replace_exchanges_one_split_of_a_copy(dataset):
    before = dataset.splits["train"]
    noise = Examples(255 - before.images, 1 - before.labels)
    changed = dataset.replace("train", noise)
    assert changed.splits["train"] is noise
    assert changed.splits["test"] is dataset.splits["test"]
    assert dataset.splits["train"] is before
    for (_, y), (_, changed_y) in zip(dataset.batches("train", 4), changed.batches("train", 4), strict=True):
        np.testing.assert_array_equal(1 - y.numpy(), changed_y)


def test_replace_refuses_examples_that_do_not_fit(dataset):
    with pytest.raises(ValueError, match=r"\(5, 5, 1\)"):
        dataset.replace("train", examples(shape=(5, 5, 1)))
    with pytest.raises(ValueError, match=r"0 to 1\. Received: 2"):
        dataset.replace("train", examples(classes=3))
    with pytest.raises(ValueError, match=r"no split 'dev'\. Splits: train, test"):
        dataset.replace("dev", examples())


def test_without_a_validation_split_the_error_says_how_to_get_one(dataset):
    with pytest.raises(ValueError, match="validation_fraction"):
        _ = dataset.validation


@pytest.mark.slow
@pytest.mark.parametrize(("batch_size", "steps"), [(1, 10), (3, 4), (5, 2), (10, 1), (99, 1)])
def test_steps_per_epoch_counts_the_partial_batch(dataset, batch_size, steps):
    assert dataset.steps_per_epoch("train", batch_size) == steps
    assert len(list(dataset.batches("train", batch_size))) == steps


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((2, 3)), np.zeros(3, int)),
        (np.zeros((0, 3)), np.zeros(0, int)),
        (np.zeros((2, 0)), np.zeros(2, int)),
        (np.zeros(2), np.zeros(2, int)),
        (np.zeros((2, 3)), np.zeros(2)),
        (np.zeros((2, 3)), np.zeros((2, 1), int)),
        (np.zeros((2, 3)), np.array([0, -1])),
        (np.zeros((2, 3)), np.array([0, 2**40])),
        (np.zeros((2, 3)), np.array(["0", "1"])),
        (np.array([["a"], ["b"]]), np.zeros(2, int)),
        (np.array([[None], [None]]), np.zeros(2, int)),
    ],
)
def test_examples_refuse_what_is_no_labelled_data(images, labels):
    with pytest.raises(ValueError, match="Received"):
        Examples(images, labels)
