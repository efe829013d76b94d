"""Scores, keep-ratios, masks and tickets."""

from tf_tickets.pruning.draw import draw_ticket, plan_budget
from tf_tickets.pruning.prune import prune
from tf_tickets.pruning.ratios import RATIOS, keep_counts
from tf_tickets.pruning.scores import SCORES, Score, score
from tf_tickets.pruning.ticket import Ticket, TicketLayer

__all__ = [
    "RATIOS",
    "SCORES",
    "Score",
    "Ticket",
    "TicketLayer",
    "draw_ticket",
    "keep_counts",
    "plan_budget",
    "prune",
    "score",
]
