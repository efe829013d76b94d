"""Stages of a run: what is noted of those that are finished, and what it must look like to be believed.

A stage's facts name the files that it has left, each with its fingerprint, and are sealed themselves, by a
hash of what they say, of which stage, and of whose directory. Those of older releases have neither.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

from tf_tickets.storage import json_rules
from tf_tickets.storage.json_rules import AMOUNT, COUNT, MAPPING, TEXT, TEXTS, Rule, require
from tf_tickets.storage.run_numbers import check_history, check_numbers, checked_scale

# The stage that writes result.json. It is noted before that is there, so that no moment is without a hash.
RESULT = "result"
DIFFERS = "it was edited, exchanged or damaged"


def check_stages(stages: Any, identity: Any, where: str = "stages.json") -> dict[str, dict[str, Any]]:
    """The facts of the finished stages, checked.

    Args:
        stages: what the file holds.
        identity: JSON, whose directory it is.
        where: they stand, for people.

    Raises:
        Unfit: they are no such facts, say what cannot be, or are not what was written.
    """
    for stage, facts in json_rules.mapping(stages, where).items():
        _check_facts(stage, json_rules.mapping(facts, f"{where}: {stage}"), f"{where}: {stage}")
        seal = facts.get("seal")
        require(
            seal is None or seal == _seal(facts, stage, identity),
            f"{where}: {stage} is not what was written there: {DIFFERS}",
        )
    return stages


def sealed(facts: Mapping[str, Any], stage: str, identity: Any) -> dict[str, Any]:
    """Facts of a stage with their seal, which a change of any of them breaks."""
    facts = json.loads(json.dumps(facts))
    return {**facts, "seal": _seal(facts, stage, identity)}


def hashes_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """File, by its path in the directory -> fingerprint, as a stage has left it."""
    return facts.get("hashes") or {}


def known_results(stages: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Fingerprints that result.json may have, the one of what is written last first; none if not noted."""
    noted = stages.get(RESULT, {})
    return [*hashes_of(noted).values(), *(noted.get("earlier") or ())]


def _seal(facts: Mapping[str, Any], stage: str, identity: Any) -> str:
    said = [_plain(identity), stage, {name: value for name, value in facts.items() if name != "seal"}]
    try:
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    except RecursionError:
        raise json_rules.Unfit(f"{stage} is nested too deep") from None


def _plain(value: Any) -> Any:
    """JSON of which equal values are written alike: 1.0 as 1."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check_facts(stage: str, facts: Mapping[str, Any], where: str) -> None:
    json_rules.check(facts, _FACTS, where)
    for name in _NEEDED.get(stage, ()):
        require(facts.get(name) is not None, f"{where}: {name} is missing")
    check_history(facts.get("history") or (), f"{where}: history", checked_scale(facts, where))
    if facts.get("numbers") is not None:
        check_numbers(facts["numbers"], where)
        for name in _NUMBERS_NEEDED:
            require(name in facts["numbers"], f"{where}: {name} is missing")


def _are_hashes(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(digest, str) and _is_inside(name) for name, digest in value.items()
    )


def _is_inside(name: str) -> bool:
    """Whether a path, once it is joined to a directory's, does not lead out of it."""
    path = pathlib.PurePosixPath(name)
    return "\0" not in name and "\\" not in name and not path.is_absolute() and ".." not in path.parts


_HASHES: Rule = (_are_hashes, "a mapping of files to their hashes")
# What is read of any stage.
_FACTS: json_rules.Rules = {
    "seconds": (True, AMOUNT),
    "outputs": (False, TEXTS),
    "hashes": (False, _HASHES),
    "earlier": (False, TEXTS),
    "seal": (False, TEXT),
    "sha256": (False, TEXT),
    "rounds_seconds": (False, AMOUNT),
    "compressed_bytes": (False, COUNT),
    "history": (False, (lambda x: isinstance(x, list), "a list of epochs")),
    "numbers": (False, MAPPING),
    "metric": (False, MAPPING),
}
# What must be there too: stage -> names.
_NEEDED = {
    "ticket": ("sha256",),
    "train": ("history", "compressed_bytes"),
    "retrain": ("history",),
    "evaluate": ("numbers",),
    "deployment": ("table",),
}
_NUMBERS_NEEDED = ("compressed_bytes", "weights_sha256", "macs", "macs_kept")
