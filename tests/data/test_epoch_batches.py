"""The input pipeline: pure in (seed, epoch, step), complete, and exact."""

import functools

import keras  # noqa: F401  the package's rule: keras before tensorflow
import numpy as np
import pytest
import tensorflow as tf

from tests.replicas import two_replicas
from tf_tickets.data import Dataset, Examples, Preprocessing, Recipe

N, CLASSES = 23, 5
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
RECIPE = Recipe(model="resnet32", epochs=2, augment=True)
PADDED = Preprocessing(1 / 255, MEAN, STD, crop=True, flip=True)


def make(preprocessing=PADDED, shape=(9, 7, 3), n=N):
    # Labels are positions, so that a batch tells which examples it holds.
    images = np.random.default_rng(0).integers(1, 256, (n, *shape), np.uint8)
    train = Examples(images, np.arange(n))
    return Dataset("example", shape, n, RECIPE, preprocessing, {"train": train})


DATASET = make()


def collect(dataset=DATASET, batch_size=4, **options):
    return [(x.numpy(), y.numpy()) for x, y in dataset.batches("train", batch_size, **options)]


def labels(**options):
    return np.concatenate([y for _, y in collect(**options)])


def assert_equal(left, right):
    assert len(left) == len(right)
    for (x, y), (other_x, other_y) in zip(left, right, strict=True):
        np.testing.assert_array_equal(x, other_x)
        np.testing.assert_array_equal(y, other_y)


# ------------------------------------------------------------------ what a batch is


@pytest.mark.slow
def test_batches_are_float32_and_int32_and_the_last_one_has_the_rest():
    found = collect(shuffle=True, augment=True)
    assert [len(y) for _, y in found] == [4, 4, 4, 4, 4, 3]
    assert all(x.dtype == np.float32 and x.shape[1:] == (9, 7, 3) for x, _ in found)
    assert all(y.dtype == np.int32 for _, y in found)
    spec_x, spec_y = DATASET.batches("train", 4, augment=True).element_spec
    assert spec_x.shape.as_list() == [None, 9, 7, 3]
    assert spec_y.shape.as_list() == [None]


def test_without_augmentation_x_is_bit_for_bit_what_train_gives():
    found = collect()
    x, y = DATASET.train
    np.testing.assert_array_equal(np.concatenate([x for x, _ in found]), x)
    np.testing.assert_array_equal(np.concatenate([y for _, y in found]), y)


@pytest.mark.slow
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_epoch_holds_every_example_exactly_once(shuffle):
    for epoch in (0, 2):
        np.testing.assert_array_equal(np.sort(labels(shuffle=shuffle, epochs=[epoch])), np.arange(N))


def test_the_number_of_batches_is_known():
    assert DATASET.batches("train", 4, epochs=range(3), first_step=2).cardinality() == 16


# ------------------------------------------------------------------ order and randomness


@pytest.mark.slow
def test_batches_are_a_pure_function_of_seed_and_epoch():
    options = {"shuffle": True, "augment": True, "seed": 2**63 - 1}
    together = collect(epochs=[10**6, 3], **options)
    assert_equal(together, collect(epochs=[10**6, 3], **options))
    assert_equal(together, [b for epoch in (10**6, 3) for b in collect(epochs=[epoch], **options)])


@functools.cache
def two_epochs(batch_size, first_step=0):
    return collect(batch_size=batch_size, epochs=[3, 4], shuffle=True, augment=True, first_step=first_step)


@pytest.mark.slow
@pytest.mark.parametrize(("batch_size", "first_step"), [(4, 1), (4, 6), (5, 3)])
def test_first_step_is_the_same_as_skipping(batch_size, first_step):
    assert_equal(two_epochs(batch_size)[first_step:], two_epochs(batch_size, first_step))


def test_a_whole_epoch_may_be_skipped():
    skipped = DATASET.batches("train", 4, first_step=6)
    assert skipped.cardinality() == 0
    assert list(skipped) == []


@pytest.mark.slow
def test_epochs_and_seeds_differ_in_order_and_augmentation():
    orders, crops = [], []
    for epoch, seed in ((0, 0), (0, 1), (1, 0)):
        batches = collect(batch_size=N, shuffle=True, augment=True, epochs=[epoch], seed=seed)
        ((x, y),) = batches
        orders.append(tuple(y))
        crops.append(x[np.argsort(y)])
    assert len(set(orders)) == 3
    for i, crop in enumerate(crops):
        for other in crops[i + 1 :]:
            assert (crop != other).any()


def test_batches_of_an_epoch_are_augmented_differently():
    same = Examples(np.tile(DATASET.splits["train"].images[:1], (N, 1, 1, 1)), np.arange(N))
    images = [x for batch, _ in collect(DATASET.replace("train", same), augment=True) for x in batch]
    assert len({x.tobytes() for x in images}) > N // 2


@pytest.mark.slow
def test_the_order_does_not_depend_on_the_augmentation_nor_the_batch_size():
    expected = labels(shuffle=True, seed=7)
    np.testing.assert_array_equal(expected, labels(shuffle=True, seed=7, augment=True))
    np.testing.assert_array_equal(expected, labels(shuffle=True, seed=7, batch_size=5))


@pytest.mark.slow
def test_order_and_crops_are_pinned_so_that_old_runs_can_be_repeated():
    assert labels(shuffle=True)[:8].tolist() == [15, 18, 14, 0, 4, 3, 13, 17]
    x, _ = collect(make(Preprocessing(1.0, (0.0,), (1.0,), crop=True, flip=True)), augment=True)[0]
    assert x.sum(axis=(1, 2, 3)).tolist() == [11740, 18132, 10719, 8120]


@pytest.mark.slow
def test_the_global_seed_of_tensorflow_has_no_part_in_it():
    found = []
    for seed in (1, 2):
        tf.random.set_seed(seed)
        found.append(collect(batch_size=8, shuffle=True, augment=True))
    assert_equal(*found)


# ------------------------------------------------------------------ augmentation


def crops_of(image, pad, flip):
    """Every crop that the augmentation may give, by slicing a padded image."""
    height, width, _ = image.shape
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)))
    for top in range(2 * pad + 1):
        for left in range(2 * pad + 1):
            crop = padded[top : top + height, left : left + width]
            yield (top, left, False), crop
            if flip:
                yield (top, left, True), crop[:, ::-1]


@pytest.mark.slow
@pytest.mark.parametrize(("crop", "flip"), [(True, True), (True, False), (False, True)])
def test_each_image_is_one_of_its_padded_crops_drawn_evenly(crop, flip):
    preprocessing = Preprocessing(1 / 255, MEAN, STD, pad=2, crop=crop, flip=flip)
    dataset = make(preprocessing, shape=(6, 5, 3), n=200)
    originals = dataset.splits["train"].images
    drawn = []
    for batch, positions in collect(dataset, 64, augment=True):
        for x, position in zip(batch, positions, strict=True):
            candidates = dict(crops_of(originals[position], 2 if crop else 0, flip))
            keys = [
                key for key, image in candidates.items() if np.array_equal(preprocessing.normalise(image), x)
            ]
            assert len(keys) == 1
            drawn += keys
    tops, lefts, flips = (np.array(column) for column in zip(*drawn, strict=True))
    for offsets in (tops, lefts):
        counts = np.bincount(offsets)
        assert len(counts) == (5 if crop else 1)
        assert counts.min() > (20 if crop else 199)
    assert (0.35 < flips.mean() < 0.65) if flip else not flips.any()


@pytest.mark.slow
def test_padded_pixels_are_black_before_normalisation():
    white = Examples(np.full((N, 9, 7, 3), 255, np.uint8), np.arange(N))
    x = np.concatenate([x for x, _ in collect(DATASET.replace("train", white), augment=True)])
    colours = np.unique(x.reshape(-1, 3), axis=0)
    mean, std = np.array(MEAN), np.array(STD)
    np.testing.assert_array_equal(colours[0], np.float32(-mean / std))
    np.testing.assert_allclose(colours[1], (1 - mean) / std, rtol=1e-6)
    assert len(colours) == 2


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "dev"}, "no split 'dev'. Splits: train"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 2.5}, "batch_size"),
        ({"epochs": [-1]}, "epoch"),
        ({"epochs": [0.5]}, "epoch"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"seed": None}, "seed"),
        ({"first_step": 7}, "at most 6"),
        ({"first_step": -1}, "first_step"),
        ({"first_step": 1, "epochs": []}, "at most 0"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DATASET.batches(**{"split": "train", "batch_size": 4, **options})


def test_augmentation_is_refused_where_there_is_none():
    plain = make(Preprocessing(1 / 255, MEAN, STD))
    with pytest.raises(ValueError, match="has no augmentation"):
        plain.batches("train", 4, augment=True)


def test_no_epochs_are_no_batches():
    assert collect(epochs=[], shuffle=True) == []


# ------------------------------------------------------------------ under tf.distribute


@pytest.mark.slow
def test_two_replicas_share_the_batches_of_one():
    strategy = two_replicas()
    batches = DATASET.batches("train", 4, shuffle=True, epochs=range(2))
    seen = [
        np.concatenate([part.numpy() for part in strategy.experimental_local_results(y)])
        for _, y in strategy.experimental_distribute_dataset(batches)
    ]
    np.testing.assert_array_equal(np.concatenate(seen), labels(shuffle=True, epochs=range(2)))
