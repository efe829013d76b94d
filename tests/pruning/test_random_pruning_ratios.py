"""Ratios of random pruning (er, erk, balanced, pyramidal, uniform with a dense first layer), given ratios,
floors, and the real-valued densities behind the counts."""

import json
import math
from fractions import Fraction

import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tf_tickets as tt
from tests.pruning import nets
from tests.smallnet import FIXTURES
from tf_tickets.layers import prunable_weights
from tf_tickets.pruning import pours
from tf_tickets.pruning.counts import keep_counts, keep_densities
from tf_tickets.pruning.ratios import RATIOS

few = settings(max_examples=30)

# Made by running the official code; shapes in its layout.
PUBLISHED = json.loads((FIXTURES / "er_ratios.json").read_text())["models"]
GOLDEN = [
    (arch, density, row)
    for arch in PUBLISHED
    for density, rows in PUBLISHED[arch]["density"].items()
    for row in rows
]
# These cut full layers off, and fall short of the density that was asked for.
CLAMPED = {"sts_str/erk", "sts_str/balanced", "sts_dst/balanced"}
FLOAT32 = {"sts_str/erk"}
BUDGETS = [(arch, float(density)) for arch in PUBLISHED for density in PUBLISHED[arch]["density"]]

HAND = [(10, 10), (10, 100), (100, 100)]
LENET = [(784, 300), (300, 100), (100, 10)]
OWN = [0.5, 0.25, 1.0]

SCORE = {
    "er": lambda shape: sum(shape[-2:]) / math.prod(shape[-2:]),
    "erk": lambda shape: sum(shape) / math.prod(shape),
    "balanced": lambda shape: 1 / math.prod(shape),
}

shapes_lists = st.lists(
    st.lists(st.integers(1, 12), min_size=1, max_size=4).map(tuple), min_size=1, max_size=12
)
sparsities = st.one_of(st.floats(0, 0.999), st.sampled_from([0.0, 0.5, 0.9, 0.98]))
rule_names = st.sampled_from(sorted(RATIOS))
proportional = st.sampled_from(sorted(SCORE))


def published(arch):
    """Kernel shapes of a network of the fixture in Keras layout."""
    layers = [layer["shape"] for layer in PUBLISHED[arch]["layers"]]
    return [(*shape[2:], shape[1], shape[0]) for shape in layers]


def sizes_of(shapes):
    return np.array([math.prod(shape) for shape in shapes])


def budget_of(shapes, sparsity, ratios="erk"):
    """round(N(1-p)), or the example is dropped where nothing could be kept."""
    total = round(int(sizes_of(shapes).sum()) * (1 - sparsity))
    assume(total >= 1)
    if ratios == "uniform_dense_first":
        assume(sizes_of(shapes)[0] <= total)
    return total


def ticket_of(counts, shapes):
    """A Ticket that keeps the first so many weights of each layer."""
    masks = tuple(
        (np.arange(math.prod(shape)) < count).reshape(shape)
        for count, shape in zip(counts, shapes, strict=True)
    )
    return tt.Ticket(masks, tuple(f"layer{i}" for i in range(len(shapes))))


def rigl(shapes, density):
    """RigL's search for epsilon, with its whole numbers of zeros."""
    sizes, raw = sizes_of(shapes), np.array([sum(shape) / math.prod(shape) for shape in shapes])
    zeros = np.floor(sizes * (1 - density))
    dense = np.zeros(len(shapes), bool)
    while True:
        epsilon = ((sizes - zeros)[~dense].sum() - zeros[dense].sum()) / (raw * sizes)[~dense].sum()
        if epsilon * raw[~dense].max() <= 1:
            return np.where(dense, 1, epsilon * raw)
        dense |= raw == raw[~dense].max()


class TestPublishedDensities:
    @pytest.mark.parametrize(("arch", "density", "row"), GOLDEN)
    def test_are_those_of_the_official_code(self, arch, density, row):
        golden = PUBLISHED[arch]["density"][density][row]
        _, ratios = row.split("/")
        shapes = published(arch)
        densities = keep_densities(shapes, 1 - float(density), ratios, redistribute=row not in CLAMPED)
        np.testing.assert_allclose(densities, golden["densities"], rtol=1e-5 if row in FLOAT32 else 1e-6)
        overall = np.dot(densities, sizes_of(shapes)) / sizes_of(shapes).sum()
        assert overall == pytest.approx(golden["overall"], rel=1e-6)

    def test_every_rule_and_both_ways_to_treat_a_full_layer_are_among_them(self):
        assert {row.split("/")[1] for _, _, row in GOLDEN} == {
            "uniform",
            "er",
            "erk",
            "balanced",
            "pyramidal",
        }
        assert {row for _, _, row in GOLDEN} >= CLAMPED

    @pytest.mark.parametrize(("arch", "density"), BUDGETS)
    def test_erk_is_what_the_search_of_rigl_finds(self, arch, density):
        shapes = published(arch)
        np.testing.assert_allclose(
            keep_densities(shapes, 1 - density, "erk"), rigl(shapes, density), rtol=1e-2
        )

    @pytest.mark.parametrize(("arch", "density"), BUDGETS)
    @pytest.mark.parametrize("ratios", ["er", "erk", "balanced", "pyramidal"])
    def test_counts_meet_the_total_exactly(self, arch, density, ratios):
        shapes = published(arch)
        assert sum(keep_counts(shapes, 1 - density, ratios)) == round(sizes_of(shapes).sum() * density)

    def test_balanced_falls_short_where_full_layers_are_only_cut_off(self):
        shapes = published("vgg16_cifar10")
        kept = [sum(keep_counts(shapes, p, "balanced", redistribute=False)) for p in (0.8, 0.95)]
        np.testing.assert_allclose(kept / sizes_of(shapes).sum(), [0.147, 0.042], atol=5e-4)


class TestByHand:
    """Layers of 100, 1,000 and 10,000 weights, of which a tenth is kept: 1,110."""

    @pytest.mark.parametrize(
        ("ratios", "redistribute", "densities"),
        [
            ("balanced", False, (1, 0.37, 0.037)),
            ("balanced", True, (1, 0.505, 0.0505)),
            ("pyramidal", True, (0.4430099, 0.1962577, 0.0869441)),
            ("pyramidal", False, (0.4430099, 0.1962577, 0.0869441)),
            ("erk", True, (0.6727273, 0.37, 0.0672727)),
            ("erk", False, (0.6727273, 0.37, 0.0672727)),
            ("er", True, (0.6727273, 0.37, 0.0672727)),
            ("uniform_dense_first", True, (1, 1010 / 11000, 1010 / 11000)),
            ("uniform_dense_first", False, (1, 0.1, 0.1)),
        ],
    )
    def test_densities(self, ratios, redistribute, densities):
        np.testing.assert_allclose(
            keep_densities(HAND, 0.9, ratios, redistribute=redistribute), densities, rtol=1e-6
        )

    def test_counts(self):
        assert keep_counts(HAND, 0.9, "balanced") == [100, 505, 505]
        assert keep_counts(HAND, 0.9, "balanced", redistribute=False) == [100, 370, 370]
        assert keep_counts(HAND, 0.9, "erk") == [67, 370, 673]
        assert keep_counts(HAND, 0.9, "pyramidal") == [44, 196, 870]
        assert keep_counts(HAND, 0.9, "uniform_dense_first") == [100, 92, 918]
        assert keep_counts(HAND, 0.9, "uniform_dense_first", redistribute=False) == [100, 100, 1000]


class TestRules:
    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities, proportional)
    def test_densities_are_proportional_to_the_score_below_the_cap(self, shapes, sparsity, ratios):
        budget_of(shapes, sparsity)
        densities = np.array(keep_densities(shapes, sparsity, ratios))
        epsilon = densities / [SCORE[ratios](shape) for shape in shapes]
        below = densities < 1 - 1e-9
        if below.any():
            np.testing.assert_allclose(epsilon[below], epsilon[below].max(), rtol=1e-9)
            # A full layer's score asks for as much as it has, or more.
            assert np.all(epsilon[~below] <= epsilon[below].max() * (1 + 1e-9))

    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities)
    def test_pyramidal_is_a_power_of_the_depth(self, shapes, sparsity):
        budget_of(shapes, sparsity)
        logarithms = np.log(keep_densities(shapes, sparsity, "pyramidal"))
        np.testing.assert_allclose(
            logarithms, logarithms[0] * np.arange(1, len(shapes) + 1), rtol=1e-6, atol=1e-12
        )

    def test_pyramidal_of_very_deep_and_of_very_wide_networks(self):
        for shapes in ([(3, 3, 64, 64)] * 1500, [(1, 1), (20_000, 20_000)], [(5, 5)]):
            counts = keep_counts(shapes, 0.9, "pyramidal")
            assert sum(counts) == round(sizes_of(shapes).sum() * (1 - 0.9))

    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities)
    def test_the_first_layer_is_dense_and_the_others_share_one_density(self, shapes, sparsity):
        total = budget_of(shapes, sparsity, "uniform_dense_first")
        first, *others = keep_densities(shapes, sparsity, "uniform_dense_first")
        assert first == 1
        if others:
            np.testing.assert_allclose(others, others[0])
            left = total - sizes_of(shapes)[0]
            counts = keep_counts(shapes, sparsity, "uniform_dense_first")[1:]
            assert np.all(np.abs(counts - sizes_of(shapes)[1:] * left / sizes_of(shapes)[1:].sum()) < 1)

    @few
    @given(st.lists(st.permutations((2, 3, 5, 7)), min_size=1, max_size=5), sparsities)
    def test_erk_and_balanced_do_not_care_how_a_kernel_is_laid_out(self, shapes, sparsity):
        budget_of(shapes, sparsity)
        transposed = [shape[::-1] for shape in shapes]
        for ratios in ("erk", "balanced"):
            assert keep_densities(shapes, sparsity, ratios) == pytest.approx(
                keep_densities(transposed, sparsity, ratios)
            )

    def test_er_counts_channels_only(self):
        small, large = (keep_densities([(k, k, 8, 16), (1, 1, 64, 64)], 0.95, "er") for k in (1, 5))
        assert small[0] / small[1] == pytest.approx(large[0] / large[1])
        assert small[0] / small[1] == pytest.approx((8 + 16) / (8 * 16) / (128 / 4096))

    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities, proportional, st.randoms(use_true_random=False))
    def test_what_has_no_depth_in_it_does_not_care_for_the_order(self, shapes, sparsity, ratios, random):
        budget_of(shapes, sparsity)
        order = random.sample(range(len(shapes)), len(shapes))
        densities = keep_densities(shapes, sparsity, ratios)
        shuffled = keep_densities([shapes[i] for i in order], sparsity, ratios)
        assert shuffled == pytest.approx([densities[i] for i in order])

    def test_pyramidal_cares(self):
        assert keep_densities(HAND, 0.9, "pyramidal") != keep_densities(HAND[::-1], 0.9, "pyramidal")[::-1]

    def test_a_first_layer_beyond_the_budget_is_refused(self):
        with pytest.raises(ValueError, match=r"keeps all 235,200 weights of the first layer.*leaves 13,310"):
            keep_counts(LENET, 0.95, "uniform_dense_first")
        assert keep_counts(LENET, 0.95, "uniform_dense_first", redistribute=False) == [235_200, 1_500, 50]


class TestDensities:
    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities, rule_names, st.sampled_from(["resnet", "vgg"]))
    def test_meet_the_budget_as_real_numbers(self, shapes, sparsity, ratios, family):
        budget_of(shapes, sparsity, ratios)
        # The classifier of smart ratios is set apart as a whole number.
        slack = 0.5 if RATIOS[ratios].classifier_apart or ratios == "uniform_dense_first" else 1e-9
        densities = np.array(keep_densities(shapes, sparsity, ratios, family))
        assert np.all((densities >= 0) & (densities <= 1))
        budget = sizes_of(shapes).sum() * (1 - sparsity)
        assert np.dot(densities, sizes_of(shapes)) == pytest.approx(budget, rel=1e-9, abs=slack)

    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities, rule_names)
    def test_counts_are_the_densities_in_whole_weights(self, shapes, sparsity, ratios):
        total = budget_of(shapes, sparsity, ratios)
        # Without a fraction to round, the two pour the same budget.
        sparsity = 1 - total / int(sizes_of(shapes).sum())
        counts = keep_counts(shapes, sparsity, ratios)
        expected = np.array(keep_densities(shapes, sparsity, ratios)) * sizes_of(shapes)
        assert np.all(np.abs(counts - expected) < 1 + 1e-6)

    def test_are_python_floats(self):
        assert all(type(density) is float for density in keep_densities(LENET, 0.9, "balanced"))

    @pytest.mark.parametrize("ratios", sorted(RATIOS))
    def test_no_sparsity_keeps_everything(self, ratios):
        assert keep_densities(LENET, 0, ratios) == pytest.approx([1, 1, 1], rel=1e-12)

    def test_what_counts_refuse_is_refused(self):
        with pytest.raises(ValueError, match="keeps none of the 100 prunable weights"):
            keep_densities([(10, 10)], 0.999)
        with pytest.raises(ValueError, match="is unknown"):
            keep_densities(LENET, 0.9, "clever")

    def test_of_a_model(self):
        model = nets.functional((20, 30, 40, 5))
        shapes = [(20, 30), (30, 40), (40, 5)]
        assert keep_densities(model, 0.9, "erk") == keep_densities(shapes, 0.9, "erk")


class TestFloors:
    """min_keep: every layer keeps at least so many, and the total stays what it was."""

    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities, rule_names, st.data())
    def test_are_honoured_under_every_rule(self, shapes, sparsity, ratios, data):
        total, sizes = budget_of(shapes, sparsity, ratios), sizes_of(shapes)
        one_for_all, one_each = (
            st.integers(0, 30),
            st.lists(st.integers(0, 200), min_size=len(shapes), max_size=len(shapes)),
        )
        floors = data.draw(st.one_of(one_for_all, one_each))
        least = np.minimum(floors, sizes)
        try:
            counts = keep_counts(shapes, sparsity, ratios, min_keep=floors)
        except ValueError as error:
            dense_first = ratios == "uniform_dense_first" and sizes[0] + least[1:].sum() > total
            assert dense_first or least.sum() > total, str(error)
            return
        assert sum(counts) == total
        assert np.all(least <= counts) and np.all(counts <= sizes)
        densities = keep_densities(shapes, sparsity, ratios, min_keep=floors)
        assert np.all(densities * sizes >= least - 1e-9)

    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities, rule_names)
    def test_that_are_met_anyway_change_nothing(self, shapes, sparsity, ratios):
        budget_of(shapes, sparsity, ratios)
        counts = keep_counts(shapes, sparsity, ratios)
        assert keep_counts(shapes, sparsity, ratios, min_keep=0) == counts
        densities = keep_densities(shapes, sparsity, ratios)
        met = [math.floor(density * size) for density, size in zip(densities, sizes_of(shapes), strict=True)]
        assert keep_densities(shapes, sparsity, ratios, min_keep=met) == pytest.approx(densities)

    def test_are_paid_by_the_other_layers_in_proportion(self):
        plain, floored = (keep_counts(LENET, 0.98, "uniform", min_keep=n) for n in (0, [0, 0, 500]))
        assert plain == [4704, 600, 20]
        assert floored == [4278, 546, 500]

    def test_save_the_last_layers_of_a_steep_pyramid(self):
        shapes = [(3, 3, 16, 16)] * 20 + [(16, 10)]
        assert keep_counts(shapes, 0.98, "pyramidal")[-1] == 0
        floored = keep_counts(shapes, 0.98, "pyramidal", min_keep=10)
        assert min(floored) == 10
        assert sum(floored) == round(sizes_of(shapes).sum() * (1 - 0.98))

    def test_never_ask_for_more_than_a_layer_has(self):
        assert keep_counts([(2, 2), (30, 30)], 0.9, "uniform", min_keep=50) == [4, 86]

    def test_hold_for_the_classifier_set_apart_and_for_those_before_it(self):
        assert keep_counts(LENET, 0.99, "smart")[-1] == 300
        assert keep_counts(LENET, 0.99, "smart", min_keep=[0, 0, 700])[-1] == 700
        # The classifier would take half of the budget of 266: 133.
        assert keep_counts(LENET, 0.999, "smart")[-1] == 133
        assert keep_counts(LENET, 0.999, "smart", min_keep=[100, 100, 0]) == [100, 100, 66]

    def test_can_be_the_whole_budget(self):
        assert keep_counts(HAND, 0.9, "erk", min_keep=[10, 100, 1000]) == [10, 100, 1000]

    def test_are_kept_also_without_redistribution(self):
        counts = keep_counts(HAND, 0.9, "balanced", redistribute=False, min_keep=[0, 0, 800])
        assert counts[2] == 800
        assert sum(counts) <= 1110

    def test_beyond_the_budget_are_refused(self):
        with pytest.raises(ValueError, match=r"min_keep= asks for 1,300 weights .* sparsity=0.9 is 1,110"):
            keep_counts(HAND, 0.9, "erk", min_keep=600)

    @pytest.mark.parametrize("floors", [-1, 1.5, "3", None, True, [1, 2, -3], [1, 2, 3.5], [1, 2, True], {3}])
    def test_are_whole_numbers(self, floors):
        with pytest.raises(ValueError, match=r"min_keep= takes counts of weights, whole numbers.*Received: "):
            keep_counts(HAND, 0.9, min_keep=floors)

    @pytest.mark.parametrize("floors", [[], [1], [1, 2, 3, 4], np.ones(2, int)])
    def test_are_one_for_all_or_one_a_layer(self, floors):
        with pytest.raises(ValueError, match=rf"there are 3 layers\. Received: {len(floors)}$"):
            keep_counts(HAND, 0.9, min_keep=floors)

    def test_may_be_an_array(self):
        assert keep_counts(HAND, 0.9, "erk", min_keep=np.array([90, 0, 0]))[0] == 90
        assert keep_counts(HAND, 0.9, "erk", min_keep=np.int64(90))[0] == 90

    def test_are_no_choice_of_reference_rounding(self):
        with pytest.raises(ValueError, match=r'min_keep= is a choice of rounding="exact"'):
            keep_counts(LENET, 0.9, rounding="reference", min_keep=1)
        assert keep_counts(LENET, 0.9, rounding="reference", min_keep=0)


class TestGivenRatios:
    def test_that_meet_the_sparsity_are_taken_as_they_are(self):
        assert keep_counts([(10, 10)] * 3, 1 - 1.75 / 3, OWN) == [50, 25, 100]

    def test_are_scaled_otherwise(self):
        assert keep_counts([(10, 10)] * 3, 1 - 0.35 / 3, [0.5, 0.25, 1.0]) == [10, 5, 20]
        # Twice as many would be 100, 50 and 200: what the last cannot hold, the others share.
        assert keep_counts([(10, 10)] * 3, 1 - 2.5 / 3, OWN) == [100, 50, 100]

    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities, st.data())
    def test_meet_the_total_as_every_rule_does(self, shapes, sparsity, data):
        total, sizes = budget_of(shapes, sparsity), sizes_of(shapes)
        ratio = st.one_of(st.floats(0, 1), st.sampled_from([0, 1, 0.5, 5e-324]))
        ratios = data.draw(st.lists(ratio, min_size=len(shapes), max_size=len(shapes)))
        assume(any(ratios))
        try:
            counts = keep_counts(shapes, sparsity, ratios)
        except ValueError as error:
            assert "not 0 can hold" in str(error)
            assert sizes[np.array(ratios) > 0].sum() < total
            return
        assert sum(counts) == total
        assert np.all(np.array(counts) >= 0) and np.all(counts <= sizes)
        assert all(count == 0 for count, ratio in zip(counts, ratios, strict=True) if ratio == 0)
        assert np.all(np.isfinite(keep_densities(shapes, sparsity, ratios, redistribute=False)))

    @pytest.mark.parametrize(
        "ratios", [tuple(OWN), np.array(OWN), np.array(OWN, "float32"), [Fraction(1, 2), 0.25, 1]]
    )
    def test_are_any_sequence_of_numbers(self, ratios):
        assert keep_counts(HAND, 0.9, ratios) == keep_counts(HAND, 0.9, OWN)

    def test_of_zero_keep_nothing_but_their_floor(self):
        assert keep_counts(HAND, 0.9, [0, 0.5, 0.5])[0] == 0
        assert keep_counts(HAND, 0.9, [0, 0.5, 0.5], min_keep=7)[0] == 7
        assert keep_counts(HAND, 0.9, [1, 0, 0], min_keep=[0, 1000, 10]) == [100, 1000, 10]

    @pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan, math.inf, "0.5", None, True, [0.5], 1j, 10**400])
    def test_are_numbers_from_0_to_1(self, bad):
        with pytest.raises(ValueError, match=r"numbers in \[0, 1\]. Received for layer 1: "):
            keep_counts(HAND, 0.9, [0.5, bad, 0.5])

    @pytest.mark.parametrize("ratios", [[], [0.5], [0.5] * 4, np.full(2, 0.5)])
    def test_are_one_a_layer(self, ratios):
        with pytest.raises(ValueError, match=rf"there are 3 layers\. Received: {len(ratios)}$"):
            keep_counts(HAND, 0.9, ratios)

    @pytest.mark.parametrize(
        "ratios", [np.float64(0.5), np.array(0.5), np.full((3, 1), 0.5), {0.5}, iter(OWN)]
    )
    def test_of_another_form_are_refused(self, ratios):
        with pytest.raises(ValueError, match=r"is unknown. Choose one of: smart, .*Or give one number"):
            keep_counts(HAND, 0.9, ratios)

    def test_that_are_all_zero_are_refused(self):
        with pytest.raises(ValueError, match="all 0: nothing would be kept"):
            keep_counts(HAND, 0.9, [0, 0, 0.0])

    def test_whose_layers_cannot_hold_the_budget_are_refused(self):
        with pytest.raises(ValueError, match=r"is 1,110 weights, .* not 0 can hold 100\. Give more layers"):
            keep_counts(HAND, 0.9, [1, 0, 0])
        assert keep_counts(HAND, 0.9, [1, 0, 0], redistribute=False) == [100, 0, 0]

    def test_have_no_reference_rounding(self):
        ticket = ticket_of([1, 1, 1], HAND)
        for ratios, asked in [("erk", "'erk'"), (OWN, "a list"), (ticket, "a Ticket")]:
            with pytest.raises(
                ValueError, match=f"ratios={asked} has no reference rounding; only smart, .*uniform"
            ):
                keep_counts(HAND, 0.9, ratios, rounding="reference")


@pytest.fixture(scope="module")
def model():
    """Two kernels in one layer, one in each of two others."""
    inputs = x = keras.Input((8, 8, 3))
    x = keras.layers.SeparableConv2D(4, 3, name="separable")(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(6, name="hidden")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="head")(x))
    tt.mask_layers(model, include=[keras.layers.SeparableConv2D, keras.layers.Dense])
    return model


class TestRatiosByName:
    def test_are_those_of_the_weights(self, model):
        names = [entry.name for entry in prunable_weights(model)]
        values = [0.9, 0.5, 0.2, 0.8]
        by_name = dict(reversed(list(zip(names, values, strict=True))))
        assert keep_counts(model, 0.7, by_name) == keep_counts(model, 0.7, values)

    def test_of_a_layer_hold_for_all_its_weights(self, model):
        by_layer = {"separable": 0.9, "hidden": 0.2, "head": 0.8}
        assert keep_counts(model, 0.7, by_layer) == keep_counts(model, 0.7, [0.9, 0.9, 0.2, 0.8])

    def test_may_name_some_by_layer_and_some_by_weight(self, model):
        depthwise, pointwise, *_ = [entry.name for entry in prunable_weights(model)]
        mixed = {depthwise: 1, pointwise: 0.3, "hidden": 0.2, "head": 0.8}
        assert keep_counts(model, 0.7, mixed) == keep_counts(model, 0.7, [1, 0.3, 0.2, 0.8])

    def test_unknown_names_are_listed_with_those_that_exist(self, model):
        with pytest.raises(
            ValueError, match=r"no prunable weight or layer: \['haed', 3\].*'head/kernel' \(layer 'head'\)"
        ):
            keep_counts(model, 0.7, {"separable": 1, "hidden": 0.2, "haed": 0.8, 3: 1})

    def test_every_weight_needs_one(self, model):
        with pytest.raises(ValueError, match=r"gives no number for \['hidden/kernel'\].*names here are"):
            keep_counts(model, 0.7, {"separable": 1, "head": 0.2})

    def test_and_only_one(self, model):
        with pytest.raises(ValueError, match=r"names a weight twice, as 'head/kernel' and as 'head'"):
            keep_counts(model, 0.7, {"separable": 1, "hidden": 0.2, "head": 0.8, "head/kernel": 0.8})

    def test_are_numbers_from_0_to_1(self, model):
        with pytest.raises(ValueError, match=r"numbers in \[0, 1\]. Received for layer 3: 2"):
            keep_counts(model, 0.7, {"separable": 1, "hidden": 0.2, "head": 2})

    def test_need_a_model(self):
        with pytest.raises(ValueError, match="by name need a model"):
            keep_counts(LENET, 0.7, {"head": 0.5})


class TestRatiosOfATicket:
    def test_are_its_own_counts_at_its_own_sparsity(self):
        counts = [90, 40, 77]
        ticket = ticket_of(counts, HAND)
        assert keep_counts(HAND, ticket.sparsity, ticket) == counts

    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities)
    def test_whatever_the_ticket(self, shapes, sparsity):
        budget_of(shapes, sparsity)
        counts = keep_counts(shapes, sparsity, "erk")
        ticket = ticket_of(counts, shapes)
        assert keep_counts(shapes, ticket.sparsity, ticket) == counts

    def test_are_scaled_to_another_sparsity(self):
        ticket = ticket_of([50, 100, 2000], HAND)
        assert keep_counts(HAND, 1 - 1075 / 11_100, ticket) == [25, 50, 1000]

    @pytest.mark.slow
    def test_of_a_ticket_that_was_drawn(self):
        model = nets.functional((20, 30, 40, 5))
        ticket = tt.prune(model, "random", sparsity=0.8)
        assert keep_counts(model, 0.8, ticket) == [layer.kept for layer in ticket.layers]

    def test_for_another_network_are_refused(self):
        with pytest.raises(ValueError, match=r"Ticket for another network.*\(10, 10\).*\(784, 300\)"):
            keep_counts(LENET, 0.9, ticket_of([1, 1, 1], HAND))

    def test_that_keeps_nothing_are_refused(self):
        with pytest.raises(ValueError, match="all 0: nothing would be kept"):
            keep_counts(HAND, 0.9, ticket_of([0, 0, 0], HAND))


class TestPours:
    def test_water_fill_leaves_layers_of_density_zero_empty(self):
        sizes = np.array([10, 10, 10])
        np.testing.assert_allclose(pours.water_fill(np.array([0.0, 1.0, 3.0]), sizes, 12), [0, 3, 9])
        np.testing.assert_allclose(pours.water_fill(np.array([0.0, 1.0, 3.0]), sizes, 16), [0, 6, 10])
        np.testing.assert_allclose(pours.water_fill(np.zeros(3), sizes, 16), [0, 0, 0])

    def test_clamp_loses_what_a_full_layer_cannot_hold(self):
        densities, sizes = np.array([8.0, 1.0, 1.0]), np.array([10, 30, 60])
        np.testing.assert_allclose(pours.clamp(densities, sizes, 85), [10, 15, 30])

    @pytest.mark.parametrize("pour", [pours.water_fill, pours.carry_forward, pours.clamp])
    def test_densities_of_any_scale_do(self, pour):
        sizes = np.array([10, 30, 60])
        expected = pour(np.array([1.0, 2.0, 3.0]), sizes, 20)
        for scale in (1e-300, 1e300):
            np.testing.assert_allclose(pour(np.array([1.0, 2.0, 3.0]) * scale, sizes, 20), expected)
