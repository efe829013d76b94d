"""The flags of a run, made of its options."""

from __future__ import annotations

from collections.abc import Collection

from absl import flags

from tf_tickets.config.config import OPTIONS
from tf_tickets.support.options import MACHINE, PLACES, Option, choice, options_of, switch
from tf_tickets.training.recipe import Recipe
from tf_tickets.training.strategies import STRATEGIES

# Options that no field holds: of what they lead to, the config has the number of replicas.
OF_THE_PROCESS = (
    Option.without_field(
        "take_over",
        switch(),
        PLACES,
        "Work in directories at URLs although another process has marked them as its own: it is dead.",
        default=False,
    ),
    Option.without_field(
        "strategy",
        choice(STRATEGIES),
        MACHINE,
        "tf.distribute strategy; auto is mirrored where there are several GPUs; multi_worker joins the "
        "machines of TF_CONFIG or of a Slurm step.",
        default="auto",
    ),
)
RECIPE_OPTIONS = options_of(Recipe)
FLAGS: dict[str, Option] = {row.name: row for row in (*OPTIONS, *RECIPE_OPTIONS, *OF_THE_PROCESS) if row.name}


def define_flags(values: flags.FlagValues = flags.FLAGS, lists: Collection[str] = ()) -> None:
    """Defines the flags of a run (once), each in its group.

    Args:
        values: where to.
        lists: names of flags that take a list instead, and have no default: what a sweep varies.
    """
    if "method" in values:
        return
    for row in FLAGS.values():
        if row.name in lists:
            flags.DEFINE_list(
                row.name, None, f"One or more. {row.help}", flag_values=values, module_name=row.group
            )
        else:
            define_flag(row, values)


def define_flag(row: Option, values: flags.FlagValues) -> None:
    """Defines the flag of one option."""
    default = list(row.flag_default) if isinstance(row.flag_default, tuple) else row.flag_default
    choices = [list(row.kind.choices)] if row.kind.flag == "enum" else []
    define = getattr(flags, f"DEFINE_{row.kind.flag}")
    define(row.name, default, *choices, row.help, flag_values=values, module_name=row.group)


def given(values: flags.FlagValues, row: Option) -> bool:
    """Whether an option is given, by a flag whose default says that it is not."""
    return row.flag_default is None and values[row.name].value is not None
