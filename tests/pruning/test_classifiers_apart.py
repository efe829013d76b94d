"""What is set apart for the classifier is for the weights that feed an output: none, one or several."""

import keras
import numpy as np
import pytest

import tf_tickets as tt
from tests.pruning import nets
from tf_tickets.pruning import Quota, plan_budgets
from tf_tickets.pruning.classifier import classifier_counts, counts_within

NO_CLASSIFIER = "no masked weight feeds an output of the model"


def headless(sizes=(20, 16, 12, 10, 4)):
    """A network whose head carries no mask."""
    model = nets.functional(sizes)
    tt.mask_layers(model, exclude=model.layers[-1])
    return model


def two_headed(first=5, second=10):
    """Two layers, then heads of 80 and 120 weights."""
    inputs = keras.Input((20,))
    body = nets.dense(16, 0)(inputs)
    one = nets.dense(first, 1, name="one")(body)
    two = nets.dense(second, 3, name="two")(nets.dense(12, 2)(body))
    return keras.Model(inputs, [one, two])


def kept(ticket):
    """Share that is kept of each layer, by its name."""
    return {layer.name.split("/")[-2]: layer.keep_ratio for layer in ticket.layers}


class TestOfNone:
    """The head is left alone: no hidden layer takes its place."""

    @pytest.mark.slow
    @pytest.mark.parametrize("method", ["finetune", "lr_rewinding"])
    def test_a_ranking_is_of_all_layers(self, method):
        ticket = tt.prune(headless(), method, 0.5)
        ranked = tt.prune(headless(), method, 0.5, classifier_keep="ranked")
        nets.assert_same(ticket.masks, ranked.masks)
        assert ticket.notes == (f"{NO_CLASSIFIER}: there is no classifier to keep 100% of",)
        assert ranked.notes == ()

    @pytest.mark.parametrize(("ratios", "densities"), [("smart", [12, 6, 2]), ("uniform", [1, 1, 1])])
    @pytest.mark.parametrize("rounding", ["exact", "reference"])
    def test_ratios_go_on_to_the_last_layer(self, ratios, densities, rounding):
        """Densities (L - l + 1)^2 + (L - l + 1) of the three layers that carry masks, none set apart."""
        counts = tt.keep_counts(headless(), 0.5, ratios, rounding=rounding)
        wanted = np.array([320, 192, 120]) * densities
        np.testing.assert_allclose(counts, 316 * wanted / wanted.sum(), atol=1)

    @pytest.mark.slow
    def test_reinitialised_grasp_and_shuffles_spare_nothing(self):
        model = headless()
        given = {"data": nets.examples(model), "halves": False}
        nets.assert_same(*(tt.score(model, "grasp", **given, redraw_classifier=x) for x in (True, False)))
        tt.prune(model, "finetune", 0.5)
        other = headless()
        tt.prune(other, "finetune", 0.5)
        tt.sanity.shuffle_weights(model, seed=1, spare_classifier=True)
        tt.sanity.shuffle_weights(other, seed=1)
        nets.assert_same(nets.kernels(model), nets.kernels(other))


class TestOfSeveral:
    """Each head is treated as the one of a network of one."""

    @pytest.mark.slow
    def test_each_keeps_its_share(self):
        model = two_headed()
        assert kept(tt.prune(model, "hybrid", 0.5)).keys() >= {"one", "two"}
        shares = kept(tt.prune(model, "hybrid", 0.5))
        assert (shares["one"], shares["two"]) == (0.3, 0.3)
        shares = kept(tt.prune(model, "finetune", 0.4))
        assert (shares["one"], shares["two"]) == (1.0, 1.0)

    @pytest.mark.parametrize("ratios", ["global", "smart", "uniform"])
    def test_also_by_the_authors_arithmetic(self, ratios):
        ticket = tt.prune(
            two_headed(), "hybrid", 0.5, ratios=ratios, rounding="reference", classifier_keep=0.3
        )
        assert (kept(ticket)["one"], kept(ticket)["two"]) == (0.3, 0.3)

    @pytest.mark.slow
    def test_together_they_take_no_more_than_half_of_the_budget(self):
        ticket = tt.prune(two_headed(40, 80), "finetune", 0.9)
        shares = [layer for layer in ticket.layers if "one" in layer.name or "two" in layer.name]
        assert sum(layer.kept for layer in shares) == ticket.kept // 2
        assert shares[0].keep_ratio == pytest.approx(shares[1].keep_ratio, abs=0.002)
        assert ticket.notes[0].startswith("the classifiers together keep ")
        assert ticket.notes[0].endswith("not 100%: more would take over half of the whole budget")

    def test_all_layers_that_feed_an_output_are_ranked_together(self):
        inputs = keras.Input((20,))
        model = keras.Model(inputs, [nets.dense(10, 1)(inputs), nets.dense(20, 2)(inputs)])
        ticket = tt.prune(model, "finetune", 0.5)
        nets.assert_same(ticket.masks, tt.prune(model, "finetune", 0.5, classifier_keep="ranked").masks)

    @pytest.mark.slow
    @pytest.mark.parametrize("preserve_flow", [False, True])
    def test_inside_a_source_they_keep_what_it_has(self, preserve_flow):
        source = tt.prune(two_headed(), "uniform", 0.3, preserve_flow=True)
        ticket = tt.prune(two_headed(), "finetune", 0.5, within=source, preserve_flow=preserve_flow)
        assert ticket.kept == round(0.5 * ticket.total)
        for layer, before in zip(ticket.layers, source.layers, strict=True):
            assert ("one" not in layer.name and "two" not in layer.name) or layer.kept == before.kept

    @pytest.mark.slow
    def test_grasp_draws_each_anew(self):
        model = two_headed()
        rng = np.random.default_rng(0)
        data = (rng.normal(size=(6, 20)).astype("float32"), np.zeros((6, 1)))

        def loss(y, outputs):
            return keras.ops.mean(keras.ops.square(outputs[0])) + keras.ops.mean(outputs[1] ** 2)

        options = {"data": data, "loss": loss, "temperature": 1, "halves": False}
        arrays = [tt.score(model, "grasp", **options, redraw_classifier=redraw) for redraw in (True, False)]
        moved = [np.abs(a).sum() != np.abs(b).sum() for a, b in zip(*arrays, strict=True)]
        assert all(moved)

    @pytest.mark.slow
    def test_both_are_spared_by_a_shuffle_and_the_others_are_shuffled_as_without(self):
        spared, plain = two_headed(), two_headed()
        tt.prune(spared, "finetune", 0.5)
        before = dict(zip(kept(tt.prune(plain, "finetune", 0.5)), nets.kernels(plain), strict=True))
        names = list(before)
        tt.sanity.shuffle_weights(spared, seed=2, spare_classifier=True)
        tt.sanity.shuffle_weights(plain, seed=2)
        for name, one, other in zip(names, nets.kernels(spared), nets.kernels(plain), strict=True):
            nets.assert_same(one, before[name] if name in ("one", "two") else other)

    def test_rounds_end_at_the_plan(self):
        quota = Quota(ratios="global", sparsity=0.9, classifier_keep=0.5, rounds=3)
        budgets = plan_budgets(two_headed(), "synflow", quota)
        assert all(len(budget.classifiers) == 2 for budget in budgets)
        totals = [budget.ranked + budget.classifier for budget in budgets]
        assert totals == sorted(totals, reverse=True)


def test_counts_are_whole_and_exact():
    assert classifier_counts([1000], 266_200, 26_620, 0.3) == [300]
    assert classifier_counts([100, 50], 1000, 500, 0.3) == [30, 15]
    assert classifier_counts([100, 50], 1000, 31, 0.3) == [10, 5], "half of the budget, in proportion"
    assert classifier_counts([100, 50], 1000, 940, 0.3) == [60, 30], "what the others cannot hold"
    assert counts_within([30, 15], [20, 50], 0) == [20, 15]
    assert sum(counts_within([30, 15], [20, 50], 60)) == 60


def test_a_graph_that_does_not_tell_is_noted():
    class Opaque(keras.layers.Layer):
        def call(self, x):
            import tensorflow as tf

            return tf.ensure_shape(tf.numpy_function(lambda x: x, [x], "float32"), x.shape)

    inputs = keras.Input((20,))
    body = nets.dense(16, 0)(inputs)
    model = keras.Model(inputs, Opaque()(nets.dense(4, 1)(body)))
    ticket = tt.prune(model, "finetune", 0.5)
    assert ticket.layers[-1].keep_ratio == 1
    assert ticket.notes == (
        "the model's graph does not tell which weights feed its outputs: the last one is taken for the "
        "classifier",
    )


@pytest.mark.slow
def test_a_part_of_a_convolutional_network_has_no_classifier():
    """Its last convolution, before a mean and a dense layer that stay dense, is none."""
    inputs = x = keras.Input((8, 8, 3))
    for position, (filters, size) in enumerate(((12, 3), (24, 1), (12, 3), (24, 1))):
        x = keras.layers.Conv2D(filters, size, activation="relu", name=f"Conv_{position}")(x)
    outputs = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, outputs)
    tt.mask_layers(model, include=lambda x: x.name.startswith("Conv"))
    ticket = tt.prune(model, "random", 0.9)
    last = ticket.layers[-1]
    assert last.name.startswith("Conv_3") and last.kept < 0.3 * ticket.kept
    assert ticket.notes == (f"{NO_CLASSIFIER}: there is no classifier to keep 30% of",)
