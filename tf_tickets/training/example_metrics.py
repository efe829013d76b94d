"""Metrics of (targets, outputs), made for a number of outputs, which are logits where targets are labels."""

import keras
import tensorflow as tf

THRESHOLDS = 1000  # of sigmoids, between which a ROC curve is a line


def accuracy(outputs: int) -> keras.metrics.Metric:
    """Of labels `(batch,)` and logits `(batch, classes)`."""
    return keras.metrics.SparseCategoricalAccuracy()


def binary_accuracy(outputs: int) -> keras.metrics.Metric:
    """Of targets 0 and 1 and logits, both `(batch, labels)`."""
    return keras.metrics.MeanMetricWrapper(_right_sides)


def auc(outputs: int) -> keras.metrics.Metric:
    """The same; each label has a curve of its own."""
    return keras.metrics.AUC(THRESHOLDS, multi_label=True, num_labels=outputs, from_logits=True)


def mean_absolute_error(outputs: int) -> keras.metrics.Metric:
    """Of numbers `(batch, outputs)`."""
    return keras.metrics.MeanAbsoluteError()


def root_mean_squared_error(outputs: int) -> keras.metrics.Metric:
    """Of numbers `(batch, outputs)`; the mean is over both, and the root is of that."""
    return keras.metrics.RootMeanSquaredError()


def r2(outputs: int) -> keras.metrics.Metric:
    """Of numbers `(batch, outputs)`."""
    return DeterminationCoefficient(outputs)


def _right_sides(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Of each example, the share of its labels on whose side the output is."""
    return tf.reduce_mean(tf.cast((targets > 0.5) == (logits > 0), tf.float32), axis=-1)


class DeterminationCoefficient(keras.metrics.Metric):
    """1 less the squared errors over the squared distances from the mean; averaged over the outputs.

    Keras's own makes its variables when it first sees targets, which is too late for several replicas, and
    sums squares in float32, of which nothing is left where targets lie far from 0. An output whose targets
    are all the same counts as 0.

    Args:
        outputs: numbers an example.
    """

    def __init__(self, outputs: int):
        super().__init__(name="r2")
        self.errors, self.sums, self.squares = (
            self.add_variable((outputs,), "zeros", dtype="float64", name=name)
            for name in ("errors", "sums", "squares")
        )
        self.count = self.add_variable((), "zeros", dtype="float64", name="count")

    def update_state(self, targets: tf.Tensor, outputs: tf.Tensor, sample_weight: None = None) -> None:
        """Takes up a batch."""
        targets, outputs = tf.cast(targets, tf.float64), tf.cast(outputs, tf.float64)
        self.errors.assign_add(tf.reduce_sum(tf.square(targets - outputs), 0))
        self.sums.assign_add(tf.reduce_sum(targets, 0))
        self.squares.assign_add(tf.reduce_sum(tf.square(targets), 0))
        self.count.assign_add(tf.cast(tf.shape(targets)[0], tf.float64))

    def result(self) -> tf.Tensor:
        """Of all batches since the state was reset."""
        errors, sums, squares, count = (
            tf.convert_to_tensor(x) for x in (self.errors, self.sums, self.squares, self.count)
        )
        spread = squares - tf.math.divide_no_nan(tf.square(sums), count)
        each = tf.where(spread > 0, 1 - tf.math.divide_no_nan(errors, spread), tf.zeros_like(spread))
        return tf.reduce_mean(each)
