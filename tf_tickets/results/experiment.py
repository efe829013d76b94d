"""Runs that may be compared: an `Experiment` is those of one setting, sorted into arms."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tf_tickets.methods.table import METHODS, baseline_methods
from tf_tickets.results.arms import Arm, check_order
from tf_tickets.results.fields import Frozen, differing, frozen, grouped
from tf_tickets.results.loaded_run import Run, reached_by_seed
from tf_tickets.results.reading import FINISHED
from tf_tickets.results.setting import Setting, setting_order, titles
from tf_tickets.results.variant import Variant, labels, variant_order
from tf_tickets.support.scale import Scale
from tf_tickets.support.words import plural


@dataclasses.dataclass(frozen=True, eq=False)
class Experiment:
    """The finished runs of one setting.

    Attributes:
        setting: what they share.
        title: tells the setting apart from the others of the report.
        arms: arm -> seed -> run, in the order of the report.
        names: variant -> label; no two are alike.
        dense: seed -> endpoint of the dense network: of a dense run, or of the training that methods share.
        controls: epochs -> seed -> run of dense networks that were trained for longer.
        longer: epochs -> arm -> seed -> run of random tickets that were trained for longer.
        notes: what a reader should know.
        problems: runs that are left out, and why.
    """

    setting: Setting
    title: str
    arms: dict[Arm, dict[int, Run]]
    names: dict[Variant, str]
    dense: dict[int, float]
    controls: dict[int, dict[int, Run]]
    longer: dict[int, dict[Arm, dict[int, Run]]] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Experiment({self.title}: {plural(len(self.arms), 'arm')}, {plural(len(self.runs), 'run')})"

    @property
    def runs(self) -> list[Run]:
        """All runs that are counted, the longer dense ones left out."""
        return [run for runs in self.arms.values() for run in runs.values()]

    @property
    def scale(self) -> Scale:
        """What all of them are judged by, and how that reads."""
        return next((run.scale for run in self.runs), Scale())

    @property
    def variants(self) -> list[Variant]:
        """The methods that prune, in the order of the report."""
        return list(dict.fromkeys(arm.variant for arm in self.arms if arm.variant.prunes))

    @property
    def tickets(self) -> list[tuple[Variant, float]]:
        """Variants that prune, each with the sparsities asked of it, in the order of the report."""
        found = dict.fromkeys((arm.variant, arm.sparsity) for arm in self.arms if arm.variant.prunes)
        return [(variant, sparsity) for variant, sparsity in found if sparsity is not None]

    @property
    def sparsities(self) -> list[float]:
        """Those asked of the methods that prune, ascending."""
        return sorted({arm.sparsity for arm in self.arms if arm.variant.prunes and arm.sparsity is not None})

    @property
    def targets(self) -> list[float | None]:
        """The sparsities, and None where there are methods that none is asked of."""
        free: list[None] = [] if all(variant.aims for variant in self.variants) else [None]
        return [*self.sparsities, *free]

    @property
    def is_about_density(self) -> bool:
        """Whether the true density says more than the sparsity asked for."""
        if None in self.targets:
            return True
        return len(self.sparsities) > 1 and (
            any(map(_starts_sparse, self.variants))
            or any(
                _misses(run) for arm, runs in self.arms.items() if arm.check is None for run in runs.values()
            )
        )

    def checks(self, variant: Variant | None = None) -> list[str]:
        """The checks that ran, in the order of the table; of one variant, or of all."""
        found = {arm.check for arm in self.arms if arm.check and variant in (None, arm.variant)}
        return sorted(found, key=check_order)

    def endpoints(
        self,
        variant: Variant,
        sparsity: float | None,
        check: str | None = None,
        scale: Scale | None = None,
    ) -> dict[int, float]:
        """Seed -> what the run of an arm reached; empty where there is none.

        Args:
            variant, sparsity, check: the arm's.
            scale: of another metric than the one that runs are judged by.
        """
        return reached_by_seed(self.arms.get(Arm(variant, sparsity, check), {}), scale)

    def endpoints_of_dense(self, scale: Scale | None = None) -> dict[int, float]:
        """Seed -> what the dense network reached; of another metric where it has runs of its own."""
        return self.dense if scale is None else reached_by_seed(_dense_runs(self.arms), scale)


def experiments(runs: Iterable[Run]) -> list[Experiment]:
    """Sorts the finished runs by setting; what cannot be averaged is left out and said.

    Two runs of one arm and one seed are one if they agree; otherwise neither is counted. Dense networks and
    random tickets that were trained for longer are controls of every setting that they fit, but for the
    epochs.
    """
    by_setting: dict[Setting, list[Run]] = {}
    for run in runs:
        if run.status == FINISHED:
            by_setting.setdefault(run.setting, []).append(run)
    counted = {setting: _count(members) for setting, members in by_setting.items()}
    longer = {
        setting: [
            other
            for other in by_setting
            if any(map(_is_control, counted[other].arms)) and other.is_longer(setting)
        ]
        for setting in by_setting
    }
    # A setting of controls alone is no experiment of its own where it is longer than another.
    spare = {setting for setting in by_setting if all(map(_is_control, counted[setting].arms))}
    controls = spare & {other for setting in by_setting if setting not in spare for other in longer[setting]}
    own = sorted((setting for setting in by_setting if setting not in controls), key=setting_order)
    names = titles(own)
    return [
        _experiment(
            setting,
            names[setting],
            counted[setting],
            {other["epochs"]: counted[other] for other in longer[setting]},
        )
        for setting in own
    ]


@dataclasses.dataclass(frozen=True)
class _Counted:
    """The runs of one setting, one an arm and seed; what was left out, and what should be known."""

    arms: dict[Arm, dict[int, Run]]
    notes: list[str]
    problems: list[str]


def _experiment(
    setting: Setting, title: str, counted: _Counted, longer: Mapping[int, _Counted]
) -> Experiment:
    arms = counted.arms
    ordered = sorted(
        arms, key=lambda arm: (variant_order(arm.variant), arm.sparsity or 0.0, check_order(arm.check))
    )
    dense, dense_problems = _dense_endpoints(arms)
    every = [counted, *longer.values()]
    return Experiment(
        setting=setting,
        title=title,
        arms={arm: dict(sorted(arms[arm].items())) for arm in ordered},
        names=labels(arm.variant for arm in ordered),
        dense=dense,
        controls={x: runs for x in sorted(longer) if (runs := _dense_runs(longer[x].arms))},
        longer={x: arms for x in sorted(longer) if (arms := _null_arms(longer[x].arms))},
        notes=(
            *(note for part in every for note in part.notes),
            *_machines([run for part in every for runs in part.arms.values() for run in runs.values()]),
            *_tables([run for runs in arms.values() for run in runs.values()]),
        ),
        problems=(*(problem for part in every for problem in part.problems), *dense_problems),
    )


def _count(runs: Sequence[Run]) -> _Counted:
    counted = _Counted({}, [], [])
    for seed, members in grouped(runs, lambda run: run.seed).items():
        if len({run.config["data_fingerprint"] for run in members}) > 1:
            counted.problems.append(
                f"Seed {seed}: the data differ (data_fingerprint): {_paths(members)}; none is counted."
            )
            runs = [run for run in runs if run.seed != seed]
    for arm, members in grouped(runs, lambda run: run.arm).items():
        seeds = {}
        for seed, same in grouped(members, lambda run: run.seed).items():
            if len({(_known(run, run.endpoint), run.result.get("weights_sha256")) for run in same}) > 1:
                numbers = ", ".join(run.scale.with_unit(run.scale.shown(run.endpoint)) for run in same)
                counted.problems.append(
                    f"{arm}, seed {seed}: the runs disagree ({numbers}): {_paths(same)}; none is counted."
                )
                continue
            if len(same) > 1:
                counted.notes.append(
                    f"{arm}, seed {seed}: {len(same)} equal runs, one is counted: {_paths(same)}."
                )
            seeds[seed] = same[0]
        if seeds:
            counted.arms[arm] = seeds
    return counted


def _dense_endpoints(arms: Mapping[Arm, Mapping[int, Run]]) -> tuple[dict[int, float], list[str]]:
    """Seed -> endpoint of the dense network, where all who trained it agree."""
    found = {seed: run.endpoint for seed, run in _dense_runs(arms).items()}
    seen: dict[int, dict[float, Run]] = {}
    for runs in arms.values():
        for seed, run in runs.items():
            if run.dense_endpoint is not None:
                seen.setdefault(seed, {})[_known(run, run.dense_endpoint)] = run
    problems = []
    for seed, values in seen.items():
        if len(values) > 1:
            problems.append(
                f"Seed {seed}: the dense trainings disagree ({', '.join(f'{x:.4f}' for x in values)}): "
                f"{_paths(values.values())}; that seed's dense network is not counted."
            )
            found.pop(seed, None)
        else:
            found.setdefault(seed, next(iter(values)))
    return dict(sorted(found.items())), problems


def _known(run: Run, value: float) -> float:
    """A number of a run as it is told from another: earlier versions kept accuracies in 32 bits."""
    return run.scale.but_for_rounding(value)


def _dense_runs(arms: Mapping[Arm, Mapping[int, Run]]) -> dict[int, Run]:
    return {seed: run for arm, runs in arms.items() if not arm.variant.prunes for seed, run in runs.items()}


def _null_arms(arms: Mapping[Arm, dict[int, Run]]) -> dict[Arm, dict[int, Run]]:
    return {
        arm: dict(sorted(runs.items()))
        for arm, runs in arms.items()
        if _is_control(arm) and arm.variant.prunes
    }


def _is_control(arm: Arm) -> bool:
    """Whether it is there to be compared with: dense, or a random ticket of hand-made ratios."""
    row = arm.variant.row
    return arm.check is None and (not arm.variant.prunes or (row is not None and row.null))


def _machines(runs: Sequence[Run]) -> Iterator[str]:
    """Notes where runs of one setting were made by other versions or on other machines."""
    for part, what in (("versions", "versions"), ("hardware", "machines")):
        kinds: dict[Frozen, list[Run]] = {}
        for run in runs:
            kinds.setdefault(frozen(run.result.get(part) or {}), []).append(run)
        if len(kinds) > 1:
            names = differing(kinds)
            texts = []
            for kind, members in kinds.items():
                values = ", ".join(f"{name} {dict(kind).get(name)}" for name in names)
                texts.append(f"{values} ({plural(len(members), 'run')})")
            yield f"The runs are of different {what}: {'; '.join(texts)}."


def _tables(runs: Sequence[Run]) -> Iterator[str]:
    """Notes on what is not known of runs that were read from tables."""
    for table, members in grouped(runs, lambda run: run.table).items():
        if table is not None:
            whole = all(run.result["layers"] for run in members)
            lacks = "" if whole else ", and this one neither what is kept of each layer nor which collapsed"
            yield f"{plural(len(members), 'run')} of {table}: a table holds no learning curves{lacks}."


def _starts_sparse(variant: Variant) -> bool:
    """Whether it is inside a source, searches while it trains, or is a random mask that is no baseline."""
    row = variant.row
    if row is None or variant.in_source:
        return variant.in_source
    drawn_at_random = row.score in {METHODS[method].score for method in baseline_methods()}
    return row.search is not None or (drawn_at_random and not row.baseline)


def _misses(run: Run) -> bool:
    """Whether the true density is another than the one asked for."""
    return run.sparsity is not None and not math.isclose(run.density, 1 - run.sparsity, rel_tol=0.01)


def _paths(runs: Iterable[Run]) -> str:
    return ", ".join(str(run.path) for run in runs)
