"""A user's regularizers and constraints see the sparse weight."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets


class TestRegularizersAndConstraints:
    """What the user attached to a weight sees the sparse weight."""

    def net(self):
        layer = keras.layers.Dense(
            3, kernel_regularizer="l2", kernel_constraint=keras.constraints.MaxNorm(0.5)
        )
        return keras.Sequential([keras.Input((6,)), layer])

    def test_a_penalty_counts_what_is_kept(self):
        model = nets.poison(nets.hide(self.net()))
        (kernel,) = nets.kernels(model)
        np.testing.assert_allclose(sum(model.losses), 0.01 * np.sum(kernel**2), rtol=1e-5)

    def test_a_penalty_has_no_gradient_in_what_is_hidden(self):
        model = nets.poison(nets.hide(self.net()))
        (entry,) = tt.masked_weights(model)
        with tf.GradientTape() as tape:
            loss = sum(model.losses)
        np.testing.assert_allclose(
            tape.gradient(loss, entry.weight.value), 0.02 * nets.kernels(model)[0], rtol=1e-5
        )

    @pytest.mark.slow
    def test_a_constraint_holds_of_the_sparse_weight_and_spares_what_is_hidden(self):
        model = nets.compiled(nets.poison(nets.hide(self.net())), run_eagerly=True)
        (entry,) = tt.masked_weights(model)
        entry.weight.assign(np.where(entry.mask, 3.0, nets.POISON))
        x, y = nets.inputs_of(model)
        model.fit(x, y, verbose=0)
        norms = np.linalg.norm(nets.kernels(model)[0], axis=0)
        np.testing.assert_allclose(norms[norms > 0], 0.5, rtol=1e-4)
        assert np.all(entry.weight.numpy()[~entry.mask.numpy()] == nets.POISON)

    def test_fold_gives_them_back(self):
        model = self.net()
        kernel = model.layers[0].kernel
        before = kernel.regularizer, kernel.constraint
        tt.fold(nets.hide(model))
        assert (kernel.regularizer, kernel.constraint) == before

    def test_they_come_back_from_a_file(self, tmp_path):
        model = nets.poison(nets.hide(self.net()))
        model.save(tmp_path / "m.keras")
        loaded = keras.saving.load_model(tmp_path / "m.keras")
        np.testing.assert_allclose(sum(loaded.losses), sum(model.losses), rtol=1e-6)
