"""What one twin says of a ticket: a `Comparison`, which `compare` makes from accuracies over paired seeds."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from tf_tickets.sanity.statistics.answer import (
    INSENSITIVE,
    REVERSED,
    SAYS_NOTHING,
    SENSITIVE,
    UNDECIDED,
    answers,
)
from tf_tickets.sanity.statistics.notes import notes_on
from tf_tickets.sanity.statistics.paired_accuracies import (
    ACCURACY,
    check_accuracies,
    check_settings,
    check_twin,
)
from tf_tickets.sanity.statistics.paired_tests import holm, intervals, moments, p_values
from tf_tickets.sanity.statistics.phrases import needed, p_value
from tf_tickets.sanity.statistics.planning import seeds_needed
from tf_tickets.support.scale import Scale
from tf_tickets.support.words import plural

# Shares are counts over the size of a test set: what differs after so many decimals is rounding.
DECIMALS = 12


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What one twin says, against the ticket it was made from. Its `str` is one line for people.

    Accuracies and their differences are fractions in [0, 1], not per cent; other metrics are what they are.

    Attributes:
        seeds: number of pairs.
        reference_mean: mean of the metric over the ticket's runs.
        mean: the same of the twin.
        difference: mean of the paired differences, twin minus ticket; a negative one of accuracy is a drop.
        deviation: standard deviation of the paired differences (ddof 1).
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
        scale: how the numbers of the metric read.
    """

    seeds: int
    reference_mean: float
    mean: float
    difference: float
    deviation: float
    interval: tuple[float, float]
    p_equivalent: float
    p_different: float
    answer: str
    seeds_needed: int | None
    notes: tuple[str, ...]
    margin: float
    scale: Scale = ACCURACY

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
    scale: Scale = ACCURACY,
) -> dict[str, Comparison]:
    """Answers, for each attacked twin of a ticket, whether the attack made a difference.

    With d the true mean difference of accuracy, twin minus ticket, the answer is

    * `insensitive`: |d| < `margin` is shown, by two one-sided paired t-tests (TOST);
    * `sensitive`: that is not shown, but d < 0 is, by a two-sided paired t-test: the attack does harm;
    * `reversed`: the same with d > 0, the attacked twin is better;
    * `undecided`: neither is shown with so many seeds;
    * `says nothing`: the ticket itself is no better than guessing, so that its twins cannot be worse.

    Where both are shown, a certain change smaller than the margin, the answer is `insensitive`, with a note.

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
        scale: how the numbers read, where they are of another metric: of one of which less is better a rise
            is harm, and those that are no shares are not held to [0, 1], nor is the margin.

    Returns:
        Name of a check -> `Comparison`, in the order of `twins`. Empty if there are no twins.

    Raises:
        ValueError: fewer than 3 pairs, twins of another length than the reference, accuracies that are not
            finite fractions, or an argument out of its range.

    Example:
        >>> ticket = [0.969, 0.972, 0.958, 0.967, 0.975]
        >>> verdicts = compare(ticket, {"rearrange": [0.968, 0.970, 0.960, 0.967, 0.973]})
        >>> print(verdicts["rearrange"])
        insensitive: -0.06 points [-0.27, +0.15], equivalent within 1 point (p < 0.001, 5 seeds)

    Reference: Schuirmann, "A comparison of the two one-sided tests procedure and the power approach" (1987);
    Holm, "A simple sequentially rejective multiple test procedure" (1979). The checks: section 3 of the
    sanity-checking paper.
    """
    pairs = {name: (reference, values) for name, values in twins.items()}
    check_accuracies("The reference", reference, scale)
    return compare_pairs(pairs, margin=margin, alpha=alpha, power=power, chance=chance, scale=scale)


def compare_pairs(
    pairs: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    margin: float = 0.01,
    alpha: float = 0.05,
    power: float = 0.8,
    chance: float | None = None,
    scale: Scale = ACCURACY,
) -> dict[str, Comparison]:
    """`compare`, of twins that were not all trained at the same seeds.

    Args:
        pairs: name of a check -> test accuracies of the ticket, and those of the twin at the same seeds in
            the same order.
        margin, alpha, power, chance, scale: as for `compare`.

    Returns:
        Name of a check -> Comparison.

    Raises:
        ValueError: as for `compare`.
    """
    check_settings(margin, alpha, power, scale)
    if chance is not None and scale.is_share and not 0 <= chance <= 1:
        raise ValueError(f"`chance` is an accuracy, a fraction in [0, 1]. Received: {chance}.")
    guessing = -math.inf if chance is None else _rounded(scale.gain(chance) + margin, scale)
    sides = {}
    for name, (reference, values) in pairs.items():
        ticket = check_accuracies(f"The reference of {name!r}", reference, scale)
        sides[name] = ticket, check_twin(name, values, ticket.size, scale)
    # Of a ticket that guesses nothing is asked, and nothing adjusted.
    asked = [
        name for name, (ticket, _) in sides.items() if _rounded(scale.gain(ticket.mean()), scale) > guessing
    ]
    columns = {name: twin - ticket for name, (ticket, twin) in sides.items()}
    if scale.is_share:
        columns = {name: np.round(column, DECIMALS) for name, column in columns.items()}
    columns = {name: column[:, None] for name, column in columns.items()}
    p = np.array([p_values(columns[name], margin) for name in asked]).reshape(len(asked), 2)
    adjusted = dict(zip(asked, np.stack([holm(p[:, 0]), holm(p[:, 1])], axis=1), strict=True))
    found = {}
    for name, (ticket, twin) in sides.items():
        differences = columns[name]
        p_equivalent, p_different = adjusted.get(name, np.ones(2))
        (mean,), (deviation,) = moments(differences)
        (low,), (high,) = intervals(differences, alpha)
        answer = SAYS_NOTHING
        if name in adjusted:
            answer = str(answers(p_equivalent, p_different, scale.gain(mean), alpha))
        found[name] = Comparison(
            seeds=ticket.size,
            reference_mean=float(ticket.mean()),
            mean=float(twin.mean()),
            difference=float(mean),
            deviation=float(deviation),
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
                scale.gain(ticket) <= guessing,
                scale,
            ),
            margin=margin,
            scale=scale,
        )
    return found


def _rounded(value: float, scale: Scale) -> float:
    return round(value, DECIMALS) if scale.is_share else value
