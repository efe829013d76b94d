"""Datasets of the user's own: what a function returns is taken as the arrays of a file are."""

import numpy as np
import pytest
import tensorflow as tf

from tests.data.formats import labelled_bytes
from tf_tickets import data

X, Y = labelled_bytes(20, (6, 6, 1), 3, seed=0)
X_TEST, Y_TEST = labelled_bytes(8, (6, 6, 1), 3, seed=1)


def pairs():
    return (X, Y), (X_TEST, Y_TEST)


def lists():
    return [[X.tolist(), Y.tolist()], [X_TEST.tolist(), Y_TEST.tolist()]]


def mapping():
    return {"x_train": X, "y_train": Y, "x_test": X_TEST, "y_test": Y_TEST, "more": 1}


def objects():
    names = np.array(["a", "b", "c"], object)
    return (X, names[Y]), (X_TEST, names[Y_TEST])


def batched():
    return tuple(tf.data.Dataset.from_tensor_slices(part).batch(3) for part in pairs())


def single():
    return tuple(tf.data.Dataset.from_tensor_slices(part) for part in pairs())


def endless():
    return single()[0].repeat(), single()[1]


def broken():
    raise OSError("no network")


def one():
    return X, Y


@pytest.mark.parametrize("function", ["pairs", "lists", "mapping", "objects", "batched", "single"])
def test_is_one_dataset_however_it_comes(function):
    found = data.load(f"{__name__}:{function}")
    assert found.fingerprint == data.load(f"{__name__}:pairs").fingerprint
    assert (found.input_shape, found.num_classes) == ((6, 6, 1), 3)


def test_is_normalised_as_a_file_is(tmp_path):
    np.savez(tmp_path / "same.npz", **{k: v for k, v in mapping().items() if k != "more"})
    file, own = data.load(f"npz:{tmp_path / 'same.npz'}"), data.load(f"{__name__}:pairs")
    assert file.fingerprint == own.fingerprint and file.preprocessing == own.preprocessing


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("endless", "has no end. Say by take"),
        ("broken", "failed: OSError: no network"),
        ("one", r"is to return \(\(x_train, y_train\), \(x_test, y_test\)\)"),
        ("missing", "has no missing to import"),
    ],
)
def test_what_is_none_is_refused(function, message):
    with pytest.raises(ValueError, match=message):
        data.load(f"{__name__}:{function}")
