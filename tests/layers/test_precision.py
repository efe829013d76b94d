"""Computing in another precision than a model's own: what comes out, and that nothing stays behind."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests.nets import NETS, build, inputs_of
from tf_tickets.layers import computing_in

MIXED = {"mixed_float16": 1e-5, "mixed_bfloat16": 1e-5}


def called(model, x):
    return np.asarray(model(x, training=False))


def policies(model):
    return [(layer, layer.dtype_policy, layer.compute_dtype) for layer in model._flatten_layers()]


@pytest.fixture
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("masked", [False, True])
def test_float64_outputs_are_the_models_own_but_for_rounding(name, masked):
    model = build(name)
    if masked:
        tt.mask_layers(model)
    x, _ = inputs_of(model)
    own, before = called(model, x), policies(model)
    with computing_in(model, "float64"):
        exact = called(model, x)
    assert exact.dtype == "float64" and own.dtype == "float32"
    assert 0 < np.abs(exact - own).max() < 1e-5
    assert policies(model) == before
    np.testing.assert_array_equal(called(model, x), own)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("policy", MIXED, indirect=True)
def test_none_computes_a_mixed_model_in_the_dtype_of_its_variables(name, policy):
    model = build(name)
    x, _ = inputs_of(model)
    own = called(model, x)
    with computing_in(model, None):
        single = called(model, x)
    with computing_in(model, "float64"):
        exact = called(model, x)
    assert (single.dtype, exact.dtype) == ("float32", "float64")
    assert np.abs(single - exact).max() < MIXED[policy]
    np.testing.assert_array_equal(called(model, x), own)


def test_none_leaves_a_float32_model_at_float32():
    model = build("functional")
    x, _ = inputs_of(model)
    own = called(model, x)
    with computing_in(model, None):
        np.testing.assert_array_equal(called(model, x), own)


@pytest.mark.parametrize("name", ["nested", "attention"])
def test_gradients_are_float64_to_the_last_digits(name):
    model = build(name)
    x = inputs_of(model)[0].astype("float64")
    values = [tf.cast(v, "float64") for v in model.trainable_variables]

    def loss(values):
        scope = keras.StatelessScope(initialize_variables=False)
        # The constructor would round the values to the variables' dtype.
        scope.state_mapping |= {
            id(v): value for v, value in zip(model.trainable_variables, values, strict=True)
        }
        with computing_in(model, "float64"), scope:
            return tf.reduce_sum(tf.sin(model(x, training=False)))

    with tf.GradientTape() as tape:
        tape.watch(values)
        total = loss(values)
    gradient = tape.gradient(total, values)
    step = 1e-6
    rng = np.random.default_rng(0)
    direction = [rng.normal(size=value.shape) for value in values]
    ahead, behind = (loss([v + s * d for v, d in zip(values, direction, strict=True)]) for s in (step, -step))
    slope = sum(np.sum(g * d) for g, d in zip(gradient, direction, strict=True))
    np.testing.assert_allclose((ahead - behind) / (2 * step), slope, rtol=1e-7)


def test_own_policies_come_back_after_an_error():
    model = build("nested")
    before = policies(model)
    dtypes = [tensor.dtype for tensor in model.inputs]
    with pytest.raises(RuntimeError, match="stop"), computing_in(model, "float64"):
        raise RuntimeError("stop")
    assert policies(model) == before
    assert [tensor.dtype for tensor in model.inputs] == dtypes


def test_a_policy_map_is_left_as_it_was():
    policies_of = keras.dtype_policies.DTypePolicyMap(default_policy="mixed_float16")
    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.layers.Dense(3, dtype=policies_of)(inputs))
    layer = model.layers[-1]
    with computing_in(model, "float64"):
        assert called(model, np.ones((2, 6))).dtype == "float64"
    assert layer.dtype_policy is policies_of and not len(policies_of)
    assert layer.compute_dtype == "float16"


def test_integers_stay_integers():
    inputs = keras.Input((4,), dtype="int32")
    x = keras.layers.Embedding(5, 3)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    with computing_in(model, "float64"):
        assert model.inputs[0].dtype == "int32"
        assert called(model, np.ones((2, 4), "int32")).dtype == "float64"
