"""The quota of a ticket: how many weights it keeps, and where. What is decided without looking at scores."""

import dataclasses
from typing import Any

import numpy as np

from tf_tickets.pruning.choices import (
    FAMILIES,
    GLOBAL,
    MOST_ROUNDS,
    RANKED,
    ROUNDINGS,
    SAMPLINGS,
    check_choice,
)
from tf_tickets.pruning.classifier import check_classifier_keep
from tf_tickets.pruning.classifier_choice import chosen_classifier_keep
from tf_tickets.pruning.given_ratios import Ratios, ratios_as_json
from tf_tickets.pruning.pattern_names import pattern_of
from tf_tickets.pruning.ratios import RATIOS, named_rule, ranks_all
from tf_tickets.pruning.scores import Score, ScoreFunction, name_of
from tf_tickets.support.numbers import check_whole, is_whole


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quota:
    """How many weights a ticket keeps, and where: all that is decided without looking at scores.

    Attributes:
        ratios: `"global"` ranks all layers together; anything else fixes each layer's count: a name, ratios
            or a Ticket, see `keep_counts`.
        sparsity: fraction to remove, in [0, 1).
        rounding: `"exact"` or `"reference"`, see `keep_counts`.
        family: form of the smart ratios, see `keep_counts`.
        classifier_keep: fraction of each classifier, the weights that feed an output, that is kept apart from
            the rest and charged to the budget. 1.0 with global ratios is the reference's lottery-ticket rule.
            None, which is `"ranked"` with global ratios, ranks them with the rest there; with smart rules it
            means 0.3.
        redistribute: whether other layers get what a full layer cannot hold, see `keep_counts`.
        min_keep: weights that every layer keeps at least.
        sampling: `"exact"` meets the counts; `"bernoulli"` keeps each weight by itself with its layer's
            density, so that the total is random too. For random scores only.
        preserve_flow: leave no input or output channel of a layer without a weight. Counts stay as they are
            (each layer gets enough for it); Bernoulli masks grow.
        rounds: how many times to score and prune; None means the score's own. The densities of the rounds are
            a geometric series that ends at the target.
        pattern: which weights of a layer are kept together, or how many of neighbours at most, see
            `pattern_names.pattern_of`; None: each is kept or not by itself. Of patterns in groups, blocks and
            channels, groups are counted wherever weights are without one.
    """

    ratios: Ratios
    sparsity: float
    rounding: str = "exact"
    family: str | None = None
    classifier_keep: float | str | None = None
    redistribute: bool = True
    min_keep: int = 0
    sampling: str = "exact"
    preserve_flow: bool = False
    rounds: int | None = None
    pattern: str | None = None

    @property
    def ranks_all(self) -> bool:
        """Whether the layers are ranked together."""
        return ranks_all(self.ratios)


# Names of what `prune` takes for it.
OPTIONS = tuple(
    field.name for field in dataclasses.fields(Quota) if field.name not in ("sparsity", "rounding")
)


def check_quota(quota: Quota, row: Score) -> None:
    """Refuses a quota that cannot be, whatever the model, or not with scores of this row."""
    rule = named_rule(quota.ratios)
    if isinstance(quota.ratios, str) and rule is None:
        check_choice("ratios", quota.ratios, (GLOBAL, *RATIOS))
    check_choice("rounding", quota.rounding, ROUNDINGS)
    check_choice("sampling", quota.sampling, SAMPLINGS)
    if quota.family is not None:
        check_choice("family", quota.family, FAMILIES)
        if rule is None or not rule.families:
            raise ValueError(
                f"family= is a form of the smart ratios; ratios={quota.ratios!r} has no families."
            )
    if quota.classifier_keep == RANKED:
        chosen_classifier_keep(RANKED, quota.ratios, None)
    elif quota.classifier_keep is not None:
        check_classifier_keep(quota.classifier_keep)
    if not quota.redistribute and quota.ranks_all:
        raise ValueError("redistribute=False is for ratios of layers; ratios='global' has none.")
    if not is_whole(quota.min_keep, 0):
        raise ValueError(f"min_keep is a number of weights, 0 or more. Received: {quota.min_keep!r}")
    draws = row.independent and not quota.ranks_all and quota.rounding == "exact"
    for name in ("redistribute", "preserve_flow"):
        if not isinstance(getattr(quota, name), (bool, np.bool_)):
            raise ValueError(f"{name} is True or False. Received: {getattr(quota, name)!r}")
    if quota.pattern is not None:
        _check_pattern(quota)
    if quota.sampling == "bernoulli" and quota.min_keep:
        raise ValueError(f"min_keep={quota.min_keep} is for exact counts; sampling='bernoulli' draws them.")
    if quota.sampling == "bernoulli" and not draws:
        raise ValueError(
            "sampling='bernoulli' is for random scores with ratios of layers and exact rounding. Received: "
            f"ratios={quota.ratios!r}, rounding={quota.rounding!r}, or a score that is not random."
        )


def _check_pattern(quota: Quota) -> None:
    pattern = pattern_of(quota.pattern)
    for name, only in (("rounding", "exact"), ("sampling", "exact"), ("preserve_flow", False)):
        if getattr(quota, name) != only:
            raise ValueError(
                f"pattern={quota.pattern!r} goes with {name}={only!r} alone. Received: "
                f"{getattr(quota, name)!r}"
            )
    if pattern.row.needs_counts and quota.ranks_all:
        raise ValueError(
            f"pattern={quota.pattern!r} spreads the count of a layer over its outputs, and ratios='global' "
            f"gives layers none. Choose ratios of layers: {', '.join(RATIOS)}, or numbers; or "
            "pattern='unstructured'."
        )


def checked_rounds(rounds: int | None, score: str | ScoreFunction, row: Score, trains_between: bool) -> int:
    """How many rounds there are: those asked for, or the score's own.

    Args:
        rounds: number asked for; None for the score's own.
        score: name or callable, for messages.
        row: the score's.
        trains_between: whether the network is trained between rounds.
    """
    if rounds is None:
        return row.rounds
    rounds = check_whole("rounds", rounds, 1, MOST_ROUNDS)
    if rounds > 1 and not row.sees_masks and not trains_between:
        raise ValueError(
            f"rounds={rounds}: {name_of(score)} scores do not depend on what is pruned, so that "
            "further rounds without training between them change nothing. To train between them, "
            "prune(within=ticket) at each of tf_tickets.pruning.round_sparsities, or let the command line do "
            "it (--rounds)."
        )
    return int(rounds)


def quota_facts(quota: Quota, rounds: int) -> dict[str, Any]:
    """The quota as JSON; ratios of a ticket or of one's own as numbers."""
    facts = {**dataclasses.asdict(dataclasses.replace(quota, ratios="")), "rounds": rounds}
    facts = {name: as_json(value) for name, value in facts.items()}
    return {**facts, "ratios": ratios_as_json(quota.ratios), "sparsity": float(quota.sparsity)}


def as_json(value: Any) -> Any:
    """The value as JSON has it: NumPy numbers as plain ones, functions and other things by name."""
    value = value.item() if isinstance(value, np.generic) else value
    known = isinstance(value, (str, int, float, bool, type(None)))
    return value if known else getattr(value, "__name__", repr(value))
