"""Masks that move in a user's own fit: in whatever model, and after which steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.replicas import two_replicas
from tests.sparse_training.small import Watch, counts, fit, masks, moved, perceptron
from tests.sparse_training.updates import METHODS, OPTIMIZERS
from tf_tickets.sparse_training.density_schedules import cubic_density


class TestWhateverTheModel:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "name, method",
        [("sequential", "gmp"), ("subclassed", "rigl"), ("functional", "granet"), ("nested", "set")],
    )
    def test_counts_are_kept_or_follow_the_schedule_and_nothing_grows_outside_of_the_source(
        self, name, method, request
    ):
        if name != "subclassed":  # which is traced
            request.getfixturevalue("untraced")
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
        assert not any(entry.layer.parametrizations for entry in tt.masked_weights(model))

    @pytest.mark.slow
    def test_two_replicas_move_alike_and_as_one_device(self):
        """One after another: by gradient, at random, and all layers together; the fourth is made of these."""
        found, strategy = [], two_replicas()
        for scope in (tf.distribute.get_strategy(), strategy):
            with scope.scope():
                model = nets.build("sequential")
                tt.prune(model, "er", sparsity=0.5)
                nets.compiled(model, OPTIMIZERS["adam"](), run_eagerly=scope is not strategy)
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

    @pytest.mark.slow
    def test_an_optimizer_that_gathers_gradients_counts_its_own_steps(self):
        """Two batches a step: ten steps, of which the last update comes after the seventh."""
        model, x, y = perceptron(keras.optimizers.SGD(0.2, momentum=0.9, gradient_accumulation_steps=2))
        watch = Watch()
        fit(model, x, y, METHODS["gmp"](frequency=5), watch, steps=20, size=6)
        assert watch.seen[-1].step == 10 and watch.moves == [5, 8]
        assert sum(counts(masks(model))) == round(72 * 0.2)

    @pytest.mark.slow
    @pytest.mark.usefixtures("untraced")
    def test_gathered_gradients_are_all_in_the_sum_that_growth_follows(self):
        """Halves of a batch, gathered, grow what the whole batch does."""
        found = []
        for parts in (1, 2):
            gathered = {"gradient_accumulation_steps": parts} if parts > 1 else {}
            model, x, y = perceptron(keras.optimizers.SGD(0.2, momentum=0.9, **gathered))
            totals, callback = [], METHODS["rigl"](frequency=2)
            update = callback.update

            def noting(step, update=update, callback=callback, totals=totals, parts=parts):
                totals.extend(np.array(tap.total) / parts for tap in callback._taps.taps)
                update(step)

            callback.update = noting
            fit(model, x, y, callback, steps=4 * parts, size=12 // parts)
            found.append(totals)
        assert len(found[0]) == 2
        nets.assert_equal(*found, rtol=1e-4, atol=1e-6)


@pytest.mark.usefixtures("untraced")
class TestWhen:
    @pytest.mark.slow
    def test_at_multiples_of_the_frequency_before_three_quarters_of_the_training(self):
        model, x, y = perceptron()
        callback, watch = METHODS["set"](frequency=2), Watch()
        fit(model, x, y, callback, watch, steps=7, size=6)
        assert watch.moves == [2, 4]  # of seven steps, and the fifth is the end
        # Each training counts from its own beginning.
        fit(model, x, y, callback, watch, steps=7, size=6)
        assert watch.moves == [2, 4, 9, 11]

    @pytest.mark.slow
    def test_from_a_first_step_on_across_several_fits(self):
        model, x, y = perceptron()
        callback, watch = METHODS["set"](frequency=3, begin_step=2, end_step=7), Watch()
        for _ in range(3):
            fit(model, x, y, callback, watch)
        assert watch.moves == [5, 8]

    @pytest.mark.slow
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

    @pytest.mark.slow
    def test_a_fit_that_starts_at_a_later_epoch_counts_from_the_first(self):
        model, x, y = perceptron()
        callback, watch = METHODS["set"](frequency=3), Watch()
        fit(model, x, y, callback, watch, steps=2, epochs=6, initial_epoch=2)
        assert watch.moves == [2]  # the sixth of twelve; the ninth is the end

    @pytest.mark.slow
    def test_several_steps_in_one_call_move_the_masks_at_its_end(self):
        """Calls end after steps 4, 6, 10, 12, ...: an epoch has six."""
        model, x, y = perceptron(steps_per_execution=4)
        callback, watch = METHODS["rigl"](frequency=5, end_step=12), Watch()
        moves = moved(callback)
        fit(model, x, y, callback, watch, epochs=3, steps=6)
        assert [seen.step for seen in watch.seen] == [4, 6, 10, 12, 16, 18]
        assert moves == [6, 10]
