"""SNIP, GraSP and OBD: the authors' numbers, the definitions, and what is left to options."""

import dataclasses
import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_tickets as tt
from tests import smallnet
from tests.pruning import nets
from tests.pruning.nets import assert_same
from tf_tickets.layers import prunable_weights
from tf_tickets.pruning import SCORES, Quota, draw_ticket, plan_budgets
from tf_tickets.pruning.top_k import top_k
from tf_tickets.support.random_streams import stream

SPARSITIES = [0.9, 0.5]
NORMALIZATIONS = {"ours": tt.layers.BatchNormalization, "stock": keras.layers.BatchNormalization}
KEEP_COUNTS = json.loads((smallnet.FIXTURES / "keep_counts.json").read_text())

# fixture -> (score, options)
GOLDEN = {
    "snip_float64": ("snip", {}),
    "grasp_float64": ("grasp", {"redraw_classifier": False}),
    "grasp_reinit_float64": ("grasp", {"redraw_classifier": False}),
    "snip_evalmode_float64": ("snip", {"training": False}),
    "grasp_evalmode_float64": ("grasp", {"redraw_classifier": False, "training": False}),
}
IN_TRAINING = [name for name in GOLDEN if "evalmode" not in name]
# Another classifier is another model alone, and what predicts has no statistics of a batch: one normalization
# is enough for them.
PAIRS = [
    ("snip_float64", "ours"),
    ("snip_float64", "stock"),
    ("grasp_float64", "ours"),
    ("grasp_reinit_float64", "ours"),
    ("snip_evalmode_float64", "stock"),
    ("grasp_evalmode_float64", "ours"),
]


@functools.cache
def small(dtype, normalization):
    """The small net, masked, so that its forward order is traced just once. No test changes it."""
    model = smallnet.build(dtype, NORMALIZATIONS[normalization])
    tt.mask_layers(model)
    return model


def scored(fixture, dtype="float64", normalization="ours"):
    return _scored(fixture, dtype, normalization)


@functools.cache
def _scored(fixture, dtype, normalization):
    score, own = GOLDEN[fixture]
    model, arrays = small(dtype, normalization), smallnet.fixture(fixture)
    kernel = model.get_layer("fc").kernel
    before = kernel.numpy()
    kernel.assign(arrays.get("keras/scored_fc_weight", before))  # the classifier that the authors drew
    found = tt.score(model, score, data=smallnet.batch(dtype), **own)
    kernel.assign(before)
    return found


def golden(fixture, key="score"):
    arrays = smallnet.fixture(fixture)
    return [arrays[f"keras/{key}/{layer}"] for layer in smallnet.PRUNABLE]


def errors(found, expected):
    """Of each layer, as a fraction of its largest element."""
    return [np.abs(a - b).max() / np.abs(b).max() for a, b in zip(found, expected, strict=True)]


class TestTheAuthorsNumbers:
    @pytest.mark.slow
    @pytest.mark.parametrize(("fixture", "normalization"), PAIRS)
    def test_scores(self, fixture, normalization):
        arrays = scored(fixture, normalization=normalization)
        assert all(array.dtype == "float64" for array in arrays)
        assert max(errors(arrays, golden(fixture))) < 1e-9

    @pytest.mark.slow
    def test_scores_in_float32(self):
        """What is differentiated twice goes through all that is differentiated once."""
        fixture = "grasp_float64"
        arrays = scored(fixture, dtype="float32")
        assert all(array.dtype == "float32" for array in arrays)
        assert max(errors(arrays, golden(fixture))) < 2e-5

    @pytest.mark.slow
    @pytest.mark.parametrize("fixture", ["snip", "grasp"])
    def test_of_predicting_networks_are_not_the_default(self, fixture):
        assert min(errors(scored(f"{fixture}_float64"), golden(f"{fixture}_evalmode_float64"))) > 0.1

    @pytest.mark.slow
    def test_masks_bit_for_bit(self):
        """Of a method from its data on; those of every golden score are below."""
        model = smallnet.build("float64")
        data = smallnet.batch("float64")
        ticket = tt.prune(model, "snip", 0.9, data=data, rounding="reference")
        assert_same(ticket.masks, [mask.astype(bool) for mask in golden("snip_float64", "mask/0.9")])

    @pytest.mark.slow
    @pytest.mark.parametrize("sparsity", SPARSITIES)
    @pytest.mark.parametrize(("fixture", "normalization"), [pair for pair in PAIRS if pair[0] in IN_TRAINING])
    def test_masks_of_every_golden_score(self, fixture, normalization, sparsity, monkeypatch):
        """Also bit for bit, without taking the scores once more for each sparsity."""
        method, _ = GOLDEN[fixture]
        arrays = scored(fixture, normalization=normalization)
        known = dataclasses.replace(SCORES[method], function=lambda *given: arrays, data="unused")
        monkeypatch.setitem(SCORES, method, known)
        quota = Quota(ratios="global", sparsity=sparsity, rounding="reference")
        ticket = draw_ticket(small("float64", normalization), method, quota, paths=False)
        assert_same(ticket.masks, [mask.astype(bool) for mask in golden(fixture, f"mask/{sparsity}")])

    @pytest.mark.slow
    def test_masks_of_predicting_networks_are_others(self):
        train, predict = (golden(f"snip{mode}_float64", "mask/0.9") for mode in ("", "_evalmode"))
        ranked = np.concatenate([array.ravel() for array in scored("snip_float64")])
        kept = top_k(ranked, 178)
        shared = [
            np.count_nonzero(kept & np.concatenate([mask.astype(bool).ravel() for mask in masks]))
            for masks in (train, predict)
        ]
        assert shared[0] == 178
        assert shared[1] / 178 == pytest.approx(0.43, abs=0.01)

    @pytest.mark.slow
    def test_a_folded_model_scores_alike(self):
        folded = tt.fold(smallnet.build("float64"))
        assert type(folded.get_layer("bn1")) is keras.layers.BatchNormalization
        arrays = tt.score(folded, "snip", data=smallnet.batch("float64"))
        assert max(errors(arrays, golden("snip_float64"))) < 1e-9


@pytest.fixture(scope="module", params=["resnet32", "vgg19"])
def network(request):
    """Name and model; masked, so that its forward order is traced just once."""
    model = tt.models.build(request.param, (32, 32, 3), 10)
    tt.mask_layers(model)
    return request.param, model


class TestCountsOfThePublishedNetworks:
    @pytest.mark.slow
    @pytest.mark.parametrize("sparsity", ["0.9", "0.95", "0.98"])
    def test_under_the_authors_rounding(self, network, sparsity):
        name, model = network
        expected = KEEP_COUNTS[name]["10"][sparsity]
        quota = Quota(ratios="global", sparsity=float(sparsity), rounding="reference")
        for score in ("snip", "grasp"):
            (budget,) = plan_budgets(model, score, quota)
            assert budget.ranked == expected[f"{score}_keep_no_ties"]
        lottery = Quota(ratios="global", sparsity=float(sparsity), rounding="reference", classifier_keep=1.0)
        (budget,) = plan_budgets(model, "magnitude", lottery)
        assert (budget.ranked, budget.classifier) == (expected["lt_keep_conv"], expected["linear"])


def curved(seed=0, dtype="float64", sizes=(4, 5, 3), **options):
    """A net whose loss has second derivatives everywhere."""
    return nets.functional(sizes, seed, dtype=dtype, activation="tanh", **options)


def loss_of(model):
    """The mean cross-entropy of the model's weights, as a function of values put in their place."""
    entries = prunable_weights(model)

    def loss(values, x, y, training=True, temperature=1.0):
        mapping = [(entry.weight, value) for entry, value in zip(entries, values, strict=True)]
        with keras.StatelessScope(mapping):
            logits = model(x, training=training) / temperature
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))

    return [tf.convert_to_tensor(entry.weight) for entry in entries], loss


def gradient(values, function):
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = function(values)
    return tape.gradient(loss, values)


class TestSnip:
    @pytest.mark.slow
    def test_is_the_weight_times_its_gradient(self):
        model = curved()
        x, y = nets.examples(model)
        values, loss = loss_of(model)
        expected = [
            np.abs(w * g) for w, g in zip(values, gradient(values, lambda v: loss(v, x, y)), strict=True)
        ]
        assert max(errors(tt.score(model, "snip", data=(x, y)), expected)) < 1e-12

    @pytest.mark.slow
    def test_of_several_batches_sums_before_the_absolute_value(self):
        model = curved()
        x, y = nets.examples(model, 8)
        whole = tt.score(model, "snip", data=(x, y))
        parts = list(zip(np.split(x, [1, 6]), np.split(y, [1, 6]), strict=True))
        arrays = tt.score(model, "snip", data=parts)
        assert max(errors(arrays, [3 * array for array in whole])) < 1e-12

    @pytest.mark.slow
    def test_hidden_weights_have_none(self):
        model = curved()
        ticket = tt.prune(model, "random", 0.5)
        for array, mask in zip(tt.score(model, "snip", data=nets.examples(model)), ticket.masks, strict=True):
            assert not array[~mask].any() and array[mask].any()


PLAIN = {"temperature": 1.0, "halves": False, "redraw_classifier": False}


class TestGrasp:
    def hessian_gradient(self, model, x, y, halves=False, training=True, temperature=1.0):
        """H g by central differences of the gradient along g, in float64."""
        values, loss = loss_of(model)
        parts = [slice(None, len(y) // 2), slice(len(y) // 2, None)] if halves else [slice(None)]

        def total(values):
            return tf.add_n([loss(values, x[s], y[s], training, temperature) for s in parts])

        g = gradient(values, total)
        step = 1e-6 / max(float(tf.reduce_max(tf.abs(part))) for part in g)
        ahead, behind = (
            gradient([v + s * d for v, d in zip(values, g, strict=True)], total) for s in (step, -step)
        )
        return values, [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]

    @pytest.mark.slow
    @pytest.mark.parametrize("halves", [False, True])
    def test_is_minus_the_weight_times_the_hessian_times_the_gradient(self, halves):
        model = curved()
        x, y = nets.examples(model)
        values, product = self.hessian_gradient(model, x, y, halves)
        expected = [-(w * h) for w, h in zip(values, product, strict=True)]
        arrays = tt.score(model, "grasp", data=(x, y), **{**PLAIN, "halves": halves})
        assert max(errors(arrays, expected)) < 1e-7

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "layer",
        [
            keras.layers.BatchNormalization,
            keras.layers.LayerNormalization,
            functools.partial(keras.layers.GroupNormalization, groups=2),
            keras.layers.RMSNormalization,
        ],
        ids=["batch", "layer", "group", "rms"],
    )
    def test_is_right_behind_every_normalisation(self, layer):
        inputs = x = keras.Input((5, 5, 2), dtype="float64")
        x = keras.layers.Conv2D(4, 3, kernel_initializer=nets.drawn(1), dtype="float64")(x)
        x = keras.layers.Activation("tanh", dtype="float64")(layer(dtype="float64")(x))
        x = keras.layers.GlobalAveragePooling2D(dtype="float64")(x)
        model = keras.Model(inputs, nets.dense(3, 2, dtype="float64")(x))
        x, y = nets.examples(model)
        values, product = self.hessian_gradient(model, x.astype("float64"), y)
        arrays = tt.score(model, "grasp", data=(x.astype("float64"), y), **PLAIN)
        # Stock Keras, left as it is, is off by 4 % behind batch normalisation, and by more behind the others.
        assert max(errors(arrays, [-(w * h) for w, h in zip(values, product, strict=True)])) < 1e-6

    @pytest.mark.slow
    def test_sums_to_the_squared_gradient_norm_before_batch_normalisation(self):
        squares = [np.sum(g**2) for g in golden("grasp_float64", "g")]
        ratios = [array.sum() / s for array, s in zip(scored("grasp_float64"), squares, strict=True)]
        assert ratios[0] == pytest.approx(1.0000008, abs=1e-7)
        assert ratios[1] == pytest.approx(0.99995, abs=1e-5)

    @pytest.mark.slow
    def test_several_batches_are_one_but_for_a_factor(self):
        model = curved()
        x, y = nets.examples(model, 8)
        whole = tt.score(model, "grasp", data=(x, y), **PLAIN)
        parts = list(zip(np.split(x, [2]), np.split(y, [2]), strict=True))
        arrays = tt.score(model, "grasp", data=parts, **PLAIN)
        assert max(errors(arrays, [4 * array for array in whole])) < 1e-12

    @pytest.mark.slow
    def test_halves_are_batches_where_examples_do_not_see_each_other(self):
        model = curved()
        x, y = nets.examples(model, 6)
        halves = tt.score(model, "grasp", data=(x, y), redraw_classifier=False)
        batches = [(x[:3], y[:3]), (x[3:], y[3:])]
        apart = tt.score(model, "grasp", data=batches, redraw_classifier=False, halves=False)
        assert max(errors(halves, apart)) < 1e-12

    def test_temperature_divides_the_logits(self):
        model = curved()
        x, y = nets.examples(model)
        values, product = self.hessian_gradient(model, x, y, temperature=5.0)
        arrays = tt.score(model, "grasp", data=(x, y), **{**PLAIN, "temperature": 5})
        assert max(errors(arrays, [-(w * h) for w, h in zip(values, product, strict=True)])) < 1e-7

    @pytest.mark.slow
    def test_the_classifier_is_drawn_anew_from_the_seed(self):
        model = curved(sizes=(4, 5, 6))
        before = nets.values(model)
        tt.mask_layers(model)
        options = {"data": nets.examples(model, 12), "halves": False}
        arrays = tt.score(model, "grasp", seed=3, **options)
        drawn = stream(3, "score").normal(0, np.sqrt(2 / 11), (5, 6))
        assert_same(nets.values(model), before)
        kernel = prunable_weights(model)[-1].weight
        own = kernel.numpy()
        kernel.assign(drawn)
        expected = tt.score(model, "grasp", redraw_classifier=False, **options)
        kernel.assign(own)
        assert max(errors(arrays, expected)) < 1e-12
        other = tt.score(model, "grasp", seed=4, **options)
        assert min(errors(other, arrays)) > 0

    @pytest.mark.slow
    def test_a_classifier_that_is_no_matrix_stays(self):
        inputs = keras.Input((4, 4, 2))
        x = keras.layers.Conv2D(3, 3, kernel_initializer=nets.drawn(0))(inputs)
        model = keras.Model(inputs, keras.layers.Flatten()(keras.layers.Conv2D(3, 2)(x)))
        data = nets.examples(model)
        assert_same(
            tt.score(model, "grasp", data=data),
            tt.score(model, "grasp", data=data, redraw_classifier=False),
        )


class TestObd:
    def true_hessian(self, model, x, y):
        """Of all prunable weights, flat, as the network predicts."""
        values, loss = loss_of(model)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(values)
            parts = gradient(values, lambda v: loss(v, x, y, training=False))
            flat = tf.concat([tf.reshape(part, [-1]) for part in parts], 0)
        blocks = tape.jacobian(flat, values)
        return np.concatenate([block.numpy().reshape(len(flat), -1) for block in blocks], axis=1)

    def relu_net(self):
        model = nets.functional((3, 4, 3), dtype="float64", activation="relu")
        model.layers[-1].activation = keras.activations.linear
        return model

    def scored(self, model, data, **options):
        """The diagonal of which the scores are made."""
        w = np.concatenate([kernel.ravel() for kernel in nets.kernels(model)])
        return 2 * np.concatenate([a.ravel() for a in tt.score(model, "obd", data=data, **options)]) / w**2

    @pytest.mark.slow
    def test_is_the_true_diagonal_of_a_relu_network(self):
        model, probes = self.relu_net(), 64
        data = nets.examples(model, 9)
        estimate, diagonal = self.scored(model, data, probes=probes), np.diag(self.true_hessian(model, *data))
        seen = diagonal > 0
        # The relative error of one probe is sqrt(2) at most.
        assert np.abs(estimate[seen] / diagonal[seen] - 1).max() < 4 * np.sqrt(2 / probes)
        assert np.abs(estimate[~seen]).max(initial=0) == 0, "of dead units"
        assert (estimate >= 0).all()

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "head",
        [
            {"activation": "softmax", "loss": keras.losses.SparseCategoricalCrossentropy()},
            {"activation": None, "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True)},
        ],
        ids=["softmax", "logits"],
    )
    def test_is_the_same_whether_the_softmax_is_in_the_model_or_in_the_loss(self, head):
        model = self.relu_net()
        data = nets.examples(model, 9)
        expected = tt.score(model, "obd", data=data, probes=3)
        model.layers[-1].activation = keras.activations.get(head["activation"])
        model.compile(loss=head["loss"])
        assert max(errors(tt.score(model, "obd", data=data, probes=3), expected)) < 1e-9

    @pytest.mark.slow
    def test_of_several_batches_is_that_of_one(self):
        model, probes = self.relu_net(), 64
        x, y = nets.examples(model, 8)
        cut = self.scored(model, [(x[:4], y[:4]), (x[4:], y[4:])], probes=probes)
        diagonal = np.diag(self.true_hessian(model, x, y))
        seen = diagonal > 0
        # Two batches sum up what one averages.
        assert np.abs(cut[seen] / diagonal[seen] / 2 - 1).max() < 4 * np.sqrt(2 / probes)

    def test_of_squared_errors_of_several_outputs_is_exact(self):
        """Where each example reaches one output alone, no sign matters."""
        model = nets.functional((5, 1), dtype="float64", use_bias=False)
        x, y = np.eye(5), np.arange(5.0)[:, None]
        model.compile(loss="mse")
        w = nets.kernels(model)[0]
        (array,) = tt.score(model, "obd", data=(x, y), probes=1)
        np.testing.assert_allclose(array, w**2 / 5, rtol=1e-12)

    @pytest.mark.slow
    def test_hutchinsons_is_the_true_diagonal_but_for_noise_of_a_known_size(self):
        model = curved(sizes=(3, 4, 3))
        data, probes = nets.examples(model, 9), 200
        hessian = self.true_hessian(model, *data)
        estimate, diagonal = self.scored(model, data, probes=probes, curvature="hessian"), np.diag(hessian)
        spread = np.sqrt(np.sum(hessian**2, axis=1) - diagonal**2)
        deviations = (estimate - diagonal) / (spread / np.sqrt(probes))
        # Unbiased, and of the standard deviation that the docstring tells.
        assert np.abs(deviations).max() < 4.5
        assert 0.4 < np.mean(deviations**2) < 2

    def test_hutchinsons_is_exact_where_the_hessian_is_diagonal(self):
        """One unit of one weight an input, and inputs that come one at a time."""
        model = nets.functional((5, 1), dtype="float64", use_bias=False)
        x, y = np.eye(5), np.arange(5.0)

        def squared(y, outputs):
            return tf.reduce_mean(tf.square(tf.cast(y, outputs.dtype) - outputs[:, 0]))

        w = nets.kernels(model)[0]
        (array,) = tt.score(model, "obd", data=(x, y), loss=squared, probes=1, curvature="hessian")
        np.testing.assert_allclose(array, w**2 / 5, rtol=1e-12)

    def test_curvatures(self):
        model = curved()
        with pytest.raises(
            ValueError, match=r"curvature='fisher' is unknown. Choose one of: gauss_newton, hessian"
        ):
            tt.score(model, "obd", data=nets.examples(model), curvature="fisher")

    def test_too_many_outputs_to_form_their_hessian(self):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(5000)])
        with pytest.raises(ValueError, match=r"at most 4,096 numbers an example.*curvature='hessian'"):
            tt.score(model, "obd", data=nets.examples(model))

    @pytest.mark.slow
    def test_scores_the_predicting_network_by_default(self):
        inputs = keras.Input((4,))
        x = keras.layers.Dropout(0.5, seed=1)(inputs)
        model = keras.Model(inputs, nets.dense(3, 0)(x))
        data = nets.examples(model)
        own, *others = (
            tt.score(model, "obd", data=data, probes=2, **mode)
            for mode in ({}, {"training": False}, {"training": True})
        )
        assert_same(others[0], own)
        assert min(errors(others[1], own)) > 0.01

    @pytest.mark.slow
    def test_probes(self):
        model = curved()
        for probes in (0, -1, 1.5, True, np.True_, "3", None):
            with pytest.raises(ValueError, match=r"probes is a whole number, 1 or more. Received: "):
                tt.score(model, "obd", data=nets.examples(model), probes=probes)
