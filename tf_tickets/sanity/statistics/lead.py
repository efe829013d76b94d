"""How far a ticket is ahead of what it is to be better than: a `Lead`.

Trials of equivalence call it assay sensitivity: that two treatments do not differ says something only where a
difference could have been seen. A ticket that is no better than a random one by more than the margin cannot
lose more than the margin, whatever is taken from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from tf_tickets.sanity.statistics.paired_accuracies import ACCURACY, check_accuracies, check_twin
from tf_tickets.sanity.statistics.paired_tests import holm, intervals, moments, p_above
from tf_tickets.support.scale import SHARE_DECIMALS, Scale
from tf_tickets.support.words import plural

Pair = tuple[Sequence[float], Sequence[float]]


@dataclasses.dataclass(frozen=True)
class Lead:
    """The lead of a ticket over one null: of the arms of the null, over the best.

    Attributes:
        null: what the null is called.
        arm: the arm of the null with the best mean.
        arms: how many arms of the null the ticket has to be ahead of.
        seeds: number of pairs with that arm.
        gain: mean of the paired differences, positive where the ticket is better, in the metric's unit.
        interval: its confidence interval at level 1 - alpha, for itself.
        p: p-value of a lead of no more than the margin, over every arm of the null, adjusted by Holm's method
            over the nulls of the ticket.
        margin: the margin.
        scale: how the numbers read.
    """

    null: str
    arm: str
    arms: int
    seeds: int
    gain: float
    interval: tuple[float, float]
    p: float
    margin: float
    scale: Scale = ACCURACY

    @property
    def share(self) -> float | None:
        """The margin as a share of the lead: above 1 the ticket cannot lose so much; None without a lead."""
        return self.margin / self.gain if self.gain > 0 else None

    def __repr__(self) -> str:
        return f"Lead({self})"

    def __str__(self) -> str:
        scale = self.scale
        low, high = (scale.difference(end) for end in self.interval)
        gain = scale.with_unit_of_differences(scale.difference(self.gain))
        best = f"the best of {self.arms}, {self.arm}" if self.arms > 1 else self.arm
        of = f" ({best})" if best != self.null else ""
        share = "" if self.share is None else f", margin / lead {self.share:.2g}"
        return f"{gain} [{low}, {high}] over {self.null}{of}{share}, {plural(str(self.seeds), 'seed')}"


def leads(
    nulls: Mapping[str, Mapping[str, Pair]], margin: float, alpha: float, scale: Scale, floor: float
) -> tuple[Lead, ...]:
    """The leads of a ticket over its nulls.

    To be ahead of a null is to be ahead of each of its arms, so that the largest of their p-values is that of
    the null (an intersection-union test, which needs no correction). To be ahead of some null, of several, is
    what an answer asks: those are adjusted.

    Args:
        nulls: null -> arm -> metrics of the ticket, and those of the arm at the same seeds.
        margin: that a lead is to exceed.
        alpha: intervals are of level 1 - alpha.
        scale: how the numbers read.
        floor: least standard deviation of the differences.
    """
    columns = {
        null: {arm: gains(f"{null}, {arm}", pair, scale)[:, None] for arm, pair in arms.items()}
        for null, arms in nulls.items()
        if arms
    }
    p = [
        max(float(p_above(column, margin, floor)[0]) for column in arms.values()) for arms in columns.values()
    ]
    found = []
    for (null, arms), adjusted in zip(columns.items(), holm(np.array(p)), strict=True):
        best = min(arms, key=lambda arm: float(moments(arms[arm])[0][0]))
        (low,), (high,) = intervals(arms[best], alpha, floor)
        found.append(
            Lead(
                null=null,
                arm=best,
                arms=len(arms),
                seeds=len(arms[best]),
                gain=float(moments(arms[best])[0][0]),
                interval=(float(low), float(high)),
                p=float(adjusted),
                margin=margin,
                scale=scale,
            )
        )
    return tuple(found)


def gains(name: str, pair: Pair, scale: Scale) -> np.ndarray:
    """How much better the first of two sides is, seed by seed."""
    ticket = check_accuracies(f"The reference of {name!r}", pair[0], scale)
    return scale.gain(rounded(ticket - check_twin(name, pair[1], ticket.size, scale), scale))


def rounded(values: np.ndarray, scale: Scale) -> np.ndarray:
    """Without what is rounding of shares, once and for all."""
    return np.round(values, SHARE_DECIMALS) + 0.0 if scale.is_share else values
