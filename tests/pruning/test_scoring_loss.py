"""The loss that scores differentiate: whose it is, in which precision, of which batches."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests.pruning import nets
from tests.pruning.nets import assert_same
from tf_tickets.pruning.exact_moments import exact_moments
from tf_tickets.pruning.score_call import checked_scores
from tf_tickets.pruning.trace_cache import keeping_traces

pytestmark = pytest.mark.slow  # its trainings

FROM_LOGITS = {"from_logits": True}
PLAIN = {"halves": False, "redraw_classifier": False}


def net(activation=None, dtype="float64", sizes=(4, 5, 3), seed=0):
    model = nets.functional(sizes, seed, dtype=dtype)
    if activation is None:
        return model
    return keras.Model(model.inputs, keras.layers.Activation(activation, dtype=dtype)(model.outputs[0]))


def compiled(model, loss, **arguments):
    model.compile("sgd", loss, **arguments)
    return model


def close(found, expected, tolerance=1e-12):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


def mean_of(loss):
    return lambda y, outputs: tf.reduce_mean(loss(tf.cast(y, outputs.dtype), outputs))


@pytest.fixture(scope="module")
def data():
    return nets.examples(net())


@pytest.fixture(scope="module")
def expected(data):
    return {name: tt.score(net(), name, data=data) for name in ("snip", "grasp")}


class TestWhichLoss:
    # What is differentiated twice has the loss of what is differentiated once.
    @pytest.mark.parametrize(
        ("score", "activation", "loss", "labels"),
        [
            ("snip", None, keras.losses.SparseCategoricalCrossentropy(**FROM_LOGITS), None),
            ("snip", None, keras.losses.CategoricalCrossentropy(**FROM_LOGITS), "one-hot"),
            ("snip", "softmax", "sparse_categorical_crossentropy", "column"),
            ("snip", "softmax", keras.losses.sparse_categorical_crossentropy, None),
            ("grasp", "softmax", keras.losses.SparseCategoricalCrossentropy(), None),
            ("snip", "softmax", "categorical_crossentropy", "one-hot"),
            ("snip", None, None, "column"),
        ],
    )
    def test_cross_entropy_in_every_form_is_that_of_the_logits(
        self, score, activation, loss, labels, data, expected
    ):
        x, y = data
        y = {None: y, "one-hot": np.eye(3)[y], "column": y[:, None]}[labels]
        model = net(activation) if loss is None else compiled(net(activation), loss)
        close(tt.score(model, score, data=(x, y)), expected[score])

    def test_two_classes_of_one_logit(self, data):
        x, y = data[0], (data[1] > 0).astype("float64")[:, None]
        logits = net(sizes=(4, 5, 1))
        logits.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
        sigmoid = keras.Model(
            logits.inputs, keras.layers.Activation("sigmoid", dtype="float64")(logits.outputs[0])
        )
        sigmoid.compile("sgd", "binary_crossentropy")
        close(*(tt.score(model, "snip", data=(x, y)) for model in (sigmoid, logits)))

    def test_ones_own(self, data):
        x, _ = data
        y = np.random.default_rng(0).normal(size=(6, 3))
        own = tt.score(net(), "snip", data=(x, y), loss=mean_of(lambda y, z: tf.square(y - z)))
        close(tt.score(compiled(net(), "mse"), "snip", data=(x, y)), own)
        one_a_column = compiled(net(), keras.losses.MeanSquaredError(reduction="sum"))
        close(tt.score(one_a_column, "snip", data=(x, y)), [6 * array for array in own])

    def test_a_class_of_ones_own_that_nobody_registered(self, data):
        class Squares(keras.Loss):
            def call(self, y, outputs):
                return tf.reduce_mean(
                    tf.square(tf.one_hot(tf.cast(y, tf.int32), 3, dtype=outputs.dtype) - outputs), -1
                )

        found = tt.score(compiled(net(), Squares()), "snip", data=data)
        own = tt.score(net(), "snip", data=data, loss=lambda y, z: tf.reduce_mean(Squares().call(y, z)))
        close(found, own)

    def test_what_layers_add_is_no_part(self, data):
        plain, regularized = (
            nets.functional((4, 5, 3), activation="tanh", **arguments)
            for arguments in ({}, {"kernel_regularizer": "l2", "activity_regularizer": "l1"})
        )
        close(tt.score(regularized, "snip", data=data), tt.score(plain, "snip", data=data))

    def test_sample_weights(self, data):
        x, y = data
        model = compiled(net(), keras.losses.SparseCategoricalCrossentropy(**FROM_LOGITS))
        weight = np.array([2.0, 0, 1, 0, 3, 0])
        own = tt.score(
            net(),
            "snip",
            data=(x, y),
            loss=lambda y, z: tf.reduce_mean(weight * tf.nn.sparse_softmax_cross_entropy_with_logits(y, z)),
        )
        close(tt.score(model, "snip", data=(x, y, weight)), own)

    def test_several_outputs_with_weights_and_without_a_loss(self, data):
        x, y = data
        one, other = net(), net("tanh", seed=5)
        model = keras.Model(one.inputs, {"a": one.outputs[0], "b": other(one.inputs), "c": one.outputs[0]})
        target = np.ones((6, 3))
        model.compile(
            "sgd",
            {"a": keras.losses.SparseCategoricalCrossentropy(**FROM_LOGITS), "b": "mse", "c": None},
            loss_weights={"a": 1.0, "b": 0.5, "c": 1.0},
        )
        arrays = tt.score(model, "snip", data=(x, {"a": y, "b": target, "c": y}))
        parts = (
            tt.score(one, "snip", data=data),
            tt.score(other, "snip", data=(x, target), loss=mean_of(lambda y, z: 0.5 * tf.square(y - z))),
        )
        assert len(arrays) == 4
        for expected in (*parts[0], *parts[1]):
            assert any(
                a.shape == expected.shape and np.allclose(a, expected, rtol=1e-10, atol=0) for a in arrays
            )

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_is_computed_in_the_precision_of_the_weights(self, dtype, data):
        """Keras casts what its losses see to float32, and a score would be known to seven digits."""
        x, y = data[0], np.eye(3)[data[1]]
        losses = ["mse", keras.losses.MeanSquaredError()]
        losses = losses if dtype == "float64" else losses[1:]
        exact = tt.score(net(dtype=dtype), "snip", data=(x, y), loss=mean_of(lambda y, z: tf.square(y - z)))
        for loss in losses:
            found = tt.score(compiled(net(dtype=dtype), loss), "snip", data=(x, y))
            close(found, exact, {"float64": 1e-13, "float32": 1e-6}[dtype])
        assert keras.losses.MeanSquaredError().dtype == "float32"
        assert keras.config.floatx() == "float32"

    def test_the_compiled_loss_is_left_alone(self, data):
        model = compiled(net("softmax"), "mse")
        tt.score(model, "snip", data=(data[0], np.eye(3)[data[1]]))
        assert not model._compile_loss.built and not model._compile_loss.metrics

    def test_runs_in_a_graph_also_where_functions_run_eagerly(self, data, expected):
        tf.config.run_functions_eagerly(True)
        try:
            close(tt.score(net("softmax"), "grasp", data=data), expected["grasp"])
            assert tf.config.functions_run_eagerly()
        finally:
            tf.config.run_functions_eagerly(False)


class TestWhatIsRefused:
    def score(self, model, *, name="snip", data=None, **options):
        return tt.score(model, name, data=data or nets.examples(net()), **options)

    def test_labels_that_need_a_loss(self):
        x, y = nets.examples(net())
        for labels in (np.eye(3)[y], y.astype("float32")):
            with pytest.raises(
                ValueError, match=r"integer labels and outputs \(batch, classes\).* Compile it"
            ):
                self.score(net(), data=(x, labels))

    def test_several_outputs_or_sample_weights_without_a_loss(self):
        x, y = nets.examples(net())
        one = net()
        several = keras.Model(one.inputs, [one.outputs[0], one.outputs[0]])
        for model, data in ((several, (x, y)), (one, (x, y, y.astype("float32")))):
            with pytest.raises(
                ValueError, match="scored by the cross-entropy of its one output, without sample"
            ):
                self.score(model, data=data)

    def test_a_model_compiled_without_a_loss(self):
        with pytest.raises(
            ValueError, match=r"'functional.*' was compiled without a loss. Compile it with one, or"
        ):
            self.score(compiled(net(), None))

    def test_a_loss_that_the_model_computes_by_itself(self):
        class Own(keras.Sequential):
            def compute_loss(self, *args, **kwargs):
                return super().compute_loss(*args, **kwargs) * 2

        model = Own([keras.Input((4,)), keras.layers.Dense(3)])
        with pytest.raises(
            ValueError, match=r"has a compute_loss of its own. Say which loss scores its weights"
        ):
            self.score(compiled(model, "mse"))
        assert self.score(model, loss=lambda y, z: tf.reduce_mean(z))[0].any()

    def test_a_loss_of_ones_own_that_is_no_number_or_takes_weights(self):
        x, y = nets.examples(net())
        with pytest.raises(ValueError, match=r"gives one number. Received shape: \(6, 3\)"):
            self.score(net(), loss=lambda y, z: z)
        with pytest.raises(ValueError, match="leave sample weights out of the batches"):
            self.score(net(), data=(x, y, y.astype("float32")), loss=lambda y, z: tf.reduce_mean(z))

    @pytest.mark.parametrize("temperature", [0, -1, float("nan"), "2", True, [1]])
    def test_temperatures(self, temperature):
        with pytest.raises(ValueError, match=r"temperature is a number above 0. Received: "):
            self.score(net(), name="grasp", temperature=temperature)

    def test_a_temperature_for_outputs_that_are_no_logits(self):
        x, _ = nets.examples(net())
        model = compiled(net(), "mse")
        data = (x, np.ones((6, 3)))
        with pytest.raises(ValueError, match=r"temperature=200.0 divides logits, and .* Pass temperature=1"):
            self.score(model, name="grasp", data=data)
        assert self.score(model, name="grasp", data=data, temperature=1)[0].any()

    def test_halves_of_one_example(self):
        x, y = nets.examples(net(), 1)
        with pytest.raises(ValueError, match=r"halves=True cuts every batch in two. Received a batch of one"):
            self.score(net(), name="grasp", data=(x, y))
        assert self.score(net(), name="grasp", data=(x, y), halves=False)[0].any()

    def test_weights_read_inside_a_function_that_was_traced_before(self):
        class Hidden(keras.Model):
            def __init__(self):
                super().__init__()
                self.first, self.last = keras.layers.Dense(5), keras.layers.Dense(3)

            @tf.function
            def middle(self, x):
                return self.first(x)

            def call(self, inputs):
                return self.last(self.middle(inputs))

        model = Hidden()
        x, y = nets.examples(net())
        model(x)
        with pytest.raises(ValueError, match=r"only inside a tf.function traced before"):
            self.score(model, data=(x, y))


class TestArguments:
    def test_a_call_of_two_arguments_takes_a_tuple_of_inputs(self):
        class Two(keras.Model):
            def __init__(self):
                super().__init__()
                self.left, self.right = keras.layers.Dense(3), keras.layers.Dense(3)

            def call(self, a, b):
                return self.left(a) + self.right(b)

        model = Two()
        (x, y), (other, _) = nets.examples(net()), nets.examples(net(), seed=1)
        model(x, other)
        # Its own shapes tell Keras of the first argument alone.
        with pytest.raises(ValueError, match="could not be traced to find the order of its weights"):
            tt.score(model, "snip", data=((x, other), y))
        tt.mask_layers(model, data=(x, other))
        arrays = tt.score(model, "snip", data=((x, other), y))
        assert [array.shape for array in arrays] == [(4, 3), (4, 3)]
        assert all(array.any() for array in arrays)

    def test_a_normalisation_over_replicas_is_exact_too(self):
        inputs = keras.Input((4,), dtype="float64")
        x = nets.dense(5, 0, dtype="float64")(inputs)
        outputs = []
        for synchronized in (False, True):
            h = keras.layers.BatchNormalization(synchronized=synchronized, dtype="float64")(x)
            head = keras.layers.Dense(3, kernel_initializer=nets.drawn(1), dtype="float64")
            outputs.append(keras.Model(inputs, head(keras.ops.tanh(h))))
        one, other = (tt.score(model, "grasp", data=nets.examples(model), **PLAIN) for model in outputs)
        close(one, other, 1e-8)


class TestOptions:
    def test_numpy_scalars(self):
        model = net(sizes=(4, 3))
        tt.mask_layers(model)
        data = nets.examples(model)
        plain = tt.score(model, "grasp", data=data, temperature=2.0, halves=False, training=True)
        numpy = tt.score(
            model, "grasp", data=data, temperature=np.float32(2), halves=np.False_, training=np.True_
        )
        assert_same(numpy, plain)
        assert tt.score(model, "obd", data=data, probes=np.int64(1))[0].any()

    def test_a_loss_that_takes_logits_may_be_given_a_temperature_of_one(self, data, expected):
        def own(y, z):
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, z / 200))

        close(tt.score(net(), "grasp", data=data, loss=own, temperature=1), expected["grasp"])


class TestTraces:
    def test_are_shared_by_rounds_and_see_new_masks(self):
        model = net()
        entries = tt.mask_layers(model).masked
        data = tuple(tf.constant(part) for part in nets.examples(model))
        traced = []

        def loss(y, z):
            traced.append(1)
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, z))

        with keeping_traces():
            kept = [checked_scores(model, "snip", [data], None, {"loss": loss})]
            entries[0].mask.assign(np.eye(4, 5, dtype=bool))
            kept.append(checked_scores(model, "snip", [data], None, {"loss": loss}))
        assert len(traced) == 1
        assert np.count_nonzero(kept[0][0]) == 20 and np.count_nonzero(kept[1][0]) == 4
        close(kept[1], tt.score(model, "snip", data=data))

    def test_batches_of_other_sizes_are_traced_at_most_twice(self):
        model, traced = net(), []
        x, y = nets.examples(model, 15)

        def loss(y, z):
            traced.append(1)
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, z))

        tt.score(
            model,
            "snip",
            data=list(zip(np.split(x, [1, 3, 6, 10]), np.split(y, [1, 3, 6, 10]), strict=True)),
            loss=loss,
        )
        assert len(traced) <= 2


class TestExactMoments:
    def test_are_those_of_tensorflow_but_for_the_second_derivative(self):
        x = tf.constant(np.random.default_rng(0).normal(size=(3, 4, 2)))
        own = [[tf.nn.moments(x, axes, keepdims=k) for k in (False, True)] for axes in ([0], [0, 1], [-1])]
        with exact_moments():
            exact = [
                [tf.nn.moments(x, axes, keepdims=k) for k in (False, True)] for axes in ([0], [0, 1], [-1])
            ]
        for a, b in zip(tf.nest.flatten(exact), tf.nest.flatten(own), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)

    def test_are_put_back_after_an_error(self):
        before = tf.nn.moments
        with pytest.raises(RuntimeError), exact_moments():
            assert tf.nn.moments is not before
            raise RuntimeError
        assert tf.nn.moments is before
