"""Reading variables as arrays: the same bits, a copy, and no warning."""

import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.replicas import two_replicas
from tf_tickets.layers import scope_of, value_of
from tf_tickets.layers.variables import unlocked

VALUES = {
    "float32": np.array([[1.5, -0.0], [np.inf, np.nan]]),
    "float64": np.array([0.1, 1e-300]),
    "bfloat16": np.array([1.0, 3.140625, -2e38]),
    "float16": np.array([0.1, 65504.0]),
    "bool": np.array([True, False, True]),
    "int64": np.array(2**40),
}


def bits(array):
    return array.dtype.name, array.shape, array.tobytes()


@pytest.fixture
def strict():
    """No warning of NumPy 2 is let through: `np.array(variable)` gives one."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("dtype", VALUES)
@pytest.mark.parametrize("mirrored", [False, True], ids=["alone", "mirrored"])
class TestValueOf:
    def variable(self, dtype, mirrored):
        with (two_replicas() if mirrored else tf.distribute.get_strategy()).scope():
            return keras.Variable(VALUES[dtype], dtype=dtype, trainable=False)

    def test_is_what_numpy_makes_of_the_variable(self, dtype, mirrored):
        variable = self.variable(dtype, mirrored)
        found = value_of(variable)
        assert isinstance(found, np.ndarray) and found.dtype.name == dtype
        expected = VALUES[dtype].astype(found.dtype)
        for own in (variable, variable.value, tf.convert_to_tensor(variable)):
            assert bits(value_of(own)) == bits(expected)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert bits(np.array(variable)) == bits(expected)

    def test_is_an_array_of_its_own(self, dtype, mirrored):
        variable = self.variable(dtype, mirrored)
        found = value_of(variable)
        before = bits(found)
        variable.assign(np.zeros(found.shape, found.dtype))
        assert bits(found) == before
        found[...] = 1  # writable, and nothing of the variable's
        assert not value_of(variable).any()


@pytest.mark.parametrize("aggregation, expected", [("mean", 1.5), ("sum", 3.0), ("only_first_replica", 1.0)])
def test_what_replicas_hold_each_for_itself_is_read_by_its_own_rule(aggregation, expected):
    strategy = two_replicas()
    with strategy.scope():
        variable = keras.Variable(0.0, trainable=False, synchronization="on_read", aggregation=aggregation)

    def number():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        variable.value.assign(tf.cast(replica, tf.float32) + 1)

    strategy.run(tf.function(number))
    assert value_of(variable) == expected == np.asarray(variable)


def test_half_precision_is_read_as_it_is_stored_and_in_a_scope_as_it_is_computed_with():
    layer = keras.layers.Dense(2, dtype="mixed_bfloat16")
    layer.build((None, 3))
    assert value_of(layer.kernel).dtype == "float32"
    with keras.src.backend.AutocastScope("bfloat16"):
        assert value_of(layer.kernel).dtype.name == np.asarray(layer.kernel).dtype.name == "bfloat16"


def test_variables_made_in_the_scope_of_another_are_mirrored_as_it_is():
    strategy = two_replicas()
    with strategy.scope():
        mirrored = keras.Variable(1.0)
    with scope_of(mirrored):
        assert len(strategy.experimental_local_results(keras.Variable(2.0).value)) == 2
    with scope_of(keras.Variable(1.0)):
        assert not tf.distribute.has_strategy()


def test_a_built_layer_takes_in_a_variable_only_while_it_is_unlocked():
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    with unlocked(layer):
        layer.add_weight(name="extra", shape=())
    with pytest.raises(ValueError, match="cannot add new elements of state"):
        layer.add_weight(name="more", shape=())
