"""Numbers and errors in words, for people."""

import difflib
from collections.abc import Iterable, Sequence


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """` Did you mean digits?`, or nothing where no name is near."""
    close = difflib.get_close_matches(name, names, n=1) if isinstance(name, str) else []
    return f" Did you mean {close[0]}?" if close else ""


def plural(count: int | str, noun: str, several: str | None = None) -> str:
    """`1 epoch`, `2 epochs`, `2.5 points`.

    Args:
        count: how many; a text where it is written already.
        noun: in the singular.
        several: its plural, where that has more than an s.
    """
    number = count if isinstance(count, str) else f"{count:,}"
    return f"{number} {noun if number == '1' else several or noun + 's'}"


def listed(numbers: Sequence[int]) -> str:
    """Whole numbers with runs of three or more shortened: `0–9, 12`."""
    parts: list[str] = []
    rest = sorted(set(numbers))
    while rest:
        last = 0
        while last + 1 < len(rest) and rest[last + 1] == rest[last] + 1:
            last += 1
        if last < 2:
            last = 0
        parts.append(f"{rest[0]}–{rest[last]}" if last else str(rest[0]))
        rest = rest[last + 1 :]
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """`80 s`, `12 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def in_short(error: Exception) -> str:
    """The message of an error on one line, cut off where it is long."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines)[:500].rstrip(".") or type(error).__name__
