"""Keep counts: the authors' numbers under reference rounding, totals to the unit under exact rounding."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import tf_tickets as tt
from tests.pruning import nets
from tests.smallnet import FIXTURES
from tf_tickets.pruning import pours
from tf_tickets.pruning.counts import keep_counts
from tf_tickets.pruning.ratios import RATIOS
from tf_tickets.pruning.scores import Score, score_row

few = settings(max_examples=30)

SMART_RATIOS = json.loads((FIXTURES / "smart_ratios.json").read_text())
KEEP_COUNTS = json.loads((FIXTURES / "keep_counts.json").read_text())
FAMILY = {"vgg19": "vgg", "resnet32": "resnet"}
# What the authors' flags are called here.
RULE = {"default": "smart", "linear": "smart_linear", "uniform": "uniform"}

RUNS = [
    (arch, sparsity, flag)
    for arch in FAMILY
    for sparsity, flags in SMART_RATIOS[arch]["10"]["runs"].items()
    for flag in flags
]
BUDGETS = [(arch, sparsity) for arch in FAMILY for sparsity in KEEP_COUNTS[arch]["10"]]
SMART = [name for name, rule in RATIOS.items() if rule.classifier_apart]
# Of one rule the first layer can alone be more than the budget, see test_random_pruning_ratios.py.
MEET_ANY_BUDGET = sorted(RATIOS.keys() - {"uniform_dense_first"})

POLYNOMIAL = {
    "smart": lambda depth, left: left**2 + left,
    "smart_linear": lambda depth, left: left,
    "smart_cubic": lambda depth, left: left**3,
    "smart_ascending": lambda depth, left: depth**2 + depth,
}

LENET = [(784, 300), (300, 100), (100, 10)]

shapes_lists = st.lists(
    st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple), min_size=1, max_size=9
)
big_shapes_lists = st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), min_size=2, max_size=60)
sparsities = st.one_of(
    st.floats(0, 1, exclude_max=True), st.sampled_from([0.0, 0.5, 0.9, 0.95, 0.98, 0.99, 1 - 1e-9])
)
rule_names = st.sampled_from(MEET_ANY_BUDGET)
reference_names = st.sampled_from(sorted(name for name, rule in RATIOS.items() if rule.reference))
families = st.sampled_from(["resnet", "vgg"])


def published(arch):
    """Kernel shapes of a published network in Keras layout."""
    return [
        tuple(np.transpose(np.empty(shape), (2, 3, 1, 0) if len(shape) == 4 else (1, 0)).shape)
        for shape in SMART_RATIOS[arch]["10"]["oihw_shapes"]
    ]


def sizes_of(shapes):
    return [math.prod(shape) for shape in shapes]


def wanted(shapes, sparsity):
    """round(N(1-p)), or the example is dropped where nothing would be kept."""
    total = round(sum(sizes_of(shapes)) * (1 - sparsity))
    assume(total >= 1)
    return total


class TestReferenceRounding:
    @pytest.mark.parametrize(("arch", "sparsity", "flag"), RUNS)
    def test_every_layer_is_the_authors_to_the_unit(self, arch, sparsity, flag):
        run = SMART_RATIOS[arch]["10"]["runs"][sparsity][flag]
        counts = keep_counts(
            published(arch), float(sparsity), RULE[flag], family=FAMILY[arch], rounding="reference"
        )
        assert counts == run["num_keep"]
        assert sum(counts) == run["sum_keep"]

    @pytest.mark.parametrize(("arch", "sparsity"), BUDGETS)
    def test_totals_of_smart_ratios(self, arch, sparsity):
        counts = keep_counts(published(arch), float(sparsity), family=FAMILY[arch], rounding="reference")
        assert sum(counts) == KEEP_COUNTS[arch]["10"][sparsity]["smart_default_keep"]

    @pytest.mark.parametrize(("arch", "sparsity"), BUDGETS)
    def test_totals_of_a_global_ranking(self, arch, sparsity):
        expected = KEEP_COUNTS[arch]["10"][sparsity]
        magnitude = score_row("magnitude").reference_count(expected["N"], float(sparsity))
        assert magnitude == expected["lt_keep_total_no_ties"]
        assert magnitude - expected["linear"] == expected["lt_keep_conv"]
        any_other = Score(function=lambda *arguments: [])
        assert any_other.reference_count(expected["N"], float(sparsity)) == expected["snip_keep_no_ties"]

    @pytest.mark.parametrize(
        "total, sparsity, keep", [(1000, 0.9, 100), (99, 0.5, 50), (77072, 0.95, 3854), (7, 0.9, 1)]
    )
    def test_synflow_removes_a_truncated_part(self, total, sparsity, keep):
        """int((1 - density) n) weights go, and with the threshold what is equal to it."""
        assert score_row("synflow").reference_count(total, sparsity) == keep
        assert keep == total - int((1 - (1 - sparsity)) * total)

    def test_exact_counts_are_the_authors_up_to_their_truncations(self):
        for arch, sparsity, flag in RUNS:
            if flag == "uniform":
                continue
            reference = SMART_RATIOS[arch]["10"]["runs"][sparsity][flag]["num_keep"]
            exact = keep_counts(published(arch), float(sparsity), RULE[flag], family=FAMILY[arch])
            assert np.abs(np.subtract(exact, reference)).max() <= 29
            assert 0 <= sum(exact) - sum(reference) <= 30

    def test_the_authors_ascend_ablation_descends_on_vgg(self):
        shapes = published("vgg19")
        reference = keep_counts(shapes, 0.9, "smart_ascending", family="vgg", rounding="reference")
        densities = np.divide(reference, sizes_of(shapes))[:-1]
        assert densities[0] == pytest.approx(0.183, abs=1e-3)
        assert densities[-1] == pytest.approx(0.097, abs=1e-3)

    def test_the_authors_ascend_ablation_removes_the_first_layer_of_resnet(self):
        counts = keep_counts(published("resnet32"), 0.9, "smart_ascending", rounding="reference")
        assert counts[0] == 0

    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities, reference_names, families)
    def test_counts_fit_their_layers_or_the_budget_is_refused(self, shapes, sparsity, ratios, family):
        try:
            counts = keep_counts(shapes, sparsity, ratios, family, rounding="reference")
        except ValueError as error:
            assert "budget" in str(error) or "classifier" in str(error)
            return
        assert all(0 <= count <= size for count, size in zip(counts, sizes_of(shapes), strict=True))

    def test_a_budget_below_the_classifiers_share_is_refused(self):
        with pytest.raises(ValueError, match=r"budget is 28 weights, and classifier_keep=0.3 keeps 300"):
            keep_counts([(4, 100), (100, 10)], 0.98, rounding="reference")

    def test_a_classifier_alone_is_refused(self):
        with pytest.raises(ValueError, match="classifier apart, and there is no other weight"):
            keep_counts([(10, 10)], 0.5, rounding="reference")


class TestExactRounding:
    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities, rule_names, families)
    @example([(3, 3), (1,)], 0.5, "smart", "vgg")
    @example([(1,)] * 9, 0.9, "smart_cubic", "vgg")
    def test_the_total_is_met_to_the_unit(self, shapes, sparsity, ratios, family):
        total = wanted(shapes, sparsity)
        counts = keep_counts(shapes, sparsity, ratios, family)
        assert sum(counts) == total
        assert all(type(count) is int for count in counts)
        assert all(0 <= count <= size for count, size in zip(counts, sizes_of(shapes), strict=True))

    @pytest.mark.slow
    @few
    @given(big_shapes_lists, sparsities, rule_names, families)
    def test_also_for_big_layers(self, shapes, sparsity, ratios, family):
        total = wanted(shapes, sparsity)
        counts = keep_counts(shapes, sparsity, ratios, family)
        assert sum(counts) == total
        assert all(0 <= count <= size for count, size in zip(counts, sizes_of(shapes), strict=True))

    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities, st.floats(0.01, 1), st.sampled_from(SMART))
    def test_also_for_other_shares_of_the_classifier(self, shapes, sparsity, classifier_keep, ratios):
        total = wanted(shapes, sparsity)
        assert sum(keep_counts(shapes, sparsity, ratios, classifier_keep=classifier_keep)) == total

    @pytest.mark.slow
    @few
    @given(shapes_lists, rule_names, families)
    def test_no_sparsity_keeps_everything(self, shapes, ratios, family):
        assert keep_counts(shapes, 0, ratios, family) == sizes_of(shapes)

    @pytest.mark.slow
    @few
    @given(shapes_lists, rule_names, families, st.data())
    def test_one_weight_is_the_least(self, shapes, ratios, family, data):
        total = sum(sizes_of(shapes))
        keep = data.draw(st.integers(1, min(total, 3)))
        assert sum(keep_counts(shapes, 1 - keep / total, ratios, family)) == keep

    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities, rule_names, families)
    def test_pure(self, shapes, sparsity, ratios, family):
        wanted(shapes, sparsity)
        assert keep_counts(shapes, sparsity, ratios, family) == keep_counts(shapes, sparsity, ratios, family)

    def test_too_few_weights_are_refused_with_the_largest_sparsity(self):
        with pytest.raises(ValueError, match=r"keeps none of the 100 .* largest sparsity .* is 0.99"):
            keep_counts([(10, 10)], 0.996)

    def test_published_totals(self):
        assert sum(keep_counts(published("vgg19"), 0.9, family="vgg")) == 2_002_400
        assert sum(keep_counts(published("resnet32"), 0.98)) == round(1_855_584 * (1 - 0.98))


class TestSmartRatios:
    """Section 4.2: layer l of L keeps in proportion to (L-l+1)^2 + (L-l+1), of VGGs divided by l^2."""

    @pytest.mark.parametrize("ratios", SMART)
    @pytest.mark.parametrize("family", ["resnet", "vgg"])
    def test_proportions_where_nothing_overflows(self, ratios, family):
        shapes = [(3, 3, 16, 16)] * 7 + [(64, 10)]
        counts = keep_counts(shapes, 0.95, ratios, family)
        depth = np.arange(1, 8)
        densities = POLYNOMIAL[ratios](depth, len(shapes) - depth + 1).astype(float)
        if family == "vgg" and ratios != "smart_ascending":
            densities /= depth**2
        assert counts[-1] == 192
        assert max(counts[:-1]) < 2304
        shares = densities / densities.sum() * sum(counts[:-1])
        np.testing.assert_allclose(counts[:-1], shares, atol=1)

    def test_sizes_weigh_in(self):
        narrow, wide, _ = keep_counts([(10, 100), (10, 300), (10, 10)], 0.9, "smart_linear")
        # Depth left is 3 and 2, sizes are 1 to 3.
        assert wide / narrow == pytest.approx(2 / 3 * 3, rel=0.01)

    def test_first_layers_of_vgg19_are_full_and_the_last_almost_empty(self):
        shapes = published("vgg19")
        counts = keep_counts(shapes, 0.9, family="vgg")
        densities = np.divide(counts, sizes_of(shapes))
        assert np.all(densities[:6] == 1)
        assert densities[-2] == pytest.approx(0.00236, abs=1e-5)

    def test_first_layer_of_resnet32(self):
        shapes = published("resnet32")
        counts = keep_counts(shapes, 0.9)
        assert counts[0] / sizes_of(shapes)[0] == pytest.approx(0.797, abs=2e-3)

    @pytest.mark.parametrize("sparsity", [0.8, 0.9, 0.95, 0.98])
    def test_keep_ratios_fall_with_depth(self, sparsity):
        shapes = published("resnet32")
        densities = np.divide(keep_counts(shapes, sparsity), sizes_of(shapes))[:-1]
        assert np.all(np.diff(densities) < 1 / min(sizes_of(shapes)))

    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities, families)
    def test_less_sparsity_keeps_as_many_or_more_in_each_layer(self, shapes, sparsity, family):
        wanted(shapes, sparsity)
        few, more = (keep_counts(shapes, p, family=family) for p in (sparsity, sparsity * 0.7))
        assert all(a <= b + 1 for a, b in zip(few, more, strict=True))


class TestOverflow:
    """What a full layer cannot hold goes to the next, deeper ones, and to no other."""

    def test_to_the_next_layer(self):
        densities, sizes = np.array([8.0, 1.0, 1.0, 1.0]), np.array([10, 30, 30, 30])
        # 8 * 10 + 30 + 30 + 30 = 170 parts for 85 weights: 40 for the first layer, which holds 10.
        counts = pours.carry_forward(densities, sizes, 85)
        np.testing.assert_allclose(counts, [10, 30, 30, 15])

    def test_only_as_far_as_needed(self):
        densities, sizes = np.array([6.0, 1.0, 1.0, 1.0]), np.array([10, 80, 30, 30])
        counts = pours.carry_forward(densities, sizes, 50)
        np.testing.assert_allclose(counts, [10, 80 / 4 + 5, 7.5, 7.5])

    def test_beyond_the_last_layer_it_starts_again_at_the_first(self):
        densities, sizes = np.array([1.0, 1.0, 8.0]), np.array([10, 30, 10])
        # 10 + 30 + 80 = 120 parts for 30 weights: 20 for the last layer, which holds 10.
        np.testing.assert_allclose(pours.carry_forward(densities, sizes, 30), [10, 10, 10])

    def test_water_fill_shares_it_among_all_others(self):
        densities, sizes = np.array([8.0, 1.0, 1.0]), np.array([10, 30, 60])
        np.testing.assert_allclose(pours.water_fill(densities, sizes, 55), [10, 15, 30])

    @pytest.mark.slow
    @few
    @given(
        st.lists(st.tuples(st.floats(1e-3, 1e3), st.integers(1, 1000)), min_size=1, max_size=12),
        st.floats(0.001, 1),
        st.sampled_from([pours.carry_forward, pours.water_fill]),
    )
    def test_nothing_is_lost_and_no_layer_over_full(self, layers, fraction, pour):
        densities, sizes = (np.array(column) for column in zip(*layers, strict=True))
        budget = fraction * sizes.sum()
        counts = pour(densities, sizes, budget)
        assert counts.sum() == pytest.approx(budget)
        assert np.all(counts >= 0) and np.all(counts <= sizes * (1 + 1e-12))

    @few
    @given(
        st.lists(st.tuples(st.floats(1e-3, 1e3), st.integers(1, 1000)), min_size=2, max_size=12),
        st.floats(0.001, 1),
    )
    def test_layers_before_the_first_full_one_keep_their_share(self, layers, fraction):
        densities, sizes = (np.array(column) for column in zip(*layers, strict=True))
        shares = densities * sizes
        shares *= fraction * sizes.sum() / shares.sum()
        full = np.flatnonzero(shares >= sizes)
        counts = pours.carry_forward(densities, sizes, fraction * sizes.sum())
        carried_past_the_end = np.maximum(0, np.cumsum((shares - sizes)[::-1])).max() > 0
        if full.size and not carried_past_the_end:
            np.testing.assert_allclose(counts[: full[0]], shares[: full[0]])

    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities, rule_names, families)
    def test_redistribute_false_leaves_the_total_short_instead(self, shapes, sparsity, ratios, family):
        total = wanted(shapes, sparsity)
        full = keep_counts(shapes, sparsity, ratios, family)
        short = keep_counts(shapes, sparsity, ratios, family, redistribute=False)
        assert sum(short) <= total
        assert all(0 <= count <= size for count, size in zip(short, sizes_of(shapes), strict=True))
        if sum(short) == total:
            assert np.abs(np.subtract(short, full)).max() <= 1

    def test_redistribute_false_on_vgg19(self):
        shapes = published("vgg19")
        short = keep_counts(shapes, 0.9, family="vgg", redistribute=False)
        assert sum(short) < 0.9 * 2_002_400
        assert short[:2] == sizes_of(shapes)[:2]

    def test_redistribute_is_no_choice_of_reference_rounding(self):
        with pytest.raises(ValueError, match="redistribute=False is a choice of rounding="):
            keep_counts(LENET, 0.9, rounding="reference", redistribute=False)


class TestRounding:
    """Real-valued counts become whole ones: largest remainders go up, of equal ones the earlier."""

    @pytest.mark.parametrize(
        ("counts", "whole"),
        [
            ([0.2, 1.9, 0.9], [0, 2, 1]),
            ([0.5, 1.5, 1.0], [1, 1, 1]),
            ([2.4, 2.4, 2.2], [3, 2, 2]),
            ([4.0, 3 - 1e-12, 1e-12], [4, 3, 0]),
        ],
    )
    def test_by_the_largest_remainders(self, counts, whole):
        assert pours.round_to_total(np.array(counts), np.array([5, 5, 5]), round(sum(counts))) == whole

    def test_full_layers_stay_full(self):
        assert pours.round_to_total(np.array([3 + 1e-12, 0.7, 0.3]), np.array([3, 9, 9]), 4) == [3, 1, 0]

    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities)
    def test_no_layer_is_off_by_a_whole_weight(self, shapes, sparsity):
        total = wanted(shapes, sparsity)
        sizes = np.array(sizes_of(shapes))
        shares = pours.water_fill(np.ones(len(sizes)), sizes, total)
        assert np.all(np.abs(np.subtract(keep_counts(shapes, sparsity, "uniform"), shares)) < 1)


class TestClassifier:
    @pytest.mark.parametrize("ratios", SMART)
    @pytest.mark.parametrize("sparsity", [0.9, 0.95, 0.98])
    def test_smart_ratios_keep_three_tenths(self, ratios, sparsity):
        assert keep_counts(published("resnet32"), sparsity, ratios)[-1] == 384

    def test_or_what_is_asked(self):
        assert keep_counts(LENET, 0.9, classifier_keep=0.5)[-1] == 500
        assert keep_counts(LENET, 0.9, classifier_keep=1)[-1] == 1000

    def test_but_at_most_half_of_the_budget(self):
        thousand_classes = [(3, 3, 3, 32), (3, 3, 32, 64), (64, 1000)]
        total = 864 + 18_432 + 64_000
        counts = keep_counts(thousand_classes, 0.98)
        assert sum(counts) == round(total * 0.02)
        assert counts[-1] == sum(counts) // 2

    @pytest.mark.slow
    @few
    @given(shapes_lists, sparsities, st.sampled_from(SMART))
    def test_never_more_than_half_unless_the_others_are_full(self, shapes, sparsity, ratios):
        total = wanted(shapes, sparsity)
        assume(len(shapes) > 1)
        *others, last = keep_counts(shapes, sparsity, ratios)
        if last > total // 2:
            assert others == sizes_of(shapes)[:-1]

    def test_at_low_sparsity_it_takes_what_the_others_cannot_hold(self):
        assert keep_counts([(10, 10), (10, 10)], 0.1) == [100, 80]

    def test_uniform_treats_it_like_the_others(self):
        assert keep_counts([(10, 10), (30, 10), (10, 60)], 0.9, "uniform") == [10, 30, 60]


class TestFamily:
    def test_is_read_off_a_model(self):
        model = nets.functional((20, 30, 40, 5))
        shapes = [(20, 30), (30, 40), (40, 5)]
        assert keep_counts(model, 0.9) == keep_counts(shapes, 0.9, family="resnet")
        assert keep_counts(model, 0.9, family="vgg") == keep_counts(shapes, 0.9, family="vgg")
        model.name = "vgg11_bn"
        assert keep_counts(model, 0.9) == keep_counts(shapes, 0.9, family="vgg")
        assert keep_counts(model, 0.9, family="resnet") == keep_counts(shapes, 0.9, family="resnet")

    def test_of_shapes_alone_is_resnet(self):
        assert keep_counts(LENET, 0.9) == keep_counts(LENET, 0.9, family="resnet")
        assert keep_counts(LENET, 0.9) != keep_counts(LENET, 0.9, family="vgg")

    @pytest.mark.slow
    def test_of_our_vgg_model(self):
        model = tt.models.build("vgg11", (16, 16, 3), 10, width=0.1)
        assert keep_counts(model, 0.9) == keep_counts(model, 0.9, family="vgg")


class TestModels:
    def test_counting_leaves_the_model_alone(self):
        model = nets.convolutional()
        before = nets.state(model)
        assert sum(keep_counts(model, 0.9)) == round((72 + 96 + 18) * (1 - 0.9))
        nets.assert_same(nets.state(model), before)

    def test_a_masked_model_counts_its_masked_weights(self):
        model = nets.functional()
        tt.mask_layers(model, exclude=model.layers[-1])
        assert len(keep_counts(model, 0.5)) == 2


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        "sparsity", [-0.1, 1, 1.5, math.nan, math.inf, "0.9", None, True, False, [0.9], 1j, 10**400]
    )
    def test_sparsities(self, sparsity):
        with pytest.raises(ValueError, match=r"sparsity is .* number in \[0, 1\). Received: "):
            keep_counts(LENET, sparsity)

    @pytest.mark.parametrize("sparsity", [0.5, np.float32(0.5), np.float64(0.5), Fraction(1, 2)])
    def test_any_real_number_is_a_sparsity(self, sparsity):
        assert sum(keep_counts(LENET, sparsity)) == 133_100

    @pytest.mark.parametrize("ratios", ["clever", "global", "", None, 3, 0.5, {0.5}])
    def test_rules(self, ratios):
        with pytest.raises(ValueError, match=r"ratios=.* is unknown. Choose one of: smart, .*uniform"):
            keep_counts(LENET, 0.9, ratios)

    @pytest.mark.parametrize("family", ["vgg19", "", 3])
    def test_families(self, family):
        with pytest.raises(ValueError, match=r"family=.* is unknown. Choose one of: resnet, vgg"):
            keep_counts(LENET, 0.9, family=family)

    @pytest.mark.parametrize("rounding", ["floor", None, True])
    def test_roundings(self, rounding):
        with pytest.raises(ValueError, match=r"rounding=.* is unknown. Choose one of: exact, reference"):
            keep_counts(LENET, 0.9, rounding=rounding)

    @pytest.mark.parametrize("fraction", [0, -0.3, 1.1, math.nan, "0.3", None, True])
    @pytest.mark.parametrize("rounding", ["exact", "reference"])
    def test_shares_of_the_classifier(self, fraction, rounding):
        with pytest.raises(ValueError, match=r"classifier_keep is a fraction in \(0, 1\]. Received: "):
            keep_counts(LENET, 0.9, rounding=rounding, classifier_keep=fraction)

    @pytest.mark.parametrize(
        "shapes", [(784, 300), [(0, 5)], [(3, -1)], [()], [(2.5, 2)], [(None, 3)], "resnet32", 7, None]
    )
    def test_shapes(self, shapes):
        with pytest.raises(ValueError, match="takes a model or kernel shapes of positive sizes"):
            keep_counts(shapes, 0.5)

    def test_nothing_to_count(self):
        with pytest.raises(ValueError, match="at least one prunable weight"):
            keep_counts([], 0.5)
