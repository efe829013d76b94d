"""What tickets are compared with: the dense network, longer-trained controls of it, and random tickets."""

from __future__ import annotations

from tf_tickets.methods.table import baseline_methods
from tf_tickets.results.experiment import Experiment
from tf_tickets.results.loaded_run import Run, reached_by_seed
from tf_tickets.results.margin import Margin
from tf_tickets.results.nulls import HAND_MADE, nulls_of, random_label
from tf_tickets.results.variant import alike
from tf_tickets.results.verdict import Verdict, judge
from tf_tickets.support.scale import Scale

DENSE = "dense"  # what the dense network is called


def baselines(
    experiment: Experiment,
    *,
    margin: float | str | Margin | None = None,
    alpha: float = 0.05,
    scale: Scale | None = None,
) -> list[Verdict]:
    """Each ticket against the dense network, the dense one of as many epochs, and random tickets.

    That a ticket is better than the random tickets of hand-made ratios is one claim, and they are one family
    of tests. Dense networks and a uniform random ticket are controls: each is judged for itself.

    Args:
        experiment: of `experiments`.
        margin: see `verdicts`.
        alpha: chance of a false answer in a family.
        scale: of another metric that is to be judged.

    Returns:
        A Verdict for each baseline that is there; none for methods that no sparsity is asked of. A difference
        is the baseline's metric less the ticket's.
    """
    found = []
    for arm, runs in experiment.arms.items():
        if arm.check is not None or not arm.variant.prunes or arm.sparsity is None:
            continue
        others = {DENSE: experiment.endpoints_of_dense(scale)}
        epochs = _whole_budget(experiment, next(iter(runs.values())))
        if epochs is not None:
            others[control_label(epochs)] = reached_by_seed(experiment.controls[epochs], scale)
        for method in baseline_methods():
            random = alike(experiment.variants, method, arm.variant)
            if random is not None:
                others[random_label(random)] = experiment.endpoints(random, arm.sparsity, None, scale)
        nulls = nulls_of(experiment, arm.variant, arm.sparsity, scale).arms.get(HAND_MADE, {})
        found += judge(
            experiment,
            arm.variant,
            arm.sparsity,
            {**others, **nulls},
            margin,
            alpha,
            scale=scale,
            families={name: HAND_MADE if name in nulls else name for name in (*others, *nulls)},
        )
    return found


def control_label(epochs: int) -> str:
    """What a dense network that was trained for longer is called: the control of a ticket's whole budget."""
    return f"{DENSE}, {epochs} epochs"


def dense_labels(experiment: Experiment) -> list[str]:
    """What the baselines that keep every weight are called."""
    return [DENSE, *map(control_label, experiment.controls)]


def _whole_budget(experiment: Experiment, run: Run) -> int | None:
    """Epochs of the shortest longer dense network that was trained for no less than the ticket was."""
    if run.epochs is None or run.epochs <= experiment.setting["epochs"]:
        return None
    return min((epochs for epochs in experiment.controls if epochs >= run.epochs), default=None)
