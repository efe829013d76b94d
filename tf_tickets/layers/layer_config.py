"""A layer's config that knows the layer's masks, so that a copy made from it has them."""

from collections.abc import Mapping
from typing import Any

import keras


class LayerConfig(dict):
    """What `get_config` gives, for `from_config` of the same process.

    The masks go with the name in it, too, since Keras puts the config of a layer into that of its parent as
    a new dict of the same strings. A file, JSON and pickles hold the config alone.

    Attributes:
        masks: mask variables, by what the layer finds its weights again with.
    """

    masks: Mapping[Any, keras.Variable]

    def __init__(self, config: Mapping[str, Any], masks: Mapping[Any, keras.Variable]):
        super().__init__(config)
        self.masks = masks
        if isinstance(config.get("name"), str):
            self["name"] = _Name(config["name"])
            self["name"].masks = masks

    def __reduce__(self) -> tuple:
        # Copies and pickles: of the config, not of variables.
        return dict, (dict(self),)


class _Name(str):
    """The name in a config."""

    masks: Mapping[Any, keras.Variable]

    def __deepcopy__(self, memo: dict) -> "_Name":
        # Keras gives out the configs of functional and Sequential models as deep copies.
        return self

    def __reduce__(self) -> tuple:
        return str, (str(self),)


def masks_of(config: Mapping[str, Any]) -> Mapping[Any, keras.Variable]:
    """The masks that go with a config; none with one that was read from a file."""
    holder = config if isinstance(config, LayerConfig) else config.get("name")
    return holder.masks if isinstance(holder, (LayerConfig, _Name)) else {}


def without_masks(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config alone, whose name a layer may keep."""
    return {key: str(value) if isinstance(value, _Name) else value for key, value in config.items()}
