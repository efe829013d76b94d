"""Scores, keep-ratios, masks and tickets."""

from typing import TYPE_CHECKING

from tf_tickets.support.late import late_names

if TYPE_CHECKING:  # `X as X`: type checkers take it as public
    from tf_tickets.pruning.budget import Budget as Budget
    from tf_tickets.pruning.budget import plan_budgets as plan_budgets
    from tf_tickets.pruning.counts import keep_counts as keep_counts
    from tf_tickets.pruning.counts import keep_densities as keep_densities
    from tf_tickets.pruning.draw import draw_ticket as draw_ticket
    from tf_tickets.pruning.model_summary import Summary as Summary
    from tf_tickets.pruning.model_summary import SummaryRow as SummaryRow
    from tf_tickets.pruning.model_summary import Unpruned as Unpruned
    from tf_tickets.pruning.model_summary import summary as summary
    from tf_tickets.pruning.model_ticket import carried as carried
    from tf_tickets.pruning.model_ticket import ticket_of as ticket_of
    from tf_tickets.pruning.overlap import Overlap as Overlap
    from tf_tickets.pruning.paths import path_counts as path_counts
    from tf_tickets.pruning.quota import Quota as Quota
    from tf_tickets.pruning.ratios import RATIOS as RATIOS
    from tf_tickets.pruning.removed_outputs import silence_removed_outputs as silence_removed_outputs
    from tf_tickets.pruning.score_model import score as score
    from tf_tickets.pruning.scores import SCORES as SCORES
    from tf_tickets.pruning.scores import Score as Score
    from tf_tickets.pruning.solution import Goal as Goal
    from tf_tickets.pruning.solution import Solution as Solution
    from tf_tickets.pruning.solved_ticket import check_solved as check_solved
    from tf_tickets.pruning.solved_ticket import solve_ticket as solve_ticket
    from tf_tickets.pruning.sparsity import round_sparsities as round_sparsities
    from tf_tickets.pruning.ticket import Ticket as Ticket
    from tf_tickets.pruning.ticket import TicketLayer as TicketLayer
    from tf_tickets.pruning.within import Within as Within
    from tf_tickets.pruning.within import masks_of as masks_of

# Public name -> where it is: tables and names to choose from are read without TensorFlow.
_PUBLIC = {
    "Budget": "tf_tickets.pruning.budget:Budget",
    "Goal": "tf_tickets.pruning.solution:Goal",
    "Overlap": "tf_tickets.pruning.overlap:Overlap",
    "Quota": "tf_tickets.pruning.quota:Quota",
    "RATIOS": "tf_tickets.pruning.ratios:RATIOS",
    "SCORES": "tf_tickets.pruning.scores:SCORES",
    "Score": "tf_tickets.pruning.scores:Score",
    "Solution": "tf_tickets.pruning.solution:Solution",
    "Summary": "tf_tickets.pruning.model_summary:Summary",
    "SummaryRow": "tf_tickets.pruning.model_summary:SummaryRow",
    "Ticket": "tf_tickets.pruning.ticket:Ticket",
    "TicketLayer": "tf_tickets.pruning.ticket:TicketLayer",
    "Unpruned": "tf_tickets.pruning.model_summary:Unpruned",
    "Within": "tf_tickets.pruning.within:Within",
    "carried": "tf_tickets.pruning.model_ticket:carried",
    "check_solved": "tf_tickets.pruning.solved_ticket:check_solved",
    "draw_ticket": "tf_tickets.pruning.draw:draw_ticket",
    "keep_counts": "tf_tickets.pruning.counts:keep_counts",
    "keep_densities": "tf_tickets.pruning.counts:keep_densities",
    "masks_of": "tf_tickets.pruning.within:masks_of",
    "path_counts": "tf_tickets.pruning.paths:path_counts",
    "plan_budgets": "tf_tickets.pruning.budget:plan_budgets",
    "round_sparsities": "tf_tickets.pruning.sparsity:round_sparsities",
    "score": "tf_tickets.pruning.score_model:score",
    "silence_removed_outputs": "tf_tickets.pruning.removed_outputs:silence_removed_outputs",
    "solve_ticket": "tf_tickets.pruning.solved_ticket:solve_ticket",
    "summary": "tf_tickets.pruning.model_summary:summary",
    "ticket_of": "tf_tickets.pruning.model_ticket:ticket_of",
}

__all__ = list(_PUBLIC)

__getattr__, __dir__ = late_names(__name__, _PUBLIC)
