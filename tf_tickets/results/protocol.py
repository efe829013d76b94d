"""What was planned before the first run of a folder: a `Protocol`, and what became of it.

The word is that of trials. `python -m tf_tickets.sanity --plan=FILE` notes the plan in the folder of the runs
before it begins; whoever reads the runs can tell from it what was asked, and what was thought of later.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from tf_tickets.results.analysis import Analysis
from tf_tickets.results.loaded_run import Run
from tf_tickets.results.reading import FINISHED
from tf_tickets.storage import json_rules
from tf_tickets.storage.json_rules import Unfit, require

RECORD = "plan.json"


@dataclasses.dataclass(frozen=True)
class Protocol:
    """A plan as it was noted.

    Attributes:
        text: of the plan's file.
        analysis: how the runs are to be judged.
        runs: name of a run's directory -> what it is, for people.
        earlier: names of the finished runs that were there when the plan was noted.
        folder: where it lies.
    """

    text: str
    analysis: Analysis
    runs: Mapping[str, str]
    earlier: tuple[str, ...] = ()
    folder: pathlib.Path | None = None

    @property
    def sha256(self) -> str:
        """A hash of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def own(self, runs: Sequence[Run]) -> list[Run]:
        """Those of the runs that lie in its folder."""
        return [run for run in runs if folder_of(run) == self.folder]

    def missing(self, runs: Sequence[Run]) -> list[str]:
        """The planned runs that have no result, for people."""
        there = {_name(run) for run in runs if run.status == FINISHED}
        return [label for name, label in self.runs.items() if name not in there]

    def added(self, runs: Sequence[Run]) -> list[Run]:
        """The finished runs that were not planned."""
        return [run for run in runs if run.status == FINISHED and _name(run) not in self.runs]

    def to_json(self) -> dict[str, Any]:
        """What `read_protocol` reads."""
        return {
            "plan": self.text,
            "sha256": self.sha256,
            "analysis": self.analysis.to_json(),
            "runs": dict(self.runs),
            "earlier": list(self.earlier),
        }


def read_protocol(folder: pathlib.Path) -> Protocol | None:
    """The protocol of a folder of runs; None where there is none.

    Raises:
        ValueError: what is there is none, or its text is not the one that was noted.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        found = json_rules.mapping(json_rules.read(path), RECORD)
        names, earlier = json_rules.mapping(found.get("runs"), f"{RECORD}: runs"), found.get("earlier", [])
        require(isinstance(found.get("plan"), str), f"{RECORD}: there is no plan")
        require(all(isinstance(x, str) for x in names.values()), f"{RECORD}: runs")
        require(isinstance(earlier, list) and all(isinstance(x, str) for x in earlier), f"{RECORD}: earlier")
        analysis = Analysis.from_json(json_rules.mapping(found.get("analysis"), f"{RECORD}: analysis"))
        protocol = Protocol(found["plan"], analysis, names, tuple(earlier), folder)
        require(protocol.sha256 == found.get("sha256"), f"{RECORD}: the text is not the one that was noted")
    except (Unfit, ValueError, OSError) as error:
        raise ValueError(f"{path} is no plan of runs: {error}") from error
    return protocol


def protocols(runs: Sequence[Run]) -> list[Protocol]:
    """The protocols of the folders that runs lie in, each once."""
    folders = dict.fromkeys(folder for run in runs if (folder := folder_of(run)) is not None)
    return [found for folder in folders if (found := read_protocol(folder)) is not None]


def planned_analysis(plans: Sequence[Protocol]) -> Analysis:
    """How runs are judged unless it is said: as planned, where there is one plan, and otherwise as usual."""
    planned = list({plan.sha256: plan.analysis for plan in plans}.values())
    return planned[0] if len(planned) == 1 else Analysis()


def folder_of(run: Run) -> pathlib.Path | None:
    """Where the plan of a run lies, if there is one: beside its directory, or its table."""
    place = run.path if run.table is None else run.table
    return place.parent if isinstance(place, pathlib.Path) else None


def _name(run: Run) -> str:
    return str(run.path).rstrip("/").rpartition("/")[2]
