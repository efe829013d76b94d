"""Lists, tuples and tables that stay short when somebody looks at them, in a notebook for example."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar

from tf_tickets.support.html_table import html_table

# Characters that a repr may have.
MOST = 400

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class ShortList(list[T]):
    """A list whose repr leaves out what is too much: the first entries, and how many there are more."""

    def __repr__(self) -> str:
        return f"[{_listed(self)}]"


class ShortTuple(tuple[T, ...]):
    """A tuple of the same kind."""

    __slots__ = ()

    def __repr__(self) -> str:
        comma = "," if len(self) == 1 else ""
        return f"({_listed(self)}{comma})"


class Rows(dict[K, V]):
    """A table by name, whose repr is its names; in a notebook, what each row is about stands beside them."""

    def __repr__(self) -> str:
        return f"{{{_joined(map(repr, self), len(self))}}}"

    def _repr_html_(self) -> str:
        abouts = [(str(name), str(getattr(row, "about", ""))) for name, row in self.items()]
        head = ("name", "about") if any(about for _, about in abouts) else ("name",)
        return html_table(head, [row[: len(head)] for row in abouts])


def short(value: Any) -> str:
    """A repr that is a line: of an array its type and shape, of anything long its beginning."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        text = f"{getattr(value.dtype, 'name', value.dtype)} {tuple(value.shape)}"
        name = getattr(value, "path", None)  # of a variable
        return f"<{text}>" if name is None else f"<{name}: {text}>"
    if isinstance(value, (list, tuple)) and value and hasattr(value[0], "shape"):
        return repr(ShortList(value))
    text = " ".join(repr(value).split())
    return text if len(text) <= MOST // 2 else f"{text[: MOST // 2]}..."


def short_fields(self: Any) -> str:
    """The `__repr__` of a dataclass that holds large things: its fields, each in short."""
    values = [(field.name, getattr(self, field.name)) for field in dataclasses.fields(self) if field.repr]
    texts = (f"{name}={short(value)}" for name, value in values)
    return f"{type(self).__name__}({_joined(texts, len(values))})"


def _listed(values: Any) -> str:
    return _joined(map(short, values), len(values))


def _joined(texts: Iterable[str], count: int) -> str:
    shown: list[str] = []
    length = 0
    for text in texts:
        length += len(text) + 2
        if shown and length > MOST:
            return f"{', '.join(shown)}, ... and {count - len(shown):,} more"
        shown.append(text)
    return ", ".join(shown)
