"""Targets of the user's own: what they evidently are, what can be said instead, and how they are held."""

import numpy as np
import pytest
import tensorflow as tf

from tf_tickets import data
from tf_tickets.data.target_kinds import recognised_targets

CLASSES = np.array([0, 1, 2, 2, 1, 0])
ONE_HOT = np.eye(3)[CLASSES]
LABELS = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 0], [1, 0, 1], [0, 0, 1], [1, 1, 1]])
NUMBERS = np.array([0.5, 1.5, -2.0, 3.25, 0.0, 9.0])
ROWS = np.stack([NUMBERS, -NUMBERS], 1)


@pytest.mark.parametrize(
    ("y", "asked", "task", "shape", "note"),
    [
        (CLASSES, "auto", "classification", (6,), None),
        (CLASSES.astype(float), "auto", "classification", (6,), None),
        (CLASSES[:, None], "auto", "classification", (6,), None),
        (CLASSES > 0, "auto", "classification", (6,), None),
        (CLASSES.astype(str), "auto", "classification", (6,), "3 names"),
        (ONE_HOT, "auto", "classification", (6,), "one-hot rows of 3 classes"),
        (LABELS, "auto", "multi_label", (6, 3), "3 labels of 0 and 1"),
        (LABELS.astype(bool), "auto", "multi_label", (6, 3), "3 labels of 0 and 1"),
        (NUMBERS, "auto", "regression", (6, 1), "1 column of numbers, -2 to 9, as they are"),
        (NUMBERS[:, None], "auto", "regression", (6, 1), "1 column of numbers"),
        (ROWS, "auto", "regression", (6, 2), "2 columns of numbers, -9 to 9"),
        (CLASSES + 25.0, "auto", "regression", (6, 1), "whole numbers, 25 to 27.*--task=classification"),
        (CLASSES, "regression", "regression", (6, 1), "whole numbers, 0 to 2"),
        (ROWS.round().astype(int), "regression", "regression", (6, 2), "2 columns"),
        (ONE_HOT, "multi_label", "multi_label", (6, 3), "3 labels"),
        (CLASSES > 0, "multi_label", "multi_label", (6, 1), "1 label"),
        (CLASSES.astype(float), "classification", "classification", (6,), None),
    ],
)
def test_what_targets_evidently_are_or_are_said_to_be(y, asked, task, shape, note):
    found = recognised_targets("mine", y, y[::-1], asked)
    assert (found.task, found.train.shape) == (task, shape)
    assert (found.num_classes is not None) == (task == "classification")
    if task != "classification":
        assert found.train.dtype == np.float32
        np.testing.assert_array_equal(found.train, found.test[::-1])
    assert len(found.notes) == (note is not None)
    if note:
        assert (
            np.char.find(found.notes[0], note.split(".*")[0]) >= 0 and note.split(".*")[-1] in found.notes[0]
        )


@pytest.mark.parametrize(
    ("train", "test", "asked", "message"),
    [
        (
            13 * CLASSES,
            CLASSES,
            "auto",
            "Renumber the classes. If they are numbers to be met, say --task=reg",
        ),
        (NUMBERS, CLASSES, "auto", "y_train holds numbers, but y_test whole numbers"),
        (LABELS, ROWS, "auto", "y_train holds rows of 0 and 1, but y_test rows of numbers"),
        (NUMBERS, ROWS, "auto", "y_train holds numbers, but y_test rows of numbers"),
        (NUMBERS * np.nan, NUMBERS, "auto", "y_train holds NaN"),
        (NUMBERS, NUMBERS * 1e300, "auto", "y_test holds NaN, infinity, or values beyond float32"),
        (ROWS.astype(int), ROWS.astype(int), "auto", "may be this or that. Say --task=regression"),
        (NUMBERS, NUMBERS, "classification", "y_train holds numbers, and --task=classification takes names"),
        (ROWS, ROWS, "multi_label", "y_train holds rows of numbers, and --task=multi_label takes"),
        (CLASSES, CLASSES, "multi_label", "takes 0 and 1. Received in y_train: 0 to 2"),
        (CLASSES.astype(str), CLASSES.astype(str), "regression", "y_train holds names"),
        (ROWS, ROWS[:, :1].repeat(3, 1), "auto", "y_train has 2 columns, but y_test 3"),
    ],
)
def test_what_is_none_or_of_two_kinds_is_refused(train, test, asked, message):
    with pytest.raises(ValueError, match=message):
        recognised_targets("mine", train, test, asked)


def test_rows_of_which_some_are_not_one_hot_are_labels_in_both_parts():
    found = recognised_targets("mine", LABELS, ONE_HOT.astype(int))
    assert (found.task, found.test.shape) == ("multi_label", (6, 3))


X = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
Y = X[:, :2] * 3 + 100


def numbers():
    return (X, Y), (X[:20], Y[:20])


def one_number_as_batches():
    return tuple(tf.data.Dataset.from_tensor_slices((x, y[:, 0])).batch(7) for x, y in numbers())


def rows_one_by_one():
    return tuple(tf.data.Dataset.from_tensor_slices((x, y)) for x, y in numbers())


@pytest.mark.parametrize(
    ("function", "outputs"), [("numbers", 2), ("one_number_as_batches", 1), ("rows_one_by_one", 2)]
)
def test_a_dataset_holds_them_as_they_are(function, outputs):
    dataset = data.load(f"{__name__}:{function}", validation_fraction=0.25)
    assert (dataset.outputs, dataset.num_classes, dataset.recipe.task) == (outputs, None, "regression")
    assert [len(dataset.splits[split]) for split in ("train", "validation", "test")] == [45, 15, 20]
    together = np.concatenate([dataset.train[1], dataset.validation[1]])
    np.testing.assert_array_equal(np.sort(together, 0), np.sort(Y[:, :outputs], 0))
    _, y = next(iter(dataset.batches("test", 8)))
    assert (y.shape, y.dtype) == ((8, outputs), tf.float32)
    np.testing.assert_array_equal(y, Y[:8, :outputs])


def test_other_targets_are_another_dataset_and_classes_are_what_they_were(tmp_path):
    def fingerprint(y, task="auto"):
        np.savez(tmp_path / "mine.npz", x_train=X, y_train=y, x_test=X[:20], y_test=y[:20])
        return data.load(f"npz:{tmp_path / 'mine.npz'}", task=task).fingerprint

    classes = np.arange(60) % 3
    assert fingerprint(classes) == fingerprint(classes.astype(float)) == fingerprint(np.eye(3)[classes])
    found = {fingerprint(classes), fingerprint(classes, "regression"), fingerprint(Y), fingerprint(Y + 1)}
    assert len(found) == 4


def test_a_dataset_of_classes_takes_no_other_task():
    with pytest.raises(
        ValueError, match="task='regression' means nothing to digits, whose labels are classes"
    ):
        data.load("digits", task="regression")
    with pytest.raises(ValueError, match=r"task=.sorting. is unknown"):
        data.load(f"{__name__}:numbers", task="sorting")
    assert data.load("digits", task="classification").fingerprint == data.load("digits").fingerprint
