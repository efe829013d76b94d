"""How one kind of dataset is read, normalised and trained on: `Source`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from tf_tickets.data.preprocessing import Preprocessing, mean_and_std, natural_scale
from tf_tickets.data.recognition import AUTO, NEVER
from tf_tickets.data.splits import Splits
from tf_tickets.support.short_reprs import short_fields
from tf_tickets.training.recipe import Recipe

GENERIC = Recipe(model="resnet32", epochs=60, augment=True)
SMALLEST_AUGMENTED = 16  # pixels; a crop with 4-pixel padding would destroy smaller images


@dataclasses.dataclass(frozen=True)
class Source:
    """How one kind of dataset is read, normalised and trained on.

    Args:
        read: `(argument, data_dir, image_size) -> Splits`. The argument is what follows the colon, or
            the name itself. Where the examples are the user's own, it takes the task too.
        about: one line for `--help`.
        recipe: None chooses one by the shape of the examples.
        scale: None is the natural one, 1/255 for bytes.
        mean: of the scaled channels; None computes mean and std from the training split.
        std: likewise.
        crop: whether augmentation crops; None lets the size of the images decide.
        flip: whether augmentation mirrors; None lets the size of the images decide.
        is_own: whether the examples are the user's own, so that `standardize` may say how they are
            normalised.
        is_files: whether its argument leads to files or code of the user's: then a run is known by the
            examples that they hold, wherever they are, and whatever they are called.
        at_hand: whether it is on the machine for certain, as the user's files are, and read in a moment.
        stays_on_disk: whether its images are never in memory all at once.
        takes: what `read` is told beside those: `"task"`, what is learned; `"target"`, a column of a table.
    """

    read: Callable[..., Splits]
    about: str
    recipe: Recipe | None = None
    scale: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    crop: bool | None = None
    flip: bool | None = None
    is_own: bool = False
    is_files: bool = False
    at_hand: bool = False
    stays_on_disk: bool = False
    takes: tuple[str, ...] = ()

    __repr__ = short_fields

    def preprocessing(self, images: Any, as_given: bool = False, standardize: str = AUTO) -> Preprocessing:
        """From raw examples to the model's input.

        Args:
            images: the training examples as they are stored, `(n, ...)`.
            as_given: whether their values are the model's input, unless `standardize` says otherwise.
            standardize: one of `tf_tickets.data.recognition.STANDARDIZE`.
        """
        scale = natural_scale(images) if self.scale is None else self.scale
        mean: tuple[float, ...]
        std: tuple[float, ...]
        if standardize == NEVER:
            scale, mean, std = 1.0, (0.0,), (1.0,)
        elif self.mean is not None and self.std is not None:
            mean, std = self.mean, self.std
        elif as_given and standardize == AUTO:
            mean, std = (0.0,), (1.0,)
        else:
            mean, std = mean_and_std(images, scale)
        large = _large(images.shape[1:])
        return Preprocessing(
            scale,
            mean,
            std,
            crop=large if self.crop is None else self.crop,
            flip=large if self.flip is None else self.flip,
        )


def generic_recipe(input_shape: tuple[int, ...]) -> Recipe:
    """The recipe for examples of which only the shape is known."""
    if len(input_shape) == 1:
        return dataclasses.replace(GENERIC, model="lenet_300_100", augment=False)
    if not _large(input_shape):
        return dataclasses.replace(GENERIC, model="resnet20", width=0.5, augment=False)
    return GENERIC


def _large(input_shape: tuple[int, ...]) -> bool:
    return len(input_shape) == 3 and min(input_shape[:2]) >= SMALLEST_AUGMENTED
