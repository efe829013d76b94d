"""How often the verdict on a sanity check is wrong, and how often it is reached: a simulation.

    python scripts/benchmarks/alarms.py --families=10000

Families of checks are drawn whose true differences are known, and judged as `sanity.compare` does of tickets
that have something to lose.
The twins of a family share their ticket, so their differences are correlated (0.5). What is counted:

- wrong `insensitive`: some check is called so, although every check of the family costs exactly the margin
  (where only twins collapse: far more than that, on average);
- wrong `sensitive`: some check is called `sensitive` or `reversed`, although none makes a difference;
- power: the share of checks that make no difference and are called `insensitive`, and the share of those that
  cost two margins and are called `sensitive`.

The numbers go to docs/laptop/alarms.json, of which `./scripts/numbers` makes the tables of docs/verdict.md.
Points are hundredths of accuracy.
"""

import dataclasses
import json
import pathlib
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from absl import app, flags

from tf_tickets.sanity import statistics
from tf_tickets.sanity.statistics.notes import FAR, MAD_OF_NORMAL
from tf_tickets.support.scale import SHARE_DECIMALS

OUTPUT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "laptop" / "alarms.json"
ALPHA = 0.05
CHECKS = (1, 4, 9)
SEEDS = (3, 5, 10, 20)
DEVIATIONS = (0.005, 0.013, 0.025)
MARGINS = (0.01, 0.02)

LEVEL = 0.97  # accuracy of a ticket that did not collapse ...
COLLAPSE = -0.85  # ... what it loses if it does ...
COLLAPSES = 0.1  # ... and how often that happens
TEST_SET = 360  # images, as of digits

Rows = Iterable[dict[str, Any]]
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Noise:
    """How runs scatter about their mean accuracy.

    Attributes:
        draw: makes numbers of mean 0 and deviation 1.
        ticket_collapses: chance that a ticket's run collapses.
        twin_collapses: chance that a twin's run collapses.
        test_set: accuracies are counts over so many examples; None are real numbers.
    """

    draw: Draw = np.random.Generator.standard_normal
    ticket_collapses: float = 0.0
    twin_collapses: float = 0.0
    test_set: int | None = None

    @property
    def is_fair(self) -> bool:
        """Whether ticket and twin collapse alike, which leaves their mean difference as it is."""
        return self.ticket_collapses == self.twin_collapses


def heavy_tailed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Student's t with 3 degrees of freedom, whose variance is 3."""
    return rng.standard_t(3, shape) / np.sqrt(3)


NOISES: dict[str, Noise] = {
    "normal": Noise(),
    f"a test set of {TEST_SET} images": Noise(test_set=TEST_SET),
    "t with 3 degrees of freedom": Noise(heavy_tailed),
    "every run, ticket or twin, collapses 1 time in 10": Noise(
        ticket_collapses=COLLAPSES, twin_collapses=COLLAPSES
    ),
    "only twins collapse, 1 time in 10": Noise(twin_collapses=COLLAPSES),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """What is simulated: families of `checks` twins, each of which truly loses `drop`."""

    checks: int
    seeds: int
    deviation: float = 0.013
    margin: float = 0.01
    drop: float = 0.0
    noise: str = "normal"


def answers(case: Case, families: int) -> np.ndarray:
    """The answers of simulated verdicts, strings of shape (families, checks); the same at every call."""
    found = differences(case, families)
    columns = np.moveaxis(found, 1, 0).reshape(case.seeds, -1)
    p_equivalent, p_different = (
        statistics.holm(p.reshape(families, case.checks))
        for p in statistics.p_values(columns, case.margin, statistics.floor_of(NOISES[case.noise].test_set))
    )
    return statistics.answers(p_equivalent, p_different, found.mean(axis=1), ALPHA)


def differences(case: Case, families: int) -> np.ndarray:
    """Simulated paired differences, shape (families, seeds, checks)."""
    rng = np.random.default_rng(zlib.crc32(repr(case).encode()))
    noise = NOISES[case.noise]
    # What a seed does to all its runs alike cancels in the differences, and is left out.
    ticket = _runs(rng, noise, noise.ticket_collapses, case.deviation, (families, case.seeds, 1))
    twins = _runs(rng, noise, noise.twin_collapses, case.deviation, (families, case.seeds, case.checks))
    return np.round(_seen(twins - case.drop, noise) - _seen(ticket, noise), SHARE_DECIMALS)


def _runs(
    rng: np.random.Generator, noise: Noise, collapses: float, deviation: float, shape: tuple[int, ...]
) -> np.ndarray:
    scatter = noise.draw(rng, shape) * deviation / np.sqrt(2)  # so the difference of two has the deviation
    return LEVEL + scatter + COLLAPSE * (rng.random(shape) < collapses)


def _seen(accuracies: np.ndarray, noise: Noise) -> np.ndarray:
    if noise.test_set is None:
        return accuracies
    return np.round(accuracies * noise.test_set) / noise.test_set


def any_of(found: np.ndarray, *wanted: str) -> float:
    """Share of families in which some check got one of these answers."""
    return float(np.isin(found, wanted).any(axis=1).mean())


def share_of(found: np.ndarray, wanted: str) -> float:
    """Share of checks that got this answer."""
    return float((found == wanted).mean())


def wrongly_insensitive(case: Case, families: int) -> float:
    """Chance of a wrong `insensitive` in a family of which every check costs exactly the margin.

    Where only twins collapse, they lose nothing otherwise: what the collapses cost on average is beyond it.
    """
    costly = dataclasses.replace(case, drop=case.margin if NOISES[case.noise].is_fair else 0.0)
    return any_of(answers(costly, families), statistics.INSENSITIVE)


def wrongly_sensitive(case: Case, families: int) -> float:
    """Chance of a wrong `sensitive` or `reversed` in a family of checks that make no difference."""
    harmless = dataclasses.replace(case, drop=0.0)
    return any_of(answers(harmless, families), statistics.SENSITIVE, statistics.REVERSED)


def power(case: Case, families: int) -> tuple[float, float]:
    """Share called `insensitive` of checks without effect, and `sensitive` of those that cost two margins."""
    harmless, costly = (dataclasses.replace(case, drop=drop) for drop in (0.0, 2 * case.margin))
    return (
        share_of(answers(harmless, families), statistics.INSENSITIVE),
        share_of(answers(costly, families), statistics.SENSITIVE),
    )


def alarms(families: int) -> Rows:
    """Wrong answers under normal noise; the worst of all deviations and margins."""
    for checks in CHECKS:
        for seeds in SEEDS:
            cases = [Case(checks, seeds, deviation, margin) for deviation in DEVIATIONS for margin in MARGINS]
            yield {
                "checks": checks,
                "seeds": seeds,
                "insensitive": max(wrongly_insensitive(case, families) for case in cases),
                "sensitive": max(wrongly_sensitive(case, families) for case in cases),
            }


def noises(families: int) -> Rows:
    """Wrong answers under other noise, in families of four at a margin of one point."""
    for name, noise in NOISES.items():
        for deviation in (0.003, 0.013):
            for seeds in SEEDS:
                case = Case(4, seeds, deviation, noise=name)
                yield {
                    "noise": name,
                    "deviation": deviation,
                    "seeds": seeds,
                    "insensitive": wrongly_insensitive(case, families),
                    "sensitive": wrongly_sensitive(case, families) if noise.is_fair else None,
                }


def powers(families: int) -> Rows:
    """Answers that are right, under normal noise."""
    for deviation in DEVIATIONS:
        for margin in MARGINS:
            for checks in CHECKS:
                for seeds in SEEDS:
                    insensitive, sensitive = power(Case(checks, seeds, deviation, margin), families)
                    yield {
                        "deviation": deviation,
                        "margin": margin,
                        "checks": checks,
                        "seeds": seeds,
                        "insensitive": insensitive,
                        "sensitive": sensitive,
                    }


def plans(families: int) -> Rows:
    """Seeds that show, with a chance of 80 %, that a check without effect makes no difference."""
    del families  # nothing is simulated
    for deviation in (0.003, *DEVIATIONS):
        for margin in (0.005, 0.01, 0.02):
            for checks in CHECKS:
                seeds = statistics.seeds_to_plan(deviation, margin=margin, checks=checks)
                yield {"deviation": deviation, "margin": margin, "checks": checks, "seeds": seeds}


def notes(families: int) -> Rows:
    """Families of normal differences with a note on a pair far from the others, at the least margin."""
    for checks in CHECKS:
        for seeds in SEEDS:
            found = differences(Case(checks, seeds), families)
            distance = np.abs(found - np.median(found, axis=1, keepdims=True))
            spread = np.median(distance, axis=1, keepdims=True) / MAD_OF_NORMAL
            yield {
                "checks": checks,
                "seeds": seeds,
                "far": float((distance > FAR * spread).any(axis=(1, 2)).mean()),
            }


TABLES: dict[str, Callable[[int], Rows]] = {
    "alarms": alarms,
    "noises": noises,
    "powers": powers,
    "plans": plans,
    "notes": notes,
}


def main(argv: list[str]) -> None:
    """Simulates, tells each row, and writes all of them."""
    del argv
    found: dict[str, Any] = {"families": flags.FLAGS.families}
    for name, table in TABLES.items():
        found[name] = []
        for row in table(flags.FLAGS.families):
            print(f"{name}: {json.dumps(row)}", flush=True)
            found[name].append(row)
    rows = ",\n".join(
        f' "{name}": {value}'
        if name == "families"
        else f' "{name}": [\n  ' + ",\n  ".join(map(json.dumps, value)) + "\n ]"
        for name, value in found.items()
    )
    pathlib.Path(flags.FLAGS.output).write_text(f"{{\n{rows}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    flags.DEFINE_integer("families", 10_000, "Families of checks to simulate in each case.", lower_bound=1)
    flags.DEFINE_string("output", str(OUTPUT), "Where the numbers go, a JSON file.")
    app.run(main)
