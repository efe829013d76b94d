"""BatchNormalization: exact to second order, PyTorch's moving statistics, the rest as Keras."""

import contextlib
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import smallnet
from tests.replicas import two_replicas
from tf_tickets.layers import BatchNormalization, differentiated_twice

PRECISION = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 1e-5, "float64": 1e-13}


def images(shape=(6, 5, 4, 3), seed=0):
    return np.random.default_rng(seed).normal(2.0, 3.0, shape)


def built(shape=(None, 5, 4, 3), **arguments):
    """A layer whose gamma and beta are not trivial."""
    layer = BatchNormalization(**arguments)
    layer.build(shape)
    generator = np.random.default_rng(1)
    for variable in layer.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    return layer


def hessian_vector_product(layer, x, vector):
    x, vector = tf.convert_to_tensor(x), tf.convert_to_tensor(vector)
    with tf.GradientTape() as outer:
        outer.watch(x)
        product = tf.reduce_sum(gradient(layer, x) * vector)
    return outer.gradient(product, x).numpy()


def gradient(layer, x):
    """Of a loss that is curved in the layer's output."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(tf.sin(layer(x, training=True)))
    return tape.gradient(loss, x)


def by_differences(layer, x, vector, step=1e-6):
    above, below = (gradient(layer, tf.constant(x + sign * step * vector)) for sign in (1, -1))
    return ((above - below) / (2 * step)).numpy()


def kernels(layer, x):
    """Names of the operations that a training step runs."""
    call = tf.function(lambda x: layer(x, training=True)).get_concrete_function(x)
    return {operation.type for operation in call.graph.get_operations()}


def relative_error(value, reference):
    return np.abs(value - reference).max() / np.abs(reference).max()


class TestSecondDerivatives:
    @pytest.mark.parametrize("shape", [(6, 5, 4, 3), (8, 3), (4, 5, 3)])
    def test_are_those_of_finite_differences(self, shape):
        layer = built(shape, dtype="float64")
        x, vector = images(shape), images(shape, seed=7)
        expected = by_differences(layer, x, vector)
        assert relative_error(hessian_vector_product(layer, x, vector), expected) < 1e-6

    def test_of_the_fused_kernel_are_those_of_plain_moments(self):
        x, vector = images(), images(seed=7)
        plain, fused = built(dtype="float64"), built(dtype="float32")
        expected = hessian_vector_product(plain, x, vector)
        actual = hessian_vector_product(fused, x.astype("float32"), vector.astype("float32"))
        assert relative_error(actual, expected) < 1e-4

    def test_of_the_stock_layer_are_wrong(self):
        """Why this layer exists. Should it fail, Keras no longer stops the gradient of the mean."""
        x, vector = images(), images(seed=7)
        stock = keras.layers.BatchNormalization(epsilon=1e-5, dtype="float64")
        stock.build(x.shape)
        expected = by_differences(stock, x, vector)
        assert relative_error(hessian_vector_product(stock, x, vector), expected) > 1e-3

    def test_of_the_stock_layer_are_all_that_is_wrong(self):
        layer, x = built(dtype="float64"), tf.constant(images())
        expected = gradient(layer, x)
        layer.__class__ = keras.layers.BatchNormalization
        assert relative_error(gradient(layer, x), expected) < 1e-12


class TestTraining:
    @pytest.mark.parametrize("dtype", PRECISION)
    def test_normalizes_with_the_moments_of_the_batch(self, dtype):
        policy = dtype if dtype in ("float32", "float64") else f"mixed_{dtype}"
        layer = built(dtype=policy)
        x = tf.cast(images(), dtype)
        outputs = layer(x, training=True)

        exact = x.numpy().astype("float64")
        expected = (exact - exact.mean((0, 1, 2))) / np.sqrt(exact.var((0, 1, 2)) + 1e-5)
        expected = expected * layer.gamma.numpy() + layer.beta.numpy()
        assert outputs.dtype == dtype
        assert relative_error(outputs.numpy().astype("float64"), expected) < 2 * PRECISION[dtype]

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_has_gradients_in_half_precision(self, dtype):
        x = tf.cast(images(), dtype)
        actual = gradient(built(dtype=f"mixed_{dtype}"), x)
        expected = gradient(built(dtype="float64"), tf.cast(x, "float64"))
        assert actual.dtype == dtype
        assert relative_error(actual.numpy().astype("float64"), expected) < 4 * PRECISION[dtype]

    @pytest.mark.slow
    def test_runs_the_fused_kernel_on_images(self):
        for policy in ("float32", "mixed_float16", "mixed_bfloat16"):
            x = tf.cast(images(), keras.DTypePolicy(policy).compute_dtype)
            assert "FusedBatchNormV3" in kernels(built(dtype=policy), x)
        assert "FusedBatchNormV3" not in kernels(built(dtype="float64"), tf.constant(images()))

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_moves_the_statistics_by_the_mean_and_the_unbiased_variance(self, dtype):
        layer = built(dtype=dtype, momentum=0.8)
        layer.moving_mean.assign([1.0, 2.0, 3.0])
        layer.moving_variance.assign([4.0, 5.0, 6.0])
        x = images().astype(dtype)
        layer(x, training=True)

        exact = x.astype("float64")
        mean = 0.8 * np.array([1, 2, 3]) + 0.2 * exact.mean((0, 1, 2))
        variance = 0.8 * np.array([4, 5, 6]) + 0.2 * exact.var((0, 1, 2), ddof=1)
        np.testing.assert_allclose(layer.moving_mean, mean, rtol=PRECISION[dtype])
        np.testing.assert_allclose(layer.moving_variance, variance, rtol=PRECISION[dtype])

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    @pytest.mark.parametrize("momentum", [0.0, 1.0])
    def test_takes_the_extreme_momenta(self, momentum, dtype):
        layer = built(dtype=dtype, momentum=momentum)
        x = images().astype(dtype)
        layer(x, training=True)
        expected = x.var((0, 1, 2), ddof=1) if momentum == 0 else np.ones(3)
        np.testing.assert_allclose(layer.moving_variance, expected, rtol=1e-5)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_one_value_per_channel_has_no_variance(self, dtype):
        layer = built((None, 1, 1, 3), dtype=dtype)
        layer(images((1, 1, 1, 3)).astype(dtype), training=True)
        np.testing.assert_allclose(layer.moving_variance, [0.9, 0.9, 0.9], rtol=1e-6)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_an_empty_batch_leaves_the_statistics(self, dtype):
        layer = built(dtype=dtype)

        @tf.function(input_signature=[tf.TensorSpec((None, 5, 4, 3), dtype)])
        def call(x):
            return layer(x, training=True)

        call(images().astype(dtype))
        before = layer.moving_mean.numpy(), layer.moving_variance.numpy()
        call(np.zeros((0, 5, 4, 3), dtype))
        np.testing.assert_array_equal(layer.moving_mean, before[0])
        np.testing.assert_array_equal(layer.moving_variance, before[1])

    @pytest.mark.parametrize(("center", "scale"), [(True, False), (False, True), (False, False)])
    def test_goes_without_gamma_or_beta(self, center, scale):
        x = images()
        fused = built(center=center, scale=scale)
        plain = built(center=center, scale=scale, dtype="float64")
        actual = fused(x.astype("float32"), training=True)
        np.testing.assert_allclose(actual, plain(x, training=True), atol=1e-4)

    def test_normalizes_another_axis(self):
        first, last = built((None, 3, 5, 4), axis=1), built()
        x = images().astype("float32")
        actual = first(np.moveaxis(x, -1, 1), training=True)
        np.testing.assert_allclose(np.moveaxis(actual, 1, -1), last(x, training=True), atol=1e-4)
        np.testing.assert_allclose(first.moving_variance, last.moving_variance, rtol=1e-5)

    def test_agrees_with_the_papers_code_on_the_small_net(self):
        model, (x, _) = smallnet.build("float64"), smallnet.batch("float64")
        reference = smallnet.fixture("smallnet_forward")
        logits = model(x, training=True)
        np.testing.assert_allclose(logits, reference["float64/train/logits"], atol=1e-13)
        for name in smallnet.NORMALIZATIONS:
            layer = model.get_layer(name)
            mean = reference[f"float64/train/after_running_mean/{name}"]
            variance = reference[f"float64/train/after_running_var/{name}"]
            np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-12)
            np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-12)


class TestAsInKeras:
    def pair(self, **arguments):
        ours = built(epsilon=1e-3, momentum=0.99, **arguments)
        stock = keras.layers.BatchNormalization(**arguments)
        stock.build((None, 5, 4, 3))
        stock.set_weights(ours.get_weights())
        return ours, stock

    def test_inference(self):
        ours, stock = self.pair()
        x = images().astype("float32")
        np.testing.assert_array_equal(ours(x, training=False), stock(x, training=False))

    def test_a_frozen_layer_is_in_inference(self):
        ours, stock = self.pair()
        ours.trainable = False
        x = images().astype("float32")
        np.testing.assert_array_equal(ours(x, training=True), stock(x, training=False))
        np.testing.assert_array_equal(ours.moving_mean, [0, 0, 0])

    def test_masked_examples_do_not_count(self):
        ours, stock = self.pair()
        x, mask = images().astype("float32"), np.arange(6 * 5 * 4).reshape(6, 5, 4) % 3 > 0
        actual, expected = (layer(x, training=True, mask=mask) for layer in (ours, stock))
        np.testing.assert_array_equal(actual, expected)
        np.testing.assert_array_equal(ours.moving_variance, stock.moving_variance)

    @pytest.mark.parametrize("argument", ["renorm", "synchronized"])
    def test_its_variants(self, argument):
        if argument not in inspect.signature(keras.layers.BatchNormalization).parameters:
            pytest.skip(f"Keras {keras.__version__} has no {argument}.")
        ours, stock = self.pair(**{argument: True})
        x = images().astype("float32")
        np.testing.assert_array_equal(ours(x, training=True), stock(x, training=True))

    def test_state(self):
        ours, stock = self.pair()
        ours(images().astype("float32"), training=True)
        stock(images().astype("float32"), training=True)
        assert vars(ours).keys() == vars(stock).keys()
        assert [v.name for v in ours.variables] == [v.name for v in stock.variables]

    def test_turns_into_the_stock_layer(self):
        ours = built()
        x = images().astype("float32")
        ours(x, training=True)
        expected = ours(x, training=False)
        ours.__class__ = keras.layers.BatchNormalization
        np.testing.assert_array_equal(ours(x, training=False), expected)

    def test_stateless_call_leaves_no_trace(self):
        layer = built()
        x = images().astype("float32")
        before = layer.get_weights()
        variables = layer.trainable_variables, layer.non_trainable_variables
        _, moved = layer.stateless_call(*variables, x, training=True)
        for variable, value in zip(layer.get_weights(), before, strict=True):
            np.testing.assert_array_equal(variable, value)
        np.testing.assert_allclose(moved[0], 0.1 * x.mean((0, 1, 2)), rtol=1e-5)


def test_defaults_are_the_papers():
    layer = BatchNormalization()
    assert (layer.axis, layer.momentum, layer.epsilon) == (-1, 0.9, 1e-5)


def test_survives_saving(tmp_path):
    model = keras.Sequential([keras.Input((5, 4, 3)), BatchNormalization(name="bn")])
    x = images().astype("float32")
    model(x, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.get_layer("bn")) is BatchNormalization
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.slow
def test_each_replica_keeps_the_statistics_of_its_own_examples():
    strategy = two_replicas()
    with strategy.scope():
        layer = built(dtype="float32")

    @tf.function
    def train(x):
        return strategy.run(lambda x: layer(x, training=True), args=(x,))

    x = images((4, 5, 4, 3)).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices(x).batch(4)
    for batch in strategy.experimental_distribute_dataset(dataset):
        train(batch)
    parts = strategy.experimental_local_results(layer.moving_variance.value)
    for part, own in zip(parts, (x[:2], x[2:]), strict=True):
        np.testing.assert_allclose(part, 0.9 + 0.1 * own.var((0, 1, 2), ddof=1), rtol=1e-5)
    np.testing.assert_array_equal(layer.moving_variance, parts[0])


class TestDifferentiatedTwice:
    """The cheap second derivative of the fused kernel, by all that it depends on."""

    def products(self, layer, x, vectors, twice):
        """Hessian products by images, gamma and beta, of a loss that is curved in the outputs."""
        x = tf.constant(x, layer.compute_dtype)
        watched = [x, layer.gamma.value, layer.beta.value]
        vectors = [tf.constant(vector, x.dtype) for vector in vectors]
        with tf.GradientTape() as outer:
            outer.watch(watched)
            with tf.GradientTape() as inner:
                inner.watch(watched)
                with differentiated_twice() if twice else contextlib.nullcontext():
                    loss = tf.reduce_sum(tf.sin(layer(x, training=True)))
            product = tf.add_n(
                [tf.reduce_sum(g * v) for g, v in zip(inner.gradient(loss, watched), vectors, strict=True)]
            )
        return [part.numpy() for part in outer.gradient(product, watched)]

    @pytest.mark.slow
    @pytest.mark.parametrize("directions", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)])
    def test_is_that_of_plain_moments(self, directions):
        x = images((16, 5, 4, 3))
        rng = np.random.default_rng(2)
        vectors = [
            scale * rng.normal(size=shape) for scale, shape in zip(directions, (x.shape, 3, 3), strict=True)
        ]
        plain, fused = built(dtype="float64"), built()
        expected = self.products(plain, x, vectors, twice=False)
        for actual, part in zip(self.products(fused, x, vectors, twice=True), expected, strict=True):
            np.testing.assert_allclose(actual, part, atol=2e-5 * max(np.abs(part).max(), 1))

    def test_leaves_outputs_and_moving_statistics_as_they_are(self):
        x = images().astype("float32")
        one, other = built(), built()
        expected = one(x, training=True)
        with differentiated_twice():
            actual = other(x, training=True)
        np.testing.assert_array_equal(actual, expected)
        for a, b in zip(one.variables, other.variables, strict=True):
            np.testing.assert_array_equal(a, b)
