"""Methods whose masks move while the network trains: `Search`, the column of their row that says how."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tf_tickets.support.late import resolve
from tf_tickets.support.numbers import is_number, is_whole

if TYPE_CHECKING:
    import keras

    from tf_tickets.pruning import Ticket

ROOM = "tf_tickets.sparse_training"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """What a search is told of its run.

    Attributes:
        sparsity: the target.
        ratios: how many weights of each layer, where the search fixes that.
        source: masks that it stays inside; None where it is free.
        steps: optimizer steps of the whole training.
        decays: whether the optimizer decays every variable.
        seed: of random numbers.
    """

    sparsity: float
    ratios: str | Sequence[float]
    source: Ticket | None
    steps: int
    decays: bool
    seed: int


def no_callbacks(plan: SearchPlan, **options: Any) -> list[keras.callbacks.Callback]:
    """Of a search that is in the model alone."""
    return []


@dataclasses.dataclass(frozen=True, kw_only=True)
class Search:
    """How masks are found while a network trains: a column of a method's row.

    Attributes:
        options: names and defaults of `--search_options`.
        library: how to do the same to a model of one's own, for messages.
        drawn: whether training starts from a ticket of the target's sparsity; otherwise from all weights of
            the source mask, or of the network where there is none.
        aims: whether the search ends at a sparsity that is asked for.
        grows: whether weights come back that were pruned.
        in_levels: whether the density changes at the beginnings of epochs only.
        callbacks: (plan, **options) -> the Keras callbacks of the training.
        convert: (model, plan, **options): what is changed in the model before it trains, in place.
    """

    options: Mapping[str, Any] = dataclasses.field(hash=False)
    library: str
    drawn: bool = False
    aims: bool = True
    grows: bool = False
    in_levels: bool = False
    callbacks: Callable[..., list[keras.callbacks.Callback]] = no_callbacks
    convert: Callable[..., None] | None = None


def check_options(method: str, search: Search, given: Mapping[str, Any]) -> None:
    """Raises ValueError for options that the method's search does not have."""
    unknown = sorted(set(given) - set(search.options))
    if unknown:
        raise ValueError(
            f"--search_options: {method} has no option {', '.join(unknown)}. "
            f"It has: {', '.join(f'{option}={value}' for option, value in search.options.items())}."
        )


@dataclasses.dataclass(frozen=True)
class Moving:
    """Makes the callback that moves masks from the first step up to the part `until` of the training.

    Attributes:
        callback: name of a class of `tf_tickets.sparse_training`.
        takes_target: whether it is told the sparsity; otherwise it keeps that of the masks.
    """

    callback: str
    takes_target: bool

    def __call__(self, plan: SearchPlan, until: float, **options: Any) -> list[keras.callbacks.Callback]:
        if not is_number(until) or not 0 < until <= 1:
            raise ValueError(f"until= is a part of the training, in (0, 1]. Received: {until!r}")
        target = {"sparsity": plan.sparsity} if self.takes_target else {}
        end = max(1, round(until * plan.steps))
        if is_whole(options["frequency"], end):
            raise ValueError(
                f"frequency={options['frequency']} is no less than the {end} steps in which masks move, "
                f"until={until} of {plan.steps}: lower it, or train longer."
            )
        make = resolve(f"{ROOM}:{self.callback}")
        return [make(begin_step=0, end_step=end, source=plan.source, seed=plan.seed, **target, **options)]


def soft_threshold(model: keras.Model, plan: SearchPlan, initial_value: float, decay: float | None) -> None:
    """Gives every layer a threshold that it learns."""
    if decay is None and not plan.decays:
        raise ValueError(
            "Thresholds rise only by decay, and this recipe's optimizer gives them none: pass "
            "--search_options=decay=0.0005, or --optimizer=sgd with a --weight_decay."
        )
    resolve(f"{ROOM}:soft_threshold")(model, initial_value, decay)


def edge_popup(
    model: keras.Model, plan: SearchPlan, weights: str, scale_by_density: bool, **annealing: Any
) -> None:
    """Gives every weight a score that is trained in its place."""
    convert = resolve(f"{ROOM}:edge_popup")
    convert(model, plan.sparsity, plan.ratios, weights, scale_by_density, plan.seed)


def annealing(
    plan: SearchPlan, start: float | None, levels: int, **weights: Any
) -> list[keras.callbacks.Callback]:
    """The callback that lowers the density in levels, from `start`; none where that is None."""
    if start is None:
        return []
    if isinstance(start, (int, float)) and start < 1 - plan.sparsity - 1e-9:
        raise ValueError(
            f"start={start} is a density below that of the target, {1 - plan.sparsity:.6g}: raise it, or "
            "pass start=null for a search that is not annealed."
        )
    return [resolve(f"{ROOM}:AnnealedDensity")(start, levels)]
