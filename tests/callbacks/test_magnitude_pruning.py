"""Pruning by magnitude as a callback: in a plain `fit` and in our Trainer the same."""

import keras  # before tensorflow_model_optimization, which would have its own way with tf.keras
import numpy as np
import pytest

import tf_tickets as tt
from tests import nets
from tests.callbacks.loops import Watch, both_loops, by_hooks
from tf_tickets.callbacks import (
    MagnitudePruning,
)


class TestMagnitudePruning:
    @pytest.mark.slow
    @both_loops
    def test_once(self, loop):
        watch, pruning = Watch(), MagnitudePruning(0.75, epoch=1, classifier_keep="ranked")
        loop(nets.build("functional"), keras.optimizers.SGD(0.1), 3, [pruning, watch])
        assert watch.kept == [100, 25, 25]
        assert pruning.ticket.kept == 25
        # What it had to choose from: the three kernels, in forward order, not the depthwise one.
        weights = [w for w in watch.weights[1] if w.ndim > 1 and w.shape != (3, 3, 4, 1)]
        threshold = np.sort(np.abs(np.concatenate([weight.ravel() for weight in weights])))[-25]
        nets.assert_equal(pruning.ticket.masks, [np.abs(weight) >= threshold for weight in weights])

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "options", [{}, {"classifier_keep": "ranked"}, {"classifier_keep": 0.5}, {"ratios": "erk"}], ids=str
    )
    def test_draws_what_prune_draws_of_the_same_options(self, options):
        pruning = MagnitudePruning(0.5, **options)
        by_hooks(nets.build("functional"), keras.optimizers.SGD(0.0), 1, [pruning])
        ticket = tt.prune(nets.build("functional"), "finetune", 0.5, **options)
        nets.assert_equal(pruning.ticket.masks, ticket.masks)

    def test_of_chosen_layers(self):
        model = nets.build("sequential")
        by_hooks(model, keras.optimizers.SGD(0.1), 1, [MagnitudePruning(0.5, exclude=model.layers[-1])])
        (entry,) = tt.masked_weights(model)
        assert entry.layer is model.layers[0] and np.sum(entry.mask) == 24

    @pytest.mark.slow
    @both_loops
    def test_over_a_schedule_of_steps(self, loop, untraced):
        asked = []

        def schedule(step):
            asked.append(step)
            return step % 4 == 0, step / 16

        watch = Watch()
        callbacks = [MagnitudePruning(schedule=schedule), watch]
        loop(nets.build("sequential"), keras.optimizers.SGD(0.1), 4, callbacks)
        assert asked == list(range(1, 13))  # before each of 12 batches
        assert watch.kept == [72, 72, 54, 36]  # steps 4 and 8, in the second and in the third epoch

    @pytest.mark.slow
    def test_several_steps_in_one_execution_count_each(self):
        asked = []
        model = nets.compiled(nets.build("sequential"), steps_per_execution=2)
        pruning = MagnitudePruning(schedule=lambda step: (asked.append(step) or step == 3, 0.5))
        x, y = nets.inputs_of(model, count=20)
        model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=[pruning])
        assert asked == list(range(1, 11))
        assert pruning.ticket.kept == 36

    def test_the_count_goes_on_in_the_next_fit_and_begins_anew_for_another_model(self):
        asked = []
        pruning = MagnitudePruning(schedule=lambda step: (asked.append(step), 0.5))
        model = nets.build("sequential")
        for epochs in (range(1), range(1), range(3, 4)):
            asked.clear()
            optimizer = keras.optimizers.SGD(0.1)
            by_hooks(model, optimizer, epochs.stop, [pruning], initial_epoch=epochs.start)
        assert asked == [10, 11, 12]  # the fourth epoch of three batches
        asked.clear()
        by_hooks(nets.build("sequential"), keras.optimizers.SGD(0.1), 1, [pruning])
        assert asked == [1, 2, 3]

    @pytest.mark.slow
    @pytest.mark.filterwarnings("ignore")
    def test_follows_the_schedules_of_tfmot(self):
        from tensorflow_model_optimization.sparsity.keras import ConstantSparsity, PolynomialDecay

        decay = PolynomialDecay(0.2, 0.6, begin_step=2, end_step=12, frequency=5)
        constant = ConstantSparsity(0.6, begin_step=4, frequency=100)
        for schedule, kept in ((decay, [100, 80, 80, 45]), (constant, [100, 100, 40, 40])):
            watch, pruning = Watch(), MagnitudePruning(schedule=schedule)
            by_hooks(nets.build("functional"), keras.optimizers.SGD(0.1), 4, [pruning, watch])
            assert watch.kept == kept
        assert pruning.ticket.kept == 40
        last = MagnitudePruning(schedule=decay)
        by_hooks(nets.build("functional"), keras.optimizers.SGD(0.1), 4, [last])
        assert last.ticket.kept == 40  # step 12, before the last batch

    def test_what_a_schedule_shows_again_is_zero(self):
        model = nets.build("sequential")
        pruning = MagnitudePruning(schedule=lambda step: (step < 3, 0.9 if step == 1 else 0.1))
        by_hooks(model, keras.optimizers.SGD(0.1), 1, [pruning])
        assert pruning.ticket.kept == round(72 * 0.9)
        values = np.concatenate([np.ravel(entry.weight) for entry in tt.masked_weights(model)])
        assert np.count_nonzero(values) == round(72 * 0.1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_masks_and_losses_are_those_of_tfmot_step_by_step():
    """A dense layer of both, the same batches: masks of every batch, and the loss that it was met with.

    The rate is low, so that no hidden weight there comes back by its one step.
    """
    from tensorflow_model_optimization.sparsity import keras as tfmot
    from tf_keras import Sequential, callbacks, layers, optimizers

    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(96, size)).astype("float32") for size in (20, 50))
    kernel = rng.normal(size=(20, 50)).astype("float32")
    schedule = tfmot.PolynomialDecay(0.3, 0.9, begin_step=0, end_step=12, frequency=3)
    fitting = {"batch_size": 8, "epochs": 1, "shuffle": False, "verbose": 0}

    theirs, ours = {"losses": [], "masks": []}, {"losses": [], "masks": []}
    wrapped = tfmot.prune_low_magnitude(layers.Dense(50, input_shape=(20,)), pruning_schedule=schedule)
    there = Sequential([wrapped])
    there.compile(optimizers.SGD(0.01), "mse")
    wrapped.layer.kernel.assign(kernel)

    def seen_there(batch, logs):
        theirs["losses"].append(logs["loss"])
        theirs["masks"].append(wrapped.pruning_vars[0][1].numpy() > 0)

    seeing = callbacks.LambdaCallback(on_batch_end=seen_there)
    there.fit(x, y, callbacks=[tfmot.UpdatePruningStep(), seeing], **fitting)

    here = keras.Sequential([keras.Input((20,)), keras.layers.Dense(50)])
    here.layers[0].kernel.assign(kernel)
    here.compile(keras.optimizers.SGD(0.01), "mse", run_eagerly=True)

    def seen_here(batch, logs):
        ours["losses"].append(logs["loss"])
        ours["masks"].append(np.array(tt.masked_weights(here)[0].mask.value))

    pruning = MagnitudePruning(schedule=schedule)
    here.fit(
        x, y, callbacks=[pruning, keras.callbacks.LambdaCallback(on_train_batch_end=seen_here)], **fitting
    )

    kept = [int(mask.sum()) for mask in theirs["masks"]]
    assert kept[1] == 1000 and kept[2] < 1000 and kept[-1] == 100  # steps 3, 6, 9 and 12
    nets.assert_equal(ours["masks"], theirs["masks"])
    np.testing.assert_allclose(ours["losses"], theirs["losses"], rtol=1e-5)
