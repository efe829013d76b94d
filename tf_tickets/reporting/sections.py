"""Runs -> a `Document`: what a report says, and in which order."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

from tf_tickets.config import OPTIONS
from tf_tickets.reporting import figures, tables
from tf_tickets.reporting.commands import command
from tf_tickets.reporting.document import (
    Cell,
    Document,
    Folded,
    Lines,
    Part,
    Row,
    Section,
    Table,
    named,
    sparsity_text,
)
from tf_tickets.reporting.verdict_parts import verdicts_part
from tf_tickets.results import (
    BROKEN,
    FINISHED,
    UNFINISHED,
    Analysis,
    Experiment,
    Margin,
    Protocol,
    Run,
    Setting,
    control_label,
    experiments,
    planned_analysis,
    protocols,
    source_contrasts,
)
from tf_tickets.support.words import listed, plural
from tf_tickets.training.recipe import milestone_epochs

# What is said of a setting beside its title, where it is not that: (name, field, the usual value).
SETTING_FACTS = (
    ("validation split", "validation_fraction", 0.0),
    ("training examples", "train_examples", None),
    ("split anew by seed", "split_seed", None),
    ("images resized to", "image_size", None),
    ("replicas", "replicas", 1),
)
MOST_NOTES = 12


def document(runs: Sequence[Run], title: str, analysis: Analysis | None = None) -> Document:
    """Everything that a report says of the runs.

    Args:
        runs: of `tf_tickets.results.load`.
        title: on top.
        analysis: how they are judged. None: as the plan that they were made by says, or as usual.
    """
    found = experiments(runs)
    plans = protocols(runs)
    used = analysis or planned_analysis(plans)
    finished = [run for run in runs if run.status == FINISHED]
    statuses = {status: [run for run in runs if run.status == status] for status in (UNFINISHED, BROKEN)}
    newest = max((run.written for run in finished if run.written is not None), default=None)
    counts = [f"{len(finished)} finished", *(f"{len(x)} {status}" for status, x in statuses.items() if x)]
    facts = [("runs", f"{len(runs):,}, all finished" if len(counts) == 1 else ", ".join(counts))]
    if finished:
        facts.append(("seeds", listed([run.seed for run in finished])))
        facts.append(("machine", _each(_hardware(run) for run in finished)))
        facts.append(("versions", _each(_versions(run) for run in finished)))
    facts += [("plan", _plan_kept(plan, runs)) for plan in plans]
    return Document(
        title=title,
        date="" if newest is None else _date(newest),
        scale=_scale(found),
        facts=tuple(facts),
        warnings=(
            *(() if finished else ("No run has finished: there is nothing to compare yet.",)),
            *_beside_plans(plans, runs, used),
        ),
        sections=tuple(
            _section(experiment, number, used) for number, experiment in enumerate(found, start=1)
        ),
        others=_others(statuses),
    )


def _beside_plans(plans: Sequence[Protocol], runs: Sequence[Run], used: Analysis) -> Iterable[str]:
    """What is otherwise than it was planned."""
    for plan in plans:
        own = plan.own(runs)
        missing, added = plan.missing(own), plan.added(own)
        if missing:
            some = "; ".join(missing[:MOST_NOTES]) + ("; ..." if len(missing) > MOST_NOTES else "")
            yield f"{plan.folder}: {len(missing)} of {len(plan.runs)} planned runs have no result: {some}."
        if added:
            what = "; ".join(dict.fromkeys(str(run.arm) for run in added))
            yield f"{plan.folder}: {plural(len(added), 'run')} not planned, but added later: {what}."
        if plan.earlier:
            yield f"{plan.folder}: {plural(len(plan.earlier), 'run')} had a result before the plan was noted."
        if plan.analysis != used:
            yield f"{plan.folder}: the runs are not judged as they were planned to be."


def _plan_kept(plan: Protocol, runs: Sequence[Run]) -> str:
    missing = len(plan.missing(plan.own(runs)))
    return (
        f"{plan.folder}: {len(plan.runs) - missing} of {len(plan.runs)} planned runs, written down before "
        f"them (sha256 {plan.sha256[:12]})"
    )


def _section(experiment: Experiment, number: int, analysis: Analysis) -> Section:
    prefix, words = f"setting-{number}", experiment.scale.words
    judged = words[0].upper() + words[1:]
    margin, alpha = analysis.margin, analysis.alpha
    parts = [
        *(verdicts_part(experiment, analysis, scale, of) for scale, of in analysis.endpoints),
        _part(judged, [tables.accuracies(experiment, alpha=alpha)]),
        _source_contrasts(experiment, margin, alpha),
        _part("Checks", [tables.checks(experiment), figures.bars(experiment, f"{prefix}-checks")]),
        _part(
            f"{judged} against sparsity and multiply-adds", [figures.curves(experiment, f"{prefix}-sparsity")]
        ),
        _part(
            f"{judged} against true density",
            [figures.densities(experiment, f"{prefix}-density"), tables.densities(experiment)],
        ),
        _learning(experiment, f"{prefix}-learning"),
        _part(
            "Keep-ratios of the layers",
            [figures.ratios(experiment, f"{prefix}-ratios"), *tables.keep_ratios(experiment)],
        ),
        _part("What is left of the network", [tables.compute(experiment)]),
        _part(
            "Deployment",
            [*figures.deployments(experiment, f"{prefix}-deployment"), *tables.deployments(experiment)],
        ),
        _part("Training budget", [tables.budget(experiment)]),
        _reruns(experiment),
    ]
    return Section(
        title=experiment.title,
        facts=tuple(_setting_facts(experiment)),
        warnings=tuple(_shortened([*experiment.problems, *experiment.notes])),
        parts=named((part for part in parts if part is not None), prefix),
    )


def _part(heading: str, items: Iterable) -> Part | None:
    there = tuple(item for item in items if item is not None)
    return Part(heading, items=there) if there else None


def _learning(experiment: Experiment, name: str) -> Part | None:
    """The learning curves, and which are not believed."""
    figure = figures.learning(experiment, name)
    problems = [f"{run.path}: {run.curve_problem}." for run in experiment.runs if run.curve_problem]
    if figure is None and not problems:
        return None
    return Part("Learning curves", tuple(_shortened(problems)), (), () if figure is None else (figure,))


def _source_contrasts(experiment: Experiment, margin: Margin | None, alpha: float) -> Part | None:
    """Methods inside a random source mask against themselves from the dense network."""
    table = tables.source_contrasts(experiment, source_contrasts(experiment, margin=margin, alpha=alpha))
    if table is None:
        return None
    texts = [
        "Each method ran from the dense network and inside a random mask that was drawn once, to the same "
        f"sparsity. Intervals of the paired differences over seeds are of {100 * (1 - alpha):g} %, each for "
        "itself: they are not widened for the number of rows. One that holds 0 shows neither a difference "
        "nor that there is none; how large it may be is what the ends say."
    ]
    if not all(variant.aims for variant in experiment.variants):
        texts.append(
            "Methods without a target end at densities of their own, and are not in this table: see the "
            f"{experiment.scale.words} against true density."
        )
    return Part("Starting sparse", tuple(texts), (), (table,))


def _reruns(experiment: Experiment) -> Part | None:
    runs = [
        *((experiment.names[arm.variant], run) for arm, by in experiment.arms.items() for run in by.values()),
        *((control_label(x), run) for x, by in experiment.controls.items() for run in by.values()),
        *(
            (f"{arm.label}, {x} epochs", run)
            for x, arms in experiment.longer.items()
            for arm, by in arms.items()
            for run in by.values()
        ),
    ]
    if not runs:
        return None
    entries = tuple((_what(name, run), command(run), _proof(run)) for name, run in runs)
    lines = Lines(entries)
    return Part(
        "How to make each number again",
        ("Each command makes the run of the same config; on a CPU with as many threads, to the bit.",),
        (),
        (Folded(plural(len(entries), "command"), (lines,)),),
    )


def _what(name: str, run: Run) -> str:
    parts = [name, sparsity_text(run.sparsity) if run.sparsity else "", run.check or "", f"seed {run.seed}"]
    return ", ".join(part for part in parts if part)


def _proof(run: Run) -> str:
    weights = run.result.get("weights_sha256")
    hashed = f", weights {weights[:12]}" if weights else ""
    codes = ((row.code_of, run.config.get(row.field)) for row in OPTIONS if row.code_of)
    own = "".join(f", code of --{flag} {code[:12]}" for flag, code in codes if code)
    return f"{run.scale.with_unit(run.scale.shown(run.endpoint))}{hashed}{own}, {run.path}"


def _setting_facts(experiment: Experiment) -> Iterable[tuple[str, str]]:
    setting = experiment.setting
    yield "training", _training(setting)
    for name, field, usual in SETTING_FACTS:
        if setting[field] != usual:
            yield name, f"{setting[field]}"
    yield "threads", str(setting["threads"])
    yield "seeds", listed([run.seed for run in experiment.runs]) or "none"


def _training(setting: Setting) -> str:
    schedule = {
        "milestones": _drops(setting),
        "cosine": f"cosine to {setting['min_learning_rate']:g}",
    }.get(setting["schedule"], setting["schedule"])
    warmup = f", {setting['warmup_epochs']} epochs of warm-up" if setting["warmup_epochs"] else ""
    cycles = f", {setting['cycles']} times over" if setting["cycles"] > 1 else ""
    augmented = ", augmented" if setting["augment"] else ""
    smoothing = setting["label_smoothing"]
    smoothed = f", labels smoothed by {smoothing:g}" if smoothing else ""
    return (
        f"{plural(setting['epochs'], 'epoch')}, batch {setting['batch_size']}, {setting['optimizer']}, "
        f"learning rate {setting['learning_rate']:g}, {schedule}{warmup}{cycles}, "
        f"weight decay {setting['weight_decay']:g}{smoothed}{augmented}"
    )


def _drops(setting: Setting) -> str:
    """Where the rate drops, each epoch once, with all that falls together there; only within the training."""
    epochs = setting["epochs"] // setting["cycles"]
    starts = milestone_epochs(setting["milestones"], epochs)
    drops = {start: starts.count(start) for start in sorted(starts) if start < epochs}
    if not drops:
        return "constant"
    if set(drops.values()) == {1}:
        places = " and ".join(map(str, drops))
        return f"× {setting['lr_decay']:g} at {'epoch' if len(drops) == 1 else 'epochs'} {places}"
    return " and ".join(
        f"× {setting['lr_decay'] ** count:g} at epoch {start}" for start, count in drops.items()
    )


def _scale(found: Sequence[Experiment]) -> str:
    if not found:
        return ""
    what = "; ".join(dict.fromkeys(experiment.setting.label for experiment in found))
    return (
        f"The numbers are of this scale: {what}. They are not to be set beside published tables of other "
        "data, models or budgets."
    )


def _others(statuses: dict[str, list[Run]]) -> Table | None:
    rows = tuple(
        Row((Cell(str(run.path)), Cell(status), Cell(run.problem or "")))
        for status, runs in statuses.items()
        for run in runs
    )
    if not rows:
        return None
    head = ("directory", "status", "why")
    return Table("These runs are in no table and no figure.", head, rows, "llw", name="not-counted")


def _shortened(notes: Sequence[str]) -> list[str]:
    more = len(notes) - MOST_NOTES
    return list(notes) if more <= 0 else [*notes[:MOST_NOTES], f"And {more} more of this kind."]


def _hardware(run: Run) -> str:
    found = run.result.get("hardware") or {}
    parts = [str(found.get("machine", "unknown"))]
    for name in ("core", "thread", "GPU"):
        number = found.get(f"{name.lower()}s")
        if isinstance(number, int) and not (name == "GPU" and number == 0):
            parts.append(plural(number, name))
    return ", ".join(parts)


def _versions(run: Run) -> str:
    return ", ".join(f"{name} {number}" for name, number in (run.result.get("versions") or {}).items())


def _each(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text)) or "unknown"


def _date(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%d")
