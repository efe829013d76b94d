"""Options: what one takes, means and decides is said once, where the field that holds it is declared.

    class Config:
        min_keep: int = option(whole(0), TICKET, "Weights that each layer keeps at least.", default=0)

Flags, `--help`, checks, records of files and command lines are made of that declaration.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import json
import math
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from tf_tickets.support.numbers import is_finite, is_whole
from tf_tickets.support.own_code import is_own, unknown_name

MOST = 2**31 - 1  # of whole numbers
# What --help shows, in this order; every flag of a run belongs to one group.
TICKET, DATA, MODEL, TRAINING, PLACES, MACHINE = (
    "The ticket",
    "The data",
    "The model",
    "The training (each overrides the dataset's recipe)",
    "Where things are",
    "The machine",
)
GROUPS = (TICKET, DATA, MODEL, TRAINING, PLACES, MACHINE)
# What an option decides: what all runs of an experiment share, the source mask, the drawing of a ticket, its
# retraining, what is asked of it (the method, the seed, the check), or no number at all.
SETTING, SOURCE, DRAWING, RETRAINING, QUESTION, NOTHING = (
    "setting",
    "source",
    "drawing",
    "retraining",
    "question",
    "nothing",
)
# The default that is not one value: it depends on the method, the data or the machine.
DERIVED: Any = dataclasses.MISSING


@dataclasses.dataclass(frozen=True)
class Kind:
    """What values an option takes, on a command line and in JSON.

    Attributes:
        flag: absl's kind of flag: `"string"`, `"integer"`, `"float"`, `"bool"`, `"list"` or `"enum"`.
        accepts: whether a value, as JSON has it, is one. (Names of later versions are.)
        expected: what is accepted, for people.
        choices: the names to choose from; empty where anything goes.
        largest: of whole numbers.
        parse: (flag's name, what absl has read) -> the field's value; ValueError where it is none.
    """

    flag: str
    accepts: Callable[[Any], bool]
    expected: str
    choices: Collection[str] = ()
    largest: int | None = None
    parse: Callable[[str, Any], Any] = lambda name, value: value

    def check(self, name: str, value: Any) -> None:
        """Raises ValueError for what absl has read as a flag's value, and is none."""
        if self.flag == "list":
            unknown = [part for part in value if self.choices and part not in self.choices]
            if unknown:
                raise ValueError(
                    f"--{name}={','.join(unknown)} is unknown. Choose from: {', '.join(self.choices)}."
                )
            self.parse(name, value)
        elif self.flag == "string":
            self.parse(name, value)
        elif not self.accepts(value):
            raise ValueError(f"--{name}={value} is out of range: it is {self.wanted(value)}.")

    def wanted(self, value: Any) -> str:
        """What is accepted instead of a value, for people."""
        too_large = self.largest is not None and is_whole(value, self.largest + 1)
        return f"{self.expected}, at most {self.largest}" if too_large else self.expected


@dataclasses.dataclass(frozen=True)
class Need:
    """For which methods an option means anything.

    Attributes:
        applies: (the choice of method, score and ratios) -> whether it does for that one.
        what: those methods do, as in "only for a method that ...".
    """

    applies: Callable[[Any], bool]
    what: str


@dataclasses.dataclass(frozen=True)
class Beside:
    """A flag without which other options mean nothing.

    Attributes:
        flag: its name.
        about: what those are about, for people.
    """

    flag: str
    about: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Option:
    """One option.

    Attributes:
        field: of the config or the recipe that holds its value; empty where none does.
        name: of the flag; empty where there is none: the value is found, not given.
        kind: what it takes.
        group: of `--help`.
        help: what `--help` says.
        default: of the field, where no flag is given; `DERIVED` where it depends on other things.
        optional: whether the field can hold None.
        needs: for which methods it means anything; None for all.
        beside: the flag without which it means nothing; None where it needs none.
        decides: `SETTING`, `SOURCE`, `DRAWING`, `RETRAINING`, `QUESTION` or `NOTHING`.
        always_named: whether it is part of a run's name and hash also where it has its default. Only those
            that were there when the first runs were named.
        repeated: whether the command that makes a run again gives it.
        code_of: the flag that may name code of the user's own, of which this field is found to be the hash;
            empty for all other options.
        named: value -> what of it names a run: of what leads to a file of the user's, no folder.
    """

    field: str
    name: str
    kind: Kind
    group: str
    help: str
    default: Any
    optional: bool
    needs: Need | None
    beside: Beside | None
    decides: str
    always_named: bool
    repeated: bool
    code_of: str = ""
    named: Callable[[Any], Any] = lambda value: value

    @classmethod
    def without_field(cls, name: str, kind: Kind, group: str, help: str, default: Any) -> Option:
        """A flag whose value no field holds, and that decides no number by itself."""
        return cls(
            field="",
            name=name,
            kind=kind,
            group=group,
            help=help,
            default=default,
            optional=False,
            needs=None,
            beside=None,
            decides=NOTHING,
            always_named=False,
            repeated=False,
        )

    @property
    def flag_default(self) -> Any:
        """The flag's own default: None where it must be known whether it was given."""
        derived = self.default is DERIVED or self.default == ""
        hidden = derived or self.needs is not None or self.beside is not None
        return None if hidden or self.group in (MODEL, TRAINING) else self.default


def option(
    kind: Kind,
    group: str = "",
    help: str = "",
    *,
    default: Any = DERIVED,
    flag: str | None = None,
    needs: Need | None = None,
    beside: Beside | None = None,
    decides: str = DRAWING,
    always_named: bool = False,
    repeated: bool = True,
    code_of: str = "",
    named: Callable[[Any], Any] = lambda value: value,
) -> Any:
    """Declares the option that a field of a dataclass holds; arguments as the attributes of `Option`.

    Args:
        flag: its name, where that is not the field's. Without a group there is no flag.
    """
    row = {
        "kind": kind,
        "name": flag,
        "group": group,
        "help": help,
        "default": default,
        "needs": needs,
        "beside": beside,
        "decides": decides,
        "always_named": always_named,
        "repeated": repeated,
        "code_of": code_of,
        "named": named,
    }
    # A field that is always named is always given.
    own = dataclasses.MISSING if always_named and group not in (MODEL, TRAINING) else default
    if isinstance(own, dict):
        return dataclasses.field(default_factory=own.copy, metadata={"option": row})
    return dataclasses.field(default=own, metadata={"option": row})


@functools.cache
def options_of(owner: type) -> tuple[Option, ...]:
    """The options that the fields of a dataclass hold, in their order."""
    hints = typing.get_type_hints(owner)
    found = []
    for field in dataclasses.fields(owner):
        if "option" in field.metadata:
            row = dict(field.metadata["option"])
            name = row.pop("name") or (field.name if row["group"] else "")
            optional = type(None) in typing.get_args(hints[field.name])
            found.append(Option(field=field.name, name=name, optional=optional, **row))
    return tuple(found)


def described(owner: type) -> type:
    """Decorates a dataclass of options: its docstring tells of each field what the option says of itself."""
    lines = [f"        {row.field}: {row.help}" for row in options_of(owner) if row.help]
    owner.__doc__ = f"{(owner.__doc__ or '').rstrip()}\n\n    Attributes:\n" + "\n".join(lines) + "\n"
    return owner


def text() -> Kind:
    """Any text."""
    return Kind("string", lambda value: isinstance(value, str), "text")


def name() -> Kind:
    """A text that is not empty."""
    return Kind("string", lambda value: isinstance(value, str) and value != "", "a name")


def switch() -> Kind:
    """True or false."""
    return Kind("bool", lambda value: isinstance(value, bool), "true or false")


def choice(names: Collection[str]) -> Kind:
    """One of some names."""
    return dataclasses.replace(name(), flag="enum", choices=tuple(names))


def row_name(table: Mapping[str, Any]) -> Kind:
    """The name of a row of a table, or of one of the user's own, `file.py:name`."""

    def parse(flag: str, value: str) -> str:
        if value not in table and not is_own(value):
            raise ValueError(unknown_name(f"--{flag}", value, table))
        return value

    return dataclasses.replace(name(), parse=parse)


def own_names() -> Kind:
    """Names of the user's own, `file.py:name`, and nothing else."""

    def parse(flag: str, parts: Sequence[str]) -> tuple[str, ...]:
        for part in parts:
            if not is_own(part):
                raise ValueError(f"--{flag} takes module:attribute or file.py:attribute. Received: {part!r}")
        return tuple(parts)

    return Kind(
        "list",
        lambda value: isinstance(value, (list, tuple)) and all(map(is_own, value)),
        "names of your own, as file.py:name",
        parse=parse,
    )


def whole(least: int, most: int = MOST) -> Kind:
    """A whole number."""
    return Kind(
        "integer",
        lambda value: isinstance(value, int) and is_whole(value, least, most),
        f"a whole number, {least} or more",
        largest=most,
    )


def number(interval: str) -> Kind:
    """A finite number in an interval, such as `"[0, 1)"` or `"(0, inf)"`."""
    low, high = (float(end) for end in interval[1:-1].split(","))
    with_low, with_high = interval[0] == "[", interval[-1] == "]"

    def accepts(value: Any) -> bool:
        # JSON has no numbers of NumPy, but whole ones of any length.
        if not isinstance(value, (int, float)) or not is_finite(value) or is_whole(abs(value), MOST + 1):
            return False
        return (low < value < high) or (with_low and value == low) or (with_high and value == high)

    expected = f"a number in {interval}"
    if high == math.inf:
        expected = f"a number, {low:g} or more" if with_low else f"a number above {low:g}"
    return Kind("float", accepts, expected)


def names(choices: Collection[str]) -> Kind:
    """Any of some names."""
    return Kind(
        "list",
        lambda value: isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value),
        "names",
        choices=tuple(choices),
        parse=lambda name, parts: tuple(parts),
    )


def pairs() -> Kind:
    """Options of something else: name=value, values as JSON writes them."""
    return Kind("list", lambda value: isinstance(value, dict), "a mapping", parse=read_pairs)


def read_pairs(name: str, parts: Sequence[str] | None) -> dict[str, Any]:
    """The mapping that `name=value` texts write.

    Raises:
        ValueError: a text is no such pair, or a name stands twice; `name` is the flag's, for the message.
    """
    found: dict[str, Any] = {}
    for pair in parts or ():
        key, equals, text = pair.partition("=")
        if key in found:
            raise ValueError(f"--{name} gives {key} twice.")
        if not key or not equals:
            raise ValueError(f"--{name} takes name=value. Received: {pair!r}")
        try:
            found[key] = json.loads(text)
        except json.JSONDecodeError:
            found[key] = {"True": True, "False": False, "None": None}.get(text, text)
        except (ValueError, RecursionError) as error:  # a number too long, lists too deep
            raise ValueError(f"--{name}: {key} is no value: {error}.") from None
    return found


def written(value: Any) -> str:
    """A flag's value as a command line has it; of a mapping, what `read_pairs` reads."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) or not isinstance(value, Iterable):
        return str(value)
    if isinstance(value, Mapping):
        value = [f"{name}={json.dumps(inner)}" for name, inner in value.items()]
    # What absl's flags of lists read: commas, and quotes where they are needed.
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([str(part) for part in value])
    return line.getvalue()


def mapping() -> Kind:
    """A mapping that no flag gives."""
    return Kind("", lambda value: isinstance(value, Mapping), "a mapping")
