"""Which of many values are the largest, as a part of a traced function: exact counts, ties by position."""

from collections.abc import Sequence

import tensorflow as tf


def top_k_masks(
    scores: Sequence[tf.Tensor], keep: tf.Tensor | int, candidates: Sequence[tf.Tensor]
) -> list[tf.Tensor]:
    """Bool masks of the `keep` largest scores of all tensors together.

    Of equal scores those in earlier tensors and positions are kept, as `tf_tickets.pruning.top_k` does for
    arrays. The threshold is found bit by bit: non-negative floats have the order of their bit patterns, so
    31 counts over the data take the place of a sort.

    Args:
        scores: non-negative tensors of any floating type, compared in float32.
        keep: how many to keep, at most as many as there are candidates.
        candidates: bool tensors of the same shapes; only what is true there is kept.
    """
    bits = [
        tf.where(candidate, tf.bitcast(tf.cast(score, tf.float32), tf.int32), -1)
        for score, candidate in zip(scores, candidates, strict=True)
    ]
    keep = tf.cast(keep, tf.int64)

    def count(chosen: Sequence[tf.Tensor]) -> tf.Tensor:
        return tf.add_n([tf.math.count_nonzero(mask) for mask in chosen])

    def raise_by(position: tf.Tensor, threshold: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        higher = threshold + tf.bitwise.left_shift(1, position)
        enough = count([part >= higher for part in bits]) >= keep
        return position - 1, tf.where(enough, higher, threshold)

    _, threshold = tf.while_loop(
        lambda position, threshold: position >= 0, raise_by, [tf.constant(30), tf.constant(0)]
    )
    chosen = [part > threshold for part in bits]
    missing = keep - count(chosen)
    masks = []
    for part, above in zip(bits, chosen, strict=True):
        tied = part == threshold
        flat = tf.reshape(tied, [-1])
        rank = tf.reshape(tf.cumsum(tf.cast(flat, tf.int64)), tf.shape(part))
        masks.append(above | (tied & (rank <= missing)))
        missing -= tf.minimum(missing, tf.math.count_nonzero(tied))
    return masks
