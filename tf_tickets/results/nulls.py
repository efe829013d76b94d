"""What a ticket must be ahead of before a check of it means anything: its nulls.

There are two. A random ticket that keeps as many weights of each layer tells what the ticket's connections
and weights are worth; the best of the random tickets of hand-made ratios, trained for as long as the ticket
was in all, tells what its layers' ratios are worth besides. Of a ticket that is not retrained the first has
the dense network's weights, too, and the second, which is, does not compare.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping

from tf_tickets.methods.table import null_methods
from tf_tickets.results.arms import Arm
from tf_tickets.results.experiment import Experiment
from tf_tickets.results.loaded_run import Run, reached_by_seed
from tf_tickets.results.variant import Variant, alike
from tf_tickets.sanity.checks import null_checks
from tf_tickets.support.scale import Scale

SAME_COUNTS = "random tickets of its own layer counts"
HAND_MADE = "random tickets of hand-made ratios"


@dataclasses.dataclass(frozen=True)
class Nulls:
    """The nulls of one ticket.

    Attributes:
        arms: null -> label of an arm -> seed -> what it reached.
        epochs: of the whole training of the ticket, and of the hand-made nulls that are there; None without.
    """

    arms: dict[str, dict[str, dict[int, float]]]
    epochs: tuple[int, int] | None = None

    def best_of_hand(self, scale: Scale) -> Mapping[int, float]:
        """What the best random ticket of hand-made ratios reached; empty where there is none."""
        arms = self.arms.get(HAND_MADE, {}).values()
        return max(arms, key=lambda reached: scale.gain(statistics.fmean(reached.values())), default={})

    @property
    def shortfall(self) -> str | None:
        """What is to be said where the hand-made nulls were trained for less than the ticket was."""
        if self.epochs is None or self.epochs[1] >= self.epochs[0]:
            return None
        own, theirs = self.epochs
        return (
            f"{HAND_MADE} were trained for {theirs} epochs, the ticket in all for {own}: its lead over them "
            "is also one of training"
        )


def nulls_of(
    experiment: Experiment,
    variant: Variant,
    sparsity: float,
    scale: Scale | None = None,
    whole_budget: bool = True,
) -> Nulls:
    """The nulls of a ticket that are there; those that were not run are missing.

    Args:
        experiment: the ticket's.
        variant, sparsity: the ticket's.
        scale: of another metric than the one that runs are judged by.
        whole_budget: whether those of hand-made ratios were trained for as long as the ticket in all, where
            such are there; otherwise for the epochs of the setting.
    """
    arms: dict[str, dict[str, dict[int, float]]] = {}
    checks = null_checks(_retrains(variant))
    same = {check: experiment.endpoints(variant, sparsity, check, scale) for check in checks}
    arms[SAME_COUNTS] = {check: reached for check, reached in same.items() if reached}
    runs = experiment.arms.get(Arm(variant, sparsity, None), {})
    usual: int = experiment.setting["epochs"]
    budget = next((run.epochs for run in runs.values() if run.epochs is not None), usual)
    trained = [(usual, experiment.arms)]
    if whole_budget and budget > usual:
        trained = [*(longer for longer in sorted(experiment.longer.items()) if longer[0] >= budget), *trained]
    # Longer ones may have been run at other sparsities only.
    found = ((x, _hand_made(there, variant, sparsity, scale)) for x, there in trained)
    epochs, of_hand = next(((x, there) for x, there in found if there), (usual, {}))
    longer = f", {epochs} epochs" if epochs > usual else ""
    arms[HAND_MADE] = {f"{label}{longer}": reached for label, reached in of_hand.items()}
    arms = {null: of_null for null, of_null in arms.items() if of_null}
    return Nulls(arms, (budget, epochs) if HAND_MADE in arms else None)


def _hand_made(
    there: Mapping[Arm, dict[int, Run]], variant: Variant, sparsity: float, scale: Scale | None
) -> dict[str, dict[int, float]]:
    """Label -> seed -> what it reached, of the random tickets of hand-made ratios that are like a ticket."""
    arms = {}
    for method in null_methods(_retrains(variant)):
        found = alike([arm.variant for arm in there if arm.check is None], method, variant)
        reached = {} if found is None else reached_by_seed(there.get(Arm(found, sparsity, None), {}), scale)
        if found is not None and reached:
            arms[random_label(found)] = reached
    return arms


def _retrains(variant: Variant) -> bool:
    return variant.row is None or variant.row.retrains


def random_label(variant: Variant) -> str:
    """What a random ticket is called beside others: its method, with its ratios, and its source."""
    row, rest = variant.row, variant.labelled(()).removeprefix(variant.method)
    ratios = "" if row is None or row.ratios == variant.method else f" ({row.ratios})"
    return f"{variant.method}{ratios}{rest}"
