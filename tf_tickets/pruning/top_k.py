"""From scores to masks: exact top-k within each layer, or over all layers together."""

from collections.abc import Sequence

import numpy as np

Arrays = Sequence[np.ndarray]
SAMPLE = 1 << 17  # scores, or up to twice as many


def top_k(scores: np.ndarray, keep: int) -> np.ndarray:
    """Flat bool mask of the `keep` largest scores; of equal scores the earlier positions are kept.

    Masks are nested: what is kept at one count is kept at every larger one.

    Args:
        scores: 1-D float array.
        keep: how many to keep, 0 <= keep <= len(scores).

    Raises:
        ValueError: `keep` is out of range, or a score is NaN.
    """
    return global_masks([scores], keep)[0]


def layerwise_masks(scores: Arrays, counts: Sequence[int], within: Arrays | None = None) -> list[np.ndarray]:
    """Keeps the `counts[l]` largest scores of each layer; masks have the shapes of the scores.

    Args:
        scores: one array a layer.
        counts: how many to keep of each.
        within: bool arrays; only what is true there can be kept.
    """
    return [
        global_masks([score], count, within=None if within is None else [within[layer]])[0]
        for layer, (score, count) in enumerate(zip(scores, counts, strict=True))
    ]


def global_masks(
    scores: Arrays, keep: int, within: Arrays | None = None, least: Sequence[int] | None = None
) -> list[np.ndarray]:
    """Keeps the `keep` largest scores of all layers together; ties by position in forward order.

    Args:
        scores: one array a layer.
        keep: how many to keep in all.
        within: bool arrays; only what is true there can be kept.
        least: how many to keep of each layer at least.

    Raises:
        ValueError: more to keep than there is, or less than the layers' least together.
    """
    if least is not None and any(least):
        return _with_least(scores, keep, within, least)
    allowed = [None] * len(scores) if within is None else list(within)
    there = sum(
        score.size if a is None else int(np.count_nonzero(a))
        for score, a in zip(scores, allowed, strict=True)
    )
    if not 0 <= keep <= there:
        raise ValueError(f"Cannot keep {keep:,} of {there:,} weights.")
    if any(np.isnan(score).any() for score in scores):
        raise ValueError("NaN is no score: it has no place in a ranking.")
    if keep == 0:
        return [np.zeros(score.shape, bool) for score in scores]
    threshold = _kth_largest(scores, allowed, keep, there)
    # In the order of C, whatever that of the scores is: the first of equal ones come in that order, too.
    masks = [
        np.asarray(_and(score > threshold, a), order="C") for score, a in zip(scores, allowed, strict=True)
    ]
    missing = keep - sum(int(np.count_nonzero(mask)) for mask in masks)
    for score, mask, a in zip(scores, masks, allowed, strict=True):
        if not missing:
            break
        tied = np.flatnonzero(_and(score == threshold, a))[:missing]
        mask.reshape(-1)[tied] = True
        missing -= tied.size
    return masks


def _kth_largest(scores: Arrays, allowed: Sequence[np.ndarray | None], keep: int, there: int) -> np.generic:
    """The score that `keep` of them reach.

    Of a hundred million scores a copy would be felt. So a sample tells a bound that more than `keep` of them
    reach, and only these are ranked; where it was too high, which is counted, all are.
    """
    flat = _reaching(scores, allowed, _bound(scores, allowed, keep / there))
    if flat.size < keep:
        flat = _reaching(scores, allowed, None)
    # In place, for the same reason.
    flat.partition(flat.size - keep)
    return flat[flat.size - keep]


def _bound(scores: Arrays, allowed: Sequence[np.ndarray | None], part: float) -> np.generic | None:
    """A score that probably a little more than this part of all reach; None where all are to be ranked."""
    total = sum(score.size for score in scores)
    step = max(1, total // SAMPLE)
    if step == 1:
        return None
    sample = np.concatenate(
        [
            _candidates(s.reshape(-1)[::step], None if a is None else a.reshape(-1)[::step])
            for s, a in zip(scores, allowed, strict=True)
        ]
    )
    # Five standard deviations of the count that is reached in the sample.
    wanted = sample.size * part + 5 * (sample.size * part * (1 - part)) ** 0.5 + 5
    if wanted >= sample.size:
        return None
    position = sample.size - 1 - int(wanted)
    return np.partition(sample, position)[position]


def _reaching(scores: Arrays, allowed: Sequence[np.ndarray | None], bound: np.generic | None) -> np.ndarray:
    """A flat copy of the scores that are at least the bound, or of all.

    Counted first and then copied layer by layer, so that the copies of all layers are never there twice.
    """

    def chosen(score: np.ndarray, a: np.ndarray | None) -> np.ndarray | None:
        return a if bound is None else _and(score >= bound, a)

    layers = list(zip(scores, allowed, strict=True))
    sizes = [
        score.size if (c := chosen(score, a)) is None else int(np.count_nonzero(c)) for score, a in layers
    ]
    flat = np.empty(sum(sizes), np.result_type(*scores))
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    for part, (score, a) in zip(parts, layers, strict=True):
        part[:] = _candidates(score, chosen(score, a))
    return flat


def _candidates(score: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
    return score.ravel() if allowed is None else score[allowed]


def _and(mask: np.ndarray, allowed: np.ndarray | None) -> np.ndarray:
    return mask if allowed is None else mask & allowed


def _with_least(scores: Arrays, keep: int, within: Arrays | None, least: Sequence[int]) -> list[np.ndarray]:
    """The best of all layers; where one has less than its least, its own best, and less of the others."""
    room = [score.size for score in scores] if within is None else [int(np.count_nonzero(a)) for a in within]
    counts = [min(count, most) for count, most in zip(least, room, strict=True)]
    if sum(counts) > keep:
        raise ValueError(
            f"min_keep asks for {sum(counts):,} weights in all layers, and the budget is {keep:,}."
        )
    masks = global_masks(scores, keep, within)
    free = list(range(len(scores)))
    while short := [layer for layer in free if np.count_nonzero(masks[layer]) < counts[layer]]:
        for layer in short:
            allowed = None if within is None else [within[layer]]
            masks[layer] = global_masks([scores[layer]], counts[layer], allowed)[0]
        free = [layer for layer in free if layer not in short]
        keep -= sum(counts[layer] for layer in short)
        # What the others keep is among what they had.
        fewer = global_masks([scores[layer] for layer in free], keep, [masks[layer] for layer in free])
        for layer, mask in zip(free, fewer, strict=True):
            masks[layer] = mask
    return masks
