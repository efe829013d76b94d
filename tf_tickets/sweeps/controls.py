"""The networks that stand beside a method: dense ones, and random tickets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tf_tickets.methods.table import baseline_methods
from tf_tickets.pruning.choices import RANKED
from tf_tickets.sweeps.cell import Cell, RecipeOf, fitting, planned
from tf_tickets.training.recipe import Recipe

# What these have of their own.
OF_THE_METHOD = ("sanity_check", "ratios", "rounds", "score", "score_options")


def controls_of(cells: Sequence[Cell], recipe_of: RecipeOf) -> Iterator[Cell]:
    """The controls of every cell, one after another; many are the same.

    Args:
        cells: what is asked for.
        recipe_of: the recipe of a cell's dataset.
    """
    same: dict[Cell, Cell] = {}  # of equal cells the first, whose flags are parsed
    for cell in cells:
        plain = cell.having(**dict.fromkeys(OF_THE_METHOD))
        plain = same.setdefault(plain, plain)
        if plain.values.classifier_keep == RANKED:
            # which random tickets have no ranking for
            plain = plain.having(classifier_keep=None)
        yield plain.having(method="dense")
        for method in baseline_methods():
            yield plain.having(method=method)
        unchecked = cell.having(sanity_check=None)
        config = planned(fitting(same.setdefault(unchecked, unchecked)), recipe_of)
        if config.budget > config.recipe.epochs:
            yield plain.having(method="dense", epochs=str(config.budget), **_stretched(config.recipe))


def _stretched(recipe: Recipe) -> dict[str, str | None]:
    """Milestones of a longer training at the same fractions of it."""
    if recipe.schedule != "milestones":
        return {}
    fractions = [x if x < 1 else x / recipe.epochs for x in recipe.milestones]
    return {"milestones": ",".join(f"{x:.12g}" for x in fractions)}
