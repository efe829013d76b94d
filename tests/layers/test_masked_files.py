"""Files and copies of masked models: the masks come back, or it is refused."""

import copy

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests import nets
from tests.layers.every_net import every_net, rebuilt_by_parents, reloadable_net, shapes


class TestFiles:
    @pytest.mark.slow
    @reloadable_net
    def test_a_keras_file_of_a_masked_model_comes_back_masked(self, name, tmp_path):
        model = nets.poison(nets.hide(nets.build(name)))
        x, _ = nets.inputs_of(model)
        model.save(tmp_path / "masked.keras")
        loaded = keras.saving.load_model(tmp_path / "masked.keras")
        nets.assert_equal(nets.masks(loaded), nets.masks(model))
        np.testing.assert_array_equal(nets.outputs(loaded, x), nets.outputs(model, x))
        nets.assert_equal(nets.kernels(loaded), nets.kernels(model))

    @pytest.mark.slow
    def test_and_trains_on_with_its_optimizer_as_if_it_had_not_been_saved(self, tmp_path):
        model = nets.compiled(nets.hide(nets.build("functional")), keras.optimizers.Adam())
        x, y = nets.inputs_of(model)
        model.fit(x, y, verbose=0)
        model.save(tmp_path / "masked.keras")
        loaded = keras.saving.load_model(tmp_path / "masked.keras")
        for part in (model, loaded):
            part.fit(x, y, verbose=0, shuffle=False)
        nets.assert_equal(nets.kernels(loaded), nets.kernels(model), rtol=1e-6, atol=1e-7)

    @pytest.mark.slow
    @rebuilt_by_parents
    def test_where_a_parent_rebuilds_its_layers_saving_refuses_before_it_touches_the_file(
        self, name, tmp_path
    ):
        model = nets.hide(nets.build(name))
        path = tmp_path / "model.keras"
        path.write_text("what was there")
        for _ in range(2):
            with pytest.raises(ValueError, match=r"rebuilt by its parent .*ticket.save.*save_weights.*fold"):
                model.save(path)
        assert path.read_text() == "what was there"
        tt.fold(model).save(path)
        loaded = keras.saving.load_model(path)
        nets.assert_equal(loaded.get_weights(), model.get_weights())

    @pytest.mark.slow
    def test_also_of_a_part_and_through_a_checkpoint_callback(self, tmp_path):
        inputs = keras.Input((6,))
        model = keras.Model(inputs, keras.layers.Dense(3)(nets.build("subclassed")(inputs)))
        nets.hide(model)
        part = next(layer for layer in model.layers if isinstance(layer, nets.Backwards))
        for whatever in (model, part):
            (tmp_path / "m.keras").write_text("old")
            with pytest.raises(ValueError, match="rebuilt by its parent"):
                whatever.save(tmp_path / "m.keras")
            assert (tmp_path / "m.keras").read_text() == "old"
        nets.compiled(model)
        checkpoint = keras.callbacks.ModelCheckpoint(str(tmp_path / "m.keras"))
        with pytest.raises(ValueError, match="rebuilt by its parent"):
            model.fit(*nets.inputs_of(model), verbose=0, callbacks=[checkpoint])
        assert (tmp_path / "m.keras").read_text() == "old"

    @pytest.mark.slow
    @every_net
    def test_the_advice_of_that_error_works(self, name, tmp_path):
        model = nets.hide(nets.build(name))
        masks = [entry.mask.numpy() for entry in tt.masked_weights(model)]
        names = [entry.name for entry in tt.masked_weights(model)]
        tt.Ticket(tuple(masks), tuple(names)).save(tmp_path / "ticket.npz")
        model.save_weights(tmp_path / "m.weights.h5")
        fresh = nets.build(name)
        tt.Ticket.load(tmp_path / "ticket.npz").apply(fresh)
        fresh.load_weights(tmp_path / "m.weights.h5")
        nets.assert_equal(nets.kernels(fresh), nets.kernels(model))
        nets.assert_equal(fresh.get_weights(), model.get_weights())


class TestCopies:
    @pytest.mark.slow
    @reloadable_net
    def test_a_deep_copy_is_a_masked_model_of_its_own(self, name):
        model = nets.hide(nets.build(name))
        x, _ = nets.inputs_of(model)
        twin = copy.deepcopy(model)
        nets.assert_equal(nets.kernels(twin), nets.kernels(model))
        before = nets.outputs(model, x)
        tt.fold(twin)
        nets.hide(twin, seed=9)
        np.testing.assert_array_equal(nets.outputs(model, x), before)

    @rebuilt_by_parents
    def test_one_that_would_lose_its_masks_is_refused(self, name):
        with pytest.raises(ValueError, match=r"A .keras file or a copy of this model would lack masks"):
            copy.deepcopy(nets.hide(nets.build(name)))

    @pytest.mark.slow
    @reloadable_net
    def test_clone_model_gives_fresh_masked_layers_that_take_the_weights(self, name):
        model = nets.hide(nets.build(name))
        clone = keras.models.clone_model(model)
        assert shapes(tt.masked_weights(clone)) == nets.NETS[name][1]
        assert all(np.all(entry.mask) for entry in tt.masked_weights(clone))
        clone.set_weights(model.get_weights())
        nets.assert_equal(nets.kernels(clone), nets.kernels(model))

    @pytest.mark.slow
    @every_net
    def test_a_ticket_fits_a_fresh_model_of_the_same_shapes(self, name):
        model = nets.build(name)
        ticket = tt.prune(model, "random", 0.5)
        fresh = ticket.apply(nets.build(name))
        assert sum(np.count_nonzero(kernel) for kernel in nets.kernels(fresh)) == ticket.kept
        nets.assert_equal([np.asarray(e.mask) for e in tt.masked_weights(fresh)], ticket.masks)
