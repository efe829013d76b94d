"""What the statistics say of tickets: all answers at a glance, and the numbers behind them."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Sequence

from tf_tickets.reporting.document import (
    Cell,
    Interval,
    Row,
    Table,
    group,
    note,
    sparsity_text,
)
from tf_tickets.reporting.interval_scale import IntervalScale, scale_of
from tf_tickets.reporting.tables.cells import in_differences, mean_and_spread, points
from tf_tickets.results import Arm, Experiment, Run, Variant, Verdict
from tf_tickets.results.arms import check_order
from tf_tickets.results.baseline import dense_labels
from tf_tickets.support.scale import Scale
from tf_tickets.support.words import listed, plural

TOO_FEW = "too few seeds"
# What an answer of the statistics is called where the other arm is no attack, but a baseline.
BASELINE_WORDS = {"insensitive": "equivalent", "sensitive": "below it", "reversed": "above it"}
# The same of a metric of which less is better.
BASELINE_WORDS_OF_ERRORS = {**BASELINE_WORDS, "sensitive": "worse", "reversed": "better"}
# What stands before an answer: where the metric went.
SIGNS = {"insensitive": "=", "sensitive": "↓", "reversed": "↑", "undecided": "?", "says nothing": "∅"}
SIGNS_OF_ERRORS = {**SIGNS, "sensitive": "↑", "reversed": "↓"}
NO_SIGN = "…"


def answers(experiment: Experiment, found: Sequence[Verdict], *, baselines: bool = False) -> Table | None:
    """One row a ticket, one column a check or baseline: all answers at a glance."""
    columns = list(dict.fromkeys(verdict.versus for verdict in found))
    if baselines:
        # A longer dense network is there for some tickets only: its column follows the dense one's.
        dense = dense_labels(experiment)
        columns.sort(key=lambda name: name not in dense)
    else:
        columns.sort(key=check_order)
    families = _families(found)
    if len(columns) < 2 or len(families) < 2:
        return None
    rows, before = [], None
    for (variant, sparsity), family in families:
        by_name = {verdict.versus: verdict for verdict in family}
        cells = [_answer_cell(by_name.get(name), baselines) for name in columns]
        kind = "more" if variant == before else "row"
        rows.append(Row((Cell(experiment.names[variant]), Cell(sparsity_text(sparsity)), *cells), kind))
        before = variant
    return Table(
        f"Dense networks and random tickets, beside each ticket: shown to be {_sides(experiment.scale)}, or "
        "to be equivalent within the margin."
        if baselines
        else "What each check says.",
        ("ticket", "sparsity", *columns),
        tuple(rows),
        align="lr" + "l" * len(columns),
        compact=len(columns) > 6,
    )


def verdicts(
    experiment: Experiment, found: Sequence[Verdict], *, margin: float, baselines: bool = False
) -> Table | None:
    """One row a check or baseline: the answer, the difference with its interval, p-values, seeds."""
    if not found:
        return None
    scale = experiment.scale
    head = (
        "beside the ticket" if baselines else "check",
        "answer",
        in_differences("difference", scale),
        in_differences("interval", scale),
        "p, equivalent",
        "p, different",
        "seeds",
    )
    rows: list[Row] = []
    for (variant, sparsity), family in _families(found):
        runs = experiment.arms.get(Arm(variant, sparsity, None), {})
        heading = f"{experiment.names[variant]}, {sparsity_text(sparsity)}"
        rows.append(group(heading, len(head), _mean_over(runs.values())))
        for verdict in family:
            rows.append(_verdict_row(verdict, baselines, scale))
        rows += [note(text, len(head)) for text in _verdict_notes(family)]
    title = (
        "Tickets beside dense networks and random tickets, over the seeds that both have."
        if baselines
        else "The verdicts, each over the seeds that the ticket and its attacked twin have in common."
    )
    sign = (
        f"Differences are the baseline's {scale.words} less the ticket's."
        if baselines
        else f"Differences are the attacked ticket's {scale.words} less the ticket's."
    )
    drawn_on = _interval_scale(found, margin, scale)
    return Table(
        f"{title} {sign}",
        head,
        tuple(rows),
        align="lllcrrr",
        scale=drawn_on,
        on_page=drawn_on.said if drawn_on else "",
    )


def _interval_scale(found: Sequence[Verdict], margin: float, scale: Scale) -> IntervalScale | None:
    """One scale for all intervals of a table; None where there is none."""
    ends = [end for verdict in found if verdict.comparison for end in verdict.comparison.interval]
    if not ends:
        return None
    return scale_of((scale.factor * end for end in ends), scale.factor * margin, scale.unit_of_differences)


def tally(found: Sequence[Verdict]) -> str:
    """How many verdicts gave which answer, as a sentence."""
    counts = collections.Counter(v.comparison.answer if v.comparison else TOO_FEW for v in found)
    return ", ".join(
        f"{number} {'with ' if answer == TOO_FEW else ''}{answer}" for answer, number in counts.most_common()
    )


def _families(found: Sequence[Verdict]) -> list[tuple[tuple[Variant, float], list[Verdict]]]:
    """The verdicts of each ticket, which are one family of tests."""
    families: dict[tuple[Variant, float], list[Verdict]] = {}
    for verdict in found:
        families.setdefault((verdict.variant, verdict.sparsity), []).append(verdict)
    return list(families.items())


def _verdict_row(verdict: Verdict, baselines: bool, scale: Scale) -> Row:
    found = verdict.comparison
    if found is None:
        return Row(
            (
                Cell(verdict.versus),
                _answer_cell(verdict, baselines),
                Cell(verdict.reason or "", span=4),
                Cell(str(len(verdict.seeds))),
            )
        )
    low, high = found.interval
    ends = (low, found.difference, high)
    said = [scale.difference(x) for x in ends]
    label = scale.with_unit_of_differences(f"{said[1]}, from {said[0]} to {said[2]}")
    more = f" (≈ {found.seeds_needed:,} needed)" if found.seeds_needed else ""
    return Row(
        (
            Cell(verdict.versus),
            _answer_cell(verdict, baselines),
            Cell(points(found.difference, scale), f"[{points(low, scale)}, {points(high, scale)}]"),
            Cell("", interval=Interval(label, *(scale.factor * x for x in ends))),
            Cell(_p(found.p_equivalent)),
            Cell(_p(found.p_different)),
            Cell(str(found.seeds), more.strip()),
        )
    )


def _verdict_notes(family: Sequence[Verdict]) -> list[str]:
    found = []
    for verdict in family:
        for text in verdict.comparison.notes if verdict.comparison else ():
            where = f" (positions count the seeds {listed(verdict.seeds)})" if "position" in text else ""
            found.append(f"{verdict.versus}: {text}{where}")
    return found


def _answer_cell(verdict: Verdict | None, baselines: bool) -> Cell:
    if verdict is None:
        return Cell()
    if verdict.comparison is None:
        return Cell(TOO_FEW, badge=TOO_FEW, sign=NO_SIGN)
    answer, upwards = verdict.comparison.answer, verdict.comparison.scale.higher_is_better
    words = BASELINE_WORDS if upwards else BASELINE_WORDS_OF_ERRORS
    signs = SIGNS if upwards else SIGNS_OF_ERRORS
    text = words.get(answer, answer) if baselines else answer
    return Cell(text, badge=answer, sign=signs.get(answer, NO_SIGN))


def _sides(scale: Scale) -> str:
    return "above it or below it" if scale.higher_is_better else "better or worse than it"


def _mean_over(runs: Iterable[Run]) -> str:
    runs = list(runs)
    if not runs:
        return ""
    scale, values = runs[0].scale, [run.endpoint for run in runs]
    return f"{scale.with_unit(mean_and_spread(values, scale))} over {plural(len(values), 'seed')}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
