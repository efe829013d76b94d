"""The models by name: a table. Reading it loads no TensorFlow."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Callable
from typing import TYPE_CHECKING

from tf_tickets.models.depths import blocks_per_stage, hidden_sizes
from tf_tickets.support.late import late
from tf_tickets.support.own_code import is_own
from tf_tickets.support.short_reprs import Rows
from tf_tickets.support.words import did_you_mean

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class Architecture:
    """One row of the table.

    Attributes:
        build: (name, input_shape, num_classes, width, seed) -> the Keras model.
        family: form of the smart keep-ratios that its models take, where they take one of their own.
        model_names: pattern of the names that its Keras models have, where it has a family: by its name a
            model is known again that was cloned, or loaded from a file.
        check: reads a name of its form, and raises ValueError for one that means no network; None where
            every name does.
    """

    build: Callable[..., keras.Model]
    family: str | None = None
    model_names: str = ""
    check: Callable[[str], object] | None = None


_VGG = Architecture(late("tf_tickets.models.vgg:build"), family="vgg", model_names="vgg*_bn")
_RESNET = Architecture(late("tf_tickets.models.resnet:build"), check=blocks_per_stage)
_RESNET_CIFAR = Architecture(late("tf_tickets.models.resnet_cifar:build"))
OWN_MODEL = Architecture(late("tf_tickets.models.own_models:build"))
OWN_FILE = Architecture(late("tf_tickets.models.own_models:load"))
KERAS_FILE = ".keras"
APPLICATIONS = "keras:"
_MLP = Architecture(late("tf_tickets.models.mlp:build"), check=hidden_sizes)

# What is accepted, as people write it.
MODELS: dict[str, Architecture] = {
    "vgg11": _VGG,
    "vgg13": _VGG,
    "vgg16": _VGG,
    "vgg19": _VGG,
    "resnet18_cifar": _RESNET_CIFAR,
    "resnet34_cifar": _RESNET_CIFAR,
    "resnet50_cifar": _RESNET_CIFAR,
    "resnet{6n+2}": _RESNET,
    "lenet_300_100": _MLP,
    "mlp_{A}_{B}_...": _MLP,
    "mlp_bn_{A}_{B}_...": _MLP,
    "keras:{NAME}": Architecture(late("tf_tickets.models.applications:build")),
}
MODELS = Rows(MODELS)


def model_row(name: str) -> Architecture:
    """The row of a model's name.

    Raises:
        ValueError: there is none; the message lists what there is.
    """
    if isinstance(name, str) and name.endswith(KERAS_FILE):
        return OWN_FILE
    if is_own(name) and not name.startswith(APPLICATIONS):
        return OWN_MODEL
    for spelling, row in MODELS.items():
        start, variable, _ = spelling.partition("{")
        if name == spelling or (variable and str(name).startswith(start)):
            if row.check is not None:
                row.check(name)
            return row
    raise ValueError(
        f"There is no model {name!r}.{did_you_mean(name, MODELS)} Choose one of: {', '.join(MODELS)}; or "
        "name a function of your own, module:function or file.py:function, or a .keras file."
    )


def family_of(model_name: str) -> str | None:
    """The family of the Keras model of a name; None where its architecture has none of its own."""
    for row in MODELS.values():
        if row.family is not None and fnmatch.fnmatchcase(model_name, row.model_names):
            return row.family
    return None
