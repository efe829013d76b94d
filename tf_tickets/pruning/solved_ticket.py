"""Tickets whose masks a solver chooses while it corrects the weights. Nothing of the model is changed."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from tf_tickets.layers import MaskedWeight
from tf_tickets.pruning.budget import plan_budgets
from tf_tickets.pruning.channels import channel_axes
from tf_tickets.pruning.draw import origin_of
from tf_tickets.pruning.paths import affordable_path_counts
from tf_tickets.pruning.pattern_names import pattern_of
from tf_tickets.pruning.quota import Quota, quota_facts
from tf_tickets.pruning.scored_weights import weights_to_score
from tf_tickets.pruning.scores import ScoreFunction, check_data
from tf_tickets.pruning.scoring_examples import Batch
from tf_tickets.pruning.solution import Goal, Solution
from tf_tickets.pruning.ticket import Ticket
from tf_tickets.pruning.unit_layouts import Layout
from tf_tickets.pruning.within import Within, masks_of

# (model, batches, goal, **options)
Solver = Callable[..., Solution]


def check_solved(quota: Quota) -> None:
    """Raises ValueError for a quota that a solver, which prunes one layer after the other, cannot meet."""
    asked = {
        "ratios='global'": quota.ranks_all,
        "preserve_flow=True": quota.preserve_flow,
        f"rounds={quota.rounds}": quota.rounds not in (None, 1),
        f"pattern={quota.pattern!r}": quota.pattern is not None
        and pattern_of(quota.pattern).form != "windows",
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
    windows = None if quota.pattern is None else _windows(entries, quota, within)
    if windows is None:
        goal = Goal(counts=budget.counts, within=allowed, inverted=inverted)
    else:
        goal = Goal(pattern=windows, inverted=inverted)
    solution = solver(model, batches, goal, **options)
    ticket = Ticket(
        masks=solution.masks,
        names=tuple(entry.name for entry in entries),
        origin=origin_of(score, seed, quota_facts(quota, 1), options, allowed, inverted),
        on_path=affordable_path_counts(model, solution.masks),
    )
    return ticket, solution


def _windows(entries: Sequence[MaskedWeight], quota: Quota, within: Within | None) -> tuple[int, int]:
    """The n and m of a pattern that is met by n of each m inputs of each output, no more and no less."""
    most, of = pattern_of(quota.pattern).numbers
    other = " Another score=, such as 'wanda', has masks drawn before, which can."
    if within is not None or abs(quota.sparsity - (1 - most / of)) > 1e-9:
        raise ValueError(
            f"pattern={quota.pattern!r} keeps {most} of each {of} here: sparsity={1 - most / of:g}, "
            f"within=None. Received: sparsity={quota.sparsity}"
            f"{'' if within is None else ', and masks to stay inside'}.{other}"
        )
    odd = [x.name for x in entries if Layout(x.shape, channel_axes(x)).matrices[1] % of]
    if odd:
        raise ValueError(
            f"pattern={quota.pattern!r} takes {of} inputs at a time, and these have no multiple of it: "
            f"{', '.join(odd)}. Leave them out by tf_tickets.mask_layers(model, exclude=).{other}"
        )
    return most, of
