"""What the sanity checks say of methods: `Findings`, in words."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

from tf_tickets.results import MATTERS, Analysis, Protocol, Variant, Verdict, leads_of
from tf_tickets.results.fields import grouped
from tf_tickets.sanity.checks import check_row
from tf_tickets.sanity.statistics import CANNOT_TELL, INSENSITIVE, REVERSED, SENSITIVE
from tf_tickets.support.html_table import html_table
from tf_tickets.support.scale import LOSS, Scale
from tf_tickets.support.words import plural

# What the answers are called: of an attacked twin of the ticket as they are, of others by other words.
TICKET_WORDS: Mapping[str, str] = {}
BASELINE_WORDS = {INSENSITIVE: "level", SENSITIVE: "worse", REVERSED: "better"}


@dataclasses.dataclass(frozen=True)
class Findings:
    """What the sanity checks say of methods. Its `str` is the whole of it, for people.

    Attributes:
        verdicts: one a method, sparsity and check.
        baselines: each ticket beside dense, dense with its whole training budget, uniform and random tickets.
        silent: label of a method, sparsity and check that was not run -> why it could say nothing.
        failures: label of a run that failed -> what went wrong; its seed is missing from the verdicts.
        runs: the run directories.
        analysis: endpoints, margins, the accepted chance of an error and families of the verdicts.
        components: what each ticket's lead over random tickets is made of, and where the six arms of ratios x
            positions were run, their effects.
        protocol: what was written down before the first run; None where nothing was.
        missing: planned runs that have no result.
    """

    verdicts: tuple[Verdict, ...]
    baselines: tuple[Verdict, ...]
    silent: Mapping[str, str]
    failures: Mapping[str, str]
    runs: tuple[pathlib.Path | str, ...]
    analysis: Analysis
    components: tuple[Verdict, ...] = ()
    protocol: Protocol | None = None
    missing: tuple[str, ...] = ()

    def answer(
        self,
        check: str,
        sparsity: float | None = None,
        method: str | None = None,
        metric: str | None = None,
    ) -> str | None:
        """The answer of one check; None where too few seeds have a result.

        Args:
            check: its name.
            sparsity: needed where there are several.
            method: likewise.
            metric: `"loss"` asks for the answer of the second endpoint. None: the metric of the runs.

        Raises:
            ValueError: there is no such verdict, or more than one.
        """
        found = [
            verdict
            for verdict in self.verdicts
            if verdict.versus == check
            and sparsity in (None, verdict.sparsity)
            and method in (None, verdict.variant.method)
            and (verdict.scale == LOSS) == (metric == LOSS.metric)
        ]
        if len(found) != 1:
            there = ", ".join(f"{x.variant.label} {x.sparsity:g} {x.versus}" for x in self.verdicts)
            raise ValueError(
                f"{len(found)} verdicts fit check={check!r}, sparsity={sparsity}, method={method!r}. "
                f"There are: {there}"
            )
        return found[0].answer

    def __repr__(self) -> str:
        answered = sum(verdict.comparison is not None for verdict in self.verdicts)
        return (
            f"Findings({answered} of {plural(len(self.verdicts), 'check')} answered, {len(self.silent)} not "
            f"asked, {len(self.failures)} failed, {plural(len(self.runs), 'run')}; print it for the answers)"
        )

    def _repr_html_(self) -> str:
        rows = [
            (
                verdict.variant.label,
                f"{verdict.sparsity:g}",
                verdict.versus,
                _said(verdict, words),
            )
            for verdicts, words in (
                (self.components, MATTERS),
                (self.verdicts, TICKET_WORDS),
                (self.baselines, BASELINE_WORDS),
            )
            for verdict in verdicts
        ]
        head = ("method", "sparsity", "attacked, or beside it", "answer")
        return html_table(head, rows, left=4, after="\n".join(self._others()))

    def __str__(self) -> str:
        lines = []
        for variant, sparsity, scale in dict.fromkeys(map(_ticket, self.verdicts)):
            own = [x for x in self.verdicts if _ticket(x) == (variant, sparsity, scale)]
            baselines = [x for x in self.baselines if _ticket(x) == (variant, sparsity, scale)]
            lines += ["", _title(variant.label, sparsity, [*own, *baselines])]
            lines += _leads(own)
            of_ticket = [x for x in self.components if _ticket(x) == (variant, sparsity, scale)]
            for family, parts in grouped(of_ticket, lambda verdict: verdict.family).items():
                lines += _lines(family, parts, MATTERS)
            lines += _lines("attacked", own, TICKET_WORDS) + _lines("beside it", baselines, BASELINE_WORDS)
            lines += _summary(own)
        if not self.verdicts:
            lines.append("no check has a result to judge")
        return "\n".join([*lines, *self._others()]).strip()

    def _others(self) -> list[str]:
        """A line for each check that was not asked, each run that failed, and what a plan still lacks."""
        lines = [f"not asked: {label}: {reason}" for label, reason in self.silent.items()]
        lines += [f"failed: {label}: {problem}" for label, problem in self.failures.items()]
        if self.protocol is not None and self.missing:
            missing = plural(len(self.missing), "planned run")
            lines.append(f"missing: {missing} of {len(self.protocol.runs)} without a result")
        return lines


def _ticket(verdict: Verdict) -> tuple[Variant, float, Scale]:
    return verdict.variant, verdict.sparsity, verdict.scale


def _leads(verdicts: Sequence[Verdict]) -> list[str]:
    """A line for each null that the ticket is to be ahead of; one that no null was run."""
    if not any(one.comparison is not None for one in verdicts):
        return []
    return [f"  ahead by {lead}" for lead in leads_of(verdicts)] or [
        "  ahead of nothing: no null was run, so that no check can show it to be insensitive"
    ]


def _title(label: str, sparsity: float, verdicts: Sequence[Verdict]) -> str:
    known = [verdict.comparison for verdict in verdicts if verdict.comparison is not None]
    reached = ""
    if known:
        scale = known[0].scale
        reached = f", test {scale.words} {scale.with_unit(scale.shown(known[0].reference_mean))}"
    return f"{label} at sparsity {sparsity:g}{reached}"


def _said(verdict: Verdict, words: Mapping[str, str]) -> str:
    """What the statistics say, with the answer in the words for it."""
    if verdict.comparison is None:
        return f"no verdict: {verdict.reason}"
    answer = verdict.comparison.answer
    return str(verdict.comparison).replace(answer, words.get(answer, answer), 1)


def _lines(heading: str, verdicts: Sequence[Verdict], words: Mapping[str, str]) -> list[str]:
    if not verdicts:
        return []
    width = max(len(verdict.versus) for verdict in verdicts)
    lines = [f"  {heading}"]
    for verdict in verdicts:
        lines.append(f"    {verdict.versus.ljust(width)}  {_said(verdict, words)}")
        lines += [f"    {' ' * width}  note: {note}" for note in verdict.notes]
    return lines


def _summary(verdicts: Sequence[Verdict]) -> list[str]:
    """What the answers mean, in a sentence each."""
    meanings = {
        INSENSITIVE: "within the margin it does as well without",
        SENSITIVE: "it does worse without",
        REVERSED: "it does better without",
        CANNOT_TELL: "nothing to lose at this margin, so that nothing is said of",
    }
    lines = []
    for answer, meaning in meanings.items():
        asked = [
            check_row(verdict.versus).asks
            for verdict in verdicts
            if verdict.comparison is not None and verdict.comparison.answer == answer
        ]
        if asked:
            lines.append(f"  {meaning}: {'; '.join(asked)}")
    return lines
