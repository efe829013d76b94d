"""Ratios or positions: what a method's data decide of its tickets, as a factorial of two by three arms.

A ticket says how many weights each layer keeps, and which ones. Crossed are the ratios chosen on clean and on
corrupted data with the positions chosen within them on clean data, on corrupted data, and at random.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tf_tickets.results.experiment import Experiment
from tf_tickets.results.margin import Margin
from tf_tickets.results.nulls import nulls_of
from tf_tickets.results.variant import Variant
from tf_tickets.results.verdict import Sides, Verdict, judge_pairs
from tf_tickets.support.scale import Scale

CLEAN, CORRUPTED, RANDOM = "clean", "corrupted", "random"
# (ratios, positions) -> the check of the arm; None: the ticket.
CELLS: Mapping[tuple[str, str], str | None] = {
    (CLEAN, CLEAN): None,
    (CLEAN, CORRUPTED): "corrupted_positions",
    (CLEAN, RANDOM): "rearrange",
    (CORRUPTED, CLEAN): "corrupted_ratios",
    (CORRUPTED, CORRUPTED): "corrupted",
    (CORRUPTED, RANDOM): "corrupted+rearrange",
}
FAMILY = "ratios and positions"
# Effect -> the arms of which the mean is taken, and those that it is compared with.
EFFECTS: Mapping[str, tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]] = {
    "ratios chosen on the data": (
        ((CLEAN, CLEAN), (CLEAN, CORRUPTED), (CLEAN, RANDOM)),
        ((CORRUPTED, CLEAN), (CORRUPTED, CORRUPTED), (CORRUPTED, RANDOM)),
    ),
    "positions chosen on the data": (
        ((CLEAN, CLEAN), (CORRUPTED, CLEAN)),
        ((CLEAN, CORRUPTED), (CORRUPTED, CORRUPTED)),
    ),
    "positions chosen on the data, against random ones": (
        ((CLEAN, CLEAN), (CORRUPTED, CLEAN)),
        ((CLEAN, RANDOM), (CORRUPTED, RANDOM)),
    ),
    "interaction with corrupted positions": (
        ((CLEAN, CLEAN), (CORRUPTED, CORRUPTED)),
        ((CLEAN, CORRUPTED), (CORRUPTED, CLEAN)),
    ),
    "interaction with random positions": (
        ((CLEAN, CLEAN), (CORRUPTED, RANDOM)),
        ((CLEAN, RANDOM), (CORRUPTED, CLEAN)),
    ),
}


def factorials(
    experiment: Experiment,
    *,
    margin: float | str | Margin | None = None,
    alpha: float = 0.05,
    scale: Scale | None = None,
) -> list[Verdict]:
    """The effects of a method's ratios and of its positions, and their interactions.

    Args:
        experiment: of `experiments`.
        margin, alpha, scale: see `verdicts`. The effects of one ticket are one family of tests.

    Returns:
        A Verdict for each effect of each ticket of which all six arms were run. A difference is the mean of
        the arms without it less the mean of those with it, seed by seed; of an interaction half the
        difference of the two differences, as is usual for factors of two levels.
    """
    found = []
    for variant, sparsity in experiment.tickets:
        cells = cells_of(experiment, variant, sparsity, scale)
        if not all(cells.values()):
            continue
        pairs: dict[str, Sides] = {
            name: (_mean(cells[cell] for cell in given), _mean(cells[cell] for cell in without))
            for name, (given, without) in EFFECTS.items()
        }
        found += judge_pairs(
            experiment,
            variant,
            sparsity,
            pairs,
            margin,
            alpha,
            scale=scale,
            nulls=nulls_of(experiment, variant, sparsity, scale),
            both_at_chance=True,
            families=dict.fromkeys(pairs, FAMILY),
        )
    return found


def cells_of(
    experiment: Experiment, variant: Variant, sparsity: float, scale: Scale | None = None
) -> dict[tuple[str, str], dict[int, float]]:
    """(ratios, positions) -> seed -> what was reached; empty where an arm was not run."""
    return {cell: experiment.endpoints(variant, sparsity, check, scale) for cell, check in CELLS.items()}


def _mean(arms: Iterable[Mapping[int, float]]) -> dict[int, float]:
    """Over arms, at the seeds that all have."""
    each = list(arms)
    seeds = sorted(set.intersection(*(set(arm) for arm in each)))
    return {seed: sum(arm[seed] for arm in each) / len(each) for seed in seeds}
