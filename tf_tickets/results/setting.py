"""What runs must share to be compared: a `Setting`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from tf_tickets.config import essence, fields_that_decide
from tf_tickets.results.fields import Frozen, basename, differing, frozen, grouped, shown
from tf_tickets.support.options import SETTING
from tf_tickets.support.words import plural


@dataclasses.dataclass(frozen=True)
class Setting:
    """Data, model, training and threads: only runs of one setting are averaged or compared.

    Attributes:
        fields: what they share.
        data: what their dataset is called, which is another thing where two files hold the same.
    """

    fields: Frozen
    data: str = dataclasses.field(default="", compare=False)

    def __repr__(self) -> str:
        return f"Setting({self.label})"

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Setting:
        """The setting of a config, of which all fields are given."""
        known = essence(config)
        fields = {name: known[name] for name in fields_that_decide(SETTING) if name != "recipe"}
        if fields["validation_fraction"]:
            # The hash covers the split, which the seed draws: it can be compared within a seed only.
            fields["data_fingerprint"] = None
        return cls(frozen({**fields, **known["recipe"]}), basename(config["dataset"]))

    def __getitem__(self, name: str) -> Any:
        return dict(self.fields)[name]

    @property
    def label(self) -> str:
        """The dataset, the model and the epochs. See `titles` for several."""
        width = "" if self["width"] == 1 else f" at width {self['width']:g}"
        return f"{self.data}, {self['model']}{width}, {plural(self['epochs'], 'epoch')}"

    def is_longer(self, other: Setting) -> bool:
        """Whether it is `other` but for more epochs; milestones are compared as fractions of them."""
        return self["epochs"] > other["epochs"] and self._but_for_epochs() == other._but_for_epochs()

    def _but_for_epochs(self) -> dict[str, Any]:
        fields = dict(self.fields)
        epochs = fields.pop("epochs")
        fields["milestones"] = tuple(round(x if x < 1 else x / epochs, 6) for x in fields["milestones"])
        return fields


def titles(settings: Iterable[Setting]) -> dict[Setting, str]:
    """Titles of which no two are alike: where the labels are, what differs among them is added."""
    found: dict[Setting, str] = {}
    for label, alike in grouped(settings, lambda setting: setting.label).items():
        names = differing(setting.fields for setting in alike)
        for setting in alike:
            parts = [f"{name}={shown(name, dict(setting.fields).get(name))}" for name in names]
            found[setting] = ", ".join([label, *parts])
    return found


def setting_order(setting: Setting) -> tuple[str, str]:
    """Sorts settings by label."""
    return setting.label, repr(setting.fields)
