"""What a ticket's lead over random tickets is made of: its ratios, its connections, its weights.

Between the best random ticket of hand-made ratios and the ticket stand two others: a random ticket of the
ticket's own layer counts, and the ticket's masks on new weights. The three steps add up to the lead:

    hand-made ratios -> its ratios -> its connections -> its weights
    balanced, erk, ...   rearrange+reinitialize   reinitialize   the ticket

A step that is a drop when it is taken back matters to the method; one that is equivalent to nothing does not.
"""

from __future__ import annotations

from tf_tickets.results.experiment import Experiment
from tf_tickets.results.margin import Margin
from tf_tickets.results.nulls import SAME_COUNTS, nulls_of
from tf_tickets.results.verdict import Sides, Verdict, judge_pairs
from tf_tickets.sanity.checks import WITHOUT_ITS_WEIGHTS
from tf_tickets.support.scale import Scale

RATIOS, CONNECTIONS, WEIGHTS = "its layers' ratios", "its connections", "the weights it starts from"
# What an answer of the statistics is called where something is taken back that may be worth something.
MATTERS = {"insensitive": "does not matter", "sensitive": "matters", "reversed": "harms"}
FAMILY = "what the lead is made of"


def components(
    experiment: Experiment,
    *,
    margin: float | str | Margin | None = None,
    alpha: float = 0.05,
    scale: Scale | None = None,
) -> list[Verdict]:
    """What each ticket loses if one component of its lead is taken back, as far as the runs are there.

    Args:
        experiment: of `experiments`.
        margin, alpha, scale: see `verdicts`. The components of one ticket are one family of tests.

    Returns:
        A Verdict for each component: of `RATIOS`, `CONNECTIONS` and `WEIGHTS`. A difference is what is
        reached without the component less what is reached with it. After their masks were drawn all of these
        networks were trained as the ticket was, but for those of hand-made ratios, which run the whole
        schedule: of methods that retrain for a part of it the ratios' step is also one of training.
    """
    found = []
    for variant, sparsity in experiment.tickets:
        nulls = nulls_of(experiment, variant, sparsity, scale)
        alike = nulls_of(experiment, variant, sparsity, scale, whole_budget=False)
        ticket = experiment.endpoints(variant, sparsity, None, scale)
        masks = experiment.endpoints(variant, sparsity, WITHOUT_ITS_WEIGHTS, scale)
        counts = next(iter(nulls.arms.get(SAME_COUNTS, {}).values()), {})
        best = alike.best_of_hand(scale or experiment.scale)
        steps: dict[str, Sides] = {
            RATIOS: (counts, best),
            CONNECTIONS: (masks, counts),
            WEIGHTS: (ticket, masks),
        }
        pairs = {name: sides for name, sides in steps.items() if all(sides)}
        if pairs:
            found += judge_pairs(
                experiment,
                variant,
                sparsity,
                pairs,
                margin,
                alpha,
                scale=scale,
                nulls=nulls,
                both_at_chance=True,
                families=dict.fromkeys(pairs, FAMILY),
            )
    return found
