"""The Trainer: `model.fit`'s numbers, the papers' trajectory, and the same under every strategy."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets, smallnet
from tests.replicas import two_replicas
from tests.runs import eagerly
from tests.training.test_sgd import TORCH_NAMES
from tf_tickets.training import SGD, Trainer, TrainingDiverged


def batches(x, y, size):
    """The same batches in the same order in every epoch, the last one perhaps short."""
    once = tf.data.Dataset.from_tensor_slices((x, y)).batch(size)
    return lambda epochs, first_step=0: once.repeat(len(epochs)).skip(first_step)


def steps(x, size):
    return -(-len(x) // size)


def perceptron(seed=0):
    model = nets.build("sequential")
    return model, *nets.inputs_of(model, count=22, seed=seed)


def train(trainer, x, y, size=4, epochs=3, **arguments):
    return trainer.fit(batches(x, y, size), range(epochs), steps(x, size), **arguments)


def weights(model):
    return [np.asarray(variable) for variable in model.weights]


@pytest.fixture
def float64_rate():
    """Learning rates are variables of Keras's float type; 0.1 in float32 is off by 1.5e-9."""
    before, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)
    keras.config.set_dtype_policy(policy)


class TestAgainstFit:
    """Keras's own loop, with a Keras optimizer, without augmentation, in the same order."""

    @pytest.mark.slow
    def test_weights_and_losses_are_those_of_fit(self):
        size = 4  # 22 examples: the last is half a batch
        model, x, y = perceptron()
        ours = train(Trainer(model, keras.optimizers.SGD(0.2, momentum=0.9)), x, y, size)

        twin = nets.compiled(nets.build("sequential"), keras.optimizers.SGD(0.2, momentum=0.9))
        twin.compile(twin.optimizer, twin.loss, metrics=["accuracy"], jit_compile=False)
        theirs = twin.fit(x, y, batch_size=size, epochs=3, shuffle=False, verbose=0).history
        nets.assert_equal(weights(model), weights(twin), rtol=1e-5, atol=1e-6)
        for name in ("loss", "accuracy"):
            np.testing.assert_allclose([epoch[name] for epoch in ours], theirs[name], rtol=1e-5)

    @pytest.mark.slow
    @pytest.mark.usefixtures("untraced")
    def test_penalties_count_once(self):
        def net():
            layer = keras.layers.Dense(
                3, kernel_regularizer=keras.regularizers.L2(0.1), kernel_initializer="ones"
            )
            return keras.Sequential([keras.Input((6,)), layer])

        model, twin = net(), nets.compiled(net())
        x, y = nets.inputs_of(model)
        train(Trainer(model, keras.optimizers.SGD(0.1)), x, y, 12)
        twin.fit(x, y, batch_size=12, epochs=3, shuffle=False, verbose=0)
        nets.assert_equal(weights(model), weights(twin), rtol=1e-5, atol=1e-6)

    @pytest.mark.slow
    @pytest.mark.usefixtures("untraced")
    def test_averages_of_the_weights_are_put_in_at_the_end(self):
        def adam():
            return keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5)

        model, x, y = perceptron()
        train(Trainer(model, adam()), x, y, size=11, epochs=2)
        twin = nets.compiled(nets.build("sequential"), adam())
        twin.fit(x, y, batch_size=11, epochs=2, shuffle=False, verbose=0)
        nets.assert_equal(weights(model), weights(twin), rtol=1e-4, atol=1e-5)


class TestThePapersTrajectory:
    """Eight masked steps of the reference code, the rate dropped before the sixth, through real masks."""

    @pytest.mark.slow
    @pytest.mark.usefixtures("untraced")
    def test_kept_kernels_statistics_losses_and_logits(self, float64_rate):
        model, (x, y) = smallnet.build("float64"), smallnet.batch("float64")
        masks = smallnet.masks("snip_float64", 0.5)
        for entry in tt.mask_layers(model).masked:
            entry.mask.assign(masks[entry.layer.name])
        reference = smallnet.fixture("masked_sgd_trajectory")

        class Watch(keras.callbacks.Callback):
            def on_train_batch_begin(self, batch, logs=None):
                if batch == 5:
                    self.model.optimizer.learning_rate = 0.1 * 0.1

            def on_train_batch_end(self, batch, logs=None):
                for layer in self.model.layers:
                    for variable in (v for v in layer.variables if v.dtype != "bool"):
                        key = f"keras/float64/step{batch + 1}/{layer.name}/{TORCH_NAMES[variable.name]}"
                        kept = masks[layer.name] if variable.name == "kernel" else 1
                        np.testing.assert_allclose(variable * kept, reference[key], rtol=0, atol=1e-12)

        def halves(epochs, _):
            pairs = [(x[step % 2 :: 2], y[step % 2 :: 2]) for step in range(8)]
            return tf.data.Dataset.from_tensor_slices(tuple(map(np.stack, zip(*pairs, strict=True))))

        trainer = Trainer(model, SGD(0.1, momentum=0.9, weight_decay=1e-4))
        (history,) = trainer.fit(halves, range(1), 8, callbacks=[Watch()])
        assert history["loss"] == pytest.approx(np.mean(reference["float64/loss"]), rel=1e-6)
        logits = nets.outputs(model, x)
        np.testing.assert_allclose(logits, reference["float64/final_eval_logits"], rtol=0, atol=1e-12)
        np.testing.assert_array_equal(nets.outputs(tt.fold(model), x), logits)


class TestTwoReplicas:
    """Each computes its share of the same global batch."""

    @pytest.mark.slow
    def test_agree_with_one_device(self):
        size = 7  # shares of 3 and 4, and a last batch of 1
        model, x, y = perceptron()
        alone = Trainer(model, SGD(0.2, momentum=0.9, weight_decay=1e-2))
        expected = train(alone, x, y, size), alone.evaluate(batches(x, y, size)([0]), steps(x, size))

        strategy = two_replicas()
        with strategy.scope():
            mirrored, optimizer = nets.build("sequential"), SGD(0.2, momentum=0.9, weight_decay=1e-2)
        both = Trainer(mirrored, optimizer, strategy)
        found = train(both, x, y, size), both.evaluate(batches(x, y, size)([0]), steps(x, size))
        for variable, own in zip(mirrored.weights, weights(model), strict=True):
            for copy in strategy.experimental_local_results(variable.value):
                np.testing.assert_allclose(copy, own, rtol=1e-5, atol=1e-6)
        for name in ("loss", "accuracy"):
            np.testing.assert_allclose([e[name] for e in found[0]], [e[name] for e in expected[0]], rtol=1e-5)
            assert found[1][name] == pytest.approx(expected[1][name], rel=1e-5)

    @pytest.mark.slow
    def test_skip_a_step_together_where_half_precision_overflows_on_one(self):
        policy, strategy = keras.config.dtype_policy(), two_replicas()
        keras.config.set_dtype_policy("mixed_float16")
        try:
            with strategy.scope():
                model, optimizer = nets.build("sequential"), keras.optimizers.SGD(1e-3)
        finally:
            keras.config.set_dtype_policy(policy)
        before = weights(model)
        x, y = nets.inputs_of(model, count=8)
        x[5] *= (
            1e3  # the share of the second; with the loss scaled by 32,768 beyond what half precision holds
        )
        trainer = Trainer(model, optimizer, strategy)
        train(trainer, x, y, size=8, epochs=1)
        assert np.asarray(trainer.optimizer.dynamic_scale.value) == 2.0**14
        nets.assert_equal(weights(model), before)
        train(trainer, x, y, size=8, epochs=15)
        assert all(np.isfinite(value).all() for value in weights(model))
        assert any((value != old).any() for value, old in zip(weights(model), before, strict=True))
        for variable in model.weights:
            copies = strategy.experimental_local_results(variable.value)
            np.testing.assert_array_equal(*map(np.asarray, copies))

    @pytest.mark.slow
    def test_agree_with_one_device_where_xla_compiles(self):
        """In half precision, too. XLA compiles anew for batches of another size: there is one.

        On one device nothing is compiled: it is what is to be met.
        """
        before, found = keras.config.dtype_policy(), []
        for strategy in (None, two_replicas()):
            keras.config.set_dtype_policy("mixed_bfloat16")
            try:
                with strategy.scope() if strategy else contextlib.nullcontext():
                    model, optimizer = nets.build("sequential"), SGD(0.1, momentum=0.9)
            finally:
                keras.config.set_dtype_policy(before)
            x, y = nets.inputs_of(model, count=22)
            trainer = Trainer(model, optimizer, strategy, jit_compile=strategy is not None)
            with contextlib.nullcontext() if strategy else eagerly():
                history = train(trainer, x, y, size=11, epochs=2)
            found.append([row["loss"] for row in history])
        assert found[1] == pytest.approx(found[0], rel=1e-2)

    @pytest.mark.slow
    @pytest.mark.usefixtures("untraced")
    def test_a_penalty_on_the_weights_counts_once(self):
        def net():
            return keras.Sequential(
                [keras.Input((6,)), keras.layers.Dense(3, kernel_regularizer="l2", kernel_initializer="ones")]
            )

        model, strategy = net(), two_replicas()
        x, y = nets.inputs_of(model)
        with strategy.scope():
            mirrored, optimizer = net(), keras.optimizers.SGD(0.5)
        train(Trainer(model, keras.optimizers.SGD(0.5)), x, y, size=6, epochs=1)
        train(Trainer(mirrored, optimizer, strategy), x, y, size=6, epochs=1)
        nets.assert_equal(weights(mirrored), weights(model), rtol=1e-5, atol=1e-6)


class TestTheLoop:
    @pytest.mark.slow
    @pytest.mark.usefixtures("untraced")
    def test_logs_name_the_epoch_the_rate_and_what_evaluate_returned(self):
        model, x, y = perceptron()
        trainer = Trainer(model, keras.optimizers.SGD(0.25))
        history = trainer.fit(
            batches(x, y, 4),
            range(3, 5),
            6,
            evaluate=lambda: {"test_accuracy": trainer.evaluate(batches(x, y, 8)([0]), 3)["accuracy"]},
        )
        assert [list(row) for row in history] == [
            ["epoch", "loss", "accuracy", "learning_rate", "test_accuracy"]
        ] * 2
        assert [row["epoch"] for row in history] == [3, 4]
        assert [row["learning_rate"] for row in history] == [0.25, 0.25]

    @pytest.mark.usefixtures("untraced")
    def test_evaluate_is_the_mean_over_the_examples(self):
        model, x, y = perceptron()
        found = Trainer(model, keras.optimizers.SGD()).evaluate(batches(x, y, 5)([0]), 5)
        logits = nets.outputs(model, x)
        logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        assert found["loss"] == pytest.approx(-np.mean(logs[np.arange(22), y]), rel=1e-5)
        assert found["accuracy"] == pytest.approx(np.mean(logits.argmax(-1) == y))

    def test_no_epochs_are_no_work(self):
        assert Trainer(nets.build("sequential"), keras.optimizers.SGD()).fit(None, [], 5) == []

    @pytest.mark.usefixtures("untraced")
    def test_too_few_batches_are_noticed_before_the_first_step(self):
        model, x, y = perceptron()
        before = weights(model)
        with pytest.raises(ValueError, match=r"3 epochs of 6 steps take 18 batches. Received: 6"):
            Trainer(model, SGD(0.1)).fit(lambda epochs, _: batches(x, y, 4)([0]), range(3), 6)
        nets.assert_equal(weights(model), before)

    @pytest.mark.slow
    def test_the_number_of_steps_in_a_call_changes_nothing(self):
        found = []
        for steps_per_call in (1, 4):
            model, x, y = perceptron()
            history = train(Trainer(model, SGD(0.1, momentum=0.9), steps_per_call=steps_per_call), x, y)
            found.append([*weights(model), [row["loss"] for row in history]])
        nets.assert_equal(*found)

    @pytest.mark.slow
    @pytest.mark.usefixtures("untraced")
    def test_batch_hooks_see_every_batch_and_others_any_pace(self):
        class Hooks(keras.callbacks.Callback):
            def __init__(self):
                super().__init__()
                self.seen = []

            def on_train_batch_end(self, batch, logs=None):
                self.seen.append((batch, logs["loss"]))

        class AnyPace(Hooks):
            any_pace = True

        model, x, y = perceptron()
        trainer = Trainer(model, keras.optimizers.SGD())
        every, any_pace = Hooks(), AnyPace()
        train(trainer, x, y, epochs=2, callbacks=[every])
        assert [batch for batch, _ in every.seen] == [0, 1, 2, 3, 4, 5] * 2
        train(trainer, x, y, epochs=2, callbacks=[any_pace])
        assert any_pace.seen[-1][0] == 5
        two_each = Trainer(model, keras.optimizers.SGD(), steps_per_call=4)
        every.seen.clear()
        train(two_each, x, y, epochs=1, callbacks=[every])
        assert [batch for batch, _ in every.seen] == [3, 5]

    @pytest.mark.slow
    @pytest.mark.usefixtures("untraced")
    def test_hooks_come_in_keras_order(self):
        class Order(keras.callbacks.Callback):
            def __init__(self):
                super().__init__()
                self.seen = []

        for hook in (
            "train_begin",
            "epoch_begin",
            "train_batch_begin",
            "train_batch_end",
            "epoch_end",
            "train_end",
        ):
            setattr(Order, f"on_{hook}", lambda self, *args, hook=hook, **kwargs: self.seen.append(hook))
        ours, theirs = Order(), Order()
        model, x, y = perceptron()
        train(Trainer(model, keras.optimizers.SGD()), x, y, size=11, epochs=2, callbacks=[ours])
        nets.compiled(model).fit(x, y, batch_size=11, epochs=2, verbose=0, callbacks=[theirs])
        assert ours.seen == theirs.seen
        assert ours.params == {"epochs": 2, "steps": 2, "verbose": 0}

    @pytest.mark.slow
    @pytest.mark.usefixtures("untraced")
    def test_stops_where_a_callback_says_so(self):
        model, x, y = perceptron()
        stop = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: setattr(stop.model, "stop_training", epoch == 1)
        )
        history = train(Trainer(model, keras.optimizers.SGD()), x, y, epochs=5, callbacks=[stop])
        assert [row["epoch"] for row in history] == [0, 1]

    @pytest.mark.slow
    @pytest.mark.usefixtures("untraced")
    def test_keras_callbacks_work(self):
        model, x, y = perceptron()
        early = keras.callbacks.EarlyStopping("loss", min_delta=1e9, patience=1, restore_best_weights=True)
        plateau = keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, min_delta=1e9, patience=1)
        history = train(Trainer(model, keras.optimizers.SGD(0.5)), x, y, epochs=9, callbacks=[plateau, early])
        assert len(history) == 2
        assert float(model.optimizer.learning_rate) == 0.25

    @pytest.mark.slow
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_a_loss_that_is_no_number_ends_it(self, value):
        model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
        x, y = nets.inputs_of(model)
        x[9] = value
        words = r"in epoch 2, step 3 of 3, at learning rate 0.1: training diverged"
        with pytest.raises(TrainingDiverged, match=words):
            Trainer(model, keras.optimizers.SGD(0.1), steps_per_call=3).fit(batches(x, y, 4), [2], 3)

    @pytest.mark.slow
    def test_so_does_a_weight_that_hides_behind_a_finite_loss(self):
        """A NaN that the network drops on its way still has a gradient."""
        _, x, y = perceptron()
        x[9] = np.nan
        drop = keras.layers.Lambda(lambda h: keras.ops.where(keras.ops.isnan(h), 0.0, h))
        model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Dense(3), drop])
        with pytest.raises(
            TrainingDiverged, match=r"kernel holds values .* after epoch 0: training diverged"
        ):
            train(Trainer(model, keras.optimizers.SGD(0.1)), x, y)

    @pytest.mark.slow
    @pytest.mark.usefixtures("untraced")
    def test_half_precision_trains_under_a_scaled_loss(self):
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("mixed_float16")
        try:
            model, x, y = perceptron()
        finally:
            keras.config.set_dtype_policy(policy)
        trainer = Trainer(model, keras.optimizers.SGD(0.2))
        assert isinstance(trainer.optimizer, keras.optimizers.LossScaleOptimizer)
        history = train(trainer, x, y, size=11, epochs=8)
        assert history[-1]["loss"] < history[0]["loss"]


class TestTracing:
    """A trace takes seconds on a deep net."""

    def count(self, trainer):
        traces = []
        step = trainer.steps._train_step
        trainer.steps._train_step = lambda *arguments: (traces.append(1), step(*arguments))[1]
        return traces

    @pytest.mark.slow
    def test_is_done_once_for_all_epochs_and_fits(self):
        model, x, y = perceptron()
        trainer = Trainer(model, SGD(0.1, momentum=0.9))
        traces = self.count(trainer)

        class NewRate(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                self.model.optimizer.learning_rate = 0.1 / (1 + epoch)

        evaluate = lambda: trainer.evaluate(batches(x, y, 8)([0]), 3)  # noqa: E731
        train(trainer, x, y, epochs=3, callbacks=[NewRate()], evaluate=evaluate)
        train(trainer, x, y, size=4, epochs=2)
        assert len(traces) == 1

    @pytest.mark.slow
    def test_is_not_done_again_for_an_export_in_between(self):
        model, x, y = perceptron()
        nets.hide(model)
        trainer = Trainer(model, SGD(0.1))
        traces = self.count(trainer)
        for _ in range(2):
            train(trainer, x, y, epochs=1)
            with tt.layers.folded(model):
                pass
        assert len(traces) == 1

    @pytest.mark.slow
    def test_is_done_again_where_the_layers_have_changed(self):
        """By a callback, or between two fits; to layers that look the same, with other masks."""
        model, x, y = perceptron()
        trainer = Trainer(model, SGD(0.1))
        traces = self.count(trainer)

        class Prune(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if epoch == 1:
                    nets.poison(nets.hide(self.model))

        train(trainer, x, y, callbacks=[Prune()])
        assert len(traces) == 2
        assert self.hidden_values(model) == {nets.POISON}
        before = trainer.evaluate(batches(x, y, 8)([0]), 3)
        nets.hide(tt.fold(model), keep=0.2, seed=3)
        assert trainer.evaluate(batches(x, y, 8)([0]), 3) != before
        nets.poison(model)
        train(trainer, x, y)
        assert len(traces) == 3
        assert self.hidden_values(model) == {nets.POISON}

    def hidden_values(self, model):
        return {
            float(value)
            for entry in tt.masked_weights(model)
            for value in entry.weight.numpy()[~entry.mask.numpy()]
        }
