"""Tasks, losses and metrics: the promises of every row, their values, and the trainer with each of them."""

import contextlib

import keras
import numpy as np
import pytest
import sklearn.metrics
import tensorflow as tf

from tests import nets
from tests.replicas import two_replicas
from tests.runs import eagerly
from tf_tickets.training import LOSSES, METRICS, SGD, TASKS, Loss, Metric, Trainer
from tf_tickets.training.learning_check import chance, check_learning
from tf_tickets.training.losses import loss_row
from tf_tickets.training.metrics import metric_row
from tf_tickets.training.recipe import Recipe
from tf_tickets.training.state import State

RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(size=(50, 3)).astype(np.float32)
TARGETS = {
    "classification": RNG.integers(0, 3, 50).astype(np.int32),
    "multi_label": RNG.integers(0, 2, (50, 3)).astype(np.float32),
    "regression": (OUTPUTS + RNG.normal(size=(50, 3)) * 2).astype(np.float32),
}
ROWS = [(task, loss) for task, row in TASKS.items() for loss in row.losses]
MEASURED = [(task, metric) for task, row in TASKS.items() for metric in row.metrics]


def recipe(task="classification", **fields):
    return Recipe(model="mlp_4", epochs=1, augment=False, task=task, **fields)


def errors():
    return OUTPUTS - TARGETS["regression"]


VALUES = {
    "cross_entropy": lambda y: keras.losses.sparse_categorical_crossentropy(y, OUTPUTS, from_logits=True),
    "binary_cross_entropy": lambda y: keras.losses.binary_crossentropy(y, OUTPUTS, from_logits=True),
    "mean_squared": lambda y: keras.losses.mean_squared_error(y, OUTPUTS),
    "mean_absolute": lambda y: keras.losses.mean_absolute_error(y, OUTPUTS),
    "huber": lambda y: keras.losses.huber(y, OUTPUTS, delta=1.0),
}


class TestLosses:
    @pytest.mark.parametrize(("task", "loss"), ROWS)
    def test_are_one_number_an_example_and_their_mean_is_what_models_are_compiled_with(self, task, loss):
        y = TARGETS[task]
        losses = LOSSES[loss].of_examples(y, OUTPUTS)
        np.testing.assert_allclose(losses, VALUES[loss](y), rtol=1e-5)
        compiled = LOSSES[loss].compiled
        np.testing.assert_allclose(compiled(y, OUTPUTS), np.mean(losses), rtol=1e-5)
        assert bool(compiled.get_config().get("from_logits")) == LOSSES[loss].of_logits

    def test_labels_are_smoothed_towards_one_half(self):
        y = TARGETS["multi_label"]
        smoothed = LOSSES["binary_cross_entropy"].of_examples(y, OUTPUTS, smoothing=0.2)
        expected = keras.losses.binary_crossentropy(0.8 * y + 0.1, OUTPUTS, from_logits=True)
        np.testing.assert_allclose(smoothed, expected, rtol=1e-5)

    def test_every_row_is_of_a_task(self):
        assert {loss for _, loss in ROWS} == set(LOSSES)
        assert {metric for _, metric in MEASURED} == set(METRICS)


EXPECTED = {
    "accuracy": lambda y: np.mean(OUTPUTS.argmax(1) == y),
    "binary_accuracy": lambda y: np.mean((OUTPUTS > 0) == y),
    "auc": lambda y: sklearn.metrics.roc_auc_score(y, OUTPUTS, average="macro"),
    "mean_absolute_error": lambda y: np.abs(errors()).mean(),
    "root_mean_squared_error": lambda y: np.sqrt(np.square(errors()).mean()),
    "r2": lambda y: sklearn.metrics.r2_score(y, OUTPUTS),
}
CHANCES = {
    "accuracy": lambda y: np.bincount(y).max() / 50,
    "binary_accuracy": lambda y: np.maximum(y.mean(0), 1 - y.mean(0)).mean(),
    "auc": lambda y: 0.5,
    "mean_absolute_error": lambda y: np.abs(y - y.mean(0)).mean(),
    "root_mean_squared_error": lambda y: np.sqrt(y.var(0).mean()),
    "r2": lambda y: 0.0,
}


class TestMetrics:
    @pytest.mark.parametrize(("task", "name"), MEASURED)
    def test_of_batches_are_those_of_all_examples(self, task, name):
        y, metric = TARGETS[task], METRICS[name].make(3)
        for part in (slice(0, 7), slice(7, 50)):
            metric.update_state(tf.constant(y[part]), tf.constant(OUTPUTS[part]))
        assert float(metric.result()) == pytest.approx(EXPECTED[name](y), abs=2e-3 if name == "auc" else 1e-6)

    @pytest.mark.parametrize(("task", "name"), MEASURED)
    def test_guessing_is_the_best_constant_answer(self, task, name):
        y = TARGETS[task]
        assert chance(recipe(task, metric=name), y, 3) == pytest.approx(CHANCES[name](y), abs=1e-5)

    def test_explained_variance_is_that_of_targets_far_from_zero(self):
        y, metric = TARGETS["regression"] + np.float32(1e4), METRICS["r2"].make(3)
        metric.update_state(y, OUTPUTS + np.float32(1e4))
        assert float(metric.result()) == pytest.approx(EXPECTED["r2"](TARGETS["regression"]), abs=1e-3)


def summed(targets, outputs):
    return tf.reduce_sum(targets - outputs)


def per_example(targets, outputs):
    return tf.reduce_max(tf.abs(targets - outputs), axis=-1)


LATE = Metric(make=lambda outputs: keras.metrics.R2Score())
MANY = Metric(make=lambda outputs: keras.metrics.R2Score(class_aggregation=None))
FINE = Metric(
    make=lambda outputs: keras.metrics.MeanSquaredError(), higher_is_better=False, unit="kg", margin=1.0
)
LOSS = Metric(make=lambda outputs: keras.metrics.MeanSquaredError())
BEYOND = Metric(make=lambda outputs: keras.metrics.MeanMetricWrapper(lambda y, z: 0 * z + 7), unit="%")
ROW = Loss(per_example, of_logits=True)


class TestOnesOwn:
    def test_are_functions_and_rows_by_name(self):
        assert loss_row(f"{__name__}:per_example").of_examples is per_example
        assert loss_row(f"{__name__}:ROW") is ROW
        row = metric_row(f"{__name__}:FINE")
        assert row is FINE and row.scale(f"{__name__}:FINE").record == {
            "metric": {"metric": "fine", "higher_is_better": False, "unit": "kg", "margin": 1.0}
        }
        check_learning(
            recipe("regression", loss=f"{__name__}:per_example", metric=f"{__name__}:FINE"),
            TARGETS["regression"],
            3,
        )

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            (
                {"loss": f"{__name__}:summed"},
                r"is to give one number an example, \(2,\) here. Received: .* \(\)",
            ),
            ({"loss": f"{__name__}:recipe"}, r"is called as \(targets, outputs\), and fails"),
            ({"loss": "mean_squarred"}, "is unknown. Did you mean mean_squared?"),
            ({"metric": f"{__name__}:per_example"}, "function, which does not say whether more is better"),
            ({"metric": f"{__name__}:LATE"}, "makes variables when it is first called"),
            ({"metric": f"{__name__}:MANY"}, "of one number"),
            ({"metric": f"{__name__}:LOSS"}, "call it otherwise; loss is another number of a run"),
            ({"metric": f"{__name__}:BEYOND"}, "that it is a share, in"),
            ({"metric": "acuracy"}, "is unknown. Did you mean accuracy?"),
        ],
    )
    def test_that_are_none_are_refused(self, fields, message):
        with pytest.raises(ValueError, match=message):
            check_learning(recipe("regression", **fields), TARGETS["regression"], 3)

    def test_a_label_that_never_changes_has_no_curve(self):
        y = TARGETS["multi_label"].copy()
        y[:, 1] = 1
        with pytest.raises(ValueError, match="label 1 of the test set is always 1"):
            check_learning(recipe("multi_label", metric="auc"), y, 3)


def trained(task, strategy=None, policy="float32", **learning):
    """(trainer, history, evaluation) of a small network that learns a task."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        with (strategy or tf.distribute.get_strategy()).scope():
            model, optimizer = nets.build("sequential"), SGD(0.05)
    finally:
        keras.config.set_dtype_policy(before)
    outputs = model.output_shape[-1]
    x, _ = nets.inputs_of(model, count=22)
    rng = np.random.default_rng(1)
    y = (rng.normal(size=(22, outputs)) > 0).astype(np.float32)
    y = y if task == "multi_label" else y + rng.normal(size=y.shape).astype(np.float32)
    trainer = Trainer(model, optimizer, strategy, outputs=outputs, **learning)
    once = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    # To trace what an area under a curve takes is cheaper than a few steps of it.
    with contextlib.nullcontext() if learning["metric"] == "auc" else eagerly():
        history = trainer.fit(lambda epochs, first_step: once.repeat(len(epochs)), range(3), 3)
        return trainer, history, trainer.evaluate(once, 3)


def fitted(task, *given, **learning):
    return trained(task, *given, **learning)[1:]


LEARNING = [
    ("multi_label", {"loss": "binary_cross_entropy", "metric": "auc"}),
    ("regression", {"loss": "huber", "metric": "r2"}),
    ("regression", {"loss": f"{__name__}:per_example", "metric": f"{__name__}:FINE"}),
]


@pytest.mark.slow
class TestTrainer:
    @pytest.mark.parametrize(("task", "learning"), LEARNING[::2])
    def test_learns_the_same_on_two_replicas_as_on_one(self, task, learning):
        (alone, last), (both, last_of_both) = (
            fitted(task, **learning),
            fitted(task, two_replicas(), **learning),
        )
        name = learning["metric"].rpartition(":")[2].lower()
        assert alone[-1].keys() == {"epoch", "loss", name, "learning_rate"} and last.keys() == {"loss", name}
        assert alone[-1]["loss"] < alone[0]["loss"]
        for one, two in zip([*alone, last], [*both, last_of_both], strict=True):
            assert two == pytest.approx(one, rel=1e-4, abs=1e-5)

    def test_in_half_precision_losses_are_counted_in_float32(self):
        task, learning = LEARNING[1]
        (full, _), (half, _) = fitted(task, **learning), fitted(task, policy="mixed_bfloat16", **learning)
        assert half[-1]["loss"] == pytest.approx(full[-1]["loss"], rel=0.02)

    def test_what_a_metric_has_counted_is_part_of_a_checkpoint(self):
        task, learning = LEARNING[1]
        trainer, _, counted = trained(task, **learning)
        state = State(trainer.team, trainer.model, trainer.optimizer, trainer.steps.metrics)
        values = state.read()
        trainer.steps.reset_metrics()
        assert trainer.steps.read_metrics() != counted
        state.check(values)
        state.write(values)
        assert trainer.steps.read_metrics() == counted
