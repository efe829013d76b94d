"""Models of the user's own: what a function returns, and `.keras` files."""

import keras
import numpy as np
import pytest

from tf_tickets import models

SHAPE, CLASSES = (5,), 3


def net(input_shape, num_classes, seed):
    return keras.Sequential(
        [keras.Input(input_shape), keras.layers.Dense(4), keras.layers.Dense(num_classes)]
    )


def wide(input_shape, num_classes, seed, width):
    return keras.Sequential(
        [keras.Input(input_shape), keras.layers.Dense(int(4 * width)), keras.layers.Dense(num_classes)]
    )


class Own(keras.Model):
    def __init__(self, classes):
        super().__init__()
        self.hidden, self.head = keras.layers.Dense(4), keras.layers.Dense(classes)

    def call(self, x):
        return self.head(self.hidden(x))


def subclassed(input_shape, num_classes, seed):
    return Own(num_classes)


def of_two(input_shape, num_classes, seed):
    return net(input_shape, 2, seed)


def no_model(input_shape, num_classes, seed):
    return "a model"


def no_arguments():
    return net(SHAPE, CLASSES, 0)


def build(function, **options):
    return models.build(f"{__name__}:{function}", SHAPE, CLASSES, **options)


@pytest.mark.parametrize("function", ["net", "subclassed"])
def test_a_function_makes_it(function):
    model = build(function)
    assert model.built and model.count_params() == 5 * 4 + 4 + 4 * 3 + 3


def test_what_it_does_not_seed_is_drawn_from_the_seed():
    one, same, other = (build("net", seed=seed).get_weights()[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_width_is_handed_over_to_a_function_that_has_one():
    assert build("wide", width=2.0).layers[0].units == 8
    with pytest.raises(ValueError, match=r"has one width only.* Received: width=2\.0"):
        build("net", width=2.0)


def numbers(input_shape, outputs, seed):
    return net(input_shape, outputs, seed)


def test_a_function_may_call_its_classes_outputs():
    one, other = build("numbers"), build("net")
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("of_two", r"its output for two examples is to have the shape \(2, 3\).* Received: \(2, 2\)"),
        ("no_model", "is to return"),
        ("no_arguments", r"is called as \(input_shape, num_classes, seed\) -> keras.Model, and cannot be"),
        ("missing", "has no missing to import"),
        ("SHAPE", "is no function but tuple"),
    ],
)
def test_what_is_no_model_of_the_task_is_refused(function, message):
    with pytest.raises(ValueError, match=message):
        build(function)


def test_a_file_holds_one_with_its_weights(tmp_path):
    model = net(SHAPE, CLASSES, 0)
    model.save(tmp_path / "mine.keras")
    found = models.build(str(tmp_path / "mine.keras"), SHAPE, CLASSES, seed=3)
    np.testing.assert_array_equal(found.get_weights()[0], model.get_weights()[0])
    with pytest.raises(ValueError, match="is to have the shape"):
        models.build(str(tmp_path / "mine.keras"), SHAPE, 4)
    (tmp_path / "none.keras").write_text("words")
    with pytest.raises(ValueError, match="cannot be loaded"):
        models.build(str(tmp_path / "none.keras"), SHAPE, CLASSES)
    with pytest.raises(FileNotFoundError, match="no such file"):
        models.build("nowhere.keras", SHAPE, CLASSES)


def test_layers_have_the_names_of_a_new_process():
    """Tables of several runs of one process would have rows for each otherwise."""
    keras.layers.Dense(2)
    first, second = (build("net") for _ in range(2))
    paths = [weight.path for weight in first.weights]
    assert paths == [weight.path for weight in second.weights]
    assert paths[0] == "sequential/dense/kernel"
    count = int(keras.layers.Dense(2).name.rpartition("_")[2])
    assert keras.layers.Dense(2).name == f"dense_{count + 1}"  # which goes on as it was
