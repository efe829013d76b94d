"""What is said of a pair of arms, by what the second of them is: `CHECKS`, `BASELINES`, `COMPONENTS`, ..."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from tf_tickets.results import MATTERS


@dataclasses.dataclass(frozen=True)
class Wording:
    """How a table of comparisons speaks.

    Attributes:
        head: of the column that says what is compared.
        title: of the numbers; `{words}` is the metric.
        glance: of all answers at a glance, where there is such a table; `{sides}` are the two directions.
        words: answer of the statistics -> what it is called; others are called as they are.
        words_of_errors: the same of a metric of which less is better.
        plural: what several of them are called.
        shows_leads: whether the ticket's leads stand above its rows.
    """

    head: str
    title: str
    glance: str
    words: Mapping[str, str]
    words_of_errors: Mapping[str, str]
    plural: str
    shows_leads: bool = False


CHECKS = Wording(
    head="check",
    title="The verdicts, each over the seeds that the ticket and its attacked twin have in common. "
    "Differences are the attacked ticket's {words} less the ticket's.",
    glance="What each check says.",
    words={},
    words_of_errors={},
    plural="verdicts",
    shows_leads=True,
)
BASELINES = Wording(
    head="beside the ticket",
    title="Tickets beside dense networks and random tickets, over the seeds that both have. Differences are "
    "the baseline's {words} less the ticket's.",
    glance="Dense networks and random tickets, beside each ticket: shown to be {sides}, or to be equivalent "
    "within the margin.",
    words={"insensitive": "equivalent", "sensitive": "below it", "reversed": "above it"},
    words_of_errors={"insensitive": "equivalent", "sensitive": "worse", "reversed": "better"},
    plural="comparisons",
)
COMPONENTS = Wording(
    head="component",
    title="What a ticket's lead over random tickets of hand-made ratios is made of: of its layers' ratios (a "
    "random ticket of its layer counts, less the best one of hand-made ratios), its connections (its masks "
    "on new weights, less random masks on new weights) and the weights it starts from (the ticket, less its "
    "masks on new weights). Differences are the {words} without the component less that with it.",
    glance="What a ticket's lead over random tickets is made of.",
    words=MATTERS,
    words_of_errors=MATTERS,
    plural="components",
    shows_leads=True,
)
FACTORS = Wording(
    head="effect",
    title="Ratios x positions: ratios chosen on clean or corrupted data, crossed with positions chosen on "
    "clean data, on corrupted data or at random. Differences are the mean {words} of the arms without what "
    "is named less that of the arms with it; of an interaction half the difference of the differences: it "
    "matters where the two are worth more together than the sum of what each is worth, and harms where "
    "they are worth less.",
    glance="What the data decide: ratios, positions, and their interactions.",
    words=MATTERS,
    words_of_errors=MATTERS,
    plural="effects",
)
