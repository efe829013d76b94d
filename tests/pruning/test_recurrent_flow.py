"""Scores and paths of recurrent layers: SynFlow over two steps, derivatives over all, paths as they are."""

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests import nets
from tests.layers.recurrent_nets import build, inputs_of
from tests.pruning.nets import assert_same
from tf_tickets.pruning.paths import on_path

L = keras.layers
# Of each way to hold a cell, and each way to split its kernels.
EACH_WAY = (
    "LSTM",
    "GRU, reset before",
    "ConvLSTM1D",
    "Bidirectional LSTM",
    "RNN of a stack",
    "RNN of a cell of layers",
)


def flat(layer, shape=(4, 2)):
    """The layer and a dense one, without biases."""
    inputs = keras.Input(shape)
    return keras.Model(inputs, L.Dense(3, use_bias=False)(layer(inputs)))


def absolute(model):
    return [np.abs(entry.weight.numpy().astype("float64")) for entry in tt.layers.prunable_weights(model)]


class TestSynFlow:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("layer", "gates"),
        [
            (L.SimpleRNN(3, use_bias=False), 1),
            (L.LSTM(3, use_bias=False), 4),
            (L.GRU(3, use_bias=False), 3),
        ],
    )
    def test_crosses_the_recurrent_kernel_once_and_every_gate(self, layer, gates):
        """R = sum(h), h = x W + (x W) U at the last step, the gates' parts added up, for x of ones."""
        model = flat(layer)
        w, u, v = absolute(model)

        def summed(kernel):
            return kernel.reshape(len(kernel), gates, 3).sum(1)

        def each(part):
            return np.tile(part, (1, gates))

        behind = v.sum(1)
        first = summed(w).sum(0)
        expected = [
            w * each(np.outer(np.ones(2), behind + summed(u) @ behind)),
            u * each(np.outer(first, behind)),
            v * (first + first @ summed(u))[:, None],
        ]
        for found, array in zip(tt.score(model, "synflow"), expected, strict=True):
            np.testing.assert_allclose(found, array, rtol=1e-12)

    @pytest.mark.slow
    def test_does_not_depend_on_the_length(self):
        short = flat(L.LSTM(3), (2, 4))
        scores = tt.score(short, "synflow")
        long = flat(L.LSTM(3), (3000, 4))
        long.set_weights(short.get_weights())
        assert_same(tt.score(long, "synflow"), scores)

    @pytest.mark.slow
    def test_sums_over_all_places_where_they_are_put_out(self):
        last, every = flat(L.GRU(3)), flat(L.GRU(3, return_sequences=True))
        every.set_weights(last.get_weights())
        once, summed = (tt.score(model, "synflow") for model in (last, every))
        # Of four places the first has no place before, where only biases flow: here there are none.
        np.testing.assert_allclose(summed[1], 3 * once[1], rtol=1e-12)

    @pytest.mark.slow
    @pytest.mark.parametrize("kind", EACH_WAY)
    def test_reaches_every_weight_of_every_kind(self, kind):
        scores = tt.score(nets.hide(build(kind), keep=1.0), "synflow")
        assert all((score > 0).all() for score in scores)

    def test_sees_the_masks_and_leaves_the_layers_as_they_are(self):
        model = nets.hide(build("LSTM"))
        before = dict(model.layers[1].cell.__dict__)
        for score, entry in zip(tt.score(model, "synflow"), tt.masked_weights(model), strict=True):
            np.testing.assert_array_equal(score > 0, entry.mask.numpy())
        assert model.layers[1].cell.__dict__ == before
        assert "call" not in model.layers[1].__dict__ and model.layers[1].use_cudnn == "auto"

    def test_takes_states_and_gives_them(self):
        sequences, state = keras.Input((4, 2)), keras.Input((3,))
        outputs, last = L.GRU(3, return_state=True)(sequences, initial_state=L.Dense(3)(state))
        model = keras.Model([sequences, state], L.Dense(2)(keras.ops.concatenate([outputs, last])))
        assert all((score > 0).all() for score in tt.score(model, "synflow"))


class TestDerivatives:
    @pytest.mark.slow
    def test_of_a_loop_are_those_of_its_steps(self):
        """What is differentiated twice goes through all that is differentiated once."""
        rolled, unrolled = (flat(L.SimpleRNN(3, unroll=unroll), (2, 2)) for unroll in (False, True))
        unrolled.set_weights(rolled.get_weights())
        data = inputs_of(rolled), np.arange(6) % 3
        found, expected = (
            tt.score(nets.hide(model), "grasp", data, halves=False) for model in (rolled, unrolled)
        )
        nets.assert_equal(found, expected, rtol=1e-3, atol=1e-6)


def reached(kind, masks, x):
    """Kept weights that the outputs depend on, by the derivative of the stock network without biases."""
    import tensorflow as tf

    model = build(kind)
    rng = np.random.default_rng(3)
    entries = tt.layers.prunable_weights(model)
    for variable in model.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    for entry, mask in zip(entries, masks, strict=True):
        entry.weight.assign(mask * rng.uniform(0.5, 1.5, mask.shape))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(model(np.abs(x)))
    found = tape.gradient(total, [entry.weight.value for entry in entries])
    return [mask & (gradient.numpy() != 0) for mask, gradient in zip(masks, found, strict=True)]


class TestPaths:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("kind", "keep"),
        [("LSTM", 0.25), ("RNN of a stack", 0.5), ("ConvLSTM1D", 0.12)],
    )
    def test_a_weight_is_on_one_where_the_outputs_depend_on_it(self, kind, keep):
        model = build(kind)
        entries = tt.layers.prunable_weights(model)
        rng = np.random.default_rng(25)
        masks = [rng.random(entry.shape) < keep for entry in entries]
        found = on_path(model, entries, masks)
        nets.assert_equal(found, reached(kind, masks, inputs_of(model)))
        assert any(part.any() for part in found)

    @pytest.mark.slow
    def test_gates_of_a_unit_that_takes_in_nothing_are_on_none(self):
        model = build("LSTM")
        entries = tt.layers.prunable_weights(model)
        masks = [np.ones(entry.shape, bool) for entry in entries]
        for mask in masks[:2]:
            mask[:, 6] = False  # the first unit's cell input; gates are [input, forget, cell, output]
        kernel, recurrent, out = on_path(model, entries, masks)
        assert not kernel[:, [0, 3, 9]].any() and not recurrent[0].any() and not out[0].any()
        assert kernel[:, [1, 2]].all() and out[1:].all()

    @pytest.mark.slow
    def test_of_a_pruned_model_are_counted(self):
        ticket = tt.prune(nets.compiled(build("Bidirectional LSTM")), "random", 0.5)
        assert ticket.on_path is not None and ticket.sparsity <= ticket.effective_sparsity < 1
