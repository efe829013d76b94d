"""Kinds of options that only a run has."""

from tf_tickets.support.options import Kind, number

_FRACTION = number("[0, 1]")
_PROPORTION = number("(-inf, inf)")
# A name, or numbers; on a command line also those of a ticket.
RATIOS = Kind(
    "string",
    lambda value: (
        isinstance(value, str) or (isinstance(value, (list, tuple)) and all(map(_PROPORTION.accepts, value)))
    ),
    "a name or numbers",
)
# A number; on a command line also the word for nothing set apart.
CLASSIFIER_KEEP = Kind("string", _FRACTION.accepts, _FRACTION.expected)
