"""One layer pruned so that its outputs stay: weights that are left make up for those that go (SparseGPT)."""

import dataclasses
from collections.abc import Callable

import numpy as np

# (scores of some inputs by all outputs `(width, outputs)`, the first of these inputs) -> bool, what is kept.
Select = Callable[[np.ndarray, int], np.ndarray]
DAMPING = 0.01
MASK_BLOCK = LAZY_BATCH = 128


@dataclasses.dataclass(frozen=True)
class Selection:
    """How the masks of a layer are chosen while its weights are updated.

    Attributes:
        select: of the scores of `width` inputs at a time, the last time of fewer.
        width: Bs of the paper: 128, or the m of n:m.
    """

    select: Select
    width: int = MASK_BLOCK


def solve_layer(
    matrix: np.ndarray, hessian: np.ndarray, selection: Selection, damping: float = DAMPING
) -> tuple[np.ndarray, np.ndarray]:
    """Algorithm 1: prunes the inputs of all outputs from the first to the last, and corrects the later ones.

    Of each block of inputs those weights are kept whose removal would cost most by then, w^2 over the square
    of the Cholesky factor's diagonal; what a removed weight leaves undone is shared out among the inputs
    behind it. An input that is zero on all examples has its weights set to zero, and 1 on the diagonal.

    Args:
        matrix: weights, `(inputs, outputs)`.
        hessian: 2 X^T X, `(inputs, inputs)`, X the rows that the inputs were.
        selection: which are kept.
        damping: the part of the mean of the diagonal that is added to the diagonal.

    Returns:
        The bool mask and the weights, zero where the mask is false; both `(inputs, outputs)`, the latter in
        float64.

    Raises:
        ValueError: the Hessian has values that are not finite.

    The result does not depend on how many inputs are corrected at a time (B of the paper, lazy batches).

    Reference: Frantar & Alistarh, 2023, "SparseGPT: massive language models can be accurately pruned in
    one-shot", algorithm 1.
    """
    factor, dead = cholesky_of_inverse(hessian, damping)
    weights = np.array(matrix, np.float64)
    weights[dead] = 0
    mask = np.zeros(weights.shape, bool)
    diagonal = np.diag(factor)[:, None]
    inputs, width = len(weights), selection.width
    batch = width * max(1, LAZY_BATCH // width)
    for first in range(0, inputs, batch):
        end = min(first + batch, inputs)
        errors = np.empty((end - first, weights.shape[1]))
        for i in range(first, end):
            if i % width == 0:
                block = slice(i, min(i + width, inputs))
                mask[block] = selection.select(np.square(weights[block] / diagonal[block]), i)
            error = np.where(mask[i], 0, weights[i]) / factor[i, i]
            weights[i:end] -= factor[i, i:end, None] * error
            weights[i] = np.where(mask[i], weights[i], 0)
            errors[i - first] = error
        weights[end:] -= factor[first:end, end:].T @ errors
    return mask, weights


def cholesky_of_inverse(hessian: np.ndarray, damping: float = DAMPING) -> tuple[np.ndarray, np.ndarray]:
    """The upper factor U of the damped Hessian's inverse, U^T U, and which inputs were always zero.

    The square of its diagonal at j is the (j, j) element of the inverse of the Hessian of the inputs from j
    on: what stands below w_j^2 once the inputs before j are settled.

    Args:
        hessian, damping: see `solve_layer`.

    Raises:
        ValueError: the Hessian has values that are not finite.
    """
    if not np.isfinite(hessian).all():
        raise ValueError("The inputs of a layer have NaN or infinite values, or such that their squares are.")
    inverse, dead = inverse_of(hessian, damping)
    return np.linalg.cholesky((inverse + inverse.T) / 2).T, dead


def inverse_of(hessian: np.ndarray, damping: float) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of a Hessian with 1 for inputs that were always zero, damped; and which these are."""
    damped = np.array(hessian, np.float64)
    places = np.arange(len(damped))
    dead = damped[places, places] == 0
    damped[dead, dead] = 1
    damped[places, places] += damping * damped[places, places].mean()
    return np.linalg.inv(damped), dead


def keeping(mask: np.ndarray) -> Selection:
    """The selection of a mask that is given, `(inputs, outputs)`."""
    return Selection(lambda scores, first: mask[first : first + len(scores)])


def keeping_n_of_m(n: int, m: int) -> Selection:
    """For each output the n best of each m inputs in a row; of fewer at the end, n or all.

    Ties go to the earlier input.
    """

    def select(scores: np.ndarray, first: int) -> np.ndarray:
        ranks = np.argsort(np.argsort(-scores, axis=0, kind="stable"), axis=0, kind="stable")
        return ranks < n

    return Selection(select, width=m)
