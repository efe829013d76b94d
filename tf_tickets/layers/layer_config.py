"""A layer's config that knows the layer's masks, so that a copy made from it has them."""

from collections.abc import Mapping
from typing import Any

import keras


class LayerConfig(dict):
    """What `get_config` gives, for `from_config` of the same process.

    A file, JSON and copies of the dict hold the config alone; `keras.models.clone_model` hands this very
    object on.

    Attributes:
        masks: mask variables, by what the layer finds its weights again with.
    """

    masks: Mapping[Any, keras.Variable]

    def __init__(self, config: Mapping[str, Any], masks: Mapping[Any, keras.Variable]):
        super().__init__(config)
        self.masks = masks

    def __reduce__(self) -> tuple:
        # Copies and pickles: of the config, not of variables.
        return dict, (dict(self),)


def masks_of(config: Mapping[str, Any]) -> Mapping[Any, keras.Variable]:
    """The masks that go with a config; none with one that was read from a file."""
    return config.masks if isinstance(config, LayerConfig) else {}
