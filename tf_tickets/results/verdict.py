"""What the statistics say of a ticket against another arm: a `Verdict`."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tf_tickets.results.arms import Arm
from tf_tickets.results.experiment import Experiment
from tf_tickets.results.fields import grouped
from tf_tickets.results.margin import Margin, margin_for
from tf_tickets.results.nulls import Nulls, nulls_of
from tf_tickets.results.variant import Variant
from tf_tickets.sanity.checks import CHECKS, CONTROL
from tf_tickets.support.scale import Scale
from tf_tickets.support.words import listed, plural

if TYPE_CHECKING:
    from tf_tickets.sanity.statistics import Comparison, Lead

ACCURACY = Scale()
# Seed -> what one side reached, and what the other did.
Sides = tuple[Mapping[int, float], Mapping[int, float]]
# Name of a check or baseline -> the family of tests that it belongs to.
Families = Mapping[str, str]


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
        family: the family of tests that it was judged in.
        missing: seeds that one of the two has and the other lacks, ascending: those are not judged.
        remarks: what must be known of how it was made, beside the comparison's notes.
        scale: of what is judged.
    """

    variant: Variant
    sparsity: float
    versus: str
    seeds: tuple[int, ...]
    comparison: Comparison | None
    reason: str | None = None
    family: str = ""
    missing: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()
    scale: Scale = ACCURACY

    def __repr__(self) -> str:
        said = f"no verdict: {self.reason}" if self.comparison is None else str(self.comparison)
        return f"Verdict({self.variant.label} at {self.sparsity:g} versus {self.versus}: {said})"

    @property
    def answer(self) -> str | None:
        """The answer of the statistics; None where there are too few seeds."""
        return None if self.comparison is None else self.comparison.answer

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be known beside the answer."""
        found = [] if self.comparison is None else list(self.comparison.notes)
        if self.missing:
            every = len(self.missing) + len(self.seeds)
            found.append(
                f"of {plural(every, 'seed')} {len(self.missing)} lack a run ({listed(self.missing)}) and are "
                "not judged: runs that diverge are not missing at random"
            )
        return (*found, *self.remarks)


def verdicts(
    experiment: Experiment,
    *,
    margin: float | str | Margin | None = None,
    alpha: float = 0.05,
    scale: Scale | None = None,
    families: Families | None = None,
) -> list[Verdict]:
    """What each check says of each method at each sparsity.

    Args:
        experiment: of `experiments`.
        margin: of equivalence, in the unit of the metric (0.01 of accuracy is one point), or a part of the
            gap between the best random null and the dense network (`"25%"`); None: the metric's own.
        alpha: chance of a false answer in a family.
        scale: of another metric that is to be judged, such as `tf_tickets.support.scale.LOSS`.
        families: check -> the family of tests that it belongs to. None: checks of one claim are one family,
            and controls are in none.

    Returns:
        A Verdict for each check that ran; those with too few seeds in common say so.
    """
    found = []
    for variant, sparsity in experiment.tickets:
        checks = experiment.checks(variant)
        attacked = {check: experiment.endpoints(variant, sparsity, check, scale) for check in checks}
        found += judge(
            experiment,
            variant,
            sparsity,
            attacked,
            margin,
            alpha,
            scale=scale,
            nulls=nulls_of(experiment, variant, sparsity, scale),
            families=families_of(checks, families),
        )
    return found


def leads_of(found: Iterable[Verdict]) -> list[Lead]:
    """The leads of a ticket, of which its verdicts have those that they were asked for, each null once."""
    leads = {lead.null: lead for one in found if one.comparison is not None for lead in one.comparison.leads}
    return list(leads.values())


def families_of(checks: list[str], declared: Families | None = None) -> dict[str, str]:
    """The family of tests of each check: as declared, or else its claim; a control is one of its own."""
    found = {}
    for check in checks:
        # Of a check of the user's own nothing is imported: it is a family of its own.
        claim = CHECKS[check].claim if check in CHECKS else None
        found[check] = (declared or {}).get(check, check if claim in (None, CONTROL) else claim)
    return found


def judge(
    experiment: Experiment,
    variant: Variant,
    sparsity: float,
    others: Mapping[str, Mapping[int, float]],
    margin: float | str | Margin | None,
    alpha: float,
    *,
    scale: Scale | None = None,
    nulls: Nulls | None = None,
    families: Families | None = None,
) -> list[Verdict]:
    """The verdicts on one ticket: against others, each over the seeds that both have.

    Args:
        experiment: the ticket's.
        variant, sparsity: the ticket's.
        others: name -> seed -> what was reached.
        margin: see `verdicts`.
        alpha: chance of a false answer in a family.
        scale: of what is judged; None: the experiment's.
        nulls: of the ticket. None: none are asked for, as the others are no attacks; then nothing is said
            only where both sides are no better than guessing.
        families: name -> family. None: all are one.
    """
    own = experiment.endpoints(variant, sparsity, None, scale)
    pairs = {name: (own, reached) for name, reached in others.items() if reached}
    return judge_pairs(
        experiment,
        variant,
        sparsity,
        pairs,
        margin,
        alpha,
        scale=scale,
        nulls=nulls,
        both_at_chance=nulls is None,
        families=families,
    )


def judge_pairs(
    experiment: Experiment,
    variant: Variant,
    sparsity: float,
    pairs: Mapping[str, Sides],
    margin: float | str | Margin | None,
    alpha: float,
    *,
    scale: Scale | None = None,
    nulls: Nulls | None = None,
    both_at_chance: bool = False,
    families: Families | None = None,
) -> list[Verdict]:
    """Verdicts on pairs of sides that have to do with one ticket, each over the seeds that both have.

    Args:
        experiment, variant, sparsity: the ticket's.
        pairs: name -> what the one side reached at each seed, and what the other did, which is judged.
        margin, alpha, scale, nulls, families: see `judge`.
        both_at_chance: whether nothing is said only where both sides are no better than guessing; otherwise
            where the first is not.
    """
    ticket = experiment.endpoints(variant, sparsity, None, scale)
    runs = experiment.arms.get(Arm(variant, sparsity, None), {})
    judged = scale or experiment.scale
    asked = margin_for(margin, judged)
    value = None if asked is None else _in_numbers(asked, experiment, variant, sparsity, scale)
    known = [run.chance for run in runs.values() if scale is None and run.chance is not None]
    sizes = {run.trials for run in runs.values()}
    examples = sizes.pop() if len(sizes) == 1 else None
    comparisons: dict[str, Comparison] = {}
    if value is not None:
        for names in grouped(pairs, lambda name: (families or {}).get(name, "")).values():
            comparisons |= _compared(
                {name: pairs[name] for name in names},
                ticket,
                nulls,
                margin=value,
                alpha=alpha,
                chance=judged.best(known) if known else None,
                both_at_chance=both_at_chance,
                examples=examples,
                scale=judged,
            )
    remarks = _remarks(asked, value, nulls, judged)
    found = []
    for name, (side, other) in pairs.items():
        seeds = sorted(side.keys() & other.keys())
        reason = None
        if not runs:
            reason = "the ticket itself has not been run"
        elif asked is None:
            reason = f"no margin is said of {judged.words}"
        elif value is None:
            reason = "there is no gap between its random nulls and the dense network to take a part of"
        elif name not in comparisons:
            reason = f"{len(seeds)} of at least {_least_seeds()} seeds"
        found.append(
            Verdict(
                variant,
                sparsity,
                name,
                tuple(seeds),
                comparisons.get(name),
                reason,
                (families or {}).get(name, ""),
                tuple(sorted(side.keys() ^ other.keys())) if side else (),
                remarks,
                judged,
            )
        )
    return found


def _compared(
    pairs: Mapping[str, Sides], ticket: Mapping[int, float], nulls: Nulls | None, **settings: Any
) -> dict[str, Comparison]:
    """The comparisons of one family, of those with enough seeds.

    Args:
        pairs: see `judge_pairs`.
        ticket: seed -> what the ticket reached.
        nulls: of the ticket.
        **settings: see `compare_pairs`.
    """
    from tf_tickets.sanity.statistics import LEAST_SEEDS, compare_pairs

    def known(sides: Mapping[str, Sides]) -> dict[str, tuple[list[float], list[float]]]:
        """The sides over the seeds that both have, where these are enough."""
        found = {}
        for name, (side, other) in sides.items():
            seeds = sorted(side.keys() & other.keys())
            if len(seeds) >= LEAST_SEEDS:
                found[name] = [side[seed] for seed in seeds], [other[seed] for seed in seeds]
        return found

    of_nulls = None
    if nulls is not None:
        of_nulls = {
            null: known({arm: (ticket, reached) for arm, reached in arms.items()})
            for null, arms in nulls.arms.items()
        }
    return compare_pairs(known(pairs), nulls=of_nulls, **settings)


def _in_numbers(
    margin: Margin, experiment: Experiment, variant: Variant, sparsity: float, scale: Scale | None
) -> float | None:
    """A margin in the unit of what is judged; None where there is no gap that it could be a part of."""
    if not margin.of_gap:
        return margin.value
    judged = scale or experiment.scale
    best = nulls_of(experiment, variant, sparsity, scale).best_of_hand(judged)
    dense = experiment.endpoints_of_dense(scale)
    if not best or not dense:
        return None
    gap = judged.gain(statistics.fmean(dense.values()) - statistics.fmean(best.values()))
    return margin.value * gap if gap > 0 else None


def _remarks(asked: Margin | None, value: float | None, nulls: Nulls | None, scale: Scale) -> tuple[str, ...]:
    found = []
    if asked is not None and asked.of_gap and value is not None:
        found.append(f"the margin, {asked.words(scale)}, is {scale.margin_words(float(f'{value:.3g}'))}")
    if nulls is not None and nulls.shortfall is not None:
        found.append(nulls.shortfall)
    return tuple(found)


def _least_seeds() -> int:
    from tf_tickets.sanity.statistics import LEAST_SEEDS

    return LEAST_SEEDS
