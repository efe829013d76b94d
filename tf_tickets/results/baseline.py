"""What tickets are compared with: the dense network, longer-trained controls of it, and random tickets."""

from __future__ import annotations

from collections.abc import Sequence

from tf_tickets.methods.table import METHODS, baseline_methods
from tf_tickets.results.experiment import Experiment
from tf_tickets.results.loaded_run import Run
from tf_tickets.results.variant import Variant
from tf_tickets.results.verdict import Verdict, judge

DENSE = "dense"  # what the dense network is called


def baselines(experiment: Experiment, *, margin: float | None = None, alpha: float = 0.05) -> list[Verdict]:
    """Each ticket against the dense network, the dense one of as many epochs, and random tickets.

    Args:
        experiment: of `experiments`.
        margin: of equivalence, in the unit of the metric (0.01 of accuracy is one point); None: its own.
        alpha: chance of a false answer in a family.

    Returns:
        A Verdict for each baseline that is there; none for methods that no sparsity is asked of. A difference
        is the baseline's metric less the ticket's.
    """
    found = []
    for arm, runs in experiment.arms.items():
        if arm.check is not None or not arm.variant.prunes or arm.sparsity is None:
            continue
        others = {DENSE: experiment.dense}
        epochs = _whole_budget(experiment, next(iter(runs.values())))
        if epochs is not None:
            others[control_label(epochs)] = {
                seed: run.endpoint for seed, run in experiment.controls[epochs].items()
            }
        for method in baseline_methods():
            random = _alike(experiment.variants, method, arm.variant)
            if random is not None:
                others[_label(method)] = experiment.endpoints(random, arm.sparsity)
        found += judge(
            experiment, arm.variant, arm.sparsity, others, margin, alpha, says_nothing_at_chance=False
        )
    return found


def control_label(epochs: int) -> str:
    """What a dense network that was trained for longer is called: the control of a ticket's whole budget."""
    return f"{DENSE}, {epochs} epochs"


def dense_labels(experiment: Experiment) -> list[str]:
    """What the baselines that keep every weight are called."""
    return [DENSE, *map(control_label, experiment.controls)]


def _label(method: str) -> str:
    """A method's name, with its ratios where they are called otherwise."""
    ratios = METHODS[method].ratios
    return method if ratios == method else f"{method} ({ratios})"


def _whole_budget(experiment: Experiment, run: Run) -> int | None:
    """Epochs of the shortest longer dense network that was trained for no less than the ticket was."""
    if run.epochs is None or run.epochs <= experiment.setting["epochs"]:
        return None
    return min((epochs for epochs in experiment.controls if epochs >= run.epochs), default=None)


def _alike(variants: Sequence[Variant], method: str, ticket: Variant) -> Variant | None:
    """A method's variant to compare a ticket with: in what is not its own, it is like the ticket."""
    shared = dict(ticket.options)
    found = [
        variant
        for variant in variants
        if variant.method == method
        and variant != ticket
        and all(dict(variant.options)[name] == shared.get(name) for name in variant.differs)
    ]
    return max(found, key=lambda variant: len(variant.differs), default=None)
