"""A width that no random source may fall below: every input needs an edge."""

import math

import numpy as np

from tf_tickets.support.numbers import check_whole
from tf_tickets.support.random_streams import stream
from tf_tickets.theory.arguments import check_chance, check_density
from tf_tickets.theory.frequency import Frequency

# Edges drawn at a time.
CHUNK = 4_000_000


def lower_bound_width(density: float, inputs: int, delta: float) -> float:
    """The width under which a random layer leaves some input without an edge, with more than chance delta.

    n = log(1 / (1 - (1 - delta)^(1/d))) / log(1 / (1 - p)). A network whose first layer has fewer neurons
    fails to represent every target that needs all its inputs, with a probability above delta. What is
    necessary need not be enough: `er_widths` says what is.

    Args:
        density: p, the share of edges that the random mask keeps.
        inputs: d, how many inputs there are.
        delta: chance of failure allowed.

    Returns:
        A real number, 0 for density 1; the least whole number of neurons is the next one above, 1 at least.

    Raises:
        ValueError: an argument is out of its range; names it.

    Example:
        >>> round(tt.theory.lower_bound_width(0.5, inputs=10, delta=0.1), 9)
        6.57611536
    """
    density, delta = check_density(density), check_chance(delta)
    alone = -math.expm1(math.log1p(-delta) / check_whole("inputs", inputs, 1))
    return 0.0 if density == 1 else math.log(alone) / math.log1p(-density)


def connected_probability(density: float, inputs: int, width: int) -> float:
    """The probability that each input has an edge into a random layer: (1 - (1 - p)^n)^d, exactly.

    Args:
        density: p, the share of edges that the random mask keeps.
        inputs: d, how many inputs there are.
        width: n, how many neurons the layer has; 0 or more.

    Raises:
        ValueError: an argument is out of its range; names it.

    Example:
        >>> tt.theory.connected_probability(0.5, inputs=10, width=7)
        0.924565136596599
    """
    density = check_density(density)
    inputs, width = check_whole("inputs", inputs, 1), check_whole("width", width, 0)
    if width == 0 or density == 1:
        return float(width > 0)
    alone = math.exp(width * math.log1p(-density))
    return math.exp(inputs * math.log1p(-alone))


def connected_frequency(
    density: float, inputs: int, width: int, trials: int = 10_000, seed: int = 0
) -> Frequency:
    """How often each input has an edge, in random masks drawn whole: what `connected_probability` predicts.

    Args:
        density: p, the share of edges that the random mask keeps.
        inputs: d, how many inputs there are.
        width: n, how many neurons the layer has.
        trials: masks to draw. Defaults to 10,000.
        seed: of the masks. Defaults to 0.

    Returns:
        Frequency.

    Raises:
        ValueError: an argument is out of its range; names it.

    Example:
        >>> print(tt.theory.connected_frequency(0.5, inputs=10, width=7))
        0.9257 [0.9204, 0.9308] (10,000 trials)
    """
    density = check_density(density)
    inputs, width = check_whole("inputs", inputs, 1), check_whole("width", width, 1)
    trials = check_whole("trials", trials, 1)
    # A stream for each question, so that answers at the same seed are independent.
    rng = stream(seed, "mask", f"theory/lower bound/{density}/{inputs}/{width}")
    at_once = max(1, CHUNK // (inputs * width))
    successes = 0
    for start in range(0, trials, at_once):
        masks = rng.random((min(at_once, trials - start), inputs, width)) < density
        connected = np.all(np.any(masks, axis=2), axis=1)
        successes += int(np.count_nonzero(connected))
    return Frequency(successes, trials)
