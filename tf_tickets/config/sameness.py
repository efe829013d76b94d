"""Which identities are of the same run, wherever its files are, and which directories belong to it already.

A run is its data and its settings. Runs of before were named by the path of their data and of their code too:
their directories are known again by what they say, not by what they are called.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from tf_tickets.config.config import OPTIONS
from tf_tickets.data.sources import dataset_kind
from tf_tickets.models.architectures import KERAS_FILE
from tf_tickets.storage.atomic_files import read_json
from tf_tickets.storage.errors import NotOurs
from tf_tickets.storage.urls import is_url
from tf_tickets.storage.views import View, view_of
from tf_tickets.support.options import options_of
from tf_tickets.support.own_code import is_own
from tf_tickets.training.recipe import Recipe

_NAMED = {row.field: row.named for row in OPTIONS}
_CODES = {row.field: row.code_of for row in OPTIONS if row.code_of}
_NAMED_IN_RECIPE = {row.field: row.named for row in options_of(Recipe)}
CONFIG, RESULT, STAGES = "config.json", "result.json", "stages.json"


def essence(identity: Mapping[str, Any]) -> dict[str, Any]:
    """An identity, or a config as JSON, without the places and the names of the user's data.

    Two are of the same run where this is equal. Data of the user's are known by their fingerprint, code by
    its hash and the name of its file.
    """
    found = _named(identity, _NAMED)
    if isinstance(found.get("dataset"), str):
        found["dataset"] = dataset_kind(found["dataset"])
    if isinstance(found.get("recipe"), Mapping):
        found["recipe"] = _named(found["recipe"], _NAMED_IN_RECIPE)
    return found


def identity_in(place: str | os.PathLike, identity: Mapping[str, Any]) -> Mapping[str, Any]:
    """The identity as the directory at a place says it, where it is of the same run; otherwise the one given.

    Args:
        place: path or URL of the directory of a run, or of a dense training.
        identity: of the run.
    """
    if not _leads_to_files(identity):
        return identity
    view = view_of(place)  # which is there as long as it is held
    found = _read(view.path / CONFIG)
    return found if found is not None and essence(found) == essence(identity) else identity


def find_same(folder: str, name: str, identity: Mapping[str, Any], view: View | None = None) -> str:
    """The name of the directory in a folder that belongs to a run; `name` itself, where there is none.

    Of several, it is one that is finished, or that has that name, or that is the furthest.

    Args:
        folder: path or URL, of run directories, or of dense trainings.
        name: that the run's directory has if it is made now.
        identity: of the run.
        view: which the folder is in, or is; it is looked at anew where there is none.
    """
    if not _leads_to_files(identity):
        return name
    view = view or view_of(folder)
    place = pathlib.Path(view.local(folder))
    try:
        changed = place.stat().st_mtime_ns
    except OSError:
        return name
    same = _by_essence(place, changed).get(_key(essence(identity)), ())
    return max(same, key=lambda found: (_progress(place / found, found == name), found), default=name)


def changed_code(run_dir: str, identity: Mapping[str, Any]) -> tuple[list[str], str] | None:
    """What of a run's code is not what it was in a run beside it; None where none differs by that alone.

    Args:
        run_dir: of the run; beside directories at URLs nothing is looked for.
        identity: of the run.

    Returns:
        The flags that name the code, and the directory of the newest such run.
    """
    if is_url(run_dir) or not _leads_to_files(identity):
        return None
    place = pathlib.Path(run_dir)
    own = essence(identity)
    beside = [
        config.parent for config in place.parent.glob(f"*/{CONFIG}") if config.parent.name != place.name
    ]
    for directory in sorted(beside, key=_written, reverse=True):
        other = _essence_in(directory) or {}
        differs = [name for name in {**own, **other} if own.get(name) != other.get(name)]
        if differs and set(differs) <= _CODES.keys():
            return [f"--{_CODES[name]}" for name in differs], str(directory)
    return None


def _leads_to_files(identity: Mapping[str, Any]) -> bool:
    """Whether any name in it is, or may be, one of data or code of the user's."""
    texts = (value for fields in (identity, identity["recipe"]) for value in fields.values())
    return any(is_own(text) or str(text).endswith(KERAS_FILE) for text in texts)


@functools.lru_cache(maxsize=8)
def _by_essence(folder: pathlib.Path, changed: int) -> dict[str, tuple[str, ...]]:
    """Key of an essence -> names of the directories that have it.

    Args:
        folder: which is searched.
        changed: when it was; part of what is remembered.
    """
    found: dict[str, tuple[str, ...]] = {}
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        known = _essence_in(folder / entry.name)
        if known is not None:
            key = _key(known)
            found[key] = (*found.get(key, ()), entry.name)
    return found


def _essence_in(directory: pathlib.Path) -> dict[str, Any] | None:
    """The essence of what a directory's config.json says; None where there is none, or it is damaged."""
    return _essence_of((directory / CONFIG).absolute(), _written(directory))


def _written(directory: pathlib.Path) -> int:
    """When a directory's config.json was, in nanoseconds; 0 where there is none, or none any more."""
    try:
        return (directory / CONFIG).stat().st_mtime_ns
    except OSError:
        return 0


@functools.lru_cache(maxsize=4096)
def _essence_of(path: pathlib.Path, changed: int) -> dict[str, Any] | None:
    """The same of the file, which many runs of one process look at; `changed` is when it was written."""
    found = _read(path)
    return None if found is None else essence(found)


def _progress(directory: pathlib.Path, is_own: bool) -> tuple[bool, bool, int]:
    stages = directory / STAGES
    done = stages.stat().st_size if stages.is_file() else 0
    return (directory / RESULT).is_file(), is_own, done


def _read(path: pathlib.Path) -> dict[str, Any] | None:
    """What a config.json holds; None where there is none, or it is damaged: whoever works there says so."""
    try:
        found = read_json(path) if path.is_file() else None
    except (OSError, NotOurs):
        return None
    return found if isinstance(found, dict) else None


def _named(fields: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Fields, cut to what names a run."""
    return {name: named[name](value) if name in named else value for name, value in fields.items()}


def _key(identity: Mapping[str, Any]) -> str:
    return json.dumps(identity, sort_keys=True)
