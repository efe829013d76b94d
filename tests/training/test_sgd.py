"""SGD: the papers' update to the last digit, and everything else as Keras has it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests import smallnet
from tests.replicas import two_replicas
from tf_tickets.training.sgd import SGD

TORCH_NAMES = {
    "kernel": "weight",
    "gamma": "weight",
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


@pytest.fixture
def float64_rate():
    """Learning rates are variables of Keras's float type; 0.1 in float32 is off by 1.5e-9."""
    before, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(policy)


def by_hand(w, gradients, rate, momentum=0.0, decay=0.0, nesterov=False):
    """The update of the class's docstring, in NumPy."""
    velocity = np.zeros_like(w)
    for gradient in gradients:
        g = gradient + decay * w
        velocity = momentum * velocity + g
        w = w - rate * (g + momentum * velocity if nesterov else velocity)
    return w


def gradients_for(shape, steps=4, seed=0):
    return np.random.default_rng(seed).normal(size=(steps, *shape))


def apply_all(optimizer, variable, gradients):
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient, variable.dtype)], [variable])
    return variable.numpy()


@pytest.mark.slow
def test_follows_the_papers_code_over_a_drop_of_the_rate(float64_rate):
    model, (x, y) = smallnet.build("float64"), smallnet.batch("float64")
    reference = smallnet.fixture("masked_sgd_trajectory")
    masks = smallnet.masks("snip_float64", 0.5)
    kernels = {id(model.get_layer(name).kernel): mask for name, mask in masks.items()}
    for name, mask in masks.items():
        model.get_layer(name).kernel.assign(model.get_layer(name).kernel * mask)
    optimizer = SGD(0.1, momentum=0.9, weight_decay=1e-4)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    for step in range(8):
        if step == 5:
            optimizer.learning_rate = 0.1 * 0.1
        with tf.GradientTape() as tape:
            loss = cross_entropy(y[step % 2 :: 2], model(x[step % 2 :: 2], training=True))
        variables = model.trainable_variables
        gradients = tape.gradient(loss, variables)
        masked = [g * kernels.get(id(v), 1.0) for g, v in zip(gradients, variables, strict=True)]
        optimizer.apply(masked, variables)

        np.testing.assert_allclose(loss, reference["float64/loss"][step], rtol=1e-12)
        for layer in model.layers:
            for variable in layer.variables:
                key = f"keras/float64/step{step + 1}/{layer.name}/{TORCH_NAMES[variable.name]}"
                np.testing.assert_allclose(variable, reference[key], rtol=0, atol=1e-12)
    logits = model(x, training=False)
    np.testing.assert_allclose(logits, reference["float64/final_eval_logits"], rtol=0, atol=1e-12)


class TestUpdate:
    @pytest.mark.slow
    @pytest.mark.parametrize("nesterov", [False, True])
    @pytest.mark.parametrize("decay", [0.0, 0.3])
    @pytest.mark.parametrize("momentum", [0.0, 0.9])
    def test_is_the_formula(self, momentum, decay, nesterov, float64_rate):
        start, gradients = np.array([1.0, -2.0, 3.0]), gradients_for((3,))
        actual = apply_all(SGD(0.1, momentum, nesterov, weight_decay=decay), keras.Variable(start), gradients)
        expected = by_hand(start, gradients, 0.1, momentum, decay, nesterov)
        np.testing.assert_allclose(actual, expected, rtol=1e-14)

    @pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 2e-2), ("bfloat16", 5e-2)])
    def test_works_on_half_precision_variables(self, dtype, tolerance):
        start, gradients = np.array([1.0, -2.0, 3.0]), gradients_for((3,))
        variable = keras.Variable(start, dtype=dtype)
        actual = apply_all(SGD(0.1, 0.9, weight_decay=0.1), variable, gradients)
        expected = by_hand(start, gradients, 0.1, 0.9, 0.1)
        np.testing.assert_allclose(actual.astype("float64"), expected, rtol=tolerance)

    @pytest.mark.slow
    def test_decays_every_trainable_variable(self):
        model = smallnet.build()
        start = [v.numpy() for v in model.trainable_variables]
        zeros = [tf.zeros(v.shape) for v in model.trainable_variables]
        SGD(0.5, 0.9, weight_decay=0.1).apply(zeros, model.trainable_variables)
        for variable, before in zip(model.trainable_variables, start, strict=True):
            np.testing.assert_allclose(variable, 0.95 * before, rtol=1e-6)

    def test_spares_what_it_is_told_to(self):
        variables = [keras.Variable([1.0], name=name) for name in ("kernel", "bias")]
        optimizer = SGD(0.5, 0.9, weight_decay=0.1)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        optimizer.apply([tf.zeros(1), tf.zeros(1)], variables)
        np.testing.assert_allclose([float(v[0]) for v in variables], [0.95, 1.0], rtol=1e-6)

    @pytest.mark.parametrize("momentum", [0.0, 0.9])
    @pytest.mark.parametrize("decay", [0.0, 0.3])
    def test_takes_the_sparse_gradients_of_an_embedding(self, momentum, decay):
        start = np.arange(8.0).reshape(4, 2).astype("float32")
        dense = np.zeros((4, 2), "float32")
        dense[1], dense[3] = [5, 7], [1, 1]  # the row 1 is met twice
        sparse = tf.IndexedSlices(
            tf.constant([[2.0, 3.0], [1.0, 1.0], [3.0, 4.0]]), tf.constant([1, 3, 1]), (4, 2)
        )
        variable = keras.Variable(start)
        optimizer = SGD(0.1, momentum, weight_decay=decay)
        for _ in range(3):
            optimizer.apply([sparse], [variable])
        expected = by_hand(start, [dense] * 3, 0.1, momentum, decay)
        np.testing.assert_allclose(variable, expected, rtol=1e-5, atol=1e-5)


class TestAsInKeras:
    """What the base class does to gradients comes before decay and momentum."""

    start = np.array([3.0, -4.0])

    def run(self, gradients, **arguments):
        optimizer = SGD(0.1, 0.9, weight_decay=0.2, **arguments)
        return optimizer, apply_all(optimizer, keras.Variable(self.start), gradients)

    @pytest.mark.parametrize("argument", ["clipnorm", "global_clipnorm"])
    def test_clips_by_norm(self, argument, float64_rate):
        gradients = gradients_for((2,))
        clipped = [g * min(1.0, 0.5 / np.linalg.norm(g)) for g in gradients]
        _, actual = self.run(gradients, **{argument: 0.5})
        np.testing.assert_allclose(actual, by_hand(self.start, clipped, 0.1, 0.9, 0.2), rtol=1e-12)

    def test_clips_by_value(self, float64_rate):
        gradients = gradients_for((2,))
        _, actual = self.run(gradients, clipvalue=0.3)
        expected = by_hand(self.start, np.clip(gradients, -0.3, 0.3), 0.1, 0.9, 0.2)
        np.testing.assert_allclose(actual, expected, rtol=1e-12)

    def test_undoes_the_scale_of_the_loss(self, float64_rate):
        gradients = gradients_for((2,))
        optimizer, actual = self.run(8.0 * gradients, loss_scale_factor=8.0)
        assert float(optimizer.scale_loss(2.0)) == 16.0
        np.testing.assert_allclose(actual, by_hand(self.start, gradients, 0.1, 0.9, 0.2), rtol=1e-12)

    def test_accumulates_gradients(self, float64_rate):
        gradients = gradients_for((2,))
        _, actual = self.run(gradients, gradient_accumulation_steps=2)
        means = gradients.reshape(2, 2, 2).mean(axis=1)
        np.testing.assert_allclose(actual, by_hand(self.start, means, 0.1, 0.9, 0.2), rtol=1e-12)

    def test_averages_the_weights(self, float64_rate):
        gradients = gradients_for((2,))
        optimizer = SGD(0.1, 0.9, weight_decay=0.2, use_ema=True, ema_momentum=0.5)
        variable = keras.Variable(self.start)
        apply_all(optimizer, variable, gradients)
        steps = [by_hand(self.start, gradients[:n], 0.1, 0.9, 0.2) for n in (1, 2, 3, 4)]
        average = steps[0]
        for weights in steps[1:]:
            average = 0.5 * average + 0.5 * weights
        optimizer.finalize_variable_values([variable])
        np.testing.assert_allclose(variable, average, rtol=1e-12)

    def test_takes_dynamic_loss_scaling(self):
        inner = SGD(0.1, 0.9, weight_decay=0.2)
        optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=4.0)
        variable = keras.Variable(self.start.astype("float32"))
        gradients = gradients_for((2,))
        apply_all(optimizer, variable, 4.0 * gradients)
        np.testing.assert_allclose(variable, by_hand(self.start, gradients, 0.1, 0.9, 0.2), rtol=1e-5)

    def test_takes_a_schedule(self):
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.1, 0.01])
        variable = keras.Variable(1.0)
        apply_all(SGD(schedule, 0.9), variable, np.ones((3,)))
        # The velocity, 1 then 1.9 then 2.71, knows nothing of the rate.
        np.testing.assert_allclose(variable, 1 - 0.1 - 0.19 - 0.0271, rtol=1e-5)

    @pytest.mark.slow
    def test_trains_in_fit(self):
        x, y = smallnet.batch()
        model = smallnet.build()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(SGD(0.05, 0.9, weight_decay=1e-4), loss, jit_compile=False)
        losses = model.fit(x, y, epochs=5, batch_size=16, verbose=0).history["loss"]
        assert losses[-1] < losses[0]


class TestConfig:
    def test_goes_there_and_back(self):
        optimizer = SGD(0.2, 0.8, nesterov=True, weight_decay=0.3, clipnorm=1.0, name="mine")
        copy = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
        assert type(copy) is SGD
        assert copy.get_config() == optimizer.get_config()
        assert copy.get_config()["weight_decay"] == 0.3

    def test_keras_own_decay_stays_off(self):
        assert SGD(weight_decay=0.3).weight_decay is None

    @pytest.mark.slow
    def test_survives_saving_with_its_velocities(self, tmp_path):
        x, y = smallnet.batch()
        model = smallnet.build()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(SGD(0.05, 0.9, weight_decay=1e-4), loss, run_eagerly=True)
        model.fit(x, y, batch_size=20, verbose=0)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        for part in (model, loaded):
            part.fit(x, y, batch_size=20, shuffle=False, verbose=0)
        for actual, expected in zip(loaded.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-7)

    @pytest.mark.parametrize("decay", [-1e-4, float("nan")])
    def test_refuses_a_negative_decay(self, decay):
        with pytest.raises(ValueError, match=f"weight_decay must be .* Received: {decay}"):
            SGD(weight_decay=decay)


@pytest.mark.slow
def test_two_replicas_agree_with_one_device():
    """Each has half of the batch, and no batch normalization tells half a batch from a whole."""
    x, y = smallnet.batch()
    optimizer = {"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-2}
    alone = perceptron()
    one = SGD(**optimizer)
    for _ in range(5):
        train_step(alone, one, x, y)

    strategy = two_replicas()
    with strategy.scope():
        shared, two = perceptron(), SGD(**optimizer)
        two.build(shared.trainable_variables)
    step = tf.function(lambda x, y: strategy.run(lambda x, y: train_step(shared, two, x, y), args=(x, y)))
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(len(x)).repeat(5)
    for batch in strategy.experimental_distribute_dataset(dataset):
        step(*batch)

    for expected, variable in zip(alone.variables, shared.variables, strict=True):
        for part in strategy.experimental_local_results(variable.value):
            np.testing.assert_allclose(part, expected, rtol=1e-5, atol=1e-6)


def perceptron():
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            keras.layers.Flatten(),
            keras.layers.Dense(8, "relu", kernel_initializer=keras.initializers.GlorotUniform(1)),
            keras.layers.Dense(10, kernel_initializer=keras.initializers.GlorotUniform(2)),
        ]
    )


def train_step(model, optimizer, x, y):
    with tf.GradientTape() as tape:
        losses = keras.losses.sparse_categorical_crossentropy(y, model(x), from_logits=True)
        loss = tf.reduce_sum(losses) / 40
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
