"""What searches refuse, before a step is made."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.sparse_training.small import Watch, counts, fit, masks, perceptron
from tests.sparse_training.updates import METHODS
from tf_tickets.sparse_training import SET, GradualMagnitudePruning, GraNet, RigL


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

    @pytest.mark.slow
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

    @pytest.mark.slow
    def test_data_without_a_length_unless_the_end_is_said(self):
        model, x, y = perceptron()
        data = tf.data.Dataset.from_tensors((x, y)).repeat(4).filter(lambda x, y: True)
        with pytest.raises(ValueError, match=r"do not know|does not know how long .*end_step="):
            model.fit(data, verbose=0, callbacks=[RigL(frequency=2)])
        watch = Watch()
        model.fit(data, verbose=0, callbacks=[METHODS["set"](frequency=2, end_step=3), watch])
        assert watch.moves == [2]

    @pytest.mark.slow
    def test_the_same_sparsity_as_the_model_has_is_not_denser(self):
        """Seven of 72 weights are less than a tenth of them, for a count is a whole number."""
        model, x, y = perceptron(sparsity=0.9)
        assert sum(counts(masks(model))) == 7 < 7.2
        fit(model, x, y, GraNet(sparsity=0.9, frequency=2))
        assert sum(counts(masks(model))) == 7
