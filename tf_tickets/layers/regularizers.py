"""A user's regularizers and constraints of a weight that is masked: they are shown the masked weight."""

from collections.abc import Callable

import keras
import tensorflow as tf

from tf_tickets.layers.parametrization import masked_value


def wrap_regularizers(weight: keras.Variable, mask: keras.Variable) -> None:
    """Has the weight's own regularizer and constraint see the masked weight."""
    if weight.regularizer is not None:
        weight.regularizer = _RegularizeMasked(weight.regularizer, mask)
    if weight.constraint is not None:
        weight.constraint = _ConstrainMasked(weight.constraint, mask)


def unwrap_regularizers(weight: keras.Variable) -> None:
    """Gives the weight its own regularizer and constraint back."""
    for role in ("regularizer", "constraint"):
        wrapped = getattr(weight, role)
        if isinstance(wrapped, _OnMasked):
            setattr(weight, role, wrapped.inner)


class _OnMasked:
    """Something of the user's that acts on a weight, shown the sparse weight instead."""

    def __init__(self, inner: Callable[[tf.Tensor], tf.Tensor], mask: keras.Variable):
        self.inner = inner
        self.mask = mask

    def sparse(self, weight: keras.Variable) -> tf.Tensor:
        """What the user's own sees of the weight."""
        return self.inner(masked_value(weight, self.mask))


class _RegularizeMasked(_OnMasked, keras.regularizers.Regularizer):
    """A user's regularizer that does not see what the mask hides."""

    def __call__(self, weight: keras.Variable) -> tf.Tensor:
        return self.sparse(weight)


class _ConstrainMasked(_OnMasked, keras.constraints.Constraint):
    """A user's constraint that neither sees nor changes what the mask hides."""

    def __call__(self, weight: keras.Variable) -> tf.Tensor:
        return tf.where(self.mask.value, self.sparse(weight), tf.convert_to_tensor(weight))
