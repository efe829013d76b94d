"""What the names of networks say of their depth and widths. Reading them loads no TensorFlow."""

from __future__ import annotations

import re

DEEPEST = 200  # blocks of a stage: ResNet-1202
MOST_LAYERS = 1000
HIDDEN_SIZES = {"lenet_300_100": (300, 100)}


def blocks_per_stage(name: str) -> int:
    """Basic blocks in each stage of a resnet of depth 6n+2, n of them.

    Raises:
        ValueError: the name has no such depth.
    """
    depth = re.fullmatch(r"resnet([1-9]\d*)", name)
    blocks, rest = divmod(int(depth[1]) - 2, 6) if depth else (0, 0)
    if blocks > DEEPEST:
        raise ValueError(f"{name} is deeper than resnet{6 * DEEPEST + 2}, the deepest published.")
    if blocks < 1 or rest:
        raise ValueError(
            f"There is no model {name!r}. The depth must be 6n+2: resnet20, resnet32, resnet44, "
            "resnet56, resnet110, ... Those of four stages are resnet18_cifar, resnet34_cifar and "
            "resnet50_cifar for small images, and keras:ResNet50 and the like for large ones."
        )
    return blocks


def hidden_sizes(name: str) -> tuple[int, ...]:
    """Units of each hidden layer of a perceptron.

    Raises:
        ValueError: the name is of no such form.
    """
    if name in HIDDEN_SIZES:
        return HIDDEN_SIZES[name]
    if not re.fullmatch(r"mlp(_bn)?(_[1-9]\d*)+", name):
        raise ValueError(
            f"There is no model {name!r}. Choose lenet_300_100, or mlp_ and positive hidden sizes "
            "with an underscore between them, such as mlp_512_256; mlp_bn_512_256 has batch normalization."
        )
    if name.count("_") > MOST_LAYERS:
        raise ValueError(f"More than {MOST_LAYERS} layers are not built. Received: {name:.40}...")
    return tuple(int(size) for size in name.removeprefix("mlp_").removeprefix("bn_").split("_"))
