"""A model without its masks for a while, and with them again."""

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests import nets
from tests.layers.every_net import classes, made_by_parents
from tf_tickets.layers import folded


@pytest.mark.parametrize("what", [None, "model", keras.layers.Dense])
def test_fold_takes_models(what):
    with pytest.raises(TypeError, match=r"^fold takes a keras.Model. Received: "):
        tt.fold(what)


class TestFolded:
    """For the duration only."""

    @pytest.mark.slow
    def test_afterwards_the_model_is_what_it_was(self):
        model = nets.compiled(nets.poison(nets.hide(nets.build("attention"))))
        x, y = nets.inputs_of(model)
        before = classes(model), model.get_weights(), nets.outputs(model, x), model.optimizer
        entries = tt.masked_weights(model)
        with folded(model) as inside:
            assert inside is model and tt.masked_weights(model) == []
            assert not any(issubclass(cls, tt.layers.Masked) for cls in classes(model))
            np.testing.assert_array_equal(nets.outputs(model, x), before[2])
            np.testing.assert_allclose(model.predict(x, verbose=0), before[2], rtol=1e-5, atol=1e-6)
        assert classes(model) == before[0] and model.optimizer is before[3]
        nets.assert_equal(model.get_weights(), before[1])
        # Who held on to a mask holds the model's mask still.
        assert tt.masked_weights(model) == entries
        entries[0].mask.assign(np.zeros(entries[0].shape, bool))
        assert np.any(nets.outputs(model, x) != before[2])
        np.testing.assert_allclose(model.predict(x, verbose=0), nets.outputs(model, x), rtol=1e-5, atol=1e-6)
        model.fit(x, y, verbose=0)

    @pytest.mark.slow
    def test_what_was_traced_before_is_not_traced_again(self):
        model = nets.compiled(nets.hide(nets.build("sequential")))
        x, y = nets.inputs_of(model)
        model.fit(x, y, verbose=0)
        traced = model.train_function
        with folded(model):
            assert model.train_function is not traced
        assert model.train_function is traced

    @pytest.mark.slow
    def test_also_after_an_error(self):
        model = nets.poison(nets.hide(nets.build("functional")))
        before = classes(model), model.get_weights()
        with pytest.raises(KeyError), folded(model):
            raise KeyError("disk full")
        assert classes(model) == before[0]
        nets.assert_equal(model.get_weights(), before[1])

    @pytest.mark.slow
    @made_by_parents
    def test_a_file_written_meanwhile_has_no_masks_and_one_written_after_has(self, name, tmp_path):
        model = nets.hide(nets.build(name))
        with folded(model):
            model.save(tmp_path / "in.keras")
        model.save(tmp_path / "out.keras")
        within, after = (keras.saving.load_model(tmp_path / f"{x}.keras") for x in ("in", "out"))
        assert tt.masked_weights(within) == []
        nets.assert_equal(
            [entry.mask.numpy() for entry in tt.masked_weights(after)],
            [entry.mask.numpy() for entry in tt.masked_weights(model)],
        )

    def test_a_model_without_masks_stays_as_it_is(self):
        model = nets.build("sequential")
        before = model.get_weights()
        with folded(model):
            pass
        nets.assert_equal(model.get_weights(), before)
        assert tt.fold(model) is model
