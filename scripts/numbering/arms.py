"""Arms of committed runs by what they are: `Runs`, all of a table that fit, and the numbers of one arm."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from tf_tickets import results
from tf_tickets.results import Arm, Experiment, Run, Setting
from tf_tickets.support.scale import Scale

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Words of a selection that are no fields of a config.
METHOD, CHECK, SPARSITY, SEEDS = "method", "check", "sparsity", "seeds"


class Unknown(ValueError):
    """What a page asks of the runs and they do not have."""


@dataclasses.dataclass(frozen=True)
class Chosen:
    """One arm: the experiment that it is of, and its runs by seed."""

    experiment: Experiment
    arm: Arm
    runs: Mapping[int, Run]

    @property
    def scale(self) -> Scale:
        """What its runs are judged by."""
        return next(iter(self.runs.values())).scale

    def values(self, column: str | None = None) -> dict[int, float]:
        """Seed -> a number: a column of the table, a property of a run, or what it is judged by."""
        found = {seed: _value(run, column) for seed, run in self.runs.items()}
        lacks = [seed for seed, value in found.items() if value is None]
        if lacks:
            raise Unknown(f"{self.arm} has no {column} at seeds {lacks}")
        return found


@dataclasses.dataclass(frozen=True)
class Runs:
    """The runs of a table that fit a selection; called with more of it, fewer of them.

    Attributes:
        path: of the table, from the root of the project.
        wanted: `method` (its name or its label in the report), `check`, `sparsity`, `seeds` ("10-19"), or any
            field of a config or its recipe (epochs=60, source_density=0.3, preserve_flow=True) -> value.
    """

    path: str
    wanted: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __call__(self, method: str | None = None, check: str | None = None, **wanted: Any) -> Runs:
        """Those that fit this as well; without a check those that no check attacked."""
        named = {METHOD: method, CHECK: check}
        return Runs(self.path, {**self.wanted, **{x: y for x, y in named.items() if y is not None}, **wanted})

    def each(self, **choices: Iterable[Any]) -> list[Runs]:
        """Those of every combination of some choices: `each(method=["snip", "lt"], check=["corrupted"])`."""
        return [
            Runs(self.path, {**self.wanted, **dict(zip(choices, values, strict=True))})
            for values in itertools.product(*choices.values())
        ]

    @property
    def found(self) -> list[Run]:
        """All runs that fit, of every check where none is asked for."""
        return [run for chosen in self.arms for run in chosen.runs.values()]

    @property
    def one(self) -> Chosen:
        """The only arm that fits."""
        found = [x for x in self.arms if x.arm.check == self.wanted.get(CHECK)]
        if len(found) != 1:
            there = (
                "; ".join(f"{x.arm} ({next(iter(x.runs.values())).setting.label})" for x in found) or "none"
            )
            raise Unknown(f"{len(found)} arms of {self.path} fit {dict(self.wanted)}, not one: {there}")
        return found[0]

    @property
    def arms(self) -> list[Chosen]:
        """All arms that fit, of every check where none is asked for."""
        there = _arms(self.path, self.wanted.get(SEEDS))
        return [x for x in there if all(_fits(x, *wish) for wish in self.wanted.items() if wish[0] != SEEDS)]


@functools.cache
def _arms(path: str, seeds: str | None) -> list[Chosen]:
    """All arms of a table; longer controls once, be they those of one experiment or of several."""
    found: dict[tuple[Setting, Arm], Chosen] = {}
    everything = _experiments(path, seeds)
    for experiment in everything:
        for arm, runs in experiment.arms.items():
            found[experiment.setting, arm] = Chosen(experiment, arm, runs)
    for experiment in everything:
        longer = [runs for arms in experiment.longer.values() for runs in arms.values()]
        for runs in (*experiment.controls.values(), *longer):
            first = next(iter(runs.values()))
            found.setdefault((first.setting, first.arm), Chosen(experiment, first.arm, runs))
    return list(found.values())


def _fits(chosen: Chosen, name: str, value: Any) -> bool:
    arm, run = chosen.arm, next(iter(chosen.runs.values()))
    if name == METHOD:
        return value in (arm.method, chosen.experiment.names.get(arm.variant))
    if name == CHECK:
        return arm.check == value
    if name == SPARSITY:  # which is asked of methods that prune to it
        return arm.sparsity == value if arm.variant.prunes else True
    fields = {**run.config, **run.config["recipe"]}
    if name not in fields:
        raise Unknown(f"{name} is no field of a config. There are: {', '.join(sorted(fields))}")
    return fields[name] == value


def _value(run: Run, column: str | None) -> float | None:
    if column is None:
        return run.endpoint
    return run.result[column] if column in run.result else getattr(run, column, None)


def _experiments(path: str, seeds: str | None) -> list[Experiment]:
    found = _load(path)
    if seeds is not None:
        first, _, last = seeds.partition("-")
        found = [run for run in found if int(first) <= run.seed <= int(last or first)]
    return results.experiments(found)


@functools.cache
def _load(path: str) -> list[Run]:
    found = results.load(ROOT / path)
    broken = [run.problem for run in found if run.status != results.FINISHED]
    if broken:
        raise Unknown(f"{path}: {broken[0]}")
    return found
