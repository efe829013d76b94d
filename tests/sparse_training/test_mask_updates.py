"""Masks that move in a user's own fit: what an update does, when it happens, and what is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.replicas import two_replicas
from tests.sparse_training.small import Watch, counts, dense_gradients, fit, masks, moved, perceptron
from tf_tickets.pruning.masks import global_masks
from tf_tickets.sparse_training import SET, GradualMagnitudePruning, GraNet, RigL
from tf_tickets.sparse_training.schedules import cubic_density, granet_drop_fraction

OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(0.05),
    "momentum": lambda: keras.optimizers.SGD(0.2, momentum=0.9),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.02, momentum=0.5, centered=True),
    "adagrad": lambda: keras.optimizers.Adagrad(0.1),
    "averaging": lambda: keras.optimizers.Adam(0.05, use_ema=True, ema_momentum=0.5),
    "scaling": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.2, momentum=0.9), initial_scale=8.0
    ),
}
FRESH = {"adagrad": 0.1}
METHODS = {
    "rigl": lambda **k: RigL(drop_fraction=0.5, **k),
    "set": lambda **k: SET(drop_fraction=0.5, **k),
    "granet": lambda **k: GraNet(sparsity=0.8, **k),
    "gmp": lambda **k: GradualMagnitudePruning(sparsity=0.8, **k),
}


def exchanged(weights, masks, growth, parts):
    """The masks after an exchange, by the rankings of arrays."""
    after = []
    for weight, mask, score, part in zip(weights, masks, growth, parts, strict=True):
        (kept,) = global_masks([np.abs(weight)], int(mask.sum()) - part, within=[mask])
        (grown,) = global_masks([np.abs(score)], part, within=[~kept])
        after.append(kept | grown)
    return after


def assert_moved(before, after, expected, fresh=0.0):
    """The expected masks; zero with fresh slots what is new, and everything else as it was."""
    nets.assert_equal(after.masks, expected)
    new = [b & ~a for a, b in zip(before.masks, expected, strict=True)]
    assert any(mask.any() for mask in new)
    nets.assert_equal(after.weights, [np.where(n, 0, w) for n, w in zip(new, before.weights, strict=True)])
    for n, slots, own in zip(new, after.slots, before.slots, strict=True):
        assert slots
        nets.assert_equal(slots, [np.where(n, np.float32(fresh), slot) for slot in own])


@pytest.mark.usefixtures("untraced")
class TestAnUpdate:
    @pytest.mark.parametrize("optimizer", OPTIMIZERS)
    def test_of_rigl_drops_the_smallest_and_grows_the_steepest(self, optimizer):
        model, x, y = perceptron(OPTIMIZERS[optimizer]())
        before, after = Watch(), Watch()
        fit(model, x, y, before, RigL(frequency=2, drop_fraction=0.5), after)
        assert after.moves == [2]
        first, second = after.seen[0], before.seen[1]
        kernels = [np.where(m, w, 0) for m, w in zip(first.masks, first.weights, strict=True)]
        slopes = dense_gradients(kernels, first.biases, x, y)
        fraction = 0.5 / 2 * (1 + np.cos(np.pi * 2 / 3))  # the masks move in three of the four steps
        parts = [int(fraction * count) for count in counts(second.masks)]
        expected = exchanged(second.weights, second.masks, slopes, parts)
        assert_moved(second, after.seen[1], expected, FRESH.get(optimizer, 0.0))

    def test_of_rigl_is_the_same_beside_another_that_watches_the_gradient(self):
        found = []
        for others in ([], [METHODS["granet"](begin_step=100, end_step=100, initial_sparsity=0.5)]):
            model, x, y = perceptron()
            fit(model, x, y, METHODS["rigl"](frequency=1), *others, steps=2)
            found.append(masks(model))
            assert not any(entry.layer.readings for entry in tt.masked_weights(model))
        nets.assert_equal(*found)

    def test_of_granet_prunes_all_layers_together_and_then_exchanges_within_each(self):
        model, x, y = perceptron(OPTIMIZERS["adam"]())
        before, after = Watch(), Watch()
        fit(model, x, y, before, GraNet(sparsity=0.7, frequency=2, drop_fraction=0.5, end_step=4), after)
        first, second = after.seen[0], before.seen[1]
        kernels = [np.where(m, w, 0) for m, w in zip(first.masks, first.weights, strict=True)]
        slopes = dense_gradients(kernels, first.biases, x, y)
        keep = round(72 * cubic_density(0.5, 0.3, 0.5))
        pruned = global_masks([np.abs(weight) for weight in second.weights], keep, within=second.masks)
        parts = [int(np.ceil(granet_drop_fraction(0.5, 0.5) * count)) for count in counts(pruned)]
        assert_moved(second, after.seen[1], exchanged(second.weights, pruned, slopes, parts))

    def test_of_set_drops_the_smallest_and_grows_anywhere(self):
        found = []
        for seed in (0, 1):
            model, x, y = perceptron(OPTIMIZERS["momentum"]())
            before, after = Watch(), Watch()
            fit(model, x, y, before, SET(frequency=2, drop_fraction=0.5, seed=seed), after)
            old, new = before.seen[1], after.seen[1]
            parts = [count - count // 2 for count in counts(old.masks)]
            for weight, mask, part, now in zip(old.weights, old.masks, parts, new.masks, strict=True):
                (kept,) = global_masks([np.abs(weight)], part, within=[mask])
                assert not (kept & ~now).any() and (now & ~mask).any()
            assert_moved(old, new, new.masks)
            found.append(np.concatenate([mask.ravel() for mask in new.masks]))
        assert (found[0] != found[1]).any()

    def test_of_gradual_pruning_takes_the_smallest_of_all_layers(self):
        model, x, y = perceptron(OPTIMIZERS["momentum"]())
        before, after = Watch(), Watch()
        fit(model, x, y, before, GradualMagnitudePruning(sparsity=0.75, frequency=2), after)
        assert after.moves == [2, 3]  # by its frequency, and at its end
        for step, keep in ((1, round(72 * cubic_density(0.5, 0.25, 2 / 3))), (2, 18)):
            old = before.seen[step]
            expected = global_masks([np.abs(weight) for weight in old.weights], keep, within=old.masks)
            nets.assert_equal(after.seen[step].masks, expected)
            nets.assert_equal(after.seen[step].weights, old.weights)


class TestWhateverTheModel:
    @pytest.mark.parametrize(
        "name, method",
        [("sequential", "gmp"), ("subclassed", "rigl"), ("functional", "granet"), ("nested", "set")],
    )
    def test_counts_are_kept_or_follow_the_schedule_and_nothing_grows_outside_of_the_source(
        self, name, method
    ):
        model = nets.build(name)
        source = tt.prune(model, "random", sparsity=0.2, seed=1)
        first = tt.prune(model, "random", sparsity=0.5, within=source)
        nets.compiled(nets.poison(model, 5.0), OPTIMIZERS["momentum"]())
        x, y = nets.inputs_of(model)
        callback, watch = METHODS[method](frequency=2, source=source), Watch()
        validation = {"validation_data": (x, y)} if method == "rigl" else {}
        logs = fit(model, x, y, callback, watch, epochs=2, size=6, **validation)
        assert len(watch.moves) >= (2 if method != "functional" else 1)
        assert callback.ticket.sha256 == tt.pruning.ticket_of(model, {}).sha256
        total = first.total
        for seen in watch.seen:
            for mask, allowed in zip(seen.masks, source.masks, strict=True):
                assert not (mask & ~allowed).any()
            if method in ("rigl", "set"):
                assert counts(seen.masks) == counts(first.masks)
        if method in ("granet", "gmp"):
            assert sum(counts(watch.seen[-1].masks)) == round(total * (1 - 0.8))
            done = [min(step - step % 2, 6) / 6 for step in range(1, 9)]
            expected = [round(total * cubic_density(first.kept / total, 1 - 0.8, part)) for part in done]
            expected[0] = first.kept
            assert [sum(counts(seen.masks)) for seen in watch.seen] == expected
        by_epoch = [sum(counts(seen.masks)) / total for seen in watch.seen[3::4]]
        np.testing.assert_allclose(logs["density"], by_epoch, rtol=1e-12)
        assert not any(entry.layer.readings for entry in tt.masked_weights(model))

    def test_two_replicas_move_alike_and_as_one_device(self):
        """One after another: by gradient, at random, and all layers together; the fourth is made of these."""
        found, strategy = [], two_replicas()
        for scope in (tf.distribute.get_strategy(), strategy):
            with scope.scope():
                model = nets.build("sequential")
                tt.prune(model, "er", sparsity=0.5)
                nets.compiled(model, OPTIMIZERS["adam"]())
            x, y = nets.inputs_of(model)
            chain = [
                METHODS[name](frequency=1, begin_step=step, end_step=2)
                for step, name in enumerate(("rigl", "set", "gmp"))
            ]
            watch = Watch()
            fit(model, x, y, *chain, watch, steps=5)
            found.append([mask for seen in watch.seen for mask in seen.masks])
            assert len(watch.moves) >= 3
        nets.assert_equal(found[0], found[1])
        for entry in tt.masked_weights(model):
            for variable in (entry.mask, entry.weight):
                copies = strategy.experimental_local_results(variable.value)
                np.testing.assert_array_equal(*map(np.asarray, copies))

    def test_an_optimizer_that_gathers_gradients_counts_its_own_steps(self):
        """Two batches a step: ten steps, of which the last update comes after the seventh."""
        model, x, y = perceptron(keras.optimizers.SGD(0.2, momentum=0.9, gradient_accumulation_steps=2))
        watch = Watch()
        fit(model, x, y, METHODS["gmp"](frequency=5), watch, steps=20, size=6)
        assert watch.seen[-1].step == 10 and watch.moves == [5, 8]
        assert sum(counts(masks(model))) == round(72 * 0.2)

    @pytest.mark.usefixtures("untraced")
    def test_gathered_gradients_are_all_in_the_sum_that_growth_follows(self):
        """Halves of a batch, gathered, grow what the whole batch does."""
        found = []
        for parts in (1, 2):
            gathered = {"gradient_accumulation_steps": parts} if parts > 1 else {}
            model, x, y = perceptron(keras.optimizers.SGD(0.2, momentum=0.9, **gathered))
            totals, callback = [], METHODS["rigl"](frequency=2)
            move = callback.move

            def noting(step, move=move, callback=callback, totals=totals, parts=parts):
                totals.extend(keras.ops.convert_to_numpy(tap.total) / parts for tap in callback._taps)
                move(step)

            callback.move = noting
            fit(model, x, y, callback, steps=4 * parts, size=12 // parts)
            found.append(totals)
        assert len(found[0]) == 2
        nets.assert_equal(*found, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("untraced")
class TestWhen:
    def test_at_multiples_of_the_frequency_before_three_quarters_of_the_training(self):
        model, x, y = perceptron()
        callback, watch = METHODS["set"](frequency=2), Watch()
        fit(model, x, y, callback, watch, steps=7, size=6)
        assert watch.moves == [2, 4]  # of seven steps, and the fifth is the end
        # Each training counts from its own beginning.
        fit(model, x, y, callback, watch, steps=7, size=6)
        assert watch.moves == [2, 4, 9, 11]

    def test_from_a_first_step_on_across_several_fits(self):
        model, x, y = perceptron()
        callback, watch = METHODS["set"](frequency=3, begin_step=2, end_step=7), Watch()
        for _ in range(3):
            fit(model, x, y, callback, watch)
        assert watch.moves == [5, 8]

    def test_a_schedule_of_densities_goes_on_in_the_next_fit(self):
        model, x, y = perceptron()
        watch = Watch()
        for _ in range(2):  # with a callback of its own for each part, as after a restart
            fit(
                model,
                x,
                y,
                METHODS["gmp"](begin_step=0, end_step=8, initial_sparsity=0.5, frequency=2),
                watch,
            )
        expected = [round(72 * cubic_density(0.5, 0.2, step / 8)) for step in (2, 4, 6, 8)]
        assert [sum(counts(seen.masks)) for seen in watch.seen[1::2]] == expected

    @pytest.mark.parametrize("method", ["gmp", "granet"])
    def test_two_parts_with_the_first_sparsity_are_one_training(self, method):
        found = []
        for parts in ([8], [4, 4]):
            model, x, y = perceptron(OPTIMIZERS["momentum"]())
            watch = Watch()
            for part, steps in enumerate(parts):
                callback = METHODS[method](begin_step=0, end_step=8, initial_sparsity=0.5, frequency=2)
                fit(model, x, y, callback, watch, steps=steps, epochs=part + 1, initial_epoch=part)
            found.append([mask for seen in watch.seen for mask in seen.masks])
        nets.assert_equal(*found)
        assert found[0][-1].sum() + found[0][-2].sum() == round(72 * 0.2)

    @pytest.mark.parametrize("begin, moves", [(4, [6, 7]), (None, [2, 4, 6])])
    def test_by_default_three_quarters_of_what_is_left_from_its_beginning(self, begin, moves):
        model, x, y = perceptron()
        watch = Watch()
        fit(model, x, y, METHODS["gmp"](frequency=2, begin_step=begin), watch, steps=8)
        assert watch.moves == moves
        assert sum(counts(masks(model))) == round(72 * 0.2)

    @pytest.mark.parametrize("name", ["gmp", "granet"])
    def test_a_target_that_a_short_training_misses_is_told(self, name):
        class Stop(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                self.model.stop_training = True

        model, x, y = perceptron()
        with pytest.warns(UserWarning, match=r"ended at a density of 0\.\d+, and 0\.2 was asked for"):
            fit(model, x, y, METHODS[name](frequency=1), Stop(), epochs=4, steps=2)
        assert sum(counts(masks(model))) > round(72 * 0.2)

    def test_a_loop_without_epochs_counts_from_its_first_batch(self):
        model, x, y = perceptron()
        callback = METHODS["set"](frequency=2)
        moves = moved(callback)
        hooks = keras.callbacks.CallbackList([callback], model=model, epochs=1, steps=8)
        hooks.on_train_begin()
        for batch in range(8):
            hooks.on_train_batch_begin(batch)
            model.train_on_batch(x, y)
            hooks.on_train_batch_end(batch)
        hooks.on_train_end()
        assert moves == [2, 4]

    def test_a_fit_that_starts_at_a_later_epoch_counts_from_the_first(self):
        model, x, y = perceptron()
        callback, watch = METHODS["set"](frequency=3), Watch()
        fit(model, x, y, callback, watch, steps=2, epochs=6, initial_epoch=2)
        assert watch.moves == [2]  # the sixth of twelve; the ninth is the end

    @pytest.mark.parametrize("method", ["set", "rigl"])
    def test_several_steps_in_one_call_move_the_masks_at_its_end(self, method):
        """Calls end after steps 4, 6, 10, 12, ...: an epoch has six."""
        model, x, y = perceptron(steps_per_execution=4)
        callback, watch = METHODS[method](frequency=5, end_step=12), Watch()
        moves = moved(callback)
        fit(model, x, y, callback, watch, epochs=3, steps=6)
        assert [seen.step for seen in watch.seen] == [4, 6, 10, 12, 16, 18]
        assert moves == [6, 10]

    def test_gradual_pruning_meets_its_target_in_the_middle_of_a_call(self):
        model, x, y = perceptron(steps_per_execution=4)
        fit(model, x, y, METHODS["gmp"](frequency=100, end_step=3), steps=6)
        assert sum(counts(masks(model))) == round(72 * 0.2)

    def test_granet_exchanges_on_when_it_has_pruned(self):
        model, x, y = perceptron(OPTIMIZERS["momentum"]())
        callback, watch = METHODS["granet"](frequency=2, end_step=2), Watch()
        moves = moved(callback)
        fit(model, x, y, callback, watch, steps=8)
        assert moves == [2, 4, 6]  # the training ends with the eighth step, not with an exchange
        assert watch.moves[:2] == [2, 4]
        assert {tuple(counts(seen.masks)) for seen in watch.seen[1:]} == {tuple(counts(watch.seen[1].masks))}

    def test_a_schedule_of_tensorflow_model_optimization_is_followed(self):
        sparsity = pytest.importorskip("tensorflow_model_optimization").sparsity.keras
        schedule = sparsity.PolynomialDecay(0.5, 0.9, begin_step=2, end_step=6, frequency=2)
        model, x, y = perceptron(sparsity=0)
        watch = Watch()
        # A dense model gets masks, and data without a length are no hindrance: the schedule knows its end.
        data = tf.data.Dataset.from_tensors((x, y)).repeat(8).filter(lambda x, y: True)
        model.fit(data, verbose=0, callbacks=[GradualMagnitudePruning(schedule=schedule), watch])
        asked = [float(schedule(step)[1]) for step in (2, 4, 6)]
        expected = [72, *(round(72 * (1 - value)) for value in asked for _ in range(2))]
        assert [sum(counts(seen.masks)) for seen in watch.seen] == [*expected, 7]
        assert asked == pytest.approx([0.5, 0.85, 0.9])

    def test_a_schedule_counts_from_the_first_step(self):
        model, x, y = perceptron(sparsity=0)
        watch = Watch()
        callback = GradualMagnitudePruning(schedule=lambda step: (True, 0.5), begin_step=2)
        fit(model, x, y, callback, watch)
        assert watch.moves == [3]


def faulty(*changes, **arguments):
    model, x, y = perceptron(**arguments)
    for change in changes:
        change(model)
    return model, x, y


@pytest.mark.usefixtures("untraced")
class TestWhatIsRefused:
    @pytest.mark.parametrize(
        "make, message",
        [
            (lambda: RigL(frequency=0), "frequency= is a whole number, 1 or more. Received: 0"),
            (lambda: RigL(frequency=2.5), "frequency= .* Received: 2.5"),
            (lambda: RigL(begin_step=-1), "begin_step="),
            (lambda: RigL(end_step=True), "end_step="),
            (lambda: SET(seed=-3), "seed="),
            (lambda: SET(drop_fraction=1.0), r"drop_fraction= is a fraction in \(0, 1\). Received: 1.0"),
            (lambda: GraNet(0.5, drop_fraction=0), "drop_fraction="),
            (lambda: RigL(drop_schedule="linear"), "(?s)drop_schedule.*linear.*cosine"),
            (lambda: RigL(drop_fraction="a"), "drop_fraction= is a fraction .* Received: 'a'"),
            (lambda: GraNet(0.9, drop_fraction="x"), "drop_fraction= is a fraction .* Received: 'x'"),
            (lambda: GraNet(0.9, initial_sparsity="x"), "sparsity is the fraction"),
            (lambda: GraNet(0.5, initial_sparsity=0.6), "at most sparsity=.*initial_sparsity=0.6"),
            (
                lambda: GradualMagnitudePruning(schedule=lambda step: (True, 0.5), initial_sparsity=0.1),
                "says by itself where it begins",
            ),
            (lambda: GradualMagnitudePruning(1.0), "sparsity is the fraction"),
            (lambda: GradualMagnitudePruning(), "either sparsity= or schedule="),
            (lambda: GradualMagnitudePruning(schedule=3), "schedule= is a callable"),
            (
                lambda: GradualMagnitudePruning(schedule=lambda step: (True, 0.5), end_step=3),
                "where it ends",
            ),
        ],
    )
    def test_values_out_of_range(self, make, message):
        with pytest.raises(ValueError, match=message):
            make()

    @pytest.mark.parametrize(
        "callback, model, message",
        [
            (lambda: RigL(), lambda: perceptron(sparsity=0), "has none: call tf_tickets.prune"),
            (lambda: SET(), lambda: faulty(tt.mask_layers, sparsity=0), "is dense: call tf_tickets.prune"),
            (
                lambda: RigL(),
                lambda: perceptron(keras.optimizers.Adafactor()),
                "Adafactor keeps .* not a value for each weight.*Use an optimizer such as SGD",
            ),
            (lambda: GraNet(0.8, end_step=5), perceptron, r"end_step=5\) would end after .* has 4 steps"),
            (lambda: METHODS["gmp"](begin_step=3, end_step=2), perceptron, "has 1 steps from begin_step on"),
            (lambda: METHODS["gmp"](begin_step=9), perceptron, "begin_step=9.* never moves a mask"),
            (lambda: GraNet(0.4), perceptron, "keep 43 weights.* keep 36: a target cannot be denser"),
            (
                lambda: GradualMagnitudePruning(0.999),
                perceptron,
                "keeps none of the 72 prunable weights",
            ),
            (lambda: RigL(source=[np.ones((6, 8), bool)]), perceptron, r"masks of shapes \[\(6, 8\)\]"),
            (
                lambda: SET(source=[np.ones((6, 8)), np.ones((8, 3))]),
                perceptron,
                "bool masks. Received: .*float64",
            ),
            (
                lambda: RigL(source=[np.zeros((6, 8), bool), np.ones((8, 3), bool)]),
                perceptron,
                r"keeps \d+ weights outside of source=.*within=source",
            ),
            (lambda: RigL(frequency=3), perceptron, "first update would be after step 3, .* before step 3"),
            (
                lambda: RigL(),
                lambda: faulty(lambda model: tt.sparse_training.soft_threshold(model)),
                "computed by SoftThreshold, which does not go together with RigL",
            ),
            (
                lambda: SET(),
                lambda: faulty(lambda model: setattr(model.layers[0], "trainable", False)),
                "is not trained by the optimizer.*exclude=",
            ),
        ],
    )
    def test_models_that_cannot_follow_before_a_step_is_made(self, callback, model, message):
        model, x, y = model()
        before = model.get_weights()
        with pytest.raises(ValueError, match=message):
            fit(model, x, y, callback())
        nets.assert_equal(model.get_weights(), before)

    def test_masks_that_fill_their_source(self):
        model, x, y = perceptron()
        with pytest.raises(ValueError, match="has nowhere to grow: the masks keep all of source="):
            fit(model, x, y, SET(frequency=2, source=masks(model)))

    def test_a_model_that_is_not_compiled(self):
        model = nets.hide(nets.build("sequential"))
        hooks = keras.callbacks.CallbackList([RigL(end_step=3)], model=model, epochs=1, steps=4)
        with pytest.raises(ValueError, match="compile it first"):
            hooks.on_train_begin()

    def test_data_without_a_length_unless_the_end_is_said(self):
        model, x, y = perceptron()
        data = tf.data.Dataset.from_tensors((x, y)).repeat(4).filter(lambda x, y: True)
        with pytest.raises(ValueError, match=r"do not know|does not know how long .*end_step="):
            model.fit(data, verbose=0, callbacks=[RigL(frequency=2)])
        watch = Watch()
        model.fit(data, verbose=0, callbacks=[METHODS["set"](frequency=2, end_step=3), watch])
        assert watch.moves == [2]

    def test_the_same_sparsity_as_the_model_has_is_not_denser(self):
        """Seven of 72 weights are less than a tenth of them, for a count is a whole number."""
        model, x, y = perceptron(sparsity=0.9)
        assert sum(counts(masks(model))) == 7 < 7.2
        fit(model, x, y, GraNet(sparsity=0.9, frequency=2))
        assert sum(counts(masks(model))) == 7
