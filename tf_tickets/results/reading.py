"""Run directories on disk, as checked JSON: `find` searches for them, `read` reads one.

Nothing is executed or unpickled. What does not fit, or is not what was written, is broken; one line says why.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import stat
from collections.abc import Iterator, Mapping
from typing import Any

from tf_tickets.config import OPTIONS, Config, essence, fields_that_decide
from tf_tickets.results.learning_curve import read_curve
from tf_tickets.storage import json_rules
from tf_tickets.storage.directories import DONOR
from tf_tickets.storage.json_rules import Unfit, require
from tf_tickets.storage.result_file import read_result, read_stages
from tf_tickets.storage.stages import RESULT
from tf_tickets.support.options import NOTHING
from tf_tickets.support.scale import Scale
from tf_tickets.training.recipe import Recipe

FINISHED, UNFINISHED, BROKEN = "finished", "unfinished", "broken"


@dataclasses.dataclass(frozen=True)
class Record:
    """What a directory holds: see `tf_tickets.results.Run`, whose fields these are."""

    status: str
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    result: dict[str, Any] = dataclasses.field(default_factory=dict)
    problem: str | None = None
    written: float | None = None
    curve: tuple[dict[str, Any], ...] = ()
    curve_problem: str | None = None


def find(folder: pathlib.Path) -> Iterator[tuple[pathlib.Path, str | None]]:
    """The run directories in a folder at any depth, or the folder itself; a run is not searched.

    What cannot be looked into can be a run: it is told with the reason. Of runs that is None.
    """
    waiting, seen = [folder], set()
    while waiting:
        directory = waiting.pop()
        real = os.path.realpath(directory)
        try:
            if real in seen or _is_round(directory):
                continue
            seen.add(real)
            os.stat(directory)  # which a link that leads to itself refuses
            kind = _kind(directory)
            inside = sorted(entry.name for entry in os.scandir(directory)) if kind is None else []
        except OSError as error:
            yield directory, f"it cannot be looked into: {error.strerror}"
            continue
        if kind == "run":
            yield directory, None
        waiting += [directory / name for name in inside if _is_searched(directory / name)]


def read(directory: pathlib.Path) -> Record:
    """Reads a run's directory and checks all that is used of it."""
    identity: dict[str, Any] = {}
    try:
        raw = json_rules.read(directory / "config.json")
        identity = checked_config(raw, "config.json")
        if not (directory / "result.json").exists():
            stages = [stage for stage in read_stages(directory, raw) if stage != RESULT]
            done = ", ".join(stages) or "nothing"
            return Record(UNFINISHED, identity, problem=f"finished so far: {done}")
        result = read_result(directory, raw, essence)
        config = checked_config(result["config"], "result.json: config")
        alike = essence(_identity(config)) == essence(_identity(identity))
        require(alike, "config.json and result.json are of different runs")
        written = (directory / "result.json").stat().st_mtime
        curve, problem = _curve(directory, raw, Scale.of(result))
        return Record(FINISHED, config, result, None, written, curve, problem)
    except Unfit as problem:
        return Record(BROKEN, identity, problem=str(problem))
    except OSError as error:
        return Record(BROKEN, identity, problem=f"it cannot be read: {error.strerror}")


def _curve(
    directory: pathlib.Path, identity: dict[str, Any], scale: Scale
) -> tuple[tuple[dict[str, Any], ...], str | None]:
    """The learning curve of a finished run, or why it is not believed: the result is counted all the same."""
    try:
        return tuple(read_curve(directory, read_stages(directory, identity), scale)), None
    except Unfit as problem:
        return (), str(problem)


def typed(config: Mapping[str, Any]) -> Config:
    """The fields as a Config; those that this version does not know are left out."""
    known = {field.name for field in dataclasses.fields(Config)}
    in_recipe = {field.name for field in dataclasses.fields(Recipe)}
    fields = {name: value for name, value in config.items() if name in known}
    fields["recipe"] = {name: value for name, value in fields["recipe"].items() if name in in_recipe}
    return Config.from_json(fields)


def _is_searched(path: pathlib.Path) -> bool:
    """Whether there can be runs in what a path leads to; what cannot be known is looked at."""
    if path.name.startswith("."):
        return False
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):  # a link that leads nowhere, or what is removed meanwhile
        return False
    except OSError:
        return True


def _kind(directory: pathlib.Path) -> str | None:
    """`"run"`, `"dense"`, or None for any other folder."""
    has_stages, has_result = ((directory / name).is_file() for name in ("stages.json", "result.json"))
    if (directory / "config.json").is_file():
        try:
            config = json_rules.read(directory / "config.json")
        except Unfit:
            config = None
        if isinstance(config, dict) and "recipe" in config:
            return "run" if "method" in config else "dense"
        if directory.parent.name == "dense" and not has_result:
            return "dense"
        return "run" if has_stages or has_result else None
    if directory.parent.name == "dense" and has_stages and not has_result:
        return "dense"
    return "run" if has_stages and (has_result or _has_stages_of_ours(directory)) else None


def _has_stages_of_ours(directory: pathlib.Path) -> bool:
    """Whether a stages.json that stands alone is a run's; other programs have files of that name."""
    try:
        stages = json_rules.read(directory / "stages.json")
    except Unfit:
        return False
    return isinstance(stages, dict) and any(
        isinstance(facts, dict) and "seconds" in facts for facts in stages.values()
    )


def _is_round(directory: pathlib.Path) -> bool:
    """Whether a folder is a part of the run that it lies in: a round before the last, or the donor."""
    inside = re.fullmatch(rf"round_\d+|{DONOR}", directory.name) is not None
    return inside and (directory.parent / "config.json").exists()


def checked_config(value: Any, where: str) -> dict[str, Any]:
    """The config with defaults for what it does not name."""
    config = {**DEFAULTS, **json_rules.mapping(value, where)}
    json_rules.check(config, _CONFIG, where)
    lacks = [field.name for field in dataclasses.fields(Config) if field.name not in config]
    require(not lacks, f"{where}: {', '.join(lacks)} missing")
    try:
        recipe = typed(config).recipe
    except (TypeError, ValueError, OverflowError) as error:
        raise Unfit(f"{where}: {str(error)[:200]}") from None
    config["recipe"] = {**json.loads(json.dumps(dataclasses.asdict(recipe))), **config["recipe"]}
    return config


def _identity(config: Mapping[str, Any]) -> dict[str, Any]:
    nothing = fields_that_decide(NOTHING)
    return {name: value for name, value in config.items() if name not in nothing}


# What a run of an older version, or a config.json, need not name.
DEFAULTS: dict[str, Any] = json.loads(
    json.dumps({row.field: row.default for row in OPTIONS if not row.always_named})
)


_CONFIG: json_rules.Rules = {
    row.field: (not row.optional, (row.kind.accepts, row.kind.expected))
    for row in OPTIONS
    if row.repeated  # of the others nothing is used
}
