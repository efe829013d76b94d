"""What a masked layer computes with where that is more than its mask."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tf_tickets.layers import (
    GradientTap,
    Parametrization,
    attach_parametrization,
    detach_parametrization,
    effective_value,
    without_parametrizations,
)


class Halved(Parametrization):
    """Half of the masked weight, times a trained number."""

    def __init__(self):
        self.variables = {"factor": keras.Variable(1.0, name="factor")}
        self.told = []

    def __call__(self, weight, mask):
        value = tf.convert_to_tensor(weight)
        return (
            tf.where(mask.value, value, tf.zeros_like(value))
            * 0.5
            * tf.convert_to_tensor(self.variables["factor"])
        )

    def attached(self, weight):
        self.told.append("attached")

    def detached(self, weight):
        self.told.append("detached")


class TestParametrizations:
    def test_a_layer_computes_with_what_its_parametrization_makes_of_the_weight(self):
        model = nets.hide(nets.build("sequential"))
        x, _ = nets.inputs_of(model)
        first = tt.masked_weights(model)[0]
        before, names = nets.outputs(model, x), [v.path for v in model.variables]
        parametrization = Halved()
        attach_parametrization(first.layer, first.attribute, parametrization)
        np.testing.assert_allclose(effective_value(first.layer, first.attribute), nets.kernels(model)[0] / 2)
        assert any(
            variable is parametrization.variables["factor"] for variable in first.layer.trainable_variables
        )
        assert (nets.outputs(model, x) != before).any()
        with without_parametrizations(model._flatten_layers()):
            np.testing.assert_array_equal(nets.outputs(model, x), before)
        detach_parametrization(first.layer, first.attribute)
        np.testing.assert_array_equal(nets.outputs(model, x), before)
        assert [v.path for v in model.variables] == names
        assert parametrization.told == ["attached", "detached"]

    def test_another_parametrization_takes_the_place_of_the_first(self):
        model = nets.hide(nets.build("sequential"))
        first = tt.masked_weights(model)[0]
        one, other = Halved(), Halved()
        attach_parametrization(first.layer, first.attribute, one)
        attach_parametrization(first.layer, first.attribute, other)
        assert first.layer.parametrizations == {"_kernel": other} and one.told == ["attached", "detached"]
        assert list(first.layer.added_variables.values())[1:] == [other.variables["factor"]]

    def test_folding_bakes_it_in_for_good_or_for_the_duration(self):
        model = nets.hide(nets.build("sequential"))
        x, _ = nets.inputs_of(model)
        first, parametrization = tt.masked_weights(model)[0], Halved()
        attach_parametrization(first.layer, first.attribute, parametrization)
        expected, variables = nets.outputs(model, x), [id(v) for v in model.variables]
        with tt.layers.folded(model):
            assert type(first.layer) is keras.layers.Dense and first.layer.kernel is first.weight
            np.testing.assert_array_equal(nets.outputs(model, x), expected)
        assert [id(v) for v in model.variables] == variables
        assert parametrization.told == ["attached", "detached", "attached"]
        np.testing.assert_array_equal(nets.outputs(model, x), expected)
        tt.fold(model)
        np.testing.assert_array_equal(nets.outputs(model, x), expected)
        assert len(model.variables) == len(variables) - 3  # two masks and the factor

    def test_its_variables_are_saved_and_loaded_with_the_layer(self, tmp_path):
        pair = [nets.hide(nets.build("sequential")) for _ in range(2)]
        for model in pair:
            first = tt.masked_weights(model)[0]
            attach_parametrization(first.layer, first.attribute, Halved())
        model, twin = pair
        model.layers[0].parametrizations["_kernel"].variables["factor"].assign(3.0)
        x, _ = nets.inputs_of(model)
        model.save_weights(tmp_path / "x.weights.h5")
        twin.load_weights(tmp_path / "x.weights.h5")
        np.testing.assert_array_equal(nets.outputs(twin, x), nets.outputs(model, x))
        assert float(twin.layers[0].parametrizations["_kernel"].variables["factor"]) == 3.0

    def test_files_name_its_variables_as_the_first_ones_did(self):
        """So that they go on to be read."""
        model = nets.hide(nets.build("sequential"))
        first = tt.masked_weights(model)[0]
        attach_parametrization(first.layer, first.attribute, Halved())
        stored = {}
        first.layer.save_own_variables(stored)
        assert "kernel_reading_factor" in stored

    def test_a_keras_file_that_could_not_give_them_back_is_refused(self, tmp_path):
        model = nets.hide(nets.build("sequential"))
        model.save(tmp_path / "x.keras")
        first = tt.masked_weights(model)[0]
        attach_parametrization(first.layer, first.attribute, GradientTap(first.weight))
        model.save(tmp_path / "x.keras")  # a tap has nothing to save
        attach_parametrization(first.layer, first.attribute, Halved())
        before = (tmp_path / "x.keras").read_bytes()
        with pytest.raises(ValueError, match=r"kernel is computed by Halved, .*tf_tickets\.fold\(model\)"):
            model.save(tmp_path / "x.keras")
        assert (tmp_path / "x.keras").read_bytes() == before

    def test_nor_is_a_copy_made_that_would_lack_them(self):
        model = nets.hide(nets.build("sequential"))
        first = tt.masked_weights(model)[0]
        attach_parametrization(first.layer, first.attribute, GradientTap(first.weight))
        keras.models.clone_model(model)
        attach_parametrization(first.layer, first.attribute, Halved())
        for copy in (keras.models.clone_model, lambda model: model.to_json()):
            with pytest.raises(ValueError, match=r"computed by Halved, which a copy.*save_weights"):
                copy(model)
        with tt.layers.folded(model):
            keras.models.clone_model(model)

    @pytest.mark.slow
    def test_a_folded_model_is_trained_on_by_a_fresh_optimizer_where_it_has_other_variables(self):
        x, y = nets.inputs_of(nets.build("sequential"))
        for parametrization, renewed in ((Halved, True), (None, False)):
            model = nets.hide(nets.build("sequential"))
            nets.compiled(model, keras.optimizers.Adam(0.03), run_eagerly=True)
            first = tt.masked_weights(model)[0]
            if parametrization:
                attach_parametrization(first.layer, first.attribute, parametrization())
            model.train_on_batch(x, y)
            used = model.optimizer
            with tt.layers.folded(model):
                assert model.optimizer is used
            model.train_on_batch(x, y)
            tt.fold(model)
            assert (model.optimizer is not used) == renewed
            assert model.optimizer.get_config() == used.get_config()
            before = model.get_weights()
            model.fit(x, y, verbose=0)
            assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
