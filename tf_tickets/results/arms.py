"""What is compared with what: a `Contender` at a sparsity under a check is an `Arm`, of one `Setting`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from tf_tickets.config import OPTIONS, Config, fields_that_decide
from tf_tickets.methods.table import METHODS, Method
from tf_tickets.sanity.checks import CHECKS
from tf_tickets.support.options import DERIVED, DRAWING, NOTHING, QUESTION, RETRAINING, SETTING, SOURCE
from tf_tickets.support.words import plural

DENSE = "dense"

SHORT = {"ticket_sha256": "ticket"}  # in labels
HASHES = ("ticket_sha256", "score_code", "data_fingerprint")

Frozen = tuple[tuple[str, Any], ...]
Value = TypeVar("Value")


@dataclasses.dataclass(frozen=True)
class Contender:
    """A method with everything of the config that decides its ticket, but the sparsity and the check.

    Attributes:
        method: its name.
        options: every such field of the config.
        differs: names of the options that are not the method's own; not part of the identity.
    """

    method: str
    options: Frozen
    differs: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    @classmethod
    def of(cls, config: Mapping[str, Any], own: Mapping[str, Any]) -> Contender:
        """The contender of a config.

        Args:
            config: all its fields.
            own: the options that the method has unless it is told otherwise, as far as they can be known.
        """
        other = {*fields_that_decide(SETTING, NOTHING, QUESTION), "sparsity"}
        # Nothing decides the ticket of the dense network: it is everything.
        options = {x: y for x, y in config.items() if x not in other} if _prunes(config["method"]) else {}
        if "search_options" in options:
            options["search_options"] = _unusual(config["method"], options["search_options"])
        differs = tuple(name for name, value in options.items() if name in own and value != own[name])
        return cls(config["method"], frozen(options), differs)

    @property
    def row(self) -> Method | None:
        """The method's row; None for a method that is not of the table."""
        return METHODS.get(self.method)

    @property
    def prunes(self) -> bool:
        """Whether it removes weights: all but the dense network do."""
        return _prunes(self.method)

    @property
    def aims(self) -> bool:
        """Whether its sparsity is one that is asked for; otherwise it is only found."""
        return asks_for_sparsity(self.method)

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
        parts = [self.method, *_source(options)]
        for name in names:
            if name == "search_options":
                said = [option for option in self.search_options if option not in understood]
                parts += [f"{option}={shown('', value)}" for option, value in said]
            elif name not in fields_that_decide(SOURCE):
                parts.append(f"{SHORT.get(name, name)}={shown(name, options[name])}")
        return ", ".join(parts)


@dataclasses.dataclass(frozen=True)
class Arm:
    """What is averaged over seeds: a contender at a sparsity, attacked by a check or by none.

    The sparsity is the one asked for, and None where the method has none.
    """

    contender: Contender
    sparsity: float | None
    check: str | None

    @property
    def label(self) -> str:
        """The contender's."""
        return self.contender.label

    @property
    def method(self) -> str:
        """The contender's."""
        return self.contender.method

    def __str__(self) -> str:
        attacked = f", {self.check}" if self.check else ""
        at = "" if self.sparsity is None else f" at {100 * self.sparsity:.6g} %"
        return f"{self.label}{at}{attacked}"


@dataclasses.dataclass(frozen=True)
class Setting:
    """Data, model, training and threads: only runs of one setting are averaged or compared."""

    fields: Frozen

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Setting:
        """The setting of a config, of which all fields are given."""
        fields = {name: config[name] for name in fields_that_decide(SETTING) if name != "recipe"}
        if fields["validation_fraction"]:
            # The hash covers the split, which the seed draws: it can be compared within a seed only.
            fields["data_fingerprint"] = None
        return cls(frozen({**fields, **config["recipe"]}))

    def __getitem__(self, name: str) -> Any:
        return dict(self.fields)[name]

    @property
    def label(self) -> str:
        """The dataset, the model and the epochs. See `titles` for several."""
        width = "" if self["width"] == 1 else f" at width {self['width']:g}"
        return f"{basename(self['dataset'])}, {self['model']}{width}, {plural(self['epochs'], 'epoch')}"

    def is_longer(self, other: Setting) -> bool:
        """Whether it is `other` but for more epochs; milestones are compared as fractions of them."""
        return self["epochs"] > other["epochs"] and self._but_for_epochs() == other._but_for_epochs()

    def _but_for_epochs(self) -> dict[str, Any]:
        fields = dict(self.fields)
        epochs = fields.pop("epochs")
        fields["milestones"] = tuple(round(x if x < 1 else x / epochs, 6) for x in fields["milestones"])
        return fields


def asks_for_sparsity(method: str) -> bool:
    """Whether a method's sparsity is one that is asked for; the dense network's is 0."""
    row = METHODS.get(method)
    return row is None or row.aims or not row.prunes


def own_options(config: Config) -> dict[str, Any]:
    """The options that the method has unless it is told otherwise; what cannot be known is left out."""
    found = {
        row.field: row.default
        for row in OPTIONS
        if row.decides in (SOURCE, DRAWING, RETRAINING)
        and row.default is not DERIVED
        and row.field != "score_code"  # the score's name tells
    }
    found["augment_scoring"] = None if config.augment_scoring is None else config.recipe.augment
    # The number of classes chooses one of two; which one is seen where one of the values is left as it was.
    for samples, batches in ((1, 10), (10, 1)):
        if config.samples_per_class == samples or config.scoring_batches == batches:
            found.update(samples_per_class=samples, scoring_batches=batches)
    row = METHODS.get(config.method)
    if row is not None:
        found["ratios"] = row.ratios
        drawn_as_usual = config.ratios == row.ratios and config.ticket_sha256 is None
        found["classifier_keep"] = row.classifier_keep if drawn_as_usual else None
        found["rewind_epoch"] = None if config.rewind_epoch is None else round(config.recipe.epochs / 10)
    return found


def labels(contenders: Iterable[Contender]) -> dict[Contender, str]:
    """Labels of which no two are alike: where the short ones are, what differs among them is added.

    Options of a search are left out where all contenders of the method have them.
    """
    found: dict[Contender, str] = {}
    contenders = list(dict.fromkeys(contenders))
    understood = {
        method: tuple(set.intersection(*(set(contender.search_options) for contender in same)))
        for method, same in grouped(contenders, lambda contender: contender.method).items()
    }

    def labelled(contender: Contender, names: Iterable[str]) -> str:
        return contender.labelled(names, understood[contender.method])

    for label, alike in grouped(contenders, lambda contender: labelled(contender, contender.differs)).items():
        if len(alike) == 1:
            found[alike[0]] = label
            continue
        names = sorted({name for contender in alike for name, _ in contender.options})
        differing = [name for name in names if len({dict(x.options).get(name) for x in alike}) > 1]
        longer = {
            x: labelled(x, dict.fromkeys((*x.differs, *(n for n in differing if n in dict(x.options)))))
            for x in alike
        }
        for text, same in grouped(alike, longer.__getitem__).items():
            for number, contender in enumerate(same, start=1):
                found[contender] = text if len(same) == 1 else f"{text} ({number})"
    return found


def titles(settings: Iterable[Setting]) -> dict[Setting, str]:
    """Titles of which no two are alike: where the short ones are, what differs among them is added."""
    found: dict[Setting, str] = {}
    for label, alike in grouped(settings, lambda setting: setting.label).items():
        names = sorted({name for setting in alike for name, _ in setting.fields})
        differing = [name for name in names if len({dict(x.fields).get(name) for x in alike}) > 1]
        for setting in alike:
            parts = [f"{name}={shown(name, dict(setting.fields).get(name))}" for name in differing]
            found[setting] = ", ".join([label, *parts])
    return found


def check_order(check: str | None) -> tuple[int, str]:
    """Sorts checks as their table does; none comes first, unknown ones last."""
    if check is None:
        return -1, ""
    return (list(CHECKS).index(check) if check in CHECKS else len(CHECKS)), check


def method_order(contender: Contender) -> tuple[int, bool, str]:
    """Sorts methods as their table does, each followed by its variations."""
    order = list(METHODS)
    position = order.index(contender.method) if contender.method in METHODS else len(order)
    return position, bool(contender.differs), contender.label


def frozen(value: Mapping[str, Any]) -> Frozen:
    """A mapping of JSON values as something hashable."""
    return tuple(sorted(((str(name), _hashable(inner)) for name, inner in value.items()), key=lambda x: x[0]))


def shown(name: str, value: Any) -> str:
    """An option's value, short."""
    if name in HASHES and isinstance(value, str):
        return value[:6]
    if name == "score_options":
        return " ".join(f"{key}:{shown('', inner)}" for key, inner in value) or "none"
    if isinstance(value, tuple):
        texts = [shown("", x) for x in value]
        return ",".join(texts) if len(texts) <= 4 else f"{','.join(texts[:3])},... ({len(texts)})"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def basename(path: str) -> str:
    """What a dataset's name is known by: of a path, the last part."""
    return os.path.basename(path.rstrip("/")) or path


def grouped(values: Iterable[Value], key: Callable[[Value], Hashable]) -> dict[Any, list[Value]]:
    """Key -> the values that have it, in their order."""
    found: dict[Any, list[Value]] = {}
    for value in values:
        found.setdefault(key(value), []).append(value)
    return found


def _prunes(method: str) -> bool:
    row = METHODS.get(method)
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


def _unusual(method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the method's search that are not its defaults."""
    row = METHODS.get(method)
    usual = row.search.options if row is not None and row.search is not None else {}
    return {name: value for name, value in given.items() if name not in usual or value != usual[name]}


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return frozen(value)
    return tuple(map(_hashable, value)) if isinstance(value, (list, tuple)) else value
