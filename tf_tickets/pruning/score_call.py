"""A call of a score: the batches that it is given, and what it returns, checked."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import MaskedWeight, prunable_weights
from tf_tickets.pruning.scores import SCORES, Score, ScoreFunction, name_of, score_row
from tf_tickets.pruning.scoring_examples import Batch, num_classes_of, read_batches


def checked_scores(
    model: keras.Model,
    score: str | ScoreFunction,
    batches: Sequence[Batch] | None,
    rng: np.random.Generator,
    options: Mapping[str, Any],
    may_tie: bool = False,
) -> list[np.ndarray]:
    """The scores of a model's weights, of the right number, shapes and values.

    Code of a user's own that writes to the model does so in vain.

    Args:
        model: a built Keras model.
        score: a name or a callable, see `tf_tickets.score`.
        batches: what the score looks at; None for none.
        rng: random numbers for the score.
        options: of the score.
        may_tie: accept scores that are all the same, as those of a network that has collapsed are.

    Raises:
        ValueError: an unknown score, or one that returns something else.
    """
    row = score_row(score)
    own = [] if row in SCORES.values() else [(x, x.numpy()) for x in model.variables]
    try:
        arrays = row.resolved(model, batches, rng, **options)
    finally:
        for variable, value in own:
            variable.assign(value)
    return _checked(arrays, prunable_weights(model), score, may_tie)


def batches_for(
    row: Score, model: keras.Model, data: Any, samples_per_class: int | None
) -> list[Batch] | None:
    """The batches that a score looks at; None of a score that looks at none, whose data are not touched.

    Args:
        row: the score's.
        model: whose outputs say how many classes there are.
        data: what a user gave, see `read_batches`.
        samples_per_class: number of examples of each class to pick, see `read_batches`.
    """
    return None if row.data == "unused" else read_batches(data, samples_per_class, num_classes_of(model))


def _checked(
    arrays: Any, weights: Sequence[MaskedWeight], score: str | ScoreFunction, may_tie: bool
) -> list[np.ndarray]:
    name = name_of(score)
    if not isinstance(arrays, Iterable):
        raise ValueError(f"Score {name} returned no list of arrays but {arrays!r}.")
    arrays = [_readable(array) for array in arrays]
    if len(arrays) != len(weights):
        raise ValueError(f"Score {name} returned {len(arrays)} arrays for {len(weights)} prunable weights.")
    for array, entry in zip(arrays, weights, strict=True):
        if array.shape != entry.shape:
            raise ValueError(
                f"Score {name} returned shape {array.shape} for {entry.name} of shape {entry.shape}."
            )
        if array.dtype.kind not in "fiu" or np.isnan(array).any():
            raise ValueError(f"Score {name} returned NaN or no numbers for {entry.name}.")
    total = sum(array.size for array in arrays)
    if total > 1 and not may_tie and all((array == arrays[0].flat[0]).all() for array in arrays):
        raise ValueError(
            f"Score {name} is {arrays[0].flat[0]} for each of the {total:,} weights: it ranks nothing."
        )
    return arrays


def _readable(array: Any) -> np.ndarray:
    """The array as NumPy ranks it: bfloat16, which to NumPy is no number, becomes float32 without loss."""
    array = np.asarray(array)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array
