"""Ratios x positions: what the effects are, and that they are told apart."""

import numpy as np
import pytest

from tests.reporting import synthetic
from tests.results.test_planted_methods import made
from tf_tickets.results import experiments, factorials
from tf_tickets.results.factorial import CELLS, EFFECTS

SEEDS = 16
RATIOS, POSITIONS, AGAINST_RANDOM, INTERACTION, WITH_RANDOM = EFFECTS


def crossed(worth, rng=None, but_for="", seeds=SEEDS):
    """An experiment of six arms, each with the accuracy that (ratios, positions) are worth, and its nulls."""
    template = {"chance_accuracy": 0.1, "kept": 20, "total": 1000, "layers": []}
    runs = []
    arms = [("snip", check, worth(*cell)) for cell, check in CELLS.items() if check != but_for]
    arms += [(method, None, 0.7) for method in ("random", "erk", "balanced")]
    for method, check, level in arms:
        for seed in range(seeds):
            noise = 0.0 if rng is None else 0.003 * rng.standard_normal()
            config = synthetic.config(method, 0.98, seed, check)
            runs.append(made(config, round(level + noise, 4), template))
    (found,) = experiments(runs)
    return found


def test_effects_are_differences_of_means_over_the_other_factor():
    """Ratios are worth 3 points, positions 1 over corrupted and 2 over random ones; nothing interacts."""
    places = {"clean": 0.02, "corrupted": 0.01, "random": 0.0}
    found = crossed(lambda ratios, positions: 0.8 + 0.03 * (ratios == "clean") + places[positions])
    differences = {one.versus: one.comparison.difference for one in factorials(found, margin=0.005)}
    assert differences == pytest.approx(
        {RATIOS: -0.03, POSITIONS: -0.01, AGAINST_RANDOM: -0.02, INTERACTION: 0.0, WITH_RANDOM: 0.0}, abs=1e-6
    )


def test_an_interaction_is_half_the_difference_of_the_differences():
    """Positions are worth 2 points within the ratios that were chosen with them, and cost 1 elsewhere."""
    worth = {("clean", "clean"): 0.02, ("corrupted", "clean"): -0.01}
    found = crossed(lambda *cell: 0.8 + worth.get(cell, 0.0))
    differences = {one.versus: one.comparison.difference for one in factorials(found, margin=0.005)}
    assert differences[INTERACTION] == pytest.approx(-(0.02 - (-0.01)) / 2, abs=1e-6)


@pytest.mark.parametrize(
    ("worth", "matters"),
    [
        (lambda ratios, positions: 0.85 if ratios == "clean" else 0.8, {RATIOS}),
        (lambda ratios, positions: 0.85 if positions == "clean" else 0.8, {POSITIONS, AGAINST_RANDOM}),
        (lambda ratios, positions: 0.85 if positions != "random" else 0.8, {AGAINST_RANDOM}),
        (lambda ratios, positions: 0.85, set()),
    ],
    ids=["ratios", "positions by the data", "positions by the score", "nothing"],
)
def test_what_is_planted_is_named(worth, matters):
    found = crossed(worth, np.random.default_rng(0))
    answers = {one.versus: one.answer for one in factorials(found, margin=0.005)}
    assert {name for name, answer in answers.items() if answer == "sensitive"} == matters
    assert {answer for name, answer in answers.items() if name not in matters} == {"insensitive"}


def test_positions_that_harm_are_said_to_be_reversed():
    found = crossed(lambda ratios, positions: 0.8 if positions == "clean" else 0.85, np.random.default_rng(1))
    answers = {one.versus: one.answer for one in factorials(found, margin=0.005)}
    assert answers[POSITIONS] == answers[AGAINST_RANDOM] == "reversed"


@pytest.mark.parametrize("check", [check for check in CELLS.values() if check])
def test_nothing_is_said_where_an_arm_is_missing(check):
    assert factorials(crossed(lambda *cell: 0.8, but_for=check, seeds=3), margin=0.005) == []
