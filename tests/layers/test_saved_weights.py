"""Weights as a model without masks has them, saved and restored."""

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests import nets
from tests.layers.every_net import every_net
from tf_tickets.layers import restore_weights, save_weights, stock_values, stock_weights


class TestWeights:
    @pytest.mark.slow
    @every_net
    def test_weights_saved_before_masking_can_be_restored_into_the_masked_model(self, name, tmp_path):
        model = nets.build(name)
        x, _ = nets.inputs_of(model)
        arrays, expected = model.get_weights(), nets.outputs(model, x)
        model.save_weights(tmp_path / "dense.weights.h5")
        for source in (arrays, tmp_path / "dense.weights.h5", str(tmp_path / "dense.weights.h5")):
            nets.hide(model)
            masks = [entry.mask.numpy() for entry in tt.masked_weights(model)]
            for variable in stock_weights(model):
                variable.assign(np.zeros(variable.shape))
            restore_weights(model, source)
            nets.assert_equal(stock_values(model), arrays)
            nets.assert_equal([entry.mask.numpy() for entry in tt.masked_weights(model)], masks)
        for entry in tt.masked_weights(model):
            entry.mask.set(np.ones(entry.shape, bool))
        np.testing.assert_array_equal(nets.outputs(model, x), expected)

    @pytest.mark.slow
    @every_net
    def test_weights_are_written_as_if_there_were_no_masks(self, name, tmp_path):
        model = nets.compiled(nets.hide(nets.build(name)), keras.optimizers.Adam())
        model.optimizer.build(model.trainable_variables)
        optimizer, before = model.optimizer, model.get_weights()
        save_weights(model, tmp_path / "plain.weights.h5")
        assert model.optimizer is optimizer
        nets.assert_equal(model.get_weights(), before)
        fresh = nets.build(name)
        fresh.load_weights(tmp_path / "plain.weights.h5")
        nets.assert_equal(fresh.get_weights(), [np.asarray(weight) for weight in stock_weights(model)])

    def test_a_users_own_bool_weight_is_not_taken_for_a_mask(self):
        class Flagged(keras.layers.Dense):
            def build(self, input_shape):
                super().build(input_shape)
                self.flag = self.add_weight(shape=(), dtype="bool", initializer="zeros", trainable=False)

        model = keras.Sequential([keras.Input((6,)), Flagged(3)])
        before = model.get_weights()
        nets.hide(model)
        restore_weights(model, before)
        assert len(stock_weights(model)) == 3
