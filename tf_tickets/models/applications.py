"""Any model of keras.applications, with fresh weights drawn from a seed."""

import inspect
from collections.abc import Callable

import keras

from tf_tickets.models import parts
from tf_tickets.models.initial_weights import drawing_from

PREFIX = "keras:"


def build(name: str, input_shape: tuple[int, ...], num_classes: int, width: float, seed: int) -> keras.Model:
    """Builds `keras.applications.NAME` without pretrained weights and without softmax.

    It takes images as our datasets give them, normalised: the model's own preprocessing of pixels
    from 0 to 255 is left out.

    Args:
        name: `"keras:"` and a constructor of `keras.applications`, such as `"keras:MobileNetV2"`.
        input_shape: `(height, width, channels)`; most constructors ask for at least 32x32.
        num_classes: number of logits.
        width: `alpha` of the constructors which have one (the MobileNets); `1.0` for all others.
        seed: every weight, and the state of every dropout, is drawn from it.

    Raises:
        ValueError: no such constructor, a width it does not have, or an input shape it refuses.

    Reference:

    - [Keras Applications](https://keras.io/api/applications/)
    """
    constructor = _constructor(name)
    parts.check_images(name, input_shape)
    options = {"alpha": width, "include_preprocessing": False}
    accepted = inspect.signature(constructor).parameters
    if width != 1.0 and "alpha" not in accepted:
        raise ValueError(
            f"{name} has one width only. Received: width={width}. Leave it at 1.0, or choose one "
            f"of: {', '.join(PREFIX + other for other in _names() if _has_width(other))}."
        )
    try:
        with drawing_from(seed):
            model = constructor(
                weights=None,
                include_top=True,
                input_shape=input_shape,
                classes=num_classes,
                classifier_activation=None,
                **{option: value for option, value in options.items() if option in accepted},
            )
    except ValueError as error:
        raise ValueError(f"{name} cannot take input_shape={input_shape}: {error}") from error
    _leave_pixels_alone(model)
    return model


def _names() -> list[str]:
    return [name for name in dir(keras.applications) if callable(getattr(keras.applications, name))]


def _constructor(name: str) -> Callable[..., keras.Model]:
    found = name.removeprefix(PREFIX)
    if found not in _names():
        raise ValueError(
            f"There is no model {name!r}: keras.applications has no {found!r}. After {PREFIX} "
            f"choose one of: {', '.join(_names())}."
        )
    return getattr(keras.applications, found)


def _has_width(name: str) -> bool:
    return "alpha" in inspect.signature(getattr(keras.applications, name)).parameters


def _leave_pixels_alone(model: keras.Model) -> None:
    # EfficientNetB0 to B7 divide by 255 and have no option against it.
    for layer in model.layers:
        if isinstance(layer, keras.layers.Rescaling):
            layer.scale, layer.offset = 1.0, 0.0
