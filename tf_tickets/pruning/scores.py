"""Scores: how much each weight matters, and which end of the scale is kept."""

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import MaskedWeight, prunable_weights
from tf_tickets.pruning import saliency
from tf_tickets.pruning.batches import Batch
from tf_tickets.support.late import resolve

ScoreFunction = Callable[..., Sequence[np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Score:
    """One row of the table of scores.

    Attributes:
        function: `(model, batches, rng, **options) -> arrays`, shaped like the weights, in forward order.
            `batches` is a list of `(x, y)` tensors, or None where none were given.
        data: whether batches are `"unused"`, `"used"` where they are given, or `"needed"`.
        keeps: `"largest"` or `"smallest"` scores.
        rounds: how many rounds of scoring and pruning make a ticket, unless `rounds=` says otherwise.
        sees_masks: whether the score depends on what is masked; if not, further rounds change nothing.
        independent: whether scores are independent uniform draws in [0, 1), of which Bernoulli masks can be
            made.
        reference_count: (number of weights, sparsity) -> weights that the authors' code keeps of a global
            ranking by this score, where no two scores tie.
    """

    function: ScoreFunction
    data: str = "unused"
    keeps: str = "largest"
    rounds: int = 1
    sees_masks: bool = True
    independent: bool = False
    reference_count: Callable[[int, float], int] = lambda total, sparsity: int(total * (1 - sparsity))

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the keyword options that the function takes."""
        parameters = list(inspect.signature(self.function).parameters.values())[3:]
        return tuple(p.name for p in parameters if p.kind is not p.VAR_KEYWORD)


def checked_scores(
    model: keras.Model,
    score: str | ScoreFunction,
    batches: list[Batch] | None,
    rng: np.random.Generator,
    options: Mapping[str, Any],
    may_tie: bool = False,
) -> list[np.ndarray]:
    """Calls a score and checks what it returns; arguments and errors as for `score`.

    Code of a user's own that writes to the model does so in vain.

    Args:
        model, score, batches, rng, options: as for `score`.
        may_tie: accept scores that are all the same, as those of a network that has collapsed are.
    """
    row = score_row(score)
    own = [] if row in SCORES.values() else [(x, np.array(x)) for x in model.variables]
    try:
        arrays = row.function(model, batches, rng, **options)
    finally:
        for variable, value in own:
            variable.assign(value)
    return _checked(arrays, prunable_weights(model), score, may_tie)


def num_classes_of(model: keras.Model) -> int | None:
    """How many classes the labels have: the outputs of a model with one output `(batch, classes)`."""
    try:
        shape = model.output_shape
    except (AttributeError, ValueError):  # a subclassed model
        return None
    return shape[-1] if isinstance(shape, tuple) and len(shape) == 2 and (shape[-1] or 0) > 1 else None


def check_data(score: str | ScoreFunction, data: Any) -> None:
    """Refuses to score without data where they are needed."""
    if data is None and score_row(score).data == "needed":
        raise ValueError(
            f"score={name_of(score)!r} needs data=: (x, y) arrays or a tf.data.Dataset of batches."
        )


def score_row(score: str | ScoreFunction) -> Score:
    """The row of a score's name, or a row made of a callable, also of one named `"module:function"`."""
    if callable(score):
        return Score(function=score, data="used")
    if isinstance(score, str) and ":" in score:
        return Score(function=imported(score), data="used")
    if not isinstance(score, str) or score not in SCORES:
        raise ValueError(
            f"score={score!r} is unknown. Choose one of: {', '.join(SCORES)}, or pass a callable "
            "(model, batches, rng) -> arrays, or its name as 'module:function'."
        )
    return SCORES[score]


def imported(name: str) -> ScoreFunction:
    """The callable that `"module:function"` names.

    Raises:
        ValueError: the module cannot be imported, or has no such callable.
    """
    module_name, _, attribute = name.partition(":")
    try:
        value = resolve(name)
    except Exception as error:  # whatever the module does on import
        raise ValueError(
            f"score={name!r}: {module_name} has no {attribute or 'function'} to import ({error}). "
            "It is written module:function, the module on Python's path or in the current directory."
        ) from error
    if not callable(value):
        raise ValueError(f"score={name!r} is no function but {type(value).__name__}.")
    return value


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


def _grasp_count(total: int, sparsity: float) -> int:
    # The weight at the threshold is kept with what lies beyond it.
    return total - int(total * (1 - (1 - sparsity))) + 1


SCORES: dict[str, Score] = {
    "random": Score(function=random, sees_masks=False, independent=True),
    "magnitude": Score(function=magnitude, sees_masks=False, reference_count=_lt_count),
    "snip": Score(function=saliency.snip, data="needed"),
    "grasp": Score(function=saliency.grasp, data="needed", keeps="smallest", reference_count=_grasp_count),
    "synflow": Score(function=saliency.synflow, rounds=100),
    "obd": Score(function=saliency.obd, data="needed"),
}


def _checked(arrays, weights: Sequence[MaskedWeight], score, may_tie: bool) -> list[np.ndarray]:
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


def _readable(array) -> np.ndarray:
    """The array as NumPy ranks it: bfloat16, which to NumPy is no number, becomes float32 without loss."""
    array = np.asarray(array)
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def name_of(score: str | ScoreFunction) -> str:
    """The name of a score, also of a callable."""
    return score if isinstance(score, str) else getattr(score, "__name__", repr(score))
