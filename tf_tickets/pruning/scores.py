"""Scores: how much each weight matters. The largest are kept."""

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import MaskedWeight, prunable_weights
from tf_tickets.streams import stream

ScoreFunction = Callable[..., Sequence[np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Score:
    """One row of the table of scores.

    Attributes:
        function: `(model, batches, rng, **options) -> arrays`, shaped like the weights, in forward order.
        needs_data: whether `batches` is read.
        reference_count: (number of weights, sparsity) -> weights that the authors' code keeps of a global
            ranking by this score, where no two scores tie.
    """

    function: ScoreFunction
    needs_data: bool = False
    reference_count: Callable[[int, float], int] = lambda total, sparsity: int(total * (1 - sparsity))

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the keyword options that the function takes."""
        parameters = list(inspect.signature(self.function).parameters.values())[3:]
        return tuple(p.name for p in parameters if p.kind is not p.VAR_KEYWORD)


def score(
    model: keras.Model,
    score: str | ScoreFunction,
    data: Any = None,
    seed: int = 0,
    **options: Any,
) -> list[np.ndarray]:
    """Scores every prunable weight of a model; larger means more worth keeping.

    Args:
        model: a built Keras model, masked or not. Nothing of it is changed.
        score: a name, one of `SCORES`, or your own callable `(model, batches, rng, **options) -> arrays`.
        data: `(x, y)` arrays, taken as one batch, or a `tf.data.Dataset` of batches. Exactly those examples,
            in their order. Not needed by scores that see no data.
        seed: seed of the score's own random stream.
        **options: options of the score.

    Returns:
        List of float arrays shaped like the weights, in forward order.

    Raises:
        ValueError: unknown score or option, data missing, a model with nothing to prune, or scores of a
            wrong number, shape or value (NaN).

    Example:
        >>> scores = tt.score(model, "magnitude")
    """
    row = score_row(score)
    check_options(row, options)
    weights = weights_to_score(model)
    if row.needs_data and data is None:
        raise ValueError(f"score={score!r} needs data=: (x, y) arrays or a tf.data.Dataset of batches.")
    arrays = row.function(model, data, stream(seed, "score"), **options)
    return _checked(arrays, weights, score)


def score_row(score: str | ScoreFunction) -> Score:
    """The row of a score's name, or a row made of a callable."""
    if callable(score):
        return Score(function=score, needs_data=False)
    if not isinstance(score, str) or score not in SCORES:
        raise ValueError(
            f"score={score!r} is unknown. Choose one of: {', '.join(SCORES)}, or pass a callable "
            "(model, batches, rng) -> arrays."
        )
    return SCORES[score]


def weights_to_score(model: keras.Model) -> list[MaskedWeight]:
    """The model's prunable weights; refuses what is no model, or has none."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"Pruning takes a keras.Model. Received: {type(model).__name__}")
    weights = prunable_weights(model)
    if not weights:
        raise ValueError(f"Model '{model.name}' has nothing to prune: no convolution or dense kernel.")
    return weights


def check_options(row: Score, options: dict[str, Any], also: Sequence[str] = ()) -> None:
    """Refuses options that neither the score nor its caller takes, and a callable that is no score."""
    signature = inspect.signature(row.function)
    own = {name: value for name, value in options.items() if name not in also}
    if not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        unknown = sorted(set(own) - set(row.options))
        if unknown:
            accepted = ", ".join(sorted({*row.options, *also})) or "none"
            raise ValueError(f"Unknown option {', '.join(unknown)}. Accepted here: {accepted}.")
    try:
        signature.bind("model", "batches", "rng", **own)
    except TypeError as error:
        raise ValueError(
            f"A score is called as (model, batches, rng, **options), and {name_of(row.function)} cannot be: "
            f"{error}."
        ) from None


def random(model, batches, rng) -> list[np.ndarray]:
    """Independent uniform draws: the top k of them are a uniformly random choice of k weights."""
    return [rng.random(entry.shape) for entry in prunable_weights(model)]


def magnitude(model, batches, rng) -> list[np.ndarray]:
    """|w|, of the values that the weights hold now."""
    return [np.abs(keras.ops.convert_to_numpy(entry.weight)) for entry in prunable_weights(model)]


def _lt_count(total: int, sparsity: float) -> int:
    # The script takes the float32 product as an index and keeps what is strictly above that element.
    return total - int(np.float32(total) * np.float32(sparsity)) - 1


SCORES: dict[str, Score] = {
    "random": Score(function=random),
    "magnitude": Score(function=magnitude, reference_count=_lt_count),
}


def _checked(arrays, weights: Sequence[MaskedWeight], score) -> list[np.ndarray]:
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
    return arrays


def _readable(array) -> np.ndarray:
    """The array as NumPy ranks it: bfloat16, which to NumPy is no number, becomes float32 without loss."""
    array = np.asarray(array)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def name_of(score: str | ScoreFunction) -> str:
    """The name of a score, also of a callable."""
    return score if isinstance(score, str) else getattr(score, "__name__", repr(score))
