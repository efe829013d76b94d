"""Drop and grow: exchanging the weakest connections of a layer for new ones."""

import tensorflow as tf

from tf_tickets.sparse_training.selection import keep_largest


def drop_and_grow(
    weight: tf.Tensor, mask: tf.Tensor, growth: tf.Tensor, count: tf.Tensor, allowed: tf.Tensor
) -> tf.Tensor:
    """The mask after `count` weights were exchanged; as many are kept as before.

    The weights of smallest magnitude are dropped. Those with the largest growth scores come in their place,
    out of all that is not kept then, what was just dropped included.

    Args:
        weight: the layer's weights.
        mask: bool, what is kept now.
        growth: non-negative scores, such as |d loss / d (mask * w)| for RigL or random numbers for SET.
        count: how many to exchange.
        allowed: bool, where weights may grow; what is kept must be allowed.

    Reference:

    - [Evci et al., 2020](https://arxiv.org/abs/1911.11134), algorithm 1
    """
    count = tf.cast(count, tf.int64)
    (kept,) = keep_largest([tf.abs(weight)], tf.math.count_nonzero(mask) - count, [mask])
    (grown,) = keep_largest([growth], count, [allowed & ~kept])
    return kept | grown


def part_of(mask: tf.Tensor, fraction: tf.Tensor, rounding: str) -> tf.Tensor:
    """So many of the kept weights as the fraction says: `"down"` (RigL's code) or `"up"` (GraNet's)."""
    part = tf.cast(tf.math.count_nonzero(mask), tf.float64) * tf.cast(fraction, tf.float64)
    return tf.cast(tf.floor(part) if rounding == "down" else tf.math.ceil(part), tf.int64)
