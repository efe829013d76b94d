"""Colours, told apart by people with any colour vision, on a light and on a dark page.

Hue says what a check attacks, lightness which check it is; methods differ by marker and line too.
"""

from __future__ import annotations

from collections.abc import Sequence

from tf_tickets.deployments.ways import WAYS
from tf_tickets.reporting.check_shades import Pair, check_colours
from tf_tickets.sanity.checks import CHECKS

FONTS = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"

_CHECKS = check_colours(CHECKS)

# name -> (on light, on dark); no two on light are alike, so that a drawing's colours can be told apart.
_COLOURS: dict[str, Pair] = {
    "ink": ("#22262b", "#e6e4df"),
    "muted": ("#636a72", "#a2a7ad"),
    "rule": ("#d4d5d2", "#3f444b"),
    "paper": ("#fdfdfb", "#16181b"),  # of the page, and around what is drawn over bars
    "error": ("#23272c", "#e7e5e0"),  # edged with paper, so that it is seen on bars of any colour
    # methods: after Okabe and Ito, darker where they were too pale for lines
    "blue": ("#0072b2", "#57aee6"),
    "vermilion": ("#d55e00", "#f58f45"),
    "green": ("#008f68", "#35c79c"),
    "purple": ("#b0569a", "#de92cb"),
    "ochre": ("#b58900", "#e3bd4a"),
    "sky": ("#3fa3d8", "#9bd7f7"),
    "wine": ("#7d1f4d", "#cf6d9b"),
    "olive": ("#6b6f1f", "#b9bd68"),
    **dict(_CHECKS.values()),
    # a check that is not known here
    "unknown": ("#8f959c", "#7f868e"),
    # sparsities, from low to high
    "step-1": ("#8fc7bd", "#2f7f74"),
    "step-2": ("#55a99c", "#3f9c8e"),
    "step-3": ("#25857a", "#5fb9aa"),
    "step-4": ("#0d6159", "#8dd3c6"),
    "step-5": ("#05403c", "#c3ebe3"),
}
COLOURS = {name: light for name, (light, _) in _COLOURS.items()}
DARK = {name: dark for name, (_, dark) in _COLOURS.items()}
INK, MUTED, RULE, PAPER, ERROR = (COLOURS[name] for name in ("ink", "muted", "rule", "paper", "error"))

_METHODS = ("blue", "vermilion", "green", "purple", "ochre", "sky", "wine", "olive")
_MARKERS = "osD^vPX*"
# Of ways to ship a network, in the order of their table; one that is not known here has the last.
_WAYS = dict(zip(WAYS, "osD^vPX*", strict=False))
_LINES = ("-", "--", "-.")
_STEPS = ("step-1", "step-2", "step-3", "step-4", "step-5")


def check_colour(check: str) -> str:
    """The colour of a check's bars."""
    return COLOURS[_CHECKS[check][0] if check in _CHECKS else "unknown"]


def method_style(position: int) -> tuple[str, str, str, bool]:
    """Colour, marker, line and whether the marker is filled, of the method at a position in the report."""
    turn, place = divmod(position, len(_METHODS))
    return COLOURS[_METHODS[place]], _MARKERS[place], _LINES[turn % len(_LINES)], turn == 0


def way_marker(way: str) -> str:
    """The marker of a way to ship a network; the colour is that of the method."""
    return _WAYS.get(way, "h")


def shades(number: int) -> Sequence[str]:
    """Colours of so many sparsities, the highest darkest (on the dark page lightest)."""
    last = len(_STEPS) - 1
    if number == 1:
        return [COLOURS[_STEPS[-2]]]
    return [COLOURS[_STEPS[round(place * last / (number - 1))]] for place in range(number)]
