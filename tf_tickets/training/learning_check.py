"""What a loss and a metric make of targets before any training: can they, and what does guessing reach?"""

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.support.scale import PERCENT
from tf_tickets.training.learning_tasks import TASKS
from tf_tickets.training.losses import loss_row
from tf_tickets.training.metrics import Metric, metric_row
from tf_tickets.training.recipe import Recipe

_EXAMPLES = 1000  # of a step


def check_learning(recipe: Recipe, labels: np.ndarray, outputs: int) -> None:
    """Calls the loss and the metric of a recipe on two examples.

    Args:
        recipe: which says both.
        labels: of the test set.
        outputs: numbers that the network gives for an example.

    Raises:
        ValueError: they cannot be called so, or give something else; or the targets are none for the metric.
    """
    y, zeros = tf.constant(labels[:2]), tf.zeros((len(labels[:2]), outputs))
    loss = f"loss={recipe.loss_name!r}"
    try:
        losses = tf.convert_to_tensor(loss_row(recipe.loss_name).of_examples(y, zeros))
    except Exception as error:  # whatever the user's code raises
        raise ValueError(f"{loss} is called as (targets, outputs), and fails: {error}") from error
    if losses.shape != (len(y),) or not losses.dtype.is_floating:
        raise ValueError(
            f"{loss} is to give one number an example, {(len(y),)} here. Received: {losses.dtype.name} of "
            f"shape {tuple(losses.shape)}"
        )
    row, metric = metric_row(recipe.metric_name), f"metric={recipe.metric_name!r}"
    try:
        made = row.make(outputs)
        before = [id(variable) for variable in made.variables]
        made.update_state(y, zeros)
        result = np.asarray(made.result())
        after = [id(variable) for variable in made.variables]
    except Exception as error:  # likewise
        raise ValueError(
            f"{metric} is made as make(outputs), called as update_state(targets, outputs), and fails: {error}"
        ) from error
    if not isinstance(made, keras.metrics.Metric) or result.shape != ():
        raise ValueError(f"{metric} is to be a keras.metrics.Metric of one number. Received: {result!r}")
    if row.unit == PERCENT and not 0 <= result <= 1:
        raise ValueError(
            f"{metric} says by unit={PERCENT!r} that it is a share, in [0, 1]. Received: {result}"
        )
    if before != after:
        raise ValueError(f"{metric} makes variables when it is first called: make them when it is made.")
    if row.both_ways:
        _check_both_ways(metric, labels)


def chance(recipe: Recipe, labels: np.ndarray, outputs: int) -> float:
    """What the metric says of always giving the best constant answer; of accuracy, the largest class's share.

    Args:
        recipe: which says the task and the metric.
        labels: of the test set.
        outputs: numbers that the network gives for an example.
    """
    row: Metric = metric_row(recipe.metric_name)
    if row.chance is not None:
        return row.chance(labels)
    metric = row.make(outputs)
    answers = TASKS[recipe.task].constant(labels, outputs)
    for start in range(0, len(labels), _EXAMPLES):
        chunk = slice(start, start + _EXAMPLES)
        metric.update_state(tf.constant(labels[chunk]), tf.constant(answers[chunk]))
    return float(np.asarray(metric.result()))


def _check_both_ways(metric: str, labels: np.ndarray) -> None:
    constant = np.flatnonzero((labels == labels[0]).all(axis=0))
    if constant.size:
        raise ValueError(
            f"{metric} compares examples with and without a label, and label {constant[0]} of the test set "
            f"is always {labels[0, constant[0]]:g}. Leave it out, or choose another metric."
        )
