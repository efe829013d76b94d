"""The verdict: what it answers, that it is seldom wrong, and that the seeds it asks for decide."""

import dataclasses
import importlib
import json
import math
import subprocess
import sys
import types
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp, ttest_rel
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import ttost_paired

from tf_tickets.sanity import statistics
from tf_tickets.sanity.statistics import compare, compare_pairs, floor_of, seeds_to_plan
from tf_tickets.sanity.statistics.comparison import NO_NULL
from tf_tickets.sanity.statistics.notes import notes_on
from tf_tickets.support.scale import Scale

ROOT = Path(__file__).parents[3]
FAMILIES = 4000
ALPHA = 0.05
# Three standard errors of a simulated rate of ALPHA.
TOLERANCE = 3 * math.sqrt(ALPHA * (1 - ALPHA) / FAMILIES)

TICKET = [0.569, 0.572, 0.558, 0.567, 0.575, 0.571, 0.564, 0.570]
# Of mean 0 and standard deviation 1 (ddof 1).
SCATTER = np.array([-1.2, -0.9, -0.5, -0.2, 0.2, 0.5, 0.9, 1.2])
SCATTER /= SCATTER.std(ddof=1)


def twin(mean, deviation, ticket=TICKET):
    """Accuracies whose differences to the ticket have exactly this mean and standard deviation."""
    return [accuracy + mean + deviation * step for accuracy, step in zip(ticket, SCATTER, strict=True)]


def by_statsmodels(p):
    """P-values adjusted by Holm's method, without the garbage collection that statsmodels adds."""
    with mock.patch("gc.collect"):
        return multipletests(p, method="holm")[1]


def verdict(mean, deviation, **options):
    return compare(TICKET, {"check": twin(mean, deviation)}, **options)["check"]


@pytest.fixture(scope="module")
def alarms():
    """The simulation of scripts/benchmarks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts" / "benchmarks")
        yield importlib.import_module("alarms")


class TestAnswer:
    @pytest.mark.parametrize(
        ("mean", "deviation", "answer"),
        [
            (-0.0005, 0.004, "insensitive"),
            (-0.03, 0.01, "sensitive"),
            (-0.009, 0.003, "sensitive"),  # certain, and not shown to be within the margin
            (+0.03, 0.01, "reversed"),
            (-0.006, 0.015, "undecided"),
            (-0.012, 0.03, "undecided"),
        ],
    )
    def test_follows_from_mean_and_spread(self, mean, deviation, answer):
        found = verdict(mean, deviation)
        assert found.answer == answer
        assert found.difference == pytest.approx(mean, abs=1e-6)
        assert found.deviation == pytest.approx(deviation, abs=1e-6)
        assert found.mean - found.reference_mean == pytest.approx(mean, abs=1e-6)
        assert (found.seeds, found.margin) == (8, 0.01)
        assert (found.seeds_needed is None) == (answer != "undecided")

    def test_depends_on_the_margin(self):
        assert verdict(-0.015, 0.005, margin=0.01).answer == "sensitive"
        assert verdict(-0.015, 0.005, margin=0.03).answer == "insensitive"

    def test_is_insensitive_with_a_note_where_a_drop_is_certain_but_within_the_margin(self):
        found = verdict(-0.004, 0.002)
        assert found.answer == "insensitive"
        assert found.notes == ("a drop of 0.40 points is measurable, but within the margin", NO_NULL)
        assert verdict(+0.004, 0.002).notes[0] == "a gain of 0.40 points is measurable, but within the margin"

    def test_takes_more_evidence_in_a_larger_family(self):
        alone = verdict(-0.0065, 0.006)
        crowd = {f"check {i}": twin(-0.0065 - i * 1e-5, 0.015) for i in range(8)}
        among = compare(TICKET, {"check": twin(-0.0065, 0.006), **crowd})["check"]
        assert (alone.answer, among.answer) == ("sensitive", "undecided")
        assert among.p_different == pytest.approx(9 * alone.p_different)
        assert among.interval == alone.interval

    def test_keeps_the_order_of_the_twins(self):
        assert [*compare(TICKET, {"b": TICKET, "a": TICKET})] == ["b", "a"]

    def test_is_empty_without_twins(self):
        assert compare(TICKET, {}) == {}

    @pytest.mark.parametrize(
        ("mean", "deviation", "options", "line"),
        [
            (
                -0.0012,
                0.004,
                {},
                "insensitive: -0.12 points [-0.45, +0.21], equivalent within 1 point (p < 0.001, 8 seeds)",
            ),
            (
                0.0,
                0.01,
                {"margin": 0.025},
                "insensitive: +0.00 points [-0.84, +0.84], equivalent within 2.5 points (p < 0.001, 8 seeds)",
            ),
            (-0.03, 0.02, {}, "sensitive: -3.00 points [-4.67, -1.33], a drop (p = 0.004, 8 seeds)"),
            (0.03, 0.02, {}, "reversed: +3.00 points [+1.33, +4.67], a gain (p = 0.004, 8 seeds)"),
            (-0.006, 0.015, {}, "undecided: -0.60 points [-1.85, +0.65], 8 seeds; about 25 would be needed"),
            (
                -0.0099,
                0.25,
                {},
                "undecided: -0.99 points [-21.89, +19.91], 8 seeds; about 4,400 would be needed",
            ),
            (
                0.0,
                0.25,
                {"margin": 0.001},
                "undecided: +0.00 points [-20.90, +20.90], 8 seeds; more than 10,000 would be needed",
            ),
            (
                -0.02,
                0.01,
                {"chance": 0.56},
                "says nothing: -2.00 points [-2.84, -1.16], 8 seeds; the ticket itself is at the level of "
                "guessing",
            ),
        ],
    )
    def test_reads_as_one_line(self, mean, deviation, options, line):
        assert str(verdict(mean, deviation, **options)) == line


class TestPValues:
    @pytest.mark.slow
    @settings(max_examples=12, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), seeds=st.integers(3, 25), checks=st.integers(1, 9))
    def test_are_those_of_scipy_and_statsmodels(self, seed, seeds, checks):
        rng = np.random.default_rng(seed)
        # Counts of 10,000: what differs in the seventh decimal is rounding.
        ticket = np.round(rng.uniform(0.5, 0.9, seeds), 4)
        others = np.round(np.clip(ticket[:, None] + rng.normal(0, 0.02, (seeds, checks)), 0, 1), 4)
        found = compare(ticket, dict(enumerate(others.T)))
        equivalent = [ttost_paired(other, ticket, -0.01, 0.01)[0] for other in others.T]
        different = [ttest_rel(other, ticket).pvalue for other in others.T]
        for name, adjusted in (
            ("p_equivalent", by_statsmodels(equivalent)),
            ("p_different", by_statsmodels(different)),
        ):
            assert [getattr(found[i], name) for i in range(checks)] == pytest.approx(adjusted, rel=1e-6)
        for i, other in enumerate(others.T):
            assert found[i].interval == pytest.approx(ttest_rel(other, ticket).confidence_interval(0.95))

    @given(p=st.lists(st.floats(0, 1), min_size=1, max_size=9))
    @settings(max_examples=25, deadline=None)
    def test_are_adjusted_by_holm_s_method(self, p):
        assert statistics.holm(np.array(p)) == pytest.approx(by_statsmodels(p))

    def test_are_adjusted_family_by_family(self):
        p = np.random.default_rng(0).random((3, 4, 5)) ** 3
        found = statistics.holm(p)
        assert np.array_equal(found[1, 2], statistics.holm(p[1, 2]))


class TestDegenerateCases:
    def test_twins_identical_at_every_seed_are_insensitive(self):
        found = compare(TICKET, {"check": TICKET})["check"]
        assert (found.answer, found.notes) == ("insensitive", ("identical at every seed", NO_NULL))
        assert (found.difference, found.deviation, found.interval) == (0, 0, (0, 0))
        assert (found.p_equivalent, found.p_different) == (0, 1)

    @pytest.mark.parametrize(
        ("shift", "answer"),
        [
            (-0.005, "insensitive"),
            (0.005, "insensitive"),
            (-0.01, "sensitive"),  # the margin itself is not within the margin
            (-0.02, "sensitive"),
            (0.02, "reversed"),
        ],
    )
    def test_the_same_difference_at_every_seed_decides_and_is_said(self, shift, answer):
        found = compare(TICKET, {"check": [accuracy + shift for accuracy in TICKET]})["check"]
        assert found.answer == answer
        assert found.deviation == 0
        assert found.interval == (found.difference, found.difference) == (shift, shift)
        assert "the same difference at all 8 seeds: see whether the runs differ by their seeds" in found.notes

    @pytest.mark.slow
    @settings(max_examples=50, deadline=None)
    @given(data=st.data(), chance=st.one_of(st.none(), st.floats(0, 1)))
    def test_no_input_makes_warnings_or_nan(self, data, chance):
        size, checks = data.draw(st.integers(3, 8)), data.draw(st.integers(1, 3))
        accuracy = st.one_of(
            st.floats(0, 1), st.sampled_from([0.0, 0.1, 0.5, 0.5 + 1e-12, 0.5 + 1e-15, 0.51, 0.9, 1.0])
        )
        values = st.lists(accuracy, min_size=size, max_size=size)
        twins = {str(i): data.draw(values) for i in range(checks)}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = compare(data.draw(values), twins, chance=chance)
        for comparison in found.values():
            assert comparison.answer in statistics.ANSWERS
            numbers = [value for value in dataclasses.astuple(comparison) if isinstance(value, float)]
            assert all(map(math.isfinite, [*numbers, *comparison.interval]))
            assert 0 <= comparison.p_equivalent <= 1
            assert 0 <= comparison.p_different <= 1
            assert comparison.interval[0] <= comparison.difference <= comparison.interval[1]
            assert "nan" not in str(comparison)
            if comparison.answer == "undecided":
                assert size < comparison.seeds_needed <= statistics.MOST_SEEDS


class TestChance:
    def test_a_ticket_that_guesses_says_nothing(self):
        guessing = [0.1, 0.1, 0.12, 0.1]
        found = compare(guessing, {"same": guessing, "better": [0.9, 0.91, 0.89, 0.9]}, chance=0.1)
        for comparison in found.values():
            assert comparison.answer == "says nothing"
            assert comparison.p_equivalent == comparison.p_different == 1
            assert comparison.seeds_needed is None
            assert "at chance level" in comparison.notes[0]

    @pytest.mark.parametrize(("accuracy", "says"), [(0.11, False), (0.1101, True)])
    def test_better_than_guessing_is_more_than_a_margin_above_it(self, accuracy, says):
        found = compare([accuracy] * 3, {"check": [accuracy] * 3}, chance=0.1)["check"]
        assert (found.answer != "says nothing") == says

    def test_a_twin_that_guesses_is_an_answer(self):
        assert compare(TICKET, {"check": [0.1] * 8}, chance=0.1)["check"].answer == "sensitive"

    def test_pairs_of_a_ticket_that_collapsed_at_some_seeds_are_named(self):
        ticket = [0.1, *TICKET[1:7], 0.1]
        found = compare(ticket, {"check": ticket}, chance=0.1)["check"]
        assert found.notes[1] == (
            "2 of 8 pairs are of a ticket at chance level (seed positions 1, 8): "
            "they say nothing of the check; look at the runs"
        )

    def test_two_that_guess_are_not_called_equivalent_and_one_that_does_is(self):
        guessing, good = [0.1, 0.1, 0.12, 0.1], [0.9, 0.91, 0.89, 0.9]
        pairs = {"dead": (guessing, guessing), "alive": (guessing, good)}
        found = compare_pairs(pairs, chance=0.1, both_at_chance=True)
        assert {name: one.answer for name, one in found.items()} == {
            "dead": "says nothing",
            "alive": "reversed",
        }


class TestLead:
    """A ticket that has nothing to lose loses nothing: no ground for calling it insensitive."""

    @staticmethod
    def asked(difference, ahead, **options):
        """What a check says of a ticket that is so far ahead of its null."""
        given = {"check": twin(difference, 0.003)}
        return compare(TICKET, given, nulls={"random": twin(-ahead, 0.003)}, **options)["check"]

    @pytest.mark.parametrize(
        ("difference", "ahead", "answer"),
        [
            (-0.001, 0.03, "insensitive"),
            (-0.001, 0.004, "cannot tell"),
            (-0.001, 0.010, "cannot tell"),  # not shown to exceed the margin
            (-0.001, -0.03, "cannot tell"),
            (-0.004, 0.03, "insensitive"),  # a certain change within the margin ...
            (-0.004, 0.004, "sensitive"),  # ... which is all that there was to lose
            (+0.004, 0.004, "reversed"),
            (-0.03, 0.004, "sensitive"),
        ],
    )
    def test_decides_what_no_loss_means(self, difference, ahead, answer):
        found = self.asked(difference, ahead)
        assert found.answer == answer
        assert found.leads[0].gain == pytest.approx(ahead, abs=1e-6)
        if ahead > 0:
            assert found.leads[0].share == pytest.approx(0.01 / ahead, rel=1e-3)

    def test_has_to_exceed_that_over_every_arm_of_a_null(self):
        arms = {"smart": twin(-0.05, 0.003), "erk": twin(-0.005, 0.003)}
        found = compare(TICKET, {"check": TICKET}, nulls={"random": arms})["check"]
        assert (found.answer, found.leads[0].arm) == ("cannot tell", "erk")

    def test_over_one_null_of_several_is_enough(self):
        nulls = {"same counts": twin(0.0, 0.003), "random": twin(-0.05, 0.003)}
        found = compare(TICKET, {"check": TICKET}, nulls=nulls)["check"]
        assert found.answer == "insensitive"
        assert [lead.p <= ALPHA for lead in found.leads] == [False, True]

    def test_over_itself_is_not_asked(self):
        found = compare(TICKET, {"null": twin(-0.03, 0.003)}, nulls={"null": twin(-0.03, 0.003)})["null"]
        assert (found.answer, found.leads) == ("sensitive", ())

    def test_is_none_where_there_is_no_null(self):
        assert compare(TICKET, {"check": TICKET}, nulls={})["check"].answer == "cannot tell"

    def test_that_is_not_asked_for_is_said(self):
        assert compare(TICKET, {"check": TICKET})["check"].notes[-1] == NO_NULL
        assert NO_NULL not in self.asked(-0.001, 0.03).notes

    def test_of_an_error_is_how_much_smaller_it_is(self):
        errors = Scale("loss", higher_is_better=False, unit="", margin=None)
        null = [value + 0.3 for value in TICKET]
        found = compare(TICKET, {"check": TICKET}, margin=0.1, scale=errors, nulls={"random": null})["check"]
        assert (found.answer, found.leads[0].gain) == ("insensitive", pytest.approx(0.3))

    def test_reads_as_a_line(self):
        lead = self.asked(-0.001, 0.03).leads[0]
        assert str(lead) == "+3.00 points [+2.75, +3.25] over random, margin / lead 0.33, 8 seeds"
        arms = {"smart": twin(-0.05, 0.003), "erk": twin(-0.04, 0.003)}
        (lead,) = compare(TICKET, {"check": TICKET}, nulls={"random": arms})["check"].leads
        assert "over random (the best of 2, erk), margin" in str(lead)

    @pytest.mark.parametrize("ahead", [0.0, 0.01])
    def test_is_seldom_found_where_there_is_none(self, ahead):
        rng = np.random.default_rng(0)
        found = ahead + rng.normal(0, 0.005, (10, FAMILIES))
        p = statistics.p_above(found, 0.01)
        assert (p <= ALPHA).mean() <= ALPHA + TOLERANCE


class TestSizeOfTheTestSet:
    """Accuracies are counts: runs that agree more closely than a step of them do so by accident."""

    def test_sets_a_floor_to_the_deviation(self):
        accuracies = [0.9, 0.9, 0.9]
        found = compare(accuracies, {"check": accuracies}, examples=360)["check"]
        assert found.deviation == floor_of(360) == pytest.approx(1 / (360 * math.sqrt(6)))
        assert found.interval[0] < 0 < found.interval[1]

    def test_three_seeds_of_few_images_are_seldom_equivalent_by_accident(self, alarms):
        case = alarms.Case(9, 3, 0.002, noise="a test set of 360 images")
        assert alarms.wrongly_insensitive(case, FAMILIES) <= ALPHA

    def test_a_drop_of_exactly_the_margin_is_none_within_it_in_32_bits(self):
        """Of 10,000 images, as 32 bits keep shares of them."""

        def stored(counts):
            return [float(np.float32(count) / np.float32(10_000)) for count in counts]

        for first in range(8_000, 9_000, 37):
            counts = [first, first + 16, first + 96, first + 145, first + 229]
            found = compare(stored(counts), {"check": stored([x - 100 for x in counts])})["check"]
            assert found.answer == "sensitive", counts


class TestPairsOfArms:
    def test_state_their_correlation(self):
        other = [0.5 + 2 * (x - 0.5) for x in TICKET]
        assert compare(TICKET, {"check": other})["check"].correlation == pytest.approx(1.0)
        assert compare(TICKET, {"check": [0.5] * 8})["check"].correlation is None


class TestPairsFarFromTheOthers:
    def test_are_named(self):
        collapsed = twin(-0.001, 0.005)
        collapsed[3] = TICKET[3] - 0.382
        found = compare(TICKET, {"check": collapsed})["check"]
        assert found.answer == "undecided"
        assert found.notes == (
            "1 of 8 pairs is far from the others (seed position 4: -38.2 points): "
            "the t-test is not to be trusted; look at the runs",
        )

    def test_do_not_hide_each_other(self):
        collapsed = twin(-0.001, 0.005)
        collapsed[0], collapsed[6], collapsed[7] = 0.1, 0.1, 0.3
        [note] = compare(TICKET, {"check": collapsed})["check"].notes
        assert note.startswith("3 of 8 pairs are far from the others (seed positions 1, 7, 8: -46.9, -46.4, ")

    def test_are_not_those_within_the_margin(self):
        nearly = [*TICKET[:7], TICKET[7] - 0.009]
        assert not [note for note in compare(TICKET, {"check": nearly})["check"].notes if "far" in note]

    @pytest.mark.slow
    @pytest.mark.parametrize(("seeds", "most"), [(5, 0.04), (10, 0.005)])
    def test_are_rare_where_differences_are_normal(self, seeds, most):
        rng = np.random.default_rng(0)
        families = [rng.normal(0, 0.1, seeds) for _ in range(2000)]
        noted = [
            any(
                "far" in note
                for note in notes_on(d, "undecided", False, 0.01, np.zeros(seeds, bool), Scale())
            )
            for d in families
        ]
        assert np.mean(noted) <= most


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([0.9, 0.8], {"a": [0.9, 0.8]}), r"at least 3 pairs .* has 2\. Plan 10 to 20"),
            (([], {}), r"at least 3 pairs .* has 0\."),
            (([0.9, 0.8, 0.7], {"a": [0.9, 0.8, 0.7, 0.6]}), r"has 3, twin 'a' 4"),
            (([96.9, 97.2, 95.8], {}), r"reference .* not per cent. Received: \[96\.9, 97\.2, 95\.8\]"),
            (([0.9, 0.8, 0.7], {"a": [0.9, math.nan, 0.7]}), r"Twin 'a' .* finite .* Received: \[nan\]"),
            (([0.9, 0.8, -0.1], {}), r"\[0, 1\].* Received: \[-0\.1\]"),
            (([0.9, 0.8, None], {}), r"reference .* Received: \[nan\]"),
            ((["good", 0.8, 0.7], {}), r"needs numbers.* Received: \['good', 0\.8, 0\.7\]"),
            (([[0.9, 0.8, 0.7]], {}), r"flat sequence.* Shape: \(1, 3\)"),
        ],
    )
    def test_name_what_was_received(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            compare(*arguments)

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("margin", 0),
            ("margin", 1),
            ("margin", math.nan),
            ("alpha", 0),
            ("alpha", 0.5),
            ("power", 0),
            ("power", 1),
            ("chance", 1.1),
            ("chance", math.nan),
        ],
    )
    def test_name_options_out_of_range(self, option, value):
        with pytest.raises(ValueError, match=f"`{option}`.*Received: {value}"):
            compare(TICKET, {}, **{option: value})

    @pytest.mark.parametrize(
        "options",
        [{"deviation": -0.1}, {"deviation": math.inf}, {"difference": 2.0}, {"checks": 0}, {"margin": 1.0}],
    )
    def test_name_plans_out_of_range(self, options):
        with pytest.raises(
            ValueError, match=f"`{next(iter(options))}`.*Received: {next(iter(options.values()))}"
        ):
            seeds_to_plan(**{"deviation": 0.01, **options})


class TestWrongAnswers:
    """No more often than alpha, in families at the border of what would be right."""

    @pytest.mark.slow
    @pytest.mark.parametrize("checks", [1, 4, 9])
    @pytest.mark.parametrize("seeds", [3, 5, 10, 20])
    @pytest.mark.parametrize("deviation", [0.005, 0.013, 0.025])
    def test_are_rare_under_normal_noise(self, alarms, checks, seeds, deviation):
        case = alarms.Case(checks, seeds, deviation)
        assert alarms.wrongly_insensitive(case, FAMILIES) <= ALPHA + TOLERANCE
        assert alarms.wrongly_sensitive(case, FAMILIES) <= ALPHA + TOLERANCE

    @pytest.mark.slow
    @pytest.mark.parametrize("seeds", [5, 20])
    @pytest.mark.parametrize("noise", ["t with 3 degrees of freedom", "a test set of 360 images"])
    def test_are_rare_under_heavy_tails_and_in_whole_images(self, alarms, noise, seeds):
        case = alarms.Case(4, seeds, noise=noise)
        assert alarms.wrongly_insensitive(case, FAMILIES) <= ALPHA + TOLERANCE
        assert alarms.wrongly_sensitive(case, FAMILIES) <= ALPHA + TOLERANCE

    @pytest.mark.parametrize("border", [0.0, -0.01], ids=["no difference", "the margin"])
    def test_are_rare_beside_checks_whose_answer_is_plain(self, border):
        rng = np.random.default_rng(0)
        seeds, checks = 10, 6
        # One half lies at the border, the other is so plain that Holm's method leaves its alpha to the first.
        truth = np.repeat([border, -0.3 if border == 0 else 0.0], checks // 2)
        shared = rng.normal(0, 0.004, (FAMILIES, seeds, 1))
        found = truth + shared + rng.normal(0, 0.002, (FAMILIES, seeds, checks))
        columns = np.moveaxis(found, 1, 0).reshape(seeds, -1)
        equivalent, different = (
            statistics.holm(p.reshape(FAMILIES, checks)) for p in statistics.p_values(columns, 0.01)
        )
        p = (different if border == 0 else equivalent) <= ALPHA
        assert p[:, checks // 2 :].mean() > 0.99
        assert p[:, : checks // 2].any(axis=1).mean() <= ALPHA + TOLERANCE

    def test_are_common_where_collapses_were_not_seen(self, alarms):
        """What no test can know: 10 runs miss a collapse of 1 in 10 in 35 % of all cases. The docs say so."""
        case = alarms.Case(1, 10, 0.003, noise="only twins collapse, 1 time in 10")
        assert alarms.wrongly_insensitive(case, FAMILIES) == pytest.approx(0.9**10, abs=0.03)

    @pytest.mark.slow
    def test_are_counted_as_compare_answers(self, alarms):
        case = alarms.Case(4, 5, 0.008, drop=0.01)
        found = alarms.answers(case, 20)
        for family, differences in zip(found, alarms.differences(case, 20), strict=True):
            twins = {str(i): 0.5 + column for i, column in enumerate(differences.T)}
            assert [one.answer for one in compare([0.5] * 5, twins).values()] == family.tolist()


class TestPower:
    @pytest.mark.parametrize(
        ("checks", "seeds", "deviation", "margin", "insensitive", "sensitive"),
        [
            (1, 5, 0.005, 0.01, 0.93, 0.99),
            (1, 10, 0.013, 0.01, 0.43, 0.98),
            (1, 20, 0.013, 0.01, 0.89, 0.99),
            (4, 20, 0.013, 0.01, 0.79, 0.99),
            (9, 10, 0.013, 0.02, 0.96, 0.99),
            (1, 20, 0.025, 0.02, 0.91, 0.99),
            (1, 5, 0.013, 0.01, 0.10, 0.70),  # five seeds decide nothing at a margin of one point
        ],
    )
    def test_reaches_what_the_docs_promise(
        self, alarms, checks, seeds, deviation, margin, insensitive, sensitive
    ):
        found = alarms.power(alarms.Case(checks, seeds, deviation, margin), FAMILIES)
        assert found[0] >= insensitive
        assert found[1] >= sensitive


class TestSeedsNeeded:
    @pytest.mark.parametrize(
        ("mean", "deviation"),
        [(0.0, 0.016), (-0.002, 0.012), (-0.006, 0.015), (-0.008, 0.02), (-0.012, 0.02), (0.03, 0.06)],
    )
    def test_decide_with_about_the_power(self, alarms, mean, deviation):
        first = verdict(mean, deviation)
        assert first.answer == "undecided"
        found = alarms.answers(alarms.Case(1, first.seeds_needed, deviation, drop=-mean), FAMILIES)
        assert 0.7 <= np.mean(found != "undecided") <= 0.9

    def test_decide_in_a_family_too(self, alarms):
        seeds = seeds_to_plan(0.013, checks=4)
        found = alarms.answers(alarms.Case(4, seeds, 0.013), FAMILIES)
        # Holm's method is more powerful than Bonferroni's, with which one plans.
        assert 0.8 <= np.mean(found != "undecided") <= 0.95

    def test_are_those_of_statsmodels_for_a_difference(self):
        exact = TTestPower().solve_power(effect_size=0.5, alpha=ALPHA, power=0.8)
        assert seeds_to_plan(0.06, difference=-0.03) == math.ceil(exact)

    @pytest.mark.slow
    @settings(max_examples=10, deadline=None)
    @given(
        deviation=st.floats(0, 1),
        difference=st.floats(-1, 1),
        margin=st.floats(1e-4, 0.5),
        checks=st.integers(1, 20),
    )
    def test_grow_with_spread_checks_and_power(self, deviation, difference, margin, checks):
        def plan(spread=deviation, **options):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                return seeds_to_plan(
                    spread, **{"difference": difference, "margin": margin, "checks": checks, **options}
                )

        assert statistics.LEAST_SEEDS <= plan() <= statistics.MOST_SEEDS
        assert plan(1.1 * deviation) >= plan()
        assert plan(checks=checks + 1) >= plan()
        assert plan(power=0.95) >= plan()

    def test_are_few_for_differences_without_spread(self):
        assert seeds_to_plan(0.0) == seeds_to_plan(1e-300) == statistics.LEAST_SEEDS

    def test_are_capped(self):
        assert seeds_to_plan(0.5, margin=0.001) == statistics.MOST_SEEDS


class TestSimulation:
    @pytest.mark.slow
    def test_writes_its_tables(self, alarms, tmp_path, capsys):
        given = types.SimpleNamespace(families=2, output=str(tmp_path / "alarms.json"))
        with mock.patch.object(alarms.flags, "FLAGS", given):
            alarms.main([])
        assert capsys.readouterr().err == ""
        found = json.loads((tmp_path / "alarms.json").read_text())
        published = json.loads((ROOT / "docs" / "laptop" / "alarms.json").read_text())
        assert (found.pop("families"), published.pop("families")) == (2, 10_000)
        sizes, of_published = ({name: len(rows) for name, rows in x.items()} for x in (found, published))
        assert sizes == of_published

    @pytest.mark.slow
    def test_plans_the_seeds_that_are_published(self, alarms):
        published = json.loads((ROOT / "docs" / "laptop" / "alarms.json").read_text())
        assert [*alarms.plans(families=0)] == published["plans"]

    @pytest.mark.parametrize("noise", [0, 1, 2, 3])
    def test_has_the_differences_that_it_claims(self, alarms, noise):
        case = alarms.Case(3, 10, drop=0.02, noise=[*alarms.NOISES][noise])
        found = alarms.differences(case, 20_000)
        error = found.std() / math.sqrt(found.shape[0] * found.shape[1])
        assert found.mean() == pytest.approx(-0.02, abs=4 * error)
        if not alarms.NOISES[case.noise].twin_collapses:
            # Counts of 360 images are rounded, and t with 3 degrees of freedom has no fourth moment.
            assert found.std() == pytest.approx(0.013, rel=0.05)
        assert np.corrcoef(found[..., 0].ravel(), found[..., 1].ravel())[0, 1] == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_importing_it_loads_nothing_heavy():
    code = (
        "import sys; from tf_tickets.sanity import statistics; "
        "print([name for name in ('tensorflow', 'keras', 'scipy', 'statsmodels') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_t_test_of_whole_columns_is_one_of_each():
    columns = np.random.default_rng(0).normal(0.002, 0.01, (6, 5))
    equivalent, different = statistics.p_values(columns, 0.01)
    assert different == pytest.approx(ttest_1samp(columns, 0).pvalue)
    sides = [(-0.01, "greater"), (0.01, "less")]
    assert equivalent == pytest.approx(
        np.max([ttest_1samp(columns, limit, alternative=side).pvalue for limit, side in sides], axis=0)
    )
