"""Attacks on a ticket: each changes exactly what it claims, as a function of its seed, evenly."""

import random

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import tf_tickets as tt
from tests import nets, users_models
from tests.replicas import two_replicas
from tf_tickets.layers import stock_values, stock_weights, value_of
from tf_tickets.sanity import attacks
from tf_tickets.sanity.attacks import rearrange, rearranged, reinitialize, shuffle_weights

# A fair draw fails a chi-square test of this level once in a thousand seeds; the seeds are fixed.
LEVEL = 1e-3

ATTACKS = [rearrange, shuffle_weights, reinitialize]
every_net = pytest.mark.parametrize("name", nets.NETS)
every_attack = pytest.mark.parametrize("attack", ATTACKS)
precisions = pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
seeds = st.integers(0, 2**40)
masks_of_layers = st.lists(
    arrays.arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 30))), min_size=1, max_size=4
)


def masks(model):
    return [keras.ops.convert_to_numpy(entry.mask) for entry in tt.masked_weights(model)]


def weights(model):
    """Every weight, masks apart."""
    return stock_values(model)


def others(model):
    """Every weight that cannot be masked: biases, normalisation, depthwise kernels."""
    masked = {id(entry.weight) for entry in tt.masked_weights(model)}
    return [keras.ops.convert_to_numpy(weight) for weight in stock_weights(model) if id(weight) not in masked]


def kernels(model):
    """What is stored in the masked weights, hidden or not."""
    return [keras.ops.convert_to_numpy(entry.weight) for entry in tt.masked_weights(model)]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def dense(dtype="float32", sizes=(40, 30, 20), seed=0, **options):
    """Dense layers in a row, all weights random, half of them hidden."""
    layers = [keras.layers.Dense(size, dtype=dtype, **options) for size in sizes[1:]]
    model = keras.Sequential([keras.Input(sizes[:1]), *layers])
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape))
    return nets.hide(model)


class TestEveryAttack:
    @pytest.mark.slow
    @every_attack
    def test_draws_from_a_stream_of_its_own(self, attack, monkeypatch):
        model, drawn, stream = dense(), [], attacks.stream
        monkeypatch.setattr(attacks, "stream", lambda *names: drawn.append(names) or stream(*names))
        attack(model, 7)
        assert drawn == [(7, "check", attack.__name__)]

    @pytest.mark.slow
    @every_attack
    def test_is_a_function_of_its_seed(self, attack):
        def after(seed):
            model = dense()
            attack(model, seed)
            return masks(model) + weights(model)

        first = after(1)
        assert same(after(1), first)
        assert not same(after(2), first)

    @pytest.mark.slow
    @every_attack
    def test_neither_uses_nor_changes_global_random_states(self, attack):
        model = dense()
        keras.utils.set_random_seed(3)
        untouched = keras.random.uniform((2,)), random.random(), np.random.random()  # noqa: NPY002
        keras.utils.set_random_seed(3)
        attack(model)
        found = keras.random.uniform((2,)), random.random(), np.random.random()  # noqa: NPY002
        assert same(found, untouched)

    @pytest.mark.slow
    @every_attack
    def test_reaches_a_model_that_has_been_traced_already(self, attack):
        model = nets.compiled(dense(sizes=(40, 30, 3)))
        x = np.ones((8, 40), "float32")
        before = model.predict(x, verbose=0)
        attack(model)
        after = model.predict(x, verbose=0)
        assert not np.allclose(before, after, atol=1e-2)
        np.testing.assert_allclose(after, nets.outputs(tt.fold(model), x), rtol=1e-5, atol=1e-6)

    @pytest.mark.slow
    @every_attack
    def test_leaves_the_optimizer_the_metrics_and_random_generators_alone(self, attack):
        layers = [keras.layers.Dense(5), keras.layers.Dropout(0.5), keras.layers.Dense(3)]
        model = nets.compiled(
            nets.hide(keras.Sequential([keras.Input((6,)), *layers])),
            keras.optimizers.Adam(),
            metrics=["accuracy"],
            run_eagerly=True,
        )
        model.fit(*nets.inputs_of(model), verbose=0)
        rest = [
            *model.optimizer.variables,
            *model.metrics_variables,
            layers[1].seed_generator.state,
        ]
        before = [keras.ops.convert_to_numpy(variable) for variable in rest]
        attack(model)
        # Of what the masks hide now, the optimizer forgets what it has learned.
        masks_now = {mask.shape: mask for mask in nets.masks(model)}
        before = [np.where(masks_now.get(array.shape, True), array, 0) for array in before]
        nets.assert_equal([keras.ops.convert_to_numpy(variable) for variable in rest], before)

    @pytest.mark.slow
    @every_attack
    def test_reaches_every_replica(self, attack):
        strategy = two_replicas()
        with strategy.scope():
            model = nets.hide(nets.build("sequential"))
        alone = nets.hide(nets.build("sequential"))
        attack(model, 4)
        attack(alone, 4)
        nets.assert_equal(masks(model) + weights(model), masks(alone) + weights(alone))
        for variable in model.weights:
            copies = strategy.experimental_local_results(variable.value)
            assert len(copies) == 2
            np.testing.assert_array_equal(*copies)

    @every_attack
    @pytest.mark.parametrize("model", [None, "resnet20", [np.ones(3, bool)], keras.layers.Dense(3)])
    def test_takes_a_model(self, attack, model):
        with pytest.raises(TypeError, match=rf"{attack.__name__} takes a keras.Model. Received: "):
            attack(model)

    @pytest.mark.parametrize("attack", [rearrange, shuffle_weights])
    def test_of_a_ticket_needs_masks(self, attack):
        model = nets.build("sequential")
        message = rf"{attack.__name__} acts on a ticket, and 'sequential' carries no masks. .*ticket.apply"
        with pytest.raises(ValueError, match=message):
            attack(model)

    @pytest.mark.slow
    @every_attack
    @pytest.mark.parametrize("seed", [-1, 0.5, None])
    def test_takes_a_seed(self, attack, seed):
        model = dense()
        before = masks(model) + weights(model)
        with pytest.raises(ValueError, match="A seed is a non-negative integer"):
            attack(model, seed)
        nets.assert_equal(masks(model) + weights(model), before)


class TestRearrange:
    @pytest.mark.slow
    @settings(max_examples=25)
    @given(masks_of_layers, seeds)
    def test_keeps_as_many_weights_of_every_layer(self, layers, seed):
        before = [mask.copy() for mask in layers]
        found = rearranged(layers, seed)
        assert [mask.shape for mask in found] == [mask.shape for mask in layers]
        assert [mask.sum() for mask in found] == [mask.sum() for mask in layers]
        assert all(mask.dtype == bool for mask in found)
        nets.assert_equal(layers, before)
        nets.assert_equal(rearranged(layers, seed), found)

    @pytest.mark.slow
    @settings(max_examples=20)
    @given(masks_of_layers, masks_of_layers, seeds)
    def test_draws_layers_in_forward_order_so_that_later_ones_change_nothing(self, layers, later, seed):
        nets.assert_equal(rearranged(layers + later, seed)[: len(layers)], rearranged(layers, seed))

    def test_permutes_layers_independently(self):
        mask = np.arange(400).reshape(20, 20) % 4 == 0
        found = [mask, *rearranged([mask] * 5)]
        shared = [np.mean(a[b]) for i, a in enumerate(found) for b in found[:i]]
        # What two random quarters share is a quarter of each, give or take.
        assert np.all(np.abs(np.array(shared) - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 100))

    def test_puts_what_is_kept_anywhere_alike(self):
        only = np.zeros((2, 2, 3), bool)
        only[0, 1, 2] = True
        found = sum(mask.reshape(-1).astype(int) for seed in range(600) for mask in rearranged([only], seed))
        assert scipy.stats.chisquare(found).pvalue > LEVEL

    @pytest.mark.parametrize("mask", [np.ones(3), np.ones(3, "uint8"), [1, 0]])
    def test_takes_bool_masks(self, mask):
        with pytest.raises(ValueError, match=r"Masks are bool arrays. Received: \['"):
            rearranged([mask])

    @pytest.mark.slow
    @every_net
    def test_changes_the_masks_of_a_model_and_nothing_else_and_returns_the_ticket_it_carries(
        self, name, tmp_path
    ):
        model = nets.hide(nets.build(name))
        before, values = masks(model), weights(model)
        ticket = rearrange(model, seed=np.int64(3))
        nets.assert_equal(masks(model), rearranged(before, 3))
        assert not same(masks(model), before)
        nets.assert_equal(weights(model), values)
        nets.assert_equal(ticket.masks, masks(model))
        assert ticket.names == tuple(entry.name for entry in tt.masked_weights(model))
        assert ticket.origin == {"sanity_check": "rearrange", "seed": 3}
        assert ticket.on_path == tt.pruning.path_counts(model, masks(model)) is not None
        ticket.save(tmp_path / "ticket.npz")
        assert tt.Ticket.load(tmp_path / "ticket.npz").origin == ticket.origin

    @pytest.mark.slow
    def test_keeps_other_weights_of_a_pruned_model_as_many_in_every_layer(self):
        model = dense(sizes=(60, 50, 40))
        ticket = tt.prune(model, "finetune", 0.8)
        other = rearrange(model)
        assert [layer.kept for layer in other.layers] == [layer.kept for layer in ticket.layers]
        overlap = ticket.compare(other).total
        assert overlap.shared < 1.1 * overlap.shared_by_chance


class TestShuffleWeights:
    @pytest.mark.slow
    @every_net
    def test_moves_kept_weights_to_other_kept_places_and_changes_nothing_else(self, name):
        model = nets.poison(nets.hide(nets.build(name)))
        before, values, rest = masks(model), kernels(model), others(model)
        assert shuffle_weights(model, seed=3) is model
        nets.assert_equal(masks(model), before)
        nets.assert_equal(others(model), rest)
        for mask, old, new in zip(before, values, kernels(model), strict=True):
            np.testing.assert_array_equal(new[~mask], old[~mask])
            np.testing.assert_array_equal(np.sort(new[mask]), np.sort(old[mask]))
            assert not np.array_equal(new[mask], old[mask])

    @pytest.mark.slow
    @every_net
    def test_spares_the_classifier_if_asked_and_shuffles_the_others_as_without(self, name):
        spared, shuffled = nets.hide(nets.build(name)), nets.hide(nets.build(name))
        before = kernels(spared)
        shuffle_weights(spared, seed=3, spare_classifier=True)
        shuffle_weights(shuffled, seed=3)
        np.testing.assert_array_equal(kernels(spared)[-1], before[-1])
        nets.assert_equal(kernels(spared)[:-1], kernels(shuffled)[:-1])

    @pytest.mark.slow
    def test_puts_every_kept_weight_at_any_kept_place_alike(self):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, use_bias=False)])
        tt.mask_layers(model)
        [entry] = tt.masked_weights(model)
        entry.mask.assign(np.arange(12).reshape(3, 4) % 2 == 0)
        start = np.arange(12.0).reshape(3, 4)
        found = []
        for seed in range(180):
            entry.weight.assign(start)
            shuffle_weights(model, seed)
            found.append(keras.ops.convert_to_numpy(entry.weight).reshape(-1)[::2] // 2)
        # A table of places and weights: as many degrees of freedom as permutation matrices have.
        counts = np.array([np.bincount(place.astype(int), minlength=6) for place in np.array(found).T])
        statistic = ((counts - 30) ** 2 / 30).sum() * (6 - 1) / 6
        assert scipy.stats.chi2.sf(statistic, (6 - 1) ** 2) > LEVEL

    @pytest.mark.slow
    @precisions
    def test_keeps_weights_to_the_bit_in_every_precision(self, dtype):
        model = dense(dtype)
        before = masks(model), kernels(model)
        shuffle_weights(model)
        for mask, old, new in zip(*before, kernels(model), strict=True):
            assert new.dtype == old.dtype == dtype
            assert sorted(new[mask].tolist()) == sorted(old[mask].tolist())
            np.testing.assert_array_equal(new[~mask], old[~mask])

    def test_shuffles_all_weights_where_the_masks_hide_none(self):
        model = dense()
        for entry in tt.masked_weights(model):
            entry.mask.set(np.ones(entry.shape, bool))
        before = kernels(model)
        shuffle_weights(model)
        for old, new in zip(before, kernels(model), strict=True):
            assert np.mean(old == new) < 0.02

    def test_refuses_to_spare_all_there_is(self):
        model = dense(sizes=(4, 3))
        with pytest.raises(ValueError, match=r"leaves nothing to shuffle: .* masked nothing but .*kernel"):
            shuffle_weights(model, spare_classifier=True)


def separable():
    return keras.layers.SeparableConv2D(
        8,
        3,
        depth_multiplier=8,
        depthwise_initializer=keras.initializers.RandomNormal(1.0, 0.1),
        pointwise_initializer=keras.initializers.RandomNormal(2.0, 0.3),
    )


class Listed(keras.layers.Layer):
    """Calls a layer on a list of its input twice."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def build(self, shape):
        self.layer.build([shape, shape])

    def call(self, inputs):
        return self.layer([inputs, inputs])


def drawn(mean):
    return keras.initializers.RandomNormal(mean, 0.1 * mean)


# A layer with weights of every kind that Keras has, and the shape of its inputs. Random initializers with
# means of their own show whether each weight comes from the right one.
LAYERS = {
    "dense": (lambda: keras.layers.Dense(40, bias_initializer=drawn(3)), (30,)),
    "einsum": (lambda: keras.layers.EinsumDense("abc,cde->abde", (None, 8, 9), bias_axes="de"), (5, 12)),
    "einsum, einsum of its own axes": (
        lambda: keras.layers.EinsumDense(
            "...x,xy->...y",
            40,
            kernel_initializer=keras.initializers.GlorotUniform(input_axes=(1,), output_axes=(0,)),
        ),
        (5, 12),
    ),
    "einsum, no fans": (
        lambda: keras.layers.EinsumDense("ab,bc->ac", 40, kernel_initializer="orthogonal"),
        (30,),
    ),
    "convolution": (lambda: keras.layers.Conv2D(16, 3, kernel_initializer="he_normal"), (8, 8, 4)),
    "transposed convolution": (lambda: keras.layers.Conv2DTranspose(16, 3), (8, 8, 4)),
    "depthwise convolution": (
        lambda: keras.layers.DepthwiseConv2D(3, depth_multiplier=16, depthwise_initializer=drawn(2)),
        (8, 8, 4),
    ),
    "separable convolution": (separable, (8, 8, 4)),
    "embedding": (lambda: keras.layers.Embedding(30, 20), (5,)),
    "reversible embedding": (
        lambda: keras.layers.ReversibleEmbedding(30, 20, tie_weights=False, embeddings_initializer=drawn(2)),
        (5,),
    ),
    "lstm": (lambda: keras.layers.LSTM(20, bias_initializer=drawn(5)), (5, 12)),
    "lstm that forgets": (lambda: keras.layers.LSTM(20, unit_forget_bias=False), (5, 12)),
    "convolutional lstm": (lambda: keras.layers.ConvLSTM1D(12, 3), (4, 8, 3)),
    "gru": (lambda: keras.layers.GRU(20, recurrent_initializer=drawn(2), bias_initializer=drawn(5)), (5, 12)),
    "attention": (lambda: Listed(keras.layers.Attention(use_scale=True, score_mode="concat")), (5, 12)),
    "additive attention": (lambda: Listed(keras.layers.AdditiveAttention()), (5, 200)),
    "both ways": (lambda: keras.layers.Bidirectional(keras.layers.SimpleRNN(20)), (5, 12)),
    "stacked cells": (
        lambda: keras.layers.RNN([keras.layers.LSTMCell(12), keras.layers.GRUCell(12)]),
        (5, 12),
    ),
    "multi-head attention": (
        lambda: keras.layers.MultiHeadAttention(4, 6, kernel_initializer="he_uniform"),
        (5, 12),
    ),
    "grouped-query attention": (lambda: keras.layers.GroupQueryAttention(6, 4, 2), (5, 12)),
    "batch normalization": (
        lambda: keras.layers.BatchNormalization(
            gamma_initializer=drawn(1), beta_initializer=drawn(2), moving_variance_initializer=drawn(4)
        ),
        (200,),
    ),
    "our batch normalization": (
        lambda: tt.layers.BatchNormalization(moving_mean_initializer=drawn(3)),
        (200,),
    ),
    "batch renormalization": (
        lambda: keras.layers.BatchNormalization(
            renorm=True, moving_mean_initializer=drawn(3), moving_variance_initializer=drawn(4)
        ),
        (200,),
    ),
    "layer normalization": (lambda: keras.layers.LayerNormalization(gamma_initializer=drawn(2)), (200,)),
    "group normalization": (lambda: keras.layers.GroupNormalization(4, beta_initializer=drawn(2)), (200,)),
    "rms normalization": (lambda: keras.layers.RMSNormalization(), (20,)),
    "prelu": (lambda: keras.layers.PReLU(drawn(2)), (200,)),
    "spectral normalization": (
        lambda: keras.layers.SpectralNormalization(keras.layers.Dense(200, kernel_initializer=drawn(2))),
        (20,),
    ),
    "time-distributed": (lambda: keras.layers.TimeDistributed(keras.layers.Dense(20)), (5, 12)),
    "spectrogram": (lambda: keras.layers.STFTSpectrogram("log", 16, 8, 16), (64, 1)),
}


ATTENTION = (
    keras.layers.MultiHeadAttention,
    keras.layers.GroupQueryAttention,
)


def network(name, seed=0):
    keras.utils.set_random_seed(seed)
    make, shape = LAYERS[name]
    layer, inputs = make(), keras.Input(shape)
    return keras.Model(inputs, layer(inputs, inputs) if isinstance(layer, ATTENTION) else layer(inputs))


def disturb(model):
    for weight in model.weights:
        weight.assign(np.full(weight.shape, 7))
    return model


def assert_drawn_alike(model, *fresh):
    """Weights are those of two fresh models where these agree, and otherwise spread like theirs.

    Of the fresh ones the weights are given.
    """
    for found, one, other in zip(weights(model), *fresh, strict=True):
        if np.array_equal(one, other):
            np.testing.assert_array_equal(found, one)
            continue
        error = one.std() / np.sqrt(one.size)
        for values in (one, other):
            assert not np.array_equal(found, values)
            assert abs(found.mean() - values.mean()) < 6 * error
            assert abs(found.std() - values.std()) < 6 * error


class TestReinitialize:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "shape"), [("resnet8", (8, 8, 3)), ("vgg11", (16, 16, 3)), ("lenet_300_100", (8, 8, 1))]
    )
    def test_draws_our_models_as_building_them_with_another_seed_does(self, name, shape):
        other, model = (tt.models.build(name, shape, 10, width=0.25, seed=seed) for seed in (1, 0))
        fresh = weights(model), weights(other)
        reinitialize(disturb(model))
        assert_drawn_alike(model, *fresh)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", LAYERS)
    def test_draws_the_weights_of_every_layer_as_a_new_layer_does(self, name):
        other, model = (network(name, seed) for seed in (1, 0))
        fresh = weights(model), weights(other)
        reinitialize(disturb(model))
        assert_drawn_alike(model, *fresh)

    def test_knows_einsum_fans_of_the_equation(self):
        # By shape alone the fans of (12, 8, 9) would be 96 and 108 instead of 12 and 72.
        model = network("einsum")
        kernel = max(weights(reinitialize(model)), key=np.size)
        assert abs(np.abs(kernel).max() / np.sqrt(6 / (12 + 72)) - 1) < 0.02

    def test_sets_the_forget_gate_of_an_lstm_open(self):
        bias = weights(reinitialize(disturb(network("lstm"))))[-1]
        np.testing.assert_array_equal(bias[20:40], 1)
        assert bias[:20].min() > 2 and bias[40:].min() > 2

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "name",
        ["functional", "nested", "decorated by tf.function", "shared layer", "transformer", "recurrent"],
    )
    def test_draws_users_models(self, name):
        model = nets.hide(users_models.CASES[name].build())
        before, fresh = masks(model), weights(model)
        assert reinitialize(disturb_weights(model)) is model
        nets.assert_equal(masks(model), before)
        for values, new in zip(weights(model), fresh, strict=True):
            assert (np.ptp(values) == 0) == (np.ptp(new) == 0)
            assert not np.any(values == 7)
            if np.ptp(new) > 0:
                assert not np.array_equal(values, new)

    def test_draws_the_layer_scale_of_convnext(self):
        layer = pytest.importorskip("keras.src.applications.convnext").LayerScale(0.25, 6)
        model = disturb(keras.Sequential([keras.Input((6,)), layer]))
        np.testing.assert_array_equal(weights(reinitialize(model)), [np.full(6, 0.25)])

    @pytest.mark.slow
    @every_net
    def test_keeps_the_masks_and_gives_the_weights_of_the_model_without_masks(self, name):
        masked, stock = nets.hide(nets.build(name)), nets.build(name)
        before = masks(masked)
        reinitialize(masked, 5)
        reinitialize(stock, 5)
        nets.assert_equal(masks(masked), before)
        nets.assert_equal(weights(masked), weights(stock))

    @pytest.mark.slow
    @precisions
    def test_draws_in_every_precision(self, dtype):
        model = reinitialize(dense(dtype))
        assert all(values.dtype == dtype for values in weights(model))
        limit = np.sqrt(6 / 70)
        assert abs(float(np.abs(kernels(model)[0]).max()) / limit - 1) < 0.02

    @pytest.mark.slow
    def test_seeds_are_those_of_layers_whatever_comes_after(self):
        short, long = dense(sizes=(6, 8, 5)), dense(sizes=(6, 8, 5, 3))
        nets.assert_equal(kernels(reinitialize(short)), kernels(reinitialize(long))[:2])

    def test_layers_with_one_initializer_get_draws_of_their_own(self):
        one = keras.initializers.RandomNormal(seed=1)
        model = dense(sizes=(6, 6, 6, 6), kernel_initializer=one)
        found = kernels(reinitialize(model))
        assert not any(np.array_equal(a, b) for i, a in enumerate(found) for b in found[:i])

    def test_weights_of_a_layer_with_one_initializer_get_draws_of_their_own(self):
        model = nets.hide(users_models.own_layer())
        one = keras.initializers.RandomNormal(seed=1)
        model.layers[0].w_initializer = model.layers[0].v_initializer = one
        w, v, _ = kernels(reinitialize(model))
        assert not np.array_equal(w, v)

    def test_initializers_seeded_by_a_generator_leave_it_alone(self):
        generator = keras.random.SeedGenerator(3)
        model = dense(sizes=(6, 6), kernel_initializer=keras.initializers.RandomNormal(seed=generator))
        before = keras.ops.convert_to_numpy(generator.state)
        reinitialize(model)
        np.testing.assert_array_equal(generator.state, before)

    def test_what_a_layer_has_learnt_of_the_data_stays(self):
        learnt = keras.layers.Normalization()
        learnt.adapt(np.random.default_rng(0).normal(3, 2, (100, 4)))
        model = keras.Sequential([keras.Input((4,)), learnt, keras.layers.Dense(3)])
        before = weights(learnt), weights(model.layers[-1])
        reinitialize(model)
        nets.assert_equal(weights(learnt), before[0])
        assert not same(weights(model.layers[-1]), before[1])

    @pytest.mark.slow
    def test_refuses_quantized_layers(self):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        model.quantize("int8")
        with pytest.raises(ValueError, match=r"does not know how .*kernel_scale"):
            reinitialize(model)

    def test_names_weights_without_an_initializer_and_changes_nothing(self):
        model = nets.hide(users_models.own_layer())
        before = weights(model)
        message = r"does not know how .* drew \S+/w of \w*Gated '\w+'; \S+/v of .*layer.w_initializer = "
        with pytest.raises(ValueError, match=message):
            reinitialize(model)
        nets.assert_equal(weights(model), before)
        model.layers[0].w_initializer = "glorot_uniform"
        model.layers[0].v_initializer = keras.initializers.Constant(2.0)
        w, v, _ = kernels(reinitialize(model))
        assert np.ptp(w) > 0
        np.testing.assert_array_equal(v, 2.0 * value_of(model.layers[0].masks["v"]))

    def test_finds_weights_in_lists_and_by_their_own_names(self):
        class Several(keras.layers.Layer):
            kernel_initializer = "ones"
            parts_initializer = "zeros"

            def build(self, shape):
                self.mine = self.add_weight(shape=(3,), name="kernel")
                self.parts = [self.add_weight(shape=(2,), name=f"part{i}") for i in range(2)]

            def call(self, inputs):
                return inputs * keras.ops.sum(self.mine) + sum(keras.ops.sum(part) for part in self.parts)

        model = keras.Sequential([keras.Input((3,)), Several()])
        nets.assert_equal(weights(reinitialize(model)), [np.ones(3), np.zeros(2), np.zeros(2)])

    @pytest.mark.parametrize(
        "initializer",
        [lambda shape, dtype=None: tf.ones(shape, dtype), type("Own", (keras.Initializer,), {})()],
    )
    def test_refuses_an_initializer_without_a_seed(self, initializer):
        model = dense(sizes=(4, 3))
        before = weights(model)
        model.layers[0].bias_initializer = initializer
        with pytest.raises(ValueError, match=r"bias of layer '\w+' cannot be drawn anew, .* takes no seed"):
            reinitialize(model)
        nets.assert_equal(weights(model), before)

    def test_an_initializer_that_fails_changes_nothing(self):
        class Fails(keras.initializers.RandomNormal):
            def __call__(self, shape, dtype=None):
                raise RuntimeError("no")

        model = dense(sizes=(4, 3))
        before = weights(model)
        model.layers[0].bias_initializer = Fails()
        with pytest.raises(RuntimeError, match="no"):
            reinitialize(model)
        nets.assert_equal(weights(model), before)

    def test_needs_a_built_model(self):
        with pytest.raises(ValueError, match="is not built"):
            reinitialize(keras.Sequential([keras.layers.Dense(3)]))


def disturb_weights(model):
    for weight in stock_weights(model):
        weight.assign(np.full(weight.shape, 7))
    return model
