"""The answers, and the p-values that give them."""

import numpy as np

INSENSITIVE = "insensitive"
SENSITIVE = "sensitive"
REVERSED = "reversed"
UNDECIDED = "undecided"
SAYS_NOTHING = "says nothing"
ANSWERS = (INSENSITIVE, SENSITIVE, REVERSED, UNDECIDED, SAYS_NOTHING)


def answers(p_equivalent: np.ndarray, p_different: np.ndarray, gain: np.ndarray, alpha: float) -> np.ndarray:
    """The answers that adjusted p-values and mean differences give, arrays of one shape.

    A difference is positive where the twin is better.
    """
    direction = np.where(gain < 0, SENSITIVE, REVERSED)
    shown = np.where(p_different <= alpha, direction, UNDECIDED)
    return np.where(p_equivalent <= alpha, INSENSITIVE, shown).astype(object)
