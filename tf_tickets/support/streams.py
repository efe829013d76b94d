"""What a program says, and where: streams that are there, letters that they have, nothing that steers."""

from __future__ import annotations

import codecs
import io
import os
import sys

# Errors of encoding are answered under this name: a letter that looks alike, where there is one.
LOOKALIKES = "tf_tickets.lookalikes"
_LETTERS = {
    **dict.fromkeys("█▉▊▋▌", "#"),
    **dict.fromkeys("▍▎▏·•", "."),
    **dict.fromkeys("−–—‑━╸╺", "-"),
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”", '"'),
    "…": "...",
    "±": "+-",
    "×": "x",
    "≤": "<=",
    "≥": ">=",
    "→": "->",
}
_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def settle() -> None:
    """Makes the standard streams ones that a program can rely on: the first thing that each does.

    One that is closed is opened on nothing: the next file would get its number, and TensorFlow's logs be
    written into that. What a stream cannot encode is written in letters that look alike.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        try:
            os.fstat(number)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=LOOKALIKES)


def visible(text: str, kept: str = "\n\t") -> str:
    """A text without what would command a terminal: names of files, notes and the like can hold anything.

    Args:
        text: any; its control characters are shown as `\\xNN`, those beyond as `\\uNNNN`.
        kept: control characters that stay.
    """
    return "".join(x if x.isprintable() or x in kept else _escaped(ord(x)) for x in text)


def encodable(text: str, encoding: str) -> str:
    """A text with letters that look alike for those that an encoding lacks."""
    return text.encode(encoding, LOOKALIKES).decode(encoding)


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _look_alike(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_LETTERS.get(x, "?") for x in error.object[error.start : error.end]), error.end


codecs.register_error(LOOKALIKES, _look_alike)
