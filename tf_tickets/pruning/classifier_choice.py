"""What `classifier_keep` may say, in one spelling for `prune`, callbacks and the command line."""

from typing import Any

from tf_tickets.pruning.choices import LOTTERY_CLASSIFIER_KEEP, METHODS_OWN, RANKED
from tf_tickets.pruning.ratios import named_rule, ranks_all
from tf_tickets.support.numbers import is_number


def chosen_classifier_keep(
    value: Any, ratios: Any, own: float | None, rounding: str = "exact"
) -> float | None:
    """The fraction of a classifier that is kept apart from the rest, as `classifier_keep=` says it.

    Args:
        value: a fraction in (0, 1]; `"ranked"`, for global ratios: classifiers are ranked with the rest; None
            or `"method"`: what the method has of its own.
        ratios: in force.
        own: the method's own with these ratios; None where it has none.
        rounding: in force.

    Returns:
        The fraction; None ranks the classifiers with the rest (global ratios), or means what the ratios say.

    Raises:
        ValueError: another value, or one that the ratios do not use.
    """
    if value is None or (isinstance(value, str) and value == METHODS_OWN):
        return own
    rule = named_rule(ratios)
    if not (ranks_all(ratios) or (rule is not None and rule.classifier_apart) or rounding == "reference"):
        raise ValueError(
            f"classifier_keep= is for global and smart ratios; ratios={ratios!r} does not use it."
        )
    if isinstance(value, str) and value == RANKED:
        if not ranks_all(ratios):
            raise ValueError(
                f"classifier_keep={RANKED!r} is for global ratios; ratios={ratios!r} ranks nothing. Pass a "
                f"fraction in (0, 1], or {METHODS_OWN!r}."
            )
        return None
    if not is_number(value) or not 0 < value <= 1:
        raise ValueError(
            f"classifier_keep is a fraction in (0, 1], {RANKED!r} (global ratios) or {METHODS_OWN!r}. "
            f"Received: {value!r}"
        )
    return float(value)


def classifier_keep_of_magnitudes(value: Any, ratios: Any) -> float | None:
    """As `chosen_classifier_keep`, where the method is to rank trained magnitudes, as of lottery tickets."""
    return chosen_classifier_keep(value, ratios, LOTTERY_CLASSIFIER_KEEP if ranks_all(ratios) else None)
