"""A model that has run, and whose layers change then."""

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests import nets
from tf_tickets.layers import prunable_weights, value_of


class TestAModelThatHasRun:
    """Keras keeps what it has traced; whoever changes the layers renews it."""

    @pytest.mark.slow
    def test_fit_evaluate_and_predict_obey_new_masks_without_compiling_again(self):
        model = nets.compiled(nets.build("attention"))
        x, y = nets.inputs_of(model)
        model.fit(x, y, verbose=0)
        dense = model.evaluate(x, y, verbose=0), model.predict(x, verbose=0)
        optimizer = model.optimizer
        nets.hide(model, keep=0.3)
        expected = nets.outputs(model, x)
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)
        assert model.evaluate(x, y, verbose=0) != dense[0]
        assert np.any(np.abs(model.predict(x, verbose=0) - dense[1]) > 1e-4)

        before = [value_of(entry.weight) for entry in tt.masked_weights(model)]
        model.fit(x, y, verbose=0)
        assert model.optimizer is optimizer
        for old, entry in zip(before, tt.masked_weights(model), strict=True):
            hidden = ~entry.mask.numpy()
            np.testing.assert_array_equal(entry.weight.numpy()[hidden], old[hidden])
        assert any(np.any(a != b) for a, b in zip(before, nets.kernels(model), strict=True))

    @pytest.mark.slow
    def test_a_change_of_masks_alone_needs_no_new_trace(self):
        model = nets.compiled(nets.hide(nets.build("sequential")))
        x, y = nets.inputs_of(model)
        model.fit(x, y, verbose=0)
        traced = model.train_function
        nets.hide(model, seed=3)
        assert model.train_function is traced
        np.testing.assert_allclose(model.predict(x, verbose=0), nets.outputs(model, x), rtol=1e-5, atol=1e-6)

    @pytest.mark.slow
    def test_so_do_the_models_inside_it(self):
        model = nets.build("nested")
        inner = model.get_layer("block")
        x, _ = nets.inputs_of(model)
        inner.predict(x, verbose=0)
        nets.hide(model)
        np.testing.assert_allclose(inner.predict(x, verbose=0), nets.outputs(inner, x), rtol=1e-5, atol=1e-6)

    @pytest.mark.slow
    def test_fold_is_obeyed_too(self):
        model = nets.poison(nets.hide(nets.build("sequential")))
        x, _ = nets.inputs_of(model)
        expected = model.predict(x, verbose=0)
        tt.fold(model)
        (first, _) = prunable_weights(model)
        np.testing.assert_array_equal(model.predict(x, verbose=0), expected)
        first.weight.assign(2 * first.weight)
        assert np.any(model.predict(x, verbose=0) != expected)

    @pytest.mark.slow
    @pytest.mark.parametrize("change", [nets.hide, tt.fold])
    def test_a_callback_may_change_the_layers_in_the_middle_of_a_fit(self, change):
        class Change(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                if batch == 1 and not hasattr(self, "after"):
                    change(self.model)
                    self.after = [value_of(entry.weight) for entry in prunable_weights(self.model)]

        model = nets.build("sequential")
        if change is tt.fold:
            nets.poison(nets.hide(model), value=3.0)
        model = nets.compiled(model)
        x, y = nets.inputs_of(model)
        callback = Change()
        model.fit(x, y, batch_size=3, epochs=2, verbose=0, callbacks=[callback], validation_data=(x, y))
        for entry, after in zip(prunable_weights(model), callback.after, strict=True):
            moved = entry.weight.numpy() != after
            if entry.mask is None:
                assert np.any(moved[after == 0])  # zeros of a folded model are weights like others
            else:
                assert not np.any(moved[~entry.mask.numpy()])
            assert np.any(moved)
        np.testing.assert_allclose(model.predict(x, verbose=0), nets.outputs(model, x), rtol=1e-4, atol=1e-5)
