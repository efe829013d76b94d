"""Patterns by name: which weights of a layer are kept together, or how many of neighbours at most.

Reading it loads no TensorFlow.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

ACCEPTED = (
    "4x1 or block(4,1) (inputs by outputs, any numbers), 2:4 (at most 2 of 4 inputs in a row, any numbers), "
    "channel (whole outputs), constant_fan_in (of each output as many) or unstructured"
)


@dataclasses.dataclass(frozen=True)
class Form:
    """One row of the table: a family of patterns.

    Attributes:
        written: what names of it look like, with a group for each number.
        name: the one name that stands for all ways to write it.
        in_groups: whether weights are kept together, so that groups are what is counted.
        removes_outputs: whether groups are outputs of a layer, which then have to be removable.
        needs_counts: whether each layer's count has to be known before the ranking.
    """

    written: str
    name: str
    in_groups: bool = False
    removes_outputs: bool = False
    needs_counts: bool = False


FORMS: Mapping[str, Form] = {
    "blocks": Form(r"(\d+)x(\d+)|block\((\d+), ?(\d+)\)", "{0}x{1}", in_groups=True),
    "windows": Form(r"(\d+):(\d+)", "{0}:{1}"),
    "channel": Form("channel", "channel", in_groups=True, removes_outputs=True),
    "constant_fan_in": Form("constant_fan_in", "constant_fan_in", needs_counts=True),
    "unstructured": Form("unstructured", "unstructured"),
}


@dataclasses.dataclass(frozen=True)
class Pattern:
    """A pattern that was asked for.

    Attributes:
        form: its row of `FORMS`, by key.
        numbers: that it was written with.
    """

    form: str
    numbers: tuple[int, ...] = ()

    @property
    def row(self) -> Form:
        return FORMS[self.form]

    def __str__(self) -> str:
        return self.row.name.format(*self.numbers)


def pattern_of(written: Any) -> Pattern:
    """The pattern of a name.

    Args:
        written: `"4x1"` or `"block(4,1)"`: blocks of 4 consecutive inputs by 1 output, at each tap of a
            kernel; `"2:4"`: of each output, at most 2 of 4 consecutive inputs, at each tap; `"channel"`:
            whole outputs of layers; `"constant_fan_in"`: every output keeps as many weights as any other of
            its layer, or one more; `"unstructured"`: each weight by itself.

    Raises:
        ValueError: there is no such pattern.
    """
    for form, row in FORMS.items():
        found = re.fullmatch(row.written, written) if isinstance(written, str) else None
        if found is not None:
            pattern = Pattern(form, tuple(int(number) for number in found.groups() if number is not None))
            if 0 in pattern.numbers or (form == "windows" and pattern.numbers[0] > pattern.numbers[1]):
                break
            return pattern
    raise ValueError(f"pattern={written!r} is unknown. Choose {ACCEPTED}.")


def chosen_pattern(asked: str | None, own: str | None) -> str | None:
    """The one name of the pattern in force, or None for none.

    Args:
        asked: for instead of the method's own; None: not at all.
        own: the method's.
    """
    written = own if asked is None else asked
    pattern = None if written is None else pattern_of(written)
    return None if pattern is None or pattern.form == "unstructured" else str(pattern)


def removes_outputs(pattern: str | None) -> bool:
    """Whether groups are outputs of a layer, so that what is left is a smaller network."""
    return pattern is not None and pattern_of(pattern).row.removes_outputs


def in_groups(pattern: str | None) -> bool:
    """Whether weights are kept together, so that groups are what is counted."""
    return pattern is not None and pattern_of(pattern).row.in_groups
