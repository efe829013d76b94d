"""Tables of a page on what tickets know: a line for each ticket, of whatever setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from arms import Runs
from expressions import (
    accuracy,
    answer,
    best_null,
    difference,
    effect,
    head,
    lead,
    loss_answer,
    worth,
)

from tf_tickets.methods import METHODS
from tf_tickets.methods.choice import Choice
from tf_tickets.pruning.scores import score_row
from tf_tickets.sanity.checks import check_row

COMPONENTS = {
    "ratios": "its layers' ratios",
    "connections": "its connections",
    "weights": "the weights it starts from",
}


def table_of_leads(of: Runs, methods: Sequence[str]) -> str:
    """Accuracy of each ticket, and its leads over random tickets: of hand-made ratios, and of its counts."""
    columns: dict[str, Callable[[Runs], str]] = {
        "accuracy": accuracy,
        "lead over the best of hand-made ratios": lambda ticket: f"{lead(ticket)} ({best_null(ticket)})",
        "lead over random tickets of its own counts": lambda ticket: lead(ticket, "counts"),
    }
    lines = [_line(method, [said(of(method)) for said in columns.values()]) for method in methods]
    return "\n".join([head("ticket", *columns), *lines])


def table_of_components(of: Runs, methods: Sequence[str]) -> str:
    """What each ticket's lead is made of, with what is said of each component."""
    lines = [_line(method, [worth(of(method), part) for part in COMPONENTS]) for method in methods]
    return "\n".join([head("ticket", *COMPONENTS.values()), *lines])


def table_of_checks(of: Runs, methods: Sequence[str], checks: Sequence[str]) -> str:
    """What each check does to each ticket, its answer, and the loss's where that is another one.

    Where a check can say nothing of a method, that.
    """
    lines = [_line(method, [_checked(of, method, check) for check in checks]) for method in methods]
    return "\n".join([head("ticket", *checks), *lines])


def table_of_effects(of: Runs, methods: Sequence[str], names: Sequence[str]) -> str:
    """What each factor of ratios x positions is worth, a column for each ticket."""
    lines = [_line(name, [effect(of(method), name) for method in methods]) for name in names]
    return "\n".join([head("effect", *methods), *lines])


def _line(name: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([name, *cells])} |"


def _checked(of: Runs, method: str, check: str) -> str:
    row = METHODS[method]
    nothing = check_row(check).says_nothing(Choice(row, score_row(row.score), row.ratios))
    if nothing is not None:
        return nothing
    said, by_loss = answer(of(method, check)), loss_answer(of(method, check))
    other = "" if said == by_loss else f" (loss: {by_loss})"
    return f"{difference(of(method, check))}, {said}{other}"


TABLES = {
    function.__name__: function
    for function in (table_of_leads, table_of_components, table_of_checks, table_of_effects)
}
