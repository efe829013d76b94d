"""Plans that are written down before the first run: files of flags, written, read, and noted with the runs.

A plan is a flagfile that says everything that decides a number or a verdict: arms, seeds, margins, endpoints,
families, and the fingerprint of the data. Beside it only what decides neither may be said.
"""

from __future__ import annotations

import os
import pathlib

from absl import flags

from tf_tickets import config as configuration
from tf_tickets.config import FLAGS
from tf_tickets.laboratory.design import Design, define_flags, fingerprints, make_design
from tf_tickets.results.protocol import RECORD, Protocol, read_protocol
from tf_tickets.storage.atomic_files import replacing, write_json
from tf_tickets.storage.urls import is_url
from tf_tickets.storage.user_paths import user_path
from tf_tickets.support.options import NOTHING, written
from tf_tickets.support.words import plural
from tf_tickets.sweeps.sweep_flags import SWEEP

# Flags of a sweep that say what is judged and how; all others of a sweep say where and how fast.
OF_A_PLAN = ("controls", "nulls", "margin", "loss_margin", "alpha", "family", "data_fingerprint")
# What a plan says, also where it is what it would be anyway: defaults may change, and so may recipes.
ALWAYS = ("method", "sparsity", "seed", "sanity_check", "dataset", "threads", "controls", "nulls", "alpha")
OF_THE_RECIPE = (
    "model",
    "width",
    "epochs",
    "batch_size",
    "optimizer",
    "learning_rate",
    "momentum",
    "weight_decay",
    "schedule",
)
# Says where the data are; which data they are is said by the fingerprint.
PLACES = ("dataset", "data_dir")


def read_plan(values: flags.FlagValues) -> tuple[flags.FlagValues, str]:
    """The flags that a plan's file says, with those beside it that decide nothing; and its text.

    Args:
        values: parsed flags, with `--plan`.

    Raises:
        ValueError: the file cannot be read, says too little, or a flag beside it decides a number.
    """
    path = user_path(f"--plan={values.plan}", values.plan)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--plan={values.plan} cannot be read: {error}") from error
    beside = _given(values, but_for=("plan", "write_plan"))
    decided = [name for name in beside if _decides(name) and name not in PLACES]
    if decided or values.write_plan is not None:
        named = ", ".join(f"--{name}" for name in decided or ["write_plan"])
        raise ValueError(
            f"{named} beside --plan: a plan says all that decides a number or a verdict. Write another plan, "
            "or run what you want besides without --plan: it is reported as added."
        )
    found = flags.FlagValues()
    define_flags(found)
    try:
        found(["tf_tickets", f"--flagfile={path}", *(f"--{name}={text}" for name, text in beside.items())])
    except (flags.Error, ValueError) as error:
        raise ValueError(f"--plan={values.plan}: {error}") from error
    unsaid = [f"--{name}" for name in ("method", "seed", "data_fingerprint") if found[name].value is None]
    if unsaid:
        raise ValueError(
            f"--plan={values.plan} does not say {', '.join(unsaid)}. --write_plan={values.plan} writes one "
            "from flags."
        )
    return found, text


def write_plan(values: flags.FlagValues, path: str | os.PathLike) -> Design:
    """Writes the plan that flags make; returns what it is of.

    Raises:
        ValueError: what the laboratory refuses.
        FileExistsError: there is such a file.
    """
    place = user_path(f"--write_plan={path}", path)
    if place.exists():
        raise FileExistsError(f"--write_plan={path}: it is there already, and a plan is not changed.")
    if values.dry_run:
        raise ValueError(
            f"--write_plan={path} runs nothing, and needs the data for its fingerprint: leave out --dry_run."
        )
    values.write_plan = None
    design = make_design(values)
    configs = [run.config for run in design.plan.runs]
    said = _given(values, but_for=("plan", "write_plan", "flagfile", "preset"))
    said = {name: text for name, text in said.items() if _decides(name)}
    for name in ALWAYS:
        if name not in said and values[name].value is not None:
            said[name] = written(values[name].value)
    for name in ("dataset", "threads"):
        said.setdefault(name, written(getattr(configs[0], name)))
    shortest = min(config.recipe.epochs for config in configs)
    recipes = [config.recipe for config in configs if config.recipe.epochs == shortest]
    for name in OF_THE_RECIPE:
        found = {getattr(recipe, name) for recipe in recipes}
        if name not in said and len(found) == 1:  # of several datasets or models each has its own
            said[name] = written(found.pop())
    families = said.pop("family", None) and values.family
    lines = [f"--{name}={text}" for name, text in said.items()]
    lines += [f"--family={text}" for text in families or ()]
    lines.append(f"--data_fingerprint={','.join(fingerprints(design.plan))}")
    head = [
        f"# {plural(len(configs), 'run')}, written down before the first of them. Run and judged by",
        f"# python -m tf_tickets.sanity --plan={place.name}",
    ]
    with replacing(place) as new:
        new.write_text("\n".join([*head, *lines, ""]), encoding="utf-8")
    return design


def note_plan(design: Design, text: str) -> Protocol:
    """Notes a plan in the folder of its runs before they begin, or finds that it is noted there.

    Raises:
        ValueError: the runs there are of another plan.
    """
    runs_dir = design.plan.runs_dir
    if is_url(runs_dir):
        raise ValueError(f"--runs_dir={runs_dir}: runs of a plan lie in a folder of this machine, at no URL.")
    folder = pathlib.Path(runs_dir)
    names = {pathlib.PurePath(run.config.run_dir).name: run.label for run in design.plan.runs}
    earlier = sorted(pathlib.PurePath(run.config.run_dir).name for run in design.plan.done)
    protocol = Protocol(text, design.analysis, names, tuple(earlier), folder)
    there = read_protocol(folder)
    if there is None:
        write_json(folder / RECORD, protocol.to_json())
        return protocol
    if there.sha256 != protocol.sha256:
        raise ValueError(
            f"--runs_dir={runs_dir}: its runs are of another plan ({folder / RECORD}). A plan is not changed "
            "once there are runs: choose another --runs_dir."
        )
    if there.runs.keys() != protocol.runs.keys():
        raise ValueError(
            f"--runs_dir={runs_dir}: the plan comes to other runs than it did when it was noted there "
            f"({folder / RECORD}): code of your own, or a default of this package, is another. Choose "
            "another --runs_dir."
        )
    return there


def _given(values: flags.FlagValues, but_for: tuple[str, ...]) -> dict[str, str]:
    """Name -> text of the flags that are said."""
    own = [flag for group in (*configuration.GROUPS, SWEEP) for flag in values.flags_by_module_dict()[group]]
    return {
        flag.name: written(flag.value)
        for flag in own
        if not flag.using_default_value and flag.value is not None and flag.name not in but_for
    }


def _decides(name: str) -> bool:
    """Whether a flag decides a number or a verdict."""
    row = FLAGS.get(name)
    return name in OF_A_PLAN if row is None else row.decides != NOTHING
