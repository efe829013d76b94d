"""Scores, keep-ratios, masks and tickets."""

from typing import TYPE_CHECKING

from tf_tickets.support.late import late_names

if TYPE_CHECKING:
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
    from tf_tickets.pruning.ratios import RATIOS, keep_counts, keep_densities
    from tf_tickets.pruning.scores import SCORES, Score
    from tf_tickets.pruning.scoring import score
    from tf_tickets.pruning.ticket import Overlap, Ticket, TicketLayer

# Public name -> where it is: the names to choose from (`choices`) are read without TensorFlow.
_PUBLIC = {
    "Budget": "tf_tickets.pruning.draw:Budget",
    "Overlap": "tf_tickets.pruning.ticket:Overlap",
    "Quota": "tf_tickets.pruning.draw:Quota",
    "RATIOS": "tf_tickets.pruning.ratios:RATIOS",
    "SCORES": "tf_tickets.pruning.scores:SCORES",
    "Score": "tf_tickets.pruning.scores:Score",
    "Ticket": "tf_tickets.pruning.ticket:Ticket",
    "TicketLayer": "tf_tickets.pruning.ticket:TicketLayer",
    "Within": "tf_tickets.pruning.draw:Within",
    "draw_ticket": "tf_tickets.pruning.draw:draw_ticket",
    "keep_counts": "tf_tickets.pruning.ratios:keep_counts",
    "keep_densities": "tf_tickets.pruning.ratios:keep_densities",
    "masks_of": "tf_tickets.pruning.draw:masks_of",
    "path_counts": "tf_tickets.pruning.draw:path_counts",
    "plan_budgets": "tf_tickets.pruning.draw:plan_budgets",
    "round_sparsities": "tf_tickets.pruning.draw:round_sparsities",
    "score": "tf_tickets.pruning.scoring:score",
    "ticket_of": "tf_tickets.pruning.carried:ticket_of",
}

__all__ = [
    "Budget",
    "Overlap",
    "Quota",
    "RATIOS",
    "SCORES",
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
    "round_sparsities",
    "score",
    "ticket_of",
]

__getattr__, __dir__ = late_names(__name__, _PUBLIC)
