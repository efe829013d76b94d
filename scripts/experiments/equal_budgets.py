"""Methods with the same budget of training, each at its own learning rate, which held-out data chose.

    python scripts/experiments/equal_budgets.py docs/findings/equal_budgets/plan.json --runs_dir=runs/budgets

The plan says it all before the first run: the arms (methods, and for how many times the epochs of one
training), the rates, and the seeds of the choice and of the comparison. First every arm is trained at every
rate with a part of the training set held out, at seeds that the comparison does not have; the rate with the
best mean on that part is the arm's. Then every arm is trained at its rate on the whole training set, and only
that looks at the test set.

It writes RUNS_DIR/rates.json, RUNS_DIR/tuning and RUNS_DIR/final, which `python -m tf_tickets.report` makes
a report of. The same command goes on where it stopped.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import pathlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from absl import app, flags

import tf_tickets as tt

RUNS_DIR = flags.DEFINE_string("runs_dir", "runs/equal_budgets", "Folder of the runs.")
JOBS = flags.DEFINE_integer("jobs", 2, "Runs at a time.", lower_bound=1)
# What every run may be told; the rest of a plan is this program's own.
KEYS = {"question", "flags", "sparsity", "epochs", "arms", "rates", "tuning", "seeds"}


@dataclasses.dataclass(frozen=True, eq=False)
class Arm:
    """A method with a budget.

    Attributes:
        name: of the method as the plan calls it.
        times: the epochs of its trainings, those of one training being 1.
        given: its flags, among them method.
    """

    name: str
    times: int
    given: Mapping[str, Any]

    @property
    def label(self) -> str:
        return f"{self.name}, {self.times}"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a plan.json says; see docs/findings.md."""

    flags: Mapping[str, Any]
    epochs: int
    arms: tuple[Arm, ...]
    rates: tuple[float, ...]
    tuning: Mapping[str, Any]
    seeds: tuple[int, ...]

    @classmethod
    def read(cls, path: pathlib.Path) -> Plan:
        """Reads and checks a plan.

        Raises:
            ValueError: there is another key than those of a plan, one lacks, or the seeds of the choice are
                among those of the comparison.
        """
        said = json.loads(path.read_text(encoding="utf-8"))
        if set(said) != KEYS:
            raise ValueError(f"{path} has {', '.join(sorted(said))}; a plan has {', '.join(sorted(KEYS))}.")
        arms = tuple(
            Arm(
                name,
                times,
                {
                    "sparsity": said["sparsity"],
                    **{key: value for key, value in given.items() if key != "times"},
                },
            )
            for name, given in said["arms"].items()
            for times in given.get("times", [1])
        )
        plan = cls(
            said["flags"],
            said["epochs"],
            arms,
            tuple(said["rates"]),
            said["tuning"],
            tuple(said["seeds"]),
        )
        both = set(plan.seeds) & set(plan.tuning["seeds"])
        if both:
            raise ValueError(
                f"{path}: seeds {sorted(both)} are among those of the choice and of the comparison."
            )
        return plan


def main(argv: Sequence[str]) -> None:
    """Runs the plan that is named."""
    if len(argv) != 2:
        raise app.UsageError("Say which plan.json.")
    run(Plan.read(pathlib.Path(argv[1])), pathlib.Path(RUNS_DIR.value), JOBS.value)


def run(plan: Plan, folder: pathlib.Path, jobs: int) -> None:
    """Chooses the rates, then compares."""
    found = tune(plan, folder / "tuning", jobs)
    chosen = {arm: best_rate(found[arm]) for arm in plan.arms}
    said = {
        arm.label: {"rate": chosen[arm], "held_out_accuracy": {str(x): y for x, y in found[arm].items()}}
        for arm in plan.arms
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rates.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    compare(plan, chosen, folder / "final", jobs)


def tune(plan: Plan, folder: pathlib.Path, jobs: int) -> dict[Arm, dict[float, float]]:
    """Mean accuracy on what is held out, of every arm at every rate; the test set is not looked at."""
    found: dict[Arm, dict[float, float]] = collections.defaultdict(dict)
    held_out = {"validation_fraction": plan.tuning["validation_fraction"]}
    for rate in plan.rates:
        ran = _run(plan, dict.fromkeys(plan.arms, rate), plan.tuning["seeds"], folder, jobs, **held_out)
        for arm, results in ran.items():
            found[arm][rate] = statistics.fmean(x.numbers["validation_accuracy"] for x in results)
    return found


def best_rate(by_rate: Mapping[float, float]) -> float:
    """The rate of the highest accuracy; of equal ones the lowest."""
    return max(sorted(by_rate), key=lambda rate: by_rate[rate])


def compare(plan: Plan, chosen: Mapping[Arm, float], folder: pathlib.Path, jobs: int) -> None:
    """Trains every arm at its rate, and prints what it reaches on the test set."""
    ran = _run(plan, chosen, plan.seeds, folder, jobs)
    for arm in plan.arms:
        reached = [100 * x.accuracy for x in ran[arm]]
        mean, deviation = statistics.fmean(reached), statistics.stdev(reached)
        print(f"{arm.label:32} {chosen[arm]:<6} {mean:.2f} ± {deviation:.2f}")


def _run(
    plan: Plan, rates: Mapping[Arm, float], seeds: Iterable[int], folder: pathlib.Path, jobs: int, **more: Any
) -> dict[Arm, list[Any]]:
    """Runs of arms, those that differ by their method alone in one sweep."""
    sweeps: dict[tuple, list[Arm]] = collections.defaultdict(list)
    for arm, rate in rates.items():
        others = tuple((key, value) for key, value in arm.given.items() if key != "method")
        sweeps[rate, arm.times, others].append(arm)
    ran: dict[Arm, list[Any]] = {}
    for (rate, times, others), arms in sweeps.items():
        results = tt.sweep(
            [arm.given["method"] for arm in arms],
            seed=seeds,
            learning_rate=rate,
            epochs=times * plan.epochs,
            runs_dir=str(folder),
            jobs=jobs,
            controls=False,
            **plan.flags,
            **dict(others),
            **more,
        )
        for arm in arms:
            ran[arm] = [x for x in results if x.config.method == arm.given["method"]]
    return ran


if __name__ == "__main__":
    app.run(main)
