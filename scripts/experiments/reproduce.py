"""Runs experiments of flags/ by name, and makes the report of each.

    ./scripts/reproduce laptop/table1_digits
    ./scripts/reproduce laptop/table3_fashion --dataset=idx:DIR --seed=0-2
    ./scripts/reproduce paper/table1 --dry_run

Flags written after a name override those of the flagfile. Runs go to --runs_dir (runs), where experiments
share what they have in common; the report of NAME to --reports_dir/NAME (reports). The same command goes on
where it stopped.
"""

import pathlib
from collections.abc import Sequence

from absl import app, flags

from tf_tickets import laboratory
from tf_tickets.programs.guard import fail, guarded
from tf_tickets.programs.help import parse_flags
from tf_tickets.reporting import report_directory
from tf_tickets.support.words import plural
from tf_tickets.sweeps.overview import show_failures, show_plan, show_table
from tf_tickets.sweeps.plan import plan_sweep
from tf_tickets.sweeps.running import run_plan
from tf_tickets.sweeps.sweep_flags import GROUPS, SWEEP

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "flags"


def experiments() -> dict[str, pathlib.Path]:
    """Name -> flagfile of every experiment; the flagfiles of single runs are none."""
    found = sorted(
        path for folder in ("paper", "laptop", "start_sparse") for path in (FOLDER / folder).glob("*.cfg")
    )
    return {f"{path.parent.name}/{path.stem}": path for path in found}


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the program: those of the laboratory, and the place of the reports."""
    laboratory.define_flags(values)
    values.set_default("controls", False)
    flags.DEFINE_string(
        "reports_dir", "reports", "Folder of the reports.", module_name=SWEEP, flag_values=values
    )


def main(argv: Sequence[str]) -> int:
    """Runs the experiments named; returns 0 if every run of them has its result."""
    names = argv[1:]
    known = experiments()
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        said = f"unknown experiment {unknown[0]!r}" if unknown else "say which experiment"
        return fail(f"{said}. There are: {', '.join(known)}")
    given = [flag.serialize() for flag in _flags(flags.FLAGS) if flag.present]
    return guarded(lambda _: max(reproduce(name, known[name], given) for name in names))


def reproduce(name: str, flagfile: pathlib.Path, given: Sequence[str]) -> int:
    """Runs one experiment, and reports on its runs alone."""
    values = flags.FlagValues()
    define_flags(values)
    values(["reproduce", f"--flagfile={flagfile}", *given])
    plan = plan_sweep(values, controls=values.controls)
    # It loads Keras, and with it TensorFlow, which the plan has loaded without its remarks.
    from tf_tickets.support.console import Console

    show = Console()
    show.line(f"\n{name}: {_title(flagfile)}")
    show_plan(plan, show)
    if values.dry_run:
        return 0
    failures = run_plan(plan, show)
    show_table(plan, show)
    done = [run.config.run_dir for run in plan.runs if run.fresh_result is not None]
    if done:
        page = report_directory.make_report(
            done,
            pathlib.Path(values.reports_dir) / name,
            title=_title(flagfile),
            margin=values.margin,
            alpha=values.alpha,
        )
        show.line(f"\nreport of {plural(len(done), 'run')}: {page}")
    return show_failures(plan, failures, show)


def _flags(values: flags.FlagValues) -> list[flags.Flag]:
    by_group = values.flags_by_module_dict()
    return [flag for group in GROUPS for flag in by_group[group]]


def _title(flagfile: pathlib.Path) -> str:
    """The first line of a flagfile, a comment."""
    return flagfile.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")


def entry_point() -> None:
    """Starts the program."""
    define_flags(flags.FLAGS)
    app.run(main, flags_parser=lambda argv: parse_flags(argv, __doc__ or "", GROUPS))


if __name__ == "__main__":
    entry_point()
