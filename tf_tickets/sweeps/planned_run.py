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
from tf_tickets.sweeps.task import DENSE, DONORS_DENSE, WHOLE, Task

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
    def donor(self) -> Config | None:
        """The config of the ticket that gives the run its counts; None where they are its own."""
        return configuration.donor_of(self.config, self.view)

    @property
    def all_dense(self) -> dict[str, DenseDirectory]:
        """Part of the work -> the dense training that is it: the run's own, and its donor's."""
        if not self.config.pretrains:
            return {}
        found = {DENSE: self.dense}
        if self.donor is not None and self.donor.dense_dir != self.config.dense_dir:
            place = self.view.local(self.donor.dense_dir)
            identity = configuration.identity_in(place, self.donor.dense_identity)
            found[DONORS_DENSE] = DenseDirectory(place, identity, "dense", FLAG)
        return found

    def dense_dir(self, part: str) -> str:
        """Where the dense training lies that a part of the work is, see `all_dense`."""
        config = self.donor if part == DONORS_DENSE else self.config
        assert config is not None
        return config.dense_dir

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
                for directory in (self.directory, *self.all_dense.values()):
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
        rounds = self.config.trained_rounds
        of_donor = 0 if self.config.check.counts_under is None else rounds - 1
        return len(self.config.retraining_epochs) * (rounds + of_donor)

    def task(self, part: str) -> Task:
        """The work in a process of its own.

        Args:
            part: DENSE, DONORS_DENSE or WHOLE.
        """
        config = self.config
        places = (f"--run_dir={config.run_dir}", f"--dense_dir={config.dense_dir}")
        cost = self.cost if part == WHOLE else config.recipe.epochs
        worked_in = [config.run_dir, config.dense_dir, *([self.donor.dense_dir] if self.donor else [])]
        urls = tuple(place for place in dict.fromkeys(worked_in) if is_url(place))
        name = configuration.run_name(config)
        return Task(self.label, (*self.cell.arguments, *places), part, cost, urls, name)
