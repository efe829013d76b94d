"""What is refused before any data is read: names, ranges, and flags that mean nothing to the method."""

from __future__ import annotations

import dataclasses

from absl import flags

from tf_tickets.config.config import EXPORT_OPTIONS, OPTIONS
from tf_tickets.config.derived import (
    choice_of,
    classifier_keep_of,
    code_is_own,
    load_ticket,
    method_of,
    source_of,
)
from tf_tickets.config.flags import FLAGS, given
from tf_tickets.config.run_options import DEFAULT_SPARSITY
from tf_tickets.data.sources import OWN, check_subsets, find
from tf_tickets.exporting.wanted import check_wanted
from tf_tickets.methods.choice import Choice
from tf_tickets.methods.searches import check_options as check_search_options
from tf_tickets.methods.table import Method, method_row
from tf_tickets.models.architectures import OWN_FILE, OWN_MODEL, model_row
from tf_tickets.pruning.pattern_names import chosen_pattern, pattern_of
from tf_tickets.pruning.scores import SCORES, check_options
from tf_tickets.sanity.checks import Check, check_row
from tf_tickets.storage.user_paths import lasting_place, user_path
from tf_tickets.support.options import DRAWING, SOURCE, Option, read_pairs
from tf_tickets.support.own_code import check_file, own, own_function
from tf_tickets.support.startup import default_threads
from tf_tickets.support.words import plural
from tf_tickets.training.losses import loss_row
from tf_tickets.training.metrics import metric_row
from tf_tickets.training.optimizers import optimizer_row
from tf_tickets.training.recipe import schedule_row

# Of a sweep that is planned here and done on larger machines, threads may be more than this one's cores.
MOST_THREADS = 256
THREADS_PER_CORE = 4

# Flags that may name code of the user's own.
OWN_CODE = ("dataset", *(row.code_of for row in OPTIONS if row.code_of))


def check_flags(values: flags.FlagValues) -> None:
    """Refuses what can be refused before any data is read."""
    for name, option in FLAGS.items():
        if values[name].value is not None:
            option.kind.check(name, values[name].value)
    most = max(MOST_THREADS, THREADS_PER_CORE * default_threads())
    if values.threads is not None and values.threads > most:
        raise ValueError(
            f"--threads={values.threads}: this machine has {plural(default_threads(), 'core')}; more than "
            f"{most} threads are not started."
        )
    method = method_of(values)
    row = method_row(method)
    if not row.prunes and values.sparsity:
        raise ValueError(f"--method={method} keeps every weight; --sparsity={values.sparsity} is not for it.")
    _check_ticket(values, method)
    chosen = choice_of(values)
    for option in _useless(values, chosen):
        raise ValueError(
            f"--{option.name}={values[option.name].value} is only for a method that "
            f"{option.needs.what if option.needs else ''}; --method={method} does not."
        )
    if values.sanity_check is not None:
        reason = says_nothing(values)
        if reason is not None:
            raise ValueError(f"--sanity_check={values.sanity_check} says nothing here: {reason}.")
    _check_beside(values)
    _check_source(values, row)
    if isinstance(chosen.ratios, tuple) and values.sparsity is None:
        raise ValueError(f"--ratios={values.ratios} are proportions, scaled to --sparsity: say that too.")
    _check_score_options(values, chosen)
    if row.search is not None:
        check_search_options(method, row.search, read_pairs("search_options", values.search_options))
    classifier_keep_of(values, chosen)
    source, name = find(values.dataset)
    if source is OWN:
        own_function("--dataset", name)
    try:
        check_subsets(values.dataset, values.split_seed, values.train_examples)
    except ValueError as error:
        raise ValueError(f"--{error}") from None
    if values.model is not None:
        _check_model(values.model)
    if values.optimizer is not None:
        optimizer_row(values.optimizer)
    if values.schedule is not None:
        schedule_row(values.schedule)
    check_wanted(values.export or (), {name: values[name].value for name in EXPORT_OPTIONS})
    for name in values.callback or ():
        own("--callback", name)
    for name, row_of in (("loss", loss_row), ("metric", metric_row)):
        if values[name].value is not None:
            try:
                row_of(values[name].value)
            except ValueError as error:
                raise ValueError(f"--{error}") from None


def check_own_names(values: flags.FlagValues) -> None:
    """Refuses names in files of the user's that are not there, before anything of theirs is imported."""
    for flag in OWN_CODE:
        said = values[flag].value
        for name in said if isinstance(said, list) else [said]:
            if code_is_own(name):
                check_file(f"--{flag}", name)


def check_places(values: flags.FlagValues) -> None:
    """Refuses directories at URLs that cannot be opened, or do not outlive the process."""
    for name in ("run_dir", "dense_dir"):
        if values[name].value:
            lasting_place(name, values[name].value)


def imports_own_code(values: flags.FlagValues) -> bool:
    """Whether flags name code of the user's own, which may load TensorFlow when it is imported."""
    given = [values[name].value for name in OWN_CODE]
    return any(
        code_is_own(name) for value in given for name in (value if isinstance(value, list) else [value])
    )


def _check_model(name: str) -> None:
    """Refuses names of no model; of ours only their forms are known before they are built."""
    try:
        row = model_row(name)
    except ValueError as error:
        raise ValueError(f"--model: {error}") from None
    if row is OWN_MODEL:
        own_function("--model", name)
    elif row is OWN_FILE and not user_path(f"--model={name}", name).is_file():
        raise ValueError(f"--model={name}: there is no such file.")


def useless_flags(values: flags.FlagValues) -> list[str]:
    """Names of flags that are given and mean nothing for the method."""
    return [option.name for option in _useless(values, choice_of(values))]


def says_nothing(values: flags.FlagValues) -> str | None:
    """Why `--sanity_check` can say nothing about the method, or None where it can."""
    check, choice = check_row(values.sanity_check), choice_of(values)
    if choice.row.search is not None:
        return "the method's masks move while it trains, so that there is no ticket to attack before"
    if values.sparsity == 0:
        return "at sparsity 0 nothing is pruned"
    pattern = _pattern_of(values, choice)
    if pattern is not None and (reason := _leaves_alone(check, pattern)) is not None:
        return reason
    if values.ticket is not None:
        if check.place in ("data", "scores"):
            return f"--ticket={values.ticket} was drawn before, and {values.sanity_check} changes the drawing"
        # How the ticket was drawn counts, not how the method would draw one.
        drawn_by = str(load_ticket(values.ticket).origin.get("score"))
        choice = dataclasses.replace(choice, score=SCORES.get(drawn_by, SCORES["magnitude"]))
    return check.says_nothing(choice)


def _leaves_alone(check: Check, pattern: str) -> str | None:
    """Why the check cannot move masks of a pattern; None where it can, or moves none."""
    row = pattern_of(pattern).row
    if check.moves_masks and check.masks_in_pattern is None and not row.in_groups:
        return f"it moves single weights, which would leave the pattern {pattern}"
    if check.channel_masks is not None and row.removes_outputs:
        return (
            f"the pattern {pattern} keeps an output whole or not at all, so that nothing can move within it"
        )
    return None


def _pattern_of(values: flags.FlagValues, choice: Choice) -> str | None:
    """The pattern of the ticket that is given, or that will be drawn."""
    if values.ticket is not None:
        return load_ticket(values.ticket).origin.get("pattern")
    return chosen_pattern(values.pattern, choice.row.pattern)


def _useless(values: flags.FlagValues, chosen: Choice) -> list[Option]:
    return [
        row
        for row in FLAGS.values()
        if row.needs is not None and given(values, row) and not row.needs.applies(chosen)
    ]


def _check_ticket(values: flags.FlagValues, method: str) -> None:
    if values.ticket is None:
        return
    for row in FLAGS.values():
        if row.decides in (DRAWING, SOURCE) and given(values, row):
            raise ValueError(
                f"--{row.name}={values[row.name].value} is for drawing a ticket, "
                f"and --ticket={values.ticket} brings one."
            )
    if not method_row(method).prunes:
        raise ValueError(f"--method={method} keeps every weight; --ticket={values.ticket} does not.")


def _check_beside(values: flags.FlagValues) -> None:
    for option in FLAGS.values():
        other = option.beside
        if other is not None and given(values, option) and values[other.flag].value is None:
            raise ValueError(f"--{option.name} is about {other.about}: say --{other.flag} too.")


def _check_source(values: flags.FlagValues, row: Method) -> None:
    density = values.source_density
    if density is None:
        return
    if values.sampling == "bernoulli":
        raise ValueError("--sampling=bernoulli draws from all weights; inside a source counts are exact.")
    if values.rounding == "reference":
        raise ValueError("--rounding=reference is for whole networks, not for inside a --source_density.")
    sparsity = DEFAULT_SPARSITY if values.sparsity is None else values.sparsity
    if row.aims and 1 - sparsity > density + 1e-9:  # 1 - 0.7 is a little more than 0.3
        raise ValueError(
            f"--sparsity={sparsity} is a density of {1 - sparsity:.6g}, and --source_density={density} has "
            "less: a target cannot be denser than its source. Raise --sparsity or --source_density."
        )
    source_of(values)


def _check_score_options(values: flags.FlagValues, chosen: Choice) -> None:
    try:
        check_options(chosen.score, read_pairs("score_options", values.score_options))
    except ValueError as error:
        raise ValueError(f"--score, --score_options: {error}") from None
