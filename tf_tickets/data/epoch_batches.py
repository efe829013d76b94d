"""Batches of one split over many epochs, as one `tf.data.Dataset`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tf_tickets.data.examples import Examples
from tf_tickets.data.preprocessing import Preprocessing

if TYPE_CHECKING:
    import tensorflow as tf

_ORDER, _AUGMENTATION = 0, 1  # the two random streams of a seed


def epoch_batches(
    examples: Examples,
    preprocessing: Preprocessing,
    batch_size: int,
    *,
    epochs: Sequence[int],
    shuffle: bool,
    augment: bool,
    seed: int,
    first_step: int,
) -> tf.data.Dataset:
    """Batches `(x, y)` of all `epochs`, one epoch after another.

    Nothing is carried from one batch to the next: the order is a function of (seed, epoch), the
    augmentation one of (seed, epoch, step). So a run that was stopped goes on exactly where it was.

    Args:
        examples: of the split; their tensors are captured, never copied into the graph.
        preprocessing: normalisation, and the augmentation that `augment` asks for.
        batch_size: examples in a batch; the last batch of an epoch has what is left.
        epochs: the numbers of the epochs.
        shuffle: whether an epoch has its own random order, instead of the stored one.
        augment: whether to crop and flip.
        seed: in [0, 2**63).
        first_step: batches of the first epoch to leave out; they are not computed.
    """
    import tensorflow as tf

    _, labels = examples.tensors
    n = len(labels)
    steps = -(-n // batch_size)
    gain, offset = preprocessing.gain, preprocessing.offset
    # Nothing below branches on a tensor's value, and AutoGraph would first look for where it does.
    as_it_is = tf.autograph.experimental.do_not_convert

    @as_it_is
    def epoch_slices(epoch: Any, first: Any) -> Any:
        order = tf.range(n)
        if shuffle:
            order_seed = tf.random.fold_in(_stream(seed, _ORDER), epoch)
            order = tf.random.experimental.stateless_shuffle(order, order_seed)

        @as_it_is
        def indices(step: Any) -> Any:
            return epoch, step, order[step * batch_size : (step + 1) * batch_size]

        return tf.data.Dataset.range(first, steps).map(indices)

    @as_it_is
    def batch(epoch: Any, step: Any, indices: Any) -> Any:
        batch_seed = None
        if augment:
            batch_seed = tf.random.fold_in(_stream(seed, _AUGMENTATION), epoch)
            batch_seed = tf.random.fold_in(batch_seed, step)
        x = examples.batch(indices, batch_seed, preprocessing)
        return tf.cast(x, tf.float32) * gain - offset, tf.gather(labels, indices)

    firsts = [first_step] + [0] * (len(epochs) - 1) if epochs else []
    dataset = tf.data.Dataset.from_tensor_slices(
        (tf.constant(list(epochs), tf.int64), tf.constant(firsts, tf.int64))
    )
    dataset = dataset.flat_map(epoch_slices)
    dataset = dataset.map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(epochs) * steps - first_step))
    options = tf.data.Options()
    options.deterministic = True
    # There is nothing to rewrite here, and for rewriting all examples would be copied.
    options.experimental_optimization.apply_default_optimizations = False
    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)


def _stream(seed: int, purpose: int) -> Any:
    import tensorflow as tf

    return tf.constant([seed, purpose], tf.int64)
