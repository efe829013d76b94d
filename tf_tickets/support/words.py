"""Numbers in words, for people."""


def plural(count: int, noun: str, several: str | None = None) -> str:
    """`1 epoch`, `2 epochs`; of a noun that has a plural of its own, `several` is that."""
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"


def duration(seconds: float) -> str:
    """`80 s`, `12 min`, `2.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
