"""Runs on disk, as data: found, read, checked, and sorted into what may be compared with what.

`load` finds runs; `experiments` sorts them by setting; `verdicts` and `baselines` compare within one setting.
Nothing is executed or unpickled: all that is read is JSON, and every name in it is data.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tf_tickets.config import Config
from tf_tickets.methods.table import METHODS, Method
from tf_tickets.results import reading
from tf_tickets.results.arms import (
    DENSE,
    Arm,
    Contender,
    Frozen,
    Setting,
    asks_for_sparsity,
    check_order,
    frozen,
    grouped,
    labels,
    method_order,
    own_options,
    titles,
)
from tf_tickets.results.reading import BROKEN, FINISHED, UNFINISHED
from tf_tickets.storage.atomic_files import PathLike
from tf_tickets.storage.views import view_of
from tf_tickets.support.words import plural

if TYPE_CHECKING:
    from tf_tickets.sanity.statistics import Comparison

__all__ = [
    "BROKEN",
    "DENSE",
    "FINISHED",
    "UNFINISHED",
    "Arm",
    "Contender",
    "Experiment",
    "Run",
    "Setting",
    "Start",
    "Verdict",
    "baselines",
    "control_label",
    "experiments",
    "load",
    "starts",
    "verdicts",
]

# Random tickets stand beside every other: the same ratio in every layer, and the paper's ratios.
RANDOM_BASELINES = {"uniform": "uniform", "random": "random (smart)"}


@dataclasses.dataclass(frozen=True, eq=False)
class Run:
    """One run directory.

    Attributes:
        path: where it is; the text of a URL.
        status: `"finished"`, `"unfinished"` (no result.json yet) or `"broken"`, which `problem` explains.
        config: every field of the run's config; of a broken run what could be read of it.
        result: what result.json holds; empty where there is none.
        problem: one line.
        written: when result.json was, in seconds of the epoch.
    """

    path: pathlib.Path | str
    status: str
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    result: dict[str, Any] = dataclasses.field(default_factory=dict)
    problem: str | None = None
    written: float | None = None

    @property
    def seed(self) -> int:
        """The seed."""
        return self.config["seed"]

    @property
    def sparsity(self) -> float | None:
        """The sparsity asked for; None where the method has none."""
        return self.config["sparsity"] if asks_for_sparsity(self.config["method"]) else None

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
    def training_cost(self) -> float | None:
        """Forward multiply-adds of all trainings, in epochs of the dense network, where known."""
        return self.result.get("training_cost")

    @property
    def check(self) -> str | None:
        """The sanity check that it ran under."""
        return self.config["sanity_check"]

    @property
    def accuracy(self) -> float:
        """Test accuracy of the final epoch, in [0, 1]."""
        return self.result["test_accuracy"]

    @functools.cached_property
    def typed(self) -> Config:
        """The config as a Config; fields that this version does not know are left out."""
        return reading.typed(self.config)

    @functools.cached_property
    def arm(self) -> Arm:
        """What it is averaged in, over seeds."""
        own = own_options(self.typed)
        return Arm(Contender.of(self.config, own), self.sparsity, self.check)

    @functools.cached_property
    def setting(self) -> Setting:
        """What it can be compared within."""
        return Setting.of(self.config)

    @property
    def row(self) -> Method | None:
        """The method's row; None for a method that is not of the table."""
        return METHODS.get(self.config["method"])

    @property
    def epochs(self) -> int | None:
        """Epochs trained in all: dense training, rounds and retraining; None where the method is unknown."""
        return None if self.row is None else self.typed.budget

    @property
    def train_seconds(self) -> float | None:
        """Seconds of dense training, scoring, rounds and retraining; None where a part is not known."""
        seconds = self.result.get("seconds")
        if not seconds:
            return None
        parts = [
            value for name, value in seconds.items() if name != "evaluate" and not name.startswith("export")
        ]
        return None if None in parts else sum(parts)

    @property
    def collapsed_layers(self) -> tuple[str, ...]:
        """Names of layers of which nothing is kept, or nothing on a path where that is known."""
        return tuple(layer["name"] for layer in self.result["layers"] if not _left(layer))


@dataclasses.dataclass(frozen=True, eq=False)
class Experiment:
    """The finished runs of one setting.

    Attributes:
        setting: what they share.
        title: tells the setting apart from the others of the report.
        arms: arm -> seed -> run, in the order of the report.
        names: contender -> label; no two are alike.
        dense: seed -> accuracy of the dense network: of a dense run, or of the training that methods share.
        controls: epochs -> seed -> run of dense networks that were trained for longer.
        notes: what a reader should know.
        problems: runs that are left out, and why.
    """

    setting: Setting
    title: str
    arms: dict[Arm, dict[int, Run]]
    names: dict[Contender, str]
    dense: dict[int, float]
    controls: dict[int, dict[int, Run]]
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def runs(self) -> list[Run]:
        """All runs that are counted, the longer dense ones left out."""
        return [run for runs in self.arms.values() for run in runs.values()]

    @property
    def contenders(self) -> list[Contender]:
        """The methods that prune, in the order of the report."""
        return list(dict.fromkeys(arm.contender for arm in self.arms if arm.contender.prunes))

    @property
    def sparsities(self) -> list[float]:
        """Those asked of the methods that prune, ascending."""
        return sorted(
            {arm.sparsity for arm in self.arms if arm.contender.prunes and arm.sparsity is not None}
        )

    @property
    def targets(self) -> list[float | None]:
        """The sparsities, and None where there are methods that none is asked of."""
        free: list[None] = [] if all(contender.aims for contender in self.contenders) else [None]
        return [*self.sparsities, *free]

    @property
    def is_about_density(self) -> bool:
        """Whether accuracy against true density says more than accuracy against the sparsity asked for."""
        if None in self.targets:
            return True
        return len(self.sparsities) > 1 and (
            any(map(_starts_sparse, self.contenders))
            or any(
                _misses(run) for arm, runs in self.arms.items() if arm.check is None for run in runs.values()
            )
        )

    def checks(self, contender: Contender | None = None) -> list[str]:
        """The checks that ran, in the order of the table; of one contender, or of all."""
        found = {arm.check for arm in self.arms if arm.check and contender in (None, arm.contender)}
        return sorted(found, key=check_order)

    def accuracies(
        self, contender: Contender, sparsity: float | None, check: str | None = None
    ) -> dict[int, float]:
        """Seed -> accuracy of an arm; empty where there is none."""
        runs = self.arms.get(Arm(contender, sparsity, check), {})
        return {seed: run.accuracy for seed, run in runs.items()}


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A ticket and one of its twins: the attacked one, or a baseline.

    Attributes:
        contender: the ticket's.
        sparsity: the ticket's.
        twin: name of the check or of the baseline.
        seeds: those that both have, ascending.
        comparison: what the statistics say; None where there are too few seeds.
        reason: why there is no comparison.
    """

    contender: Contender
    sparsity: float
    twin: str
    seeds: tuple[int, ...]
    comparison: Comparison | None
    reason: str | None = None


@dataclasses.dataclass(frozen=True)
class Start:
    """A method inside a random source mask, beside the same method from the dense network.

    Attributes:
        dense: the arm that starts from the dense network.
        inside: the arm that starts inside the mask, of the same sparsity.
        verdict: of the statistics; a difference is the accuracy inside less that from the dense network.
    """

    dense: Arm
    inside: Arm
    verdict: Verdict


def load(paths: Iterable[PathLike] | PathLike) -> list[Run]:
    """Reads runs, each directory once, sorted by path.

    Args:
        paths: run directories, or folders that are searched for them at any depth; or URLs of such
            (`s3://bucket/runs`). The shared dense trainings and the rounds within a run are no runs.

    Raises:
        FileNotFoundError: a path does not exist.
        NotADirectoryError: a path is a file.
        ValueError: there is no run at all.

    Example:
        >>> runs = load(["runs"])
        >>> {run.arm.label: run.accuracy for run in runs if run.status == "finished"}
    """
    paths = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    found: dict[pathlib.Path | str, Run] = {}
    for path in paths:
        view = view_of(path)
        if not view.exists:
            raise FileNotFoundError(
                f"{path} does not exist. Give run directories, or folders that hold them."
            )
        if not view.path.is_dir():
            raise NotADirectoryError(f"{path} is a file. Give run directories, or folders that hold them.")
        for directory in reading.find(view.path):
            name = view.named(directory)
            real = directory.resolve() if isinstance(name, pathlib.Path) else name
            if real not in found:
                found[real] = Run(name, **vars(reading.read(directory)))
    if not found:
        raise ValueError(
            f"There is no run in {', '.join(map(str, paths)) or 'no folder'}. "
            "A run's directory holds config.json and result.json (python -m tf_tickets.run makes them)."
        )
    return sorted(found.values(), key=lambda run: pathlib.Path(run.path))


def experiments(runs: Iterable[Run]) -> list[Experiment]:
    """Sorts the finished runs by setting; what cannot be averaged is left out and said.

    Two runs of one arm and one seed are one if they agree; otherwise neither is counted. Dense networks that
    were trained for longer stand beside every setting that they fit, but for the epochs.
    """
    by_setting: dict[Setting, list[Run]] = {}
    for run in runs:
        if run.status == FINISHED:
            by_setting.setdefault(run.setting, []).append(run)
    folded = {setting: _fold(members) for setting, members in by_setting.items()}
    longer = {
        setting: [
            other for other in by_setting if _dense_runs(folded[other].arms) and other.is_longer(setting)
        ]
        for setting in by_setting
    }
    # A setting of dense runs alone is no experiment of its own where it stands beside another.
    alone = {x for x in by_setting if not any(arm.contender.prunes for arm in folded[x].arms)}
    beside = {other for setting in by_setting if setting not in alone for other in longer[setting]} & alone
    own = sorted((setting for setting in by_setting if setting not in beside), key=_setting_order)
    names = titles(own)
    return [
        _experiment(
            setting,
            names[setting],
            folded[setting],
            {other["epochs"]: folded[other] for other in longer[setting]},
        )
        for setting in own
    ]


def verdicts(experiment: Experiment, *, margin: float = 0.01, alpha: float = 0.05) -> list[Verdict]:
    """What each check says of each method at each sparsity: one family a method and sparsity.

    Args:
        experiment: of `experiments`.
        margin: of equivalence, in accuracy: 0.01 is one point.
        alpha: chance of a false answer in a family.

    Returns:
        A Verdict for each check that ran; those with too few seeds in common say so.
    """
    found = []
    for contender, sparsity in dict.fromkeys((arm.contender, arm.sparsity) for arm in experiment.arms):
        if not contender.prunes or sparsity is None:
            continue
        twins = {
            check: experiment.accuracies(contender, sparsity, check) for check in experiment.checks(contender)
        }
        found += _family(experiment, contender, sparsity, twins, margin, alpha)
    return found


def baselines(experiment: Experiment, *, margin: float = 0.01, alpha: float = 0.05) -> list[Verdict]:
    """Each ticket beside the dense network, the dense one of as many epochs, and random tickets.

    Args:
        experiment: of `experiments`.
        margin: of equivalence, in accuracy.
        alpha: chance of a false answer in a family.

    Returns:
        A Verdict for each baseline that is there; none for methods that no sparsity is asked of. A difference
        is the baseline's accuracy less the ticket's.
    """
    found = []
    for arm, runs in experiment.arms.items():
        if arm.check is not None or not arm.contender.prunes or arm.sparsity is None:
            continue
        twins = {DENSE: experiment.dense}
        epochs = _whole_budget(experiment, next(iter(runs.values())))
        if epochs is not None:
            twins[control_label(epochs)] = {
                seed: run.accuracy for seed, run in experiment.controls[epochs].items()
            }
        for method, name in RANDOM_BASELINES.items():
            beside = _alike(experiment.contenders, method, arm.contender)
            if beside is not None:
                twins[name] = experiment.accuracies(beside, arm.sparsity)
        found += _family(
            experiment, arm.contender, arm.sparsity, twins, margin, alpha, says_nothing_at_chance=False
        )
    return found


def starts(experiment: Experiment, *, margin: float = 0.01, alpha: float = 0.05) -> list[Start]:
    """Each method that ran inside a source mask and from the dense network, at each sparsity asked of both.

    Args:
        experiment: of `experiments`.
        margin: of equivalence, in accuracy.
        alpha: intervals are of level 1 - alpha, each for itself.

    Returns:
        A Start for each source and sparsity; none for methods that no sparsity is asked of.
    """
    contenders = experiment.contenders
    dense = {contender.but_for_source: contender for contender in contenders if not contender.in_source}
    found = []
    for inside in (contender for contender in contenders if contender.in_source):
        for share in experiment.sparsities:
            arm = Arm(inside, share, None)
            beside = Arm(dense.get(inside.but_for_source, inside), share, None)
            if beside == arm or not {arm, beside} <= experiment.arms.keys():
                continue
            twins = {experiment.names[inside]: experiment.accuracies(inside, share)}
            (verdict,) = _family(
                experiment, beside.contender, share, twins, margin, alpha, says_nothing_at_chance=False
            )
            found.append(Start(beside, arm, verdict))
    return found


def control_label(epochs: int) -> str:
    """What a dense network that was trained for longer is called."""
    return f"{DENSE}, {epochs} epochs"


@dataclasses.dataclass(frozen=True)
class _Folded:
    """The runs of one setting, one an arm and seed; what was left out, and what should be known."""

    arms: dict[Arm, dict[int, Run]]
    notes: list[str]
    problems: list[str]


def _experiment(setting: Setting, title: str, folded: _Folded, longer: Mapping[int, _Folded]) -> Experiment:
    arms = folded.arms
    ordered = sorted(
        arms, key=lambda arm: (method_order(arm.contender), arm.sparsity or 0.0, check_order(arm.check))
    )
    dense, dense_problems = _dense_accuracies(arms)
    every = [folded, *longer.values()]
    return Experiment(
        setting=setting,
        title=title,
        arms={arm: dict(sorted(arms[arm].items())) for arm in ordered},
        names=labels(arm.contender for arm in ordered),
        dense=dense,
        controls={epochs: _dense_runs(longer[epochs].arms) for epochs in sorted(longer)},
        notes=(
            *(note for part in every for note in part.notes),
            *_machines([run for part in every for runs in part.arms.values() for run in runs.values()]),
        ),
        problems=(*(problem for part in every for problem in part.problems), *dense_problems),
    )


def _fold(runs: Sequence[Run]) -> _Folded:
    folded = _Folded({}, [], [])
    for seed, members in grouped(runs, lambda run: run.seed).items():
        if len({run.config["data_fingerprint"] for run in members}) > 1:
            folded.problems.append(
                f"Seed {seed}: the data differ (data_fingerprint): {_paths(members)}; none is counted."
            )
            runs = [run for run in runs if run.seed != seed]
    for arm, members in grouped(runs, lambda run: run.arm).items():
        seeds = {}
        for seed, same in grouped(members, lambda run: run.seed).items():
            if len({(run.accuracy, run.result.get("weights_sha256")) for run in same}) > 1:
                numbers = ", ".join(f"{100 * run.accuracy:.2f} %" for run in same)
                folded.problems.append(
                    f"{arm}, seed {seed}: the runs disagree ({numbers}): {_paths(same)}; none is counted."
                )
                continue
            if len(same) > 1:
                folded.notes.append(
                    f"{arm}, seed {seed}: {len(same)} equal runs, one is counted: {_paths(same)}."
                )
            seeds[seed] = same[0]
        if seeds:
            folded.arms[arm] = seeds
    return folded


def _dense_accuracies(arms: Mapping[Arm, Mapping[int, Run]]) -> tuple[dict[int, float], list[str]]:
    """Seed -> accuracy of the dense network, where all who trained it agree."""
    found = {seed: run.accuracy for seed, run in _dense_runs(arms).items()}
    seen: dict[int, dict[float, Run]] = {}
    for runs in arms.values():
        for seed, run in runs.items():
            accuracy = run.result.get("dense_test_accuracy")
            if accuracy is not None:
                seen.setdefault(seed, {})[accuracy] = run
    problems = []
    for seed, values in seen.items():
        if len(values) > 1:
            problems.append(
                f"Seed {seed}: the dense trainings disagree ({', '.join(f'{x:.4f}' for x in values)}): "
                f"{_paths(values.values())}; that seed's dense accuracy is not counted."
            )
            found.pop(seed, None)
        else:
            found.setdefault(seed, next(iter(values)))
    return dict(sorted(found.items())), problems


def _dense_runs(arms: Mapping[Arm, Mapping[int, Run]]) -> dict[int, Run]:
    return {seed: run for arm, runs in arms.items() if not arm.contender.prunes for seed, run in runs.items()}


def _whole_budget(experiment: Experiment, run: Run) -> int | None:
    """Epochs of the shortest longer dense network that was trained for no less than the ticket was."""
    if run.epochs is None or run.epochs <= experiment.setting["epochs"]:
        return None
    return min((epochs for epochs in experiment.controls if epochs >= run.epochs), default=None)


def _alike(contenders: Sequence[Contender], method: str, ticket: Contender) -> Contender | None:
    """A method's contender to stand beside a ticket: in what is not its own, it is like the ticket."""
    shared = dict(ticket.options)
    found = [
        contender
        for contender in contenders
        if contender.method == method
        and contender != ticket
        and all(dict(contender.options)[name] == shared.get(name) for name in contender.differs)
    ]
    return max(found, key=lambda contender: len(contender.differs), default=None)


def _family(
    experiment: Experiment,
    contender: Contender,
    sparsity: float,
    twins: Mapping[str, Mapping[int, float]],
    margin: float,
    alpha: float,
    says_nothing_at_chance: bool = True,
) -> list[Verdict]:
    """The verdicts of one ticket: each twin over the seeds that it and the ticket have in common."""
    from tf_tickets.sanity.statistics import LEAST_SEEDS, compare_pairs

    runs = experiment.arms.get(Arm(contender, sparsity, None), {})
    reference = {seed: run.accuracy for seed, run in runs.items()}
    common = {twin: sorted(reference.keys() & values.keys()) for twin, values in twins.items() if values}
    chances = [run.result.get("chance_accuracy") for run in runs.values() if says_nothing_at_chance]
    comparisons = compare_pairs(
        {
            twin: ([reference[seed] for seed in seeds], [twins[twin][seed] for seed in seeds])
            for twin, seeds in common.items()
            if len(seeds) >= LEAST_SEEDS
        },
        margin=margin,
        alpha=alpha,
        chance=max((x for x in chances if x is not None), default=None),
    )
    found = []
    for twin, seeds in common.items():
        reason = None
        if not runs:
            reason = "the ticket itself has not been run"
        elif twin not in comparisons:
            reason = f"{len(seeds)} of at least {LEAST_SEEDS} seeds"
        comparison = comparisons.get(twin)
        found.append(Verdict(contender, sparsity, twin, tuple(seeds), comparison, reason))
    return found


def _machines(runs: Sequence[Run]) -> Iterator[str]:
    """Notes where runs of one setting were made by other versions or on other machines."""
    for part, what in (("versions", "versions"), ("hardware", "machines")):
        kinds: dict[Frozen, list[Run]] = {}
        for run in runs:
            kinds.setdefault(frozen(run.result.get(part) or {}), []).append(run)
        if len(kinds) > 1:
            names = sorted({name for kind in kinds for name, _ in kind})
            differing = [name for name in names if len({dict(kind).get(name) for kind in kinds}) > 1]
            texts = []
            for kind, members in kinds.items():
                values = ", ".join(f"{name} {dict(kind).get(name)}" for name in differing)
                texts.append(f"{values} ({plural(len(members), 'run')})")
            yield f"The runs are of different {what}: {'; '.join(texts)}."


def _starts_sparse(contender: Contender) -> bool:
    """Whether it is inside a source, searches while it trains, or is a random mask that is no baseline."""
    row = contender.row
    if row is None or contender.in_source:
        return contender.in_source
    return row.search is not None or (row.score == "random" and contender.method not in RANDOM_BASELINES)


def _misses(run: Run) -> bool:
    """Whether the true density is another than the one asked for."""
    return run.sparsity is not None and not math.isclose(run.density, 1 - run.sparsity, rel_tol=0.01)


def _left(layer: Mapping[str, Any]) -> int:
    on_path = layer.get("on_path")
    return layer["kept"] if on_path is None else on_path


def _setting_order(setting: Setting) -> tuple[str, str]:
    return setting.label, repr(setting.fields)


def _paths(runs: Iterable[Run]) -> str:
    return ", ".join(str(run.path) for run in runs)
