"""What is averaged over seeds: an `Arm`.

The word is that of clinical trials. Arms here are paired: at one seed all begin with the same initial weights
and see the data in the same order, so that two arms are compared by their differences, seed by seed.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from tf_tickets.config import OPTIONS, Config
from tf_tickets.methods.own_methods import known_row
from tf_tickets.results.variant import Variant
from tf_tickets.sanity.checks import CHECKS
from tf_tickets.support.options import DERIVED, DRAWING, RETRAINING, SOURCE


@dataclasses.dataclass(frozen=True)
class Arm:
    """What is averaged over seeds: a variant at a sparsity, attacked by a check or by none.

    The sparsity is the one asked for, and None where the method has none.
    """

    variant: Variant
    sparsity: float | None
    check: str | None

    @property
    def label(self) -> str:
        """The variant's."""
        return self.variant.label

    @property
    def method(self) -> str:
        """The variant's."""
        return self.variant.method

    def __str__(self) -> str:
        attacked = f", {self.check}" if self.check else ""
        at = "" if self.sparsity is None else f" at {100 * self.sparsity:.6g} %"
        return f"{self.label}{at}{attacked}"


def own_options(config: Config) -> dict[str, Any]:
    """The options that the method has unless it is told otherwise; what cannot be known is left out."""
    found = {
        row.field: row.default
        for row in OPTIONS
        if row.decides in (SOURCE, DRAWING, RETRAINING)
        and row.default is not DERIVED
        and not row.code_of  # the name tells
        and row.field != "method_row"
    }
    found["augment_scoring"] = None if config.augment_scoring is None else config.recipe.augment
    # The number of classes chooses one of two; which one is seen where one of the values is left as it was.
    for samples, batches in ((1, 10), (10, 1)):
        if config.samples_per_class == samples or config.scoring_batches == batches:
            found.update(samples_per_class=samples, scoring_batches=batches)
    if config.samples_per_class is None and config.scoring_batches is not None:  # there are no classes
        found.update(samples_per_class=None, scoring_batches=1)
    row = known_row(config.method, config.method_row)
    if row is not None:
        found["ratios"] = row.ratios
        drawn_as_usual = config.ratios == row.ratios and config.ticket_sha256 is None
        found["classifier_keep"] = row.classifier_keep if drawn_as_usual else None
        found["rewind_epoch"] = None if config.rewind_epoch is None else round(config.recipe.epochs / 10)
    return found


def check_order(check: str | None) -> tuple[int, str]:
    """Sorts checks as their table does; none comes first, unknown ones last."""
    if check is None:
        return -1, ""
    return (list(CHECKS).index(check) if check in CHECKS else len(CHECKS)), check
