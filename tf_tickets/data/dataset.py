"""Labelled examples in memory: `Dataset`, its splits of `Examples`, and their batches."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_tickets.data import batches as pipeline
from tf_tickets.data.preprocessing import Preprocessing
from tf_tickets.data.stored_images import StoredImages
from tf_tickets.support.numbers import is_whole
from tf_tickets.training.recipe import Recipe

if TYPE_CHECKING:
    import tensorflow as tf

HIGHEST_LABEL = 2**31 - 1


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Raw images (or vectors) and their labels.

    Args:
        images: Array `(n, ...)`: uint8 where the source has bytes, otherwise float32. Or images that
            stay on disk.
        labels: Array `(n,)` of whole numbers; kept as int32.

    Raises:
        ValueError: If there are none, or not as many labels as images.
    """

    images: Any
    labels: np.ndarray

    def __post_init__(self) -> None:
        stored = isinstance(self.images, StoredImages)
        images = self.images if stored else np.asarray(self.images)
        labels = np.asarray(self.labels)
        if images.dtype.kind not in "uif":
            raise ValueError(f"images must hold numbers. Received: {images.dtype}")
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise ValueError(
                f"labels must be a vector of whole numbers. Received: {labels.dtype} of shape {labels.shape}"
            )
        if images.ndim < 2 or len(images) != len(labels) or images.size == 0:
            raise ValueError(
                "images and labels must hold the same number of examples, at least one. "
                f"Received: images {images.shape}, labels {labels.shape}"
            )
        lowest, highest = int(labels.min()), int(labels.max())
        if lowest < 0 or highest > HIGHEST_LABEL:
            raise ValueError(
                f"labels must be 0 or more, and fit into 31 bits. Received: {lowest} to {highest}"
            )
        object.__setattr__(self, "images", images if stored else _read_only(images))
        object.__setattr__(self, "labels", _read_only(labels.astype(np.int32)))

    def __len__(self) -> int:
        return len(self.labels)

    @functools.cached_property
    def tensors(self) -> tuple[Any, Any]:
        """(images, labels) as eager tensors on the CPU, made once and shared by every pipeline.

        Images that stay on disk stay what they are.
        """
        import tensorflow as tf

        with tf.init_scope(), tf.device("CPU:0"):
            stored = isinstance(self.images, StoredImages)
            return self.images if stored else tf.constant(self.images), tf.constant(self.labels)


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset in memory, or with its images on disk, and the recipe to train on it.

    Made by `tf_tickets.data.load`. The splits hold raw examples; `train`, `test` and `validation`
    are ready for Keras; `batches` is the pipeline with order and augmentation that a training uses.

    Args:
        name: What `load` was called with.
        input_shape: Shape of one example, `(height, width, channels)` or `(features,)`.
        num_classes: Labels are 0 to `num_classes - 1`.
        recipe: The training that belongs to the dataset.
        preprocessing: From raw examples to the model's input.
        splits: `"train"`, `"test"` and, if asked for, `"validation"`, each `Examples`.

    Raises:
        ValueError: If the splits do not fit each other.

    Example:

    >>> dataset = tf_tickets.data.load("digits")
    >>> x, y = dataset.train
    >>> model.fit(x, y)
    >>> model.fit(dataset.batches("train", 64, shuffle=True))
    """

    name: str
    input_shape: tuple[int, ...]
    num_classes: int
    recipe: Recipe
    preprocessing: Preprocessing
    splits: Mapping[str, Examples]

    def __post_init__(self) -> None:
        for split, examples in self.splits.items():
            if examples.images.shape[1:] != self.input_shape:
                raise ValueError(
                    f"{self.name}: examples of the {split} split have the shape "
                    f"{examples.images.shape[1:]}, but the dataset's is {self.input_shape}."
                )
            highest = examples.labels.max()
            if highest >= self.num_classes:
                raise ValueError(
                    f"{self.name}: labels of the {split} split must be 0 to "
                    f"{self.num_classes - 1}. Received: {highest}"
                )

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of the raw examples of all splits, so that a changed file is a changed dataset."""
        hasher = hashlib.blake2b(digest_size=8)
        for split in sorted(self.splits):
            examples = self.splits[split]
            for array in (examples.images, examples.labels):
                hasher.update(f"{split}{array.shape}{array.dtype}".encode())
                if isinstance(array, StoredImages):
                    hasher.update(array.fingerprint())
                else:
                    hasher.update(np.ascontiguousarray(array).data)
                if array.ndim == 2 and array.dtype.kind == "f":
                    hasher.update(b"standardised by columns")  # as they were not at first
        return hasher.hexdigest()

    @property
    def train(self) -> tuple[np.ndarray, np.ndarray]:
        """(x, y) of the training split: normalised float32, not augmented, and int32 labels."""
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

        x is float32 `(batch, *input_shape)`, y int32 `(batch,)`. The order is a function of (seed,
        epoch) and the augmentation one of (seed, epoch, step within the epoch), so any part of a
        training can be made again alone.

        Args:
            split: `"train"`, `"test"` or `"validation"`.
            batch_size: Examples in a batch; the last batch of each epoch has what is left.
            epochs: Numbers of the epochs, each 0 or more.
            shuffle: Whether every epoch has its own random order.
            augment: Whether images are randomly cropped and flipped as `preprocessing` allows.
            seed: Of order and augmentation, in [0, 2**63).
            first_step: So many batches of the first epoch are left out, without computing them.

        Raises:
            ValueError: If the split is missing, a number is out of range, or augmentation is
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
        images, labels = self._examples(split).tensors
        return pipeline.build(
            images,
            labels,
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
        images = self._examples(split).images[:count]
        if isinstance(images, StoredImages):
            images = images.batch(np.arange(len(images))).numpy()
        return self.preprocessing.normalise(images)

    def steps_per_epoch(self, split: str, batch_size: int) -> int:
        """Batches in one epoch of a split, the partial last one included."""
        if _whole("batch_size", batch_size) == 0:
            raise ValueError("batch_size must be 1 or more. Received: 0")
        return -(-len(self._examples(split)) // int(batch_size))

    def replace(self, split: str, examples: Examples) -> Dataset:
        """A copy with other raw examples in one of its splits; this dataset stays as it is.

        Raises:
            ValueError: If there is no such split, or the examples do not fit the dataset.
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


def _read_only(array: np.ndarray) -> np.ndarray:
    # Pipelines share a tensor made from the array once; a later write would reach only some.
    view = array.view()
    view.flags.writeable = False
    return view


def _whole(name: str, value: Any) -> int:
    if not is_whole(value, 0):
        raise ValueError(f"{name} must be a whole number, 0 or more. Received: {value!r}")
    return int(value)
