"""Pruning and rewinding as callbacks: in a plain `fit` and in our Trainer the same."""

import keras  # before tensorflow_model_optimization, which would have its own way with tf.keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.replicas import two_replicas
from tf_tickets.callbacks import (
    HybridPruning,
    LearningRateRewinding,
    MagnitudePruning,
    WeightRewinding,
    reset_optimizer,
)
from tf_tickets.layers import restore_weights, stock_weights
from tf_tickets.training import SGD, Trainer


def by_fit(model, optimizer, epochs, callbacks, **arguments):
    """12 examples in 3 batches."""
    nets.compiled(model, optimizer)
    x, y = nets.inputs_of(model)
    model.fit(x, y, batch_size=4, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks, **arguments)


def by_trainer(model, optimizer, epochs, callbacks, initial_epoch=0):
    x, y = nets.inputs_of(model)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
    numbers = range(initial_epoch, epochs)
    Trainer(model, optimizer).fit(lambda epochs, _: batches.repeat(len(epochs)), numbers, 3, callbacks)


def by_hooks(model, optimizer, epochs, callbacks, initial_epoch=0):
    """The hooks alone, and the optimizer's count of steps: nothing is trained."""
    model.compile(optimizer)
    model.optimizer.build(model.trainable_variables)
    hooks = keras.callbacks.CallbackList(callbacks, model=model, epochs=epochs, steps=3)
    hooks.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        hooks.on_epoch_begin(epoch)
        for batch in range(3):
            hooks.on_train_batch_begin(batch)
            model.optimizer.iterations.assign_add(1)
            hooks.on_train_batch_end(batch)
        hooks.on_epoch_end(epoch)
    hooks.on_train_end()


both_loops = pytest.mark.parametrize("loop", [by_fit, by_trainer])


class Watch(keras.callbacks.Callback):
    """What was in force in each epoch: rates, weights at its start, optimizer steps, kept weights."""

    any_pace = True

    def __init__(self):
        super().__init__()
        self.rates, self.weights, self.steps, self.kept = [], [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.rates.append(round(float(np.asarray(self.model.optimizer.learning_rate)), 6))
        self.weights.append([keras.ops.convert_to_numpy(weight) for weight in stock_weights(self.model)])
        self.steps.append(int(np.asarray(self.model.optimizer.iterations)))
        self.kept.append(sum(int(np.sum(entry.mask)) for entry in tt.masked_weights(self.model)))


def rates(optimizer, *callbacks, epochs=7, loop=by_hooks, **arguments):
    watch = Watch()
    loop(nets.build("sequential"), optimizer, epochs, [*callbacks, watch], **arguments)
    return watch.rates


def falling(epoch):
    return [0.4, 0.3, 0.2, 0.1][min(epoch, 3)]


class TestLearningRateRewinding:
    @pytest.mark.parametrize("loop", [by_fit, by_trainer, by_hooks])
    def test_replays_what_a_scheduler_before_it_did(self, loop):
        scheduler = keras.callbacks.LearningRateScheduler(falling)
        found = rates(keras.optimizers.SGD(9.0), scheduler, LearningRateRewinding(epoch=4), loop=loop)
        assert found == [0.4, 0.3, 0.2, 0.1, 0.4, 0.3, 0.2]

    def test_goes_back_to_any_epoch_and_stays_at_the_last_rate_that_it_saw(self):
        scheduler = keras.callbacks.LearningRateScheduler(falling)
        found = rates(keras.optimizers.SGD(9.0), scheduler, LearningRateRewinding(epoch=3, to=1))
        assert found == [0.4, 0.3, 0.2, 0.3, 0.2, 0.2, 0.2]

    def test_follows_a_schedule_of_its_own(self):
        found = rates(keras.optimizers.SGD(9.0), LearningRateRewinding(3, to=1, schedule=falling))
        assert found == [0.4, 0.3, 0.2, 0.3, 0.2, 0.1, 0.1]

    @pytest.mark.parametrize("loop", [by_fit, by_hooks])
    def test_replays_the_schedule_of_the_optimizer_by_resetting_its_steps(self, loop):
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay([5, 11], [0.3, 0.2, 0.1])
        found = rates(keras.optimizers.Adam(schedule), LearningRateRewinding(epoch=5), loop=loop)
        assert found == [0.3, 0.3, 0.2, 0.2, 0.1, 0.3, 0.3]

    def test_also_of_one_under_loss_scaling(self):
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay([5], [0.3, 0.2])
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(schedule), initial_scale=2.0)
        assert rates(optimizer, LearningRateRewinding(3), epochs=4) == [0.3, 0.3, 0.2, 0.3]

    def test_takes_a_rate_that_never_changed_for_what_it_is(self):
        assert rates(keras.optimizers.SGD(0.5), LearningRateRewinding(0), epochs=2) == [0.5, 0.5]

    @both_loops
    def test_a_fit_that_starts_at_the_epoch_has_nothing_to_reset(self, loop):
        """In a first fit, Keras has not even built the optimizer by then."""
        rewinding = LearningRateRewinding(4, to=4, schedule=lambda epoch: 0.1 * epoch)
        assert rates(SGD(9.0, 0.9), rewinding, epochs=6, loop=loop, initial_epoch=4) == [0.4, 0.5]

    def test_can_be_used_again(self):
        rewinding = LearningRateRewinding(2)
        scheduler = keras.callbacks.LearningRateScheduler(falling)
        for _ in range(2):
            found = rates(keras.optimizers.SGD(9.0), scheduler, rewinding, epochs=4)
            assert found == [0.4, 0.3, 0.4, 0.3]

    @both_loops
    def test_starts_the_optimizer_afresh_and_leaves_the_weights(self, loop):
        watch, model = Watch(), nets.build("sequential")
        loop(model, keras.optimizers.SGD(0.1, momentum=0.9), 3, [LearningRateRewinding(2), watch])
        assert watch.steps == [0, 3, 0]

        twin = nets.build("sequential")
        by_fit(twin, keras.optimizers.SGD(0.1, momentum=0.9), 2, [])
        nets.assert_equal(watch.weights[2], twin.get_weights(), rtol=1e-5, atol=1e-6)
        by_fit(twin, keras.optimizers.SGD(0.1, momentum=0.9), 1, [])
        nets.assert_equal(model.get_weights(), twin.get_weights(), rtol=1e-5, atol=1e-6)


class TestWeightRewinding:
    @both_loops
    def test_takes_weights_statistics_and_rate_back_and_leaves_the_masks(self, loop):
        watch, model = Watch(), nets.build("functional")
        loop(
            model,
            keras.optimizers.SGD(9.0, momentum=0.9),
            5,
            [
                MagnitudePruning(0.5, epoch=3),
                WeightRewinding(epoch=3, to=1, schedule=lambda epoch: 0.01 * (1 + epoch)),
                watch,
            ],
        )
        nets.assert_equal(watch.weights[3], watch.weights[1])
        assert any(np.any(a != b) for a, b in zip(watch.weights[2], watch.weights[1], strict=True))
        assert watch.rates == [0.01, 0.02, 0.03, 0.02, 0.03]
        assert watch.steps == [0, 3, 6, 0, 3]
        assert watch.kept == [100, 100, 100, 50, 50]

    def test_to_epoch_0_makes_the_lottery_ticket(self):
        """The same ticket, weights and rates as prune("lt") with the weights from before training."""
        lottery = [MagnitudePruning(0.5, epoch=2, classifier_keep=1.0), WeightRewinding(epoch=2)]
        model = nets.build("sequential")
        init = model.get_weights()
        by_fit(model, keras.optimizers.SGD(0.1, momentum=0.9), 3, lottery)

        twin = nets.build("sequential")
        by_fit(twin, keras.optimizers.SGD(0.1, momentum=0.9), 2, [])
        ticket = tt.prune(twin, "lt", 0.5, init_weights=init)
        nets.assert_equal(lottery[0].ticket.masks, ticket.masks)
        by_fit(twin, keras.optimizers.SGD(0.1, momentum=0.9), 1, [])
        nets.assert_equal(model.get_weights(), twin.get_weights(), rtol=1e-5, atol=1e-6)


class TestHybridPruning:
    @both_loops
    def test_one_fit_makes_the_hybrid_ticket(self, loop):
        """Trained for 2 epochs, pruned, trained for 2 from the top: by callbacks, and step by step."""
        pruning = HybridPruning(sparsity=0.6, epoch=2)
        scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: [0.1, 0.01][epoch % 2])
        watch, model = Watch(), nets.build("functional")
        loop(model, SGD(0.1, 0.9), 4, [scheduler, pruning, LearningRateRewinding(2), watch])

        twin = nets.build("functional")
        restore_weights(twin, watch.weights[2])
        ticket = tt.prune(twin, "hybrid", 0.6)
        nets.assert_equal(pruning.ticket.masks, ticket.masks)
        assert watch.kept == [100, 100, 40, 40] and ticket.kept == 40
        loop(twin, SGD(0.1, 0.9), 2, [scheduler])
        nets.assert_equal(nets.kernels(model), nets.kernels(twin), rtol=1e-5, atol=1e-6)

    def test_also_on_two_replicas(self):
        strategy = two_replicas()
        with strategy.scope():
            model, optimizer = nets.build("sequential"), SGD(0.1, momentum=0.9)
        x, y = nets.inputs_of(model)
        batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
        watch, pruning = Watch(), HybridPruning(0.5, epoch=2)
        Trainer(model, optimizer, strategy).fit(
            lambda epochs, _: batches.repeat(len(epochs)),
            range(4),
            3,
            [pruning, WeightRewinding(2, to=1), watch],
        )
        assert watch.kept == [72, 72, 36, 36] and watch.steps == [0, 3, 0, 3]
        nets.assert_equal(watch.weights[2], watch.weights[1])
        for variable in [*model.weights, *model.optimizer.variables]:
            copies = [np.asarray(copy) for copy in strategy.experimental_local_results(variable.value)]
            nets.assert_equal(copies[:1] * len(copies), copies)

    def test_takes_the_family_and_the_classifiers_share(self):
        model = nets.build("functional")
        pruning = HybridPruning(0.5, epoch=0, family="vgg", classifier_keep=0.75)
        by_hooks(model, keras.optimizers.SGD(0.0), 1, [pruning])
        ticket = tt.prune(nets.build("functional"), "hybrid", 0.5, family="vgg", classifier_keep=0.75)
        nets.assert_equal(pruning.ticket.masks, ticket.masks)
        assert pruning.ticket.layers[-1].kept == 9


class TestMagnitudePruning:
    @both_loops
    def test_once(self, loop):
        watch, pruning = Watch(), MagnitudePruning(0.75, epoch=1)
        loop(nets.build("functional"), keras.optimizers.SGD(0.1), 3, [pruning, watch])
        assert watch.kept == [100, 25, 25]
        assert pruning.ticket.kept == 25
        # What it had to choose from: the three kernels, in forward order, not the depthwise one.
        weights = [w for w in watch.weights[1] if w.ndim > 1 and w.shape != (3, 3, 4, 1)]
        threshold = np.sort(np.abs(np.concatenate([weight.ravel() for weight in weights])))[-25]
        nets.assert_equal(pruning.ticket.masks, [np.abs(weight) >= threshold for weight in weights])

    def test_of_chosen_layers(self):
        model = nets.build("sequential")
        by_hooks(model, keras.optimizers.SGD(0.1), 1, [MagnitudePruning(0.5, exclude=model.layers[-1])])
        (entry,) = tt.masked_weights(model)
        assert entry.layer is model.layers[0] and np.sum(entry.mask) == 24

    @both_loops
    def test_over_a_schedule_of_steps(self, loop):
        asked = []

        def schedule(step):
            asked.append(step)
            return step % 4 == 0, step / 16

        watch = Watch()
        loop(
            nets.build("functional"),
            keras.optimizers.SGD(0.1),
            4,
            [MagnitudePruning(schedule=schedule), watch],
        )
        assert asked == list(range(13))  # before the first batch, and after each of 12
        assert watch.kept == [100, 100, 75, 50]

    def test_several_steps_in_one_execution_count_each(self):
        asked = []
        model = nets.compiled(nets.build("sequential"), steps_per_execution=2)
        pruning = MagnitudePruning(schedule=lambda step: (asked.append(step) or step == 3, 0.5))
        x, y = nets.inputs_of(model, count=20)
        model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=[pruning])
        assert asked == list(range(11))
        assert pruning.ticket.kept == 36

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
        assert last.ticket.kept == 40  # step 12, after the last batch

    def test_what_was_pruned_may_come_back(self):
        """Every ticket is drawn from all weights, as they were when they were hidden."""
        model = nets.build("sequential")
        pruning = MagnitudePruning(schedule=lambda step: (True, 0.9 if step == 0 else 0.1))
        by_hooks(model, keras.optimizers.SGD(0.1), 1, [pruning])
        assert pruning.ticket.kept == round(72 * 0.9)


class TestErrorsComeBeforeTraining:
    @both_loops
    @pytest.mark.parametrize(
        "callback",
        [
            LearningRateRewinding(3),
            WeightRewinding(3),
            MagnitudePruning(0.5, epoch=3),
            HybridPruning(0.5, epoch=3),
        ],
        ids=lambda callback: type(callback).__name__,
    )
    def test_an_epoch_beyond_the_end(self, loop, callback):
        model = nets.build("sequential")
        before = model.get_weights()
        with pytest.raises(
            ValueError, match=r"to act at the start of epoch 3, but training ends after epoch 2"
        ):
            loop(model, keras.optimizers.SGD(0.1), 3, [callback])
        nets.assert_equal([np.asarray(w) for w in stock_weights(model)], before)

    @both_loops
    @pytest.mark.parametrize(
        ("callback", "words"),
        [
            (LearningRateRewinding(4), "the learning rate of epoch 0 is not seen: pass schedule="),
            (LearningRateRewinding(4, to=1), "the learning rate of epoch 1 is not seen"),
            (WeightRewinding(4, to=1), "the weights of epoch 1 are not seen"),
            (WeightRewinding(2, to=1, schedule=falling), "the weights of epoch 1 are not seen"),
            (MagnitudePruning(0.5), "act at the start of epoch 0, but training starts at epoch 2"),
            (HybridPruning(0.5, epoch=1), "HybridPruning is to act at the start of epoch 1"),
        ],
    )
    def test_a_start_after_the_epoch(self, loop, callback, words):
        model = nets.build("sequential")
        before = model.get_weights()
        with pytest.raises(ValueError, match=words):
            loop(model, keras.optimizers.SGD(0.1), 6, [callback], initial_epoch=2)
        nets.assert_equal([np.asarray(w) for w in stock_weights(model)], before)

    def test_but_a_fit_that_goes_on_with_a_pruned_model_may(self):
        model = nets.hide(nets.build("sequential"))
        kept = sum(int(np.sum(entry.mask)) for entry in tt.masked_weights(model))
        pruning, rewinding = HybridPruning(0.5, epoch=1), LearningRateRewinding(1, schedule=falling)
        assert rates(SGD(), rewinding, epochs=4, initial_epoch=2) == [0.3, 0.2]
        by_hooks(model, SGD(), 4, [pruning, rewinding], initial_epoch=2)
        assert sum(int(np.sum(entry.mask)) for entry in tt.masked_weights(model)) == kept

    @pytest.mark.parametrize(("to", "schedule"), [(1, None), (0, falling)])
    def test_a_rate_that_a_callback_cannot_set(self, to, schedule):
        own = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
        with pytest.raises(
            ValueError, match=r"has a LearningRateSchedule of its own, .* plain learning rate"
        ):
            rates(keras.optimizers.SGD(own), LearningRateRewinding(2, to=to, schedule=schedule))

    def test_nothing_to_prune(self):
        model = keras.Sequential([keras.Input((6,)), keras.layers.Rescaling(2.0), keras.layers.PReLU()])
        with pytest.raises(ValueError, match="has nothing to prune"):
            by_fit(model, keras.optimizers.SGD(0.1), 1, [MagnitudePruning(0.5)])

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda: LearningRateRewinding(-1), r"epoch= is a 0-based epoch. Received: -1"),
            (lambda: LearningRateRewinding(2.0), r"epoch= is a 0-based epoch. Received: 2.0"),
            (lambda: LearningRateRewinding(2, to=True), r"to= is a 0-based epoch. Received: True"),
            (lambda: LearningRateRewinding(2, to=3), r"Cannot rewind at epoch 2 to a later one .* to=3"),
            (lambda: WeightRewinding(2, to=2), r"to < epoch. Received: to=2, epoch=2"),
            (lambda: MagnitudePruning(), r"either sparsity= or schedule="),
            (lambda: MagnitudePruning(0.5, schedule=falling), r"either sparsity= or schedule="),
            (lambda: MagnitudePruning(schedule=0.5), r"schedule= is a callable .* Received: 0.5"),
            (lambda: MagnitudePruning(1.0), r"sparsity"),
            (lambda: MagnitudePruning(0.5, ratios="clever"), r"ratios='clever' is unknown. .*global"),
            (lambda: MagnitudePruning(0.5, epoch=-1), r"epoch= is a 0-based epoch"),
            (lambda: HybridPruning(-0.1, epoch=1), r"sparsity"),
        ],
    )
    def test_a_value_that_makes_no_sense(self, make, words):
        with pytest.raises(ValueError, match=words):
            make()


OPTIMIZERS = {
    "ours": lambda: SGD(0.1, momentum=0.9),
    "adam, averaged": lambda: keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.5),
    "nadam": lambda: keras.optimizers.Nadam(0.1),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1, momentum=0.9), 8.0),
    "accumulating": lambda: keras.optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=2),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_reset_optimizer_is_a_fresh_one_but_for_its_rate(name):
    """Not every slot starts at zero: the product in Nadam is one at first, and so are others."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(OPTIMIZERS[name]())
    optimizer, fresh = model.optimizer, OPTIMIZERS[name]()
    reset_optimizer(model)  # not built: as fresh as can be
    for part in (optimizer, fresh):
        part.build(model.trainable_variables)
    for step in range(5):
        optimizer.apply([tf.ones((2, 1)) * (step + 1.0), tf.ones(1)], model.trainable_variables)
    optimizer.learning_rate = 0.03125
    before = model.get_weights()
    reset_optimizer(model)
    nets.assert_equal(model.get_weights(), before)
    assert float(optimizer.learning_rate) == 0.03125
    fresh.learning_rate = 0.03125
    for found, expected in zip(optimizer.variables, fresh.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected), err_msg=found.path)
