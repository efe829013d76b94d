"""Run directories on disk, as checked JSON: `find` searches for them, `read` reads one.

Nothing is executed or unpickled. What does not fit the tables at the end is broken, and one line says why.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tf_tickets.config import OPTIONS, Config, fields_that_decide
from tf_tickets.support.numbers import is_number, is_whole
from tf_tickets.support.options import NOTHING
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


def find(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """The run directories in a folder at any depth, or the folder itself; a run is not searched."""
    waiting, seen = [folder], set()
    while waiting:
        directory = waiting.pop()
        real = directory.resolve()
        if real in seen or _is_round(directory):
            continue
        seen.add(real)
        kind = _kind(directory)
        if kind == "run":
            yield directory
        elif kind is None:
            try:
                inside = sorted(entry.path for entry in os.scandir(directory) if entry.is_dir())
            except OSError:
                continue
            waiting += [pathlib.Path(path) for path in inside if not os.path.basename(path).startswith(".")]


def read(directory: pathlib.Path) -> Record:
    """Reads a run's directory and checks all that is used of it."""
    try:
        identity = _checked_config(_read_json(directory / "config.json"), "config.json")
    except _Broken as error:
        return Record(BROKEN, problem=str(error))
    if not (directory / "result.json").exists():
        stages = []
        if (directory / "stages.json").exists():
            try:
                stages = list(_mapping(_read_json(directory / "stages.json"), "stages.json"))
            except _Broken as error:
                return Record(BROKEN, identity, problem=str(error))
        done = ", ".join(stages) or "nothing"
        return Record(UNFINISHED, identity, problem=f"finished so far: {done}")
    try:
        result = _mapping(_read_json(directory / "result.json"), "result.json")
        _check(result, _RESULT, "result.json")
        config = _checked_config(result["config"], "result.json: config")
        for name in ("method", "sparsity", "seed"):
            _require(result[name] == config[name], f"result.json: {name} is not its config's")
        _require(
            _identity(config) == _identity(identity), "config.json and result.json are of different runs"
        )
        _check_layers(result)
    except _Broken as error:
        return Record(BROKEN, identity, problem=str(error))
    return Record(FINISHED, config, result, written=(directory / "result.json").stat().st_mtime)


def typed(config: Mapping[str, Any]) -> Config:
    """The fields as a Config; those that this version does not know are left out."""
    known = {field.name for field in dataclasses.fields(Config)}
    in_recipe = {field.name for field in dataclasses.fields(Recipe)}
    fields = {name: value for name, value in config.items() if name in known}
    fields["recipe"] = {name: value for name, value in fields["recipe"].items() if name in in_recipe}
    return Config.from_json(fields)


def _kind(directory: pathlib.Path) -> str | None:
    """`"run"`, `"dense"`, or None for any other folder."""
    has_stages, has_result = ((directory / name).is_file() for name in ("stages.json", "result.json"))
    if (directory / "config.json").is_file():
        try:
            config = _read_json(directory / "config.json")
        except _Broken:
            config = None
        if isinstance(config, dict) and "recipe" in config:
            return "run" if "method" in config else "dense"
        if directory.parent.name == "dense" and not has_result:
            return "dense"
        return "run" if has_stages or has_result else None
    return "run" if has_stages and has_result else None


def _is_round(directory: pathlib.Path) -> bool:
    return (
        re.fullmatch(r"round_\d+", directory.name) is not None and (directory.parent / "config.json").exists()
    )


class _Broken(Exception):
    """What is wrong with a run, in one line."""


def _read_json(path: pathlib.Path) -> Any:
    if path.exists() and not path.is_file():  # of a pipe the end would be waited for
        raise _Broken(f"{path.name} is no file")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _Broken(f"{path.name} is missing") from None
    except OSError as error:
        raise _Broken(f"{path.name} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise _Broken(f"{path.name} is damaged: {str(error)[:120]}") from None


def _checked_config(value: Any, where: str) -> dict[str, Any]:
    """The config with defaults for what it does not name."""
    config = {**DEFAULTS, **_mapping(value, where)}
    _check(config, _CONFIG, where)
    lacks = [field.name for field in dataclasses.fields(Config) if field.name not in config]
    _require(not lacks, f"{where}: {', '.join(lacks)} missing")
    try:
        recipe = typed(config).recipe
    except (TypeError, ValueError, OverflowError) as error:
        raise _Broken(f"{where}: {str(error)[:200]}") from None
    config["recipe"] = {**json.loads(json.dumps(dataclasses.asdict(recipe))), **config["recipe"]}
    return config


def _identity(config: Mapping[str, Any]) -> dict[str, Any]:
    nothing = fields_that_decide(NOTHING)
    return {name: value for name, value in config.items() if name not in nothing}


def _check(values: Mapping[str, Any], table: Mapping[str, tuple[bool, _Rule]], where: str) -> None:
    for name, (required, (accepts, expected)) in table.items():
        value = values.get(name)
        if value is None and not required:
            continue
        _require(name in values, f"{where}: {name} is missing")
        _require(accepts(value), f"{where}: {name} is {_brief(value)}, not {expected}")


def _check_layers(result: Mapping[str, Any]) -> None:
    where = "result.json: layers"
    for layer in result["layers"]:
        _check(_mapping(layer, where), _LAYER, where)
        _require(layer["kept"] <= layer["total"], f"{where}: more is kept than there is")
        _require((layer.get("on_path") or 0) <= layer["kept"], f"{where}: more is on a path than is kept")
    if result.get("macs") is not None and result.get("macs_kept") is not None:
        _require(result["macs_kept"] <= result["macs"], "result.json: macs_kept is more than macs")
    for name in ("kept", "total"):
        counted = sum(layer[name] for layer in result["layers"])
        _require(counted == result[name], f"{where}: their {name} is {counted} in all, not {result[name]}")


def _mapping(value: Any, where: str) -> dict[str, Any]:
    _require(isinstance(value, dict), f"{where} is {_brief(value)}, not a mapping")
    return value


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise _Broken(problem)


def _is_count(value: Any) -> bool:
    return is_whole(value, 0, 2**63 - 1)


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# What a run of an older version, or a config.json, need not name.
DEFAULTS: dict[str, Any] = json.loads(
    json.dumps({row.field: row.default for row in OPTIONS if not row.always_named})
)


_Rule = tuple[Callable[[Any], bool], str]
_TEXT: _Rule = (lambda x: isinstance(x, str), "text")
_BOOL: _Rule = (lambda x: isinstance(x, bool), "true or false")
_COUNT: _Rule = (_is_count, "a whole number, 0 or more")
_POSITIVE: _Rule = (lambda x: _is_count(x) and x > 0, "a whole number, 1 or more")
_FRACTION: _Rule = (lambda x: is_number(x) and 0 <= x <= 1, "a number in [0, 1]")
_SPARSITY: _Rule = (lambda x: is_number(x) and 0 <= x < 1, "a number in [0, 1)")
_DENSITY: _Rule = (lambda x: is_number(x) and 0 < x <= 1, "a number in (0, 1]")
_COST: _Rule = (lambda x: is_number(x) and 0 <= x < 1e12, "a number, 0 or more")
_DICT: _Rule = (lambda x: isinstance(x, dict), "a mapping")
_RATIOS: _Rule = (
    lambda x: isinstance(x, str) or (isinstance(x, (list, tuple)) and all(map(is_number, x))),
    "a name or numbers",
)
_SECONDS: _Rule = (
    lambda x: isinstance(x, dict) and all(v is None or (is_number(v) and 0 <= v < 1e12) for v in x.values()),
    "a mapping of seconds",
)
_RESULT: dict[str, tuple[bool, _Rule]] = {
    "method": (True, _TEXT),
    "sparsity": (True, _SPARSITY),
    "achieved_sparsity": (True, _FRACTION),
    "kept": (True, _COUNT),
    "total": (True, _POSITIVE),
    "test_accuracy": (True, _FRACTION),
    "seed": (True, _COUNT),
    "config": (True, _DICT),
    "layers": (True, (lambda x: isinstance(x, list) and len(x) > 0, "a list of layers")),
    "best_test_accuracy": (False, _FRACTION),
    "validation_accuracy": (False, _FRACTION),
    "dense_test_accuracy": (False, _FRACTION),
    "pretraining_test_accuracy": (False, _FRACTION),
    "source_test_accuracy": (False, _FRACTION),
    "training_cost": (False, _COST),
    "chance_accuracy": (False, _FRACTION),
    "effective_sparsity": (False, _FRACTION),
    "macs": (False, _COUNT),
    "macs_kept": (False, _COUNT),
    "weights_sha256": (False, _TEXT),
    "collapsed": (False, _TEXT),
    "notes": (
        False,
        (lambda x: isinstance(x, list) and all(isinstance(y, str) for y in x), "a list of texts"),
    ),
    "seconds": (False, _SECONDS),
    "versions": (False, _DICT),
    "hardware": (False, _DICT),
}
_LAYER: dict[str, tuple[bool, _Rule]] = {
    "name": (True, _TEXT),
    "kept": (True, _COUNT),
    "total": (True, _POSITIVE),
    "on_path": (False, _COUNT),
}
_CONFIG: dict[str, tuple[bool, _Rule]] = {
    row.field: (not row.optional, (row.kind.accepts, row.kind.expected))
    for row in OPTIONS
    if row.repeated  # of the others nothing is used
}
