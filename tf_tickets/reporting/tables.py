"""The tables of a report: each function makes one from an experiment, or None."""

from __future__ import annotations

import collections
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence

from tf_tickets.reporting.document import (
    NONE,
    Cell,
    Folded,
    Interval,
    Row,
    Table,
    group,
    listed,
    note,
    percent,
    significant,
    sparsity,
)
from tf_tickets.results import DENSE, Arm, Contender, Experiment, Run, Start, Verdict, control_label
from tf_tickets.results.arms import check_order
from tf_tickets.support.words import plural

TOO_FEW = "too few seeds"
COST = (
    "Training cost: forward multiply-adds of all trainings behind a ticket, in epochs of the dense network, "
    "pruned weights not counted; it is what sparse arithmetic would need, not a time."
)
# What an answer of the statistics is called where the twin is no attack, but a baseline.
BASELINE_WORDS = {"insensitive": "equivalent", "sensitive": "below it", "reversed": "above it"}


def answers(experiment: Experiment, found: Sequence[Verdict], *, baselines: bool = False) -> Table | None:
    """One row a ticket, one column a twin: all answers at a glance."""
    twins = list(dict.fromkeys(verdict.twin for verdict in found))
    # A longer dense network stands beside some tickets only: its column follows the dense one's.
    twins.sort(key=(lambda twin: not twin.startswith(DENSE)) if baselines else check_order)
    families = _families(found)
    if len(twins) < 2 or len(families) < 2:
        return None
    rows, before = [], None
    for (contender, share), family in families:
        by_twin = {verdict.twin: verdict for verdict in family}
        cells = [_answer_cell(by_twin.get(twin), baselines) for twin in twins]
        kind = "more" if contender == before else "row"
        rows.append(Row((Cell(experiment.names[contender]), Cell(sparsity(share)), *cells), kind))
        before = contender
    return Table(
        "Dense networks and random tickets, beside each ticket: shown to be above it or below it, or to be "
        "equivalent within the margin."
        if baselines
        else "What each check says.",
        ("ticket", "sparsity", *twins),
        tuple(rows),
        align="lr" + "l" * len(twins),
        compact=len(twins) > 6,
    )


def verdicts(
    experiment: Experiment, found: Sequence[Verdict], *, margin: float, baselines: bool = False
) -> Table | None:
    """One row a twin: the answer, the difference with its interval, p-values, seeds."""
    if not found:
        return None
    head = (
        "beside the ticket" if baselines else "check",
        "answer",
        "difference, points",
        f"±{_margin(margin)} shaded",
        "p, equivalent",
        "p, different",
        "seeds",
    )
    rows: list[Row] = []
    for (contender, share), family in _families(found):
        runs = experiment.arms.get(Arm(contender, share, None), {})
        rows.append(
            group(f"{experiment.names[contender]}, {sparsity(share)}", len(head), _mean_over(runs.values()))
        )
        for verdict in family:
            rows.append(_verdict_row(verdict, margin, baselines))
        rows += [note(text, len(head)) for text in _verdict_notes(family)]
    title = (
        "Tickets beside dense networks and random tickets, over the seeds that both have."
        if baselines
        else "The verdicts, each over the seeds that the ticket and its attacked twin have in common."
    )
    sign = (
        "Differences are the baseline's accuracy less the ticket's."
        if baselines
        else "Differences are the attacked ticket's accuracy less the ticket's."
    )
    return Table(f"{title} {sign}", head, tuple(rows), align="lllcrrr")


def accuracies(experiment: Experiment, *, alpha: float) -> Table | None:
    """Methods x sparsities, as the paper's Tables 1 and 4."""
    shares, contenders = experiment.targets, experiment.contenders
    if not contenders and not experiment.dense and not experiment.controls:
        return None
    columns = max(len(shares), 1)
    rows = [
        Row((Cell(name), _accuracy_cell(values, span=columns)))
        for name, values in _dense_networks(experiment)
    ]
    best = {share: _threshold(experiment, share, alpha) for share in shares}
    for contender in contenders:
        cells = []
        for share in shares:
            values = list(experiment.accuracies(contender, share).values())
            strong = bool(values) and statistics.fmean(values) >= best[share]
            cells.append(_accuracy_cell(values, strong=strong))
        if any(cell.text != NONE for cell in cells):
            rows.append(Row((Cell(experiment.names[contender]), *cells)))
    caption = (
        "Test accuracy of the final epoch in per cent, mean ± standard deviation (seeds). Bold: the mean is "
        f"within the {100 * (1 - alpha):g} % confidence interval of the best sparse method's; "
        "a single seed has no interval."
    )
    if None in shares:
        caption += " Methods without a target end at densities of their own; none of them is bold."
    return Table(caption, ("method", *(map(sparsity, shares) if shares else ("0 %",))), tuple(rows))


def checks(experiment: Experiment) -> Table | None:
    """Methods with their checks x sparsities, as the paper's Table 3."""
    shares = experiment.sparsities
    rows: list[Row] = []
    for contender in experiment.contenders:
        names = experiment.checks(contender)
        if not names:
            continue
        own = {share: experiment.accuracies(contender, share) for share in shares}
        rows.append(
            Row(
                (
                    Cell(experiment.names[contender], strong=True),
                    *(_accuracy_cell(own[x].values()) for x in shares),
                )
            )
        )
        for check in names:
            cells = []
            for share in shares:
                values = experiment.accuracies(contender, share, check)
                cells.append(_accuracy_cell(values.values(), detail=_paired(own[share], values)))
            rows.append(Row((Cell(check), *cells), "sub"))
    if not rows:
        return None
    return Table(
        "Tickets and their checks: test accuracy in per cent, mean ± standard deviation; beside it the mean "
        "difference to the unattacked ticket over the seeds that both have, in points (beside the ticket "
        "itself: its seeds).",
        ("ticket and check", *map(sparsity, shares)),
        tuple(rows),
    )


def compute(experiment: Experiment) -> Table | None:
    """What is left of the network: weights, multiply-adds, weights on a path, collapsed layers."""
    rows: list[Row] = []
    before = None
    for arm, by_seed in experiment.arms.items():
        runs = list(by_seed.values())
        own = experiment.arms.get(Arm(arm.contender, arm.sparsity, None), {})
        collapsed = _collapsed(runs)
        if not arm.contender.prunes or (arm.check and collapsed in ("", _collapsed(list(own.values())))):
            continue
        rows.append(
            Row(
                (
                    Cell(experiment.names[arm.contender], arm.check or ""),
                    Cell(sparsity(arm.sparsity)),
                    Cell(_mean([run.result["kept"] / run.result["total"] for run in runs])),
                    Cell(_mean([_share(run, "macs_kept", "macs") for run in runs])),
                    Cell(_mean([run.result.get("effective_sparsity") for run in runs], exact=True)),
                    Cell(collapsed or NONE),
                ),
                "more" if arm.contender == before else "row",
            )
        )
        before = arm.contender
    if not rows:
        return None
    return Table(
        "What is left of the network, in per cent, means over seeds. Effective sparsity counts only weights "
        "on a path from an input to an output. A layer has collapsed where nothing of it is left on a path. "
        "A check is listed only where other layers collapsed than without it.",
        ("method", "sparsity", "weights kept", "multiply-adds kept", "effective sparsity", "collapsed"),
        tuple(rows),
        align="lrrrrw",
    )


def budget(experiment: Experiment) -> Table | None:
    """How long each method was trained."""
    rows = []
    entries = _trained(experiment)
    costs = [_costs(runs) for _, runs in entries]
    knows_costs = any(cost != NONE for cost in costs)
    for (name, runs), cost in zip(entries, costs, strict=True):
        first = runs[0]
        epochs = first.epochs
        before = first.typed.recipe.epochs * first.typed.pretrains if first.row else None
        rows.append(
            Row(
                (
                    Cell(name),
                    Cell(NONE if epochs is None else f"{epochs:,}"),
                    Cell(NONE if before is None else f"{before:,}"),
                    Cell(_seconds([run.train_seconds for run in runs])),
                    Cell(_seconds([(run.result.get("seconds") or {}).get("dense") for run in runs])),
                    *([Cell(cost)] if knows_costs else []),
                )
            )
        )
    if not rows:
        return None
    caption = (
        "Training budget of one ticket: epochs and seconds (means over runs) of dense training, rounds, "
        "scoring and retraining. Runs of one seed share a dense training; here each is charged with it."
    )
    if any(contender.in_source for contender in experiment.contenders):
        caption += " Inside a source, dense training is that of the whole source."
    head: tuple[str, ...] = ("method", "epochs in all", "dense epochs", "seconds in all", "dense seconds")
    if knows_costs:
        caption += f" {COST} The least and the most over runs, where they differ."
        head = (*head, "training cost")
    return Table(caption, head, tuple(rows))


def densities(experiment: Experiment) -> Table | None:
    """One row a ticket: the density that it reached, and its accuracy there."""
    if not experiment.is_about_density:
        return None
    rows: list[Row] = []
    before = None
    for arm, by_seed in experiment.arms.items():
        if arm.check is not None or not arm.contender.prunes:
            continue
        runs = list(by_seed.values())
        kept = [run.density for run in runs]
        rows.append(
            Row(
                (
                    Cell(experiment.names[arm.contender]),
                    Cell(sparsity(arm.sparsity)),
                    Cell(_mean(kept), _spread(kept)),
                    Cell(_mean([run.effective_density for run in runs])),
                    Cell(mean_and_spread([run.accuracy for run in runs])),
                    Cell(str(len(runs))),
                    Cell(_costs(runs)),
                ),
                "more" if arm.contender == before else "row",
            )
        )
        before = arm.contender
    return Table(
        "Density is the fraction of the weights that the final ticket keeps; effective density counts only "
        "weights on a path from an input to an output. Both in per cent, means over seeds (± standard "
        f"deviation, where it is seen). Test accuracy in per cent, mean ± standard deviation. {COST}",
        (
            "method",
            "sparsity asked for",
            "density",
            "effective density",
            "accuracy",
            "seeds",
            "training cost",
        ),
        tuple(rows),
    )


def starts(experiment: Experiment, found: Sequence[Start]) -> Table | None:
    """One row a method inside a source and sparsity: what it lost or gained there, and what it saved."""
    if not found:
        return None
    head = (
        "inside a source",
        "sparsity",
        "from dense",
        "inside",
        "difference, points",
        "seeds",
        "cost from dense",
        "cost inside",
        "saved",
    )
    rows = [_start_row(experiment, start) for start in found]
    rows += [note(text, len(head)) for start in found for text in _density_notes(experiment, start)]
    return Table(
        "Test accuracy in per cent, mean ± standard deviation over the seeds that both have. The difference "
        "is the accuracy inside the source less that of the same method from the dense network, with its "
        f"confidence interval. {COST} What is saved of it is in per cent.",
        head,
        tuple(rows),
        align="lrrrlrrrr",
        compact=True,
    )


def keep_ratios(experiment: Experiment) -> list[Folded]:
    """Layers x methods, one table a sparsity."""
    found = []
    for share in experiment.targets:
        arms = {
            contender: runs
            for contender in experiment.contenders
            if (runs := experiment.arms.get(Arm(contender, share, None)))
        }
        if not arms:
            continue
        ratios = {contender: layer_ratios(runs.values()) for contender, runs in arms.items()}
        layers = list(dict.fromkeys(name for by_layer in ratios.values() for name in by_layer))
        lowest = min((x for y in ratios.values() for x in y.values() if x > 0), default=1.0)
        rows = tuple(
            Row(
                (
                    Cell(layer_label(layer)),
                    *(_ratio_cell(by_layer.get(layer), lowest) for by_layer in ratios.values()),
                )
            )
            for layer in layers
        )
        table = Table(
            f"Weights kept of each layer {_at(share)}, in per cent, means over seeds; layers in the "
            "order in which data meets them. The colour follows the logarithm.",
            ("layer", *(experiment.names[contender] for contender in ratios)),
            rows,
        )
        found.append(Folded(f"Keep-ratios {_at(share)}, in numbers", (table,)))
    return found


def layer_ratios(runs: Iterable[Run]) -> dict[str, float]:
    """Label of a layer -> its mean keep-ratio over runs, in forward order."""
    found: dict[str, list[float]] = {}
    for run in runs:
        for layer in run.result["layers"]:
            found.setdefault(layer["name"], []).append(layer["kept"] / layer["total"])
    return {name: statistics.fmean(values) for name, values in found.items()}


def layer_label(name: str) -> str:
    """A weight's label, without what all of them end in."""
    return name.removesuffix("/kernel")


def tally(found: Sequence[Verdict]) -> str:
    """How many verdicts gave which answer, as a sentence."""
    counts = collections.Counter(v.comparison.answer if v.comparison else TOO_FEW for v in found)
    return ", ".join(
        f"{number} {'with ' if answer == TOO_FEW else ''}{answer}" for answer, number in counts.most_common()
    )


def _verdict_row(verdict: Verdict, margin: float, baselines: bool) -> Row:
    found = verdict.comparison
    if found is None:
        return Row(
            (
                Cell(verdict.twin),
                Cell(TOO_FEW, badge=TOO_FEW),
                Cell(verdict.reason or "", span=4),
                Cell(str(len(verdict.seeds))),
            )
        )
    low, high = found.interval
    more = f" (≈ {found.seeds_needed:,} needed)" if found.seeds_needed else ""
    return Row(
        (
            Cell(verdict.twin),
            _answer_cell(verdict, baselines),
            Cell(points(found.difference), f"[{points(low)}, {points(high)}]"),
            Cell(
                "", interval=Interval(*(100 * x for x in (low, found.difference, high, margin, 4 * margin)))
            ),
            Cell(_p(found.p_equivalent)),
            Cell(_p(found.p_different)),
            Cell(str(found.seeds), more.strip()),
        )
    )


def _verdict_notes(family: Sequence[Verdict]) -> list[str]:
    found = []
    for verdict in family:
        for text in verdict.comparison.notes if verdict.comparison else ():
            where = f" (positions count the seeds {listed(verdict.seeds)})" if "position" in text else ""
            found.append(f"{verdict.twin}: {text}{where}")
    return found


def _answer_cell(verdict: Verdict | None, baselines: bool) -> Cell:
    if verdict is None:
        return Cell()
    answer = verdict.comparison.answer if verdict.comparison else TOO_FEW
    return Cell(BASELINE_WORDS.get(answer, answer) if baselines else answer, badge=answer)


def _families(found: Sequence[Verdict]) -> list[tuple[tuple[Contender, float], list[Verdict]]]:
    families: dict[tuple[Contender, float], list[Verdict]] = {}
    for verdict in found:
        families.setdefault((verdict.contender, verdict.sparsity), []).append(verdict)
    return list(families.items())


def _start_row(experiment: Experiment, start: Start) -> Row:
    seeds, comparison = start.verdict.seeds, start.verdict.comparison
    dense, inside = ([experiment.arms[arm][seed] for seed in seeds] for arm in (start.dense, start.inside))
    before, after = (_known_mean([run.training_cost for run in runs]) for runs in (dense, inside))
    if comparison is None:
        detail = f"({start.verdict.reason})"
    else:
        detail = f"[{', '.join(map(points, comparison.interval))}]"
    return Row(
        (
            Cell(experiment.names[start.inside.contender]),
            Cell(sparsity(start.inside.sparsity)),
            *(_accuracy_cell([run.accuracy for run in runs], detail="") for runs in (dense, inside)),
            Cell(_paired(*({run.seed: run.accuracy for run in runs} for runs in (dense, inside))), detail),
            Cell(str(len(seeds))),
            Cell(_cost(before)),
            Cell(_cost(after)),
            Cell(NONE if not before or after is None else f"{100 * (1 - after / before):.1f}"),
        )
    )


def _density_notes(experiment: Experiment, start: Start) -> list[str]:
    """Says so where the two did not end at one density although one sparsity was asked of both."""
    dense, inside = (
        statistics.fmean(run.density for run in experiment.arms[arm].values())
        for arm in (start.dense, start.inside)
    )
    if math.isclose(dense, inside, rel_tol=0.01):
        return []
    name = experiment.names[start.inside.contender]
    return [
        f"{name} at {sparsity(start.inside.sparsity)}: the densities reached differ, {significant(dense)} % "
        f"from dense and {significant(inside)} % inside."
    ]


def _trained(experiment: Experiment) -> list[tuple[str, list[Run]]]:
    """Name and runs of everything that was trained, dense networks first."""
    by_contender: dict[Contender, list[Run]] = {}
    for arm, by_seed in experiment.arms.items():
        if arm.check is None:
            by_contender.setdefault(arm.contender, []).extend(by_seed.values())
    dense, pruned = (
        [
            (experiment.names[contender], runs)
            for contender, runs in by_contender.items()
            if contender.prunes == prunes
        ]
        for prunes in (False, True)
    )
    longer = [(control_label(epochs), list(runs.values())) for epochs, runs in experiment.controls.items()]
    return [*dense, *longer, *pruned]


def _dense_networks(experiment: Experiment) -> list[tuple[str, list[float]]]:
    found = [("dense (0 %)", list(experiment.dense.values()))] if experiment.dense else []
    for epochs, runs in experiment.controls.items():
        found.append((f"{control_label(epochs)} (0 %)", [run.accuracy for run in runs.values()]))
    return found


def _threshold(experiment: Experiment, share: float | None, alpha: float) -> float:
    """The lower end of the confidence interval of the best mean; infinite where it has none."""
    if share is None:
        return math.inf
    arms = [list(experiment.accuracies(contender, share).values()) for contender in experiment.contenders]
    best = max(filter(None, arms), key=statistics.fmean, default=[])
    if len(best) < 2:
        return math.inf

    import scipy.stats

    quantile = float(scipy.stats.t.ppf(1 - alpha / 2, len(best) - 1))
    return statistics.fmean(best) - quantile * statistics.stdev(best) / math.sqrt(len(best)) - 1e-12


def _accuracy_cell(
    values: Iterable[float], *, strong: bool = False, span: int = 1, detail: str | None = None
) -> Cell:
    values = list(values)
    if not values:
        return Cell(span=span)
    if detail is None:
        detail = f"({len(values)})"
    return Cell(mean_and_spread(values), detail, strong=strong, span=span)


def mean_and_spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation in per cent; of one value no spread."""
    mean = percent(statistics.fmean(values))
    return mean if len(values) < 2 else f"{mean} ± {percent(statistics.stdev(values))}"


def points(difference: float) -> str:
    """A difference of accuracies in points, with its sign."""
    value = round(100 * difference, 2) + 0.0
    return f"{value:+.2f}".replace("-", "−")


def _paired(own: Mapping[int, float], values: Mapping[int, float]) -> str:
    common = own.keys() & values.keys()
    return points(statistics.fmean(values[seed] - own[seed] for seed in common)) if common else ""


def _mean_over(runs: Iterable[Run]) -> str:
    values = [run.accuracy for run in runs]
    if not values:
        return ""
    return f"{mean_and_spread(values)} % over {plural(len(values), 'seed')}"


def _mean(values: Sequence[float | None], exact: bool = False) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return NONE
    return percent(statistics.fmean(known)) if exact else significant(statistics.fmean(known))


def _at(share: float | None) -> str:
    return "without a target" if share is None else f"at {sparsity(share)}"


def _known_mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _spread(values: Sequence[float]) -> str:
    """A standard deviation of fractions in per cent; nothing where it is below a hundredth of the mean."""
    if len(values) < 2 or statistics.stdev(values) < 0.01 * statistics.fmean(values):
        return ""
    return f"± {significant(statistics.stdev(values))}"


def _cost(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def _costs(runs: Iterable[Run]) -> str:
    """The training cost of runs, from the least to the most where they differ."""
    known = [run.training_cost for run in runs if run.training_cost is not None]
    if not known:
        return NONE
    return "–".join(dict.fromkeys((_cost(min(known)), _cost(max(known)))))


def _share(run: Run, part: str, whole: str) -> float | None:
    if run.result.get(part) is None or not run.result.get(whole):
        return None
    return run.result[part] / run.result[whole]


def _seconds(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.fmean(known):,.1f}" if known else NONE


def _collapsed(runs: Sequence[Run]) -> str:
    layers = collections.Counter(layer_label(name) for run in runs for name in run.collapsed_layers)
    if not layers:
        return ""
    number = sum(bool(run.collapsed_layers) for run in runs)
    every = all(
        len(run.collapsed_layers) == len(run.result["layers"]) for run in runs if run.collapsed_layers
    )
    if every:
        what = "no path is left"
    else:
        names = [f"{name} ({count})" for name, count in layers.most_common(3)]
        more = len(layers) - len(names)
        what = ", ".join([*names, *([f"{more} more"] if more else [])])
    return f"{number} of {plural(len(runs), 'run')}: {what}"


def _ratio_cell(ratio: float | None, lowest: float) -> Cell:
    if ratio is None:
        return Cell()
    if ratio == 0:
        return Cell("0", strong=True)
    scale = math.log(lowest) or -1.0
    return Cell(significant(ratio), heat=round(1 - math.log(ratio) / scale, 3))


def _margin(margin: float) -> str:
    return f"{100 * margin:g}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
