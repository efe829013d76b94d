"""What a reader must know beside an answer: what the numbers alone would hide."""

import numpy as np

from tf_tickets.sanity.statistics.answer import INSENSITIVE, SAYS_NOTHING
from tf_tickets.sanity.statistics.paired_tests import is_constant
from tf_tickets.support.scale import Scale

# A pair is far from the others beyond so many robust standard deviations (and beyond the margin). Of normal
# differences some pair of ten lies there in 2 families of 1,000, some pair of five in 3 of 100.
FAR = 10.0
MAD_OF_NORMAL = 0.6745


def notes_on(
    differences: np.ndarray,
    answer: str,
    is_different: bool,
    margin: float,
    guesses: np.ndarray,
    scale: Scale,
) -> tuple[str, ...]:
    """What the numbers alone would hide."""
    if answer == SAYS_NOTHING:
        return ("the ticket itself is at chance level: that its twins are no worse means nothing",)
    notes, mean = [], float(differences.mean())
    if is_constant(differences):
        notes.append(
            f"the same difference at all {differences.size} seeds: see whether the runs differ by their seeds"
            if differences[0]
            else "identical at every seed"
        )
    if answer == INSENSITIVE and is_different:
        size = scale.with_unit_of_differences(scale.shown(abs(mean)))
        change = f"{scale.loss_word if scale.gain(mean) < 0 else scale.gain_word} of {size}"
        notes.append(f"a {change} is measurable, but within the margin")
    distance = np.abs(differences - np.median(differences))
    is_far = distance > np.maximum(FAR * np.median(distance) / MAD_OF_NORMAL, margin)
    if is_far.any():
        values = ", ".join(scale.difference(value, 1) for value in differences[is_far])
        values = scale.with_unit_of_differences(values)
        notes.append(
            f"{_of_pairs(is_far, 'far from the others')} ({_positions(is_far)}: {values}): "
            "the t-test is not to be trusted; look at the runs"
        )
    if guesses.any():
        notes.append(
            f"{_of_pairs(guesses, 'of a ticket at chance level')} ({_positions(guesses)}): "
            "they say nothing of the check; look at the runs"
        )
    return tuple(notes)


def _of_pairs(chosen: np.ndarray, what: str) -> str:
    count = int(chosen.sum())
    return f"{count} of {chosen.size} pairs {'is' if count == 1 else 'are'} {what}"


def _positions(chosen: np.ndarray) -> str:
    """Where, counted from 1 in the order of the seeds."""
    places = [str(place + 1) for place in np.flatnonzero(chosen)]
    return f"seed position{'s' if len(places) > 1 else ''} {', '.join(places)}"
