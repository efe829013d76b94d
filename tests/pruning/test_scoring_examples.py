"""The examples that scores look at: what data may be, and picking so many of each class."""

import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests.pruning import nets
from tf_tickets.pruning.scoring_examples import first_of_each_class, read_batches

X = np.arange(24, dtype="float32").reshape(12, 2)
Y = np.array([2, 0, 1, 0, 2, 2, 1, 0, 1, 1, 0, 2])


def dataset(size=5):
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(size)


def arrays(batches):
    return [tuple(part.numpy() for part in batch) for batch in batches]


class TestReading:
    def test_arrays_are_one_batch_in_their_order(self):
        ((x, y),) = arrays(read_batches((X, Y)))
        np.testing.assert_array_equal(x, X)
        np.testing.assert_array_equal(y, Y)

    @pytest.mark.parametrize(
        "data",
        [dataset(), list(dataset()), iter(dataset()), [(X[i : i + 5], Y[i : i + 5]) for i in (0, 5, 10)]],
        ids=["dataset", "list", "iterator", "list of arrays"],
    )
    def test_batches_stay_as_they_are_cut(self, data):
        assert [x.shape for x, _ in arrays(read_batches(data))] == [(5, 2), (5, 2), (2, 2)]

    def test_no_data_are_none(self):
        assert read_batches(None) is None

    def test_lists_within_a_batch_may_hold_structures(self):
        ((x, y, weight),) = read_batches(({"a": X, "b": X[:, :1]}, [Y, Y], np.ones(12)))
        assert set(x) == {"a", "b"} and len(y) == 2 and weight.shape == (12,)

    @pytest.mark.parametrize("data", ["cifar10", b"x", {"x": X}, X, tf.constant(X), 3])
    def test_what_is_no_data(self, data):
        with pytest.raises(
            TypeError, match=r"data= takes \(x, y\) arrays, a tf.data.Dataset of batches, or an"
        ):
            read_batches(data)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            ([], "data= holds no batch"),
            (dataset().take(0), "data= holds no batch"),
            (dataset().repeat(), r"endless dataset. Say how much of it: dataset.take\(batches\)"),
            ((X,), r"holds batches \(x, y\) or \(x, y, sample_weight\). Received: tuple of 1"),
            ([X], r"Received: ndarray"),
            (tf.data.Dataset.from_tensor_slices(X).batch(4), "Received: EagerTensor"),
            ((X, Y, Y, Y), "Received: tuple of 4"),
            ((X, Y[:5]), r"same number of examples, at least one. Received shapes: \[\(12, 2\), \(5,\)\]"),
            ((X[:0], Y[:0]), "same number of examples, at least one"),
            ((X, 3), "same number of examples, at least one"),
        ],
    )
    def test_what_is_refused(self, data, message):
        with pytest.raises(ValueError, match=message):
            read_batches(data)


class TestPickingByClass:
    @pytest.mark.parametrize("labels", [Y, Y[:, None], Y.astype("uint8")], ids=["flat", "column", "uint8"])
    @pytest.mark.parametrize("size", [1, 5, 12])
    def test_takes_the_first_of_each_sorted_by_class(self, labels, size):
        data = tf.data.Dataset.from_tensor_slices((X, labels)).batch(size)
        ((x, y),) = arrays(read_batches(data, samples_per_class=2))
        np.testing.assert_array_equal(x, X[[1, 3, 2, 6, 0, 4]])
        np.testing.assert_array_equal(y.ravel(), [0, 0, 1, 1, 2, 2])
        assert y.ndim == labels.ndim and y.dtype == labels.dtype

    def test_stops_reading_where_the_classes_are_known_and_complete(self):
        def batches():
            yield X[:5], Y[:5]
            raise AssertionError("read on")

        x, _ = first_of_each_class(batches(), 1, classes=[0, 1, 2])
        np.testing.assert_array_equal(x, X[[1, 2, 0]])

    def test_structures_are_picked_from_whole(self):
        x, _ = first_of_each_class([({"a": X, "b": -X}, Y)], 1)
        np.testing.assert_array_equal(x["b"], -X[[1, 2, 0]])

    def test_too_few_examples_of_a_class(self):
        with pytest.raises(ValueError, match=r"of class 0 there are only 4 examples \(and of 2 other"):
            read_batches((X, Y), 5)

    def test_a_class_that_does_not_occur(self):
        with pytest.raises(ValueError, match="samples_per_class=1: of class 3 there are only 0 examples"):
            first_of_each_class([(X, Y)], 1, classes=range(4))

    @pytest.mark.parametrize("count", [0, -1, 1.5, True, "2", np.float64(2)])
    def test_counts(self, count):
        with pytest.raises(ValueError, match=r"samples_per_class is a whole number, 1 or more. Received: "):
            read_batches((X, Y), count)

    @pytest.mark.parametrize("labels", [Y.astype("float32"), np.eye(3)[Y], np.eye(3, dtype=int)[Y]])
    def test_labels_that_name_no_class(self, labels):
        with pytest.raises(
            ValueError, match=r"picks by integer labels, one an example. Received: .* of shape"
        ):
            read_batches((X, labels), 1)

    @pytest.mark.slow
    def test_scores_see_the_picked_batch_alone(self):
        model = nets.functional((2, 4, 3))
        picked = first_of_each_class([(X, Y)], np.int64(2))
        nets.assert_same(
            tt.score(model, "snip", data=dataset(), samples_per_class=2), tt.score(model, "snip", data=picked)
        )


class TestClassesThatAreMissing:
    """Where so many of each class are picked, every class has to be there."""

    def test_in_the_middle(self):
        x, y = np.zeros((6, 6), "float32"), np.array([0, 0, 1, 1, 3, 3])
        with pytest.raises(ValueError, match="samples_per_class=2: of class 2 there are only 0 examples"):
            read_batches((x, y), samples_per_class=2)

    def test_at_the_end_where_the_model_has_it(self):
        model = nets.functional()
        x, y = np.zeros((4, 6), "float32"), np.array([0, 0, 1, 1])
        with pytest.raises(ValueError, match="samples_per_class=2: of class 2 there are only 0 examples"):
            tt.score(model, "snip", data=(x, y), samples_per_class=2)

    def test_labels_beyond_the_outputs(self):
        model = nets.functional()
        x, _ = nets.examples(model)
        with pytest.raises(ValueError, match=r"The loss of model .* cannot be computed: .*label"):
            tt.score(model, "snip", data=(x, np.full(len(x), 50)))
