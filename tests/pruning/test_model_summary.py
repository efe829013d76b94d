"""A model's summary: what of it is zero, works, computes and takes, whatever kind of model it is."""

import dataclasses

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests import nets

L = keras.layers


def rows(model):
    """Without what only a mask can tell."""
    return [dataclasses.replace(row, kept=None) for row in tt.summary(model).rows]


@pytest.mark.slow
@pytest.mark.parametrize("name", nets.NETS)
class TestAnyModel:
    def test_one_row_a_prunable_weight_and_all_else_is_left_alone(self, name):
        model, shapes = nets.build(name), nets.NETS[name][1]
        summary = tt.summary(model)
        assert [row.shape for row in summary.rows] == shapes
        assert summary.parameters == model.count_params()
        assert sum(part.share for part in (*summary.rows, *summary.unpruned)) == pytest.approx(1)
        assert summary.sparsity_of_prunable_weights == summary.sparsity_of_all_parameters == 0
        assert summary.dense_bytes == 4 * model.count_params()

    def test_a_folded_model_and_its_masked_twin_have_the_same(self, name):
        model = nets.hide(nets.build(name))
        masked = rows(model)
        assert [row.nonzero for row in masked] == [mask.sum() for mask in nets.masks(model)]
        tt.fold(model)
        assert rows(model) == masked


def two_layers():
    """6 x 8 and 8 x 3, with biases: 24 of 72 weights zero, one unit of the hidden layer without inputs."""
    model = nets.build("sequential")
    first = np.ones((6, 8), "float32")
    first[:, 0] = 0  # all that leads to unit 0, whose three weights in the next layer then are on no path
    first[0, 1:] = 0
    last = np.ones((8, 3), "float32")
    last[1:, 0][:7] = 0
    last[0, 0] = last[1, 1] = last[2, 1] = last[3, 1] = 0
    model.layers[0].kernel.assign(first)
    model.layers[1].kernel.assign(last)
    return model


def test_numbers_by_hand():
    summary = tt.summary(two_layers())
    first, last = summary.rows
    assert (first.weights, first.nonzero, first.sparsity) == (48, 35, 1 - 35 / 48)
    assert (last.weights, last.nonzero, last.on_path) == (24, 13, 11)
    assert first.share == 48 / (72 + 11)
    assert (first.macs, first.macs_kept) == (48, 35)
    assert (summary.weights, summary.nonzero, summary.parameters) == (72, 48, 83)
    assert summary.sparsity_of_prunable_weights == pytest.approx(24 / 72)
    assert summary.sparsity_of_all_parameters == pytest.approx(24 / 83)
    assert summary.on_path == first.on_path + 11
    assert summary.effective_sparsity == pytest.approx(1 - summary.on_path / 72)
    assert first.dense_bytes == 48 * 4


def test_paths_can_be_left_out():
    summary = tt.summary(two_layers(), paths=False)
    assert summary.on_path is None and summary.effective_sparsity is None and not summary.notes
    assert "on a path" not in str(summary) and "effective" not in str(summary)


def test_a_shared_weight_is_counted_once_and_its_calls_each():
    twice = tt.summary(nets.build("shared")).rows[0]
    assert (twice.weights, twice.macs) == (36, 2 * 36)


def test_two_layers_that_hold_one_variable_are_left_alone_and_counted_once():
    class Tied(L.Layer):
        def __init__(self, dense):
            super().__init__()
            self.dense = dense
            self.own = dense.kernel

        def call(self, x):
            return keras.ops.matmul(x, self.own)

    dense = L.Dense(6)
    inputs = keras.Input((6,))
    x = dense(inputs)
    model = keras.Model(inputs, L.Dense(2)(Tied(dense)(x)))
    summary = tt.summary(model)
    assert summary.parameters == model.count_params()
    assert sum(part.zeros for part in summary.unpruned) == 0


def test_what_is_left_alone_says_why():
    inputs = keras.Input((4,), dtype="int32")
    x = L.Embedding(9, 5, name="words")(inputs)
    x = L.SeparableConv1D(5, 2, name="separable")(x)
    x = L.BatchNormalization(name="normal")(L.Flatten()(x))
    x = L.Dense(6, use_bias=False, name="spared")(x)
    model = keras.Model(inputs, L.Dense(3, name="head")(x))
    tt.mask_layers(model, exclude="spared")
    left = {part.reason: (part.layers, part.parameters) for part in tt.summary(model).unpruned}
    assert left == {
        "Embedding is masked only where include= names it": (("words",), 45),
        "a weight that is masked only where include= names it": (("separable",), 10),
        "BatchNormalization has no maskable weight": (("normal",), 4 * 15),
        "left out by include= or exclude=": (("spared",), 90),
        "biases and other vectors of layers whose kernels can be pruned": (("separable", "head"), 5 + 3),
    }


@pytest.mark.slow
def test_zeros_that_were_pruned_on_request_count_after_folding_too():
    inputs = keras.Input((4,), dtype="int32")
    model = keras.Model(inputs, L.Dense(3)(L.Flatten()(L.Embedding(10, 5, name="words")(inputs))))
    tt.mask_layers(model, include="words")
    words = tt.masked_weights(model)[0]
    words.mask.set(np.arange(50).reshape(10, 5) < 20)
    masked = tt.summary(model)
    assert (masked.weights, masked.sparsity_of_prunable_weights) == (50, 0.6)
    tt.fold(model)
    folded = tt.summary(model)
    assert (folded.weights, folded.sparsity_of_prunable_weights) == (60, 0)
    assert folded.sparsity_of_all_parameters == masked.sparsity_of_all_parameters == 30 / 113
    assert "30 of them zero" in str(folded)


def test_a_bias_of_zeros_is_not_sparse():
    model = keras.Sequential([keras.Input((3,)), L.Dense(4), L.LayerNormalization()])
    assert tt.summary(model).sparsity_of_all_parameters == 0


@pytest.mark.slow
def test_what_a_parametrization_leaves_out_is_zero():
    model = nets.build("sequential")
    tt.sparse_training.edge_popup(model, 0.5)
    summary = tt.summary(model)
    assert summary.nonzero == tt.pruning.ticket_of(model, {}).kept == 36
    assert summary.rows[0].kept == 48


def test_kept_weights_that_are_zero_are_said():
    model = nets.hide(nets.build("sequential"))
    kept = sum(mask.sum() for mask in nets.masks(model))
    first = model.layers[0].kernel
    first.assign(np.zeros((6, 8)))
    summary = tt.summary(model)
    lost = int(nets.masks(model)[0].sum())
    assert summary.nonzero == kept - lost and summary.rows[0].sparsity == 1
    assert summary.notes == (f"{lost} of the weights that masks keep are zero all the same",)


@pytest.mark.slow
def test_a_loaded_file_has_the_same(tmp_path):
    model = nets.hide(nets.build("nested"))
    model.save(tmp_path / "masked.keras")
    loaded = keras.saving.load_model(tmp_path / "masked.keras")

    def nameless(model):
        return [dataclasses.replace(row, name="") for row in tt.summary(model).rows]

    assert nameless(loaded) == nameless(model)


class Unknown(keras.Model):
    """A model that does not know what it is called with: several inputs in a structure of its own."""

    def __init__(self):
        super().__init__(name="unknown")
        self.conv, self.head = L.Conv1D(4, 3, use_bias=False), L.Dense(2, use_bias=False)

    def call(self, batch):
        return self.head(keras.ops.mean(self.conv(batch["x"]), 1))


def test_what_cannot_be_known_is_said_and_not_guessed():
    model = keras.Sequential([keras.Input((None, 3)), L.Conv1D(4, 3, name="open"), L.Dense(2)])
    summary = tt.summary(model)
    assert summary.macs is None and [row.macs for row in summary.rows] == [None, None]
    assert any("multiply-adds are not known of" in note and "open" in note for note in summary.notes)
    assert "kept" not in str(summary).splitlines()[0]


def test_a_batch_tells_what_a_subclassed_model_does_not_know():
    model, batch = Unknown(), {"x": np.ones((1, 9, 3), "float32")}
    model(batch)
    summary = tt.summary(model, data=batch)
    assert [row.macs for row in summary.rows] == [7 * 36, 8]


def test_nothing_to_prune_is_a_summary_too():
    model = keras.Sequential([keras.Input((3,)), L.LayerNormalization()], name="plain")
    summary = tt.summary(model)
    assert (summary.weights, summary.parameters, summary.sparsity_of_prunable_weights) == (0, 6, 0)
    assert "nothing to prune" in str(summary) and "weight  shape" not in str(summary)
    assert "nothing to prune" in summary._repr_html_()


def test_refusals():
    with pytest.raises(TypeError, match=r"summary takes.*Received"):
        tt.summary("model")
    with pytest.raises(ValueError, match="not built"):
        tt.summary(keras.Sequential([L.Dense(3)]))


def test_columns_stand_under_their_heads():
    lines = str(tt.summary(two_layers())).splitlines()
    head, *table = lines[:4]
    assert head.split()[:4] == ["weight", "shape", "weights", "of"]
    for word in ("weights", "nonzero", "sparsity", "bytes"):
        end = head.index(word) + len(word)
        assert all(line[end - 1].isalnum() or line[end - 1] == "%" for line in table)
        assert all(line[end : end + 1] in ("", " ") for line in table)
    assert lines[4].startswith("prunable weights: 48 of 72 are not zero, sparsity 33.3333%, effective")
    assert lines[5].startswith("all parameters: 83, sparsity 28.9157%; 332 bytes")


def test_html_is_escaped():
    row = dataclasses.replace(tt.summary(two_layers(), paths=False).rows[0], name="a<b>&c")
    shown = tt.pruning.Summary("<i>x", (row,), (), ("<u>",))._repr_html_()
    assert "a&lt;b&gt;&amp;c" in shown
    assert not any(tag in shown for tag in ("<b>", "<i>", "<u>"))
