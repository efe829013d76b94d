"""What flags say that depends on more than one of them, on a table or on a file."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from tf_tickets.config.config import OPTIONS
from tf_tickets.methods.choice import Choice
from tf_tickets.methods.table import METHODS, REWOUND
from tf_tickets.pruning.choices import GLOBAL, METHODS_OWN, RANKED
from tf_tickets.pruning.ratios import RATIOS
from tf_tickets.pruning.scores import score_row
from tf_tickets.support.late import resolve
from tf_tickets.support.options import DERIVED, read_pairs

if TYPE_CHECKING:
    from tf_tickets.pruning import Ticket


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
    if method not in METHODS:
        raise ValueError(f"--method={method} is unknown. Choose one of: {', '.join(METHODS)}.")
    return method


def choice_of(values: flags.FlagValues) -> Choice:
    """The method's row with the score and the ratios of the flags; errors where those are unknown."""
    row = METHODS[method_of(values)]
    try:
        score = score_row(row.score if values.score is None else values.score)
    except ValueError as error:
        raise ValueError(f"--{error}") from None
    ratios = values.ratios or row.ratios
    if ratios not in (GLOBAL, *RATIOS):
        ratios = _given_ratios(ratios, (GLOBAL, *RATIOS))
    return Choice(row, score, ratios)


def source_of(values: flags.FlagValues) -> dict[str, Any]:
    """The ratios of the source mask; none where there is no such mask."""
    if values.source_density is None:
        return {}
    text = values.source_ratios or "erk"
    return {
        "source_ratios": text if text in RATIOS else _given_ratios(text, tuple(RATIOS), "source_ratios"),
    }


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


def code_of(score: str | None) -> str | None:
    """Hash of the file of a score of the user's own, so that changed code is a changed config."""
    if score is None or ":" not in score:
        return None
    module = resolve(score.partition(":")[0])
    path = getattr(module, "__file__", None)
    code = b"" if path is None else pathlib.Path(path).read_bytes()
    return hashlib.sha256(code).hexdigest()[:16]


def new_search_options(values: flags.FlagValues, chosen: Choice) -> dict[str, Any]:
    """The options that are not the search's own, so that a default written out names no other run."""
    known = chosen.row.search.options if chosen.row.search is not None else {}
    given = read_pairs("search_options", values.search_options)
    return {name: value for name, value in given.items() if name not in known or value != known[name]}


def _given_ratios(text: str, names: Sequence[str], flag: str = "ratios") -> tuple[float, ...]:
    """Ratios of a ticket, or numbers."""
    if text.startswith("ticket:"):
        found = load_ticket(text.removeprefix("ticket:"))
        return tuple(layer.keep_ratio for layer in found.layers)
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"--{flag}={text} is unknown. Choose one of: {', '.join(names)}; "
            "or give a number for each layer, or ticket:FILE."
        ) from None
