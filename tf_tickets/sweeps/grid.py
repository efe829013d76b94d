"""What a sweep runs: the product of the values of its axes, each cell the flags of one run."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from absl.flags import Error, Flag, FlagValues

from tf_tickets.config import config as configuration
from tf_tickets.config import flag_definitions
from tf_tickets.config.config import Config
from tf_tickets.data.recipe import Recipe
from tf_tickets.data.sources import find
from tf_tickets.methods.table import METHODS, baseline_methods
from tf_tickets.sanity.checks import check_row
from tf_tickets.support.numbers import is_written_number

# Flags that take several values in a sweep; the first varies slowest.
AXES = (
    "dataset",
    "model",
    "method",
    "ratios",
    "rounds",
    "sparsity",
    "source_density",
    "source_ratios",
    "sanity_check",
    "seed",
)
NONE = "none"  # of an axis: a cell without the flag
MOST_SEEDS = 100_000
# What a network that keeps every weight does not depend on.
OF_PRUNED_NETWORKS = ("sparsity", "sanity_check")
# What random tickets beside a method have of their own.
OF_THE_METHOD = ("sanity_check", "ratios", "rounds", "score", "score_options")


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


@dataclasses.dataclass(frozen=True)
class Grid:
    """The cells of a sweep, and what was left out of it.

    Attributes:
        cells: different ones, in the order of the axes.
        silent: label of a cell -> why its sanity check could say nothing.
    """

    cells: tuple[Cell, ...]
    silent: Mapping[str, str]

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


def parse(arguments: Sequence[str]) -> FlagValues:
    """The flags of one run, parsed apart from the program's own.

    Raises:
        ValueError: a text is no value of its flag.
    """
    values = FlagValues()
    flag_definitions.define_flags(values)
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


def read_grid(values: FlagValues, controls: bool = False, recipe_of: RecipeOf = recipe_by_name) -> Grid:
    """The grid that flags ask for, of which `AXES` take lists.

    A sanity check for one of the methods only is written `method:check`. A cell whose sanity check can say
    nothing about its method is left out, and so is a flag where it means nothing to a method of the sweep, as
    long as it means something to another.

    Args:
        values: parsed flags.
        controls: also dense, dense with each method's whole training budget, and the random tickets that
            are baselines, for every dataset, model, sparsity and seed.
        recipe_of: the recipe of a cell's dataset.

    Raises:
        ValueError: a value that `python -m tf_tickets.run` would refuse, before anything runs.
    """
    axes = {axis: _values(values, axis) for axis in AXES}
    if axes["method"] == [None]:
        axes["method"] = [parse(()).method]
    common = {
        name: _as_text(values[name])
        for group in flag_definitions.GROUPS
        for name in (flag.name for flag in values.flags_by_module_dict()[group])
        if name not in AXES and not values[name].using_default_value
    }
    for name in ("run_dir", "dense_dir", "ticket"):
        if name in common:
            raise ValueError(f"--{name}={common[name]} is for one run; a sweep has --runs_dir.")
    asked = [
        Cell((*((axis, value) for axis, value in zip(axes, point, strict=True) if value), *common.items()))
        for point in itertools.product(*axes.values())
    ]
    _check_of_some(values, axes, common)
    asked = [_with_source(cell) for cell in asked]
    asked = [checked for cell in asked if (checked := _with_check(cell, axes["method"])) is not None]
    # What only the controls would use is no flag of what is asked for.
    used = {name for cell in asked for name, _ in _fitting(cell).flags}
    if controls:
        asked = list(dict.fromkeys([*_controls(asked, recipe_of), *asked]))
    cells: dict[Cell, None] = {}
    silent: dict[str, str] = {}
    for cell in asked:
        fitting = _fitting(cell)
        reason = configuration.says_nothing(fitting.values) if fitting.values.sanity_check else None
        if reason is not None:
            silent[fitting.having(seed=None).label()] = reason
            continue
        configuration.check_flags(fitting.values)
        cells[fitting] = None
    of_pruned = [(name, None, "prunes") for name in OF_PRUNED_NETWORKS if {*axes[name]} - {None, NONE}]
    for name, _, needs in (*configuration.METHOD_FLAGS, *of_pruned):
        if name not in used and not values[name].using_default_value and axes.get(name) != [NONE]:
            raise ValueError(
                f"--{name}={_as_text(values[name])} is only for a method that {needs}; none here does."
            )
    return Grid(tuple(cells), silent)


def _check_of_some(
    values: FlagValues, axes: Mapping[str, Sequence[str | None]], common: Mapping[str, str]
) -> None:
    """Refuses what means nothing to any cell, where that is no question of the method alone."""
    given = [
        name for name in configuration.SOURCE_FLAGS if name in common or axes.get(name, [None]) != [None]
    ]
    if given and not {*axes["source_density"]} - {None, NONE}:
        raise ValueError(f"--{given[0]} is about a source mask: say --source_density too.")
    rows = [METHODS[name] for name in axes["method"] if name in METHODS]
    known = {option for row in rows if row.search is not None for option in row.search.options}
    for pair in values.search_options or ():
        if known and pair.partition("=")[0] not in known:
            raise ValueError(
                f"--search_options: none of these methods has {pair!r}. "
                f"They have: {', '.join(sorted(known))}."
            )


def planned(cell: Cell, recipe_of: RecipeOf = recipe_by_name) -> Config:
    """What is known of a cell's config without its data."""
    return configuration.plan_config(cell.values, recipe_of(cell))


def seeds_of(texts: Sequence[str]) -> list[str]:
    """Seeds written one by one or as ranges: `["0-2", "7"]` are 0, 1, 2 and 7."""
    seeds: list[str] = []
    for text in texts:
        found = re.fullmatch(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", text)
        if found is None:
            raise ValueError(
                f"--seed takes whole numbers, 0 or more, and ranges such as 0-9. Received: {text!r:.80}"
            )
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise ValueError(f"--seed={text} is an empty range.")
        if len(seeds) + last - first >= MOST_SEEDS:
            raise ValueError(f"--seed={text} makes more than {MOST_SEEDS:,} seeds.")
        seeds += map(str, range(first, last + 1))
    return seeds


def _values(values: FlagValues, axis: str) -> list[str | None]:
    """The values of one axis, each once; [None] where the flag is not given."""
    given = values[axis].value
    if given is None:
        return [None]
    texts = [text.strip() for text in given]
    if axis == "seed":
        texts = seeds_of(texts)
    if axis in ("ratios", "source_ratios") and any(is_written_number(text) for text in texts):
        raise ValueError(
            f"--{axis}={','.join(texts)}: a sweep takes names of ratios, or ticket:FILE; numbers are for "
            "tf_tickets.run."
        )
    if not texts or not all(texts):
        raise ValueError(f"--{axis} is empty.")
    return list(dict.fromkeys(texts))


def _with_source(cell: Cell) -> Cell:
    """The cell without what belongs to a source mask where it has none."""
    if dict(cell.flags).get("source_density", NONE) != NONE:
        return cell
    return cell.having(**dict.fromkeys(("source_density", *configuration.SOURCE_FLAGS)))


def _with_check(cell: Cell, methods: Sequence[str | None]) -> Cell | None:
    """The cell with its check by name; None where that is for another method (`method:check`)."""
    check = dict(cell.flags).get("sanity_check")
    if check is None or check == NONE:
        return cell.having(sanity_check=None)
    method, colon, name = check.rpartition(":")
    check_row(name)
    if not colon:
        return cell
    if method not in methods:
        raise ValueError(f"--sanity_check={check} is for a method that is not in this sweep.")
    return cell.having(sanity_check=name) if dict(cell.flags).get("method") == method else None


def _controls(cells: Sequence[Cell], recipe_of: RecipeOf) -> Iterator[Cell]:
    """The networks that stand beside a method."""
    for cell in cells:
        plain = cell.having(**dict.fromkeys(OF_THE_METHOD))
        if (
            plain.values.classifier_keep == flag_definitions.RANKED
        ):  # which random tickets have no ranking for
            plain = plain.having(classifier_keep=None)
        yield plain.having(method="dense")
        for method in baseline_methods():
            yield plain.having(method=method)
        config = planned(_fitting(cell.having(sanity_check=None)), recipe_of)
        if config.budget > config.recipe.epochs:
            yield plain.having(method="dense", epochs=str(config.budget), **_stretched(config.recipe))


def _stretched(recipe: Recipe) -> dict[str, str | None]:
    """Milestones of a longer training at the same fractions of it."""
    if recipe.schedule != "milestones":
        return {}
    fractions = [x if x < 1 else x / recipe.epochs for x in recipe.milestones]
    return {"milestones": ",".join(f"{x:.12g}" for x in fractions)}


def _fitting(cell: Cell) -> Cell:
    """The cell without the flags that mean nothing to its method."""
    row = METHODS.get(cell.values.method)
    if row is not None and not row.prunes:
        cell = cell.having(**dict.fromkeys(OF_PRUNED_NETWORKS))
    cell = cell.having(**dict.fromkeys(configuration.useless_flags(cell.values)))
    if row is not None and row.search is not None and "search_options" in dict(cell.flags):
        known = row.search.options
        pairs = [pair for pair in cell.values.search_options if pair.partition("=")[0] in known]
        cell = cell.having(search_options=",".join(pairs) or None)
    return _with_source(cell)


def _as_text(flag: Flag) -> str:
    if isinstance(flag.value, bool):
        return str(flag.value).lower()
    return flag.serialize().partition("=")[2]
