"""Kernels, the ways in which a layer of a served model computes: a table."""

from __future__ import annotations

import dataclasses
import math

from tf_tickets.serving.convolution import Convolution
from tf_tickets.support.short_reprs import Rows

# Entries of the matrix of a sparse kernel; each takes 8 bytes, once the model is loaded.
MOST_ENTRIES = 2**22
# Numbers that one entry is multiplied with. With fewer, others were always faster, up to twenty times.
FEWEST_NUMBERS = 4
# By the fixed rule, what is denser stays dense, and unrolling leaves so many numbers to each entry.
DENSITY, NUMBERS = 0.1, 16


@dataclasses.dataclass(frozen=True)
class Kernel:
    """One row of the table.

    Attributes:
        about: a line on it.
        unrolled: how many axes are unrolled into its sparse matrix (see `sparse_convolution`); None where it
            has none, and the layer is called as Keras calls it.
    """

    about: str
    unrolled: int | None = None

    def takes(self, convolution: Convolution, nonzeros: int, batch: int) -> bool:
        """Whether it computes a convolution, and may be of use there.

        Args:
            convolution: what the layer computes.
            nonzeros: values of its kernel that are not zero.
            batch: examples at a time.
        """
        if self.unrolled is None:
            return True
        if nonzeros * convolution.places(self.unrolled) > MOST_ENTRIES:
            return False
        if self.unrolled == 0:
            return True
        unrolled = convolution.axes[: self.unrolled]
        if len(unrolled) < self.unrolled or any(axis.size is None for axis in unrolled):
            return False
        # Along an axis with one tap nothing needs to be gathered, and unrolling it gains nothing.
        return unrolled[-1].taps > 1 and self.numbers(convolution, batch) >= FEWEST_NUMBERS

    def numbers(self, convolution: Convolution, batch: int) -> int:
        """How many numbers each entry of the matrix is multiplied with."""
        return batch * math.prod(axis.places or 1 for axis in convolution.axes[self.unrolled :])


DENSE = "dense"
KERNELS = {
    DENSE: Kernel("zeros are multiplied, as Keras does"),
    "patches": Kernel("a sparse matrix of the weights; the input is gathered for every tap", unrolled=0),
    "rows": Kernel("a sparse matrix that holds each weight for every row of the output", unrolled=1),
    "full": Kernel("a sparse matrix that holds each weight for every place of the output", unrolled=2),
}
KERNELS = Rows(KERNELS)


def kernels_for(convolutions: list[Convolution], nonzeros: int, batch: int) -> list[str]:
    """Names of the kernels that compute what a layer does, in each of its calls."""
    return [
        name
        for name, row in KERNELS.items()
        if all(row.takes(convolution, nonzeros, batch) for convolution in convolutions)
    ]


def usual_kernel(convolutions: list[Convolution], nonzeros: int, batch: int) -> str:
    """The kernel of a layer by a fixed rule: if it is sparse enough, the most unrolled one that suits."""
    first = convolutions[0]
    if nonzeros > DENSITY * first.weights:
        return DENSE
    names = kernels_for(convolutions, nonzeros, batch)
    good = [
        n for n in names if (KERNELS[n].unrolled or 0) == 0 or KERNELS[n].numbers(first, batch) >= NUMBERS
    ]
    return good[-1]
