"""What the statistics say of a ticket: a `Verdict` for each check that it ran under."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tf_tickets.results.arms import Arm
from tf_tickets.results.experiment import Experiment
from tf_tickets.results.variant import Variant

if TYPE_CHECKING:
    from tf_tickets.sanity.statistics import Comparison


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A ticket against another arm, over the seeds of both: its attacked twin, or a baseline.

    Attributes:
        variant: the ticket's.
        sparsity: the ticket's.
        versus: name of the check or of the baseline.
        seeds: those that both have, ascending.
        comparison: what the statistics say; None where there are too few seeds.
        reason: why there is no comparison.
    """

    variant: Variant
    sparsity: float
    versus: str
    seeds: tuple[int, ...]
    comparison: Comparison | None
    reason: str | None = None

    def __repr__(self) -> str:
        said = f"no verdict: {self.reason}" if self.comparison is None else str(self.comparison)
        return f"Verdict({self.variant.label} at {self.sparsity:g} versus {self.versus}: {said})"


def verdicts(experiment: Experiment, *, margin: float | None = None, alpha: float = 0.05) -> list[Verdict]:
    """What each check says of each method at each sparsity: one family of tests a method and sparsity.

    Args:
        experiment: of `experiments`.
        margin: of equivalence, in the unit of the metric (0.01 of accuracy is one point); None: its own.
        alpha: chance of a false answer in a family.

    Returns:
        A Verdict for each check that ran; those with too few seeds in common say so.
    """
    found = []
    for variant, sparsity in dict.fromkeys((arm.variant, arm.sparsity) for arm in experiment.arms):
        if not variant.prunes or sparsity is None:
            continue
        attacked = {
            check: experiment.endpoints(variant, sparsity, check) for check in experiment.checks(variant)
        }
        found += judge(experiment, variant, sparsity, attacked, margin, alpha)
    return found


def judge(
    experiment: Experiment,
    variant: Variant,
    sparsity: float,
    others: Mapping[str, Mapping[int, float]],
    margin: float | None,
    alpha: float,
    says_nothing_at_chance: bool = True,
) -> list[Verdict]:
    """The verdicts of one family of tests: a ticket against others, each over the seeds that both have.

    Args:
        experiment: the ticket's.
        variant, sparsity: the ticket's.
        others: name -> seed -> endpoint.
        margin: of equivalence, in the unit of the metric (0.01 of accuracy is one point); None: its own.
        alpha: chance of a false answer in the family.
        says_nothing_at_chance: whether nothing is asked of a ticket that is no better than guessing.
    """
    from tf_tickets.sanity.statistics import LEAST_SEEDS, compare_pairs

    runs = experiment.arms.get(Arm(variant, sparsity, None), {})
    reference = {seed: run.endpoint for seed, run in runs.items()}
    common = {name: sorted(reference.keys() & values.keys()) for name, values in others.items() if values}
    scale = experiment.scale
    margin = scale.checked_margin(margin)
    chances = [run.chance for run in runs.values() if says_nothing_at_chance]
    known = [x for x in chances if x is not None]
    comparisons = {}
    if margin is not None:
        comparisons = compare_pairs(
            {
                name: ([reference[seed] for seed in seeds], [others[name][seed] for seed in seeds])
                for name, seeds in common.items()
                if len(seeds) >= LEAST_SEEDS
            },
            margin=margin,
            alpha=alpha,
            chance=scale.best(known) if known else None,
            scale=scale,
        )
    found = []
    for name, seeds in common.items():
        reason = None
        if not runs:
            reason = "the ticket itself has not been run"
        elif margin is None:
            reason = f"no margin is said of {scale.words}"
        elif name not in comparisons:
            reason = f"{len(seeds)} of at least {LEAST_SEEDS} seeds"
        found.append(Verdict(variant, sparsity, name, tuple(seeds), comparisons.get(name), reason))
    return found
