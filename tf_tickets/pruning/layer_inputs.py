"""The inputs of a model's layers on batches of examples, seen as the model predicts."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import MaskedWeight, call_arguments, wrapped_calls
from tf_tickets.pruning.input_view import InputView, input_views
from tf_tickets.pruning.scoring_examples import Batch
from tf_tickets.pruning.stateless import Values, functions_run, precision_of, stateless_in


def watch_inputs(
    model: keras.Model,
    entries: Sequence[MaskedWeight],
    values: Values,
    batches: Sequence[Batch],
    watched: dict[int, InputView],
    take: Callable[[int, tf.Tensor], None],
) -> None:
    """Runs the model on each batch, as it predicts, and hands over what weights are multiplied with.

    Everything is computed in the precision of the weights, and at least in float32. Nothing of the model
    changes. What the model makes a `tf.function` is run step by step meanwhile.

    Args:
        model: a built model.
        entries: its prunable weights, all of them.
        values: of the weights, which the model computes with.
        batches: `(x, ...)` each; of labels and weights nothing is seen.
        watched: position of a weight in `entries` -> its view.
        take: (position, rows) -> None, called with all inputs of the weight, part by part, see `InputView`.
            A layer that is called several times is seen each time.

    Raises:
        ValueError: a layer is called inside a loop or function where its inputs have no values, or not at
            all.
    """
    seen: set[int] = set()

    def watch(layer: keras.Layer, call: Callable) -> Callable:
        own = [position for position in watched if entries[position].layer is layer]

        def watching(*args: Any, **kwargs: Any) -> Any:
            x = tf.convert_to_tensor(args[0] if args else next(iter(kwargs.values())))
            for position in own:
                if not hasattr(x, "numpy"):
                    raise ValueError(
                        f"The inputs of {entries[position].name} cannot be seen: its layer is called inside "
                        "a loop that is compiled. Leave it out by "
                        "tf_tickets.mask_layers(model, exclude=...)."
                    )
                seen.add(position)
                for rows in watched[position].rows(x):
                    take(position, rows)
            return call(*args, **kwargs)

        return watching

    layers = [entries[position].layer for position in watched]
    precision = precision_of(entries)
    # So that tensors inside of functions have values.
    with (
        functions_run(eagerly=True),
        stateless_in(model, precision, entries, values),
        wrapped_calls(layers, watch),
    ):
        for batch in batches:
            model(*call_arguments(model, batch[0]), training=False)
    missed = [entries[position].name for position in sorted(set(watched) - seen)]
    if missed:
        raise ValueError(f"No example met {', '.join(missed)}: its layer was not called on the data.")


def input_norms(
    model: keras.Model, entries: Sequence[MaskedWeight], values: Values, batches: Sequence[Batch]
) -> list[np.ndarray]:
    """The L2 norm of what each weight is multiplied with, over all examples and positions of the batches.

    Args:
        model, entries, values, batches: see `watch_inputs`.

    Returns:
        One float64 array a weight, shaped like it; in one forward pass over the batches.

    Raises:
        ValueError: see `input_views` and `watch_inputs`.
    """
    views = input_views(entries)
    squares = [np.zeros(view.sizes[:2]) for view in views]

    def take(position: int, rows: tf.Tensor) -> None:
        squares[position] += tf.reduce_sum(tf.square(rows), axis=1).numpy()

    watch_inputs(model, entries, values, batches, dict(enumerate(views)), take)
    return [
        view.weight(np.broadcast_to(np.sqrt(square)[..., None], view.sizes))
        for view, square in zip(views, squares, strict=True)
    ]


def input_hessian(
    model: keras.Model,
    entries: Sequence[MaskedWeight],
    values: Values,
    batches: Sequence[Batch],
    position: int,
) -> np.ndarray:
    """H = 2 X^T X of one weight: the Hessian of the squared error of its layer's outputs.

    Args:
        model, entries, values, batches: see `watch_inputs`.
        position: of the weight.

    Returns:
        Float64 array `(groups, inputs, inputs)`; all outputs of a group share it. Takes one forward pass
        over the batches.

    Raises:
        ValueError: see `input_views` and `watch_inputs`.
    """
    (view,) = input_views([entries[position]])
    groups, inputs, _ = view.sizes
    hessian = np.zeros((groups, inputs, inputs))

    def take(_: int, rows: tf.Tensor) -> None:
        hessian[...] += 2.0 * tf.matmul(rows, rows, transpose_a=True).numpy()

    watch_inputs(model, entries, values, batches, {position: view}, take)
    return hessian
