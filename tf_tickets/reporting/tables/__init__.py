"""The tables of a report: each function makes one from an experiment, or None."""

from tf_tickets.reporting.tables.accuracy import accuracies, checks
from tf_tickets.reporting.tables.check_answers import answers, margin_scan, tally, verdicts
from tf_tickets.reporting.tables.density import densities
from tf_tickets.reporting.tables.inside_sources import source_contrasts
from tf_tickets.reporting.tables.kept_weights import compute, keep_ratios
from tf_tickets.reporting.tables.training_budget import budget
from tf_tickets.reporting.tables.ways_to_ship import deployments

__all__ = [
    "accuracies",
    "answers",
    "budget",
    "checks",
    "compute",
    "densities",
    "deployments",
    "keep_ratios",
    "margin_scan",
    "source_contrasts",
    "tally",
    "verdicts",
]
