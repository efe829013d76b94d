"""From scores to masks: exact top-k within each layer, or over all layers together."""

from collections.abc import Sequence

import numpy as np


def top_k(scores: np.ndarray, keep: int) -> np.ndarray:
    """Flat bool mask of the `keep` largest scores; of equal scores the earlier positions are kept.

    Masks are nested: what is kept at one count is kept at every larger one.

    Args:
        scores: 1-D float array.
        keep: how many to keep, 0 <= keep <= len(scores).

    Raises:
        ValueError: `keep` is out of range, or a score is NaN.
    """
    if not 0 <= keep <= scores.size:
        raise ValueError(f"Cannot keep {keep:,} of {scores.size:,} weights.")
    if np.isnan(scores).any():
        raise ValueError("NaN is no score: it has no place in a ranking.")
    if keep == scores.size:
        return np.ones(scores.size, bool)
    if keep == 0:
        return np.zeros(scores.size, bool)
    threshold = np.partition(scores, scores.size - keep)[scores.size - keep]
    mask = scores > threshold
    tied = np.flatnonzero(scores == threshold)
    mask[tied[: keep - np.count_nonzero(mask)]] = True
    return mask


def layerwise_masks(scores: Sequence[np.ndarray], counts: Sequence[int]) -> list[np.ndarray]:
    """Keeps the `counts[l]` largest scores of each layer; masks have the shapes of the scores."""
    return [
        top_k(score.ravel(), count).reshape(score.shape) for score, count in zip(scores, counts, strict=True)
    ]


def global_masks(scores: Sequence[np.ndarray], keep: int) -> list[np.ndarray]:
    """Keeps the `keep` largest scores of all layers together; ties by position in forward order."""
    flat = np.concatenate([score.ravel() for score in scores])
    mask = top_k(flat, keep)
    ends = np.cumsum([score.size for score in scores])[:-1]
    return [part.reshape(score.shape) for part, score in zip(np.split(mask, ends), scores, strict=True)]
