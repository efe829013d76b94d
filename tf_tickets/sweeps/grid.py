"""What a sweep runs: the product of the values of its axes, each cell the flags of one run."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Collection, Mapping, Sequence

from absl.flags import FlagValues

from tf_tickets import config as configuration
from tf_tickets.config import FLAGS
from tf_tickets.methods.table import METHODS, method_row
from tf_tickets.sanity.checks import check_row
from tf_tickets.support.options import written
from tf_tickets.support.own_code import is_own
from tf_tickets.sweeps.axes import AXES, NONE, values_along
from tf_tickets.sweeps.cell import (
    OF_A_SOURCE,
    OF_PRUNED_NETWORKS,
    Cell,
    RecipeOf,
    fitting,
    parse,
    recipe_by_name,
    without_unused_source,
)
from tf_tickets.sweeps.controls import controls_of


@dataclasses.dataclass(frozen=True)
class Grid:
    """The cells of a sweep, and what was left out of it.

    Attributes:
        cells: different ones, in the order of the axes.
        silent: label of a cell -> why its sanity check could say nothing.
        beside: those that nobody asked for, but that stand beside what is asked for: controls and nulls.
    """

    cells: tuple[Cell, ...]
    silent: Mapping[str, str]
    beside: frozenset[Cell] = frozenset()

    def label(self, cell: Cell) -> str:
        """A cell for people: its values of the flags in which cells differ."""
        return cell.label(self._varied)

    @functools.cached_property
    def _varied(self) -> set[str]:
        found: dict[str, set[str | None]] = {}
        given = [dict(cell.flags) for cell in self.cells]
        for name in {name for pairs in given for name in pairs} - {"milestones"}:
            found[name] = {pairs.get(name) for pairs in given}
        return {"method", *(name for name, values in found.items() if len(values) > 1)}


def read_grid(
    values: FlagValues,
    controls: bool = False,
    recipe_of: RecipeOf = recipe_by_name,
    nulls: bool = False,
) -> Grid:
    """The grid that flags ask for, of which `AXES` take lists.

    A sanity check for one of the methods only is written `method:check`. A cell whose sanity check can say
    nothing about its method is left out, and so is a flag where it means nothing to a method of the sweep, as
    long as it means something to another.

    Args:
        values: parsed flags.
        controls: also dense, dense with each method's whole training budget, and the random tickets that
            are baselines, for every dataset, model, sparsity and seed.
        recipe_of: the recipe of a cell's dataset.
        nulls: also what tickets must be ahead of before a check of them means anything; see `controls_of`.

    Raises:
        ValueError: a value that `python -m tf_tickets.run` would refuse, before anything runs.
    """
    axes = {axis: values_along(axis, values) for axis in AXES}
    if axes["method"] == [None]:
        axes["method"] = [parse(()).method]
    common = _common_flags(values)
    asked = [
        Cell((*((axis, value) for axis, value in zip(axes, point, strict=True) if value), *common.items()))
        for point in itertools.product(*axes.values())
    ]
    _check_of_some(values, axes, common)
    asked = [without_unused_source(cell) for cell in asked]
    asked = [checked for cell in asked if (checked := _with_check(cell, axes["method"])) is not None]
    # What only the controls would use is no flag of what is asked for.
    fitted = {cell: fitting(cell) for cell in asked}
    used = {name for cell in fitted.values() for name, _ in cell.flags}
    own = set(fitted.values())
    if controls or nulls:
        asked = list(dict.fromkeys([*controls_of(asked, recipe_of, controls, nulls), *asked]))
    cells: dict[Cell, None] = {}
    silent: dict[str, str] = {}
    for cell in (fitted.get(cell) or fitting(cell) for cell in asked):
        reason = configuration.says_nothing(cell.values) if cell.values.sanity_check else None
        if reason is not None:
            if cell in own:
                silent[cell.having(seed=None).label()] = reason
            continue
        configuration.check_flags(cell.values)
        cells[cell] = None
    _check_used(values, axes, used)
    return Grid(tuple(cells), silent, frozenset(cells) - own)


def _common_flags(values: FlagValues) -> dict[str, str]:
    """The flags of one run that are given and no axis: they hold for every cell."""
    common = {
        name: written(values[name].value)
        for group in configuration.GROUPS
        for name in (flag.name for flag in values.flags_by_module_dict()[group])
        if name not in AXES and not values[name].using_default_value
    }
    for name in ("run_dir", "dense_dir", "ticket"):
        if name in common:
            raise ValueError(f"--{name}={common[name]} is for one run; a sweep has --runs_dir.")
    return common


def _check_used(values: FlagValues, axes: Mapping[str, Sequence[str | None]], used: Collection[str]) -> None:
    """Refuses flags that no method of the sweep has a use for."""
    needed = {name: "prunes" for name in OF_PRUNED_NETWORKS if {*axes[name]} - {None, NONE}}
    needed |= {name: row.needs.what for name, row in FLAGS.items() if row.needs is not None}
    for name, what in needed.items():
        if name not in used and not values[name].using_default_value and axes.get(name) != [NONE]:
            raise ValueError(
                f"--{name}={written(values[name].value)} is only for a method that {what}; none here does."
            )


def _check_of_some(
    values: FlagValues, axes: Mapping[str, Sequence[str | None]], common: Mapping[str, str]
) -> None:
    """Refuses what means nothing to any cell, where that is no question of the method alone."""
    given = [name for name in OF_A_SOURCE if name in common or axes.get(name, [None]) != [None]]
    if given and not {*axes["source_density"]} - {None, NONE}:
        raise ValueError(f"--{given[0]} is about a source mask: say --source_density too.")
    rows = [method_row(name, "--method") for name in axes["method"] if name is not None]
    known = {option for row in rows if row.search is not None for option in row.search.options}
    for pair in values.search_options or ():
        if known and pair.partition("=")[0] not in known:
            raise ValueError(
                f"--search_options: none of these methods has {pair!r}. "
                f"They have: {', '.join(sorted(known))}."
            )


def _with_check(cell: Cell, methods: Sequence[str | None]) -> Cell | None:
    """The cell with its check by name; None where that is for another method (`method:check`)."""
    check = dict(cell.flags).get("sanity_check")
    if check is None or check == NONE:
        return cell.having(sanity_check=None)
    # The check of one method only is written after it; names of one's own have colons too.
    method = max((x for x in methods if x is not None and check.startswith(f"{x}:")), key=len, default="")
    before, _, _ = check.rpartition(":")
    if not method and (before in METHODS or not is_own(check)):
        method = before
    name = check.removeprefix(f"{method}:") if method else check
    check_row(name)
    if not method:
        return cell
    if method not in methods:
        raise ValueError(f"--sanity_check={check} is for a method that is not in this sweep.")
    return cell.having(sanity_check=name) if dict(cell.flags).get("method") == method else None
