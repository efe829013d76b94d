"""A dataset with its recipe, and its batches: `Dataset`."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_tickets.data.epoch_batches import epoch_batches
from tf_tickets.data.examples import Examples
from tf_tickets.data.preprocessing import Preprocessing
from tf_tickets.support.numbers import is_whole
from tf_tickets.support.words import plural
from tf_tickets.training.learning_tasks import TASKS, LearningTask
from tf_tickets.training.recipe import Recipe

if TYPE_CHECKING:
    import tensorflow as tf


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset in memory, or with its images on disk, and the recipe to train on it.

    Made by `tf_tickets.data.load`. The splits hold raw examples; `train`, `test` and `validation`
    are ready for Keras; `batches` is what a training uses, with order and augmentation.

    Args:
        name: what `load` was called with.
        input_shape: shape of one example, `(height, width, channels)` or `(features,)`.
        num_classes: number of classes; labels are 0 to `num_classes - 1`. None where what is learned are no
            classes: labels are float32 `(n, outputs)` then.
        recipe: the training that belongs to the dataset; it says what is learned.
        preprocessing: from raw examples to the model's input.
        splits: `"train"`, `"test"` and, if asked for, `"validation"`, each `Examples`.
        notes: what was recognised in the data, for people.

    Raises:
        ValueError: the splits do not fit each other.

    Example:

    >>> dataset = tf_tickets.data.load("digits")
    >>> x, y = dataset.train
    >>> model.fit(x, y)
    >>> model.fit(dataset.batches("train", 64, shuffle=True))
    """

    name: str
    input_shape: tuple[int, ...]
    num_classes: int | None
    recipe: Recipe
    preprocessing: Preprocessing
    splits: Mapping[str, Examples]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for split, examples in self.splits.items():
            if examples.images.shape[1:] != self.input_shape:
                raise ValueError(
                    f"{self.name}: examples of the {split} split have the shape "
                    f"{examples.images.shape[1:]}, but the dataset's is {self.input_shape}."
                )
            labels = examples.labels
            if self.num_classes is None or not examples.has_classes:
                fits = self.num_classes is None and labels.shape[1:] == (self.outputs,)
                if not fits or examples.has_classes:
                    raise ValueError(
                        f"{self.name}: the labels of all splits must be of one kind. Received in the {split} "
                        f"split: {labels.dtype} of shape {labels.shape}"
                    )
            elif labels.max() >= self.num_classes:
                raise ValueError(
                    f"{self.name}: labels of the {split} split must be 0 to "
                    f"{self.num_classes - 1}. Received: {labels.max()}"
                )

    def __repr__(self) -> str:
        sizes = ", ".join(f"{len(examples):,} {split}" for split, examples in self.splits.items())
        learned = f"{self.recipe.task}, {plural(self.outputs, 'output')}"
        if self.num_classes is not None:
            learned = plural(self.num_classes, "class", "classes")
        return f"Dataset({self.name}: {sizes}, each {self.input_shape}; {learned})"

    @property
    def task(self) -> LearningTask:
        """What is learned."""
        return TASKS[self.recipe.task]

    @property
    def outputs(self) -> int:
        """How many numbers the last layer of a network gives: logits of classes or labels, or the numbers."""
        if self.num_classes is not None:
            return self.num_classes
        return int(next(iter(self.splits.values())).labels.shape[-1])

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of the raw examples of all splits, so that a changed file is a changed dataset."""
        hasher = hashlib.blake2b(digest_size=8)
        for split in sorted(self.splits):
            self.splits[split].add_to_hash(hasher, split)
        return hasher.hexdigest()

    @property
    def train(self) -> tuple[np.ndarray, np.ndarray]:
        """(x, y) of the training split: normalised float32, not augmented, and labels, int32 or float32."""
        return self._arrays("train")

    @property
    def test(self) -> tuple[np.ndarray, np.ndarray]:
        """(x, y) of the test split."""
        return self._arrays("test")

    @property
    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """(x, y) of the part held out of the training split with `validation_fraction`."""
        return self._arrays("validation")

    def batches(
        self,
        split: str,
        batch_size: int,
        *,
        epochs: Sequence[int] = range(1),
        shuffle: bool = False,
        augment: bool = False,
        seed: int = 0,
        first_step: int = 0,
    ) -> tf.data.Dataset:
        """Batches `(x, y)` of the given epochs, one epoch after another.

        x is float32 `(batch, *input_shape)`, y int32 `(batch,)` or float32 `(batch, outputs)`. The order
        is a function of (seed, epoch) and the augmentation one of (seed, epoch, step within the epoch), so
        any part of a training can be made again alone.

        Args:
            split: `"train"`, `"test"` or `"validation"`.
            batch_size: examples in a batch; the last batch of each epoch has what is left.
            epochs: numbers of the epochs, each 0 or more.
            shuffle: whether every epoch has its own random order.
            augment: whether images are randomly cropped and flipped as `preprocessing` allows.
            seed: of order and augmentation, in [0, 2**63).
            first_step: number of batches of the first epoch that are left out, without computing them.

        Raises:
            ValueError: the split is missing, a number is out of range, or augmentation is
                asked of a dataset that has none.
        """
        epochs = [_whole("an epoch", epoch) for epoch in epochs]
        steps = self.steps_per_epoch(split, batch_size)
        seed = _whole("seed", seed)
        if seed >= 2**63:
            raise ValueError(f"seed must be below 2**63. Received: {seed}")
        last_step = steps if epochs else 0
        if _whole("first_step", first_step) > last_step:
            raise ValueError(
                f"first_step must be at most {last_step}, the steps of the first epoch. "
                f"Received: {first_step}"
            )
        if augment and not self.preprocessing.augments:
            raise ValueError(
                f"{self.name} has no augmentation (its examples are small images or vectors, which "
                "a random crop would destroy). Use augment=False."
            )
        return epoch_batches(
            self._examples(split),
            self.preprocessing,
            int(batch_size),
            epochs=epochs,
            shuffle=shuffle,
            augment=augment,
            seed=seed,
            first_step=int(first_step),
        )

    def first(self, split: str, count: int) -> np.ndarray:
        """x of the first `count` examples of a split, as the model sees them; of all, if there are fewer."""
        return self.preprocessing.normalise(self._examples(split).first(count))

    def steps_per_epoch(self, split: str, batch_size: int) -> int:
        """Batches in one epoch of a split, the partial last one included."""
        if _whole("batch_size", batch_size) == 0:
            raise ValueError("batch_size must be 1 or more. Received: 0")
        return -(-len(self._examples(split)) // int(batch_size))

    def replace(self, split: str, examples: Examples) -> Dataset:
        """A copy with other raw examples in one of its splits; this dataset stays as it is.

        Raises:
            ValueError: there is no such split, or the examples do not fit the dataset.
        """
        self._examples(split)
        return dataclasses.replace(self, splits={**self.splits, split: examples})

    def _arrays(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        examples = self._examples(split)
        return self.preprocessing.normalise(np.asarray(examples.images)), examples.labels.copy()

    def _examples(self, split: str) -> Examples:
        if split not in self.splits:
            hint = (
                " Load the dataset with validation_fraction= to hold some out."
                if split == "validation"
                else ""
            )
            raise ValueError(f"{self.name} has no split {split!r}. Splits: {', '.join(self.splits)}.{hint}")
        return self.splits[split]


def _whole(name: str, value: Any) -> int:
    if not is_whole(value, 0):
        raise ValueError(f"{name} must be a whole number, 0 or more. Received: {value!r}")
    return int(value)
