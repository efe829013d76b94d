"""Corruptions of the data: each changes exactly what it claims, as a function of its seed, evenly."""

import dataclasses

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tf_tickets.data import Dataset, Examples, Preprocessing, Recipe
from tf_tickets.sanity import corruptions
from tf_tickets.sanity.corruptions import corrupted, half_dataset, random_labels, random_pixels

CORRUPTIONS = [random_labels, random_pixels, corrupted, half_dataset]
LABELS = [random_labels, corrupted]
PIXELS = [random_pixels, corrupted]
# A fair draw fails a chi-square test of this level once in a thousand seeds; the seeds are fixed.
LEVEL = 1e-3

seeds = st.integers(0, 2**40)
shapes = st.sampled_from([(6,), (4, 4, 1), (2, 3, 3)])
dtypes = st.sampled_from(["uint8", "float32", "float64", "int16"])
label_dtypes = st.sampled_from(["int32", "int64", "uint8"])


def pair(n=200, shape=(3, 4, 2), classes=10, seed=0, dtype="float32", label_dtype="int64"):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 200, (n, *shape)).astype(dtype)
    return x, (np.arange(n) % classes).astype(label_dtype)


def dataset(n=200, classes=10, sort=False, test=8):
    x, y = pair(n, dtype="uint8", classes=classes)
    return Dataset(
        name="example",
        input_shape=x.shape[1:],
        num_classes=classes,
        recipe=Recipe(model="lenet_300_100", epochs=1, augment=False),
        preprocessing=Preprocessing(1 / 255, (0.5, 0.5), (0.25, 0.25)),
        splits={"train": Examples(x, np.sort(y) if sort else y), "test": Examples(x[:test], y[:test])},
    )


def raw(data):
    """Examples and labels as they are stored."""
    if isinstance(data, Dataset):
        return data.splits["train"].images, data.splits["train"].labels
    return data


def assert_same(one, other):
    for a, b in zip(raw(one), raw(other), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def differ(one, other):
    return any(not np.array_equal(a, b) for a, b in zip(raw(one), raw(other), strict=True))


pairs = st.builds(
    pair, st.integers(100, 140), shapes, st.integers(2, 4), seeds, dtype=dtypes, label_dtype=label_dtypes
)


class TestEveryCorruption:
    @pytest.mark.slow
    @pytest.mark.parametrize("corruption", CORRUPTIONS)
    @given(data=pairs, seed=seeds)
    def test_is_a_function_of_its_seed_that_leaves_the_original_alone(self, corruption, data, seed):
        x, y = data[0].copy(), data[1].copy()
        assert_same(corruption(data, seed), corruption((x, y), seed))
        assert_same(data, (x, y))

    @pytest.mark.parametrize("corruption", CORRUPTIONS)
    def test_has_other_results_with_other_seeds(self, corruption):
        results = [corruption(pair(), seed) for seed in range(4)]
        assert all(differ(a, b) for i, a in enumerate(results) for b in results[:i])

    @pytest.mark.parametrize("corruption", CORRUPTIONS)
    def test_draws_from_streams_of_its_own(self, corruption, monkeypatch):
        drawn, stream = [], corruptions.stream
        monkeypatch.setattr(corruptions, "stream", lambda *names: drawn.append(names) or stream(*names))
        corruption(pair(), 7)
        parts = ["random_labels", "random_pixels"] if corruption is corrupted else [corruption.__name__]
        assert drawn == [(7, "check", part) for part in parts]

    @pytest.mark.parametrize("corruption", CORRUPTIONS)
    def test_changes_a_dataset_as_it_does_its_raw_arrays(self, corruption):
        data = dataset()
        before = tuple(array.copy() for array in raw(data))
        changed = corruption(data, 3)
        assert_same(changed, corruption(raw(data), 3))
        assert_same(data, before)

    @pytest.mark.parametrize("corruption", CORRUPTIONS)
    def test_changes_nothing_of_a_dataset_but_its_training_split(self, corruption):
        data = dataset()
        changed = corruption(data, 3)
        assert changed is not data
        assert changed.splits.keys() == data.splits.keys()
        assert changed.splits["test"] is data.splits["test"]
        for field in ("name", "input_shape", "num_classes", "recipe", "preprocessing"):
            assert getattr(changed, field) is getattr(data, field)
        # Ready for Keras: normalised after the corruption.
        np.testing.assert_array_equal(changed.train[0], data.preprocessing.normalise(raw(changed)[0]))

    @pytest.mark.parametrize("corruption", CORRUPTIONS)
    def test_takes_a_list_of_two_as_well(self, corruption):
        x, y = pair()
        assert_same(corruption([x, y], 1), corruption((x, y), 1))

    @pytest.mark.parametrize("corruption", CORRUPTIONS)
    @pytest.mark.parametrize("data", [np.zeros((3, 2)), "digits", None, (1, 2, 3), {"x": 1, "y": 2}])
    def test_takes_nothing_but_datasets_and_pairs(self, corruption, data):
        with pytest.raises(TypeError, match=r"a tf_tickets Dataset or a pair \(x, y\) of arrays. Received: "):
            corruption(data)

    @pytest.mark.parametrize("corruption", CORRUPTIONS)
    @pytest.mark.parametrize(
        ("x", "y"), [((3, 2), (4,)), ((3,), (3,)), ((0, 2), (0,)), ((3, 2), ()), ((3, 0), (3,))]
    )
    def test_takes_as_many_labels_as_examples(self, corruption, x, y):
        with pytest.raises(ValueError, match=r"the same number of examples, at least one. Received: x \("):
            corruption((np.zeros(x), np.zeros(y, int)))

    @pytest.mark.parametrize("corruption", CORRUPTIONS)
    @pytest.mark.parametrize("seed", [-1, 0.5, None])
    def test_takes_seeds(self, corruption, seed):
        with pytest.raises(ValueError, match="A seed is a non-negative integer"):
            corruption(pair(), seed)


class TestRandomLabels:
    def test_leaves_the_very_same_images(self):
        x, y = pair()
        assert random_labels((x, y))[0] is x
        data = dataset()
        assert np.shares_memory(raw(random_labels(data))[0], raw(data)[0])

    @pytest.mark.slow
    @given(pairs, seeds, st.integers(4, 200))
    def test_draws_classes_of_the_labels_own_dtype_and_shape(self, data, seed, classes):
        labels = random_labels(data, seed, classes)[1]
        assert (labels.dtype, labels.shape) == (data[1].dtype, data[1].shape)
        assert labels.min() >= 0 and labels.max() < classes

    @pytest.mark.parametrize("classes", [2, 10, 100])
    def test_keeps_one_label_in_as_many_as_there_are_classes_by_chance(self, classes):
        y = np.arange(50_000) % classes
        kept = np.mean(random_labels((np.zeros((50_000, 1)), y))[1] == y)
        assert abs(kept - 1 / classes) < 4 * np.sqrt((1 - 1 / classes) / classes / 50_000)

    def test_draws_every_class_alike_whatever_the_label_was(self):
        y = np.repeat(np.arange(4), 5000)
        labels = random_labels((np.zeros((20_000, 1)), y), seed=1, num_classes=5)[1]
        for label in range(4):
            assert scipy.stats.chisquare(np.bincount(labels[y == label])).pvalue > LEVEL

    def test_counts_the_classes_of_a_dataset_not_its_labels(self):
        x, y = raw(dataset())
        data = dataset(classes=100, n=2000).replace("train", Examples(np.repeat(x, 10, 0), np.repeat(y, 10)))
        assert len(np.unique(raw(random_labels(data))[1])) == 100
        assert_same(random_labels(data, 2), random_labels(data, 2, num_classes=100))

    def test_keeps_columns_columns(self):
        x, y = pair()
        np.testing.assert_array_equal(random_labels((x, y[:, None]))[1], random_labels((x, y))[1][:, None])

    @pytest.mark.parametrize("corruption", LABELS)
    @pytest.mark.parametrize("y", [np.eye(4), np.eye(4, dtype=int), np.zeros(4), np.zeros(4, bool)])
    def test_takes_numbers_of_classes_only(self, corruption, y):
        with pytest.raises(ValueError, match=r"numbers of classes.*argmax"):
            corruption((np.zeros((4, 2)), y))

    @pytest.mark.parametrize("corruption", LABELS)
    def test_takes_no_negative_labels(self, corruption):
        with pytest.raises(ValueError, match=r"0 or more. Received: -1"):
            corruption((np.zeros((2, 2)), np.array([-1, 0])))

    @pytest.mark.parametrize("corruption", LABELS)
    @pytest.mark.parametrize(
        ("labels", "num_classes", "message"),
        [
            ([0, 4], 4, r"at least 5: there are labels up to 4. Received: 4"),
            ([0, 0], None, r"at least 2: of one class nothing is random. Received: 1"),
            ([0, 1], 1, r"at least 2: there are labels up to 1. Received: 1"),
            ([0, 1], 2.0, r"num_classes must be a whole number. Received: 2.0"),
            ([0, 1], True, r"num_classes must be a whole number. Received: True"),
        ],
    )
    def test_refuses_numbers_of_classes_that_do_not_fit(self, corruption, labels, num_classes, message):
        with pytest.raises(ValueError, match=message):
            corruption((np.zeros((2, 2)), np.array(labels)), num_classes=num_classes)

    def test_refuses_more_classes_than_the_dtype_holds(self):
        with pytest.raises(ValueError, match=r"Labels of uint8 go up to 255. Received: num_classes=257"):
            random_labels((np.zeros((2, 2)), np.array([0, 1], "uint8")), num_classes=257)

    def test_refuses_another_number_of_classes_than_the_datasets(self):
        with pytest.raises(ValueError, match=r"example has 10 classes. Received: num_classes=11"):
            random_labels(dataset(), num_classes=11)


class TestRandomPixels:
    def test_leaves_the_very_same_labels(self):
        x, y = pair()
        assert random_pixels((x, y))[1] is y

    @pytest.mark.slow
    @given(
        arrays.arrays(dtypes, st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))),
        seeds,
    )
    def test_keeps_the_values_of_each_example(self, x, seed):
        found = random_pixels((x, np.zeros(len(x), int)), seed)[0]
        assert (found.dtype, found.shape) == (x.dtype, x.shape)
        np.testing.assert_array_equal(
            np.sort(found.reshape(len(x), -1), axis=1), np.sort(x.reshape(len(x), -1), axis=1)
        )

    def test_permutes_examples_independently_of_each_other(self):
        one = np.arange(60).reshape(1, 5, 4, 3)
        found = random_pixels((np.repeat(one, 50, axis=0), np.zeros(50, int)))[0].reshape(50, -1)
        assert len(np.unique(found, axis=0)) == 50

    def test_takes_every_value_anywhere_alike_across_channels(self):
        # In each example one value, of the first pixel's first channel, is 1.
        x = np.zeros((12_000, 2, 2, 3), "uint8")
        x[:, 0, 0, 0] = 1
        found = random_pixels((x, np.zeros(len(x), int)), seed=5)[0].reshape(len(x), -1)
        assert scipy.stats.chisquare(found.sum(axis=0, dtype=int)).pvalue > LEVEL

    def test_permutes_alike_whatever_the_dtype(self):
        x, y = pair()
        for dtype in ("uint8", "float64", "int16"):
            np.testing.assert_array_equal(random_pixels((x.astype(dtype), y))[0], random_pixels((x, y))[0])

    def test_needs_no_classes(self):
        y = np.linspace(0, 1, 200)
        assert random_pixels((pair()[0], y))[1] is y

    def test_permutes_what_is_stored_before_it_is_normalised(self):
        # Two channels of different statistics: normalised values would not keep together.
        data = dataset()
        changed = random_pixels(data)
        assert raw(changed)[0].dtype == np.uint8
        np.testing.assert_array_equal(
            np.sort(raw(changed)[0].reshape(200, -1)), np.sort(raw(data)[0].reshape(200, -1))
        )


def table(seed=0, n=60, dtype="float32"):
    """Columns in units of their own, standardised by their statistics."""
    rng = np.random.default_rng(seed)
    units = 10.0 ** rng.integers(-1, 4, 5)
    x = np.round(units * (rng.normal(size=(n, 5)) + rng.normal(size=5))).astype(dtype)
    mean, std = x.mean(axis=0), np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    return Dataset(
        name="table",
        input_shape=(5,),
        num_classes=2,
        recipe=Recipe(model="lenet_300_100", epochs=1, augment=False),
        preprocessing=Preprocessing(1.0, tuple(map(float, mean)), tuple(map(float, std))),
        splits={"train": Examples(x, np.arange(n) % 2), "test": Examples(x[:8], np.arange(8) % 2)},
    )


class TestPixelsOfTables:
    """Columns of a table have units of their own: what is permuted is what the network sees."""

    @pytest.mark.slow
    @pytest.mark.parametrize("corruption", PIXELS)
    @given(st.integers(0, 1000), seeds, st.sampled_from(["float32", "int32", "float64"]))
    def test_are_a_permutation_of_what_the_network_saw_of_the_example(self, corruption, number, seed, dtype):
        data = table(number, dtype=dtype)
        found, before = corruption(data, seed).train[0], data.train[0]
        np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(before, axis=1))
        assert not np.array_equal(found, before)

    @pytest.mark.slow
    def test_leave_the_test_set_what_it_is_to_the_network(self):
        data = table()
        changed = random_pixels(data)
        np.testing.assert_array_equal(changed.test[0], data.test[0])
        np.testing.assert_array_equal(changed.test[1], data.test[1])
        for (x, y), (a, b) in zip(changed.batches("test", 4), data.batches("test", 4), strict=True):
            np.testing.assert_array_equal(x, a)
            np.testing.assert_array_equal(y, b)

    def test_keep_the_numbers_that_are_learned(self):
        data = table()
        targets = np.random.default_rng(1).normal(size=(60, 2)).astype("float32")
        splits = {name: Examples(x.images, targets[: len(x)]) for name, x in data.splits.items()}
        recipe = dataclasses.replace(data.recipe, task="regression")
        numbers = dataclasses.replace(data, num_classes=None, recipe=recipe, splits=splits)
        np.testing.assert_array_equal(random_pixels(numbers).train[1], numbers.train[1])

    @pytest.mark.parametrize("mean", [(0.0,), (0.5,)])
    def test_of_one_unit_are_permuted_as_they_are_stored(self, mean):
        """Vectors of pixels, and tables that are taken as they are."""
        data = dataclasses.replace(table(), preprocessing=Preprocessing(0.5, mean, (2.0,)))
        changed = random_pixels(data, 3)
        assert changed.preprocessing is data.preprocessing
        assert changed.splits["test"] is data.splits["test"]
        assert_same(changed, random_pixels(raw(data), 3))


class TestCorrupted:
    @pytest.mark.slow
    @given(pairs, seeds)
    def test_is_random_pixels_of_random_labels_of_the_same_seed(self, data, seed):
        assert_same(corrupted(data, seed, 7), random_pixels(random_labels(data, seed, 7), seed))

    def test_has_the_labels_and_the_pixels_that_each_alone_would_have(self):
        data = dataset()
        found = raw(corrupted(data, 4))
        assert_same(found, (raw(random_pixels(data, 4))[0], raw(random_labels(data, 4))[1]))


class TestHalfDataset:
    @given(st.integers(2, 70), seeds)
    def test_keeps_half_of_the_examples_in_their_order(self, n, seed):
        x, y = half_dataset((np.arange(n)[:, None], np.zeros(n, int)), seed)
        assert len(x) == len(y) == n // 2
        assert (np.diff(x[:, 0]) > 0).all()

    def test_keeps_examples_with_their_labels(self):
        x, y = pair(classes=5)
        x[:, 0, 0, 0] = y
        found, labels = half_dataset((x, y))
        np.testing.assert_array_equal(found[:, 0, 0, 0], labels)
        assert (found.dtype, labels.dtype) == (x.dtype, y.dtype)

    @pytest.mark.slow
    def test_keeps_every_example_alike(self):
        data = np.arange(12)[:, None], np.zeros(12, int)
        kept = np.bincount(
            np.concatenate([half_dataset(data, seed)[0][:, 0] for seed in range(1000)]), minlength=12
        )
        # Drawn without replacement: counts scatter less than independent ones by (n - half) / (n - 1).
        statistic = scipy.stats.chisquare(kept).statistic * (12 - 1) / (12 - 6)
        assert scipy.stats.chi2.sf(statistic, 12 - 1) > LEVEL

    @pytest.mark.parametrize(
        ("n", "batch_size", "kept"), [(50_000, 64, 24_960), (200, 64, 64), (200, 100, 100), (7, 1, 3)]
    )
    def test_keeps_the_whole_batches_of_the_first_half_as_the_authors_code_does(self, n, batch_size, kept):
        data = np.arange(n)[:, None], np.zeros(n, int)
        np.testing.assert_array_equal(half_dataset(data, first=batch_size)[0][:, 0], np.arange(kept))

    def test_of_a_file_sorted_by_class_only_a_random_half_has_all_classes(self):
        data = dataset(sort=True)
        message = r"none of classes 5, 6, 7, 8, 9, .* another task. Use a random half \(leave out first=\)"
        with pytest.raises(ValueError, match=message):
            half_dataset(data, first=10)
        assert len(np.unique(raw(half_dataset(data))[1])) == 10

    def test_names_the_first_of_many_classes_that_it_lacks(self):
        y = np.repeat(np.arange(200), 4)
        with pytest.raises(ValueError, match=r"none of classes 100, 101, .*, 119 and 80 more, "):
            half_dataset((np.zeros((800, 1)), y), first=8)

    def test_refuses_a_random_half_that_lacks_a_class(self):
        with pytest.raises(ValueError, match=r"has none of class 1, .* Use a larger dataset or another seed"):
            half_dataset((np.zeros((2, 1)), np.array([0, 1])), seed=3)

    def test_refuses_half_of_one(self):
        with pytest.raises(ValueError, match="There is no half of 1 example"):
            half_dataset((np.zeros((1, 1)), np.array([0])))

    @pytest.mark.parametrize("first", [0, -1, 101, True, 8.0, "64"])
    def test_refuses_what_is_no_size_of_a_batch(self, first):
        with pytest.raises(
            ValueError, match=r"first (must be a whole number|is a batch size, from 1 to 100)"
        ):
            half_dataset(pair(), first=first)

    def test_refuses_labels_that_are_no_classes(self):
        with pytest.raises(ValueError, match="numbers of classes"):
            half_dataset((np.zeros((4, 2)), np.linspace(0, 1, 4)))


class TestOtherTasks:
    """Where there are no classes, targets are permuted, each row as it is."""

    X = np.arange(40, dtype=np.float32).reshape(20, 2)
    Y = np.stack([np.arange(20) / 7, np.arange(20) % 2], axis=1).astype(np.float32)

    def test_random_labels_keep_how_targets_are_distributed_and_no_order(self):
        x, y = random_labels((self.X, self.Y), seed=1, task="regression")
        np.testing.assert_array_equal(x, self.X)
        np.testing.assert_array_equal(y[np.argsort(y[:, 0])], self.Y)
        assert (y != self.Y).any(axis=1).mean() > 0.5
        assert (random_labels((self.X, self.Y), seed=2, task="regression")[1] != y).any()

    def test_both_corruptions_are_one_after_the_other(self):
        found = corrupted((self.X, self.Y), seed=1, task="multi_label")
        expected = random_pixels(random_labels((self.X, self.Y), 1, task="multi_label"), 1)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize("first", [None, 4])
    def test_half_of_the_examples_asks_for_no_classes(self, first):
        x, y = half_dataset((self.X, self.Y), seed=3, first=first, task="regression")
        assert len(x) == len(y) == (10 if first is None else 8)
        np.testing.assert_array_equal(y, self.Y[np.isin(self.X[:, 0], x[:, 0])])

    def test_a_dataset_knows_its_task(self):
        numbers = Dataset(
            name="numbers",
            input_shape=(2,),
            num_classes=None,
            recipe=Recipe(model="mlp_4", epochs=1, augment=False, task="regression"),
            preprocessing=Preprocessing(1.0, (0.0,), (1.0,)),
            splits={"train": Examples(self.X, self.Y), "test": Examples(self.X, self.Y)},
        )
        np.testing.assert_array_equal(
            random_labels(numbers, seed=1).splits["train"].labels,
            random_labels((self.X, self.Y), seed=1, task="regression")[1],
        )
        assert len(half_dataset(corrupted(numbers)).splits["train"]) == 10

    def test_an_unknown_task_is_refused(self):
        with pytest.raises(ValueError, match="task='sorting' is unknown"):
            random_labels((self.X, self.Y), task="sorting")
