"""result.json, read and checked: by whoever counts a run as done, in one way."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from tf_tickets.storage import json_rules
from tf_tickets.storage.fingerprints import fingerprint
from tf_tickets.storage.json_rules import require
from tf_tickets.storage.run_numbers import check_result
from tf_tickets.storage.stages import DIFFERS, check_stages, known_results

FILE = "result.json"


def read_result(
    folder: pathlib.Path,
    identity: Mapping[str, Any],
    essence: Callable[[Mapping[str, Any]], Any] = lambda identity: identity,
) -> dict[str, Any]:
    """What a run's result.json holds.

    It is compared with the stages.json beside it, where there is one: with the numbers there, and with the
    hash of what the run wrote, which older releases did not note.

    Args:
        folder: the run's directory.
        identity: JSON, what config.json holds.
        essence: of an identity, or a config, what must agree in both files.

    Raises:
        Unfit: a file is missing or damaged; numbers cannot be, or contradict others; or it is not what was
            written.
    """
    path = folder / FILE
    result = json_rules.mapping(json_rules.read(path), FILE)
    found = fingerprint(path)
    check_result(result)
    require(
        _agree(essence(identity), essence(result["config"])),
        "config.json and result.json are of different runs",
    )
    # In this order: a run notes a hash before it writes what has it.
    stages = read_stages(folder, identity)
    for name, value in (stages.get("evaluate") or {}).get("numbers", {}).items():
        if name in result and json.dumps(result[name]) != json.dumps(value):
            raise json_rules.Unfit(f"{FILE}: {name} is {result[name]}, in stages.json it is {value}")
    said = (stages.get("deployment") or {}).get("table")
    require(
        said is None or json.dumps(result.get("deployment")) == json.dumps(said),
        f"{FILE}: deployment is not what stages.json has",
    )
    known = known_results(stages)
    require(not known or found in known, f"{FILE} is not what the run wrote: {DIFFERS}")
    return result


def read_stages(folder: pathlib.Path, identity: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Facts of the finished stages of a directory; Unfit if they cannot be believed."""
    path = folder / "stages.json"
    return check_stages(json_rules.read(path), identity) if path.exists() else {}


def _agree(identity: Any, config: Any) -> bool:
    """Whether a config says nothing else than an identity, which leaves defaults out."""
    if not isinstance(identity, dict) or not isinstance(config, dict):
        return identity == config
    return all(name not in config or _agree(value, config[name]) for name, value in identity.items())
