"""From raw examples to what the model sees: `Preprocessing`, and the statistics it needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from tf_tickets.support.numbers import is_finite, is_whole

_PIECE = 1 << 16  # values that are looked at together


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Scaling, normalisation, and the augmentation that a dataset allows.

    The model sees `(raw * scale - mean) / std`. Augmentation pads the raw image with black pixels
    first, so padded pixels become `-mean / std` and not zero, as in the authors' code.

    Args:
        scale: what a raw value is multiplied by, for example 1/255.
        mean: of the scaled values, one for all or one for each entry of the last axis.
        std: likewise, each above 0.
        pad: black pixels on every side of an image before it is cropped back to its size.
        crop: whether augmentation crops at random.
        flip: whether augmentation mirrors every second image, left to right.
    """

    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pad: int = 4
    crop: bool = False
    flip: bool = False

    def __post_init__(self) -> None:
        values = (self.scale, *self.mean, *self.std)
        if not all(map(is_finite, values)) or self.scale <= 0 or min(self.std) <= 0:
            raise ValueError(
                "scale and std must be above 0, and mean finite. "
                f"Received: scale={self.scale}, mean={self.mean}, std={self.std}"
            )
        if len(self.mean) != len(self.std):
            raise ValueError(
                "mean and std must have one value for each channel. "
                f"Received: mean={self.mean}, std={self.std}"
            )
        if not is_whole(self.pad, 0):
            raise ValueError(f"pad must be 0 or more pixels. Received: {self.pad}")

    @property
    def augments(self) -> bool:
        """Whether there is an augmentation for these examples at all."""
        return self.crop or self.flip

    @property
    def gain(self) -> np.ndarray:
        """float32: normalised = raw * gain - offset, in two operations wherever it is computed."""
        return (self.scale / np.array(self.std)).astype(np.float32)

    @property
    def offset(self) -> np.ndarray:
        """float32 mean / std; a black pixel is its negative."""
        return (np.array(self.mean) / np.array(self.std)).astype(np.float32)

    def normalise(self, images: np.ndarray) -> np.ndarray:
        """The model's float32 input for raw examples `(n, ...)`, without augmentation."""
        x = images.astype(np.float32)
        x *= self.gain
        x -= self.offset
        return x


def natural_scale(images: np.ndarray) -> float:
    """The scale that brings unsigned integers to [0, 1]; 1.0 for every other type."""
    return 1 / np.iinfo(images.dtype).max if images.dtype.kind == "u" else 1.0


def mean_and_std(images: np.ndarray, scale: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and population standard deviation of `images * scale`.

    Args:
        images: `(n, height, width, channels)` gives one pair for each channel, vectors
            `(n, features)` one for each feature; vectors of pixels (uint8) one for all, as the
            pixels of an image share their unit.
        scale: factor applied first.

    Returns:
        Two tuples of floats. A constant channel has a std of 1, so that it becomes zero.
    """
    shared = images.ndim == 2 and images.dtype == np.uint8
    columns = images.reshape(-1, 1) if shared else images.reshape(-1, images.shape[-1])
    mean, std = (_byte_statistics if images.dtype == np.uint8 else _statistics)(columns)
    mean, std = mean * scale, std * scale
    # Rounding leaves a constant float column a tiny std that would blow up its noise.
    std = np.where(std > 1e-6 * np.maximum(np.abs(mean), 1e-30), std, 1.0)
    return tuple(map(float, mean)), tuple(map(float, std))


def _byte_statistics(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Histograms are exact and need no float copy of a dataset of a gigabyte.
    values = np.arange(256.0)
    counts = np.zeros((columns.shape[1], 256), np.int64)
    for rows in _pieces(columns):
        counts += np.stack([np.bincount(column, minlength=256) for column in rows.T])
    mean = counts @ values / len(columns)
    return mean, np.sqrt((counts * (values - mean[:, None]) ** 2).sum(axis=1) / len(columns))


def _statistics(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each column in float64, without a copy of all of them."""
    total = sum(rows.sum(axis=0, dtype=np.float64) for rows in _pieces(columns))
    mean = total / len(columns)
    squares = sum(((rows - mean) ** 2).sum(axis=0) for rows in _pieces(columns))
    return mean, np.sqrt(squares / len(columns))


def _pieces(columns: np.ndarray) -> Iterator[np.ndarray]:
    rows = max(1, _PIECE // columns.shape[1])
    for start in range(0, len(columns), rows):
        yield columns[start : start + rows]
