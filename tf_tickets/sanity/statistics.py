"""The verdict on a sanity check, from test accuracies over paired seeds: `compare`, and `seeds_to_plan`.

A ticket and its attacked twins are trained at the same seeds, from the same initial weights, over the same
order of the data. What counts is the difference of each pair, twin minus ticket. "The difference is not
significant" is no answer here, because with few seeds nothing is; so two questions are asked of every twin:
whether its mean difference is shown to lie within a margin, and whether it is shown not to be zero.
"""

import bisect
import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

INSENSITIVE = "insensitive"
SENSITIVE = "sensitive"
REVERSED = "reversed"
UNDECIDED = "undecided"
SAYS_NOTHING = "says nothing"
ANSWERS = (INSENSITIVE, SENSITIVE, REVERSED, UNDECIDED, SAYS_NOTHING)

# Fewer pairs leave no degree of freedom worth the name; and nobody trains more seeds than this.
LEAST_SEEDS = 3
MOST_SEEDS = 10_000

# A pair is far from the others beyond so many robust standard deviations (and beyond the margin). Of normal
# differences some pair of ten lies there in 2 families of 1,000, some pair of five in 3 of 100.
FAR = 10.0
MAD_OF_NORMAL = 0.6745

# Accuracies are counts over the size of a test set: what differs after so many decimals is rounding.
DECIMALS = 12

# Of the standard deviation, where the chance of an answer is computed; and what counts as none at all.
QUANTILES = 400
NO_SPREAD = 1e-9


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What one twin says, against the ticket it was made from. Its `str` is one line for people.

    Accuracies and differences are fractions in [0, 1], not per cent.

    Attributes:
        seeds: number of pairs.
        reference_mean: mean accuracy of the ticket.
        mean: mean accuracy of the twin.
        difference: mean of the paired differences, twin minus ticket; negative is a drop.
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

    def __str__(self) -> str:
        low, high = (_points(end) for end in self.interval)
        seen = f"{self.answer}: {_points(self.difference)} points [{low}, {high}], "
        return seen + _REASONS[self.answer].format(
            margin=_counted(f"{100 * self.margin:g}", "point"),
            equivalent=_p_value(self.p_equivalent),
            different=_p_value(self.p_different),
            seeds=_counted(self.seeds, "seed"),
            needed=_needed(self.seeds_needed),
        )


_REASONS = {
    INSENSITIVE: "equivalent within {margin} ({equivalent}, {seeds})",
    SENSITIVE: "a drop ({different}, {seeds})",
    REVERSED: "a gain ({different}, {seeds})",
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
) -> dict[str, Comparison]:
    """Answers, for each attacked twin of a ticket, whether the attack made a difference.

    With d the true mean difference of accuracy, twin minus ticket, the answer is

    * `insensitive`: |d| < `margin` is shown, by two one-sided paired t-tests (TOST);
    * `sensitive`: that is not shown, but d < 0 is, by a two-sided paired t-test: the attack does harm;
    * `reversed`: the same with d > 0, the attacked twin is better;
    * `undecided`: neither is shown with so many seeds;
    * `says nothing`: the ticket itself is no better than guessing, so that its twins cannot be worse.

    Where both are shown, a certain change smaller than the margin, the answer is `insensitive`, with a note.

    Twins compared in one call are one family. The p-values of equivalence are adjusted by Holm's method over
    the family, and those of a difference likewise. Holm's method keeps the chance of rejecting any true null
    hypothesis at or below `alpha`, however the p-values depend on each other (all twins share their
    reference), and whichever nulls are true. `insensitive` is answered only where the null |d| >= `margin` is
    rejected, `sensitive` or `reversed` only where the null d = 0 is. So the chance that a family holds any
    wrong `insensitive` is at most `alpha`, and so is the chance that it holds any `sensitive` or `reversed`
    although nothing changed. The two nulls exclude each other: of one comparison at most one of both errors
    is possible, and for a family of one the chance of any error is at most `alpha` (for a larger one, twice
    that). A direction is read off the sign of the mean; for one comparison it is wrong with a chance of at
    most `alpha` / 2. All of this holds for normal differences of independent seeds;
    `scripts/benchmarks/alarms.py` measures it, and what becomes of it otherwise.

    Args:
        reference: test accuracies of the ticket, fractions in [0, 1], one a seed.
        twins: name of a check -> test accuracies of its twin, at the same seeds in the same order.
        margin: differences smaller than this count as none, a fraction in (0, 1); 0.01 is one point.
        alpha: chance of an error that is accepted, in (0, 0.5).
        power: chance of an answer that `seeds_needed` is to give, in (0, 1).
        chance: accuracy of guessing, the largest class's share of the test set. A ticket whose mean accuracy
            is not above `chance` + `margin` gets `says nothing` from every twin. None: not looked at.

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
    _accuracies("The reference", reference)
    return compare_pairs(pairs, margin=margin, alpha=alpha, power=power, chance=chance)


def compare_pairs(
    pairs: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    margin: float = 0.01,
    alpha: float = 0.05,
    power: float = 0.8,
    chance: float | None = None,
) -> dict[str, Comparison]:
    """`compare`, of twins that were not all trained at the same seeds.

    Args:
        pairs: name of a check -> test accuracies of the ticket, and those of the twin at the same seeds in
            the same order.
        margin, alpha, power, chance: as for `compare`.

    Returns:
        Name of a check -> Comparison.

    Raises:
        ValueError: as for `compare`.
    """
    check_settings(margin, alpha, power)
    if chance is not None and not 0 <= chance <= 1:
        raise ValueError(f"`chance` is an accuracy, a fraction in [0, 1]. Received: {chance}.")
    guessing = -math.inf if chance is None else round(chance + margin, DECIMALS)
    sides = {}
    for name, (reference, values) in pairs.items():
        ticket = _accuracies(f"The reference of {name!r}", reference)
        sides[name] = ticket, _twin(name, values, ticket.size)
    # Of a ticket that guesses nothing is asked, and nothing adjusted.
    asked = [name for name, (ticket, _) in sides.items() if round(ticket.mean(), DECIMALS) > guessing]
    columns = {name: np.round(twin - ticket, DECIMALS)[:, None] for name, (ticket, twin) in sides.items()}
    p = np.array([p_values(columns[name], margin) for name in asked]).reshape(len(asked), 2)
    adjusted = dict(zip(asked, np.stack([holm(p[:, 0]), holm(p[:, 1])], axis=1), strict=True))
    found = {}
    for name, (ticket, twin) in sides.items():
        differences = columns[name]
        p_equivalent, p_different = adjusted.get(name, np.ones(2))
        (mean,), (deviation,) = _moments(differences)
        (low,), (high,) = _intervals(differences, alpha)
        answer = SAYS_NOTHING
        if name in adjusted:
            answer = str(answers(p_equivalent, p_different, mean, alpha))
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
                _seeds(mean, deviation, margin, alpha / len(asked), power, ticket.size + 1)
                if answer == UNDECIDED
                else None
            ),
            notes=_notes(differences[:, 0], answer, p_different <= alpha, margin, ticket <= guessing),
            margin=margin,
        )
    return found


def seeds_to_plan(
    deviation: float,
    *,
    difference: float = 0.0,
    margin: float = 0.01,
    checks: int = 1,
    alpha: float = 0.05,
    power: float = 0.8,
) -> int:
    """Seeds with which a comparison is decided with a chance of `power`.

    If the true difference is smaller than the margin, these are the seeds that show it to be so, or that show
    it not to be zero; otherwise those that show the latter. For more than one check the levels are
    Bonferroni's, `alpha` / `checks`: somewhat more seeds than Holm's method needs. The standard deviation of
    a few seeds is itself uncertain (of five seeds, by a factor of 0.6 to 2.9), and the number of seeds goes
    with its square.

    Args:
        deviation: standard deviation of the paired differences over seeds, a fraction (0.013 is 1.3 points).
        difference: true mean difference, a fraction.
        margin: differences smaller than this count as none, a fraction in (0, 1).
        checks: comparisons in the family.
        alpha: chance of an error that is accepted, in (0, 0.5).
        power: chance of an answer, in (0, 1).

    Returns:
        A number of seeds, from `LEAST_SEEDS` to `MOST_SEEDS`; the latter stands for that or more.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> seeds_to_plan(0.013, margin=0.01)
        16
    """
    check_settings(margin, alpha, power)
    if not 0 <= deviation < math.inf:
        raise ValueError(f"`deviation` is a finite standard deviation, not negative. Received: {deviation}.")
    if not -1 <= difference <= 1:
        raise ValueError(f"`difference` is one of accuracies, a fraction in [-1, 1]. Received: {difference}.")
    if checks < 1:
        raise ValueError(f"`checks` is the number of comparisons, at least 1. Received: {checks}.")
    return _seeds(difference, deviation, margin, alpha / checks, power, LEAST_SEEDS)


def p_values(differences: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """P-values of equivalence (paired TOST) and of a difference (two-sided paired t-test), not adjusted.

    Where all differences are the same, they are the limits for a vanishing standard deviation: 0 or 1.

    Args:
        differences: shape (seeds, comparisons).
        margin: a mean difference smaller than this is equivalence.

    Returns:
        Two arrays of shape (comparisons,).
    """
    from statsmodels.stats.weightstats import DescrStatsW

    sample = DescrStatsW(differences)
    with np.errstate(divide="ignore", invalid="ignore"):
        equivalent = np.maximum(
            sample.ttest_mean(-margin, alternative="larger")[1],
            sample.ttest_mean(margin, alternative="smaller")[1],
        )
        different = sample.ttest_mean(0.0)[1]
    constant, value = _is_constant(differences), differences[0]
    return (
        np.where(constant, np.where(np.abs(value) < margin, 0.0, 1.0), equivalent),
        np.where(constant, np.where(value == 0, 1.0, 0.0), different),
    )


def holm(p: np.ndarray) -> np.ndarray:
    """P-values adjusted by Holm's method over the last axis, each to be compared with alpha.

    The numbers are those of statsmodels' `multipletests`, which takes one family at a time and collects
    garbage at every call: 50 ms, and a report has hundreds of families.

    Args:
        p: shape (..., comparisons).

    Returns:
        An array of the same shape.
    """
    order = np.argsort(p, axis=-1)
    ascending = np.take_along_axis(p, order, axis=-1) * np.arange(p.shape[-1], 0, -1)
    adjusted = np.empty_like(ascending)
    np.put_along_axis(adjusted, order, np.maximum.accumulate(ascending, axis=-1), axis=-1)
    return np.minimum(adjusted, 1.0)


def answers(
    p_equivalent: np.ndarray, p_different: np.ndarray, difference: np.ndarray, alpha: float
) -> np.ndarray:
    """The answers that adjusted p-values and mean differences give, arrays of one shape."""
    direction = np.where(difference < 0, SENSITIVE, REVERSED)
    shown = np.where(p_different <= alpha, direction, UNDECIDED)
    return np.where(p_equivalent <= alpha, INSENSITIVE, shown).astype(object)


def _is_constant(differences: np.ndarray) -> np.ndarray:
    return np.ptp(differences, axis=0) == 0


def _moments(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations, without rounding errors where all differences are the same."""
    constant = _is_constant(differences)
    means = np.where(constant, differences[0], differences.mean(axis=0))
    return means, np.where(constant, 0.0, differences.std(axis=0, ddof=1))


def _intervals(differences: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    from statsmodels.stats.weightstats import DescrStatsW

    low, high = DescrStatsW(differences).tconfint_mean(alpha)
    constant, value = _is_constant(differences), differences[0]
    return np.where(constant, value, low), np.where(constant, value, high)


def _seeds(difference: float, deviation: float, margin: float, level: float, power: float, least: int) -> int:
    """The fewest seeds from `least` on with which an answer is as likely as `power`, at this level."""
    if deviation < NO_SPREAD:
        return least
    candidates = range(least, MOST_SEEDS)

    def likely(seeds: int) -> float:
        return _chance_of_an_answer(seeds, abs(difference), deviation, margin, level)

    return least + bisect.bisect_left(candidates, power, key=likely)


def _chance_of_an_answer(
    seeds: int, difference: float, deviation: float, margin: float, level: float
) -> float:
    """Chance that either test finds what is true, of a difference that is not negative.

    The mean of the seeds' differences is normal, and independent of their standard deviation, over whose
    quantiles (those of a chi distribution) is averaged.
    """
    from scipy.stats import chi2, norm, t

    freedom, error = seeds - 1, deviation / math.sqrt(seeds)
    estimated = error * np.sqrt(chi2.ppf((np.arange(QUANTILES) + 0.5) / QUANTILES, freedom) / freedom)
    # Equivalence is shown by a mean up to `within` from zero, a difference by one from `beyond` on.
    within = np.maximum(margin - t.isf(level, freedom) * estimated, 0.0)
    beyond = np.maximum(t.isf(level / 2, freedom) * estimated, within)
    chance = 0.0
    if difference < margin:
        chance += np.mean(norm.cdf((within - difference) / error) - norm.cdf((-within - difference) / error))
    if difference > 0:
        chance += np.mean(norm.sf((beyond - difference) / error))
    return float(chance)


def _notes(
    differences: np.ndarray, answer: str, is_different: bool, margin: float, guesses: np.ndarray
) -> tuple[str, ...]:
    """What the numbers alone would hide."""
    if answer == SAYS_NOTHING:
        return ("the ticket itself is at chance level: that its twins are no worse means nothing",)
    notes, mean = [], float(differences.mean())
    if _is_constant(differences):
        notes.append(
            f"the same difference at all {differences.size} seeds: see whether the runs differ by their seeds"
            if differences[0]
            else "identical at every seed"
        )
    if answer == INSENSITIVE and is_different:
        change = f"{'drop' if mean < 0 else 'gain'} of {abs(100 * mean):.2f} points"
        notes.append(f"a {change} is measurable, but within the margin")
    distance = np.abs(differences - np.median(differences))
    is_far = distance > np.maximum(FAR * np.median(distance) / MAD_OF_NORMAL, margin)
    if is_far.any():
        values = ", ".join(_points(value, 1) for value in differences[is_far])
        notes.append(
            f"{_of_pairs(is_far, 'far from the others')} ({_positions(is_far)}: {values} points): "
            "the t-test is not to be trusted; look at the runs"
        )
    if guesses.any():
        notes.append(
            f"{_of_pairs(guesses, 'of a ticket at chance level')} ({_positions(guesses)}): "
            "they say nothing of the check; look at the runs"
        )
    return tuple(notes)


def _of_pairs(chosen: np.ndarray, what: str) -> str:
    count = int(chosen.sum())
    return f"{count} of {chosen.size} pairs {'is' if count == 1 else 'are'} {what}"


def _positions(chosen: np.ndarray) -> str:
    """Where, counted from 1 in the order of the seeds."""
    places = [str(place + 1) for place in np.flatnonzero(chosen)]
    return f"seed position{'s' if len(places) > 1 else ''} {', '.join(places)}"


def _points(value: float, decimals: int = 2) -> str:
    rounded = round(100 * float(value), decimals) + 0.0  # no "-0.00"
    return f"{rounded:+.{decimals}f}"


def _p_value(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _counted(number: int | str, noun: str) -> str:
    return f"{number} {noun}" if str(number) == "1" else f"{number} {noun}s"


def _needed(seeds: int | None) -> str:
    return f"more than {MOST_SEEDS:,}" if seeds == MOST_SEEDS else f"about {seeds:,}" if seeds else ""


def _twin(name: str, values: Sequence[float], seeds: int) -> np.ndarray:
    twin = _accuracies(f"Twin {name!r}", values)
    if twin.size != seeds:
        raise ValueError(
            "Every twin needs one accuracy for each seed of the reference, in the same order. The reference "
            f"has {seeds}, twin {name!r} {twin.size}: leave out the seeds that one of them lacks."
        )
    return twin


def _accuracies(whose: str, values: Sequence[float]) -> np.ndarray:
    try:
        accuracies = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{whose} needs numbers, one accuracy a seed. Received: {values!r}.") from error
    if accuracies.ndim != 1:
        raise ValueError(f"{whose} needs a flat sequence, one accuracy a seed. Shape: {accuracies.shape}.")
    wrong = accuracies[~((accuracies >= 0) & (accuracies <= 1))]
    if wrong.size:
        raise ValueError(
            f"{whose} needs accuracies that are finite fractions in [0, 1], not per cent. "
            f"Received: {wrong.tolist()}."
        )
    if accuracies.size < LEAST_SEEDS:
        raise ValueError(
            f"A verdict needs at least {LEAST_SEEDS} pairs of runs, with different seeds. {whose} has "
            f"{accuracies.size}. Plan 10 to 20 where the margin is one point."
        )
    return accuracies


def check_settings(margin: float, alpha: float, power: float = 0.8) -> None:
    """Refuses a margin, an accepted chance of an error, or a power that is none."""
    for name, value, limit, hint in (
        ("margin", margin, 1, "a fraction, so 0.01 is one point"),
        ("alpha", alpha, 0.5, "the accepted chance of an error"),
        ("power", power, 1, "the chance of an answer"),
    ):
        if not 0 < value < limit:
            raise ValueError(f"`{name}` must lie in (0, {limit}): {hint}. Received: {value}.")
