"""What one twin says of a ticket: a `Comparison`, which `compare` makes from accuracies over paired seeds."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from tf_tickets.sanity.statistics.answer import (
    CANNOT_TELL,
    INSENSITIVE,
    REVERSED,
    SAYS_NOTHING,
    SENSITIVE,
    UNDECIDED,
    answers,
)
from tf_tickets.sanity.statistics.lead import Lead, Pair, leads, rounded
from tf_tickets.sanity.statistics.notes import notes_on
from tf_tickets.sanity.statistics.paired_accuracies import (
    ACCURACY,
    check_accuracies,
    check_settings,
    check_twin,
)
from tf_tickets.sanity.statistics.paired_tests import floor_of, holm, intervals, moments, p_values
from tf_tickets.sanity.statistics.phrases import needed, p_value
from tf_tickets.sanity.statistics.planning import seeds_needed
from tf_tickets.support.scale import Scale
from tf_tickets.support.words import plural

NO_NULL = "no null was given: whether the ticket had anything to lose is not known"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What one twin says, against the ticket it was made from. Its `str` is one line for people.

    Accuracies and their differences are fractions in [0, 1], not per cent; other metrics are what they are.

    Attributes:
        seeds: number of pairs.
        reference_mean: mean of the metric over the ticket's runs.
        mean: the same of the twin.
        difference: mean of the paired differences, twin minus ticket; a negative one of accuracy is a drop.
        deviation: standard deviation of the paired differences (ddof 1), or the floor that the size of the
            test set sets it.
        correlation: of the two arms over the seeds; None where one of them does not vary. Pairs are worth
            more than two separate means where it is positive.
        interval: confidence interval of the mean difference at level 1 - alpha, of this twin alone: it is not
            widened for the number of twins.
        p_equivalent: Holm-adjusted p-value of equivalence; 1 where the answer is `says nothing`.
        p_different: Holm-adjusted p-value of a difference; 1 where the answer is `says nothing`.
        answer: one of `ANSWERS`.
        seeds_needed: about how many seeds an `undecided` comparison would need in all, if its mean and
            standard deviation stay what they are; `MOST_SEEDS` stands for that or more. None for the other
            answers.
        notes: what a reader must know beside the answer.
        margin: differences smaller than this count as none.
        leads: how far the ticket is ahead of each of its nulls; empty where none was given.
        scale: how the numbers of the metric read.
    """

    seeds: int
    reference_mean: float
    mean: float
    difference: float
    deviation: float
    correlation: float | None
    interval: tuple[float, float]
    p_equivalent: float
    p_different: float
    answer: str
    seeds_needed: int | None
    notes: tuple[str, ...]
    margin: float
    leads: tuple[Lead, ...] = ()
    scale: Scale = ACCURACY

    def __repr__(self) -> str:
        return f"Comparison({self})"

    def __str__(self) -> str:
        scale = self.scale
        low, high = (scale.difference(end) for end in self.interval)
        difference = scale.with_unit_of_differences(scale.difference(self.difference))
        seen = f"{self.answer}: {difference} [{low}, {high}], "
        return seen + _REASONS[self.answer].format(
            margin=scale.margin_words(self.margin),
            loss=scale.loss_word,
            gain=scale.gain_word,
            equivalent=p_value(self.p_equivalent),
            different=p_value(self.p_different),
            seeds=plural(str(self.seeds), "seed"),
            needed=needed(self.seeds_needed),
        )


_REASONS = {
    INSENSITIVE: "equivalent within {margin} ({equivalent}, {seeds})",
    SENSITIVE: "a {loss} ({different}, {seeds})",
    REVERSED: "a {gain} ({different}, {seeds})",
    UNDECIDED: "{seeds}; {needed} would be needed",
    CANNOT_TELL: "within {margin} ({equivalent}, {seeds}), but no lead over a null is shown to exceed that",
    SAYS_NOTHING: "{seeds}; the ticket itself is at the level of guessing",
}


def compare(
    reference: Sequence[float],
    twins: Mapping[str, Sequence[float]],
    *,
    margin: float = 0.01,
    alpha: float = 0.05,
    power: float = 0.8,
    chance: float | None = None,
    examples: int | None = None,
    nulls: Mapping[str, Sequence[float] | Mapping[str, Sequence[float]]] | None = None,
    scale: Scale = ACCURACY,
) -> dict[str, Comparison]:
    """Answers, for each attacked twin of a ticket, whether the attack made a difference.

    With d the true mean difference of accuracy, twin minus ticket, the answer is

    * `insensitive`: |d| < `margin` is shown, by two one-sided paired t-tests (TOST), and so is that the
      ticket leads some null by more than the margin, where nulls are given: it had that to lose;
    * `sensitive`: that is not shown, but d < 0 is, by a two-sided paired t-test: the attack does harm;
    * `reversed`: the same with d > 0, the attacked twin is better;
    * `cannot tell`: |d| < `margin` is shown, but no such lead (and no d other than 0): a ticket that has
      nothing to lose loses nothing, whatever it uses;
    * `undecided`: neither is shown with so many seeds;
    * `says nothing`: the ticket itself is no better than guessing, so that its twins cannot be worse.

    Where both are shown, a certain change smaller than the margin, the answer is `insensitive` with a note
    where the ticket has such a lead, and otherwise the change.

    Twins compared in one call are one family of tests. The p-values of equivalence are adjusted by Holm's
    method over the family, and those of a difference likewise. Holm's method keeps the chance of rejecting
    any true null hypothesis at or below `alpha`, however the p-values depend on each other (all twins share
    their reference), and whichever nulls are true. `insensitive` is answered only where the null |d| >=
    `margin` is rejected, `sensitive` or `reversed` only where the null d = 0 is. So the chance that a family
    holds any wrong `insensitive` is at most `alpha`, and so is the chance that it holds any `sensitive` or
    `reversed` although nothing changed. The two nulls exclude each other: of one comparison at most one of
    both errors is possible, and for a family of one the chance of any error is at most `alpha` (for a larger
    one, twice that). A direction is read off the sign of the mean; for one comparison it is wrong with a
    chance of at most `alpha` / 2. All of this holds for normal differences of independent seeds;
    `scripts/benchmarks/alarms.py` measures it, and what becomes of it otherwise.

    Args:
        reference: test accuracies of the ticket, fractions in [0, 1], one a seed.
        twins: name of a check -> test accuracies of its twin, at the same seeds in the same order.
        margin: differences smaller than this count as none, a fraction in (0, 1); 0.01 is one point.
        alpha: chance of an error that is accepted, in (0, 0.5).
        power: chance of an answer that `seeds_needed` is to give, in (0, 1).
        chance: accuracy of guessing, the largest class's share of the test set. A ticket whose mean accuracy
            is not above `chance` + `margin` gets `says nothing` from every twin. None: not looked at.
        examples: size of the test set, where the metric is a share of it. Standard deviations below
            1 / (`examples` sqrt 6), the rounding of a difference of two such shares, count as that.
        nulls: what the ticket is to be better than, at the same seeds: name of a null -> its accuracies, or
            those of several arms, of which the ticket has to be ahead of each. Of a twin that is an arm of a
            null itself that null is not asked. None: not looked at, which a note says.
        scale: how the numbers read, where they are of another metric: of one of which less is better a rise
            is harm, and those that are no shares are not held to [0, 1], nor is the margin.

    Returns:
        Name of a check -> `Comparison`, in the order of `twins`. Empty if there are no twins.

    Raises:
        ValueError: fewer than 3 pairs, twins of another length than the reference, accuracies that are not
            finite fractions, or an argument out of its range.

    Example:
        >>> ticket = [0.969, 0.972, 0.958, 0.967, 0.975]
        >>> twins = {"rearrange": [0.968, 0.970, 0.960, 0.967, 0.973]}
        >>> print(compare(ticket, twins, nulls={"random": [0.941, 0.939, 0.928, 0.945, 0.947]})["rearrange"])
        insensitive: -0.06 points [-0.27, +0.15], equivalent within 1 point (p < 0.001, 5 seeds)
        >>> compare(ticket, twins, nulls={"random": [0.966, 0.970, 0.962, 0.969, 0.971]})["rearrange"].answer
        'cannot tell'

    Reference: Schuirmann, "A comparison of the two one-sided tests procedure and the power approach" (1987);
    Holm, "A simple sequentially rejective multiple test procedure" (1979). The checks: section 3 of the
    sanity-checking paper.
    """
    pairs = {name: (reference, values) for name, values in twins.items()}
    check_accuracies("The reference", reference, scale)
    given = {
        null: {
            arm: (reference, values)
            for arm, values in (arms if isinstance(arms, Mapping) else {null: arms}).items()
        }
        for null, arms in (nulls or {}).items()
    }
    found = compare_pairs(
        pairs,
        margin=margin,
        alpha=alpha,
        power=power,
        chance=chance,
        examples=examples,
        nulls=None if nulls is None else given,
        scale=scale,
    )
    if nulls is not None:
        return found
    return {
        name: dataclasses.replace(one, notes=(*one.notes, NO_NULL)) if one.answer == INSENSITIVE else one
        for name, one in found.items()
    }


def compare_pairs(
    pairs: Mapping[str, Pair],
    *,
    margin: float = 0.01,
    alpha: float = 0.05,
    power: float = 0.8,
    chance: float | None = None,
    both_at_chance: bool = False,
    examples: int | None = None,
    nulls: Mapping[str, Mapping[str, Pair]] | None = None,
    scale: Scale = ACCURACY,
) -> dict[str, Comparison]:
    """`compare`, of twins that were not all trained at the same seeds.

    Args:
        pairs: name of a check -> test accuracies of the ticket, and those of the twin at the same seeds in
            the same order.
        margin, alpha, power, chance, examples, scale: as for `compare`.
        both_at_chance: `says nothing` is the answer only where neither side is above guessing; for twins of
            which it means something to be better than a ticket that guesses, such as dense networks.
        nulls: null -> arm -> the same two of the ticket and that arm; empty: there is none to be ahead of.
            None: not looked at.

    Returns:
        Name of a check -> Comparison.

    Raises:
        ValueError: as for `compare`.
    """
    check_settings(margin, alpha, power, scale)
    if chance is not None and scale.is_share and not 0 <= chance <= 1:
        raise ValueError(f"`chance` is an accuracy, a fraction in [0, 1]. Received: {chance}.")
    guessing = -math.inf if chance is None else float(rounded(scale.gain(np.array(chance)) + margin, scale))
    floor = floor_of(examples) if scale.is_share else 0.0
    sides = {}
    for name, (reference, values) in pairs.items():
        ticket = check_accuracies(f"The reference of {name!r}", reference, scale)
        sides[name] = ticket, check_twin(name, values, ticket.size, scale)

    def standings(name: str) -> np.ndarray:
        """What is to be above guessing: the ticket, or either side, (sides, seeds)."""
        shown = sides[name] if both_at_chance else sides[name][:1]
        return rounded(scale.gain(np.stack(shown)), scale)

    # Of a ticket that guesses nothing is asked, and nothing adjusted.
    asked = [name for name in sides if rounded(standings(name).mean(axis=1), scale).max() > guessing]
    columns = {name: rounded(twin - ticket, scale)[:, None] for name, (ticket, twin) in sides.items()}
    p = np.array([p_values(columns[name], margin, floor) for name in asked]).reshape(len(asked), 2)
    adjusted = dict(zip(asked, np.stack([holm(p[:, 0]), holm(p[:, 1])], axis=1), strict=True))
    found = {}
    for name, (ticket, twin) in sides.items():
        differences = columns[name]
        p_equivalent, p_different = adjusted.get(name, np.ones(2))
        (mean,), (deviation,) = moments(differences, floor)
        (low,), (high,) = intervals(differences, alpha, floor)
        ahead = leads(_but_for(name, nulls or {}), margin, alpha, scale, floor)
        answer = SAYS_NOTHING
        if name in adjusted:
            could_lose = nulls is None or any(lead.p <= alpha for lead in ahead)
            answer = str(answers(p_equivalent, p_different, scale.gain(mean), alpha, could_lose))
        found[name] = Comparison(
            seeds=ticket.size,
            reference_mean=float(ticket.mean()),
            mean=float(twin.mean()),
            difference=float(mean),
            deviation=float(deviation),
            correlation=_correlation(ticket, twin),
            interval=(float(low), float(high)),
            p_equivalent=float(p_equivalent),
            p_different=float(p_different),
            answer=answer,
            seeds_needed=(
                seeds_needed(mean, deviation, margin, alpha / len(asked), power, ticket.size + 1)
                if answer == UNDECIDED
                else None
            ),
            notes=notes_on(
                differences[:, 0],
                answer,
                p_different <= alpha,
                margin,
                np.all(standings(name) <= guessing, axis=0),
                scale,
            ),
            margin=margin,
            leads=ahead,
            scale=scale,
        )
    return found


def _but_for(twin: str, nulls: Mapping[str, Mapping[str, Pair]]) -> dict[str, Mapping[str, Pair]]:
    """The nulls of which a twin is no arm itself."""
    return {null: arms for null, arms in nulls.items() if twin not in arms}


def _correlation(ticket: np.ndarray, twin: np.ndarray) -> float | None:
    if not (np.ptp(ticket) and np.ptp(twin)):
        return None
    with np.errstate(all="ignore"):  # of numbers next to nothing the variances are none
        found = float(np.corrcoef(ticket, twin)[0, 1])
    return found if math.isfinite(found) else None
