"""Scores, keep-ratios, masks and tickets."""

from tf_tickets.pruning.carried import ticket_of
from tf_tickets.pruning.draw import (
    Budget,
    Quota,
    Within,
    draw_ticket,
    masks_of,
    path_counts,
    plan_budgets,
    round_sparsities,
)
from tf_tickets.pruning.prune import prune
from tf_tickets.pruning.ratios import RATIOS, keep_counts, keep_densities
from tf_tickets.pruning.scores import SCORES, Score
from tf_tickets.pruning.scoring import score
from tf_tickets.pruning.ticket import Overlap, Ticket, TicketLayer

__all__ = [
    "RATIOS",
    "SCORES",
    "Budget",
    "Overlap",
    "Quota",
    "Score",
    "Ticket",
    "TicketLayer",
    "Within",
    "draw_ticket",
    "keep_counts",
    "keep_densities",
    "masks_of",
    "path_counts",
    "plan_budgets",
    "prune",
    "round_sparsities",
    "score",
    "ticket_of",
]
