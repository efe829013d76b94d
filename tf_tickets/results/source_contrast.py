"""What a random source mask costs or gains a method: a `SourceContrast`."""

from __future__ import annotations

import dataclasses

from tf_tickets.results.arms import Arm
from tf_tickets.results.experiment import Experiment
from tf_tickets.results.margin import Margin
from tf_tickets.results.verdict import Verdict, judge


@dataclasses.dataclass(frozen=True)
class SourceContrast:
    """The contrast of two arms of one method and sparsity: inside a source mask, and from the dense network.

    Attributes:
        dense: the arm that starts from the dense network.
        inside: the arm that starts inside the mask.
        verdict: of the statistics; a difference is the metric inside less that from the dense network.
    """

    dense: Arm
    inside: Arm
    verdict: Verdict


def source_contrasts(
    experiment: Experiment, *, margin: float | str | Margin | None = None, alpha: float = 0.05
) -> list[SourceContrast]:
    """Each method that ran inside a source mask and from the dense network, at each sparsity asked of both.

    Args:
        experiment: of `experiments`.
        margin: of equivalence, in the unit of the metric (0.01 of accuracy is one point); None: its own.
        alpha: intervals are of level 1 - alpha, each for itself.

    Returns:
        A SourceContrast for each source and sparsity; none for methods that no sparsity is asked of.
    """
    variants = experiment.variants
    dense = {variant.but_for_source: variant for variant in variants if not variant.in_source}
    found = []
    for variant in (variant for variant in variants if variant.in_source):
        for sparsity in experiment.sparsities:
            inside = Arm(variant, sparsity, None)
            outside = Arm(dense.get(variant.but_for_source, variant), sparsity, None)
            if outside == inside or not {inside, outside} <= experiment.arms.keys():
                continue
            others = {experiment.names[variant]: experiment.endpoints(variant, sparsity)}
            (verdict,) = judge(experiment, outside.variant, sparsity, others, margin, alpha)
            found.append(SourceContrast(outside, inside, verdict))
    return found
