"""A cell of a sweep: one run, as the flags that it is given."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Collection, Sequence

from absl.flags import Error, FlagValues

from tf_tickets import config as configuration
from tf_tickets.config import FLAGS, Config
from tf_tickets.data.sources import find
from tf_tickets.methods.table import method_row
from tf_tickets.sweeps.axes import AXES, NONE
from tf_tickets.training.recipe import Recipe

# What a network that keeps every weight does not depend on.
OF_PRUNED_NETWORKS = ("sparsity", "sanity_check")
# What means something only where there is a source mask, which is all that options stand beside.
OF_A_SOURCE = tuple(name for name, row in FLAGS.items() if row.beside is not None)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        flags: what `python -m tf_tickets.run` is to be given, by name, as text.
    """

    flags: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        # In one order, so that equal cells are equal.
        order = {axis: place for place, axis in enumerate(AXES)}
        ordered = sorted(self.flags, key=lambda flag: (order.get(flag[0], len(AXES)), flag[0]))
        object.__setattr__(self, "flags", tuple(ordered))

    @property
    def arguments(self) -> list[str]:
        """The flags as a command line has them."""
        return [f"--{name}={value}" for name, value in self.flags]

    @functools.cached_property
    def values(self) -> FlagValues:
        """The flags, parsed."""
        return parse(self.arguments)

    def label(self, names: Collection[str] = AXES) -> str:
        """The cell for people: its values of some flags."""
        words = {"seed": "seed {}", "epochs": "epochs={}", "rounds": "rounds={}"}
        return " ".join(
            words.get(name, "{}").format(value) for name, value in self.flags if name in names and value
        )

    def having(self, **changes: str | None) -> Cell:
        """A cell with other values of some flags; None leaves a flag out."""
        merged = {**dict(self.flags), **changes}
        return Cell(tuple((name, value) for name, value in merged.items() if value is not None))


RecipeOf = Callable[[Cell], Recipe]


def parse(arguments: Sequence[str]) -> FlagValues:
    """The flags of one run, parsed apart from the program's own.

    Raises:
        ValueError: a text is no value of its flag.
    """
    values = FlagValues()
    configuration.define_flags(values)
    try:
        values(["run", *arguments])
    except Error as error:
        raise ValueError(str(error)) from error
    return values


def recipe_by_name(cell: Cell) -> Recipe:
    """The recipe of a cell's dataset, where its name tells it.

    Raises:
        ValueError: only the data tell it.
    """
    recipe = find(cell.values.dataset)[0].recipe
    if recipe is None:
        raise ValueError(f"--dataset={cell.values.dataset}: only the data tell its recipe.")
    return recipe


def planned(cell: Cell, recipe_of: RecipeOf = recipe_by_name) -> Config:
    """What is known of a cell's config without its data."""
    return configuration.plan_config(cell.values, recipe_of(cell))


def fitting(cell: Cell) -> Cell:
    """The cell without the flags that mean nothing to its method; itself, if it has none of them."""
    asked, row = cell, method_row(cell.values.method, "--method")
    if not row.prunes:
        cell = cell.having(**dict.fromkeys(OF_PRUNED_NETWORKS))
    cell = cell.having(**dict.fromkeys(configuration.useless_flags(cell.values)))
    if row.search is not None and "search_options" in dict(cell.flags):
        known = row.search.options
        pairs = [pair for pair in cell.values.search_options if pair.partition("=")[0] in known]
        cell = cell.having(search_options=",".join(pairs) or None)
    cell = without_unused_source(cell)
    return asked if cell == asked else cell


def without_unused_source(cell: Cell) -> Cell:
    """The cell without what belongs to a source mask where it has none."""
    if dict(cell.flags).get("source_density", NONE) != NONE:
        return cell
    return cell.having(**dict.fromkeys(("source_density", *OF_A_SOURCE)))
