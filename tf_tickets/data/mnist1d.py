"""MNIST-1D: ten digits as one-dimensional signals of 40 values, made when they are asked for."""

from __future__ import annotations

import numpy as np

from tf_tickets.data.examples import Examples
from tf_tickets.data.splits import Splits

CLASSES, PER_CLASS, TRAINING = 10, 500, 4000
LENGTH = 40
SEED = 42  # the authors'

# Heights of a pen that draws the digit from the left to the right, one row a digit.
_TEMPLATES = np.array(
    [
        [5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5],
        [5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5],
        [5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5],
        [5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5],
        [5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5],
        [5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5],
        [5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5],
        [5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5],
    ]
)
_LEAST_PADDING, _MOST_PADDING = 36, 60
_CANVAS = _TEMPLATES.shape[1] + _MOST_PADDING
_MOST_SHIFT = 48
_SCALE, _SHEAR = 0.4, 0.75  # widths of the uniform distributions of the two
_BACKGROUND, _SMOOTHING = 0.25, 2.0  # deviation of the noise before it is smoothed, and of the Gaussian
_NOISE = 0.02
# Tells the digit from the padding, where both are 0.
_PEN = 1e-8


def read(name: str, data_dir: str | None, image_size: tuple[int, int] | None) -> Splits:
    """float32 signals `(n, 40)`, 4,000 for training and 1,000 for the test, the same whatever the seed.

    The construction, its constants, the order of its random draws and its split are the authors', so these
    are the signals that their program makes with its own seed, but for rounding.

    Reference: Greydanus and Kobak, [Scaling Down Deep Learning with
    MNIST-1D](https://arxiv.org/abs/2011.14439), section 2 and appendix A.
    """
    # NumPy keeps what this generator draws as it is; the newer ones may change between versions.
    rng = np.random.RandomState(SEED)
    signals = np.stack([_signal(digit, rng) for digit in _digits() for _ in range(PER_CLASS)])
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)
    order = rng.permutation(len(labels))
    signals = ((signals[order] - signals.mean()) / signals.std()).astype(np.float32)
    labels = labels[order]
    return Splits(
        Examples(signals[:TRAINING], labels[:TRAINING]),
        Examples(signals[TRAINING:], labels[TRAINING:]),
        CLASSES,
        as_given=True,
    )


def _digits() -> np.ndarray:
    """The templates, each of deviation 1/6, that begin at 0."""
    digits = _TEMPLATES - _TEMPLATES.mean(axis=1, keepdims=True)
    digits = digits / digits.std(axis=1, keepdims=True)
    return (digits - digits[:, :1]) / 6


def _signal(digit: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
    """One example: a digit that is padded, stretched, scaled, shifted, made noisy, sheared and subsampled."""
    padding = _LEAST_PADDING + int(rng.rand() * (_MOST_PADDING - _LEAST_PADDING + 1))
    signal = _resampled(np.append(digit + _PEN, np.zeros(padding)), _CANVAS)
    signal = signal * (1 + _SCALE * (rng.rand() - 0.5))
    signal = np.roll(signal, rng.choice(_MOST_SHIFT))
    background = _smoothed(_BACKGROUND * rng.randn(_CANVAS))
    signal = np.where(signal != 0, signal, background) + _NOISE * rng.randn(_CANVAS)
    slope = _SHEAR * (rng.rand() - 0.5)
    return _resampled(signal - slope * np.linspace(-0.5, 0.5, _CANVAS), LENGTH)


def _resampled(signal: np.ndarray, length: int) -> np.ndarray:
    """Linear interpolation at so many places, both ends included."""
    return np.interp(np.linspace(0, 1, length), np.linspace(0, 1, len(signal)), signal)


def _smoothed(noise: np.ndarray) -> np.ndarray:
    """Under a Gaussian of four deviations to each side; beyond its ends the noise is mirrored."""
    reach = int(4 * _SMOOTHING + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / _SMOOTHING) ** 2)
    mirrored = np.concatenate([noise[:reach][::-1], noise, noise[-reach:][::-1]])
    return np.convolve(mirrored, weights / weights.sum(), mode="valid")
