"""Searches on recurrent layers, and what a training that fails leaves behind."""

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests import nets
from tests.layers.recurrent_nets import build, inputs_of
from tests.sparse_training.small import counts, masks
from tf_tickets.layers import Masked

SEARCHES = {
    "RigL": lambda: tt.callbacks.RigL(frequency=2, end_step=9, drop_fraction=0.5),
    "SET": lambda: tt.callbacks.SET(frequency=2, end_step=9, drop_fraction=0.5),
    "GraNet": lambda: tt.callbacks.GraNet(0.5, frequency=2, end_step=9),
}


def parametrized(model):
    return [
        layer for layer in model._flatten_layers() if isinstance(layer, Masked) and layer.parametrizations
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "search"),  # each way to hold a cell, and each search: neither asks which the other is
    [("Bidirectional LSTM", "SET"), ("RNN of a stack", "GraNet"), ("ConvLSTM1D", "RigL")],
)
def test_masks_of_recurrent_kernels_move(kind, search):
    model = nets.compiled(build(kind), keras.optimizers.Adam(0.01))
    tt.prune(model, "erk", 0.5)
    before = masks(model)
    x, y = inputs_of(model), np.arange(6) % 3
    model.fit(x, y, batch_size=2, epochs=4, verbose=0, callbacks=[SEARCHES[search]()])
    after = masks(model)
    assert sum(counts(after)) == sum(counts(before))
    moved = [(a != b).any() for a, b in zip(before[:-1], after[:-1], strict=True)]
    # Of the smallest ones so few are hidden that what is dropped grows again.
    assert sum(moved) > len(moved) / 2
    assert not parametrized(model)


class Stumbles(keras.losses.Loss):
    """A loss that fails where it is told to."""

    def __init__(self):
        super().__init__()
        self.stumbles = True

    def call(self, y_true, y_pred):
        if self.stumbles:
            raise RuntimeError("stumbled")
        return keras.ops.mean(y_pred**2, axis=-1)


class TestAfterAFailure:
    def fit(self, model, *callbacks):
        x, y = nets.inputs_of(model)
        return model.fit(x, y, verbose=0, callbacks=list(callbacks))

    @pytest.mark.slow
    def test_of_a_step_the_model_is_what_it_was_and_trains_on(self):
        model = nets.build("sequential")
        loss = Stumbles()
        model.compile("sgd", loss)
        tt.prune(model, "er", 0.5)
        before = model.get_weights()
        with pytest.raises(RuntimeError, match="stumbled"):
            self.fit(model, tt.callbacks.RigL(frequency=1, end_step=3))
        assert not parametrized(model)
        nets.assert_equal(model.get_weights(), before)
        loss.stumbles = False
        assert np.isfinite(self.fit(model).history["loss"]).all()

    @pytest.mark.slow
    def test_of_an_update_too(self):
        class Fails(tt.callbacks.RigL):
            def updated_masks(self, masks, settings):
                raise RuntimeError("stumbled")

        model = nets.compiled(nets.build("sequential"))
        tt.prune(model, "er", 0.5)
        before = masks(model)
        with pytest.raises(RuntimeError, match="stumbled"):
            self.fit(model, Fails(frequency=1, end_step=3))
        assert not parametrized(model)
        nets.assert_equal(masks(model), before)

    @pytest.mark.slow
    def test_data_that_end_are_no_failure(self):
        import tensorflow as tf

        model = nets.compiled(nets.build("sequential"))
        tt.prune(model, "er", 0.5)
        x, y = nets.inputs_of(model)
        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(4).filter(lambda *_: True)
        search = tt.callbacks.RigL(frequency=2, end_step=9)
        before = masks(model)
        model.fit(data, epochs=3, verbose=0, callbacks=[search])
        assert any((a != b).any() for a, b in zip(before, masks(model), strict=True))
