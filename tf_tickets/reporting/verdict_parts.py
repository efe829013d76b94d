"""The part of a report that says what the checks say: `verdicts_part`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tf_tickets.reporting import tables
from tf_tickets.reporting.document import Folded, Part, Table
from tf_tickets.reporting.tables import wordings
from tf_tickets.reporting.tables.wordings import Wording
from tf_tickets.results import (
    Analysis,
    Experiment,
    Margin,
    Verdict,
    baselines,
    components,
    factorials,
    verdicts,
)
from tf_tickets.results.margin import margin_for
from tf_tickets.sanity.checks import CHECKS
from tf_tickets.support.scale import Scale
from tf_tickets.support.words import plural

MOST_VERDICTS = 40  # that are shown without being asked for
SCANNED = (0.25, 0.5, 1, 2)  # times the margin


def verdicts_part(
    experiment: Experiment, analysis: Analysis, endpoint: Scale | None, margin: Margin | None
) -> Part | None:
    """The verdicts by one endpoint; None where there is nothing to judge.

    Args:
        experiment: whose tickets are judged.
        analysis: how.
        endpoint: None: the metric of the runs; otherwise another one that was declared.
        margin: of it.
    """
    scale, alpha = endpoint or experiment.scale, analysis.alpha
    asked = margin_for(margin, scale)
    options: dict[str, Any] = {"margin": asked, "alpha": alpha, "scale": endpoint}
    found = verdicts(experiment, families=analysis.families, **options)
    of_baselines = baselines(experiment, **options)
    if not found and not of_baselines:
        return None
    heading = "Verdicts" if endpoint is None else f"Verdicts by test {scale.words}"
    if asked is None:
        text = (
            f"There is no verdict on {scale.words} without a margin: which difference of it counts as none "
            "is yours to say, in its unit: --margin=."
        )
        return Part(heading, (text,), (), ())
    texts = list(_rules(found, asked, alpha, scale))
    if endpoint is not None:
        texts.append("This is the second endpoint: its tests are families of their own.")
    about = tuple((check, CHECKS[check].about if check in CHECKS else "") for check in experiment.checks())
    return Part(
        heading,
        tuple(texts),
        about if endpoint is None else (),
        (
            *_answers(experiment, components(experiment, **options), asked, scale, wordings.COMPONENTS),
            *_answers(experiment, found, asked, scale, wordings.CHECKS),
            *_answers(experiment, factorials(experiment, **options), asked, scale, wordings.FACTORS),
            *_answers(experiment, of_baselines, asked, scale, wordings.BASELINES),
            *_other_margins(experiment, analysis, endpoint, asked),
        ),
    )


def _rules(found: Sequence[Verdict], margin: Margin, alpha: float, scale: Scale) -> Iterable[str]:
    """What the answers mean."""
    if found:
        yield f"{plural(len(found), 'check')} of tickets: {tables.tally(found)}."
    yield (
        f"Insensitive: shown to differ by less than {margin.words(scale)} (two one-sided paired t-tests), "
        "of a ticket that is shown to be ahead of a null by more than that. Cannot tell: it differs by less, "
        "but no such lead is shown: it had nothing to lose. Sensitive: "
        f"a {scale.loss_word} is shown (paired t-test); reversed: a {scale.gain_word} is. Undecided: neither "
        "is, with so many seeds; “not significant” is never read as “no difference”. All of it holds for one "
        "split of the data."
    )
    yield (
        "P-values are adjusted by Holm's method over the checks of one ticket and family"
        f"{_families(found)}, so that a wrong answer of either kind has a chance of {100 * alpha:g} % at "
        f"most in each; intervals are of {100 * (1 - alpha):g} %, each for itself."
    )


def _families(found: Sequence[Verdict]) -> str:
    """The families of tests with their checks, in words."""
    members: dict[str, dict[str, None]] = {}
    for verdict in found:
        members.setdefault(verdict.family, {})[verdict.versus] = None
    texts = [f"{family}: {', '.join(checks)}" for family, checks in members.items() if [family] != [*checks]]
    return f" ({'; '.join(texts)})" if texts else ""


def _answers(
    experiment: Experiment, found: Sequence[Verdict], margin: Margin, scale: Scale, wording: Wording
) -> Iterable[Table | Folded]:
    """All answers at a glance, and the numbers behind them, folded where they are many."""
    glance = tables.answers(experiment, found, wording)
    numbers = tables.verdicts(experiment, found, margin=margin, scale=scale, wording=wording)
    if glance is not None:
        yield glance
    if numbers is not None and glance is not None and len(found) > MOST_VERDICTS:
        yield Folded(
            f"{len(found)} {wording.plural} with differences, intervals, p-values and seeds", (numbers,)
        )
    elif numbers is not None:
        yield numbers


def _other_margins(
    experiment: Experiment, analysis: Analysis, endpoint: Scale | None, margin: Margin
) -> Iterable[Folded]:
    """What the answers would be at other margins: how much of a page hangs on one number."""
    scale = endpoint or experiment.scale
    margins = [other for factor in SCANNED if (other := margin.times(factor, scale)) is not None]
    scanned = {
        other: verdicts(
            experiment, margin=other, alpha=analysis.alpha, scale=endpoint, families=analysis.families
        )
        for other in margins
    }
    table = tables.margin_scan(experiment, scanned, scale)
    if table is not None:
        yield Folded("The same checks at other margins", (table,))
