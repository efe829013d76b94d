"""Tickets whose masks a solver chooses while it corrects the weights. Nothing of the model is changed."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from tf_tickets.pruning.budget import plan_budgets
from tf_tickets.pruning.paths import path_counts
from tf_tickets.pruning.quota import Quota, as_json, quota_facts
from tf_tickets.pruning.scored_weights import weights_to_score
from tf_tickets.pruning.scores import ScoreFunction, check_data, name_of
from tf_tickets.pruning.scoring_examples import Batch
from tf_tickets.pruning.solution import Goal, Solution
from tf_tickets.pruning.ticket import Ticket
from tf_tickets.pruning.ticket_file import masks_sha256
from tf_tickets.pruning.within import Within, masks_of

# (model, batches, goal, **options)
Solver = Callable[..., Solution]


def check_solved(quota: Quota) -> None:
    """Raises ValueError for a quota that a solver, which prunes one layer after the other, cannot meet."""
    asked = {
        "ratios='global'": quota.ranks_all,
        "preserve_flow=True": quota.preserve_flow,
        f"rounds={quota.rounds}": quota.rounds not in (None, 1),
    }
    for name, given in asked.items():
        if given:
            raise ValueError(
                f"{name} is not for a method that chooses the masks of one layer after the other, each as "
                "its weights are by then. Another score=, such as 'wanda', has masks drawn before."
            )


def solve_ticket(
    model: keras.Model,
    solver: Solver,
    score: str | ScoreFunction,
    quota: Quota,
    batches: Sequence[Batch] | None,
    seed: int = 0,
    within: Within | None = None,
    inverted: bool = False,
    **options: Any,
) -> tuple[Ticket, Solution]:
    """The ticket that a solver finds in the weights that the model holds now, and the weights for it.

    Args:
        model: a built Keras model; it is not changed.
        solver: column of a method's row.
        score: what the solver ranks by, for messages and for the ticket's origin.
        quota: how many to keep, and where.
        batches: of `read_batches`.
        seed: for the ticket's origin.
        within: a Ticket or masks: only weights kept there are kept; the others count as zero.
        inverted: keep the weights with the worst scores instead of the best (a sanity check).
        **options: of the solver.

    Raises:
        ValueError: a quota that cannot be met, no examples, or a model that the solver cannot take.
    """
    check_solved(quota)
    entries = weights_to_score(model)
    allowed = None if within is None else masks_of(within, entries)
    (budget,) = plan_budgets(model, score, quota, within=allowed)
    check_data(score, batches)
    assert batches is not None
    # Of n:m the goal is pattern=(n, m) instead of counts.
    goal = Goal(counts=budget.counts, within=allowed, inverted=inverted)
    solution = solver(model, batches, goal, **options)
    ticket = Ticket(
        masks=solution.masks,
        names=tuple(entry.name for entry in entries),
        origin={
            "score": name_of(score),
            "seed": int(seed),
            **quota_facts(quota, 1),
            "samples_per_class": None,
            "options": {name: as_json(value) for name, value in options.items()},
            **({"inverted": True} if inverted else {}),
            "within": None if allowed is None else masks_sha256(allowed),
        },
        on_path=path_counts(model, solution.masks),
    )
    return ticket, solution
