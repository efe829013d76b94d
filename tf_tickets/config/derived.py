"""What flags say that depends on more than one of them, on a table or on a file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from tf_tickets.config.additions import added_row
from tf_tickets.config.config import OPTIONS, Config
from tf_tickets.data.sources import SOURCES
from tf_tickets.methods.choice import Choice
from tf_tickets.methods.own_methods import facts_of
from tf_tickets.methods.table import METHODS, REWOUND, method_row
from tf_tickets.models.architectures import APPLICATIONS, KERAS_FILE
from tf_tickets.pruning.choices import GLOBAL, METHODS_OWN, RANKED
from tf_tickets.pruning.ratios import RATIOS, named_rule
from tf_tickets.pruning.scores import score_row
from tf_tickets.storage.user_paths import user_path
from tf_tickets.support.object_hash import hash_of_object
from tf_tickets.support.options import DERIVED, read_pairs
from tf_tickets.support.own_code import code_hash, is_own
from tf_tickets.support.words import did_you_mean

if TYPE_CHECKING:
    from tf_tickets.pruning import Ticket

TICKET_PREFIX = "ticket:"  # of a file whose ratios are taken
# What stands before a colon and names no module.
PREFIXES = (TICKET_PREFIX, APPLICATIONS, *(f"{name.partition(':')[0]}:" for name in SOURCES if ":" in name))


def fields_of(values: flags.FlagValues) -> dict[str, Any]:
    """The fields of the config that one flag alone decides: what it says, or the default."""
    found = {}
    for row in OPTIONS:
        said = values[row.name].value if row.name else None
        if said is not None:
            found[row.field] = row.kind.parse(row.name, said)
        elif row.default is not DERIVED:
            found[row.field] = row.default
    return found


def method_of(values: flags.FlagValues) -> str:
    """The method asked for; with a ticket the one that found it, unless another is asked for."""
    method = values.method
    if values.ticket is not None and not values["method"].present:
        method = load_ticket(values.ticket).origin.get("method")
        retrained = [name for name, row in METHODS.items() if row.prunes and row.search is None]
        if not isinstance(method, str) or method not in retrained:
            raise ValueError(
                f"--ticket={values.ticket} was found by {method or 'no method that is known'}: say by "
                f"--method= where its retraining starts from, one of: {', '.join(retrained)}."
            )
    method_row(method, "--method")
    return method


def choice_of(values: flags.FlagValues) -> Choice:
    """The method's row with the score and the ratios of the flags; errors where those are unknown."""
    row = method_row(method_of(values), "--method")
    try:
        score = score_row(row.score if values.score is None else values.score)
    except ValueError as error:
        raise ValueError(f"--{error}") from None
    ratios = values.ratios or row.ratios
    if not is_own_rule(ratios) and ratios not in (GLOBAL, *RATIOS):
        ratios = _given_ratios(ratios, (GLOBAL, *RATIOS))
    return Choice(row, score, ratios)


def is_own_rule(text: str) -> bool:
    """Whether ratios are a rule of the user's own, by its name; errors where there is none such."""
    if not is_own(text) or text.startswith(TICKET_PREFIX):
        return False
    try:
        return named_rule(text) is not None
    except ValueError as error:
        raise ValueError(f"--{error}") from None


def source_of(values: flags.FlagValues) -> dict[str, Any]:
    """The ratios of the source mask; none where there is no such mask."""
    if values.source_density is None:
        return {}
    text = values.source_ratios or "erk"
    named = text in RATIOS or is_own_rule(text)
    return {"source_ratios": text if named else _given_ratios(text, tuple(RATIOS), "source_ratios")}


def load_ticket(path: str) -> Ticket:
    """The ticket of a file."""
    from tf_tickets.pruning import Ticket

    return Ticket.load(path)


def classifier_keep_of(values: flags.FlagValues, chosen: Choice) -> float | None:
    """What the classifier keeps apart from the rest; None where nothing is set apart."""
    value, row, ratios = values.classifier_keep, chosen.row, chosen.ratios
    if value is None or value == METHODS_OWN:
        return row.classifier_keep if ratios == row.ratios else None
    if value == RANKED and ratios == GLOBAL:
        return None
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 < number <= 1:
        raise ValueError(
            f"--classifier_keep={value}: a fraction in (0, 1], '{METHODS_OWN}', or '{RANKED}' with global "
            "ratios."
        )
    return number


def rewind_epoch_of(values: flags.FlagValues, chosen: Choice, epochs: int) -> int | None:
    """The epoch that is rewound to; None for methods that rewind to none."""
    value, row = values.rewind_epoch, chosen.row
    if row.start_from != REWOUND:
        return None
    epoch = round(epochs / 10) if value is None else value
    if not 0 <= epoch < epochs:
        raise ValueError(f"--rewind_epoch={epoch} is not one of the {epochs} epochs (they count from 0).")
    return epoch


def code_of(name: Any) -> str | None:
    """Hash of the file that an own name leads to, so that changed code is another config; None of others."""
    return code_hash(name) if code_is_own(name) else None


def codes_of(values: flags.FlagValues) -> dict[str, str | None]:
    """The hashes of the user's own code: field of the config -> hash, None where no code is the user's."""
    found = {}
    for row in OPTIONS:
        if row.code_of:
            said = values[row.code_of].value
            names = said if isinstance(said, list) else [said]
            found[row.field] = _together([_code_of_row(row.code_of, name) for name in names])
    return found


def _code_of_row(flag: str, name: Any) -> str | None:
    """The hash of what one name leads to; of a row that was added to a table, that of the row."""
    if isinstance(name, str) and name.endswith(KERAS_FILE):
        return hashlib.sha256(user_path(f"--{flag}={name}", name).read_bytes()).hexdigest()[:16]
    added = added_row(flag, name)
    return hash_of_object(added) if added is not None else code_of(name)


def check_model_code(config: Config) -> None:
    """Raises ValueError where a run's model of the user's own is of other code, or another file, by now."""
    name = config.recipe.model
    if config.model_code is not None and _code_of_row("model", name) != config.model_code:
        raise ValueError(
            f"model={name} has changed since the run in {config.run_dir} was made, whose weights may be "
            "of another network. Put back the code of then."
        )


def _together(hashes: Sequence[str | None]) -> str | None:
    """One hash for several."""
    known = [found for found in hashes if found is not None]
    if len(known) < 2:
        return known[0] if known else None
    return hashlib.sha256("".join(known).encode()).hexdigest()[:16]


def method_facts(name: str) -> dict[str, Any] | None:
    """What the config keeps of a method's row, where that is the user's own."""
    return facts_of(method_row(name)) if is_own(name) else None


def code_is_own(name: Any) -> bool:
    """Whether a flag's value names code of the user's own."""
    return is_own(name) and not name.startswith(PREFIXES)


def new_search_options(values: flags.FlagValues, chosen: Choice) -> dict[str, Any]:
    """The options that are not the search's own, so that a default written out names no other run."""
    known = chosen.row.search.options if chosen.row.search is not None else {}
    given = read_pairs("search_options", values.search_options)
    return {name: value for name, value in given.items() if name not in known or value != known[name]}


def _given_ratios(text: str, names: Sequence[str], flag: str = "ratios") -> tuple[float, ...]:
    """Ratios of a ticket, or numbers."""
    if text.startswith(TICKET_PREFIX):
        found = load_ticket(text.removeprefix(TICKET_PREFIX))
        return tuple(layer.keep_ratio for layer in found.layers)
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"--{flag}={text} is unknown.{did_you_mean(text, names)} Choose one of: {', '.join(names)}; "
            "or give a number for each layer, or ticket:FILE."
        ) from None
