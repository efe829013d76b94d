"""The networks that stand beside a method: dense ones, and random tickets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tf_tickets.methods.table import baseline_methods, null_methods
from tf_tickets.pruning.choices import RANKED
from tf_tickets.sanity.checks import null_checks
from tf_tickets.sweeps.cell import Cell, RecipeOf, fitting, planned
from tf_tickets.training.recipe import Recipe

# What these have of their own.
OF_THE_METHOD = ("sanity_check", "ratios", "rounds", "score", "score_options")


def controls_of(
    cells: Sequence[Cell], recipe_of: RecipeOf, controls: bool = True, nulls: bool = False
) -> Iterator[Cell]:
    """The controls of every cell, one after another; many are the same.

    Args:
        cells: what is asked for.
        recipe_of: the recipe of a cell's dataset.
        controls: dense, dense with the cell's whole training budget, and the random tickets that are
            baselines.
        nulls: what a ticket must be ahead of before a check of it means anything: random tickets of its own
            layer counts, and those of hand-made ratios with its whole training budget.
    """
    same: dict[Cell, Cell] = {}  # of equal cells the first, whose flags are parsed
    for cell in cells:
        plain = cell.having(**dict.fromkeys(OF_THE_METHOD))
        plain = same.setdefault(plain, plain)
        if plain.values.classifier_keep == RANKED:
            # which random tickets have no ranking for
            plain = plain.having(classifier_keep=None)
        unchecked = cell.having(sanity_check=None)
        config = planned(fitting(same.setdefault(unchecked, unchecked)), recipe_of)
        longer: dict[str, str | None] = {}
        if config.budget > config.recipe.epochs:
            longer = {"epochs": str(config.budget), **_stretched(config.recipe)}
        if controls:
            yield plain.having(method="dense")
            for method in baseline_methods():
                yield plain.having(method=method)
            if longer:
                yield plain.having(method="dense", **longer)
        if nulls and config.row.prunes:
            for check in null_checks(config.row.retrains):
                yield cell.having(sanity_check=check)
            for method in null_methods(config.row.retrains):
                yield plain.having(method=method)
                if longer:
                    yield plain.having(method=method, **longer)


def _stretched(recipe: Recipe) -> dict[str, str | None]:
    """Milestones of a longer training at the same fractions of it."""
    if recipe.schedule != "milestones":
        return {}
    fractions = [x if x < 1 else x / recipe.epochs for x in recipe.milestones]
    return {"milestones": ",".join(f"{x:.12g}" for x in fractions)}
