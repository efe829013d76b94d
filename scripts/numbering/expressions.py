"""The words of which a page's numbers are written: arms of runs, and what is said of them as text."""

from __future__ import annotations

import functools
import json
import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from arms import ROOT, Chosen, Runs, Unknown

from tf_tickets.results import (
    MATTERS,
    Analysis,
    Experiment,
    Verdict,
    baselines,
    components,
    factorials,
    read_protocol,
    verdicts,
)
from tf_tickets.results.components import CONNECTIONS, RATIOS, WEIGHTS
from tf_tickets.results.nulls import HAND_MADE, SAME_COUNTS
from tf_tickets.sanity.statistics import compare_pairs, seeds_to_plan
from tf_tickets.support.scale import LOSS

MINUS = "−"
NOTHING = 1e-9  # what the order of a sum may change
SMALL = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


def runs(path: str, **wanted: Any) -> Runs:
    """The runs of a table: `docs/PATH/runs.csv`. See `Runs` for what can be wanted of them."""
    return Runs(f"docs/{path}/runs.csv", wanted)


def data(path: str) -> Any:
    """What a JSON file of docs/ holds."""
    return json.loads((ROOT / "docs" / path).read_text(encoding="utf-8"))


def accuracy(of: Runs) -> str:
    """Mean and standard deviation of what the runs are judged by: `97.44 ± 0.63`."""
    one = of.one
    values = list(one.values().values())
    return " ± ".join(map(one.scale.shown, [statistics.fmean(values), *_deviation(values)]))


def mean(of: Runs, column: str | None = None) -> float:
    """The mean of a column, or of what the runs are judged by."""
    return statistics.fmean(of.one.values(column).values())


def least(of: Runs, column: str | None = None) -> float:
    """The least of them."""
    return min(of.one.values(column).values())


def spread(of: Runs, column: str, decimals: int = 2) -> str:
    """Mean and standard deviation of a column as it is: `0.149 ± 0.033`."""
    values = list(of.one.values(column).values())
    return " ± ".join(f"{x:.{decimals}f}" for x in [statistics.fmean(values), *_deviation(values)])


def difference(of: Runs, against: Runs | None = None) -> str:
    """Mean difference of pairs, with its interval of 95 %: `−0.18 [−0.54, +0.18]`.

    Args:
        of: the arm whose numbers count as they are.
        against: whose are taken off; the arm without the check by default.
    """
    one, other = of.one, _other(of, against)
    found = _compared(one, other)
    said = [one.scale.difference(x) for x in (found.difference, *found.interval)]
    number, low, high = (text.replace("-", MINUS) for text in said)
    return f"{number} [{low}, {high}]"


def gap(of: Runs, against: Runs | None = None) -> float:
    """Difference of the means over the seeds that both have, in points of a share."""
    one, other = of.one, _other(of, against)
    return one.scale.factor * _compared(one, other).difference


def change(of: Runs, column: str, against: Runs | None = None) -> str:
    """By how many per cent the mean of a column changes: `+29`."""
    before = statistics.fmean(_other(of, against).values(column).values())
    return f"{100 * (mean(of, column) / before - 1):+.0f}".replace("-", MINUS)


def answer(of: Runs, versus: str | None = None) -> str:
    """What the report answers on a check, or on a ticket beside a baseline; the family is the report's.

    Args:
        of: an arm under a check; or without one, where a baseline is named.
        versus: the baseline as the report calls it: "dense", "random (smart)".
    """
    name = versus or of.one.arm.check
    return str(_verdict(of, name, CHECKS if versus is None else BASELINES).answer)


def loss_answer(of: Runs) -> str:
    """The same of a check by the loss on the test set, the second endpoint."""
    return str(_verdict(of, of.one.arm.check, CHECKS, LOSS.metric).answer)


def loss_difference(of: Runs) -> str:
    """What a check does to the loss on the test set, with its interval: `+0.041 [+0.033, +0.049]`."""
    return _signed(_verdict(of, of.one.arm.check, CHECKS, LOSS.metric), 1, "{:+.3f}")


def lead(of: Runs, null: str = "hand-made") -> str:
    """How far a ticket is ahead of a null, with its interval: `+1.23 [+0.52, +1.94]`.

    Args:
        of: the ticket.
        null: "hand-made", the best of the random tickets of hand-made ratios, or "counts", the random ticket
            of the ticket's own layer counts.
    """
    found = _lead(of, null)
    ends = [found.scale.difference(x).replace("-", MINUS) for x in (found.gain, *found.interval)]
    return f"{ends[0]} [{ends[1]}, {ends[2]}]"


def best_null(of: Runs) -> str:
    """Which random ticket of hand-made ratios is the best beside a ticket."""
    return _lead(of, "hand-made").arm


def worth(of: Runs, component: str) -> str:
    """What a component of a ticket's lead is worth, and what is said of it: `+6.46 [+5.98, +6.94], matters`.

    Args:
        of: the ticket.
        component: "ratios", "connections" or "weights".
    """
    names = {"ratios": RATIOS, "connections": CONNECTIONS, "weights": WEIGHTS}
    verdict = _verdict(of, names[component], COMPONENTS)
    return f"{_signed(verdict, -1)}, {MATTERS.get(str(verdict.answer), verdict.answer)}"


def effect(of: Runs, name: str) -> str:
    """What a factor of ratios x positions is worth, and what is said of it.

    Args:
        of: the ticket.
        name: of `tf_tickets.results.factorial.EFFECTS`.
    """
    verdict = _verdict(of, name, FACTORS)
    return f"{_signed(verdict, -1)}, {MATTERS.get(str(verdict.answer), verdict.answer)}"


def scatter(of: Runs) -> float:
    """Root mean square of the deviations of paired differences, over all checks but controls, in points."""
    found = [x.comparison.deviation for x in _all(of) if x.comparison is not None and x.family != x.versus]
    return 100 * statistics.fmean(x * x for x in found) ** 0.5


def correlation(of: Runs) -> float:
    """Mean correlation of tickets and their twins over the seeds, over all checks but controls."""
    compared = [x.comparison for x in _all(of) if x.comparison is not None and x.family != x.versus]
    return statistics.fmean(x.correlation for x in compared if x.correlation is not None)


def planned_seeds(deviation: float, margin: float = 1.0) -> str:
    """Seeds to plan for 1 / 4 / 9 checks in the family, of a deviation and a margin in points."""
    return " / ".join(
        str(seeds_to_plan(deviation / 100, margin=margin / 100, checks=checks)) for checks in (1, 4, 9)
    )


def count(of: Runs) -> str:
    """The number of runs that fit, of all checks where none is asked for."""
    return f"{len(of.found):,}"


def seeds(of: Runs) -> str:
    """The number of seeds of an arm."""
    return word(len(of.one.runs))


def smallest_loss(of: Runs, against: Runs | None = None) -> float:
    """What every seed loses at least, in points of a share."""
    one, other = of.one, _other(of, against)
    mine, before = one.values(), other.values()
    return one.scale.factor * min(before[seed] - mine[seed] for seed in mine.keys() & before.keys())


def word(number: int) -> str:
    """A small number in words."""
    return SMALL[number] if number < len(SMALL) else f"{number:,}"


def below(of: Iterable[Runs], against: Runs) -> int:
    """How many arms have a mean below that of another; equal ones have not."""
    return sum(gap(x, against) < -NOTHING for x in of)


def head(*names: str, numbers: str = "") -> str:
    """Head of a table: the names of its columns, those of `numbers` to the right."""
    right = numbers.split(" | ") if numbers else []
    return f"| {' | '.join([*names, *right])} |\n|{'---|' * len(names)}{'---:|' * len(right)}"


def frequency(found: Mapping[str, Any]) -> str:
    """A frequency of trials with its interval: `0.912 [0.880, 0.938]`."""
    value, low, high = (f"{x:.3f}" if x else "0" for x in (found["value"], *found["interval"]))
    return f"{value} [{low}, {high}]"


def shares(first: float, second: float | None, decimals: int = 1) -> str:
    """Two shares in per cent, the second of which need not be known: `5.3 / 5.0`."""
    return f"{100 * first:.{decimals}f} / {'-' if second is None else f'{100 * second:.{decimals}f}'}"


def signed(number: float, decimals: int = 1) -> str:
    """A number with its sign."""
    return f"{number:+.{decimals}f}".replace("-", MINUS)


CHECKS, BASELINES, COMPONENTS, FACTORS = "checks", "baselines", "components", "factors"
KINDS = {CHECKS: verdicts, BASELINES: baselines, COMPONENTS: components, FACTORS: factorials}


@functools.cache
def _verdicts(experiment: Experiment, path: str, kind: str, metric: str | None) -> list[Verdict]:
    """As the plan beside the table says, where there is one."""
    plan = read_protocol((ROOT / path).parent)
    analysis = Analysis() if plan is None else plan.analysis
    how = {"margin": analysis.margin, "alpha": analysis.alpha}
    if metric is not None:
        how = {**how, "margin": analysis.loss_margin, "scale": LOSS}
    return KINDS[kind](experiment, **how)


def _verdict(of: Runs, name: str | None, kind: str, metric: str | None = None) -> Verdict:
    one = of.one
    for verdict in _verdicts(one.experiment, of.path, kind, metric):
        if (verdict.variant, verdict.sparsity, verdict.versus) == (one.arm.variant, one.arm.sparsity, name):
            if verdict.comparison is None:
                raise Unknown(f"{one.arm}: {verdict.reason}")
            return verdict
    raise Unknown(f"there is no verdict on {one.arm} versus {name}")


def _all(of: Runs) -> list[Verdict]:
    """The verdicts on all checks of the arms that fit."""
    arms = {(run.arm.variant, run.arm.sparsity) for run in of.found}
    (experiment,) = {id(x.experiment): x.experiment for x in of.arms}.values()
    return [x for x in _verdicts(experiment, of.path, CHECKS, None) if (x.variant, x.sparsity) in arms]


def _lead(of: Runs, null: str) -> Any:
    name = {"hand-made": HAND_MADE, "counts": SAME_COUNTS}[null]
    one = of.one
    for verdict in _verdicts(one.experiment, of.path, CHECKS, None):
        if (verdict.variant, verdict.sparsity) == (one.arm.variant, one.arm.sparsity):
            for found in verdict.comparison.leads if verdict.comparison else ():
                if found.null == name:
                    return found
    raise Unknown(f"{one.arm} has no lead over {name}")


def _signed(verdict: Verdict, sign: int, form: str | None = None) -> str:
    """A difference with its interval, as it is or turned."""
    found = verdict.comparison
    ends = sorted(sign * end for end in found.interval)
    numbers = [sign * found.difference, *ends]
    said = [form.format(x) if form else found.scale.difference(x) for x in numbers]
    middle, low, high = (text.replace("-", MINUS) for text in said)
    return f"{middle} [{low}, {high}]"


def _other(of: Runs, against: Runs | None) -> Chosen:
    return Runs(of.path, {**of.wanted, "check": None}).one if against is None else against.one


def _compared(one: Chosen, other: Chosen) -> Any:
    mine, others = one.values(), other.values()
    common = sorted(mine.keys() & others.keys())
    scale = one.scale
    pair = ([others[seed] for seed in common], [mine[seed] for seed in common])
    # The interval of one comparison does not depend on the margin.
    return compare_pairs({"of": pair}, margin=scale.margin or 1.0, scale=scale)["of"]


def _deviation(values: list[float]) -> list[float]:
    return [statistics.stdev(values)] if len(values) > 1 else []


WORDS = {
    function.__name__: function
    for function in (
        *(runs, data, count, seeds, word),
        *(accuracy, mean, least, spread),
        *(difference, gap, change, smallest_loss, below, answer),
        *(loss_answer, loss_difference, lead, best_null, worth, effect),
        *(scatter, correlation, planned_seeds),
        *(head, signed, frequency, shares),
    )
}
