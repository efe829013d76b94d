"""Accuracy of what was written, beside the model's, where there are labels that are classes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.exporting.test_exporting import RUN, SUFFIX, needs
from tf_tickets.exporting.answers import are_classes, hits
from tf_tickets.exporting.samples import batches_of

pytestmark = pytest.mark.usefixtures("untold")


class TestOfAnExport:
    """The last unit of the model is moved until some answers are right, and some wrong."""

    def test_is_that_of_the_model_where_nothing_is_rounded(self, tmp_path):
        model = nets.hide(nets.build("sequential"))
        x, _ = nets.inputs_of(model, 250)
        found = nets.outputs(model, x).argmax(-1)
        labels = np.where(np.arange(250) % 5 == 0, (found + 1) % 3, found)  # a fifth is wrong
        for data in ((x, labels), tf.data.Dataset.from_tensor_slices((x, labels)).batch(32)):
            written = tt.export(model, tmp_path / "m.keras", overwrite=True, data=data)
            assert (written.accuracy, written.model_accuracy) == (0.8, 0.8)
            assert "accuracy 0.8000, the model's 0.8000" in repr(written)

    @pytest.mark.slow
    @pytest.mark.parametrize("format", SUFFIX)
    def test_goes_by_the_names_of_several_inputs(self, format, tmp_path):
        """In every format, and with labels of which a fifth is wrong."""
        needs(format)
        inputs = {name: keras.Input((2,), name=name) for name in ("b", "a")}
        outputs = keras.layers.Subtract()([inputs["b"], inputs["a"]])
        model = keras.Model(inputs, keras.layers.Dense(2, kernel_initializer="identity")(outputs))
        rng = np.random.default_rng(0)
        x = {name: rng.normal(size=(10, 2)).astype("float32") for name in inputs}
        labels = (x["b"] - x["a"]).argmax(-1)
        labels[::5] = 1 - labels[::5]
        path = tmp_path / f"m{SUFFIX[format]}"
        written = tt.export(model, path, format, data=(x, labels), allow_dense=True)
        assert (written.accuracy, written.model_accuracy) == (0.8, 0.8)

    @pytest.mark.slow
    def test_of_integers_is_measured_with_them(self, tmp_path):
        model = nets.hide(nets.build("functional"))
        x, _ = nets.inputs_of(model, 200)
        labels = keras.utils.to_categorical(nets.outputs(model, x).argmax(-1), 3)
        written = tt.export(model, tmp_path / "m.tflite", quantize="int8", data=(x, labels))
        assert written.model_accuracy == 1
        right = RUN["litert"](written, x).argmax(-1) == labels.argmax(-1)
        assert written.accuracy == right.mean()

    @pytest.mark.slow
    def test_is_none_without_labels_or_classes(self, tmp_path):
        model = nets.hide(nets.build("sequential"))
        x, _ = nets.inputs_of(model)
        for data in (x, (x, x[:, :3]), tf.data.Dataset.from_tensor_slices(x).batch(4)):
            written = tt.export(model, tmp_path / "m.keras", overwrite=True, data=data)
            assert written.accuracy is written.model_accuracy is None
            assert "accuracy" not in repr(written)

    def test_is_not_sought_to_the_end_of_endless_data(self, tmp_path):
        model = nets.hide(nets.build("sequential"))
        endless = tf.data.Dataset.from_tensor_slices(nets.inputs_of(model)).batch(4).repeat()
        with pytest.raises(ValueError, match=r"data= has no end. .*take"):
            tt.export(model, tmp_path / "m.keras", data=endless)
        assert list(tmp_path.iterdir()) == []


class TestLabels:
    def test_are_classes_as_numbers_or_one_hot(self):
        outputs = np.zeros((4, 3))
        assert are_classes(outputs, np.array([0, 1, 2, 0]))
        assert are_classes(outputs, np.array([[0], [1], [2], [0]]))
        assert are_classes(outputs, np.eye(3)[[0, 1, 2, 0]])
        assert are_classes(np.zeros((2, 5, 3)), np.zeros((2, 5), int))  # of each step

    @pytest.mark.parametrize(
        ("outputs", "labels"),
        [((4, 3), np.zeros(4)), ((4, 1), np.zeros(4, int)), ((4, 3), np.full((4, 3), 0.5)), ((4,), [0, 1])],
    )
    def test_are_numbers_of_another_kind(self, outputs, labels):
        assert not are_classes(np.zeros(outputs), np.asarray(labels))

    def test_are_met_by_the_largest_output(self):
        outputs = np.array([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
        assert hits(outputs, np.array([1, 2])).tolist() == [True, False]
        assert hits(outputs, np.eye(3)[[1, 2]]).tolist() == [True, False]

    def test_are_apart_from_two_inputs(self):
        a, b = keras.Input((2,)), keras.Input((2,))
        one, two = keras.Model(a, a), keras.Model([a, b], keras.layers.Add()([a, b]))
        x, y = np.zeros((3, 2)), np.ones(3)
        assert [labels is None for _, labels in batches_of(one, (x, y))] == [False]
        assert [labels is None for _, labels in batches_of(two, (x, x))] == [True]
        assert [labels is None for _, labels in batches_of(two, ([x, x], y))] == [False]
