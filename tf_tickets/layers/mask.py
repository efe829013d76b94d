"""The mask variable, and the weight beside it: zero where the mask is false, and where its values wait.

A masked weight is itself the sparse one. What a mask hides is taken out of the variable and kept beside it,
outside of the model's variables, until the mask shows it again (pruning anew, rearranging, another ticket) or
somebody forgets it (a search, `fold`). So whoever reads the variable without the mask, a function traced
before pruning, an optimizer that takes norms of whole variables, reads the sparse weight, too.
"""

import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers.variables import value_of


class Mask(keras.Variable):
    """A bool variable beside a weight; setting it moves what it hides out of the weight and what it shows in.

    Attributes:
        weight: the variable that it belongs to.
        hidden: values of the weight where the mask is false, as an array shaped like it (elsewhere without a
            meaning); None if nothing is kept.
    """

    weight: keras.Variable
    hidden: np.ndarray | None

    @classmethod
    def of(cls, variable: keras.Variable, weight: keras.Variable) -> "Mask":
        """Makes a bool variable that Keras has created the mask of a weight."""
        variable.__class__ = cls
        variable.weight = weight
        variable.hidden = None
        return variable

    def __repr__(self) -> str:
        return f"<Mask path={self.path}, shape={tuple(self.shape)}>"

    def assign(self, value: Any) -> Any:
        """Sets the mask from outside of this package: by hand, or with weights that are restored.

        A mask that prunes is not made all true so: weights from before pruning (EarlyStopping's best, a
        checkpoint, `set_weights`) would bring the dense network back. It stays then, and a warning says so.
        To show everything again, apply a ticket that keeps it all, or `fold` the model.
        """
        if not tf.executing_eagerly():
            return super().assign(value)
        new = np.asarray(tf.convert_to_tensor(value), bool)
        old = value_of(self)
        if new.shape == old.shape and new.all() and not old.all():
            warnings.warn(
                "Weights of a moment before pruning were restored. The masks stay as they are, so the model "
                "stays pruned, with the kept weights of that moment. To restore the best weights of the "
                "pruned model, monitor from the last pruning on: see tf_tickets.callbacks.",
                stacklevel=3,
            )
            new = old
        elif new.shape == old.shape and new.sum() > old.sum():
            warnings.warn(
                "Masks keep more than before: weights of a moment before the last pruning were restored with "
                "them, or they were set by hand. Monitor from the last pruning on: see tf_tickets.callbacks.",
                stacklevel=3,
            )
        self.set(new)
        return self

    def set(self, value: np.ndarray) -> None:
        """Sets the mask; the weight keeps what is shown, and what is hidden waits beside it."""
        full = self.full_value()
        super().assign(value)
        self.set_full_value(full)

    def cover(self, value: np.ndarray) -> None:
        """Sets the mask alone, for a while in which the variable keeps what it hides."""
        super().assign(value)

    def full_value(self) -> np.ndarray:
        """The weight with what the mask hides; what was put into the variable there since counts first."""
        value = value_of(self.weight)
        if self.hidden is None:
            return value
        return np.where(value_of(self) | (value != 0), value, self.hidden)

    def set_full_value(self, value: np.ndarray) -> None:
        """Sets the weight: what the mask shows of the values goes into the variable, the rest beside it."""
        mask = value_of(self)
        self.hidden = None if mask.all() else np.array(value)
        self.weight.assign(value if self.hidden is None else np.where(mask, value, np.zeros_like(value)))

    def forget(self) -> None:
        """What the mask hides is zero from now on, also when it is shown again."""
        self.set_full_value(value_of(self.weight))
        self.hidden = None
