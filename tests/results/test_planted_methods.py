"""Methods of which it is known what they know: the laboratory names it, or says that it cannot tell.

A study is simulated as its runs: a ticket and the random ones between it and tickets of hand-made ratios, at
16 seeds, with the spread that real runs have.
"""

import dataclasses
import functools
import pathlib

import numpy as np
import pytest

from tests.reporting import synthetic
from tf_tickets.results import Run, components, experiments, verdicts
from tf_tickets.results.components import CONNECTIONS, RATIOS, WEIGHTS

SEEDS, STUDIES, NEEDED = 16, 40, 38
MARGIN, SPREAD = 0.005, 0.0032  # of a run, so that the difference of two has a deviation of 0.45 points
FLOOR = 0.85  # what random tickets of hand-made ratios reach
# Arm -> which of ratios, connections and weights are the ticket's there.
ARMS = {
    None: (1, 1, 1),
    "reinitialize": (1, 1, 0),
    "rearrange": (1, 0, 0),
    "rearrange+reinitialize": (1, 0, 0),
}
# Method -> what each of them is worth to it.
NULLS = ("random", "erk", "balanced")
PLANTED = {
    RATIOS: (0.02, 0.0, 0.0),
    CONNECTIONS: (0.0, 0.02, 0.0),
    WEIGHTS: (0.0, 0.0, 0.02),
}


def made(config, accuracy, template):
    """A finished run in memory."""
    result = {**template, "seed": config.seed, "test_accuracy": accuracy, "test_trials": 10_000}
    path = pathlib.Path(f"{config.method}-{config.sanity_check}-{config.seed}")
    return Run(path, "finished", config.to_json(), result)


@functools.cache
def design():
    """The experiment of a study, of which only the accuracies are not the study's."""
    template = {"chance_accuracy": 0.1, "kept": 20, "total": 1000, "layers": []}
    arms = [*(("snip", check) for check in ARMS), *((method, None) for method in (*NULLS, "dense"))]
    (found,) = experiments(
        made(synthetic.config(method, 0.98, seed, check), FLOOR, template)
        for method, check in arms
        for seed in range(SEEDS)
    )
    return found


def study(worth, rng):
    """The experiment of a simulated study."""

    def level(arm):
        if arm.method == "snip":
            return FLOOR + float(np.dot(worth, ARMS[arm.check]))
        return FLOOR if arm.method in NULLS else 0.9

    def reached(arm, run):
        accuracy = round(level(arm) + SPREAD * rng.standard_normal(), 4)
        return dataclasses.replace(run, result={**run.result, "test_accuracy": accuracy})

    arms = {
        arm: {seed: reached(arm, run) for seed, run in runs.items()} for arm, runs in design().arms.items()
    }
    return dataclasses.replace(design(), arms=arms)


def named(experiment):
    """What the laboratory says that the method's lead is made of, and what of its components."""
    found = {one.versus: one.answer for one in components(experiment, margin=MARGIN)}
    return {name for name, answer in found.items() if answer == "sensitive"}, found


@pytest.mark.slow
@pytest.mark.parametrize("planted", PLANTED)
def test_a_method_that_uses_one_thing_is_named_by_it(planted):
    rng = np.random.default_rng(0)
    right, shown = 0, 0
    for _ in range(STUDIES):
        matters, answers = named(study(PLANTED[planted], rng))
        others = [answer for name, answer in answers.items() if name != planted]
        right += matters == {planted} and "reversed" not in others
        shown += others == ["insensitive"] * 2
    assert right >= NEEDED
    # That the other two do not matter is shown by so many seeds in most studies, and never wrongly denied.
    assert shown >= 0.8 * STUDIES


@pytest.mark.slow
@pytest.mark.parametrize("lead", [0.0, 0.003], ids=["none", "below the margin"])
def test_of_a_method_that_has_no_lead_beyond_the_margin_nothing_is_said(lead):
    """One that ignores all, and one whose ratios are worth less than the margin."""
    rng = np.random.default_rng(1)
    right = 0
    for _ in range(STUDIES):
        found = study((lead, 0.0, 0.0), rng)
        answers = set(named(found)[1].values()) | {x.answer for x in verdicts(found, margin=MARGIN)}
        right += "insensitive" not in answers
    assert right >= NEEDED


@pytest.mark.slow
def test_ratios_alone_make_a_method_insensitive_to_rearranging_and_connections_do_not():
    """What the check says follows from what the lead is made of."""
    rng = np.random.default_rng(2)
    answers = {planted: [] for planted in PLANTED}
    for planted, worth in PLANTED.items():
        for _ in range(5):
            of_checks = {x.versus: x.answer for x in verdicts(study(worth, rng), margin=MARGIN)}
            answers[planted].append(of_checks["rearrange"])
    assert answers == {
        RATIOS: ["insensitive"] * 5,
        CONNECTIONS: ["sensitive"] * 5,
        WEIGHTS: ["sensitive"] * 5,
    }


def test_the_components_add_up_to_the_lead():
    found = study((0.01, 0.005, 0.003), np.random.default_rng(3))
    parts = components(found, margin=MARGIN)
    best = max(
        parts[0].comparison.leads[1].gain,
        -sum(part.comparison.difference for part in parts),
    )
    assert sum(part.comparison.difference for part in parts) == pytest.approx(-best)
    assert dataclasses.asdict(parts[0].comparison)["seeds"] == SEEDS
