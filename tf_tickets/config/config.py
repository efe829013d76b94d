"""The frozen `Config` of a run: its options, and what follows from them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tf_tickets.config.export_options import ExportOptions
from tf_tickets.config.run_options import Options
from tf_tickets.exporting.formats import FORMATS
from tf_tickets.exporting.wanted import Wanted, wanted
from tf_tickets.methods.own_methods import known_row
from tf_tickets.methods.retraining import RETRAININGS
from tf_tickets.methods.table import INIT, Method
from tf_tickets.pruning.scores import score_row
from tf_tickets.sanity.checks import NO_CHECK, Check, check_row
from tf_tickets.support.options import NOTHING, SETTING, SOURCE, Option, described, options_of
from tf_tickets.support.words import plural
from tf_tickets.training.recipe import Recipe


@described
@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(ExportOptions, Options):
    """Everything that decides the numbers of a run, and where it goes.

    `identity` is the part that decides the numbers; its hash names the run. `dense_identity` is the part that
    decides the dense training, which runs share. Fields without a word below are found, not given.
    """

    def __repr__(self) -> str:
        check = f", {self.sanity_check}" if self.sanity_check else ""
        return (
            f"Config({self.method}{check}, sparsity {self.sparsity:g}, seed {self.seed}: {self.recipe.model} "
            f"on {self.dataset}, {plural(self.recipe.epochs, 'epoch')}; {self.run_dir})"
        )

    @property
    def row(self) -> Method:
        """The method's row of the table, with the score and the pattern that are asked for."""
        row = known_row(self.method, self.method_row)
        if row is None:
            raise ValueError(f"method={self.method!r} is unknown here.")
        row = row if self.score is None else dataclasses.replace(row, score=self.score)
        return row if self.pattern is None else dataclasses.replace(row, pattern=self.pattern)

    @property
    def all_search_options(self) -> dict[str, Any]:
        """The options of the search, with their defaults."""
        search = self.row.search
        return {} if search is None else {**search.options, **self.search_options}

    @property
    def pretrains(self) -> bool:
        """Whether a dense network is trained first."""
        return self.row.pretrains if self.ticket is None else self.row.start_from != INIT

    @property
    def pretrains_on_other_data(self) -> bool:
        """Whether the sanity check changes what the dense network is trained on.

        One that is not retrained is given: a check changes the data that it is pruned on.
        """
        return self.pretrains and self.row.retrains and self.check.prunes_on_other_data

    @property
    def solves_masks(self) -> bool:
        """Whether what makes up for removed weights chooses them, too."""
        return self.row.solver is not None and score_row(self.row.score).by_solver

    @property
    def trained_rounds(self) -> int:
        """Rounds of pruning with training between them."""
        trains_between = self.row.pretrains and self.row.retrains and self.ticket is None
        return (self.rounds or 1) if trains_between else 1

    @property
    def check(self) -> Check:
        """The row of the sanity check; one that changes nothing where there is none."""
        return NO_CHECK if self.sanity_check is None else check_row(self.sanity_check)

    @property
    def retraining_epochs(self) -> range:
        """The epochs of the recipe that a retraining runs."""
        return RETRAININGS[self.row.schedule].epochs(self.recipe, self.rewind_epoch or 0)

    def retraining_rate(self, epoch: int) -> float:
        """The learning rate of an epoch of a retraining."""
        return RETRAININGS[self.row.schedule].rate(self.recipe, epoch)

    @property
    def budget(self) -> int:
        """Epochs of all trainings behind the ticket: the dense one, those between rounds, the last."""
        return self.recipe.epochs * self.pretrains + len(self.retraining_epochs) * self.trained_rounds

    @property
    def exports(self) -> tuple[Wanted, ...]:
        """What is exported, and how."""
        return wanted(self.export, {name: getattr(self, name) for name in EXPORT_OPTIONS})

    @property
    def last_stages(self) -> tuple[str, ...]:
        """Stages after the evaluation that are asked for, beside the report."""
        exports = tuple(f"export_{export.name}" for export in self.exports)
        return (*exports, DEPLOYMENT) if self.deployment else exports

    @property
    def identity(self) -> dict[str, Any]:
        """JSON-able: what decides the numbers. Of what leads to a file of the user's there is no folder.

        Options that came later are left out where they have their defaults, so that runs keep their names.
        """
        found = {}
        for row in OPTIONS:
            value = getattr(self, row.field)
            if row.decides != NOTHING and (row.always_named or value != row.default):
                found[row.field] = value.identity if isinstance(value, Recipe) else row.named(value)
        return json.loads(json.dumps(found))

    @property
    def dense_identity(self) -> dict[str, Any]:
        """JSON-able: what decides the dense training."""
        own = self.identity
        shared = ("seed", *fields_that_decide(SETTING), *fields_that_decide(SOURCE))
        identity = {field: own[field] for field in shared if field in own}
        if self.pretrains_on_other_data:
            identity["sanity_check"] = self.check.data_under or self.sanity_check
        return identity

    def to_json(self) -> dict[str, Any]:
        """All fields, as JSON-able values."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Config:
        """The inverse of `to_json`."""
        fields: dict[str, Any] = {
            name: tuple(inner) if isinstance(inner, (list, tuple)) else inner for name, inner in value.items()
        }
        return cls(**{**fields, "recipe": Recipe(**value["recipe"])})


OPTIONS: tuple[Option, ...] = options_of(Config)
DEPLOYMENT = "deployment"  # the stage
# Those that are options of `export`, too, for the formats that take them.
EXPORT_OPTIONS = tuple(
    row.name for row in OPTIONS if any(row.name in format.options for format in FORMATS.values())
)


def fields_that_decide(*what: str) -> tuple[str, ...]:
    """The fields of the config that decide any of these: SETTING, SOURCE, NOTHING, ..."""
    return tuple(row.field for row in OPTIONS if row.decides in what)


def digest(identity: Mapping[str, Any]) -> str:
    """Ten hexadecimal digits of a config's hash."""
    written = json.dumps(identity, sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:10]
