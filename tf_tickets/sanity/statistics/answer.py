"""The answers, and the p-values that give them."""

import numpy as np

INSENSITIVE = "insensitive"
SENSITIVE = "sensitive"
REVERSED = "reversed"
UNDECIDED = "undecided"
CANNOT_TELL = "cannot tell"
SAYS_NOTHING = "says nothing"
ANSWERS = (INSENSITIVE, SENSITIVE, REVERSED, UNDECIDED, CANNOT_TELL, SAYS_NOTHING)


def answers(
    p_equivalent: np.ndarray,
    p_different: np.ndarray,
    gain: np.ndarray,
    alpha: float,
    could_lose: np.ndarray | bool = True,
) -> np.ndarray:
    """The answers that adjusted p-values and mean differences give, arrays of one shape.

    Args:
        p_equivalent: of |difference| < margin.
        p_different: of difference != 0.
        gain: mean differences, positive where the twin is better.
        alpha: level of both.
        could_lose: whether the ticket is shown to be ahead of a null by more than the margin. Where it is
            not, that it loses less than the margin says nothing of what it uses: it has no more to lose.
    """
    equivalent, different = p_equivalent <= alpha, p_different <= alpha
    direction = np.where(gain < 0, SENSITIVE, REVERSED)
    within = np.where(could_lose, INSENSITIVE, np.where(different, direction, CANNOT_TELL))
    return np.where(equivalent, within, np.where(different, direction, UNDECIDED)).astype(object)
