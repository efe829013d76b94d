"""Names that are chosen from when a ticket is drawn. Reading them loads no TensorFlow."""

from collections.abc import Collection
from typing import Any

GLOBAL = "global"  # ratios: all layers are ranked together
# The forms of the smart ratios: the power of a layer's depth that they are divided by.
DEPTH_POWERS = {"resnet": 0, "vgg": 2}
FAMILIES = tuple(DEPTH_POWERS)
DEFAULT_FAMILY = "resnet"  # of a network whose architecture names none
ROUNDINGS = ("exact", "reference")
CURVATURES = ("gauss_newton", "hessian")
SAMPLINGS = ("exact", "bernoulli")
# More are a slip of the keyboard, which would be noticed after days.
MOST_ROUNDS = 10_000  # the papers' most are 100
MOST_BATCHES = 100_000
MOST_PROBES = 1_000_000  # relative errors below 0.15 %
MOST_PATHS = 50_000_000  # weights of a network whose paths are counted unasked
CLASSIFIER_KEEP = 0.3  # section 4.2: the smart ratio's choice for the classifier
LOTTERY_CLASSIFIER_KEEP = 1.0  # section 4.1: a global ranking of trained magnitudes keeps it whole
# What `classifier_keep` takes beside fractions, wherever it is asked for.
RANKED = "ranked"  # nothing is set apart for the classifier
METHODS_OWN = "method"  # what the method has of its own, as where nothing is said


def check_choice(argument: str, value: Any, choices: Collection[str]) -> None:
    """Refuses a name that is not among the choices, and lists them."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{argument}={value!r} is unknown. Choose one of: {', '.join(choices)}.")
