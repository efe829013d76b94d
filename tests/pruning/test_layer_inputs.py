"""What weights are multiplied with: of every kind of layer the outputs are `rows @ matrix`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests.pruning import nets
from tf_tickets.layers import prunable_weights
from tf_tickets.pruning.input_view import input_views
from tf_tickets.pruning.layer_inputs import input_hessian, input_norms, watch_inputs

L = keras.layers
PLAIN = {"use_bias": False}
# what it shows -> (layer, shape of an example)
LAYERS = {
    "dense": (L.Dense(5, **PLAIN), (6,)),
    "dense on tokens": (L.Dense(5, **PLAIN), (4, 3, 6)),
    "einsum of two axes": (L.EinsumDense("abcd,cde->abe", (4, 5)), (4, 3, 2)),
    "einsum to two axes": (L.EinsumDense("abc,cde->abde", (4, 2, 5)), (4, 3)),
    "einsum in another order": (L.EinsumDense("abc,dc->abd", (4, 5)), (4, 3)),
    "einsum with an ellipsis": (L.EinsumDense("...x,xy->...y", 5), (4, 3)),
    "einsum of groups": (L.EinsumDense("abc,bcd->abd", (4, 5)), (4, 3)),
    "einsum that sums positions": (L.EinsumDense("abc,cd->ad", (5,)), (4, 3)),
    "1-D": (L.Conv1D(5, 3, **PLAIN), (9, 2)),
    "1-D, causal": (L.Conv1D(5, 3, padding="causal", dilation_rate=2, **PLAIN), (9, 2)),
    "2-D": (L.Conv2D(4, (3, 2), **PLAIN), (7, 6, 2)),
    "2-D, same": (L.Conv2D(4, (3, 2), padding="same", **PLAIN), (7, 6, 2)),
    "2-D, strides": (L.Conv2D(4, 3, strides=(2, 3), padding="same", **PLAIN), (8, 7, 2)),
    "2-D, strides, valid": (L.Conv2D(4, 3, strides=(3, 2), **PLAIN), (8, 9, 2)),
    "2-D, strides past the kernel": (L.Conv2D(4, 1, strides=2, padding="same", **PLAIN), (8, 7, 2)),
    "2-D, dilation": (L.Conv2D(4, 3, dilation_rate=(2, 1), padding="same", **PLAIN), (8, 7, 2)),
    "2-D, groups": (L.Conv2D(6, 3, groups=3, padding="same", **PLAIN), (5, 5, 6)),
    "3-D": (L.Conv3D(3, 2, strides=(1, 2, 1), padding="same", **PLAIN), (4, 5, 3, 2)),
    "depthwise": (L.DepthwiseConv2D(3, strides=2, depth_multiplier=2, padding="same", **PLAIN), (6, 5, 3)),
    "depthwise 1-D": (L.DepthwiseConv1D(3, **PLAIN), (6, 3)),
    "separable": (L.SeparableConv2D(4, 3, depth_multiplier=2, padding="same", **PLAIN), (6, 5, 3)),
    "separable 1-D": (L.SeparableConv1D(4, 3, strides=2, **PLAIN), (7, 3)),
}


def rows_of(model, entries, batches):
    """All rows of each weight, `(groups, rows, inputs)`, and its matrix."""
    views, found = input_views(entries), [[] for _ in entries]
    watch_inputs(
        model,
        entries,
        [tf.convert_to_tensor(entry.weight) for entry in entries],
        batches,
        dict(enumerate(views)),
        lambda position, rows: found[position].append(rows.numpy()),
    )
    return [np.concatenate(parts, 1) for parts in found], views


def of_one_layer(name):
    layer, shape = LAYERS[name]
    inputs = keras.Input(shape)
    clone = layer.__class__.from_config(layer.get_config())
    return keras.Model(inputs, clone(inputs))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_outputs_are_rows_times_matrix(name, masked):
    model = of_one_layer(name)
    entries = prunable_weights(model)
    if masked or not entries:
        report = tt.mask_layers(model, include=[model.layers[-1]])
        entries = [x for x in report.masked if "depthwise_kernel" not in x.name or len(report.masked) == 1]
    rng = np.random.default_rng(0)
    for entry in tt.masked_weights(model):
        entry.mask.set(rng.random(entry.shape) < 0.7)
    x = rng.normal(size=(3, *model.input_shape[1:])).astype("float32")
    everything = prunable_weights(model)
    found, views = rows_of(model, everything, [(x,)])
    rows, view, entry = found[-1], views[-1], everything[-1]
    assert entry == entries[-1]
    weight = entry.weight.numpy()
    np.testing.assert_array_equal(view.weight(view.matrix(weight)), weight)
    products = rows @ view.matrix(weight)
    # Outputs are numbered group by group, and within a group as the kernel has them.
    outputs = model(x).numpy()
    if name == "einsum of groups":
        outputs = np.transpose(outputs, (1, 0, 2))
        np.testing.assert_allclose(products, outputs, rtol=1e-4, atol=1e-5)
        return
    products = np.moveaxis(products, 0, 1).reshape(products.shape[1], -1)
    np.testing.assert_allclose(products, outputs.reshape(products.shape), rtol=1e-4, atol=1e-5)


def test_a_separable_layer_has_the_inputs_of_both_kernels():
    model = of_one_layer("separable")
    tt.mask_layers(model, include=[model.layers[-1]])
    x = np.random.default_rng(0).normal(size=(3, *model.input_shape[1:])).astype("float32")
    entries = tt.masked_weights(model)
    assert [entry.attribute for entry in entries] == ["depthwise_kernel", "pointwise_kernel"]
    (first, second), views = rows_of(model, entries, [(x,)])
    products = first @ views[0].matrix(entries[0].weight.numpy())
    np.testing.assert_allclose(
        np.moveaxis(products, 0, 1).reshape(second.shape), second, rtol=1e-4, atol=1e-5
    )


def test_channels_first_is_the_same(monkeypatch):
    last = L.Conv2D(4, 3, strides=2, padding="same")
    first = L.Conv2D(4, 3, strides=2, padding="same", data_format="channels_first")
    x = np.random.default_rng(0).normal(size=(2, 6, 5, 3)).astype("float32")
    from tf_tickets.pruning.input_view import _patches

    np.testing.assert_array_equal(
        _patches(tf.constant(np.moveaxis(x, -1, 1)), first), _patches(tf.constant(x), last)
    )


def test_large_batches_are_cut_in_parts(monkeypatch):
    model = of_one_layer("2-D, groups")
    entries = prunable_weights(model)
    x = np.random.default_rng(0).normal(size=(5, 5, 5, 6)).astype("float32")
    whole = input_norms(model, entries, [entries[0].weight.value], [(x,)])
    monkeypatch.setattr("tf_tickets.pruning.input_view.MOST_NUMBERS", 1)
    parts = input_norms(model, entries, [entries[0].weight.value], [(x,)])
    np.testing.assert_allclose(parts[0], whole[0], rtol=1e-6)


class TestStatistics:
    def test_add_up_over_batches_examples_and_positions(self):
        model = of_one_layer("dense on tokens")
        entries = prunable_weights(model)
        values = [entries[0].weight.value]
        x = np.random.default_rng(0).normal(size=(6, 4, 3, 6)).astype("float32")
        rows = x.reshape(-1, 6).astype("float64")
        batches = [(x[:4],), (x[4:],)]
        (norm,) = input_norms(model, entries, values, batches)
        np.testing.assert_allclose(norm, np.repeat(np.linalg.norm(rows, axis=0)[:, None], 5, 1), rtol=1e-5)
        hessian = input_hessian(model, entries, values, batches, 0)
        np.testing.assert_allclose(hessian[0], 2 * rows.T @ rows, rtol=1e-4, atol=1e-4)

    def test_of_a_layer_that_is_called_twice_are_of_both_calls(self):
        inputs = keras.Input((4,))
        twice = L.Dense(4, use_bias=False)
        model = keras.Model(inputs, twice(twice(inputs)))
        entries = prunable_weights(model)
        x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
        both = np.concatenate([x, x @ entries[0].weight.numpy()])
        (norm,) = input_norms(model, entries, [entries[0].weight.value], [(x,)])
        np.testing.assert_allclose(norm[:, 0], np.linalg.norm(both, axis=0), rtol=1e-5)

    def test_are_of_the_values_that_are_given(self):
        model = nets.functional((4, 3, 2))
        entries = prunable_weights(model)
        x, _ = nets.examples(model)
        zeros = [tf.zeros(entry.shape) for entry in entries]
        norms = input_norms(model, entries, zeros, [(x,)])
        bias = np.abs(model.layers[1].bias.numpy())
        np.testing.assert_allclose(norms[1][:, 0], bias * np.sqrt(len(x)), rtol=1e-5)

    def test_are_in_float32_where_the_model_computes_in_less(self):
        model = nets.functional((4, 3, 2), dtype="mixed_bfloat16")
        exact = nets.functional((4, 3, 2))
        exact.set_weights(model.get_weights())
        x, y = nets.examples(model)
        for one, other in zip(
            tt.score(model, "wanda", (x, y)), tt.score(exact, "wanda", (x, y)), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=1e-6)


class Insisting(keras.Model):
    """Its call is a `tf.function`, and a layer of it is called through another."""

    def __init__(self):
        super().__init__()
        self.first, self.last = L.Dense(4), L.Dense(3)
        self.inner = tf.function(lambda x: self.first(x))

    @tf.function
    def call(self, x):
        return self.last(tf.nn.relu(self.inner(x)))


def test_functions_of_the_users_are_seen_into():
    model = Insisting()
    x = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")
    model(x)
    scores = tt.score(model, "wanda", (x, np.zeros(5, int)))
    norm = np.linalg.norm(x, axis=0)
    np.testing.assert_allclose(scores[0], np.abs(model.first.kernel.numpy()) * norm[:, None], rtol=1e-5)
    assert not tf.config.functions_run_eagerly()


@pytest.mark.slow
def test_attention_and_layers_over_time_are_seen():
    inputs = keras.Input((5, 6))
    x = L.MultiHeadAttention(2, 3)(inputs, inputs)
    x = L.TimeDistributed(L.Dense(4))(x)
    model = keras.Model(inputs, L.Dense(3)(L.Flatten()(x)))
    x, y = nets.examples(model)
    scores = tt.score(model, "wanda", (x, y))
    assert [score.shape for score in scores] == [entry.shape for entry in prunable_weights(model)]
    query = next(entry for entry in prunable_weights(model) if "query" in entry.name)
    norm = np.linalg.norm(x.reshape(-1, 6), axis=0)
    position = prunable_weights(model).index(query)
    np.testing.assert_allclose(
        scores[position], np.abs(query.weight.numpy()) * norm[:, None, None], rtol=1e-5
    )


class Doubled(L.Dense):
    def call(self, x):
        return super().call(2 * x)


@pytest.mark.slow
@pytest.mark.parametrize(
    "layer, shape, name",
    [
        (L.LSTM(4), (5, 3), "kernel"),
        (L.Conv2DTranspose(3, 2), (4, 4, 2), "kernel"),
        (Doubled(4), (3,), "kernel"),
    ],
)
def test_what_has_no_such_view_is_refused_by_name_before_work(layer, shape, name):
    inputs = keras.Input(shape)
    x = layer.__class__.from_config(layer.get_config())(inputs)
    model = keras.Model(inputs, L.Dense(3)(L.Flatten()(x)))
    x, y = nets.examples(model)
    before = nets.state(model)
    with pytest.raises(
        ValueError, match=rf"not known which inputs .*{model.layers[1].name}.*{name}.*Dense, EinsumDense"
    ):
        tt.prune(model, "wanda", 0.5, (x, y))
    with pytest.raises(ValueError, match="not known which inputs"):
        tt.score(model, "wanda", (x, y))
    nets.assert_same(nets.state(model)["values"], before["values"])
    tt.mask_layers(model, exclude=[model.layers[1]])
    assert tt.prune(model, "wanda", 0.5, (x, y)).sparsity == pytest.approx(0.5, abs=0.1)
