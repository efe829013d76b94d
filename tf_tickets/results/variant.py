"""A method with its options: a `Variant`, and what several of them are called in one report."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from tf_tickets.config import essence, fields_that_decide
from tf_tickets.methods.own_methods import known_row
from tf_tickets.methods.table import METHODS, Method
from tf_tickets.results.fields import Frozen, differing, frozen, grouped, shown
from tf_tickets.support.options import NOTHING, QUESTION, SETTING, SOURCE
from tf_tickets.support.own_code import short_name

SHORT = {"ticket_sha256": "ticket"}  # in labels


@dataclasses.dataclass(frozen=True)
class Variant:
    """A method with everything of the config that decides its ticket, but the sparsity and the check.

    Attributes:
        method: its name.
        options: every such field of the config.
        differs: names of the options that are not the method's own; not part of the identity.
        facts: what is kept of the row of a method of the user's own, which is part of the options.
    """

    method: str
    options: Frozen
    differs: tuple[str, ...] = dataclasses.field(default=(), compare=False)
    facts: Mapping[str, Any] | None = dataclasses.field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        return f"Variant({self.label})"

    @classmethod
    def of(cls, config: Mapping[str, Any], own: Mapping[str, Any]) -> Variant:
        """The variant of a config.

        Args:
            config: all its fields.
            own: the options that the method has unless it is told otherwise, as far as they can be known.
        """
        config = essence(config)
        other = {*fields_that_decide(SETTING, NOTHING, QUESTION), "sparsity"}
        # Nothing decides the ticket of the dense network: it is everything.
        row = known_row(config["method"], config["method_row"])
        options = {x: y for x, y in config.items() if x not in other} if _prunes(row) else {}
        if "search_options" in options:
            options["search_options"] = _unusual(row, options["search_options"])
        differs = tuple(name for name, value in options.items() if name in own and value != own[name])
        return cls(config["method"], frozen(options), differs, config["method_row"])

    @property
    def row(self) -> Method | None:
        """The method's row; None for a method that is not of the table."""
        return known_row(self.method, self.facts)

    @property
    def prunes(self) -> bool:
        """Whether it removes weights: all but the dense network do."""
        return _prunes(self.row)

    @property
    def aims(self) -> bool:
        """Whether its sparsity is one that is asked for; otherwise it is only found."""
        return asks_for_sparsity(self.row)

    @property
    def in_source(self) -> bool:
        """Whether it starts inside a random source mask."""
        return dict(self.options).get("source_density") is not None

    @property
    def search_options(self) -> Frozen:
        """Options of the search that are not its defaults."""
        return dict(self.options).get("search_options", ())

    @property
    def but_for_source(self) -> tuple[str, Frozen]:
        """What it shares with the same method that starts from the dense network, or in another source."""
        return self.method, tuple(
            (name, value)
            for name, value in self.options
            if name not in (*fields_that_decide(SOURCE), "free_growth")
        )

    @property
    def label(self) -> str:
        """Short, for people: the method, and what differs from its row. See `labels` for several."""
        return self.labelled(self.differs)

    def labelled(self, names: Iterable[str], understood: Frozen = ()) -> str:
        """The method, its source, and the options of these names.

        Args:
            names: of options.
            understood: options of the search that need not be said.
        """
        options = dict(self.options)
        parts = [short_name(self.method), *_source(options)]
        for name in names:
            if name == "search_options":
                said = [option for option in self.search_options if option not in understood]
                parts += [f"{option}={shown('', value)}" for option, value in said]
            elif name not in fields_that_decide(SOURCE):
                parts.append(f"{SHORT.get(name, name)}={shown(name, options[name])}")
        return ", ".join(parts)


def alike(variants: Iterable[Variant], method: str, ticket: Variant) -> Variant | None:
    """A method's variant to compare a ticket with: in what is not its own, it is like the ticket."""
    shared = dict(ticket.options)
    found = [
        variant
        for variant in variants
        if variant.method == method
        and variant != ticket
        and all(dict(variant.options)[name] == shared.get(name) for name in variant.differs)
    ]
    return max(found, key=lambda variant: len(variant.differs), default=None)


def asks_for_sparsity(row: Method | None) -> bool:
    """Whether a method's sparsity is one that is asked for; the dense network's is 0."""
    return row is None or row.aims or not row.prunes


def labels(variants: Iterable[Variant]) -> dict[Variant, str]:
    """Labels of which no two are alike: where the short ones are, what differs among them is added.

    Options of a search are left out where all variants of the method have them.
    """
    found: dict[Variant, str] = {}
    variants = list(dict.fromkeys(variants))
    understood = {
        method: tuple(set.intersection(*(set(variant.search_options) for variant in same)))
        for method, same in grouped(variants, lambda variant: variant.method).items()
    }

    def labelled(variant: Variant, names: Iterable[str]) -> str:
        return variant.labelled(names, understood[variant.method])

    for label, alike in grouped(variants, lambda variant: labelled(variant, variant.differs)).items():
        if len(alike) == 1:
            found[alike[0]] = label
            continue
        names = differing(variant.options for variant in alike)
        longer = {
            x: labelled(x, dict.fromkeys((*x.differs, *(n for n in names if n in dict(x.options)))))
            for x in alike
        }
        for text, same in grouped(alike, longer.__getitem__).items():
            for number, variant in enumerate(same, start=1):
                found[variant] = text if len(same) == 1 else f"{text} ({number})"
    return found


def variant_order(variant: Variant) -> tuple[int, bool, str]:
    """Sorts methods as their table does, each followed by its other variants."""
    order = list(METHODS)
    position = order.index(variant.method) if variant.method in METHODS else len(order)
    return position, bool(variant.differs), variant.label


def _prunes(row: Method | None) -> bool:
    return row is None or row.prunes


def _source(options: Mapping[str, Any]) -> list[str]:
    """The source mask in words; nothing where there is none."""
    if options.get("source_density") is None:
        return []
    words = ["source", *(shown("", options[name]) for name in ("source_density", "source_ratios"))]
    if options["source_sampling"] != "exact":
        words.append(options["source_sampling"])
    if options["source_preserve_flow"]:
        words.append("with flow preserved")
    return [" ".join(words)]


def _unusual(row: Method | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the method's search that are not its defaults."""
    usual = row.search.options if row is not None and row.search is not None else {}
    return {name: value for name, value in given.items() if name not in usual or value != usual[name]}
