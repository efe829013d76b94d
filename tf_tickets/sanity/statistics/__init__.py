"""The verdict on a sanity check, from test accuracies over paired seeds: `compare`, and `seeds_to_plan`.

A ticket and its attacked twins are matched pairs: they are trained at the same seeds, from the same initial
weights, over the same order of the data. What counts is the difference of each pair, twin minus ticket. "The
difference is not significant" is no answer here, because with few seeds nothing is; so two questions are
asked of every twin: whether its mean difference is shown to lie within a margin, and whether it is shown not
to be zero. And one of the ticket: whether it is shown to be ahead of a null by more than the margin, so that
it had that to lose. The twins that are compared in one call are one family of tests: the chance of a wrong
answer is that of any.
"""

from tf_tickets.sanity.statistics.answer import (
    ANSWERS,
    CANNOT_TELL,
    INSENSITIVE,
    REVERSED,
    SAYS_NOTHING,
    SENSITIVE,
    UNDECIDED,
    answers,
)
from tf_tickets.sanity.statistics.comparison import Comparison, compare, compare_pairs
from tf_tickets.sanity.statistics.lead import Lead
from tf_tickets.sanity.statistics.paired_accuracies import LEAST_SEEDS, MOST_SEEDS, check_settings
from tf_tickets.sanity.statistics.paired_tests import floor_of, holm, p_above, p_values
from tf_tickets.sanity.statistics.planning import seeds_to_plan

__all__ = [
    "ANSWERS",
    "CANNOT_TELL",
    "INSENSITIVE",
    "LEAST_SEEDS",
    "MOST_SEEDS",
    "REVERSED",
    "SAYS_NOTHING",
    "SENSITIVE",
    "UNDECIDED",
    "Comparison",
    "Lead",
    "answers",
    "check_settings",
    "compare",
    "compare_pairs",
    "floor_of",
    "holm",
    "p_above",
    "p_values",
    "seeds_to_plan",
]
