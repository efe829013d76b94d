"""What the statistics say of tickets: all answers at a glance, and the numbers behind them."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Sequence

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
from tf_tickets.reporting.tables.wordings import CHECKS, Wording
from tf_tickets.results import Arm, Experiment, Margin, Run, Variant, Verdict, leads_of
from tf_tickets.results.arms import check_order
from tf_tickets.results.baseline import dense_labels
from tf_tickets.sanity.statistics import LEAST_SEEDS
from tf_tickets.support.scale import Scale
from tf_tickets.support.words import listed, plural

TOO_FEW = "too few seeds"
NO_VERDICT = "no verdict"  # for another reason
# What stands before an answer: where the metric went.
SIGNS = {
    "insensitive": "=",
    "sensitive": "↓",
    "reversed": "↑",
    "undecided": "?",
    "cannot tell": "·",
    "says nothing": "∅",
}
SIGNS_OF_ERRORS = {**SIGNS, "sensitive": "↑", "reversed": "↓"}
NO_SIGN = "…"


def answers(experiment: Experiment, found: Sequence[Verdict], wording: Wording = CHECKS) -> Table | None:
    """One row a ticket, one column a check or baseline: all answers at a glance."""
    columns = list(dict.fromkeys(verdict.versus for verdict in found))
    # A longer dense network is there for some tickets only: its column follows the dense one's.
    dense = dense_labels(experiment)
    columns.sort(key=lambda name: (*check_order(name), name not in dense))
    families = _families(found)
    if len(columns) < 2 or len(families) < 2:
        return None
    rows, before = [], None
    for (variant, sparsity), family in families:
        by_name = {verdict.versus: verdict for verdict in family}
        cells = [_answer_cell(by_name.get(name), wording) for name in columns]
        kind = "more" if variant == before else "row"
        rows.append(Row((Cell(experiment.names[variant]), Cell(sparsity_text(sparsity)), *cells), kind))
        before = variant
    return Table(
        wording.glance.format(sides=_sides(found[0].scale)),
        ("ticket", "sparsity", *columns),
        tuple(rows),
        align="lr" + "l" * len(columns),
        compact=len(columns) > 6,
    )


def verdicts(
    experiment: Experiment,
    found: Sequence[Verdict],
    *,
    margin: Margin,
    scale: Scale | None = None,
    wording: Wording = CHECKS,
) -> Table | None:
    """One row a check or baseline: the answer, the difference with its interval, p-values, seeds.

    Args:
        experiment, found: of the tickets.
        margin: that they were judged with.
        scale: of what was judged; None: the experiment's.
        wording: of what is compared.
    """
    if not found:
        return None
    scale = scale or experiment.scale
    head = (
        wording.head,
        "answer",
        in_differences("difference", scale),
        in_differences("interval", scale),
        "p, equivalent",
        "p, different",
        "r",
        "seeds",
    )
    rows: list[Row] = []
    for (variant, sparsity), family in _families(found):
        runs = experiment.arms.get(Arm(variant, sparsity, None), {})
        heading = f"{experiment.names[variant]}, {sparsity_text(sparsity)}"
        rows.append(group(heading, len(head), _mean_over(runs.values(), scale)))
        if wording.shows_leads:
            rows += [note(text, len(head)) for text in _leads(family)]
        for verdict in family:
            rows.append(_verdict_row(verdict, wording, scale))
        rows += [note(text, len(head)) for text in _verdict_notes(family)]
    drawn_on = _interval_scale(found, margin, scale)
    return Table(
        f"{wording.title.format(words=scale.words)} r: the correlation of the two arms over the seeds; pairs "
        "are worth more than separate means where it is positive.",
        head,
        tuple(rows),
        align="lllcrrrr",
        scale=drawn_on,
        on_page=drawn_on.said if drawn_on else "",
    )


def margin_scan(
    experiment: Experiment, scanned: Mapping[Margin, Sequence[Verdict]], scale: Scale
) -> Table | None:
    """One row a check of a ticket, one column a margin: the answer there."""
    rows: list[Row] = []
    tickets = dict.fromkeys((x.variant, x.sparsity) for found in scanned.values() for x in found)
    width = len(scanned) + 1
    for variant, sparsity in tickets:
        rows.append(group(f"{experiment.names[variant]}, {sparsity_text(sparsity)}", width, ""))
        of_margins = [
            {x.versus: x for x in found if (x.variant, x.sparsity) == (variant, sparsity)}
            for found in scanned.values()
        ]
        for check in of_margins[0]:
            rows.append(Row((Cell(check), *(_answer_cell(of.get(check), CHECKS) for of in of_margins))))
    if not rows:
        return None
    return Table(
        "What each check says at other margins. A verdict that holds at one of them only is a verdict on "
        "that margin.",
        ("check", *(margin.words(scale) for margin in scanned)),
        tuple(rows),
        align="l" * width,
    )


def _leads(family: Sequence[Verdict]) -> list[str]:
    """The leads of a ticket over its nulls, a line each."""
    found = leads_of(family)
    if found:
        return [f"ahead by {lead}" for lead in found]
    return ["ahead of nothing: no null was run"] if any(x.comparison for x in family) else []


def _interval_scale(found: Sequence[Verdict], margin: Margin, scale: Scale) -> IntervalScale | None:
    """One scale for all intervals of a table; None where there is none."""
    known = [verdict.comparison for verdict in found if verdict.comparison]
    if not known:
        return None
    ends = (scale.factor * end for comparison in known for end in comparison.interval)
    # Of a part of the gap each ticket has its own number: the band is the narrowest of them.
    band = scale.factor * min(comparison.margin for comparison in known)
    return scale_of(ends, band, scale.unit_of_differences)


def tally(found: Sequence[Verdict]) -> str:
    """How many verdicts gave which answer, as a sentence."""
    counts = collections.Counter(v.comparison.answer if v.comparison else _unjudged(v) for v in found)
    return ", ".join(
        f"{number} {'with ' if answer in (TOO_FEW, NO_VERDICT) else ''}{answer}"
        for answer, number in counts.most_common()
    )


def _families(found: Sequence[Verdict]) -> list[tuple[tuple[Variant, float], list[Verdict]]]:
    """The verdicts of each ticket."""
    families: dict[tuple[Variant, float], list[Verdict]] = {}
    for verdict in found:
        families.setdefault((verdict.variant, verdict.sparsity), []).append(verdict)
    return list(families.items())


def _verdict_row(verdict: Verdict, wording: Wording, scale: Scale) -> Row:
    found = verdict.comparison
    if found is None:
        return Row(
            (
                Cell(verdict.versus),
                _answer_cell(verdict, wording),
                Cell(verdict.reason or "", span=5),
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
            _answer_cell(verdict, wording),
            Cell(points(found.difference, scale), f"[{points(low, scale)}, {points(high, scale)}]"),
            Cell("", interval=Interval(label, *(scale.factor * x for x in ends))),
            Cell(_p(found.p_equivalent)),
            Cell(_p(found.p_different)),
            Cell("" if found.correlation is None else f"{found.correlation:+.2f}"),
            Cell(str(found.seeds), more.strip()),
        )
    )


def _verdict_notes(family: Sequence[Verdict]) -> list[str]:
    found = []
    for verdict in family:
        for text in verdict.notes:
            where = f" (positions count the seeds {listed(verdict.seeds)})" if "position" in text else ""
            found.append(f"{verdict.versus}: {text}{where}")
    return found


def _answer_cell(verdict: Verdict | None, wording: Wording) -> Cell:
    if verdict is None:
        return Cell()
    if verdict.comparison is None:
        return Cell(_unjudged(verdict), badge=TOO_FEW, sign=NO_SIGN)
    answer, upwards = verdict.comparison.answer, verdict.comparison.scale.higher_is_better
    words = wording.words if upwards else wording.words_of_errors
    signs = SIGNS if upwards else SIGNS_OF_ERRORS
    return Cell(words.get(answer, answer), badge=answer, sign=signs.get(answer, NO_SIGN))


def _unjudged(verdict: Verdict) -> str:
    return TOO_FEW if len(verdict.seeds) < LEAST_SEEDS else NO_VERDICT


def _sides(scale: Scale) -> str:
    return "above it or below it" if scale.higher_is_better else "better or worse than it"


def _mean_over(runs: Iterable[Run], scale: Scale) -> str:
    values = [run.result[scale.name_on_test] for run in runs if scale.name_on_test in run.result]
    if not values:
        return ""
    return f"{scale.with_unit(mean_and_spread(values, scale))} over {plural(len(values), 'seed')}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
