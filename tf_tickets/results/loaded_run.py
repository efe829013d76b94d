"""One run, as its directory or a row of a table has it: a `Run`."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from tf_tickets.config import Config
from tf_tickets.config.config import DEPLOYMENT
from tf_tickets.methods.own_methods import known_row
from tf_tickets.methods.table import Method
from tf_tickets.results import reading
from tf_tickets.results.arms import Arm, own_options
from tf_tickets.results.setting import Setting
from tf_tickets.results.variant import Variant, asks_for_sparsity
from tf_tickets.support.numbers import is_finite
from tf_tickets.support.scale import Scale
from tf_tickets.support.short_reprs import short_fields


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """One run directory, or one row of a table of runs.

    Attributes:
        path: where it is; the text of a URL.
        status: `"finished"`, `"unfinished"` (no result.json yet) or `"broken"`, which `problem` explains.
        config: every field of the run's config; of a broken run what could be read of it.
        result: what result.json holds; empty where there is none.
        problem: one line.
        written: when result.json was, in seconds of the epoch.
        curve: the epochs of the retraining, as `results.learning_curve` reads them; none where not known.
        curve_problem: one line on a metrics.jsonl that cannot be believed.
        table: the table of runs that it was read from; None for a directory.
    """

    path: pathlib.Path | str
    status: str
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    result: dict[str, Any] = dataclasses.field(default_factory=dict)
    problem: str | None = None
    written: float | None = None
    curve: tuple[dict[str, Any], ...] = ()
    curve_problem: str | None = None
    table: pathlib.Path | str | None = None

    __repr__ = short_fields

    @property
    def seed(self) -> int:
        """The seed."""
        return self.config["seed"]

    @property
    def sparsity(self) -> float | None:
        """The sparsity asked for; None where the method has none."""
        return self.config["sparsity"] if asks_for_sparsity(self.row) else None

    @property
    def density(self) -> float:
        """The fraction of the weights that the final ticket keeps."""
        return self.result["kept"] / self.result["total"]

    @property
    def effective_density(self) -> float | None:
        """The fraction of the weights that is kept on a path from an input to an output, where known."""
        effective = self.result.get("effective_sparsity")
        return None if effective is None else 1 - effective

    @property
    def macs_left(self) -> float | None:
        """The fraction of the multiply-adds that is left, where known."""
        if self.result.get("macs_kept") is None or not self.result.get("macs"):
            return None
        return self.result["macs_kept"] / self.result["macs"]

    @property
    def training_cost(self) -> float | None:
        """Forward multiply-adds of all trainings, in epochs of the dense network, where known."""
        return self.result.get("training_cost")

    @property
    def check(self) -> str | None:
        """The sanity check that it ran under."""
        return self.config["sanity_check"]

    @functools.cached_property
    def scale(self) -> Scale:
        """What it is judged by, and how that reads: accuracy, in [0, 1], unless it says something else."""
        return Scale.of(self.result)

    @property
    def endpoint(self) -> float:
        """What it is judged by: the metric on the test set after the final epoch."""
        return self.scale.endpoint(self.result)

    def reached(self, scale: Scale | None = None) -> float | None:
        """What it reached on the test set after the final epoch; None where no finite number is known.

        Args:
            scale: of another metric than the one it is judged by, such as `LOSS`.
        """
        if scale is None:
            return self.endpoint
        value = self.result.get(scale.name_on_test)
        return value if is_finite(value) else None

    @property
    def trials(self) -> int | None:
        """Of how many the metric is a share, where it is one and that is known."""
        return self.result.get("test_trials")

    @property
    def dense_endpoint(self) -> float | None:
        """The same of the dense network, where one was trained."""
        return self.result.get(f"dense_test_{self.scale.metric}")

    @property
    def chance(self) -> float | None:
        """What is reached without looking at the examples, where that is known."""
        return self.result.get(f"chance_{self.scale.metric}")

    @functools.cached_property
    def typed(self) -> Config:
        """The config as a Config; fields that this version does not know are left out."""
        return reading.typed(self.config)

    @functools.cached_property
    def arm(self) -> Arm:
        """What it is averaged in, over seeds."""
        own = own_options(self.typed)
        return Arm(Variant.of(self.config, own), self.sparsity, self.check)

    @functools.cached_property
    def setting(self) -> Setting:
        """What it can be compared within."""
        return Setting.of(self.config)

    @property
    def row(self) -> Method | None:
        """The method's row; None for a method that is not of the table."""
        return known_row(self.config["method"], self.config["method_row"])

    @property
    def epochs(self) -> int | None:
        """Epochs trained in all: dense training, rounds and retraining; None where the method is unknown."""
        trained = self.result.get("epochs_trained")  # where a callback stopped one
        return trained if trained is not None or self.row is None else self.typed.budget

    @property
    def train_seconds(self) -> float | None:
        """Seconds of dense training, scoring, rounds and retraining; None where a part is not known."""
        seconds = self.result.get("seconds")
        if not seconds:
            return None
        parts = [
            value
            for name, value in seconds.items()
            if name not in ("evaluate", DEPLOYMENT) and not name.startswith("export")
        ]
        return None if None in parts else sum(parts)

    @property
    def collapsed_layers(self) -> tuple[str, ...]:
        """Names of layers of which nothing is kept, or nothing on a path where that is known."""
        return tuple(layer["name"] for layer in self.result["layers"] if not _left(layer))


def reached_by_seed(runs: Mapping[int, Run], scale: Scale | None) -> dict[int, float]:
    """Seed -> what its run reached, where that is known; see `Run.reached`."""
    return {seed: value for seed, run in runs.items() if (value := run.reached(scale)) is not None}


def layer_ratios(runs: Iterable[Run]) -> dict[str, float]:
    """Label of a layer -> its mean keep-ratio over runs, in forward order."""
    found: dict[str, list[float]] = {}
    for run in runs:
        for layer in run.result["layers"]:
            found.setdefault(layer["name"], []).append(layer["kept"] / layer["total"])
    return {name: statistics.fmean(values) for name, values in found.items()}


def _left(layer: Mapping[str, Any]) -> int:
    on_path = layer.get("on_path")
    return layer["kept"] if on_path is None else on_path
