"""Colours of the sanity checks: what a check changes says the hue, its place among those checks the shade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tf_tickets.sanity.checks import Check

Pair = tuple[str, str]  # a colour on light, and what it is on dark

# What a check changes -> the shades of its hue, from the first check of the kind on. Beyond these come shades
# in between, so of each there are at least two.
HUES: dict[str, tuple[Pair, ...]] = {
    "data": (
        ("#08468b", "#3f86cf"),
        ("#2d7dbb", "#6aaade"),
        ("#66a9d4", "#93c4e8"),
        ("#9dc9e4", "#b9daf2"),
        ("#c8e0f0", "#dcedf9"),
    ),
    "ticket": (
        ("#8c2f07", "#c9602c"),
        ("#d24a07", "#ea7f3d"),
        ("#ee7c2b", "#f6a05f"),
        ("#f9a964", "#fabf8c"),
        ("#fbcfa3", "#fcdcbf"),
    ),
    "scores": (
        ("#7a6fb0", "#aea5dc"),
        ("#cdc8e3", "#dfdbf3"),
    ),
}


def check_colours(checks: Mapping[str, Check]) -> dict[str, tuple[str, Pair]]:
    """Check -> the name of its colour and the colour: a shade of what it changes, no two alike.

    Checks that are added at the end of the table leave the colours of the others as they are.
    """
    found = {}
    for place, shades in HUES.items():
        names = [name for name, check in checks.items() if check.place == place]
        for position, name in enumerate(names):
            variable = place if len(names) == 1 else f"{place}-{position + 1}"
            found[name] = variable, _shade(shades, position)
    return found


def _shade(shades: Sequence[Pair], position: int) -> Pair:
    """The shade at a position: those given, then the middle of every gap between them, and so on."""
    place: float = position
    gaps, left = len(shades) - 1, position - len(shades)
    if left >= 0:
        while left >= gaps:
            left -= gaps
            gaps *= 2
        place = (left + 0.5) * (len(shades) - 1) / gaps
    below = min(int(place), len(shades) - 2)
    light, dark = (
        _mixed(first, second, place - below)
        for first, second in zip(shades[below], shades[below + 1], strict=True)
    )
    return light, dark


def _mixed(first: str, second: str, part: float) -> str:
    """The colour between two, of which `part` is the second."""
    ends = (int(first[i : i + 2], 16) for i in (1, 3, 5)), (int(second[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + part * (b - a)):02x}" for a, b in zip(*ends, strict=True))
