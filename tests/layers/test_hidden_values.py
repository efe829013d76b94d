"""What a mask hides is not in the weight: the variable itself is the sparse one, whoever reads it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.replicas import two_replicas
from tf_tickets.layers import hide_again, set_masks, stock_values, value_of


def perceptron(optimizer="sgd", name="net", **arguments):
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(8, activation="relu"), layers.Dense(4)], name=name
    )
    return nets.compiled(model, optimizer, **arguments)


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(32, 6)).astype("float32"), np.arange(32) % 4


class TestTheVariable:
    def test_is_zero_where_the_mask_is_false_and_its_value_elsewhere(self):
        model = perceptron()
        before = [value_of(layer.kernel) for layer in model.layers]
        tt.prune(model, "magnitude", 0.5)
        for entry, old in zip(tt.masked_weights(model), before, strict=True):
            mask = value_of(entry.mask)
            np.testing.assert_array_equal(entry.weight, np.where(mask, old, 0))

    def test_gets_its_values_back_where_a_mask_shows_them_again(self):
        model = perceptron()
        before = model.get_weights()
        for seed in range(3):
            tt.prune(model, "random", 0.5, seed=seed)
            nets.assert_equal(stock_values(model), before)
        tt.sanity.rearrange(model, seed=1)
        entries = tt.masked_weights(model)
        set_masks(entries, [np.ones(entry.shape, bool) for entry in entries])
        nets.assert_equal(tt.fold(model).get_weights(), before)

    def test_what_was_put_there_since_counts_before_what_was_hidden(self):
        model = perceptron()
        tt.prune(model, "magnitude", 0.5)
        entry = tt.masked_weights(model)[0]
        mask = value_of(entry.mask)
        new = np.full(entry.shape, 7, np.float32)
        entry.weight.assign(new)
        np.testing.assert_array_equal(entry.mask.full_value(), new)
        hide_again(model)
        np.testing.assert_array_equal(entry.weight, np.where(mask, 7, 0))
        np.testing.assert_array_equal(entry.mask.full_value(), new)

    def test_of_replicas_likewise(self):
        with two_replicas().scope():
            model = perceptron()
        tt.prune(model, "magnitude", 0.5)
        for entry in tt.masked_weights(model):
            for part in entry.weight._value.values:
                assert not np.any(part.numpy()[~value_of(entry.mask)])

    @pytest.mark.slow
    @pytest.mark.parametrize("optimizer", ["SGD", "Lamb"])
    def test_stays_zero_while_it_trains_on_with_momentum_from_before(self, optimizer):
        made = getattr(keras.optimizers, optimizer)(0.1, **({"momentum": 0.9} if optimizer == "SGD" else {}))
        model, (x, y) = perceptron(made, run_eagerly=True), data()
        for _ in range(2):
            model.train_on_batch(x, y)
        tt.prune(model, "magnitude", 0.5)
        for _ in range(2):
            model.train_on_batch(x, y)
        for entry in tt.masked_weights(model):
            assert not np.any(value_of(entry.weight)[~value_of(entry.mask)])

    @pytest.mark.slow
    def test_norms_of_whole_variables_are_those_of_the_sparse_network(self):
        """Lamb's trust ratio, against a network whose kernel has zeros in the same places."""

        class Sparse(keras.layers.Dense):
            def call(self, inputs):
                outputs = keras.ops.matmul(inputs, self._kernel * self.mask_array) + self.bias
                return self.activation(outputs)

        def net(kind):
            keras.utils.set_random_seed(1)
            model = keras.Sequential([keras.Input((6,)), kind(8, activation="relu"), kind(4)])
            return nets.compiled(model, keras.optimizers.Lamb(0.01), run_eagerly=True)

        x, y = data()
        masked, sparse = net(keras.layers.Dense), net(Sparse)
        tt.prune(masked, "random", 0.5, seed=3)
        for layer, entry in zip(sparse.layers, tt.masked_weights(masked), strict=True):
            layer.mask_array = value_of(entry.mask).astype("float32")
            layer._kernel.assign(value_of(layer._kernel) * layer.mask_array)
        for _ in range(4):
            masked.train_on_batch(x, y)
            sparse.train_on_batch(x, y)
        for layer, kernel in zip(sparse.layers, nets.kernels(masked), strict=True):
            np.testing.assert_allclose(kernel, value_of(layer._kernel) * layer.mask_array, atol=1e-6)

    def test_adafactor_refuses_a_channel_without_any_weight(self):
        """It divides by averages of rows and columns: those of a channel that is hidden whole are 0 / 0."""
        model = perceptron(keras.optimizers.Adafactor(0.01))
        tt.prune(model, "uniform", 0.5)
        masks = nets.masks(model)
        with pytest.raises(ValueError, match=r"Adafactor .* 0 / 0 .* SGD, Adam"):
            tt.prune(model, "random", 0.95)
        nets.assert_equal(nets.masks(model), masks)


class TestRestoringWeights:
    """A mask that prunes is not made all true by weights from before pruning."""

    def test_of_before_pruning_leaves_the_masks_and_says_so(self):
        model = perceptron()
        tt.mask_layers(model)
        dense = model.get_weights()
        tt.prune(model, "magnitude", 0.9)
        masks = nets.masks(model)
        with pytest.warns(UserWarning, match="before pruning were restored. The masks stay"):
            model.set_weights(dense)
        nets.assert_equal(nets.masks(model), masks)
        for entry in tt.masked_weights(model):
            assert not np.any(value_of(entry.weight)[~value_of(entry.mask)])

    def test_a_file_of_before_pruning_does_neither(self, tmp_path):
        model = perceptron()
        tt.mask_layers(model)
        model.save_weights(tmp_path / "dense.weights.h5")
        ticket = tt.prune(model, "magnitude", 0.9)
        with pytest.warns(UserWarning, match="The masks stay"):
            model.load_weights(tmp_path / "dense.weights.h5")
        nets.assert_equal(nets.masks(model), ticket.masks)

    def test_of_a_denser_moment_restores_its_masks_and_says_so(self):
        model = perceptron()
        tt.prune(model, "magnitude", 0.5)
        weights, masks = model.get_weights(), nets.masks(model)
        tt.prune(model, "magnitude", 0.9)
        with pytest.warns(UserWarning, match="Masks keep more than before"):
            model.set_weights(weights)
        nets.assert_equal(nets.masks(model), masks)
        nets.assert_equal(model.get_weights(), weights)

    def test_of_a_sparser_moment_or_of_other_masks_says_nothing(self):
        model = perceptron()
        tt.prune(model, "random", 0.9)
        weights = model.get_weights()
        for sparsity in (0.9, 0.5):
            tt.prune(model, "random", sparsity, seed=1)
            model.set_weights(weights)
            nets.assert_equal(model.get_weights(), weights)


class TestTracesOfBefore:
    """Whatever was traced with a weight before it was masked is traced again."""

    def check(self, call, part, model):
        """`call` was traced; afterwards `part` is pruned, and `call` computes with what is left."""
        before = np.asarray(call())
        tt.prune(part, "magnitude", 0.9)
        after = np.asarray(call())
        assert np.abs(after - before).max() > 1e-3
        return after

    @pytest.mark.slow
    def test_a_function_of_the_users(self):
        model, (x, _) = perceptron(), data()
        infer = tf.function(lambda inputs: model(inputs, training=False))
        np.testing.assert_allclose(self.check(lambda: infer(x), model, model), model(x), atol=1e-6)

    @pytest.mark.slow
    def test_a_compiled_function_of_the_users(self):
        model, (x, _) = perceptron(), data()
        infer = tf.function(lambda inputs: model(inputs, training=False), jit_compile=True)
        np.testing.assert_allclose(self.check(lambda: infer(x), model, model), model(x), atol=1e-6)

    @pytest.mark.slow
    def test_a_training_step_of_the_users(self):
        model, (x, y) = perceptron(), data()
        optimizer = keras.optimizers.Adam(0.1)
        optimizer.build(model.trainable_variables)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                value = loss(y, model(x, training=True))
            optimizer.apply_gradients(
                zip(tape.gradient(value, model.trainable_variables), model.trainable_variables, strict=True)
            )
            return value

        step()
        ticket = tt.prune(model, "magnitude", 0.9)
        step()
        for entry, mask in zip(tt.masked_weights(model), ticket.masks, strict=True):
            np.testing.assert_array_equal(value_of(entry.mask), mask)
        np.testing.assert_allclose(loss(y, model(x)), step(), atol=1e-6)

    @pytest.mark.slow
    def test_the_model_around_what_is_pruned(self):
        base, (x, y) = perceptron(name="base"), data()
        model = nets.compiled(keras.Sequential([keras.Input((6,)), base, keras.layers.Dense(4)]), "sgd")
        model.fit(x, y, verbose=0)
        predicted = self.check(lambda: model.predict(x, verbose=0), base, model)
        np.testing.assert_allclose(predicted, model(x), atol=1e-6)
        model.fit(x, y, verbose=0)
        for entry in tt.masked_weights(base):
            assert not np.any(value_of(entry.weight)[~value_of(entry.mask)])

    @pytest.mark.slow
    def test_the_model_around_it_on_two_replicas(self):
        x, y = data()
        with two_replicas().scope():
            base = perceptron(name="base")
            model = nets.compiled(keras.Sequential([keras.Input((6,)), base, keras.layers.Dense(4)]), "sgd")
        model.fit(x, y, verbose=0)
        ticket = tt.prune(base, "magnitude", 0.9)
        model.fit(x, y, verbose=0)
        for entry, mask in zip(tt.masked_weights(base), ticket.masks, strict=True):
            for part in entry.weight._value.values:
                assert not np.any(part.numpy()[~mask])

    @pytest.mark.slow
    def test_a_model_beside_it_that_shares_layers(self):
        model, (x, _) = perceptron(), data()
        sibling = keras.Model(model.inputs, model.layers[0].output)
        predicted = self.check(lambda: sibling.predict(x, verbose=0), model, sibling)
        np.testing.assert_allclose(predicted, sibling(x), atol=1e-6)

    def test_what_is_held_as_it_is_computes_with_the_zeros_and_is_named(self):
        model, (x, _) = perceptron(), data()
        held = tf.function(lambda inputs: model(inputs, training=False)).get_concrete_function(x)
        with pytest.warns(UserWarning, match=r"1 function\(s\) that were traced .* cannot be traced again"):
            tt.prune(model, "magnitude", 0.9)
        np.testing.assert_allclose(held(x), model(x), atol=1e-6)

    @pytest.mark.slow
    def test_what_reads_other_weights_is_left_alone(self):
        model, other, (x, _) = perceptron(), perceptron(name="other"), data()
        traces = []

        @tf.function
        def infer(inputs):
            traces.append(1)
            return other(inputs, training=False)

        infer(x)
        tt.prune(model, "magnitude", 0.9)
        infer(x)
        assert len(traces) == 1
