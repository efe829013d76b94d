"""`--preset=NAME`: the flagfiles that come with the package, by name."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from absl import flags

from tf_tickets.support.words import did_you_mean

GROUP = "Presets"
_FLAG = "preset"


def presets() -> dict[str, pathlib.Path]:
    """Name -> flagfile: `paper/table1` is `flags/paper/table1.cfg`, wherever the package is installed."""
    folder = _folder()
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.cfg"))
    }


def define_flag(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines `--preset`, once."""
    if _FLAG not in values:
        flags.DEFINE_string(
            _FLAG,
            None,
            f"Flags of an experiment, which those beside it override: {', '.join(presets())}.",
            module_name=GROUP,
            flag_values=values,
        )


def with_presets(arguments: Sequence[str]) -> list[str]:
    """A command line in which `--preset=NAME` is the `--flagfile` of that name, before all other flags.

    Args:
        arguments: a command line, the program's name first.

    Raises:
        ValueError: there is no such preset, no name, or several.
    """
    program, *rest = arguments
    names, others = [], []
    end = rest.index("--") if "--" in rest else len(rest)
    given = iter(rest[:end])
    for argument in given:
        name, equals, value = argument.partition("=")
        if name in (f"-{_FLAG}", f"--{_FLAG}"):
            names.append(value if equals else next(given, ""))
        else:
            others.append(argument)
    if len(names) > 1:
        raise ValueError(f"--preset is given {len(names)} times: {', '.join(names)}. Choose one.")
    known = presets()
    for name in names:
        if name not in known:
            raise ValueError(
                f"--preset={name} is unknown.{did_you_mean(name, known)} There are: {', '.join(known)}."
            )
    return [program, *(f"--flagfile={known[name]}" for name in names), *others, *rest[end:]]


def check_expanded(values: flags.FlagValues) -> None:
    """Refuses a preset that stands in a flagfile, where nothing has read it.

    Raises:
        ValueError: there is one.
    """
    if values[_FLAG].value is not None:
        raise ValueError(
            f"--preset={values[_FLAG].value} stands in a flagfile: give it on the command line, beside "
            "--flagfile."
        )


def _folder() -> pathlib.Path:
    """`flags/` of an installed package is within it (setup.py), that of a checkout beside it."""
    package = pathlib.Path(__file__).parents[1]
    within = package / "flags"
    return within if within.is_dir() else package.parent / "flags"
