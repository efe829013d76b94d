"""Recurrent layers of every kind: masked as other layers are, wherever their cells' kernels are read."""

import copy

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import nets
from tests.layers.every_net import classes, shapes
from tests.layers.recurrent_nets import KINDS, Fused, Minimal, around, build, inputs_of, twin_of
from tf_tickets.layers import (
    GradientTap,
    Masked,
    attach_parametrization,
    borrowed_masks,
    detach_parametrization,
    folded,
)

L = keras.layers
# Of these gradients are looked at in a graph, of others step by step.
TRACED = ("GRU", "RNN of a cell of layers")
# One of each way to hold a cell: of these files and copies are made.
ONE_OF_EACH = ("GRU", "Bidirectional LSTM", "ConvLSTM1D", "RNN of a stack", "RNN of a cell of layers")
COPIED = ("GRU", "Bidirectional LSTM")
QUICK = ("GRU", "ConvLSTM1D", "RNN of a cell of layers")


def gradients(model, x, traced=True):
    """Of a curved loss, by the masked weights, or by those that could be masked."""

    def by_weights(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(model(x)))
        return tape.gradient(loss, [entry.weight.value for entry in tt.layers.prunable_weights(model)])

    if traced:
        by_weights = tf.function(by_weights, autograph=False)
    return [gradient.numpy() for gradient in by_weights(x)]


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in KINDS],
)
def net(request):
    """A kind, its model with a million under the masks, and the stock model with zeros there.

    Tests leave both as they are.
    """
    model = nets.poison(nets.hide(build(request.param)))
    return request.param, model, twin_of(request.param, model)


class TestEveryKind:
    @pytest.mark.slow
    def test_is_masked_in_both_kernels_of_each_cell_in_forward_order(self, net):
        kind, model, _ = net
        report = tt.mask_layers(model)
        assert shapes(report.masked)[:-1] == KINDS[kind][2]
        assert not report.left_alone
        assert tt.masked_weights(model) == report.masked

    @pytest.mark.slow
    def test_computes_what_the_stock_layer_computes_with_zeros(self, net):
        _, model, twin = net
        x = inputs_of(model)
        np.testing.assert_allclose(nets.outputs(model, x), nets.outputs(twin, x), rtol=1e-5, atol=1e-6)

    @pytest.mark.slow
    def test_it_has_the_stock_gradients_and_none_for_what_is_hidden(self, net):
        """And a tap catches the gradient of all steps once. Of GRU also where there is none."""
        kind, model, twin = net
        masked, x = tt.masked_weights(model), inputs_of(model, count=3)
        stock = gradients(twin, x, traced=False)
        expected = [np.where(entry.mask, full, 0) for full, entry in zip(stock, masked, strict=True)]
        if kind == "GRU":
            nets.assert_equal(gradients(model, x, traced=False), expected, rtol=1e-3, atol=1e-5)
        taps = []
        for entry in masked:
            taps.append(GradientTap(entry.weight))
            attach_parametrization(entry.layer, entry.attribute, taps[-1])
            taps[-1].open()
        nets.assert_equal(gradients(model, x, kind in TRACED), expected, rtol=1e-3, atol=1e-5)
        nets.assert_equal([tap.total.numpy() for tap in taps], stock, rtol=1e-3, atol=1e-5)
        for entry in masked:
            detach_parametrization(entry.layer, entry.attribute)

    @pytest.mark.slow
    def test_a_keras_file_a_deep_copy_and_a_clone_are_masked_alike(self, net, tmp_path):
        """Files of one of each way to hold a cell, copies of a layer and of a wrapper."""
        kind, model, _ = net
        x, others = inputs_of(model), []
        if kind in ONE_OF_EACH:
            model.save(tmp_path / "masked.keras")
            others.append(keras.saving.load_model(tmp_path / "masked.keras"))
        if kind in COPIED:
            others += [copy.deepcopy(model), keras.models.clone_model(model)]
            others[-1].set_weights(model.get_weights())
        expected = nets.outputs(model, x)
        for other in others:
            assert classes(other) == classes(model)
            np.testing.assert_allclose(nets.outputs(other, x), expected, rtol=1e-5, atol=1e-6)
            nets.assert_equal(nets.kernels(other), nets.kernels(model))

    @pytest.mark.slow
    def test_folded_and_borrowed_for_a_while_it_is_afterwards_what_it_was(self, net):
        _, model, stock = net
        before, weights = classes(model), model.get_weights()
        with folded(model):
            assert classes(model) == classes(stock)
        assert classes(model) == before
        nets.assert_equal(model.get_weights(), weights)
        before = classes(stock)
        with borrowed_masks(stock):
            assert any(isinstance(layer, Masked) for layer in stock._flatten_layers())
        assert classes(stock) == before

    @pytest.mark.slow
    def test_fold_bakes_the_zeros_in_and_gives_the_stock_classes_back(self, net):
        """The last one: what the model was is gone."""
        _, model, stock = net
        x, expected = inputs_of(model), nets.kernels(model)
        before = nets.outputs(model, x)
        tt.fold(model)
        assert classes(model) == classes(stock)
        nets.assert_equal([e.weight.numpy() for e in tt.layers.prunable_weights(model)], expected)
        np.testing.assert_allclose(nets.outputs(model, x), before, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module", params=["GRU", "Bidirectional LSTM"])
def on_a_gpu(request):
    """A kind, its model as it was masked with fused kernels, what was said, and whether they were asked."""
    model = build(request.param)
    with pytest.MonkeyPatch.context() as patch:
        fused = Fused(patch)
        report = tt.mask_layers(model)
    return request.param, nets.poison(nets.hide(model)), report, bool(fused.kernels)


class TestAFusedKernel:
    """As on a GPU: it reads the kernels of the cell outside of the cell's call."""

    @pytest.mark.slow
    def test_does_not_keep_its_layer_from_being_masked(self, on_a_gpu):
        kind, _, report, asked = on_a_gpu
        assert asked and shapes(report.masked)[:-1] == KINDS[kind][2]
        assert not report.left_alone

    @pytest.mark.slow
    def test_gets_the_masked_kernels(self, on_a_gpu, monkeypatch):
        _, model, *_ = on_a_gpu
        x, masked = inputs_of(model), nets.kernels(model)[:-1]
        expected = nets.outputs(model, x)
        fused = Fused(monkeypatch)
        np.testing.assert_allclose(nets.outputs(model, x), expected, rtol=1e-5, atol=1e-6)
        nets.assert_equal([kernel.numpy() for kernel in fused.kernels], masked)

    @pytest.mark.slow
    def test_has_no_gradient_for_what_is_hidden(self, on_a_gpu, monkeypatch):
        kind, model, *_ = on_a_gpu
        fused = Fused(monkeypatch)
        found = gradients(model, inputs_of(model), kind == "GRU")
        assert fused.kernels
        for gradient, entry in zip(found, tt.masked_weights(model), strict=True):
            np.testing.assert_array_equal(gradient != 0, entry.mask.numpy())

    @pytest.mark.slow
    def test_is_not_differentiated_twice(self, monkeypatch):
        """It has no second derivative on a GPU."""
        fused = Fused(monkeypatch)
        model = nets.compiled(nets.hide(around(L.LSTM(2, unroll=True), (1, 3))))
        fused.kernels.clear()
        tt.score(model, "grasp", (inputs_of(model), np.arange(6) % 3))
        assert not fused.kernels
        assert model.layers[1].use_cudnn == "auto"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["RNN of a cell of layers"])
def test_in_a_loop_of_trainings_steps_every_step_reads_the_kernels_anew(kind):
    """Keras and our trainer make several steps in one call: only loops inside the layer read once."""
    model = nets.hide(build(kind))
    x = inputs_of(model)
    kernels = [entry.weight for entry in tt.masked_weights(model)]

    def step(i, total):
        total += tf.reduce_sum(model(x) ** 2)
        for kernel in kernels:
            kernel.assign(kernel * 0.5)
        return i + 1, total

    before = model.get_weights()
    found = tf.function(lambda: tf.while_loop(lambda i, _: i < 3, step, (0, 0.0))[1], autograph=False)()
    model.set_weights(before)
    expected = 0.0
    for i in range(3):
        expected = step(i, expected)[1]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


class TestFiles:
    @pytest.mark.slow
    def test_a_cell_with_one_mask_comes_back_with_one(self, tmp_path):
        model = build("GRU")
        report = tt.mask_layers(model, include=model.layers[1].cell.recurrent_kernel.path)
        assert shapes(report.masked) == [(3, 9)]
        report.masked[0].mask.assign(np.arange(27).reshape(3, 9) % 2 == 0)
        model.save(tmp_path / "m.keras")
        loaded = keras.saving.load_model(tmp_path / "m.keras")
        nets.assert_equal(nets.kernels(loaded), nets.kernels(model))
        nets.assert_equal(loaded.get_weights(), model.get_weights())

    @pytest.mark.slow
    def test_one_way_of_two_comes_back_masked_that_way(self, tmp_path):
        model = build("Bidirectional LSTM")
        tt.mask_layers(model, exclude=model.layers[1].forward_layer)
        model.save(tmp_path / "m.keras")
        assert classes(keras.saving.load_model(tmp_path / "m.keras")) == classes(model)

    @pytest.mark.slow
    def test_weights_from_before_masking_are_restored(self, tmp_path):
        model = build("Bidirectional LSTM")
        model.save_weights(tmp_path / "m.weights.h5")
        expected = model.get_weights()
        nets.poison(nets.hide(model))
        tt.layers.restore_weights(model, tmp_path / "m.weights.h5")
        nets.assert_equal(tt.layers.stock_values(model), expected)


class TestByHand:
    def test_a_masked_class_masks_the_cells_that_it_makes(self):
        layer = tt.layers.MaskedLSTM(3)
        layer(np.zeros((1, 5, 4), "float32"))
        assert list(layer.cell.masks) == ["kernel", "recurrent_kernel"]
        both = tt.layers.MaskedBidirectional(L.GRU(3))
        both(np.zeros((1, 5, 4), "float32"))
        assert all(
            list(x.cell.masks) == ["kernel", "recurrent_kernel"]
            for x in (both.forward_layer, both.backward_layer)
        )

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "make",
        [
            lambda: tt.layers.MaskedBidirectional(L.SimpleRNN(2)),
            lambda: L.Bidirectional(tt.layers.MaskedSimpleRNN(2)),
            lambda: tt.layers.MaskedRNN([L.SimpleRNNCell(2), tt.layers.MaskedSimpleRNNCell(2)]),
        ],
    )
    def test_files_and_copies_have_the_masks_built_or_not(self, make, tmp_path):
        x = np.random.default_rng(0).normal(size=(2, 2, 4)).astype("float32")
        model = keras.Sequential([make(), tt.layers.MaskedDense(3)])
        early = keras.models.clone_model(model)
        for each in (model, early):
            each(x)
        masked = tt.masked_weights(model)
        assert len(masked) >= 2 and shapes(tt.masked_weights(early)) == shapes(masked)
        for entry in masked:
            entry.mask.assign(np.random.default_rng(1).random(entry.shape) < 0.5)
        model.save(tmp_path / "m.keras")
        loaded = keras.saving.load_model(tmp_path / "m.keras")
        # A stock parent by hand learns of masks in it here; a clone has those of configs alone.
        tt.mask_layers(model)
        for other in (loaded, keras.models.clone_model(model)):
            other(x)
            nets.assert_equal(nets.masks(other), nets.masks(model))
        tt.fold(model)
        assert all(cls.__module__.startswith("keras.") for cls in classes(model))

    def test_has_the_stock_config(self):
        layer, stock = tt.layers.MaskedLSTM(3, name="a"), L.LSTM(3, name="a")
        assert layer.get_config() == stock.get_config()


def test_a_layer_that_only_looks_like_a_cell_needs_its_kernels():
    class Counter(L.Layer):
        state_size = 3

        def build(self, shape):
            self.steps = self.add_weight(shape=(4, 4))

        def call(self, x):
            return x @ self.steps

    model = keras.Sequential([keras.Input((4,)), Counter(), L.Dense(2)])
    assert shapes(tt.mask_layers(model).masked) == [(4, 2)]


@pytest.mark.slow
def test_a_cell_with_one_of_the_two_kernels_is_masked_in_that():
    class Memoryless(Minimal):
        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units))

        def call(self, inputs, states):
            state = keras.ops.matmul(inputs, self.kernel)
            return state, [state]

    model = around(L.RNN(Memoryless(3)), (5, 4))
    assert shapes(nets.hide(model) and tt.masked_weights(model)) == [(4, 3), (3, 3)]


@pytest.mark.slow
def test_half_precision_stays_half():
    layer = L.GRU(3, dtype="mixed_float16")
    model = nets.hide(around(layer, (2, 4)))
    x = inputs_of(model)
    np.testing.assert_allclose(nets.outputs(model, x), nets.outputs(tt.fold(model), x), rtol=1e-2, atol=1e-2)
