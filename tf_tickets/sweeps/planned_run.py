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
from tf_tickets.storage.json_rules import Unfit
from tf_tickets.storage.result_file import read_result
from tf_tickets.storage.urls import is_url
from tf_tickets.storage.views import View
from tf_tickets.sweeps.cell import Cell
from tf_tickets.sweeps.task import DENSE, Task

FLAG = "--runs_dir"  # by which a sweep is told to go elsewhere


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
        place = self.view.local(self.config.run_dir)
        return RunDirectory(place, configuration.identity_in(place, self.config.identity), "run", FLAG)

    @property
    def dense(self) -> DenseDirectory:
        """The dense training that it shares, to be looked at."""
        place = self.view.local(self.config.dense_dir)
        identity = configuration.identity_in(place, self.config.dense_identity)
        return DenseDirectory(place, identity, "dense", FLAG)

    @functools.cached_property
    def result(self) -> dict[str, Any] | None:
        """What result.json held when it was first asked for."""
        return self.fresh_result

    @property
    def fresh_result(self) -> dict[str, Any] | None:
        """What result.json holds now; None where the run is not finished, or it cannot be believed."""
        try:
            return self._read_result()
        except (OSError, NotOurs, Unfit):
            return None

    @functools.cached_property
    def problem(self) -> str | None:
        """Why it cannot be run, in one line; None if it can, or is done."""
        if self.result is not None:
            return None
        try:
            with self.view.named_in_errors():
                for directory in (self.directory, *((self.dense,) if self.config.pretrains else ())):
                    directory.check()
                    directory.check_files(contents=self.view.is_whole)
        except (OSError, NotOurs) as error:
            return str(error)
        return None

    @property
    def doubt(self) -> str | None:
        """Why a result.json that is there is not believed, in one line; None where it is, or is not there."""
        try:
            self._read_result()
        except Unfit as error:
            return f"{self.config.run_dir}: {error}. It is made again from what the stages have left."
        except (OSError, NotOurs):
            return None
        return None

    def _read_result(self) -> dict[str, Any] | None:
        directory = self.directory
        if not directory.result.exists() or read_json(directory.config) != directory.identity:
            return None
        if directory.waits_for(self.config.last_stages):
            return None
        return read_result(directory.path, directory.identity, configuration.essence)

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
