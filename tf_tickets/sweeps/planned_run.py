"""A run of a sweep: its cell with its config, where it goes, and what is there already."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from tf_tickets import config as configuration
from tf_tickets.config import Config
from tf_tickets.storage.atomic_files import read_json
from tf_tickets.storage.directories import DenseDirectory, RunDirectory
from tf_tickets.storage.errors import NotOurs
from tf_tickets.storage.urls import is_url
from tf_tickets.storage.views import View
from tf_tickets.sweeps.cell import Cell
from tf_tickets.sweeps.task import DENSE, Task


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """A cell with its config, and where it goes.

    Attributes:
        cell: its flags.
        config: what they come to.
        label: for people.
        view: of the folder of the runs.
    """

    cell: Cell
    config: Config
    label: str
    view: View

    @property
    def directory(self) -> RunDirectory:
        """Its run directory, to be looked at."""
        return RunDirectory(self.view.local(self.config.run_dir), self.config.identity, "run")

    @property
    def dense(self) -> DenseDirectory:
        """The dense training that it shares, to be looked at."""
        return DenseDirectory(self.view.local(self.config.dense_dir), self.config.dense_identity, "dense")

    @functools.cached_property
    def result(self) -> dict[str, Any] | None:
        """What result.json held when it was first asked for."""
        return self.fresh_result

    @property
    def fresh_result(self) -> dict[str, Any] | None:
        """What result.json holds now; None where the run is not finished, or not this config's."""
        directory = self.directory
        try:
            if read_json(directory.config) != directory.identity:
                return None
            if directory.waits_for_export(self.config.export):
                return None
            result = read_json(directory.result)
            return result if isinstance(result["test_accuracy"], float) else None
        except (OSError, NotOurs, KeyError, TypeError):
            return None

    @property
    def cost(self) -> int:
        """Epochs that it shares with no other run."""
        return len(self.config.retraining_epochs) * self.config.trained_rounds

    def task(self, part: str) -> Task:
        """The work in a process of its own.

        Args:
            part: DENSE or WHOLE.
        """
        config = self.config
        places = (f"--run_dir={config.run_dir}", f"--dense_dir={config.dense_dir}")
        cost = config.recipe.epochs if part == DENSE else self.cost
        urls = tuple(place for place in (config.run_dir, config.dense_dir) if is_url(place))
        name = configuration.run_name(config)
        return Task(self.label, (*self.cell.arguments, *places), part, cost, urls, name)
