"""What is there of an arm: how many of its runs have finished, and in how many of them layers collapsed.

A run that is not there and one that learnt nothing are told apart by marks, the same in tables and figures.
"""

from __future__ import annotations

import dataclasses

from tf_tickets.results import Arm, Experiment, Variant

NOT_RUN, FEWER, COLLAPSED = "○", "◐", "✕"
# Mark -> what it says, in the order of legends.
MARKS = {
    NOT_RUN: "no finished run",
    FEWER: "fewer seeds than elsewhere",
    COLLAPSED: "a layer collapsed",
}


@dataclasses.dataclass(frozen=True)
class ArmState:
    """What is there of an arm.

    Attributes:
        runs: that have finished.
        expected: seeds that any arm of the same method has.
        collapsed: of the runs, those with a layer of which nothing is left on a path.
    """

    runs: int
    expected: int
    collapsed: int

    @property
    def marks(self) -> str:
        """Those of `MARKS` that are true of it."""
        return "".join(
            mark
            for mark, holds in (
                (NOT_RUN, not self.runs),
                (FEWER, 0 < self.runs < self.expected),
                (COLLAPSED, self.collapsed > 0),
            )
            if holds
        )


def state_of(
    experiment: Experiment, variant: Variant, sparsity: float | None, check: str | None = None
) -> ArmState:
    """What is there of a variant at a sparsity, attacked by a check or by none."""
    runs = experiment.arms.get(Arm(variant, sparsity, check), {})
    seeds = {seed for arm, by_seed in experiment.arms.items() if arm.variant == variant for seed in by_seed}
    return ArmState(len(runs), len(seeds), sum(bool(run.collapsed_layers) for run in runs.values()))
